package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

var upkeepCases = []testCase{
	{
		name:   "ten thousand rows are swept in small batches during sign-ins",
		reason: "the database would grow forever, or sweeping would stop all sign-ins",
		run: func(t *testing.T, f *fixture) {
			n := 3400 // of each of three tables
			if f.Race {
				n = 340
			}
			id := f.addUser("o1").ID
			fill(t, f, id, n)
			live := f.addSession(id, "live")
			if err := f.store.TouchSession(t.Context(), live.Hash, after(time.Minute), after(100*time.Hour)); err != nil {
				t.Fatal(err)
			}
			f.addGrant(id, "wiki", "live")
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
						if err := f.store.PutSession(t.Context(), newLongSession(id, fmt.Sprint("w", w, " ", i)), noon); err != nil {
							t.Error(err)
							return
						}
						written.Add(1)
					}
				})
			}
			total, calls := 0, 0
			for {
				got := f.sweep(after(2*time.Hour), time.Time{}, 250)
				if got > 4*250 {
					t.Errorf("one call deleted %d rows, more than 250 of each table", got)
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
				t.Errorf("%d writes during %d sweeps: the sweep stopped the writers", written.Load(), calls)
			}
			// Sessions, attempts and grants. The grants have no tokens.
			if total < 3*n {
				t.Errorf("swept %d rows of %d", total, 3*n)
			}
			f.getSession(live.Hash, after(2*time.Hour))
			f.getGrant("grant-live")
			wantEqual(t, "sessions that must not be swept", len(f.listSessions(id, after(2*time.Hour))), int(written.Load())+1)
		},
	},
	{
		name:   "all operations at once cause no ErrUnavailable",
		reason: "a busy morning must not cause a 503",
		run:    mixedLoad,
	},
	{
		name:   "an ended context stops the operation",
		reason: "a request whose client has gone should cost nothing",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			late, cancel2 := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
			defer cancel2()
			for name, call := range map[string]func(context.Context) error{
				"RecordSignIn": func(x context.Context) error {
					_, _, err := f.store.RecordSignIn(x, mainConnector.signIn(noon, "o2", ""))
					return err
				},
				"User":       func(x context.Context) error { _, err := f.store.User(x, id); return err },
				"PutSession": func(x context.Context) error { return f.store.PutSession(x, newSession(id, "s"), noon) },
				"Session":    func(x context.Context) error { _, err := f.store.Session(x, hash("s"), noon); return err },
				"BeginAttempt": func(x context.Context) error {
					_, _, err := f.store.BeginAttempt(x, newAttempt("k", "c", "one", 0), noon)
					return err
				},
				"PutCode": func(x context.Context) error { return f.store.PutCode(x, newCode(id, "wiki", "g")) },
				"Redeem": func(x context.Context) error {
					_, err := f.store.Redeem(x, hash("code g"), noon, newIssue("g"))
					return err
				},
				"PutTicket": func(x context.Context) error { return f.store.PutTicket(x, newTicket("t"), noon, noLimit) },
				"Ticket":    func(x context.Context) error { _, err := f.store.Ticket(x, hash("t"), noon); return err },
				"TicketStates": func(x context.Context) error {
					_, err := f.store.TicketStates(x, [][32]byte{hash("t")}, noon)
					return err
				},
				"ScanTicket": func(x context.Context) error {
					_, err := f.store.ScanTicket(x, hash("t"), newApprover(id), noon)
					return err
				},
				"RedeemTicket": func(x context.Context) error {
					_, err := f.store.RedeemTicket(x, hash("t"), hash("d"), noon)
					return err
				},
				"PinSubject": func(x context.Context) error {
					_, err := f.store.PinSubject(x, id, "wiki", "sub", noon)
					return err
				},
				"PutKey": func(x context.Context) error { return f.store.PutKey(x, newKey("k", "s")) },
				"AppendEvents": func(x context.Context) error {
					return f.store.AppendEvents(x, gateway.Event{At: noon, Kind: "late"})
				},
				"Sweep": func(x context.Context) error { _, err := f.store.Sweep(x, noon, noon, 1); return err },
				"Ping":  f.store.Ping,
			} {
				for want, x := range map[error]context.Context{context.Canceled: ended, context.DeadlineExceeded: late} {
					err := call(x)
					if !errors.Is(err, want) || errors.Is(err, gateway.ErrUnavailable) {
						t.Errorf("%s: got %v, want one that is %v and not ErrUnavailable", name, err, want)
					}
				}
			}
			_, err := f.store.Session(t.Context(), hash("s"), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.Code(t.Context(), hash("code g"))
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.Ticket(t.Context(), newTicket("t").Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			f.wantAttemptWon(newAttempt("k", "c", "two", 0), 0)
		},
	},
	{
		name:   "a context that ends in between leaves all or nothing",
		reason: "half a sign-in would be an identity without a user",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			var certain sync.Map
			concurrently(f.concurrency(), func(i int) {
				x, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
				defer cancel()
				name := fmt.Sprint("g", i)
				if f.store.PutCode(x, newCode(id, "wiki", name)) != nil {
					return
				}
				_, err := f.store.Redeem(x, hash("code "+name), noon, newIssue(name))
				certain.Store(name, err == nil)
			})
			for i := range f.concurrency() {
				name := fmt.Sprint("g", i)
				sure, put := certain.Load(name)
				code, err := f.store.Code(t.Context(), hash("code "+name))
				if put && err != nil {
					t.Fatalf("a code that was stored is gone: %v", err)
				}
				_, _, err = f.store.Token(t.Context(), hash("access "+name), noon)
				if taken := !code.RedeemedAt.IsZero(); taken != (err == nil) || sure == true && !taken {
					t.Fatalf("%s: redeemed %v, token %v, result %v", name, taken, err, sure)
				}
			}
		},
	},
	{
		name:   "a closed store returns ErrUnavailable",
		reason: "a late request must get a 503, not a sign-in page",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			if err := f.store.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := f.store.Close(); err != nil {
				t.Fatal(err)
			}
			if err := f.store.Close(); err != nil {
				t.Fatal(err)
			}
			_, err := f.store.User(t.Context(), id)
			wantError(t, err, gateway.ErrUnavailable)
			_, err = f.store.Session(t.Context(), hash("s"), noon)
			wantError(t, err, gateway.ErrUnavailable)
			if errors.Is(err, gateway.ErrNotFound) {
				t.Fatal("an unavailable store returns ErrNotFound")
			}
			wantError(t, f.store.PutSession(t.Context(), newSession(id, "s"), noon), gateway.ErrUnavailable)
			wantError(t, f.store.Ping(t.Context()), gateway.ErrUnavailable)
		},
	},
	{
		name:   "everything is stored after a restart",
		reason: "users would have to sign in again after each update",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			f.addSession(id, "s1")
			f.addGrant(id, "wiki", "g1")
			if err := f.store.PutKey(t.Context(), newKey("k1", "slot")); err != nil {
				t.Fatal(err)
			}
			f.pinSubject(id, "wiki", "sub", noon)
			row := newAttempt("k", "code", "one", 0)
			f.wantAttemptWon(row, 0)
			if !f.reopen() {
				return
			}
			wantEqual(t, "user", f.getUser(id).ID, id)
			f.getSession(hash("s1"), noon)
			_, _, err := f.store.Token(t.Context(), hash("access g1"), noon)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "keys", len(f.listKeys()), 1)
			wantEqual(t, "sub", f.pinSubject(id, "wiki", "other", noon), "sub")
			f.wantAttemptLost(newAttempt("k", "code", "two", 0), time.Second, row)
			_, err = f.store.Redeem(t.Context(), hash("code g1"), noon, newIssue("again"))
			wantError(t, err, gateway.ErrReplay)
		},
	},
	{
		name:   "a panic of the caller reaches the caller only",
		reason: "one bad request must not stop all writes",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			func() {
				defer func() {
					if p := recover(); p != "mine" {
						t.Errorf("recovered %v", p)
					}
				}()
				_, _ = f.store.UpdateUser(t.Context(), id, noon, func(a *gateway.User) error { a.Admin = true; panic("mine") })
			}()
			if err := f.store.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "admin", f.getUser(id).Admin, false)
		},
	},
}

func newLongSession(user, id string) gateway.Session {
	n := newSession(user, id)
	n.ExpiresAt = after(1000 * time.Hour)
	return n
}

// fill stores n sessions, attempts and grants that are expired at 13:00.
func fill(t *testing.T, f *fixture, user string, n int) {
	t.Helper()
	concurrently(16, func(w int) {
		for i := w; i < n; i += 16 {
			name := fmt.Sprint("old ", i)
			if err := f.store.PutSession(t.Context(), newSession(user, name), noon); err != nil {
				t.Error(err)
			}
			if _, _, err := f.store.BeginAttempt(t.Context(), newAttempt(name, "code", "one", 0), noon); err != nil {
				t.Error(err)
			}
			if err := f.store.PutCode(t.Context(), newCode(user, "wiki", name)); err != nil {
				t.Error(err)
			}
		}
	})
}
