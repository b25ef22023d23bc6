package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weigate/weigate/internal/gateway"
)

// failed turns what the database said into the gateway's words. doing says
// what was tried. Errors of the vocabulary and of a context pass through.
func failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !connecting(err):
		return fmt.Errorf("postgres: %s: %w", doing, err)
	case known(err):
		return err
	}
	return fmt.Errorf("postgres: %s: %w: %s: %w", doing, gateway.ErrUnavailable, advice(err), err)
}

// connecting reports whether err is of making a connection. Its time limit is
// ours, not the caller's.
func connecting(err error) bool {
	var e *pgconn.ConnectError
	return errors.As(err, &e)
}

// known reports whether err is one that the vocabulary has, so that it means
// something to the caller as it is.
func known(err error) bool {
	for _, target := range []error{
		gateway.ErrNotFound, gateway.ErrConflict, gateway.ErrBlocked, gateway.ErrReplay, gateway.ErrFull,
		gateway.ErrNewerDatabase, gateway.ErrOlderDatabase, gateway.ErrUnavailable,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// sqlState returns the server's code of err; "" when the server said nothing.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// advice says whose side a failure is on, and what to do.
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

// taken reports whether err says that a primary key or a unique value is there
// already.
func taken(err error) bool { return sqlState(err) == "23505" }

// again reports whether the transaction may well succeed when it is run again.
func again(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	}
	return errors.Is(err, errAgain)
}
