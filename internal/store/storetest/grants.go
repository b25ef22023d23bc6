package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

var grantChecks = []check{
	{"what was put is what comes back", "the checks before the taking read it", func(c *cas) {
		id := c.person("o1").ID
		want := newCode(id, "wiki", "g1")
		c.ok(c.store.PutCode(c.ctx, want))
		for range 2 {
			got := must[gateway.Code](c)(c.store.Code(c.ctx, want.Hash))
			if !reflect.DeepEqual(got, want) {
				c.Fatalf("got  %+v\nwant %+v", got, want)
			}
		}
		f := must[gateway.Grant](c)(c.store.Grant(c.ctx, "family-g1"))
		if !reflect.DeepEqual(f, want.Grant) {
			c.Fatalf("family %+v", f)
		}
		c.is(c.store.PutCode(c.ctx, want), gateway.ErrConflict)
		_, err := c.store.Code(c.ctx, sum("none"))
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.Grant(c.ctx, "none")
		c.is(err, gateway.ErrNotFound)
		c.is(c.store.PutCode(c.ctx, newCode(gateway.NewID(), "wiki", "g3")), gateway.ErrNotFound)
	}},
	{"a code without a subject gets the one that is pinned", "the app must meet the name that it knows, also after a join", func(c *cas) {
		a := c.person("o1")
		code := func(user, app, id string) gateway.Code {
			n := newCode(user, app, id)
			n.Grant.Subject = ""
			return n
		}
		c.is(c.store.PutCode(c.ctx, code(a.ID, "wiki", "g1")), gateway.ErrNotFound)
		_, err := c.store.Code(c.ctx, sum("code g1"))
		c.is(err, gateway.ErrNotFound)
		for _, app := range []string{"wiki", "shop"} {
			must[string](c)(c.store.PinSubject(c.ctx, a.ID, app, "as "+app, noon))
		}
		c.ok(c.store.PutCode(c.ctx, code(a.ID, "wiki", "g1")))
		equal(c, "subject", must[gateway.Code](c)(c.store.Code(c.ctx, sum("code g1"))).Grant.Subject, "as wiki")
		c.is(c.store.PutCode(c.ctx, code(a.ID, "wiki", "g1")), gateway.ErrConflict)
		c.is(c.store.PutCode(c.ctx, code(gateway.NewID(), "wiki", "g2")), gateway.ErrNotFound)

		must[gateway.User](c)(c.store.UpdateUser(c.ctx, a.ID, noon, func(a *gateway.User) error { a.Status = gateway.Blocked; return nil }))
		c.is(c.store.PutCode(c.ctx, code(a.ID, "wiki", "g3")), gateway.ErrBlocked)

		older, younger := c.arrive(main.at(noon, "o2", "u2")), c.arrive(site.at(after(time.Minute), "s2", ""))
		must[string](c)(c.store.PinSubject(c.ctx, younger.ID, "notes", "as notes", noon))
		equal(c, "joined", c.arrive(site.at(after(time.Hour), "s2", "u2")).ID, older.ID)
		c.ok(c.store.PutCode(c.ctx, code(younger.ID, "notes", "g4")))
		f := must[gateway.Code](c)(c.store.Code(c.ctx, sum("code g4"))).Grant
		equal(c, "account and subject", f.UserID+" "+f.Subject, older.ID+" as notes")
	}},
	{"one of a hundred redeems a code, and the replay kills what it got", "a stolen code must not give two logins", func(c *cas) {
		stores := []gateway.Store{c.store, c.store}
		if s := c.second(); s != nil {
			stores[1] = s
		}
		id := c.person("o1").ID
		for round := range 3 {
			name := fmt.Sprint("g", round)
			c.ok(c.store.PutCode(c.ctx, newCode(id, "wiki", name)))
			var seen tally
			together(c.crowd(), func(i int) {
				issue := newIssue(name)
				issue.Access.Hash = sum(fmt.Sprint("access ", name, i))
				f, err := stores[i%2].Redeem(c.ctx, sum("code "+name), noon, issue)
				seen.add(word(err))
				if f.ID != "family-"+name {
					c.Errorf("family with the answer %q: %q", word(err), f.ID)
				}
			})
			equal(c, "redemptions", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "replay": c.crowd() - 1}))
			for i := range c.crowd() {
				if _, _, err := c.store.Token(c.ctx, sum(fmt.Sprint("access ", name, i)), noon); !errors.Is(err, gateway.ErrNotFound) {
					c.Fatalf("a token of a replayed code is alive: %v", err)
				}
			}
		}
	}},
	{"a forgiving replay leaves what the first one got", "WeChat's callbacks come twice at once, and the app means no harm", func(c *cas) {
		stores := []gateway.Store{c.store, c.store}
		if s := c.second(); s != nil {
			stores[1] = s
		}
		c.ok(c.store.PutCode(c.ctx, newCode(c.person("o1").ID, "shop", "g1")))
		var seen tally
		together(c.crowd(), func(i int) {
			issue := newIssue("g1")
			issue.Access.Hash, issue.ReplayTolerated = sum(fmt.Sprint("access g1", i)), true
			f, err := stores[i%2].Redeem(c.ctx, sum("code g1"), noon, issue)
			seen.add(word(err))
			if f.ID != "family-g1" || !f.RevokedAt.IsZero() {
				c.Errorf("family with the answer %q: %q, revoked at %v", word(err), f.ID, f.RevokedAt)
			}
		})
		equal(c, "redemptions", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "replay": c.crowd() - 1}))
		alive := 0
		for i := range c.crowd() {
			if _, _, err := c.store.Token(c.ctx, sum(fmt.Sprint("access g1", i)), noon); err == nil {
				alive++
			}
		}
		equal(c, "tokens alive", alive, 1)
		_, err := c.store.Redeem(c.ctx, sum("code g1"), after(time.Second), newIssue("g2"))
		c.is(err, gateway.ErrReplay)
		equal(c, "revoked by one that is not forgiving", must[gateway.Grant](c)(c.store.Grant(c.ctx, "family-g1")).RevokedAt, after(time.Second))
	}},
	{"a redeemed code gives its tokens", "one transaction: a crash leaves a code, or tokens, never neither", func(c *cas) {
		id := c.person("o1").ID
		f := c.grant(id, "wiki", "g1")
		equal(c, "counter", f.Counter, 1)
		equal(c, "end", f.ExpiresAt, after(720*time.Hour))
		a, g, err := c.store.Token(c.ctx, sum("access g1"), after(5*time.Minute-time.Microsecond))
		c.ok(err)
		if !reflect.DeepEqual(f, g) {
			c.Fatalf("family of the redemption %+v\nfamily of the token %+v", f, g)
		}
		equal(c, "token", fmt.Sprint(a.Grant, a.CreatedAt, a.ExpiresAt), fmt.Sprint("family-g1", noon, after(5*time.Minute)))
		_, _, err = c.store.Token(c.ctx, sum("access g1"), after(5*time.Minute))
		c.is(err, gateway.ErrExpired)
		equal(c, "taken", must[gateway.Code](c)(c.store.Code(c.ctx, sum("code g1"))).RedeemedAt, noon)
		f, err = c.store.Redeem(c.ctx, sum("code g1"), after(time.Second), newIssue("again"))
		c.is(err, gateway.ErrReplay)
		equal(c, "revoked", f.RevokedAt, after(time.Second))
		_, _, err = c.store.Token(c.ctx, sum("access g1"), after(time.Second))
		c.is(err, gateway.ErrNotFound)
		_, _, err = c.store.Token(c.ctx, sum("access again"), after(time.Second))
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.Rotate(c.ctx, newRotation("g1", 1, time.Second))
		c.is(err, gateway.ErrExpired)
	}},
	{"a grant without refresh tokens ends with its access token", "rows that nobody can use would stay for weeks", func(c *cas) {
		id := c.person("o1").ID
		c.ok(c.store.PutCode(c.ctx, newCode(id, "wiki", "g1")))
		issue := newIssue("g1")
		issue.Refresh, issue.GrantExpires = [32]byte{}, time.Time{}
		f := must[gateway.Grant](c)(c.store.Redeem(c.ctx, sum("code g1"), noon, issue))
		equal(c, "end and counter", fmt.Sprint(f.ExpiresAt, f.Counter), fmt.Sprint(after(5*time.Minute), 0))
		var none [32]byte
		_, err := c.store.Rotate(c.ctx, gateway.Rotation{Grant: "family-g1", Presented: none, Next: sum("n"), Access: newIssue("x").Access, Now: noon})
		c.is(err, gateway.ErrReplay)
	}},
	{"a sweep takes what is over, and only that", "an app would lose its people, or the table grow for ever", func(c *cas) {
		id := c.person("o1").ID
		c.grant(id, "wiki", "long") // its refresh tokens end in a month
		c.ok(c.store.PutCode(c.ctx, newCode(id, "wiki", "short")))
		c.ok(c.store.PutCode(c.ctx, newCode(id, "wiki", "never taken")))
		issue := newIssue("short")
		issue.Refresh, issue.GrantExpires = [32]byte{}, time.Time{}
		must[gateway.Grant](c)(c.store.Redeem(c.ctx, sum("code short"), noon, issue))
		for _, k := range []struct {
			at   time.Duration
			left string
		}{
			{time.Minute, "[long short]"}, {5*time.Minute - time.Microsecond, "[long short]"}, {5 * time.Minute, "[long]"},
			{720*time.Hour - time.Microsecond, "[long]"}, {720 * time.Hour, "[]"},
		} {
			for must[int](c)(c.store.Sweep(c.ctx, after(k.at), time.Time{}, 1)) > 0 {
			}
			var left []string
			for _, name := range []string{"long", "never taken", "short"} {
				if _, err := c.store.Grant(c.ctx, "family-"+name); err == nil {
					left = append(left, name)
				}
			}
			equal(c, "left after "+k.at.String(), fmt.Sprint(left), k.left)
		}
	}},
	{"an old code is refused", "codes lie in logs and histories", func(c *cas) {
		id := c.person("o1").ID
		c.ok(c.store.PutCode(c.ctx, newCode(id, "wiki", "g1")))
		_, err := c.store.Redeem(c.ctx, sum("code g1"), after(time.Minute), newIssue("g1"))
		c.is(err, gateway.ErrExpired)
		equal(c, "taken", must[gateway.Code](c)(c.store.Code(c.ctx, sum("code g1"))).RedeemedAt, time.Time{})
		_, err = c.store.Redeem(c.ctx, sum("none"), noon, newIssue("g1"))
		c.is(err, gateway.ErrNotFound)
		c.ok(c.store.PutCode(c.ctx, newCode(id, "wiki", "g2")))
		must[int](c)(c.store.Revoke(c.ctx, gateway.Revocation{Grant: "family-g2"}, noon))
		_, err = c.store.Redeem(c.ctx, sum("code g2"), noon, newIssue("g2"))
		c.is(err, gateway.ErrExpired)
	}},
	{"a revocation ends what it names and nothing else", "sign-out at one app leaves the others alone", func(c *cas) {
		a, b := c.person("o1").ID, c.person("o2").ID
		all := map[string]string{"a wiki": a, "a shop": a, "b wiki": b}
		reset := func(round string) {
			for name, id := range all {
				c.grant(id, name[2:], name+round)
			}
		}
		dead := func(round string) (n []string) {
			for _, name := range []string{"a shop", "a wiki", "b wiki"} {
				if _, _, err := c.store.Token(c.ctx, sum("access "+name+round), noon); errors.Is(err, gateway.ErrNotFound) {
					n = append(n, name)
				}
			}
			return n
		}
		for i, k := range []struct {
			r     gateway.Revocation
			n     int
			ended string
		}{
			{gateway.Revocation{Grant: "family-a wiki0"}, 1, "[a wiki]"},
			{gateway.Revocation{UserID: a}, 3, "[a shop a wiki]"}, // and one of the round before
			{gateway.Revocation{UserID: a, App: "wiki"}, 1, "[a wiki]"},
			{gateway.Revocation{Session: sum("session b wiki3")}, 1, "[b wiki]"},
			{gateway.Revocation{Token: sum("access a shop4")}, 1, "[a shop]"},
			{gateway.Revocation{Grant: "family-a wiki5", App: "shop"}, 0, "[]"},
			{gateway.Revocation{UserID: gateway.NewID()}, 0, "[]"},
			{gateway.Revocation{Grant: "none"}, 0, "[]"},
			{gateway.Revocation{Token: sum("none")}, 0, "[]"},
		} {
			round := fmt.Sprint(i)
			reset(round)
			equal(c, "revoked in round "+round, must[int](c)(c.store.Revoke(c.ctx, k.r, noon)), k.n)
			equal(c, "dead in round "+round, fmt.Sprint(dead(round)), k.ended)
			equal(c, "again in round "+round, must[int](c)(c.store.Revoke(c.ctx, k.r, noon)), 0)
		}
		if _, err := c.store.Revoke(c.ctx, gateway.Revocation{App: "wiki"}, noon); err == nil {
			c.Fatal("a revocation that names nobody was carried out")
		}
		must[gateway.Grant](c)(c.store.Grant(c.ctx, "family-a shop4"))
		_, err := c.store.Rotate(c.ctx, newRotation("a shop4", 1, 0)) // only that token was revoked
		c.ok(err)
	}},
}

