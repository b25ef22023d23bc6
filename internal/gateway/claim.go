package gateway

import (
	"context"
	"time"
)

// ClaimRequest asks for the right to exchange one WeChat code.
type ClaimRequest struct {
	Key   string        // the sign-in's state, or its hash
	Code  [32]byte      // SHA-256 of WeChat's code
	Now   time.Time     //
	Lease time.Duration // a little longer than the time limit for WeChat
	Keep  time.Duration // how long the claim is remembered: longer than the flow cookie lives
}

// ClaimState says what has become of a claim.
type ClaimState string

// The states of a claim.
const (
	ClaimMine      ClaimState = "mine"      // the caller holds it, and must exchange the code and finish
	ClaimHeld      ClaimState = "held"      // somebody else is at it: wait and look again
	ClaimAbandoned ClaimState = "abandoned" // its holder's lease ran out: start again, never exchange that code
	ClaimDone      ClaimState = "done"      // finished well; see Outcome
	ClaimRefused   ClaimState = "refused"   // WeChat refused the code; see Outcome
)

// Claim is the answer to a ClaimRequest.
type Claim struct {
	State      ClaimState
	Holder     string    // names this holder at FinishClaim; only with ClaimMine
	LeaseUntil time.Time // until when a held claim is worth waiting for
	FinishedAt time.Time // zero = not finished
	Outcome    []byte    // what the holder left for the repeats; only when finished
}

// Claims makes the callback safe to repeat: whatever comes twice (refresh, back
// button, WeChat's own second call, another replica), one request exchanges the
// code and the others go where it went.
type Claims interface {
	// Claim takes the key, or says what has become of it.
	//
	// A key that nobody has is the caller's: ClaimMine. While the holder's
	// lease runs, others get ClaimHeld; afterwards everybody gets
	// ClaimAbandoned, for good. A finished claim is ClaimDone with its outcome.
	// A refused claim is ClaimRefused for each code that was tried under it; a
	// code that was not tried yet takes the claim anew (WeChat sometimes sends
	// two codes with one state), up to eight codes in all. Of any number of callers at once, in any
	// number of processes, exactly one gets ClaimMine.
	//
	// A claim that is older than its Keep may be forgotten; callers keep it
	// longer than the cookie without which a repeat cannot get this far.
	Claim(ctx context.Context, r ClaimRequest) (Claim, error)

	// FinishClaim ends a claim with ClaimDone or ClaimRefused and leaves the
	// outcome for the repeats. Only its holder can, once, and only before the
	// lease is over: ErrExpired later (others may have been told to start
	// again, so the holder's work must not count), ErrNotFound for another
	// holder or key, ErrConflict when it is finished already.
	FinishClaim(ctx context.Context, key, holder string, state ClaimState, outcome []byte, now time.Time) error

	// ClaimOutcome looks at a claim without taking it; it never answers
	// ClaimMine. Those who wait call it. ErrNotFound.
	ClaimOutcome(ctx context.Context, key string, now time.Time) (Claim, error)
}
