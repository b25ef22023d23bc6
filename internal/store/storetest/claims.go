package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func request(key, code string, at time.Duration) gateway.ClaimRequest {
	return gateway.ClaimRequest{Key: key, Code: sum(code), Now: after(at), Lease: 15 * time.Second, Keep: time.Hour}
}

// claim asks, and fails the case when the answer has another state.
func (c *cas) claim(r gateway.ClaimRequest, want gateway.ClaimState) gateway.Claim {
	c.Helper()
	got := must[gateway.Claim](c)(c.store.Claim(c.ctx, r))
	equal(c, "state of the claim", got.State, want)
	return got
}

var claimChecks = []check{
	{"one of a hundred gets the code", "WeChat refuses a code that comes twice, and both visitors see an error", func(c *cas) {
		stores := []gateway.Store{c.store, c.store}
		if s := c.second(); s != nil {
			stores[1] = s
		}
		for round := range 3 {
			key := fmt.Sprint("k", round)
			var seen tally
			together(c.crowd(), func(i int) {
				a, err := stores[i%2].Claim(c.ctx, request(key, "code", 0))
				if err != nil {
					c.Error(err)
				}
				seen.add(string(a.State))
			})
			equal(c, "winners", seen.n["mine"], 1)
			equal(c, "those who wait", seen.n["held"], c.crowd()-1)
		}
	}},
	{"the others go where the first one went", "refresh and back lead to the callback again", func(c *cas) {
		mine := c.claim(request("k", "code", 0), gateway.ClaimMine)
		equal(c, "lease", mine.LeaseUntil, after(15*time.Second))
		held := c.claim(request("k", "code", time.Second), gateway.ClaimHeld)
		if held.Holder != "" || !held.FinishedAt.IsZero() || len(held.Outcome) != 0 {
			c.Fatalf("what a waiting one is told: %+v", held)
		}
		outcome := []byte("to /x")
		c.ok(c.store.FinishClaim(c.ctx, "k", mine.Holder, gateway.ClaimDone, outcome, after(2*time.Second)))
		outcome[0] = 'X'
		for _, code := range []string{"code", "another code"} {
			got := c.claim(request("k", code, time.Minute), gateway.ClaimDone)
			equal(c, "outcome", string(got.Outcome), "to /x")
			equal(c, "finished", got.FinishedAt, after(2*time.Second))
			equal(c, "holder", got.Holder, "")
		}
		got := must[gateway.Claim](c)(c.store.ClaimOutcome(c.ctx, "k", after(time.Minute)))
		equal(c, "outcome to those who look", string(got.State)+" "+string(got.Outcome), "done to /x")
		_, err := c.store.ClaimOutcome(c.ctx, "another", noon)
		c.is(err, gateway.ErrNotFound)
	}},
	{"a lease that ran out is never taken over", "the code may have been sent: a second exchange would burn the sign-in", func(c *cas) {
		mine := c.claim(request("k", "code", 0), gateway.ClaimMine)
		c.claim(request("k", "code", 15*time.Second-time.Microsecond), gateway.ClaimHeld)
		c.claim(request("k", "code", 15*time.Second), gateway.ClaimAbandoned)
		c.claim(request("k", "another code", 16*time.Second), gateway.ClaimAbandoned)
		c.is(c.store.FinishClaim(c.ctx, "k", mine.Holder, gateway.ClaimDone, nil, after(16*time.Second)), gateway.ErrExpired)
		c.claim(request("k", "code", 17*time.Second), gateway.ClaimAbandoned)
	}},
	{"only the holder finishes, and once", "a stranger would send the others elsewhere", func(c *cas) {
		mine := c.claim(request("k", "code", 0), gateway.ClaimMine)
		c.is(c.store.FinishClaim(c.ctx, "k", "somebody", gateway.ClaimDone, nil, noon), gateway.ErrNotFound)
		c.is(c.store.FinishClaim(c.ctx, "another", mine.Holder, gateway.ClaimDone, nil, noon), gateway.ErrNotFound)
		if err := c.store.FinishClaim(c.ctx, "k", mine.Holder, gateway.ClaimMine, nil, noon); err == nil {
			c.Fatal("a claim ended in a state that is no end")
		}
		var seen tally
		together(16, func(i int) {
			seen.add(word(c.store.FinishClaim(c.ctx, "k", mine.Holder, gateway.ClaimDone, []byte{byte(i)}, noon)))
		})
		equal(c, "finished", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "conflict": 15}))
	}},
	{"a refused code is not sent again, another one is", "WeChat sometimes sends two codes with one state", func(c *cas) {
		mine := c.claim(request("k", "code 1", 0), gateway.ClaimMine)
		c.claim(request("k", "code 2", 0), gateway.ClaimHeld)
		c.ok(c.store.FinishClaim(c.ctx, "k", mine.Holder, gateway.ClaimRefused, []byte("no"), noon))
		equal(c, "outcome", string(c.claim(request("k", "code 1", 0), gateway.ClaimRefused).Outcome), "no")
		var seen tally
		together(16, func(int) {
			a, err := c.store.Claim(c.ctx, request("k", "code 2", 0))
			seen.add(string(a.State) + " " + word(err))
		})
		equal(c, "takers of the second code", seen.n["mine ok"], 1)
		equal(c, "those who wait", seen.n["held ok"], 15)
		c.is(c.store.FinishClaim(c.ctx, "k", mine.Holder, gateway.ClaimDone, nil, noon), gateway.ErrNotFound)
	}},
	{"codes under one state are bounded", "somebody with a cookie would make us ask WeChat for ever", func(c *cas) {
		tries := 0
		for i := range 50 {
			a := must[gateway.Claim](c)(c.store.Claim(c.ctx, request("k", fmt.Sprint("code ", i), 0)))
			if a.State == gateway.ClaimMine {
				tries++
				c.ok(c.store.FinishClaim(c.ctx, "k", a.Holder, gateway.ClaimRefused, nil, noon))
			}
		}
		equal(c, "codes tried", tries, 8)
	}},
	{"a claim is remembered for as long as it was asked", "a repeat hours later must not send the code", func(c *cas) {
		c.claim(request("k", "code", 0), gateway.ClaimMine)
		c.claim(request("k", "code", time.Hour-time.Second), gateway.ClaimAbandoned)
		_, err := c.store.ClaimOutcome(c.ctx, "k", after(time.Hour))
		c.is(err, gateway.ErrNotFound)
		if errors.Is(err, gateway.ErrUnavailable) {
			c.Fatal("a forgotten claim is not an unavailable store")
		}
	}},
}
