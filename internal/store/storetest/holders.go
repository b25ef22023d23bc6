package storetest

import (
	"reflect"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

var holderChecks = []check{
	{"a session comes with its account", "an old copy would let in who was blocked a moment ago", func(c *cas) {
		a := c.person("o1")
		n := c.signIn(a.ID, "s1")
		for _, status := range []gateway.Status{gateway.Active, gateway.Pending} {
			want := must[gateway.User](c)(c.store.UpdateUser(c.ctx, a.ID, noon, func(a *gateway.User) error {
				a.Status, a.Nickname, a.Groups, a.Admin = status, "name "+string(status), []string{"a", "b"}, true
				return nil
			}))
			got, who, err := c.store.SessionUser(c.ctx, n.Hash, noon)
			c.ok(err)
			if !reflect.DeepEqual(got, n) || !reflect.DeepEqual(who, want) {
				c.Fatalf("got  %+v\n     %+v\nwant %+v\n     %+v", got, who, n, want)
			}
		}
		_, who, err := c.store.SessionUser(c.ctx, n.Hash, after(time.Hour))
		c.is(err, gateway.ErrExpired)
		equal(c, "account of an expired session", who.ID, "")
		c.ok(c.store.DeleteSession(c.ctx, n.Hash))
		_, _, err = c.store.SessionUser(c.ctx, n.Hash, noon)
		c.is(err, gateway.ErrNotFound)
	}},
	{"a token comes with its account", "an app would be told an old name, or of one who was joined away", func(c *cas) {
		older, younger := c.two()
		want := c.grant(younger.ID, "wiki", "g1")
		tok, f, who, err := c.store.TokenUser(c.ctx, sum("access g1"), noon)
		c.ok(err)
		if !reflect.DeepEqual(f, want) || !reflect.DeepEqual(who, younger) || tok.Grant != f.ID {
			c.Fatalf("got  %+v\n     %+v\n     %+v\nwant %+v\n     %+v", tok, f, who, want, younger)
		}
		equal(c, "joined", c.arrive(site.at(after(time.Hour), "s1", "u1")).ID, older.ID)
		_, f, who, err = c.store.TokenUser(c.ctx, sum("access g1"), noon)
		c.ok(err)
		equal(c, "of the family and of the account, after a join", f.UserID+who.ID, older.ID+older.ID)

		_, _, who, err = c.store.TokenUser(c.ctx, sum("access g1"), after(5*time.Minute))
		c.is(err, gateway.ErrExpired)
		equal(c, "account of an expired token", who.ID, "")
		_, _, _, err = c.store.TokenUser(c.ctx, sum("none"), noon)
		c.is(err, gateway.ErrNotFound)
		must[int](c)(c.store.Revoke(c.ctx, gateway.Revocation{Grant: "family-g1"}, noon))
		_, _, _, err = c.store.TokenUser(c.ctx, sum("access g1"), noon)
		c.is(err, gateway.ErrExpired)
	}},
}
