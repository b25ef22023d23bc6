package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

func claimCases() []testCase {
	return []testCase{
		{"claim/one of 100 wins", "two winners would send one code to WeChat twice, and one person would see error 40163",
			oneWins},
		{"claim/many flows at once", "sign-ins of different people must not take each other's claims", manyFlows},
		{"claim/held is told with its lease", "those who wait must know until when, and what came of it", heldIsTold},
		{"claim/lease over is not taken again",
			"the process may have died after sending the code; a second exchange could double the sign-in", leaseOver},
		{"claim/second code after a refusal",
			"WeChat calls twice with two codes; the second is the good one when the first was refused", secondCode},
		{"claim/one of 100 second codes wins", "the same race again, over a row that exists", oneSecondCode},
		{"claim/same code after a refusal stays refused", "a refused code must not be sent again on every refresh",
			sameCodeStays},
		{"claim/other outcomes are final",
			"a second code must not replace a person who is signed in, or a refusal by the app", finalOutcomes},
		{"claim/expired counts as missing", "rows must be able to go", expiredClaim},
		{"finish/by the owner only", "a request that never had the claim must not write an outcome", foreignFinish},
		{"finish/late is lost",
			"after the lease the others have begun again; a session out of the blue would be a second one", lateFinish},
		{"finish/once", "repeats were answered from the first outcome", finishTwice},
		{"finish/one of 100 wins", "the same, at once", finishRace},
		{"claim/cancelled context", "a visitor who left must not hold a connection of the database", cancelledClaim},
	}
}

func oneWins(t *testing.T, s login.Store) {
	var won atomic.Int32
	var winner atomic.Value
	together(100, func(i int) {
		_, ok, err := s.BeginAttempt(context.Background(), claim("flow", numbered("code", i%3), numbered("owner", i)),
			start())
		if err != nil {
			t.Errorf("Claim: %v", err)
		}
		if ok {
			won.Add(1)
			winner.Store(numbered("owner", i))
		}
	})
	if won.Load() != 1 {
		t.Fatalf("%d of 100 won, want 1", won.Load())
	}
	have, ok, err := s.BeginAttempt(t.Context(), claim("flow", "code", "late"), start())
	if err != nil || ok || have.Owner != winner.Load() {
		t.Errorf("afterwards Claim = %+v, %v, %v; want the winner %v", have, ok, err, winner.Load())
	}
}

func manyFlows(t *testing.T, s login.Store) {
	together(50, func(i int) {
		c := claim(numbered("flow", i), "code", numbered("owner", i))
		have, ok, err := s.BeginAttempt(context.Background(), c, start())
		if err != nil || !ok || have.ID != c.ID || have.Owner != c.Owner {
			t.Errorf("Claim(%s) = %+v, %v, %v", c.ID, have, ok, err)
			return
		}
		out := login.Outcome{Kind: login.OutcomeSignedIn, At: start()}
		if err := s.FinishAttempt(context.Background(), c.ID, c.Owner, out, start()); err != nil {
			t.Errorf("Finish(%s): %v", c.ID, err)
		}
	})
}

// wantRow claims in vain and checks the row that stands in the way.
func wantRow(t *testing.T, s login.Store, c login.Attempt, now time.Time, row login.Attempt) {
	t.Helper()
	have, won, err := s.BeginAttempt(t.Context(), c, now)
	if err != nil || won {
		t.Fatalf("Claim(%s, %s) by %s: won %v, %v; want the row that is there", c.ID, c.Code, c.Owner, won, err)
	}
	sameClaim(t, have, row)
}

func heldIsTold(t *testing.T, s login.Store) {
	first := claim("flow", "code", "one")
	mustClaim(t, s, first, start())
	later := start().Add(2 * time.Second)
	wantRow(t, s, claim("flow", "code", "two"), later, first)
	mustFinish(t, s, "flow", "one", login.OutcomeAppRefused, later)
	first.Outcome = login.Outcome{Kind: login.OutcomeAppRefused, At: later, Text: "让"}
	wantRow(t, s, claim("flow", "code", "three"), later, first)
}

func leaseOver(t *testing.T, s login.Store) {
	first := claim("flow", "code", "one")
	mustClaim(t, s, first, start())
	wantRow(t, s, claim("flow", "code", "two"), start().Add(time.Minute), first)
	wantRow(t, s, claim("flow", "another", "three"), start().Add(time.Minute), first)
}

func secondCode(t *testing.T, s login.Store) {
	mustClaim(t, s, claim("flow", "code", "one"), start())
	mustFinish(t, s, "flow", "one", login.OutcomeCodeRefused, start())
	now := start().Add(time.Second)
	second := claim("flow", "another", "two")
	second.Lease = now.Add(15 * time.Second)
	mustClaim(t, s, second, now)
	wantLost(t, s, "flow", "one", now)
	wantRow(t, s, claim("flow", "third", "three"), now, second)
	mustFinish(t, s, "flow", "two", login.OutcomeSignedIn, now)
	second.Outcome = login.Outcome{Kind: login.OutcomeSignedIn, At: now, Text: "让"}
	wantRow(t, s, claim("flow", "code", "four"), now, second)
}

