package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func newKey(id, slot string) gateway.Key {
	return gateway.Key{ID: id, Slot: slot, Use: "sign", Alg: "RS256", Sealed: []byte("sealed " + id), CreatedAt: noon, ActiveAt: after(time.Hour)}
}

var keyChecks = []check{
	{"two replicas make one key", "apps would meet tokens signed with a key that is not published", func(c *cas) {
		stores := []gateway.Store{c.store, c.store}
		if s := c.second(); s != nil {
			stores[1] = s
		}
		var seen tally
		together(16, func(i int) {
			seen.add(word(stores[i%2].PutKey(c.ctx, newKey(fmt.Sprint("k", i), "sign/RS256/1"))))
		})
		equal(c, "put", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "conflict": 15}))
		c.is(c.store.PutKey(c.ctx, newKey(must[[]gateway.Key](c)(c.store.Keys(c.ctx))[0].ID, "sign/RS256/2")), gateway.ErrConflict)
		later := newKey("next", "sign/RS256/2")
		later.CreatedAt = after(time.Minute)
		c.ok(c.store.PutKey(c.ctx, later))
		keys := must[[]gateway.Key](c)(stores[1].Keys(c.ctx))
		if len(keys) != 2 || keys[1].ID != "next" || string(keys[1].Sealed) != "sealed next" || keys[1].ActiveAt != after(time.Hour) || !keys[1].RetiredAt.IsZero() {
			c.Fatalf("keys: %+v", keys)
		}
		if err := c.store.PutKey(c.ctx, gateway.Key{ID: "x"}); err == nil {
			c.Fatal("a key without a secret was stored")
		}
	}},
	{"replicas that retire a key agree on the earlier plan", "a token would be signed with a key that is no longer published", func(c *cas) {
		c.ok(c.store.PutKey(c.ctx, newKey("k1", "sign/RS256/1")))
		for _, d := range []time.Duration{3 * time.Hour, 2 * time.Hour, 4 * time.Hour} {
			c.ok(c.store.RetireKey(c.ctx, "k1", after(d), after(d+time.Hour)))
		}
		k := must[[]gateway.Key](c)(c.store.Keys(c.ctx))[0]
		equal(c, "plan", fmt.Sprint(k.RetiredAt, k.ExpiresAt), fmt.Sprint(after(2*time.Hour), after(3*time.Hour)))
		c.is(c.store.RetireKey(c.ctx, "none", noon, noon), gateway.ErrNotFound)
		must[int](c)(c.store.Sweep(c.ctx, after(3*time.Hour), time.Time{}, 0))
		equal(c, "keys after the sweep", len(must[[]gateway.Key](c)(c.store.Keys(c.ctx))), 0)
	}},
	{"a key is sealed anew once", "two replicas that rotate the master key must not undo each other", func(c *cas) {
		c.ok(c.store.PutKey(c.ctx, newKey("k1", "sign/RS256/1")))
		var seen tally
		together(16, func(i int) {
			seen.add(word(c.store.ReplaceSealed(c.ctx, "k1", []byte("sealed k1"), fmt.Append(nil, "anew ", i))))
		})
		equal(c, "sealed", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "conflict": 15}))
		if k := must[[]gateway.Key](c)(c.store.Keys(c.ctx))[0]; !bytes.HasPrefix(k.Sealed, []byte("anew ")) {
			c.Fatalf("sealed: %q", k.Sealed)
		}
		c.is(c.store.ReplaceSealed(c.ctx, "none", nil, []byte("x")), gateway.ErrNotFound)
	}},
}

