package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

// attemptCases returns the tests of attempts. An attempt is one redemption of the code in a
// callback. The request that begins the attempt owns it. Other requests with the same state wait
// for the outcome.
func attemptCases() []testCase {
	return []testCase{
		{name: "attempt/one of 100 wins",
			why: "two winners would send one code to WeChat twice; WeChat answers errcode 40163, code used",
			run: oneWins},
		{name: "attempt/many flows at once",
			why: "sign-ins of different users must not affect each other's attempts",
			run: manyFlows},
		{name: "attempt/in progress is returned with its lease",
			why: "a request that waits needs the lease (when to stop waiting), and then the outcome",
			run: pendingIsReturned},
		{name: "attempt/not replaced after its lease",
			why: "the process may have sent the code before it stopped; a code must not be sent twice",
			run: leasePassed},
		{name: "attempt/second code after a refusal",
			why: "WeChat may request the callback twice, with two codes; if the first is refused, the second is valid",
			run: secondCode},
		{name: "attempt/one of 100 second codes wins",
			why: "concurrent requests must not send a second code twice either",
			run: oneSecondCode},
		{name: "attempt/no third code",
			why: "everyone can send made-up codes; a flow must send at most two codes to WeChat",
			run: noThirdCode},
		{name: "attempt/no second code later",
			why: "WeChat's second code comes within seconds",
			run: noLateSecondCode},
		{name: "attempt/same code after a refusal stays refused",
			why: "a refused code must not be sent again on every refresh",
			run: sameCodeStays},
		{name: "attempt/other outcomes are final",
			why: "a second code must not replace a completed sign-in, or a refusal by the app",
			run: finalOutcomes},
		{name: "attempt/expired counts as missing",
			why: "it must make no difference whether a store has removed an old row already",
			run: expiredAttempt},
		{name: "finish/by the owner only",
			why: "a request that does not own the attempt must not write an outcome",
			run: foreignFinish},
		{name: "finish/after the lease fails",
			why: "after the lease the waiting requests start the sign-in again; a late outcome would complete it twice",
			run: lateFinish},
		{name: "finish/once",
			why: "repeated callbacks were answered from the first outcome; it must not change",
			run: finishTwice},
		{name: "finish/one of 100 wins",
			why: "concurrent requests must not write two outcomes either",
			run: finishRace},
		{name: "attempt/cancelled context",
			why: "a request whose client has gone must not hold a database connection",
			run: cancelledAttempt},
	}
}

func oneWins(t *testing.T, s login.Store) {
	var won atomic.Int32
	var winner atomic.Value
	together(100, func(i int) {
		_, ok, err := s.BeginAttempt(context.Background(), attempt("flow", numbered("code", i%3), numbered("owner", i)),
			start())
		if err != nil {
			t.Errorf("BeginAttempt: %v", err)
		}
		if ok {
			won.Add(1)
			winner.Store(numbered("owner", i))
		}
	})
	if won.Load() != 1 {
		t.Fatalf("%d of 100 won, want 1", won.Load())
	}
	have, ok, err := s.BeginAttempt(t.Context(), attempt("flow", "code", "late"), start())
	if err != nil || ok || have.Owner != winner.Load() {
		t.Errorf("afterwards BeginAttempt = %+v, %v, %v; want the winner %v", have, ok, err, winner.Load())
	}
}

func manyFlows(t *testing.T, s login.Store) {
	together(50, func(i int) {
		a := attempt(numbered("flow", i), "code", numbered("owner", i))
		have, ok, err := s.BeginAttempt(context.Background(), a, start())
		if err != nil || !ok || have.ID != a.ID || have.Owner != a.Owner {
			t.Errorf("BeginAttempt(%s) = %+v, %v, %v", a.ID, have, ok, err)
			return
		}
		out := login.Outcome{Kind: login.OutcomeSignedIn, At: start()}
		if err := s.FinishAttempt(context.Background(), a.ID, a.Owner, out, start()); err != nil {
			t.Errorf("FinishAttempt(%s): %v", a.ID, err)
		}
	})
}

