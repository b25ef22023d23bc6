package postgres

import (
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weigate/weigate/internal/lang"
)

// advice returns what went wrong and what to do about it.
func advice(err error) lang.Message {
	state := sqlState(err)
	switch {
	case state == "53100":
		return lang.Text("the server's disk is full")
	case state == "25006":
		return lang.Text("the server is read-only, perhaps a standby: use the primary's address")
	case state == "53300":
		return lang.Text("the server has no connection left: raise max_connections, or lower pool_max_conns")
	case strings.HasPrefix(state, "28"):
		return lang.Text("the server refuses this user or password")
	case state == "3D000":
		return lang.Text("there is no such database on the server: create it")
	case state == "42501":
		return lang.Text("the user may not do this: make it the owner of the database or schema")
	case state == "42P07", state == "42703": // a table exists already, or lacks a column
		return lang.Text("the schema has a table of another program: give the gateway a schema of its own")
	case strings.HasPrefix(state, "57P"):
		return lang.Text("the server is starting or stopping")
	case isConnectError(err):
		return lang.Text("the server cannot be reached")
	}
	return lang.Text("the database failed")
}

// connectError is an error of connecting. Its message has each cause once. The message of pgx
// repeats a cause for each attempt, and pgx tries a server without TLS twice.
type connectError struct{ err, causes error }

func (e *connectError) Error() string                        { return e.causes.Error() }
func (e *connectError) Unwrap() error                        { return e.err }
func (e *connectError) Localize(formats lang.Formats) string { return formats.Error(e.causes) }

// connectCauses returns why each attempt to connect failed, each cause once. err wraps a
// pgconn.ConnectError.
func connectCauses(err error) error {
	var failure *pgconn.ConnectError
	errors.As(err, &failure)
	attempts := []error{errors.Unwrap(failure)}
	if joined, ok := attempts[0].(interface{ Unwrap() []error }); ok {
		attempts = joined.Unwrap()
	}
	var causes []error
	for _, attempt := range attempts {
		var (
			answer  *pgconn.PgError
			network *net.OpError
			name    *net.DNSError
		)
		switch {
		case errors.As(attempt, &answer):
			attempt = answer
		case errors.As(attempt, &network):
			attempt = network
		case errors.As(attempt, &name):
			attempt = name
		}
		if !slices.ContainsFunc(causes, func(c error) bool { return c.Error() == attempt.Error() }) {
			causes = append(causes, attempt)
		}
	}
	return errors.Join(causes...)
}

// sqlState returns the SQLSTATE code of an error that the server returned; "" for another error.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