var eventChecks = []check{
	{"events come back newest first, filtered and paged", "an administrator asks what failed for whom", func(c *cas) {
		for i := range 10 {
			e := gateway.Event{
				At: after(time.Duration(i) * time.Minute), Kind: []string{"signin", "token"}[i%2], UserID: fmt.Sprint("a", i%3), App: fmt.Sprint("app", i%2),
				Connector: "main", Method: "wechat", Outcome: "ok", RequestID: fmt.Sprint("r", i), Detail: "细节",
			}
			c.ok(c.store.AppendEvents(c.ctx, e))
		}
		c.ok(c.store.AppendEvents(c.ctx))
		first := must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{Limit: 4}))
		equal(c, "first page", first[0].RequestID+first[3].RequestID, "r9r6")
		if e := first[0]; e.At != after(9*time.Minute) || e.Kind != "token" || e.UserID != "a0" || e.App != "app1" || e.Connector != "main" || e.Method != "wechat" || e.Outcome != "ok" || e.Detail != "细节" || e.ID <= first[1].ID {
			c.Fatalf("event %+v", e)
		}
		next := must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{Before: first[3].ID}))
		equal(c, "next page", fmt.Sprint(len(next), " ", next[0].RequestID), "6 r5")
		for _, k := range []struct {
			q gateway.EventQuery
			n int
		}{
			{gateway.EventQuery{UserID: "a0"}, 4},
			{gateway.EventQuery{Kind: "signin"}, 5},
			{gateway.EventQuery{App: "app1", UserID: "a1"}, 2},
			{gateway.EventQuery{Since: after(7 * time.Minute)}, 3},
		} {
			equal(c, fmt.Sprintf("found by %+v", k.q), len(must[[]gateway.Event](c)(c.store.Events(c.ctx, k.q))), k.n)
		}
		equal(c, "swept", must[int](c)(c.store.Sweep(c.ctx, noon, after(5*time.Minute), 3)), 3)
		equal(c, "swept", must[int](c)(c.store.Sweep(c.ctx, noon, after(5*time.Minute), 3)), 2)
		equal(c, "left", len(must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{}))), 5)
	}},
}