// wantRow calls BeginAttempt with a. It fails the test unless the store returns row, and false.
func wantRow(t *testing.T, s login.Store, a login.Attempt, now time.Time, row login.Attempt) {
	t.Helper()
	have, won, err := s.BeginAttempt(t.Context(), a, now)
	if err != nil || won {
		t.Fatalf("BeginAttempt(%s, %s) by %s: won %v, %v; want the existing row", a.ID, a.Code, a.Owner, won, err)
	}
	sameAttempt(t, have, row)
}

func pendingIsReturned(t *testing.T, s login.Store) {
	first := attempt("flow", "code", "one")
	mustBegin(t, s, first, start())
	later := start().Add(2 * time.Second)
	wantRow(t, s, attempt("flow", "code", "two"), later, first)
	mustFinish(t, s, "flow", "one", login.OutcomeAppRefused, later)
	first.Outcome = login.Outcome{Kind: login.OutcomeAppRefused, At: later, Text: outcomeText}
	wantRow(t, s, attempt("flow", "code", "three"), later, first)
}

func leasePassed(t *testing.T, s login.Store) {
	first := attempt("flow", "code", "one")
	mustBegin(t, s, first, start())
	wantRow(t, s, attempt("flow", "code", "two"), start().Add(time.Minute), first)
	wantRow(t, s, attempt("flow", "another", "three"), start().Add(time.Minute), first)
}

func secondCode(t *testing.T, s login.Store) {
	mustBegin(t, s, attempt("flow", "code", "one"), start())
	mustFinish(t, s, "flow", "one", login.OutcomeCodeRefused, start())
	now := start().Add(time.Second)
	second := attempt("flow", "another", "two")
	second.Lease = now.Add(15 * time.Second)
	mustBegin(t, s, second, now)
	second.SecondCodeUntil = time.Time{} // in the row, because no third code may follow
	wantLost(t, s, "flow", "one", now)
	wantRow(t, s, attempt("flow", "third", "three"), now, second)
	mustFinish(t, s, "flow", "two", login.OutcomeSignedIn, now)
	second.Outcome = login.Outcome{Kind: login.OutcomeSignedIn, At: now, Text: outcomeText}
	wantRow(t, s, attempt("flow", "code", "four"), now, second)
}

func noThirdCode(t *testing.T, s login.Store) {
	mustBegin(t, s, attempt("flow", "code", "one"), start())
	mustFinish(t, s, "flow", "one", login.OutcomeCodeRefused, start())
	second := attempt("flow", "another", "two")
	mustBegin(t, s, second, start())
	mustFinish(t, s, "flow", "two", login.OutcomeCodeRefused, start())
	second.SecondCodeUntil = time.Time{}
	second.Outcome = login.Outcome{Kind: login.OutcomeCodeRefused, At: start(), Text: outcomeText}
	wantRow(t, s, attempt("flow", "third", "three"), start(), second)
	wantRow(t, s, attempt("flow", "code", "four"), start(), second)
}

func noLateSecondCode(t *testing.T, s login.Store) {
	first := attempt("flow", "code", "one")
	mustBegin(t, s, first, start())
	mustFinish(t, s, "flow", "one", login.OutcomeCodeRefused, start())
	first.Outcome = login.Outcome{Kind: login.OutcomeCodeRefused, At: start(), Text: outcomeText}
	late := attempt("flow", "another", "two")
	wantRow(t, s, late, first.SecondCodeUntil, first)
}

