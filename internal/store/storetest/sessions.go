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
		c.ok(c.store.PutSession(c.ctx, n))
		got := must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon))
		n.AuthTime = after(123456 * time.Microsecond)
		if !reflect.DeepEqual(got, n) {
			c.Fatalf("got  %+v\nwant %+v", got, n)
		}
		n.Data[0] = 'X'
		got.Data[1] = 'X'
		equal(c, "stored data", string(must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon)).Data), "data of s1")
	}},
	{"repeats of one sign-in are one session", "WeChat calls the callback twice", func(c *cas) {
		id := c.person("o1").ID
		together(c.crowd(), func(int) {
			if err := c.store.PutSession(c.ctx, newSession(id, "s1")); err != nil {
				c.Error(err)
			}
		})
		equal(c, "sessions", len(must[[]gateway.Session](c)(c.store.AccountSessions(c.ctx, id, noon))), 1)
		late := newSession(id, "s1")
		late.ExpiresAt = after(9 * time.Hour)
		c.ok(c.store.PutSession(c.ctx, late))
		equal(c, "end after a repeat", must[gateway.Session](c)(c.store.Session(c.ctx, sum("s1"), noon)).ExpiresAt, after(time.Hour))
	}},
	{"a hash is of one account", "a session must not change hands", func(c *cas) {
		a, b := c.person("o1").ID, c.person("o2").ID
		c.signIn(a, "s1")
		c.is(c.store.PutSession(c.ctx, newSession(b, "s1")), gateway.ErrConflict)
		equal(c, "account", must[gateway.Session](c)(c.store.Session(c.ctx, sum("s1"), noon)).AccountID, a)
		c.is(c.store.PutSession(c.ctx, newSession(gateway.NewID(), "s2")), gateway.ErrNotFound)
	}},
	{"a session ends on time", "a laptop that was lent stays signed in otherwise", func(c *cas) {
		id := c.person("o1").ID
		n := c.signIn(id, "s1")
		must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, after(time.Hour-time.Microsecond)))
		got, err := c.store.Session(c.ctx, n.Hash, after(time.Hour))
		c.is(err, gateway.ErrExpired)
		c.is(err, gateway.ErrNotFound)
		equal(c, "what comes with the error", got.AccountID, "")
		c.is(c.store.UpdateSession(c.ctx, n.Hash, after(time.Hour), func(*gateway.Session) error { return nil }), gateway.ErrExpired)
		c.ok(c.store.TouchSession(c.ctx, n.Hash, after(time.Hour), after(2*time.Hour)))
		_, err = c.store.Session(c.ctx, n.Hash, after(time.Hour))
		c.is(err, gateway.ErrExpired)
		equal(c, "listed", len(must[[]gateway.Session](c)(c.store.AccountSessions(c.ctx, id, after(time.Hour)))), 0)
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
				n.AccountID, n.SeenAt, n.ExpiresAt = "somebody", noon, noon
				return nil
			})
			if err != nil {
				c.Error(err)
			}
		})
		got := must[gateway.Session](c)(c.store.Session(c.ctx, n.Hash, noon))
		equal(c, "updates", len(got.Data), (crowd+1)/2)
		equal(c, "end", got.ExpiresAt, after(9*time.Hour))
		equal(c, "account", got.AccountID, n.AccountID)
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
			c.ok(c.store.PutSession(c.ctx, n))
		}
		c.signIn(b, "b1")
		list := must[[]gateway.Session](c)(c.store.AccountSessions(c.ctx, a, noon))
		equal(c, "listed first", list[0].Hash, sum("a4"))
		equal(c, "ended", must[int](c)(c.store.DeleteAccountSessions(c.ctx, a)), 5)
		equal(c, "left", len(must[[]gateway.Session](c)(c.store.AccountSessions(c.ctx, a, noon))), 0)
		must[gateway.Session](c)(c.store.Session(c.ctx, sum("b1"), noon))
		equal(c, "of nobody", must[int](c)(c.store.DeleteAccountSessions(c.ctx, gateway.NewID())), 0)
	}},
}
