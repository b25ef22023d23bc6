package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weigate/weigate/internal/flow"
)

// Errors that a Store returns. A store may wrap them; test with errors.Is. An attempt ([Attempt])
// is one redemption of a code. The request that redeems the code owns the attempt.
var (
	// ErrNoSession means that the session does not exist: it never did, has expired, or was
	// deleted. Handler.Session also returns it when the browser is not signed in.
	ErrNoSession = errors.New("login: no session")
	// ErrSessionExists means that a session with this id exists and has not expired.
	ErrSessionExists = errors.New("login: session exists already")
	// ErrAttemptLost means that FinishAttempt was called too late, or by a request that does not
	// own the attempt.
	ErrAttemptLost = errors.New("login: the attempt has another owner, or its lease has passed")
	// ErrStoreFull means that a store has reached its limit. The user sees "try again later".
	ErrStoreFull = errors.New("login: store is full")
	// ErrUnavailable means that the store, or a service that OnSignIn calls, cannot be reached now
	// and may be soon. The user sees "try again in a moment" (503, with Retry-After).
	// context.DeadlineExceeded has the same effect.
	ErrUnavailable = errors.New("login: unavailable for now")
)

// ErrReturn is wrapped by the error for an invalid return address.
var ErrReturn = flow.ErrReturn

// isTemporary reports whether the same call may succeed when the user tries again.
func isTemporary(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrStoreFull) || errors.Is(err, context.DeadlineExceeded)
}

// Store stores sessions and attempts. All processes of one program share one Store. [MemoryStore]
// is for one process; package login/sqlstore stores rows in the program's SQL database. Package
// login/storetest tests an implementation.
//
// Methods that depend on the time have the argument now, so that tests can control the clock. A row
// has expired when now is equal to or after its Expires or ExpiresAt. An expired row counts as
// missing, even if it has not been removed yet.
//
// All methods may be called from many goroutines and processes at once. A cancelled context ends a
// call early with the context's error (wrapped or not). The call has then made its change
// completely or not at all. A store copies its arguments and results, because callers may change
// them later. Texts are valid UTF-8. Ids are SHA-256 sums in hexadecimal, so nobody can sign in
// with a copy of the store.
type Store interface {
	AttemptStore
	SessionStore
}

// AttemptStore is the part of a [Store] for attempts. An [Attempt] is stored before a code is sent
// to WeChat, so that each code is redeemed once, even when several processes receive the callback.
type AttemptStore interface {
	// BeginAttempt stores an attempt for the flow want.ID, in one atomic step:
	//
	//   - If the row is missing or expired, BeginAttempt stores want, and returns want and
	//     true.
	//   - If the row has OutcomeCodeRefused, a Code other than want.Code, and a SecondCodeUntil
	//     after now, BeginAttempt stores want with a zero SecondCodeUntil, and returns want and
	//     true. So a second code is sent to WeChat, and never a third. WeChat sometimes requests the
	//     callback twice, with two codes for one state. More codes are made up by an attacker.
	//   - Otherwise it returns the stored row and false. A row without an outcome is returned too,
	//     even after its Lease: its code may have been redeemed, and must not be sent again.
	//
	// Of all concurrent calls for one id, at most one returns true.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (stored Attempt, begun bool, err error)

	// FinishAttempt writes the outcome of an attempt, once. It returns ErrAttemptLost, and changes
	// nothing, when the row is missing, has another owner, has an outcome already, or its Lease is
	// not after now. When the lease has passed, the requests that waited for the outcome start the
	// sign-in again, so a later outcome must not be written.
	FinishAttempt(ctx context.Context, id, owner string, out Outcome, now time.Time) error
}