func oneSecondCode(t *testing.T, s login.Store) {
	mustBegin(t, s, attempt("flow", "code", "one"), start())
	mustFinish(t, s, "flow", "one", login.OutcomeCodeRefused, start())
	var won atomic.Int32
	together(100, func(i int) {
		_, ok, err := s.BeginAttempt(context.Background(), attempt("flow", "another", numbered("owner", i)), start())
		if err != nil {
			t.Errorf("BeginAttempt: %v", err)
		}
		if ok {
			won.Add(1)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d of 100 won, want 1", won.Load())
	}
}

func sameCodeStays(t *testing.T, s login.Store) {
	a := attempt("flow", "code", "one")
	mustBegin(t, s, a, start())
	mustFinish(t, s, "flow", "one", login.OutcomeCodeRefused, start())
	a.Outcome = login.Outcome{Kind: login.OutcomeCodeRefused, At: start(), Text: outcomeText}
	wantRow(t, s, attempt("flow", "code", "two"), start(), a)
}

func finalOutcomes(t *testing.T, s login.Store) {
	for _, kind := range []login.OutcomeKind{
		login.OutcomeSignedIn, login.OutcomeSnapshot, login.OutcomeAppRefused, login.OutcomeUserRestricted,
		login.OutcomeBusy, login.OutcomeRateLimited, login.OutcomeFault,
	} {
		a := attempt("flow-"+string(kind), "code", "one")
		mustBegin(t, s, a, start())
		mustFinish(t, s, a.ID, "one", kind, start())
		a.Outcome = login.Outcome{Kind: kind, At: start(), Text: outcomeText}
		wantRow(t, s, attempt(a.ID, "another", "two"), start(), a)
	}
}

func expiredAttempt(t *testing.T, s login.Store) {
	a := attempt("flow", "code", "one")
	a.Lease = start().Add(time.Hour) // after Expires, so that Expires alone makes the attempt lost
	mustBegin(t, s, a, start())
	now := start().Add(20 * time.Minute) // exactly Expires, which is no longer after now
	wantLost(t, s, "flow", "one", now)
	next := attempt("flow", "code", "two") // replaces the expired row
	next.Lease, next.Expires = now.Add(15*time.Second), now.Add(20*time.Minute)
	mustBegin(t, s, next, now)
}

func foreignFinish(t *testing.T, s login.Store) {
	wantLost(t, s, "unknown", "one", start())
	mustBegin(t, s, attempt("flow", "code", "one"), start())
	wantLost(t, s, "flow", "two", start())
	wantLost(t, s, "flow", "", start())
	mustFinish(t, s, "flow", "one", login.OutcomeSignedIn, start())
}

func lateFinish(t *testing.T, s login.Store) {
	a := attempt("flow", "code", "one")
	mustBegin(t, s, a, start())
	wantLost(t, s, "flow", "one", start().Add(15*time.Second)) // exactly at the lease
	wantLost(t, s, "flow", "one", start().Add(time.Minute))
	wantRow(t, s, attempt("flow", "code", "two"), start().Add(time.Minute), a)
}

func finishTwice(t *testing.T, s login.Store) {
	a := attempt("flow", "code", "one")
	mustBegin(t, s, a, start())
	mustFinish(t, s, "flow", "one", login.OutcomeSignedIn, start())
	wantLost(t, s, "flow", "one", start())
	a.Outcome = login.Outcome{Kind: login.OutcomeSignedIn, At: start(), Text: outcomeText}
	wantRow(t, s, attempt("flow", "code", "two"), start(), a)
}

func finishRace(t *testing.T, s login.Store) {
	mustBegin(t, s, attempt("flow", "code", "one"), start())
	var won atomic.Int32
	together(100, func(i int) {
		out := login.Outcome{Kind: login.OutcomeSignedIn, At: start(), Text: numbered("text", i)}
		switch err := s.FinishAttempt(context.Background(), "flow", "one", out, start()); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, login.ErrAttemptLost):
			t.Errorf("FinishAttempt: %v", err)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d of 100 finished, want 1", won.Load())
	}
}

func cancelledAttempt(t *testing.T, s login.Store) {
	if have, won, err := s.BeginAttempt(cancelled(), attempt("flow", "code", "one"), start()); err == nil {
		t.Errorf("BeginAttempt with a cancelled context = %+v, %v, nil; want an error", have, won)
	}
	mustBegin(t, s, attempt("flow", "code", "two"), start())
	out := login.Outcome{Kind: login.OutcomeSignedIn, At: start()}
	if err := s.FinishAttempt(cancelled(), "flow", "two", out, start()); err == nil ||
		errors.Is(err, login.ErrAttemptLost) {
		t.Errorf("FinishAttempt with a cancelled context = %v; want the context's error", err)
	}
	mustFinish(t, s, "flow", "two", login.OutcomeSignedIn, start())
}
