package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/weigate/weigate/internal/store/sqlstore"
)

// failed returns the error of an operation as gateway.Store promises.
func failed(op string, err error) error { return sqlstore.Failure("sqlite", op, err, advice) }

// advice returns what went wrong and what to do about it.
func advice(err error) string {
	switch sqliteCode(err) & 0xff {
	case lib.SQLITE_FULL:
		return "the disk is full: free some space; nothing was changed"
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
		return "the disk cannot be read or written"
	}
	return "the database failed"
}

// sqliteCode returns SQLite's extended result code of err; 0 for another error.
func sqliteCode(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// duplicate reports whether err is a violation of a primary key or of a unique constraint.
func duplicate(err error) bool {
	c := sqliteCode(err)
	return c == lib.SQLITE_CONSTRAINT_PRIMARYKEY || c == lib.SQLITE_CONSTRAINT_UNIQUE || c == lib.SQLITE_CONSTRAINT_ROWID
}