// SessionStore is the part of a [Store] for sessions. A subject is compared byte by byte: the users
// "a" and "A" are different.
type SessionStore interface {
	// CreateSession stores s under id until s.ExpiresAt. It ignores s.ID. It returns ErrSessionExists
	// when a session with that id exists and has not expired.
	CreateSession(ctx context.Context, id string, s Session, now time.Time) error

	// Session returns a copy of the session, with its id as Session.ID, or ErrNoSession.
	Session(ctx context.Context, id string, now time.Time) (*Session, error)

	// UpdateSession changes fields of a session, or returns ErrNoSession. It must not create a row:
	// a concurrent sign-out may just have deleted the session.
	UpdateSession(ctx context.Context, id string, u SessionUpdate, now time.Time) error

	// DeleteSession deletes the session. It succeeds when there is none.
	DeleteSession(ctx context.Context, id string) error

	// SessionsOf returns copies of the sessions of a user that have not expired, each with its id as
	// Session.ID. The session with the latest SignedInAt is the first. There are at most limit.
	SessionsOf(ctx context.Context, subject string, limit int, now time.Time) ([]Session, error)

	// DeleteSessionsOf deletes the sessions of a user, except the session with the id except. With
	// "" it deletes all of them. It succeeds when there is none.
	DeleteSessionsOf(ctx context.Context, subject, except string) error
}

// Attempt is one redemption of a callback's code. Several requests may have the same state. One
// request begins the attempt, redeems the code and writes the outcome; it owns the attempt. The
// other requests wait for the outcome.
type Attempt struct {
	ID      string    // identifies the flow (one authorization in progress): a hash of its state
	Code    string    // a hash of the code
	Owner   string    // random; identifies the request that redeems the code
	Lease   time.Time // the owner must write the outcome before this time
	Expires time.Time // from this time on the row may be removed

	// WeChat sometimes sends two codes for one state. If WeChat refuses the first code, a second
	// code may replace it until SecondCodeUntil. SecondCodeUntil is zero in the row of a second
	// code.
	SecondCodeUntil time.Time

	Outcome Outcome // zero while the redemption is in progress
}

// Outcome is the result of a redemption. Repeated callbacks are answered from it.
type Outcome struct {
	Kind OutcomeKind
	At   time.Time // when it was written
	Text string    // for the user: RefusalError.Text, with OutcomeAppRefused; at most 500 bytes
}

// OutcomeKind is the kind of an outcome. A Store treats all kinds alike, except OutcomeCodeRefused
// (see BeginAttempt).
type OutcomeKind string

// The kinds of outcomes. The zero value "" is a redemption in progress.
const (
	OutcomeSignedIn       OutcomeKind = flow.OutcomeSignedIn       // a session was created
	OutcomeCodeRefused    OutcomeKind = flow.OutcomeCodeRefused    // WeChat refused the code: invalid, used, expired
	OutcomeSnapshot       OutcomeKind = flow.OutcomeSnapshot       // a virtual user of WeChat's snapshot page (快照页)
	OutcomeAppRefused     OutcomeKind = flow.OutcomeRefused        // Config.OnSignIn refused with a RefusalError
	OutcomeConsentMissing OutcomeKind = flow.OutcomeConsentMissing // the user has to agree in WeChat first
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

// attempts implements flow.Attempts, the store of package flow, with a Store.
type attempts struct{ store Store }

// BeginAttempt implements flow.Attempts.
func (a attempts) BeginAttempt(ctx context.Context, want flow.Attempt, now time.Time) (flow.Attempt, bool, error) {
	stored, begun, err := a.store.BeginAttempt(ctx, Attempt{
		ID: want.Key, Code: want.Code, Owner: want.Owner, Lease: want.Lease, Expires: want.Expires,
		SecondCodeUntil: want.SecondCodeUntil,
	}, now)
	return flow.Attempt{
		Key: stored.ID, Code: stored.Code, Owner: stored.Owner, Lease: stored.Lease, Expires: stored.Expires,
		SecondCodeUntil: stored.SecondCodeUntil,
		Outcome:         flow.Outcome{Kind: string(stored.Outcome.Kind), At: stored.Outcome.At, Text: stored.Outcome.Text},
	}, begun, flowError(err)
}

// FinishAttempt implements flow.Attempts.
func (a attempts) FinishAttempt(ctx context.Context, key, owner string, out flow.Outcome, now time.Time) error {
	written := Outcome{Kind: OutcomeKind(out.Kind), At: out.At, Text: out.Text}
	return flowError(a.store.FinishAttempt(ctx, key, owner, written, now))
}

// flowError wraps an error of a Store in the error of package flow that has the same meaning.
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
