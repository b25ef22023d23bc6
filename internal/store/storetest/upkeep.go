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
			rows := 3400 // of each of three tables
			if f.Race {
				rows = 340
			}
			id := f.addUser("o1").ID
			fill(t, f, id, rows)
			live := f.addSession(id, "live")
			wantNoError(t, f.store.TouchSession(t.Context(), live.Hash, after(time.Minute), after(100*time.Hour)))
			f.addGrant(id, "wiki", "live")
			done := make(chan struct{})
			var writers sync.WaitGroup
			var written atomic.Int64
			for writer := range 4 {
				writers.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-done:
							return
						default:
						}
						if err := f.store.PutSession(t.Context(), newLongSession(id, fmt.Sprint("w", writer, " ", i)), noon); err != nil {
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
			if total < 3*rows {
				t.Errorf("swept %d rows of %d", total, 3*rows)
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
				"RecordSignIn": func(ctx context.Context) error {
					_, _, err := f.store.RecordSignIn(ctx, mainConnector.signIn(noon, "o2", ""))
					return err
				},
				"User":       func(ctx context.Context) error { _, err := f.store.User(ctx, id); return err },
				"PutSession": func(ctx context.Context) error { return f.store.PutSession(ctx, newSession(id, "s"), noon) },
				"Session":    func(ctx context.Context) error { _, err := f.store.Session(ctx, hash("s"), noon); return err },
				"BeginAttempt": func(ctx context.Context) error {
					_, _, err := f.store.BeginAttempt(ctx, newAttempt("k", "c", "one", 0), noon)
					return err
				},
				"PutCode": func(ctx context.Context) error { return f.store.PutCode(ctx, newCode(id, "wiki", "g")) },
				"Redeem": func(ctx context.Context) error {
					_, err := f.store.Redeem(ctx, hash("code g"), noon, newIssue("g"))
					return err
				},
				"PutTicket": func(ctx context.Context) error { return f.store.PutTicket(ctx, newTicket("t"), noon, noLimit) },
				"Ticket":    func(ctx context.Context) error { _, err := f.store.Ticket(ctx, hash("t"), noon); return err },
				"TicketStates": func(ctx context.Context) error {
					_, err := f.store.TicketStates(ctx, [][32]byte{hash("t")}, noon)
					return err
				},
				"ScanTicket": func(ctx context.Context) error {
					_, err := f.store.ScanTicket(ctx, hash("t"), newApprover(id), noon)
					return err
				},
				"RedeemTicket": func(ctx context.Context) error {
					_, err := f.store.RedeemTicket(ctx, hash("t"), hash("d"), noon)
					return err
				},
				"PinSubject": func(ctx context.Context) error {
					_, err := f.store.PinSubject(ctx, id, "wiki", "sub", noon)
					return err
				},
				"PutKey": func(ctx context.Context) error { return f.store.PutKey(ctx, newKey("k", "s")) },
				"AppendEvents": func(ctx context.Context) error {
					return f.store.AppendEvents(ctx, gateway.Event{At: noon, Kind: "late"})
				},
				"Sweep": func(ctx context.Context) error { _, err := f.store.Sweep(ctx, noon, noon, 1); return err },
				"Ping":  f.store.Ping,
			} {
				for want, ctx := range map[error]context.Context{context.Canceled: ended, context.DeadlineExceeded: late} {
					err := call(ctx)
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
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
				defer cancel()
				name := fmt.Sprint("g", i)
				if f.store.PutCode(ctx, newCode(id, "wiki", name)) != nil {
					return
				}
				_, err := f.store.Redeem(ctx, hash("code "+name), noon, newIssue(name))
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
			wantNoError(t, f.store.Ping(t.Context()))
			wantNoError(t, f.store.Close())
			wantNoError(t, f.store.Close())
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
			wantNoError(t, f.store.PutKey(t.Context(), newKey("k1", "slot")))
			f.pinSubject(id, "wiki", "sub", noon)
			row := newAttempt("k", "code", "one", 0)
			f.wantAttemptWon(row, 0)
			if !f.reopen() {
				return
			}
			wantEqual(t, "user", f.getUser(id).ID, id)
			f.getSession(hash("s1"), noon)
			_, _, err := f.store.Token(t.Context(), hash("access g1"), noon)
			wantNoError(t, err)
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
					if recovered := recover(); recovered != "mine" {
						t.Errorf("recovered %v", recovered)
					}
				}()
				_, _ = f.store.UpdateUser(t.Context(), id, noon, func(stored *gateway.User) error {
					stored.Admin = true
					panic("mine")
				})
			}()
			wantNoError(t, f.store.Ping(t.Context()))
			wantEqual(t, "admin", f.getUser(id).Admin, false)
		},
	},
}

func newLongSession(user, id string) gateway.Session {
	session := newSession(user, id)
	session.ExpiresAt = after(1000 * time.Hour)
	return session
}

// fill stores n sessions, attempts and grants that are expired at 13:00.
func fill(t *testing.T, f *fixture, user string, rows int) {
	t.Helper()
	concurrently(16, func(writer int) {
		for i := writer; i < rows; i += 16 {
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
