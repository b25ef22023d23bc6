package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weigate/weigate/internal/flow"
)

// Errors that a Store returns. A store may wrap them; test with errors.Is.
var (
	// ErrNoSession means that there is no such session, or that it has expired or was deleted.
	// Handler.Session also returns it for signed-out visitors.
	ErrNoSession = errors.New("login: no session")
	// ErrSessionExists means that a live session has this id.
	ErrSessionExists = errors.New("login: session exists already")
	// ErrAttemptLost means that FinishAttempt came too late, or for an attempt of another owner.
	ErrAttemptLost = errors.New("login: the attempt has another owner, or its lease has passed")
	// ErrStoreFull means that a store has reached its limit. The visitor sees "try again later".
	ErrStoreFull = errors.New("login: store is full")
	// ErrUnavailable means that the store, or what OnSignIn needs, cannot be reached now and may be
	// soon. The visitor sees "try again in a moment" (503, with Retry-After). An error that is
	// context.DeadlineExceeded is treated alike.
	ErrUnavailable = errors.New("login: unavailable for now")
)

// ErrReturn is wrapped by every refusal of a return address.
var ErrReturn = flow.ErrReturn

// isTemporary reports whether the same call may succeed when the user tries again.
func isTemporary(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrStoreFull) || errors.Is(err, context.DeadlineExceeded)
}

// Store stores sessions, and the attempts by which each code of WeChat is redeemed once, whichever
// process serves the callback. All processes that serve one address share one Store.
//
// A store has no clock: each method that depends on time has it as an argument, so that all processes
// and tests agree. A row whose Expires or ExpiresAt is not after now counts as missing,
// whether or not it was removed already.
//
// All methods may be called from many goroutines and processes at once. A cancelled context ends a
// call early with the context's error (wrapped or not); the change has then been made completely or
// not at all. Values are copied on the way in and out: a caller that changes its copy later changes
// nothing in the store. Ids are SHA-256 sums in hexadecimal, so nobody can sign in with a copy of
// the store.
//
// The suite in login/storetest checks all this on any Store.
type Store interface {
	// BeginAttempt stores an attempt for the flow want.ID, in one atomic step:
	//
	//   - no row (or an expired one): want is stored, and BeginAttempt returns it and true.
	//   - a row whose Outcome.Kind is OutcomeCodeRefused and whose Code differs from want.Code:
	//     want replaces it, and BeginAttempt returns it and true. This is WeChat's second callback
	//     with another code for the same state.
	//   - any other row: it is left as it is and returned with false. That includes a row without
	//     an outcome whose Lease has passed: the code may have been redeemed, so it must not be
	//     sent again.
	//
	// Of any number of concurrent calls for one id, one returns true.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (have Attempt, won bool, err error)

	// FinishAttempt writes the outcome of an attempt, once. It returns ErrAttemptLost, and changes
	// nothing, when the row is missing, has another owner, has an outcome already, or its Lease is
	// not after now. After the lease the attempt can have no outcome, so requests that waited for it
	// start again.
	FinishAttempt(ctx context.Context, id, owner string, out Outcome, now time.Time) error

	// CreateSession stores s under id until s.ExpiresAt. It returns ErrSessionExists when a live
	// session has that id; an expired one is replaced.
	CreateSession(ctx context.Context, id string, s Session, now time.Time) error

	// Session returns a copy of the live session, or ErrNoSession.
	Session(ctx context.Context, id string, now time.Time) (*Session, error)

	// UpdateSession changes fields of a live session, or returns ErrNoSession. It never
	// restores a deleted or expired session.
	UpdateSession(ctx context.Context, id string, u SessionUpdate, now time.Time) error

	// DeleteSession deletes the session. It succeeds when there is none.
	DeleteSession(ctx context.Context, id string) error
}

// Attempt is the redemption of one code of a flow by one request.
type Attempt struct {
	ID      string    // the flow: a hash of its state
	Code    string    // a hash of the code
	Owner   string    // random, identifies this attempt
	Lease   time.Time // after this moment the attempt can have no outcome any more
	Expires time.Time // the row may be removed from then on; later than the flow's cookie
	Outcome Outcome   // zero while the redemption is in progress
}

// Outcome is the result of a redemption. Repeated callbacks are answered from it.
type Outcome struct {
	Kind OutcomeKind
	At   time.Time // when it was written
	Text string    // what the program tells the user, for OutcomeAppRefused; at most 500 bytes
}

// OutcomeKind names an outcome. Stores keep it as text; only OutcomeCodeRefused has a meaning for
// them.
type OutcomeKind string

// The outcomes. The zero value "" is an attempt in progress.
const (
	OutcomeSignedIn       OutcomeKind = flow.OutcomeSignedIn       // a session was created
	OutcomeCodeRefused    OutcomeKind = flow.OutcomeCodeRefused    // WeChat refused the code: invalid, used, expired
	OutcomeSnapshot       OutcomeKind = flow.OutcomeSnapshot       // a virtual user of WeChat's snapshot page (快照页)
	OutcomeAppRefused     OutcomeKind = flow.OutcomeRefused        // Config.OnSignIn refused with a RefusalError
	OutcomeUserRestricted OutcomeKind = flow.OutcomeUserRestricted // WeChat has restricted the user
	OutcomeBusy           OutcomeKind = flow.OutcomeBusy           // WeChat gave no usable answer, or ErrUnavailable
	OutcomeRateLimited    OutcomeKind = flow.OutcomeRateLimited    // WeChat's quota of calls is used up
	OutcomeFault          OutcomeKind = flow.OutcomeFault          // wrong configuration, or an error of the program
)

// SessionUpdate is a change of a session; zero fields are not changed.
type SessionUpdate struct {
	ExpiresAt       time.Time // the new expiry; ignored when it is earlier than the stored one
	ProfileDeclined bool      // the user continued without a profile
}

// attempts implements flow.Attempts with a Store.
type attempts struct{ store Store }

// BeginAttempt implements flow.Attempts.
func (a attempts) BeginAttempt(ctx context.Context, want flow.Attempt, now time.Time) (flow.Attempt, bool, error) {
	have, won, err := a.store.BeginAttempt(ctx, Attempt{
		ID: want.Key, Code: want.Code, Owner: want.Owner, Lease: want.Lease, Expires: want.Expires,
	}, now)
	return flow.Attempt{
		Key: have.ID, Code: have.Code, Owner: have.Owner, Lease: have.Lease, Expires: have.Expires,
		Outcome: flow.Outcome{Kind: string(have.Outcome.Kind), At: have.Outcome.At, Text: have.Outcome.Text},
	}, won, flowError(err)
}

// FinishAttempt implements flow.Attempts.
func (a attempts) FinishAttempt(ctx context.Context, key, owner string, out flow.Outcome, now time.Time) error {
	written := Outcome{Kind: OutcomeKind(out.Kind), At: out.At, Text: out.Text}
	return flowError(a.store.FinishAttempt(ctx, key, owner, written, now))
}

// flowError wraps an error of the Store in the error that the engine tests for.
func flowError(err error) error {
	switch {
	case errors.Is(err, ErrAttemptLost):
		return fmt.Errorf("%w: %w", flow.ErrAttemptLost, err)
	case errors.Is(err, ErrStoreFull):
		return fmt.Errorf("%w: %w", flow.ErrFull, err)
	case errors.Is(err, ErrUnavailable):
		return fmt.Errorf("%w: %w", flow.ErrUnavailable, err)
	}
	return err
}
