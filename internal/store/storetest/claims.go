package storetest

import (
	"fmt"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// attempt is a claim by owner at a moment, with a lease of 15 seconds.
func attempt(key, code, owner string, at time.Duration) gateway.Attempt {
	return gateway.Attempt{Key: key, Code: code, Owner: owner, Lease: after(at + 15*time.Second), Expires: after(time.Hour)}
}

// claims takes the claim, and fails the case when somebody has it.
func (c *cas) claims(want gateway.Attempt, at time.Duration) {
	c.Helper()
	have, won, err := c.store.BeginAttempt(c.ctx, want, after(at))
	c.ok(err)
	if !won || have != want {
		c.Fatalf("won %v: %+v", won, have)
	}
}

// claimed fails the case unless the claim of row stands in the way.
func (c *cas) claimed(want gateway.Attempt, at time.Duration, row gateway.Attempt) {
	c.Helper()
	have, won, err := c.store.BeginAttempt(c.ctx, want, after(at))
	c.ok(err)
	if won || have != row {
		c.Fatalf("won %v\ngot  %+v\nwant %+v", won, have, row)
	}
}

var claimChecks = []check{
	{"one of a hundred gets the code", "WeChat refuses a code that comes twice, and both visitors see an error", func(c *cas) {
		stores := []gateway.Store{c.store, c.store}
		if s := c.second(); s != nil {
			stores[1] = s
		}
		for round := range 3 {
			key := fmt.Sprint("k", round)
			var seen, owners tally
			together(c.crowd(), func(i int) {
				have, won, err := stores[i%2].BeginAttempt(c.ctx, attempt(key, "code", fmt.Sprint("owner", i), 0), noon)
				seen.add(fmt.Sprint(won, " ", word(err)))
				owners.add(have.Owner)
			})
			equal(c, "claims", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"true ok": 1, "false ok": c.crowd() - 1}))
			equal(c, "owners that were told", len(owners.n), 1)
		}
	}},
	{"the others go where the first one went", "refresh and back lead to the callback again", func(c *cas) {
		row := attempt("k", "code", "one", 0)
		c.claims(row, 0)
		c.claimed(attempt("k", "code", "two", 0), time.Second, row)
		row.Outcome = gateway.Outcome{Kind: "signed_in", At: after(2 * time.Second), Text: "去"}
		c.ok(c.store.FinishAttempt(c.ctx, "k", "one", row.Outcome, after(2*time.Second)))
		c.claimed(attempt("k", "code", "three", 0), time.Minute, row)
		c.claimed(attempt("k", "another code", "four", 0), time.Minute, row)
		c.claims(attempt("another", "code", "five", 0), 0)
	}},
	{"a lease that ran out is never taken over", "the code may have been sent: a second exchange would burn the sign-in", func(c *cas) {
		row := attempt("k", "code", "one", 0)
		c.claims(row, 0)
		c.claimed(attempt("k", "code", "two", 0), 15*time.Second, row)
		c.claimed(attempt("k", "another code", "two", 0), time.Minute, row)
		c.is(c.store.FinishAttempt(c.ctx, "k", "one", gateway.Outcome{Kind: "signed_in", At: noon}, after(15*time.Second)), gateway.ErrConflict)
		c.claimed(attempt("k", "code", "two", 0), time.Minute, row)
	}},
	{"only the owner finishes, and once", "a stranger would send the others elsewhere", func(c *cas) {
		done := gateway.Outcome{Kind: "signed_in", At: noon}
		c.claims(attempt("k", "code", "one", 0), 0)
		c.is(c.store.FinishAttempt(c.ctx, "k", "somebody", done, noon), gateway.ErrConflict)
		c.is(c.store.FinishAttempt(c.ctx, "another", "one", done, noon), gateway.ErrConflict)
		if err := c.store.FinishAttempt(c.ctx, "k", "one", gateway.Outcome{At: noon}, noon); err == nil {
			c.Fatal("a claim ended with no outcome")
		}
		var seen tally
		together(16, func(i int) {
			seen.add(word(c.store.FinishAttempt(c.ctx, "k", "one", gateway.Outcome{Kind: fmt.Sprint("kind", i), At: noon}, noon)))
		})
		equal(c, "finished", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "conflict": 15}))
	}},
	{"a refused code is not sent again, another one is", "WeChat sometimes sends two codes with one state", func(c *cas) {
		row := attempt("k", "code 1", "one", 0)
		c.claims(row, 0)
		c.claimed(attempt("k", "code 2", "two", 0), 0, row)
		row.Outcome = gateway.Outcome{Kind: gateway.OutcomeCodeRefused, At: noon}
		c.ok(c.store.FinishAttempt(c.ctx, "k", "one", row.Outcome, noon))
		c.claimed(attempt("k", "code 1", "two", 0), 0, row)
		var seen tally
		together(c.crowd(), func(i int) {
			_, won, err := c.store.BeginAttempt(c.ctx, attempt("k", "code 2", fmt.Sprint("owner", i), 0), noon)
			seen.add(fmt.Sprint(won, " ", word(err)))
		})
		equal(c, "claims with the second code", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"true ok": 1, "false ok": c.crowd() - 1}))
		c.is(c.store.FinishAttempt(c.ctx, "k", "one", row.Outcome, noon), gateway.ErrConflict)
	}},
	{"other outcomes are final", "a second code must not replace a person who is signed in", func(c *cas) {
		for _, kind := range []string{"signed_in", "app_refused", "busy", "fault"} {
			row := attempt(kind, "code", "one", 0)
			c.claims(row, 0)
			row.Outcome = gateway.Outcome{Kind: kind, At: noon}
			c.ok(c.store.FinishAttempt(c.ctx, kind, "one", row.Outcome, noon))
			c.claimed(attempt(kind, "another code", "two", 0), 0, row)
		}
	}},
	{"a claim is remembered for as long as it was asked", "a repeat hours later must not send the code", func(c *cas) {
		row := attempt("k", "code", "one", 0)
		c.claims(row, 0)
		c.claimed(attempt("k", "code", "two", 0), time.Hour-time.Microsecond, row)
		again := attempt("k", "code", "two", time.Hour)
		again.Expires = after(2 * time.Hour)
		c.claims(again, time.Hour)
	}},
}