var upkeepChecks = []check{
	{"ten thousand rows are swept in small batches while people sign in", "the database would grow for ever, or stop everybody at night", func(c *cas) {
		n := 3400 // of each of three kinds
		if c.Race {
			n = 340
		}
		id := c.person("o1").ID
		fill(c, id, n)
		live := c.signIn(id, "live")
		c.ok(c.store.TouchSession(c.ctx, live.Hash, after(time.Minute), after(100*time.Hour)))
		c.grant(id, "wiki", "live")
		done := make(chan struct{})
		var writers sync.WaitGroup
		var written atomic.Int64
		for w := range 4 {
			writers.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					if err := c.store.PutSession(c.ctx, longSession(id, fmt.Sprint("w", w, " ", i)), noon); err != nil {
						c.Error(err)
						return
					}
					written.Add(1)
				}
			})
		}
		total, calls := 0, 0
		for {
			got := must[int](c)(c.store.Sweep(c.ctx, after(2*time.Hour), time.Time{}, 250))
			if got > 4*250 {
				c.Errorf("one call swept %d rows, asked for 250 of each table", got)
			}
			total += got
			calls++
			if got == 0 {
				break
			}
		}
		close(done)
		writers.Wait()
		if written.Load() < int64(calls) {
			c.Errorf("%d writes during %d sweeps: writers stood still", written.Load(), calls)
		}
		// Sessions, claims and grants; the grants' tokens were not made.
		if total < 3*n {
			c.Errorf("swept %d rows of %d", total, 3*n)
		}
		must[gateway.Session](c)(c.store.Session(c.ctx, live.Hash, after(2*time.Hour)))
		must[gateway.Grant](c)(c.store.Grant(c.ctx, "family-live"))
		equal(c, "sessions that must not be swept", len(must[[]gateway.Session](c)(c.store.UserSessions(c.ctx, id, after(2*time.Hour)))), int(written.Load())+1)
	}},
	{"everything at once is never too much", "a busy morning must not show people a 503", bustle},
	{"a context that has ended stops the work", "a person who has gone should cost nothing", func(c *cas) {
		id := c.person("o1").ID
		ended, cancel := context.WithCancel(c.ctx)
		cancel()
		late, cancel2 := context.WithDeadline(c.ctx, time.Now().Add(-time.Second))
		defer cancel2()
		for name, f := range map[string]func(context.Context) error{
			"Arrive": func(x context.Context) error {
				_, _, err := c.store.RecordSignIn(x, main.at(noon, "o2", ""))
				return err
			},
			"Account":    func(x context.Context) error { _, err := c.store.User(x, id); return err },
			"PutSession": func(x context.Context) error { return c.store.PutSession(x, newSession(id, "s"), noon) },
			"Session":    func(x context.Context) error { _, err := c.store.Session(x, sum("s"), noon); return err },
			"Claim": func(x context.Context) error {
				_, _, err := c.store.BeginAttempt(x, attempt("k", "c", "one", 0), noon)
				return err
			},
			"PutCode": func(x context.Context) error { return c.store.PutCode(x, newCode(id, "wiki", "g")) },
			"Redeem": func(x context.Context) error {
				_, err := c.store.Redeem(x, sum("code g"), noon, newIssue("g"))
				return err
			},
			"PutTicket": func(x context.Context) error { return c.store.PutTicket(x, newTicket("t"), noon, many) },
			"Ticket":    func(x context.Context) error { _, err := c.store.Ticket(x, sum("t"), noon); return err },
			"TicketStates": func(x context.Context) error {
				_, err := c.store.TicketStates(x, [][32]byte{sum("t")}, noon)
				return err
			},
			"ScanTicket":   func(x context.Context) error { _, err := c.store.ScanTicket(x, sum("t"), phone(id), noon); return err },
			"RedeemTicket": func(x context.Context) error { _, err := c.store.RedeemTicket(x, sum("t"), sum("d"), noon); return err },
			"PinSubject":   func(x context.Context) error { _, err := c.store.PinSubject(x, id, "wiki", "sub", noon); return err },
			"PutKey":       func(x context.Context) error { return c.store.PutKey(x, newKey("k", "s")) },
			"AppendEvent":  func(x context.Context) error { return c.store.AppendEvents(x, gateway.Event{At: noon, Kind: "late"}) },
			"Sweep":        func(x context.Context) error { _, err := c.store.Sweep(x, noon, noon, 1); return err },
			"Ping":         c.store.Ping,
		} {
			for want, x := range map[error]context.Context{context.Canceled: ended, context.DeadlineExceeded: late} {
				err := f(x)
				if !errors.Is(err, want) || errors.Is(err, gateway.ErrUnavailable) {
					c.Errorf("%s: got %v, want one that is %v and not ErrUnavailable", name, err, want)
				}
			}
		}
		_, err := c.store.Session(c.ctx, sum("s"), noon)
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.Code(c.ctx, sum("code g"))
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.Ticket(c.ctx, newTicket("t").Hash, noon)
		c.is(err, gateway.ErrNotFound)
		c.claims(attempt("k", "c", "two", 0), 0)
	}},
	{"contexts that end in the middle leave all or nothing", "half a sign-in is a person without an account", func(c *cas) {
		id := c.person("o1").ID
		var certain sync.Map
		together(c.crowd(), func(i int) {
			x, cancel := context.WithTimeout(c.ctx, time.Duration(i)*50*time.Microsecond)
			defer cancel()
			name := fmt.Sprint("g", i)
			if c.store.PutCode(x, newCode(id, "wiki", name)) != nil {
				return
			}
			_, err := c.store.Redeem(x, sum("code "+name), noon, newIssue(name))
			certain.Store(name, err == nil)
		})
		for i := range c.crowd() {
			name := fmt.Sprint("g", i)
			sure, put := certain.Load(name)
			code, err := c.store.Code(c.ctx, sum("code "+name))
			if put && err != nil {
				c.Fatalf("a code that was stored is gone: %v", err)
			}
			_, _, err = c.store.Token(c.ctx, sum("access "+name), noon)
			if taken := !code.RedeemedAt.IsZero(); taken != (err == nil) || sure == true && !taken {
				c.Fatalf("%s: taken %v, token %v, told %v", name, taken, err, sure)
			}
		}
	}},
	{"a store that is closed says so", "a request that comes late must get a 503, not a sign-in page", func(c *cas) {
		id := c.person("o1").ID
		c.ok(c.store.Ping(c.ctx))
		c.ok(c.store.Close())
		c.ok(c.store.Close())
		_, err := c.store.User(c.ctx, id)
		c.is(err, gateway.ErrUnavailable)
		_, err = c.store.Session(c.ctx, sum("s"), noon)
		c.is(err, gateway.ErrUnavailable)
		if errors.Is(err, gateway.ErrNotFound) {
			c.Fatal("an unavailable store says that there is no session")
		}
		c.is(c.store.PutSession(c.ctx, newSession(id, "s"), noon), gateway.ErrUnavailable)
		c.is(c.store.Ping(c.ctx), gateway.ErrUnavailable)
	}},
	{"everything is there after a restart", "people would have to sign in again after each update", func(c *cas) {
		id := c.person("o1").ID
		c.signIn(id, "s1")
		c.grant(id, "wiki", "g1")
		c.ok(c.store.PutKey(c.ctx, newKey("k1", "slot")))
		must[string](c)(c.store.PinSubject(c.ctx, id, "wiki", "sub", noon))
		row := attempt("k", "code", "one", 0)
		c.claims(row, 0)
		if !c.restart() {
			return
		}
		equal(c, "account", must[gateway.User](c)(c.store.User(c.ctx, id)).ID, id)
		must[gateway.Session](c)(c.store.Session(c.ctx, sum("s1"), noon))
		_, _, err := c.store.Token(c.ctx, sum("access g1"), noon)
		c.ok(err)
		equal(c, "keys", len(must[[]gateway.Key](c)(c.store.Keys(c.ctx))), 1)
		equal(c, "sub", must[string](c)(c.store.PinSubject(c.ctx, id, "wiki", "other", noon)), "sub")
		c.claimed(attempt("k", "code", "two", 0), time.Second, row)
		_, err = c.store.Redeem(c.ctx, sum("code g1"), noon, newIssue("again"))
		c.is(err, gateway.ErrReplay)
	}},
	{"what a caller panics with stays with the caller", "one bad request must not stop all writes", func(c *cas) {
		id := c.person("o1").ID
		func() {
			defer func() {
				if p := recover(); p != "mine" {
					c.Errorf("recovered %v", p)
				}
			}()
			_, _ = c.store.UpdateUser(c.ctx, id, noon, func(a *gateway.User) error { a.Admin = true; panic("mine") })
		}()
		c.ok(c.store.Ping(c.ctx))
		equal(c, "admin", must[gateway.User](c)(c.store.User(c.ctx, id)).Admin, false)
	}},
}

func longSession(user, id string) gateway.Session {
	n := newSession(user, id)
	n.ExpiresAt = after(1000 * time.Hour)
	return n
}

// fill stores n sessions, claims and grants that are over at 13:00.
func fill(c *cas, user string, n int) {
	c.Helper()
	together(16, func(w int) {
		for i := w; i < n; i += 16 {
			name := fmt.Sprint("old ", i)
			if err := c.store.PutSession(c.ctx, newSession(user, name), noon); err != nil {
				c.Error(err)
			}
			if _, _, err := c.store.BeginAttempt(c.ctx, attempt(name, "code", "one", 0), noon); err != nil {
				c.Error(err)
			}
			if err := c.store.PutCode(c.ctx, newCode(user, "wiki", name)); err != nil {
				c.Error(err)
			}
		}
	})
}
