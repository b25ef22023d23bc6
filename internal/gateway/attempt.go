package gateway

import (
	"context"
	"time"
)

// Attempt is the exclusive right of one request to exchange one code of WeChat. It mirrors the
// attempt of package login.
type Attempt struct {
	Key     string    // hash of the state of the sign-in
	Code    string    // hash of WeChat's code
	Owner   string    // random; identifies this attempt
	Lease   time.Time // the attempt is void from this time on
	Expires time.Time // the row may be deleted from this time on; later than the cookie of the sign-in
	Outcome Outcome   // zero while the exchange is in progress
}

// Outcome is the result of an exchange, for the requests that repeat it.
type Outcome struct {
	Kind string    // "" = not finished; stores interpret OutcomeCodeRefused only
	At   time.Time // when the attempt was finished
	Text string    // message for the user; "" = none
}

// OutcomeCodeRefused is the kind of outcome after which another code may be tried: WeChat refused
// the code. Package login defines the text.
const OutcomeCodeRefused = "code_refused"

// Attempts makes the callback safe to repeat. A callback may come twice (reload, back button,
// WeChat's own second call, another replica): one request exchanges the code, and the others get
// its outcome. An attempt whose Expires is not after now counts as missing.
type Attempts interface {
	// BeginAttempt begins the attempt want.Key in one atomic step:
	//
	//   - No attempt is stored: want is stored, and BeginAttempt returns it and true.
	//   - The stored outcome is OutcomeCodeRefused, and want has another Code: want replaces it, and
	//     BeginAttempt returns it and true. (WeChat sometimes calls twice with two codes for one state.)
	//   - Otherwise BeginAttempt returns the stored attempt and false, even when it has no outcome and
	//     its Lease has passed: the code may have been sent, so it must not be sent again.
	//
	// Of any number of concurrent callers, in any number of processes, one wins. want.Outcome is
	// ignored.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (have Attempt, won bool, err error)

	// FinishAttempt writes the outcome of an attempt, once. It returns ErrConflict, and changes
	// nothing, when the attempt is missing, has another owner or an outcome, or its Lease is not
	// after now: waiting requests may have acted on that. An outcome without Kind is an error.
	FinishAttempt(ctx context.Context, key, owner string, out Outcome, now time.Time) error
}
