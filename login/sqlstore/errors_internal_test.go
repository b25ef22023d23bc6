package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/weigate/weigate/login"
)

// postgresError has the method that the errors of pgx and lib/pq have.
type postgresError string

func (e postgresError) Error() string    { return "FATAL: (SQLSTATE " + string(e) + ")" }
func (e postgresError) SQLState() string { return string(e) }

// TestErrorsOfDrivers has errors as drivers return them. The servers in servertest cause some of them.
func TestErrorsOfDrivers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err                   error
		conflict, unavailable bool
	}{
		{postgresError("40P01"), true, true}, // deadlock
		{postgresError("40001"), true, true}, // serialization failure
		{postgresError("57P01"), false, true},
		{postgresError("53300"), false, true},
		{postgresError("08006"), false, true},
		{postgresError("25006"), false, true},
		{postgresError("42P01"), false, false}, // the table does not exist
		{postgresError("42501"), false, false}, // permission denied
		{errors.New("Error 1213 (40001): Deadlock found when trying to get lock"), true, true},
		{errors.New("Error 1205 (HY000): Lock wait timeout exceeded"), true, true},
		{errors.New("Error 1040 (08004): Too many connections"), false, true},
		{errors.New("Error 1290 (HY000): The MySQL server is running with the --read-only option"), false, true},
		{errors.New("Error 1146 (42S02): Table 'x.login_sessions' doesn't exist"), false, false},
		{errors.New("invalid connection"), false, true},
		{errors.New("database is locked (5) (SQLITE_BUSY)"), true, true},
		{errors.New("SQL logic error: no such table: login_sessions (1)"), false, false},
		{driver.ErrBadConn, false, true},
		{io.ErrUnexpectedEOF, false, true},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, false, true},
	} {
		err := fmt.Errorf("wrapped: %w", c.err)
		if got := isConflict(err); got != c.conflict {
			t.Errorf("isConflict(%v) = %v", err, got)
		}
		if got := errors.Is(asUnavailable(err), login.ErrUnavailable); got != c.unavailable {
			t.Errorf("%v: unavailable %v, want %v", err, got, c.unavailable)
		}
	}
	for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
		if got := asUnavailable(err); got != err {
			t.Errorf("asUnavailable(%v) = %v", err, got)
		}
	}
}

func TestNumberedParameters(t *testing.T) {
	t.Parallel()
	if got := numbered("a = ? AND b = ?"); got != "a = $1 AND b = $2" {
		t.Error(got)
	}
}