// newRotation presents refresh token n of the grant.
func newRotation(id string, n int, at time.Duration) gateway.Rotation {
	return gateway.Rotation{
		Grant: "family-" + id, Presented: sum(fmt.Sprint("refresh ", n, " ", id)), Next: sum(fmt.Sprint("refresh ", n+1, " ", id)),
		Access:  gateway.Token{Hash: sum(fmt.Sprint("access ", id, " ", n, " ", at, " ", gateway.NewID())), CreatedAt: after(at), ExpiresAt: after(at + 5*time.Minute)},
		Expires: after(at + 720*time.Hour), Now: after(at), Grace: 30 * time.Second,
	}
}

var refreshChecks = []check{
	{"a refresh token moves on", "each is good once, so that a stolen one shows", func(c *cas) {
		c.grant(c.person("o1").ID, "wiki", "g1")
		for n := 1; n <= 5; n++ {
			r := newRotation("g1", n, time.Duration(n)*time.Hour)
			out := must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, r))
			equal(c, "rotation", fmt.Sprint(out.Grant.Counter, out.Repeated, out.Refresh == r.Next, out.Grant.RotatedAt, out.Grant.ExpiresAt),
				fmt.Sprint(n+1, false, true, r.Now, r.Expires))
			_, f, err := c.store.Token(c.ctx, r.Access.Hash, r.Now)
			c.ok(err)
			if !reflect.DeepEqual(f, out.Grant) {
				c.Fatalf("family of the rotation %+v\nfamily of the token %+v", out.Grant, f)
			}
		}
	}},
	{"a token sent twice within the grace gets the same successor", "clients repeat a request whose answer was lost", func(c *cas) {
		c.grant(c.person("o1").ID, "wiki", "g1")
		first := must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, newRotation("g1", 1, time.Hour)))
		r := newRotation("g1", 1, time.Hour+30*time.Second-time.Microsecond)
		again := must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, r))
		equal(c, "successor", again.Refresh, first.Refresh)
		equal(c, "repeated, counter", fmt.Sprint(again.Repeated, again.Grant.Counter), "true 2")
		_, _, err := c.store.Token(c.ctx, r.Access.Hash, r.Now)
		c.ok(err)
		must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, newRotation("g1", 2, 2*time.Hour)))
	}},
	{"a token sent after the grace kills the family", "one of the two who hold it is a thief", func(c *cas) {
		c.grant(c.person("o1").ID, "wiki", "g1")
		r := newRotation("g1", 1, time.Hour)
		must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, r))
		out, err := c.store.Rotate(c.ctx, newRotation("g1", 1, time.Hour+30*time.Second))
		c.is(err, gateway.ErrReplay)
		equal(c, "family", fmt.Sprint(out.Grant.ID, out.Grant.RevokedAt), fmt.Sprint("family-g1", after(time.Hour+30*time.Second)))
		_, _, err = c.store.Token(c.ctx, r.Access.Hash, after(time.Hour+time.Minute))
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.Rotate(c.ctx, newRotation("g1", 2, time.Hour+time.Minute))
		c.is(err, gateway.ErrExpired)
	}},
	{"a token two steps back kills the family within the grace too", "the successor was used, so the answer was not lost", func(c *cas) {
		c.grant(c.person("o1").ID, "wiki", "g1")
		must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, newRotation("g1", 1, 0)))
		must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, newRotation("g1", 2, time.Second)))
		_, err := c.store.Rotate(c.ctx, newRotation("g1", 1, 2*time.Second))
		c.is(err, gateway.ErrReplay)
	}},
	{"a crowd with one token moves it once", "browsers open ten tabs, each refreshes", func(c *cas) {
		c.grant(c.person("o1").ID, "wiki", "g1")
		stores := []gateway.Store{c.store, c.store}
		if s := c.second(); s != nil {
			stores[1] = s
		}
		var seen tally
		together(c.crowd(), func(i int) {
			out, err := stores[i%2].Rotate(c.ctx, newRotation("g1", 1, time.Hour))
			seen.add(fmt.Sprint(word(err), " ", out.Repeated, " ", out.Refresh == sum("refresh 2 g1"), " ", out.Grant.Counter))
		})
		equal(c, "rotations", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok false true 2": 1, "ok true true 2": c.crowd() - 1}))
	}},
	{"a token may be its own successor", "WeChat's refresh tokens stay the same, and are sent by many at once", func(c *cas) {
		c.grant(c.person("o1").ID, "shop", "g1")
		same := func(at time.Duration) gateway.Rotation {
			r := newRotation("g1", 1, at)
			r.Next, r.Expires, r.Grace = r.Presented, time.Time{}, 0
			return r
		}
		together(c.crowd(), func(int) {
			r := same(time.Hour)
			out, err := c.store.Rotate(c.ctx, r)
			if err == nil {
				_, _, err = c.store.Token(c.ctx, r.Access.Hash, r.Now)
			}
			if err != nil || out.Refresh != r.Presented {
				c.Errorf("one of a crowd: %v, successor %x", err, out.Refresh)
			}
		})
		equal(c, "end", must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, same(700*time.Hour))).Grant.ExpiresAt, after(720*time.Hour))
		_, err := c.store.Rotate(c.ctx, newRotation("g1", 2, 701*time.Hour)) // not the one that is current
		c.is(err, gateway.ErrReplay)
	}},
	{"a family ends", "a refresh token is no permission for ever", func(c *cas) {
		c.grant(c.person("o1").ID, "wiki", "g1")
		_, err := c.store.Rotate(c.ctx, newRotation("g1", 1, 720*time.Hour))
		c.is(err, gateway.ErrExpired)
		_, err = c.store.Rotate(c.ctx, newRotation("none", 1, 0))
		c.is(err, gateway.ErrNotFound)
		r := newRotation("g1", 1, time.Hour)
		r.Expires = after(time.Hour)
		equal(c, "end after a shorter rotation", must[gateway.RotatedGrant](c)(c.store.Rotate(c.ctx, r)).Grant.ExpiresAt, after(720*time.Hour))
	}},
}
