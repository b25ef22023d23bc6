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

// upkeepCases test what all methods of a store have in common: sweeping of expired rows, load,
// ended contexts, closing, restarts and panics. newAttempt(key, code, owner, at) returns an
// attempt, the right to exchange one code, that begins at noon plus at.
var upkeepCases = []testCase{
	{
		name:       "ten thousand rows are swept in small batches during sign-ins",
		reason:     "the database would grow forever, or sweeping would stop all sign-ins",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			rows := 3400 // of each of three tables
			if f.Race {
				rows = 340
			}
			userID := f.addUser("o1").ID
			addExpiredRows(t, f, userID, rows)
			// A session and a grant that have not expired and must stay.
			live := f.addSession(userID, "live")
			wantNoError(t, f.store.TouchSession(t.Context(), live.Hash, after(time.Minute), after(100*time.Hour)))
			f.addGrant(userID, "wiki", "live")
			var done atomic.Bool
			var writers sync.WaitGroup
			var written atomic.Int64
			for writer := range 4 {
				writers.Go(func() {
					for i := 0; !done.Load(); i++ {
						session := newLongSession(userID, fmt.Sprint("w", writer, " ", i))
						if err := f.store.PutSession(t.Context(), session, noon); err != nil {
							t.Error(err)
							return
						}
						written.Add(1)
					}
				})
			}
			total, calls := 0, 0
			for swept := -1; swept != 0; { // -1 = the first sweep has not run
				swept = f.sweep(after(2*time.Hour), time.Time{}, 250)
				if swept > 4*250 { // of sessions, attempts, codes and grants
					t.Errorf("one call deleted %d rows, more than 250 of each table", swept)
				}
				total += swept
				calls++
			}
			done.Store(true)
			writers.Wait()
			if written.Load() < int64(calls) {
				t.Errorf("%d writes during %d sweeps: the sweep stopped the writers", written.Load(), calls)
			}
			if total < 3*rows {
				t.Errorf("swept %d rows of %d", total, 3*rows)
			}
			f.getSession(live.Hash, after(2*time.Hour))
			f.getGrant("grant-live")
			left := f.listSessions(userID, after(2*time.Hour))
			wantEqual(t, "sessions that must not be swept", len(left), int(written.Load())+1)
		},
	},
	{
		name:       "all operations at once cause no ErrUnavailable",
		reason:     "a busy morning must not cause a 503",
		concurrent: true,
		run:        mixedLoad,
	},
	{
		name:   "an ended context stops the operation",
		reason: "a request whose client has gone should cost nothing",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
			defer cancelLate()
			for name, call := range map[string]func(context.Context) error{
				"RecordSignIn": func(ctx context.Context) error {
					_, _, err := f.store.RecordSignIn(ctx, mainConnector.signIn(noon, "o2", ""))
					return err
				},
				"User":       func(ctx context.Context) error { _, err := f.store.User(ctx, userID); return err },
				"PutSession": func(ctx context.Context) error { return f.store.PutSession(ctx, newSession(userID, "s"), noon) },
				"Session":    func(ctx context.Context) error { _, err := f.store.Session(ctx, hash("s"), noon); return err },
				"BeginAttempt": func(ctx context.Context) error {
					_, _, err := f.store.BeginAttempt(ctx, newAttempt("k", "c", "one", 0), noon)
					return err
				},
				"PutCode": func(ctx context.Context) error { return f.store.PutCode(ctx, newCode(userID, "wiki", "g")) },
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
					_, err := f.store.ScanTicket(ctx, hash("t"), newApprover(userID), noon)
					return err
				},
				"RedeemTicket": func(ctx context.Context) error {
					_, err := f.store.RedeemTicket(ctx, newRedemption(hash("t"), hash("d"), noon))
					return err
				},
				"SaveRequest": func(ctx context.Context) error {
					return f.store.SaveRequest(ctx, newSavedRequest("n", "b", 1), noon, manyRequests)
				},
				"PinSubject": func(ctx context.Context) error {
					_, err := f.store.PinSubject(ctx, userID, "wiki", "sub", noon)
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
			f.wantAttemptWon(newAttempt("k", "c", "two", 0), 0) // BeginAttempt with an ended context stored none
		},
	},
	{
		name:       "a context that ends during an operation leaves all of its rows or none",
		reason:     "half a redemption would be a used code without a token",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			var redeemed sync.Map // by name of a stored code: true if Redeem returned nil
			f.concurrently(f.concurrency(), func(i int) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
				defer cancel()
				name := fmt.Sprint("g", i)
				if f.store.PutCode(ctx, newCode(userID, "wiki", name)) != nil {
					return
				}
				_, err := f.store.Redeem(ctx, hash("code "+name), noon, newIssue(name))
				redeemed.Store(name, err == nil)
			})
			for i := range f.concurrency() {
				name := fmt.Sprint("g", i)
				redeemReported, stored := redeemed.Load(name)
				code, err := f.store.Code(t.Context(), hash("code "+name))
				if stored && err != nil {
					t.Fatalf("a code that was stored is gone: %v", err)
				}
				_, _, err = f.store.Token(t.Context(), hash("access "+name), noon)
				isRedeemed, hasToken := !code.RedeemedAt.IsZero(), err == nil
				if isRedeemed != hasToken || redeemReported == true && !isRedeemed {
					t.Fatalf("%s: redeemed %v, token %v, success reported %v", name, isRedeemed, hasToken, redeemReported)
				}
			}
		},
	},
	{
		name:   "a closed store returns ErrUnavailable",
		reason: "a late request must get a 503, not a sign-in page",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			wantNoError(t, f.store.Ping(t.Context()))
			wantNoError(t, f.store.Close())
			wantNoError(t, f.store.Close())
			_, err := f.store.User(t.Context(), userID)
			wantError(t, err, gateway.ErrUnavailable)
			_, err = f.store.Session(t.Context(), hash("s"), noon)
			wantError(t, err, gateway.ErrUnavailable)
			if errors.Is(err, gateway.ErrNotFound) {
				t.Fatal("an unavailable store returns ErrNotFound")
			}
			wantError(t, f.store.PutSession(t.Context(), newSession(userID, "s"), noon), gateway.ErrUnavailable)
			wantError(t, f.store.Ping(t.Context()), gateway.ErrUnavailable)
		},
	},
	{
		name:   "everything is stored after a restart",
		reason: "users would have to sign in again after each update",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			f.addSession(userID, "s1")
			f.addGrant(userID, "wiki", "g1")
			wantNoError(t, f.store.PutKey(t.Context(), newKey("k1", "slot")))
			f.pinSubject(userID, "wiki", "sub", noon)
			attempt := newAttempt("k", "code", "one", 0)
			f.wantAttemptWon(attempt, 0)
			if !f.reopen() {
				return
			}
			wantEqual(t, "user", f.getUser(userID).ID, userID)
			f.getSession(hash("s1"), noon)
			_, _, err := f.store.Token(t.Context(), hash("access g1"), noon)
			wantNoError(t, err)
			wantEqual(t, "keys", len(f.listKeys()), 1)
			wantEqual(t, "sub", f.pinSubject(userID, "wiki", "other", noon), "sub")
			f.wantAttemptLost(newAttempt("k", "code", "two", 0), time.Second, attempt)
			_, err = f.store.Redeem(t.Context(), hash("code g1"), noon, newIssue("again"))
			wantError(t, err, gateway.ErrReplay)
		},
	},
	{
		name:   "a panic of the caller reaches the caller only",
		reason: "a panic in one request must not stop all writes",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			func() {
				defer func() {
					if recovered := recover(); recovered != "mine" {
						t.Errorf("recovered %v", recovered)
					}
				}()
				_, _ = f.store.UpdateUser(t.Context(), userID, noon, func(stored *gateway.User) error {
					stored.Admin = true
					panic("mine")
				})
			}()
			wantNoError(t, f.store.Ping(t.Context()))
			wantEqual(t, "admin", f.getUser(userID).Admin, false)
		},
	},
}

// newLongSession returns a session that does not expire during a case.
func newLongSession(userID, name string) gateway.Session {
	session := newSession(userID, name)
	session.ExpiresAt = after(1000 * time.Hour)
	return session
}

// addExpiredRows stores a number of sessions, and as many attempts and grants. They expire within
// an hour after noon. The grants have no tokens.
func addExpiredRows(t *testing.T, f *fixture, userID string, rows int) {
	t.Helper()
	f.concurrently(16, func(writer int) {
		for i := writer; i < rows; i += 16 {
			name := fmt.Sprint("old ", i)
			if err := f.store.PutSession(t.Context(), newSession(userID, name), noon); err != nil {
				t.Error(err)
			}
			if _, _, err := f.store.BeginAttempt(t.Context(), newAttempt(name, "code", "one", 0), noon); err != nil {
				t.Error(err)
			}
			if err := f.store.PutCode(t.Context(), newCode(userID, "wiki", name)); err != nil {
				t.Error(err)
			}
		}
	})
}
