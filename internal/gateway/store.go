// Package gateway defines the data of the login gateway, and the contracts that a store fulfils.
// The data are users, identities, apps, sessions, grants, tickets (sign-ins by QR code), saved
// requests, keys and events.
//
// The contracts are interfaces: [Users], [Subjects], [Sessions], [Attempts], [Grants], [Tickets],
// [ChatSignIns], [SavedRequests], [Keys], [Events], and for administrators [AccessRequests],
// [UserAdministration], [Invitations], [APIKeys], [Deliveries], [Statistics] and [ServedURLs]. A
// package that uses a store takes the one or two contracts that it needs. [Store] combines them for
// the composition root, the package that creates the store and passes it to the others. [Join]
// decides, as a pure function, which user a sign-in belongs to.
//
// The package does no I/O. It imports only the standard library, and package lang for messages.
//
// # Guarantees of every contract
//
//   - The caller passes the time, so that tests can control it. Stores keep times in UTC, truncated
//     to the microsecond; a zero time stays zero.
//   - A hash is the SHA-256 of a random secret that only its bearer has, so that a copy of the
//     database gives nobody a session or a token.
//   - Methods are safe for concurrent use, also by several processes on one database. Each method
//     except Sweep and SaveRequest is one transaction.
//   - "ErrNotFound when there is none", in the comment of a method, means: in this case the method
//     returns the error and changes nothing.
//   - When a context ends while a method waits, the error wraps the context's error. The method may
//     have taken effect nevertheless.
//   - When the store itself fails (connection lost, disk full, file read-only), the error wraps
//     [ErrUnavailable]. All other errors describe the data. Respond to ErrUnavailable with 503: a
//     page that treated it as "no such session" would make every user sign in again.
//   - Slices in arguments and results belong to the caller. A store keeps no reference to them.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Store is everything that the gateway stores. Other packages take the contracts that they need;
// only the composition root uses Store.
type Store interface {
	Users
	Subjects
	Sessions
	Attempts
	Grants
	Tickets
	ChatSignIns
	SavedRequests
	Keys
	ACMEFiles
	Events
	AccessRequests
	UserAdministration
	Invitations
	APIKeys
	Deliveries
	Statistics
	ServedURLs
	Maintenance
}

// Maintenance contains the methods of a store that only the composition root calls.
type Maintenance interface {
	// Sweep deletes rows that have expired at now and events older than eventsBefore (zero = none),
	// at most batch of each table (0 = 500), and returns the number of deleted rows. Callers repeat
	// Sweep until it returns 0. Short calls hardly delay other writes. Several processes may sweep
	// at once. A grant is deleted when it and all its tokens have expired.
	Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (int, error)

	// Ping returns nil when the store can read and write. Otherwise the error wraps ErrUnavailable
	// or the context's error.
	Ping(ctx context.Context) error

	// Close waits for operations in progress and closes the database. The store returns
	// ErrUnavailable afterwards. A second Close does nothing.
	Close() error
}

// Errors that callers decide on, for errors.Is.
var (
	// ErrNotFound: the row does not exist, or is no longer valid (see ErrExpired).
	ErrNotFound = errors.New("not found")

	// ErrExpired: the row exists and has expired. It wraps ErrNotFound, because a sweep may delete
	// the row at any moment.
	ErrExpired = fmt.Errorf("%w: expired", ErrNotFound)

	// ErrConflict: the id exists already, or the row has changed since the caller read it.
	ErrConflict = errors.New("conflicts with what is stored")

	// ErrBlocked: the user is blocked.
	ErrBlocked = errors.New("the user is blocked")

	// ErrUnionIDRequired: the sign-in has no unionid, and needs one (SignIn.UnionIDRequired).
	ErrUnionIDRequired = errors.New("the unionid of the user is not known")

	// ErrAgreementRequired: the user has not agreed to what AgreementRule.Required identifies.
	ErrAgreementRequired = errors.New("the user has not agreed")

	// ErrReplay: a code or a refresh token was used a second time. Its grant is revoked already,
	// unless TokenIssue.ReplayTolerated was set.
	ErrReplay = errors.New("used before")

	// ErrRefused: an administrator has refused to the user what the user asks for.
	ErrRefused = errors.New("refused by an administrator")

	// ErrLastAdmin: the change would leave no active administrator who can sign in.
	ErrLastAdmin = errors.New("the last administrator must stay one")

	// ErrFull: there are as many rows of this kind as the caller allows. Respond with 503 and
	// suggest to try again in a minute.
	ErrFull = errors.New("too many at once")

	// ErrNewerDatabase: the database was created by a later version. Nothing was changed in it.
	// Start that version, or restore a backup.
	ErrNewerDatabase = errors.New("the database belongs to a newer version of weigate")

	// ErrOlderDatabase: the database lacks migrations of this version, and the caller must not
	// change it. The next gateway that starts applies them.
	ErrOlderDatabase = errors.New("the database belongs to an older version of weigate")

	// ErrNoDatabase: the database does not exist, and the caller must not create it. The next
	// gateway that starts creates it.
	ErrNoDatabase = errors.New("the database does not exist")

	// ErrInUse: another process serves from this database file.
	ErrInUse = errors.New("the database is in use by another weigate")

	// ErrUnavailable: the store failed. The error does not describe the data. Users see a 503,
	// never this text.
	ErrUnavailable = errors.New("the store is unavailable")
)
