package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// newAttempt returns an attempt by owner to redeem the code. The key stands for the state of the
// callback. The attempt begins at noon plus at. For 15 seconds the owner may finish it. If WeChat
// rejects the code, another code is accepted for the same 15 seconds.
func newAttempt(key, code, owner string, at time.Duration) gateway.Attempt {
	return gateway.Attempt{Key: key, Code: code, Owner: owner, Lease: after(at + 15*time.Second),
		Expires: after(time.Hour), SecondCodeUntil: after(at + 15*time.Second)}
}

// wantAttemptWon begins the attempt, and fails the test unless the store reports that the caller
// won, because no other attempt with the key exists.
func (f *fixture) wantAttemptWon(want gateway.Attempt, at time.Duration) {
	f.t.Helper()
	have, won, err := f.store.BeginAttempt(f.t.Context(), want, after(at))
	wantNoError(f.t, err)
	if !won || have != want {
		f.t.Fatalf("won %v: %+v", won, have)
	}
}

// wantAttemptLost begins the attempt, and fails the test unless the store reports that the caller
// did not win, and returns the existing attempt.
func (f *fixture) wantAttemptLost(want gateway.Attempt, at time.Duration, existing gateway.Attempt) {
	f.t.Helper()
	have, won, err := f.store.BeginAttempt(f.t.Context(), want, after(at))
	wantNoError(f.t, err)
	if won || have != existing {
		f.t.Fatalf("won %v\ngot  %+v\nwant %+v", won, have, existing)
	}
}

