package gateway

import (
	"errors"
	"fmt"
)

// Errors that callers decide on, for errors.Is.
var (
	// ErrNotFound: there is no such row, or it is no longer valid (see ErrExpired).
	ErrNotFound = errors.New("not found")

	// ErrExpired: the row exists and has expired. It wraps ErrNotFound, because a sweep may delete
	// the row at any moment.
	ErrExpired = fmt.Errorf("%w: expired", ErrNotFound)

	// ErrConflict: the id exists already, or the row has changed since the caller read it.
	ErrConflict = errors.New("conflicts with what is stored")

	// ErrBlocked: the user is blocked.
	ErrBlocked = errors.New("the user is blocked")

	// ErrReplay: a code or a refresh token was used a second time. Its grant is revoked already,
	// unless TokenIssue.ReplayTolerated was set.
	ErrReplay = errors.New("used before")

	// ErrFull: there are as many rows of this kind as the caller allows. Respond with 503 and
	// suggest to try again in a minute.
	ErrFull = errors.New("too many at once")

	// ErrNewerDatabase: the database was created by a later version. Nothing was changed in it.
	// Start that version, or restore a backup.
	ErrNewerDatabase = errors.New("the database belongs to a newer version of weigate")

	// ErrOlderDatabase: the database lacks migrations of this version, and the caller must not
	// change it. The next gateway that starts applies them.
	ErrOlderDatabase = errors.New("the database belongs to an older version of weigate")

	// ErrInUse: another process serves from this database file.
	ErrInUse = errors.New("the database is in use by another weigate")

	// ErrUnavailable: the store failed. The error does not describe the data. Users see a 503,
	// never this text.
	ErrUnavailable = errors.New("the store is unavailable")
)
