package login

import (
	"context"
	"errors"
	"time"
)

// Errors that a Store answers with and that a caller decides on. A store may
// wrap them; test with errors.Is.
var (
	// ErrNoSession: there is no such session, or it has expired, or it was
	// deleted. It is also what Handler.Session answers for a visitor who is not
	// signed in.
	ErrNoSession = errors.New("login: no session")
	// ErrSessionExists: CreateSession met a live session under the same id.
	ErrSessionExists = errors.New("login: session exists already")
	// ErrClaimLost: Finish came too late, or for a claim that somebody else holds.
	ErrAttemptLost = errors.New("login: claim is not held any more")
	// ErrStoreFull: a store with a limit has reached it. The visitor sees
	// "try again later".
	ErrStoreFull = errors.New("login: store is full")
	// ErrUnavailable: the store, or what OnSignIn needs, cannot be reached now
	// and may be soon. The visitor sees "try again in a moment" (503, with
	// Retry-After) instead of a fault. A store's limit of time counts as this.
	ErrUnavailable = errors.New("login: unavailable for now")
)

// isPassing says whether an error is of a kind that waiting may cure.
func isPassing(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrStoreFull) || errors.Is(err, context.DeadlineExceeded)
}

// Store keeps two small things: sessions, and the claims that let each code of
// WeChat be exchanged once, whichever process is asked. All processes that
// serve one address share one Store.
//
// A store has no clock: every method that depends on time is told it, so that
// the processes of an app and its tests agree. A row whose Expires is not after
// now counts as missing, whether or not it was swept already.
//
// All methods may be called from many goroutines and processes at once. A
// cancelled context ends a call early with the context's error (wrapped or not);
// the change has then been made whole or not at all. Values are copied on the
// way in and out: a caller that changes its copy later changes nothing in the
// store. Ids are SHA-256 sums in hexadecimal, so a copy of the store signs
// nobody in.
//
// The suite in login/storetest checks all this against any Store.
type Store interface {
	// Claim takes the flow want.ID for one exchange, in one atomic step:
	//
	//   - no row (or an expired one): want is kept, and Claim returns it and true.
	//   - a row whose Outcome.Kind is OutcomeCodeRefused and whose Code differs
	//     from want.Code: want replaces it, and Claim returns it and true. This is
	//     WeChat's second callback with another code for the same state.
	//   - any other row: it is left alone and returned with false. That includes a
	//     row without outcome whose Lease has passed: the exchange may or may not
	//     have happened, so it must not happen again.
	//
	// Of any number of concurrent calls for one id, one gets true.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (have Attempt, won bool, err error)

	// Finish writes the outcome of the claim, once. It is ErrClaimLost, and
	// changes nothing, when the row is missing, has another owner, has an outcome
	// already, or its Lease is not after now. After a lease has passed nothing
	// comes of the claim any more, so those who waited for it may act on that.
	FinishAttempt(ctx context.Context, id, owner string, out Outcome, now time.Time) error

	// CreateSession keeps s under id until s.ExpiresAt. It is ErrSessionExists
	// when a live session has that id; an expired one is replaced.
	CreateSession(ctx context.Context, id string, s Session, now time.Time) error

	// Session returns a copy of the live session, or ErrNoSession.
	Session(ctx context.Context, id string, now time.Time) (*Session, error)

	// UpdateSession changes the named parts of a live session, or returns
	// ErrNoSession. It never brings a deleted or expired session back.
	UpdateSession(ctx context.Context, id string, u SessionUpdate, now time.Time) error

	// DeleteSession removes the session. A missing one is no error.
	DeleteSession(ctx context.Context, id string) error
}

// Claim is the right of one request to exchange one code of a flow.
type Attempt struct {
	ID      string    // the flow: a hash of its state
	Code    string    // a hash of the code that is exchanged
	Owner   string    // random, tells this attempt from every other
	Lease   time.Time // after this moment nothing comes of the claim any more
	Expires time.Time // the row may be forgotten from here on; later than the flow's cookie
	Outcome Outcome   // zero while the exchange is under way
}

// Outcome is what came of an exchange. It is what a repeated callback is
// answered from.
type Outcome struct {
	Kind OutcomeKind
	At   time.Time // when it was finished
	Text string    // what the app tells the person, for OutcomeAppRefused; at most 500 bytes
}

// OutcomeKind names an outcome. Stores keep it as text; only
// OutcomeCodeRefused means something to them.
type OutcomeKind string

// The outcomes. The zero value "" is a claim that is not finished.
const (
	OutcomeSignedIn       OutcomeKind = "signed_in"    // a session was made
	OutcomeCodeRefused    OutcomeKind = "code_refused" // WeChat refused the code: invalid, used, expired
	OutcomeSnapshot       OutcomeKind = "snapshot"     // a virtual person of WeChat's snapshot page (快照页)
	OutcomeAppRefused     OutcomeKind = "app_refused"  // Config.OnSignIn refused with a Refusal
	OutcomeUserRestricted OutcomeKind = "person"       // WeChat has frozen or closed this person's account
	OutcomeBusy           OutcomeKind = "busy"         // WeChat gave no usable answer, or ErrUnavailable
	OutcomeRateLimited    OutcomeKind = "slow_down"    // WeChat's call quota is used up
	OutcomeFault          OutcomeKind = "fault"        // wrong configuration, or an error on the app's side
)

// SessionUpdate says what to change in a session; zero fields stay as they are.
type SessionUpdate struct {
	ExpiresAt       time.Time // moves the end of the session; an earlier one than the stored is ignored
	ProfileDeclined bool      // the person pressed "go on without"
}