// attemptCases test attempts. An attempt guards the code of one WeChat callback. Of several
// requests with one state, only one may send the code to WeChat. The other requests get its
// outcome. The owner of an attempt is the request that began the attempt. After WeChat has rejected
// a code, one second code with the same state may be sent until SecondCodeUntil. A failed attempt
// expires after gateway.FailedAttemptLife.
var attemptCases = []testCase{
	{
		name:       "one of a hundred requests gets the attempt",
		reason:     "WeChat rejects a code that is sent twice, and both requests would fail",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles() // two connections to one database
			for round := range 3 {
				key := fmt.Sprint("k", round)
				var results, owners counter
				f.concurrently(f.concurrency(), func(i int) {
					have, won, err := stores[i%2].BeginAttempt(t.Context(), newAttempt(key, "code", fmt.Sprint("owner", i), 0), noon)
					results.add(fmt.Sprint(won, " ", errorName(err)))
					owners.add(have.Owner)
				})
				results.want(t, "attempts", map[string]int{"true ok": 1, "false ok": f.concurrency() - 1})
				owners.wantOneResult(t, "owners returned")
			}
		},
	},
	{
		name:   "later requests get the outcome of the first",
		reason: "the browser's reload and back buttons request the callback again",
		run: func(t *testing.T, f *fixture) {
			attempt := newAttempt("k", "code", "one", 0)
			f.wantAttemptWon(attempt, 0)
			f.wantAttemptLost(newAttempt("k", "code", "two", 0), time.Second, attempt)
			attempt.Outcome = gateway.Outcome{Kind: "signed_in", At: after(2 * time.Second), Text: "去"}
			wantNoError(t, f.store.FinishAttempt(t.Context(), "k", "one", attempt.Outcome, after(2*time.Second)))
			f.wantAttemptLost(newAttempt("k", "code", "three", 0), time.Minute, attempt)
			f.wantAttemptLost(newAttempt("k", "another code", "four", 0), time.Minute, attempt)
			f.wantAttemptWon(newAttempt("another", "code", "five", 0), 0)
		},
	},
	{
		name:   "an attempt whose lease expired is not repeated",
		reason: "the code may have been sent already, and a second exchange would fail the sign-in",
		run: func(t *testing.T, f *fixture) {
			attempt := newAttempt("k", "code", "one", 0)
			f.wantAttemptWon(attempt, 0)
			f.wantAttemptLost(newAttempt("k", "code", "two", 0), 15*time.Second, attempt)
			f.wantAttemptLost(newAttempt("k", "another code", "two", 0), time.Minute, attempt)
			wantError(t, f.store.FinishAttempt(t.Context(), "k", "one", gateway.Outcome{Kind: "signed_in", At: noon},
				after(15*time.Second)), gateway.ErrConflict)
			f.wantAttemptLost(newAttempt("k", "code", "two", 0), time.Minute, attempt)
		},
	},
	{
		name:       "only the owner finishes an attempt, and only once",
		reason:     "another outcome would redirect the waiting requests to a wrong page",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			done := gateway.Outcome{Kind: "signed_in", At: noon}
			f.wantAttemptWon(newAttempt("k", "code", "one", 0), 0)
			wantError(t, f.store.FinishAttempt(t.Context(), "k", "somebody", done, noon), gateway.ErrConflict)
			wantError(t, f.store.FinishAttempt(t.Context(), "another", "one", done, noon), gateway.ErrConflict)
			if err := f.store.FinishAttempt(t.Context(), "k", "one", gateway.Outcome{At: noon}, noon); err == nil {
				t.Fatal("an attempt ended without an outcome")
			}
			var results counter
			f.concurrently(16, func(i int) {
				results.add(errorName(f.store.FinishAttempt(t.Context(), "k", "one",
					gateway.Outcome{Kind: fmt.Sprint("kind", i), At: noon}, noon)))
			})
			results.want(t, "finished", map[string]int{"ok": 1, "conflict": 15})
		},
	},
	{
		name:       "a rejected code is not sent again, another code is",
		reason:     "WeChat sometimes sends two codes with one state",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			attempt := newAttempt("k", "code 1", "one", 0)
			f.wantAttemptWon(attempt, 0)
			f.wantAttemptLost(newAttempt("k", "code 2", "two", 0), 0, attempt)
			attempt.Outcome = gateway.Outcome{Kind: gateway.OutcomeCodeRefused, At: noon}
			wantNoError(t, f.store.FinishAttempt(t.Context(), "k", "one", attempt.Outcome, noon))
			attempt.Expires = noon.Add(gateway.FailedAttemptLife)
			f.wantAttemptLost(newAttempt("k", "code 1", "two", 0), 0, attempt)
			var results counter
			f.concurrently(f.concurrency(), func(i int) {
				_, won, err := f.store.BeginAttempt(t.Context(), newAttempt("k", "code 2", fmt.Sprint("owner", i), 0), noon)
				results.add(fmt.Sprint(won, " ", errorName(err)))
			})
			results.want(t, "attempts with the second code", map[string]int{"true ok": 1, "false ok": f.concurrency() - 1})
			wantError(t, f.store.FinishAttempt(t.Context(), "k", "one", attempt.Outcome, noon), gateway.ErrConflict)
		},
	},
	{
		name:   "at most two codes are sent for one state",
		reason: "everybody can send made-up codes, and WeChat counts the calls of all users together",
		run: func(t *testing.T, f *fixture) {
			refused := gateway.Outcome{Kind: gateway.OutcomeCodeRefused, At: noon}
			f.wantAttemptWon(newAttempt("k", "code 1", "one", 0), 0)
			wantNoError(t, f.store.FinishAttempt(t.Context(), "k", "one", refused, noon))
			second := newAttempt("k", "code 2", "two", 0)
			f.wantAttemptWon(second, 0)
			wantNoError(t, f.store.FinishAttempt(t.Context(), "k", "two", refused, noon))
			second.SecondCodeUntil, second.Outcome = time.Time{}, refused
			second.Expires = noon.Add(gateway.FailedAttemptLife)
			f.wantAttemptLost(newAttempt("k", "code 3", "three", 0), 0, second)
			f.wantAttemptLost(newAttempt("k", "code 1", "four", 0), 0, second)
		},
	},
	{
		name:   "a second code is not sent later",
		reason: "WeChat's second code comes within seconds; a later one is made up",
		run: func(t *testing.T, f *fixture) {
			attempt := newAttempt("k", "code 1", "one", 0)
			f.wantAttemptWon(attempt, 0)
			attempt.Outcome = gateway.Outcome{Kind: gateway.OutcomeCodeRefused, At: noon}
			wantNoError(t, f.store.FinishAttempt(t.Context(), "k", "one", attempt.Outcome, noon))
			attempt.Expires = noon.Add(gateway.FailedAttemptLife)
			f.wantAttemptLost(newAttempt("k", "code 2", "two", 0), 15*time.Second, attempt)
			again := newAttempt("k", "code 2", "three", gateway.FailedAttemptLife) // the first has expired
			f.wantAttemptWon(again, gateway.FailedAttemptLife)
			f.wantAttemptLost(newAttempt("k", "code 3", "four", 0), gateway.FailedAttemptLife, again)
		},
	},
	{
		name:   "failed attempts beyond a number are dropped, the earliest first",
		reason: "made-up codes must not fill the disk, and must not push out sign-ins",
		run: func(t *testing.T, f *fixture) {
			failed := gateway.Outcome{Kind: "busy", At: noon}
			for i := range 12 {
				key, at := fmt.Sprint("failed ", i), time.Duration(i)*time.Second
				f.wantAttemptWon(newAttempt(key, "code", "one", at), at)
				wantNoError(t, f.store.FinishAttempt(t.Context(), key, "one", failed, after(at)))
			}
			good := newAttempt("good", "code", "one", 0)
			f.wantAttemptWon(good, 0)
			good.Outcome = gateway.Outcome{Kind: gateway.OutcomeSignedIn, At: noon}
			wantNoError(t, f.store.FinishAttempt(t.Context(), "good", "one", good.Outcome, noon))
			pending := newAttempt("pending", "code", "one", 0)
			f.wantAttemptWon(pending, 0)
			now := 12 * time.Second
			for _, keep := range []int{12, 100} {
				dropped, err := f.store.DropFailedAttempts(t.Context(), keep, after(now))
				wantNoError(t, err)
				wantEqual(t, fmt.Sprintf("dropped to keep %d", keep), dropped, 0)
			}
			dropped, err := f.store.DropFailedAttempts(t.Context(), 5, after(now))
			wantNoError(t, err)
			wantEqual(t, "dropped to keep 5", dropped, 7)
			f.wantAttemptLost(newAttempt("good", "code", "two", 0), now, good)
			f.wantAttemptLost(newAttempt("pending", "code", "two", 0), now, pending)
			f.wantAttemptWon(newAttempt("failed 6", "code", "two", now), now) // it was dropped
			_, won, err := f.store.BeginAttempt(t.Context(), newAttempt("failed 7", "code", "two", now), after(now))
			wantNoError(t, err)
			wantEqual(t, "began an attempt that was kept", won, false)
		},
	},
	{
		name:   "other outcomes are final",
		reason: "a second code must not sign in another user instead",
		run: func(t *testing.T, f *fixture) {
			for _, kind := range []string{"signed_in", "app_refused", "busy", "fault"} {
				attempt := newAttempt(kind, "code", "one", 0)
				f.wantAttemptWon(attempt, 0)
				attempt.Outcome = gateway.Outcome{Kind: kind, At: noon}
				wantNoError(t, f.store.FinishAttempt(t.Context(), kind, "one", attempt.Outcome, noon))
				if kind != gateway.OutcomeSignedIn {
					attempt.Expires = noon.Add(gateway.FailedAttemptLife)
				}
				f.wantAttemptLost(newAttempt(kind, "another code", "two", 0), 0, attempt)
			}
		},
	},
	{
		name:   "an attempt is kept until it expires",
		reason: "a repeat hours later must not send the code",
		run: func(t *testing.T, f *fixture) {
			attempt := newAttempt("k", "code", "one", 0)
			f.wantAttemptWon(attempt, 0)
			f.wantAttemptLost(newAttempt("k", "code", "two", 0), time.Hour-time.Microsecond, attempt)
			again := newAttempt("k", "code", "two", time.Hour)
			again.Expires = after(2 * time.Hour)
			f.wantAttemptWon(again, time.Hour)
		},
	},
}
