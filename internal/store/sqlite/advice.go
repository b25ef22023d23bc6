package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/weigate/weigate/internal/lang"
)

// advice returns what went wrong and what to do about it.
func advice(err error) lang.Message {
	const primaryCode = 0xff // an extended result code has the plain result code in its low byte
	switch sqliteCode(err) & primaryCode {
	case lib.SQLITE_FULL:
		return lang.Text("the disk is full: free some space; nothing was changed")
	case lib.SQLITE_READONLY:
		return lang.Text("the database file or its folder is read-only for this user: change its owner or mode")
	case lib.SQLITE_CANTOPEN:
		return lang.Text("the database file cannot be opened: check that its folder exists and may be written")
	case lib.SQLITE_PERM, lib.SQLITE_AUTH:
		return lang.Text("this user may not use the database file: change its owner or mode")
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return lang.Text("another process has kept the database locked")
	case lib.SQLITE_NOTADB:
		return lang.Text("the file is not a SQLite database")
	case lib.SQLITE_CORRUPT:
		return lang.Text("the database is damaged: restore a backup")
	case lib.SQLITE_IOERR:
		return lang.Text("the disk cannot be read or written")
	}
	return lang.Text("the database failed")
}

// sqliteCode returns SQLite's extended result code of err; 0 for another error.
func sqliteCode(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
