package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

var sessionChecks = []check{
	{"what was put is what comes back", "a field that gets lost signs people in as somebody else", func(c *cas) {
		id := c.person("o1").ID
		n := newSession(id, "s1")
		n.AuthTime = after(123456789 * time.Nanosecond).In(time.FixedZone("x", 3600))
		c.ok(c.store.PutSession(c.ctx, n, noon))
		got := must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon))
		n.AuthTime = after(123456 * time.Microsecond)
		if !reflect.DeepEqual(got, n) {
			c.Fatalf("got  %+v\nwant %+v", got, n)
		}
		n.Data[0] = 'X'
		got.Data[1] = 'X'
		equal(c, "stored data", string(must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon)).Data), "data of s1")
	}},
	{"one of a hundred takes a hash", "a second session under one id would be somebody else's", func(c *cas) {
		a, b := c.person("o1").ID, c.person("o2").ID
		var seen tally
		together(c.crowd(), func(i int) {
			seen.add(word(c.store.PutSession(c.ctx, newSession([]string{a, b}[i%2], "s1"), noon)))
		})
		equal(c, "put", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "conflict": c.crowd() - 1}))
		first := must[gateway.Session](c)(c.store.Session(c.ctx, sum("s1"), noon))
		late := newSession(b, "s1")
		late.ExpiresAt, late.Data = after(9*time.Hour), nil
		c.is(c.store.PutSession(c.ctx, late, after(time.Hour-time.Microsecond)), gateway.ErrConflict)
		equal(c, "end", must[gateway.Session](c)(c.store.Session(c.ctx, sum("s1"), noon)).ExpiresAt, first.ExpiresAt)
		c.ok(c.store.PutSession(c.ctx, late, after(time.Hour)))
		if got := must[gateway.Session](c)(c.store.Session(c.ctx, sum("s1"), after(time.Hour))); !reflect.DeepEqual(got, late) {
			c.Fatalf("over an expired one: got  %+v\nwant %+v", got, late)
		}
		c.is(c.store.PutSession(c.ctx, newSession(gateway.NewID(), "s2"), noon), gateway.ErrNotFound)
	}},
	{"a session ends on time", "a laptop that was lent stays signed in otherwise", func(c *cas) {
		id := c.person("o1").ID
		n := c.signIn(id, "s1")
		must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, after(time.Hour-time.Microsecond)))
		got, err := c.store.Session(c.ctx, n.Hash, after(time.Hour))
		c.is(err, gateway.ErrExpired)
		c.is(err, gateway.ErrNotFound)
		equal(c, "what comes with the error", got.UserID, "")
		c.is(c.store.UpdateSession(c.ctx, n.Hash, after(time.Hour), func(*gateway.Session) error { return nil }), gateway.ErrExpired)
		c.ok(c.store.TouchSession(c.ctx, n.Hash, after(time.Hour), after(2*time.Hour)))
		_, err = c.store.Session(c.ctx, n.Hash, after(time.Hour))
		c.is(err, gateway.ErrExpired)
		equal(c, "listed", len(must[[]gateway.Session](c)(c.store.UserSessions(c.ctx, id, after(time.Hour)))), 0)
	}},
	{"a touch writes once a minute and never back", "clocks of replicas differ, and pages load in dozens", func(c *cas) {
		n := c.signIn(c.person("o1").ID, "s1")
		touch := func(d time.Duration) gateway.Session {
			c.Helper()
			c.ok(c.store.TouchSession(c.ctx, n.Hash, after(d), after(d+time.Hour)))
			return must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon))
		}
		for _, k := range []struct{ at, seen time.Duration }{
			{59 * time.Second, 0},
			{time.Minute, time.Minute},
			{90 * time.Second, time.Minute},
			{10 * time.Minute, 10 * time.Minute},
			{5 * time.Minute, 10 * time.Minute},
		} {
			got := touch(k.at)
			equal(c, fmt.Sprint("seen after a touch at ", k.at), got.SeenAt, after(k.seen))
			equal(c, "end", got.ExpiresAt, after(k.seen+time.Hour))
		}
		c.ok(c.store.TouchSession(c.ctx, n.Hash, after(20*time.Minute), after(30*time.Minute)))
		equal(c, "end after a shorter touch", must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon)).ExpiresAt, after(70*time.Minute))
	}},
	{"a touch does not bring back a session that was ended", "sign-out would be undone by a page that still loads", func(c *cas) {
		n := c.signIn(c.person("o1").ID, "s1")
		c.ok(c.store.DeleteSession(c.ctx, n.Hash))
		c.ok(c.store.TouchSession(c.ctx, n.Hash, after(time.Minute), after(2*time.Hour)))
		_, err := c.store.Session(c.ctx, n.Hash, noon)
		c.is(err, gateway.ErrNotFound)
		c.is(c.store.UpdateSession(c.ctx, n.Hash, noon, func(*gateway.Session) error { return nil }), gateway.ErrNotFound)
		c.ok(c.store.DeleteSession(c.ctx, n.Hash))
	}},
	{"no update is lost", "tabs of one browser write at once", func(c *cas) {
		n := c.signIn(c.person("o1").ID, "s1")
		c.ok(c.store.UpdateSession(c.ctx, n.Hash, noon, func(n *gateway.Session) error { n.Data = nil; return nil }))
		crowd := c.crowd()
		together(crowd, func(i int) {
			if i%2 == 1 {
				if err := c.store.TouchSession(c.ctx, n.Hash, after(time.Duration(i)*time.Minute), after(9*time.Hour)); err != nil {
					c.Error(err)
				}
				return
			}
			err := c.store.UpdateSession(c.ctx, n.Hash, noon, func(n *gateway.Session) error {
				n.Data = append(n.Data, 'x')
				n.UserID, n.CreatedAt = "somebody", time.Time{}
				n.SeenAt, n.ExpiresAt = n.SeenAt.Add(-time.Hour), n.ExpiresAt.Add(-time.Hour) // neither goes back
				return nil
			})
			if err != nil {
				c.Error(err)
			}
		})
		got := must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon))
		equal(c, "updates", len(got.Data), (crowd+1)/2)
		equal(c, "end", got.ExpiresAt, after(9*time.Hour))
		equal(c, "account", got.UserID, n.UserID)
		equal(c, "created", got.CreatedAt, noon)
		c.ok(c.store.UpdateSession(c.ctx, n.Hash, noon, func(n *gateway.Session) error { n.ExpiresAt = after(10 * time.Hour); return nil }))
		equal(c, "a later end", must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon)).ExpiresAt, after(10*time.Hour))
		mine := fmt.Errorf("mine")
		if err := c.store.UpdateSession(c.ctx, n.Hash, noon, func(n *gateway.Session) error { n.Data = nil; return mine }); err != mine {
			c.Fatalf("the caller's own error came back as %v", err)
		}
		equal(c, "updates after an error", len(must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon)).Data), (crowd+1)/2)
	}},
	{"sign-out everywhere ends every session of that account alone", "a lost phone", func(c *cas) {
		a, b := c.person("o1").ID, c.person("o2").ID
		for i := range 5 {
			n := newSession(a, fmt.Sprint("a", i))
			n.SeenAt = after(time.Duration(i) * time.Minute)
			c.ok(c.store.PutSession(c.ctx, n, noon))
		}
		c.signIn(b, "b1")
		list := must[[]gateway.Session](c)(c.store.UserSessions(c.ctx, a, noon))
		equal(c, "listed first", list[0].Hash, sum("a4"))
		equal(c, "ended", must[int](c)(c.store.DeleteUserSessions(c.ctx, a)), 5)
		equal(c, "left", len(must[[]gateway.Session](c)(c.store.UserSessions(c.ctx, a, noon))), 0)
		must[gateway.Session](c)(c.store.Session(c.ctx, sum("b1"), noon))
		equal(c, "of nobody", must[int](c)(c.store.DeleteUserSessions(c.ctx, gateway.NewID())), 0)
	}},
}
