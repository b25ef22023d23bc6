package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/weigate/weigate/internal/gateway"
)

// failed turns what the database said into the gateway's words. doing says
// what was tried. Errors of the vocabulary and of a context pass through.
func failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("sqlite: %s: %w", doing, err)
	case known(err):
		return err
	}
	return fmt.Errorf("sqlite: %s: %w: %s: %w", doing, gateway.ErrUnavailable, advice(err), err)
}

// known reports whether err is one that the vocabulary has, so that it means
// something to the caller as it is.
func known(err error) bool {
	for _, target := range []error{
		gateway.ErrNotFound, gateway.ErrConflict, gateway.ErrBlocked, gateway.ErrReplay, gateway.ErrFull,
		gateway.ErrNewerDatabase, gateway.ErrOlderDatabase, gateway.ErrInUse, gateway.ErrUnavailable,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// advice says whose side a failure is on, and what to do.
func advice(err error) string {
	switch sqliteCode(err) & 0xff {
	case lib.SQLITE_FULL:
		return "the disk is full: make room, nothing was changed"
	case lib.SQLITE_READONLY:
		return "the database file or its folder is read-only for this user: change its owner or mode"
	case lib.SQLITE_CANTOPEN:
		return "the database file cannot be opened: check that its folder exists and may be written"
	case lib.SQLITE_PERM, lib.SQLITE_AUTH:
		return "this user may not use the database file: change its owner or mode"
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return "another process has kept the database locked"
	case lib.SQLITE_NOTADB:
		return "the file is not a SQLite database"
	case lib.SQLITE_CORRUPT:
		return "the database is damaged: restore a backup"
	case lib.SQLITE_IOERR:
		return "the disk does not read or write"
	}
	return "the database failed"
}

// sqliteCode returns SQLite's extended result code of err; 0 when it is none.
func sqliteCode(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// taken reports whether err says that a primary key or a unique value is there
// already.
func taken(err error) bool {
	c := sqliteCode(err)
	return c == lib.SQLITE_CONSTRAINT_PRIMARYKEY || c == lib.SQLITE_CONSTRAINT_UNIQUE || c == lib.SQLITE_CONSTRAINT_ROWID
}