func oneSecondCode(t *testing.T, s login.Store) {
	mustClaim(t, s, claim("flow", "code", "one"), start())
	mustFinish(t, s, "flow", "one", login.OutcomeCodeRefused, start())
	var won atomic.Int32
	together(100, func(i int) {
		_, ok, err := s.BeginAttempt(context.Background(), claim("flow", "another", numbered("owner", i)), start())
		if err != nil {
			t.Errorf("Claim: %v", err)
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
	c := claim("flow", "code", "one")
	mustClaim(t, s, c, start())
	mustFinish(t, s, "flow", "one", login.OutcomeCodeRefused, start())
	c.Outcome = login.Outcome{Kind: login.OutcomeCodeRefused, At: start(), Text: "让"}
	wantRow(t, s, claim("flow", "code", "two"), start(), c)
}

func finalOutcomes(t *testing.T, s login.Store) {
	for _, kind := range []login.OutcomeKind{
		login.OutcomeSignedIn, login.OutcomeSnapshot, login.OutcomeAppRefused, login.OutcomeUserRestricted,
		login.OutcomeBusy, login.OutcomeRateLimited, login.OutcomeFault,
	} {
		c := claim("flow-"+string(kind), "code", "one")
		mustClaim(t, s, c, start())
		mustFinish(t, s, c.ID, "one", kind, start())
		c.Outcome = login.Outcome{Kind: kind, At: start(), Text: "让"}
		wantRow(t, s, claim(c.ID, "another", "two"), start(), c)
	}
}

func expiredClaim(t *testing.T, s login.Store) {
	c := claim("flow", "code", "one")
	c.Lease = start().Add(time.Hour)
	mustClaim(t, s, c, start())
	now := start().Add(20 * time.Minute) // exactly Expires, which is not after now any more
	wantLost(t, s, "flow", "one", now)
	next := claim("flow", "code", "two")
	next.Lease, next.Expires = now.Add(15*time.Second), now.Add(20*time.Minute)
	mustClaim(t, s, next, now)
}

func foreignFinish(t *testing.T, s login.Store) {
	wantLost(t, s, "nobody's", "one", start())
	mustClaim(t, s, claim("flow", "code", "one"), start())
	wantLost(t, s, "flow", "two", start())
	wantLost(t, s, "flow", "", start())
	mustFinish(t, s, "flow", "one", login.OutcomeSignedIn, start())
}

func lateFinish(t *testing.T, s login.Store) {
	c := claim("flow", "code", "one")
	mustClaim(t, s, c, start())
	wantLost(t, s, "flow", "one", start().Add(15*time.Second)) // exactly at the lease
	wantLost(t, s, "flow", "one", start().Add(time.Minute))
	wantRow(t, s, claim("flow", "code", "two"), start().Add(time.Minute), c)
}

func finishTwice(t *testing.T, s login.Store) {
	c := claim("flow", "code", "one")
	mustClaim(t, s, c, start())
	mustFinish(t, s, "flow", "one", login.OutcomeSignedIn, start())
	wantLost(t, s, "flow", "one", start())
	c.Outcome = login.Outcome{Kind: login.OutcomeSignedIn, At: start(), Text: "让"}
	wantRow(t, s, claim("flow", "code", "two"), start(), c)
}

func finishRace(t *testing.T, s login.Store) {
	mustClaim(t, s, claim("flow", "code", "one"), start())
	var won atomic.Int32
	together(100, func(i int) {
		out := login.Outcome{Kind: login.OutcomeSignedIn, At: start(), Text: numbered("text", i)}
		switch err := s.FinishAttempt(context.Background(), "flow", "one", out, start()); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, login.ErrAttemptLost):
			t.Errorf("Finish: %v", err)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d of 100 finished, want 1", won.Load())
	}
}

func cancelledClaim(t *testing.T, s login.Store) {
	if have, won, err := s.BeginAttempt(over(), claim("flow", "code", "one"), start()); err == nil {
		t.Errorf("Claim with a cancelled context = %+v, %v, nil; want an error", have, won)
	}
	mustClaim(t, s, claim("flow", "code", "two"), start())
	out := login.Outcome{Kind: login.OutcomeSignedIn, At: start()}
	if err := s.FinishAttempt(over(), "flow", "two", out, start()); err == nil || errors.Is(err, login.ErrAttemptLost) {
		t.Errorf("Finish with a cancelled context = %v; want the context's error", err)
	}
	mustFinish(t, s, "flow", "two", login.OutcomeSignedIn, start())
}
