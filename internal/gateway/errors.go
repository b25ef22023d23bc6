package gateway

import (
	"errors"
	"fmt"
)

// Errors that a caller decides on, all for errors.Is.
var (
	// ErrNotFound: the store has no such row, or it is dead (see ErrExpired).
	ErrNotFound = errors.New("not found")

	// ErrExpired: the row is there, but its time is over. It is a kind of
	// ErrNotFound, since a sweep may remove the row at any moment.
	ErrExpired = fmt.Errorf("%w: expired", ErrNotFound)

	// ErrConflict: the id is taken, or the row has changed since the caller
	// read it.
	ErrConflict = errors.New("conflicts with what is stored")

	// ErrBlocked: the account is blocked.
	ErrBlocked = errors.New("the account is blocked")

	// ErrReplay: a code or a refresh token was used a second time. Its family
	// is revoked by the time the caller sees this, unless Issue.Forgiving was set.
	ErrReplay = errors.New("used before")

	// ErrFull: there are as many rows of this kind as the caller allows. Answer
	// 503 and say to come back in a minute.
	ErrFull = errors.New("too many at once")

	// ErrNewerDatabase: the database was made by a later version. Nothing was
	// changed in it. Start that version, or restore a backup.
	ErrNewerDatabase = errors.New("the database belongs to a newer version of weigate")

	// ErrOlderDatabase: the database lacks migrations of this version, and the
	// caller asked only to look. The next gateway that starts applies them.
	ErrOlderDatabase = errors.New("the database belongs to an older version of weigate")

	// ErrInUse: another process serves from this database file.
	ErrInUse = errors.New("the database is in use by another weigate")

	// ErrUnavailable: the store could not do its work. It says nothing about
	// the data. People see a 503, never this text.
	ErrUnavailable = errors.New("the store is unavailable")
)
