package gateway

import (
	"context"
	"time"
)

// Claim is the right of one request to exchange one WeChat code of a sign-in.
// It is login.Claim in the gateway's words.
type Attempt struct {
	Key     string    // the sign-in: a hash of its state
	Code    string    // a hash of WeChat's code
	Owner   string    // random, tells this attempt from every other
	Lease   time.Time // after this moment nothing comes of the claim any more
	Expires time.Time // the row may be forgotten from here on; later than the cookie of the sign-in
	Outcome Outcome   // zero while the exchange is under way
}

// Outcome is what came of an exchange, for the requests that repeat it.
type Outcome struct {
	Kind string    // "" = not finished; only OutcomeCodeRefused means something to a store
	At   time.Time // when it was finished
	Text string    // what the person is told, where there is something to tell
}

// OutcomeCodeRefused is the kind of outcome after which another code may be
// tried: WeChat refused the code. The text is login's.
const OutcomeCodeRefused = "code_refused"

// Claims makes the callback safe to repeat: whatever comes twice (refresh, back
// button, WeChat's own second call, another replica), one request exchanges the
// code and the others go where it went. A claim whose Expires is not after now
// counts as missing.
type Attempts interface {
	// Claim takes the sign-in want.Key for one exchange, in one atomic step:
	//
	//   - no claim: want is kept, and Claim returns it and true.
	//   - a claim whose outcome is OutcomeCodeRefused, with another Code than
	//     want's: want replaces it, and Claim returns it and true. (WeChat
	//     sometimes calls twice with two codes for one state.)
	//   - any other claim is left alone and returned with false, also one
	//     without outcome whose Lease has passed: the code may have been sent,
	//     so it must not be sent again.
	//
	// Of any number of callers at once, in any number of processes, one wins.
	// want.Outcome is ignored.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (have Attempt, won bool, err error)

	// FinishClaim writes the outcome of a claim, once. It is ErrConflict, and
	// changes nothing, when the claim is missing, has another owner or an
	// outcome, or its Lease is not after now: those who waited may have acted
	// on that. An outcome without Kind is an error.
	FinishAttempt(ctx context.Context, key, owner string, out Outcome, now time.Time) error
}
