package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weigate/weigate/internal/store/sqlstore"
)

// failed returns the error of an operation as gateway.Store promises. The time limit of making a
// connection is ours, not the caller's.
func failed(op string, err error) error {
	if connecting(err) && !errors.Is(err, context.Canceled) {
		return sqlstore.Unavailable("postgres", op, err, advice(err))
	}
	return sqlstore.Failure("postgres", op, err, advice)
}

// connecting reports whether err is of making a connection.
func connecting(err error) bool {
	var e *pgconn.ConnectError
	return errors.As(err, &e)
}

// sqlState returns the server's code of err; "" when the server said nothing.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// advice returns what went wrong and what to do about it.
func advice(err error) string {
	state := sqlState(err)
	switch {
	case state == "53100":
		return "the server's disk is full"
	case state == "25006":
		return "the server is read-only, perhaps a standby: use the primary's address"
	case state == "53300":
		return "the server has no connection left: raise max_connections, or lower pool_max_conns"
	case strings.HasPrefix(state, "28"):
		return "the server refuses this user or password"
	case state == "3D000":
		return "there is no such database on the server: create it"
	case state == "42501":
		return "the user may not do this: make it the owner of the database or schema"
	case strings.HasPrefix(state, "57P"):
		return "the server is starting or stopping"
	case connecting(err):
		return "the server cannot be reached"
	}
	return "the database failed"
}

// duplicate reports whether err is a violation of a primary key or of a unique constraint.
func duplicate(err error) bool { return sqlState(err) == "23505" }

// again reports whether the transaction may succeed when it is run again.
func again(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	}
	return errors.Is(err, sqlstore.ErrRepeat)
}
