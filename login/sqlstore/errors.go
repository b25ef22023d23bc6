package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/weigate/weigate/login"
)

// The package imports no driver. So it recognizes the errors of drivers by these properties:
//
//   - pgx and lib/pq have a method SQLState.
//   - The errors of go-sql-driver/mysql begin with "Error 1213 (40001): ".
//   - The errors of SQLite's drivers contain the text of SQLite.

// sqlState returns the SQLSTATE of an error of PostgreSQL, or "".
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

var mysqlError = regexp.MustCompile(`\bError (\d{4})\b`)

// mysqlNumber returns the number of an error of MySQL, or "".
func mysqlNumber(err error) string {
	if m := mysqlError.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return ""
}

// isConflict reports whether a statement failed because of another transaction, and may succeed
// when it is repeated.
func isConflict(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	}
	switch mysqlNumber(err) {
	case "1213", "1205": // deadlock, lock wait timeout
		return true
	}
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked")
}

// isUnavailable reports whether the database cannot do its work now, but probably can soon. There
// are three cases. The database cannot be reached. It is overloaded or read-only. Or a conflict of
// transactions remains after repeats.
func isUnavailable(err error) bool {
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isConflict(err) {
		return true
	}
	state := sqlState(err)
	// Classes of SQLSTATE. 08: connection; 53: too many connections, disk full; 57P: shutdown,
	// start. The state 25006: read-only standby.
	if strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53") || strings.HasPrefix(state, "57P") ||
		state == "25006" {
		return true
	}
	switch mysqlNumber(err) {
	case "1040", "1053", "1203", "1290", "1836", "1927": // connections, shutdown, read-only server
		return true
	}
	return strings.Contains(err.Error(), "invalid connection") // go-sql-driver/mysql: ErrInvalidConn
}

// asUnavailable wraps an error in login.ErrUnavailable if the database is unavailable. An error of
// the context stays as it is: the caller has gone, or its time has passed.
func asUnavailable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, login.ErrUnavailable) || !isUnavailable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", login.ErrUnavailable, err)
}
