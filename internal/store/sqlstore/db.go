// Package sqlstore holds what the SQL stores share: the methods of gateway.Store whose statements
// SQLite and PostgreSQL both run.
//
// [Base] implements those methods. A store embeds it and provides a [DB], which runs statements,
// and a [Dialect], which names the few differences in syntax. Statements use the placeholders $1,
// $2 and so on, which both databases read. Times are microseconds since 1970 in UTC, 0 for none;
// lists are JSON arrays in a text; a hash that is absent is NULL.
//
// Locking follows one rule. A row that a transaction decides about is locked when it is read (the
// clauses of Dialect), so that it stays as it was until the transaction ends. SQLite runs one write
// transaction at a time, so there the clauses are empty.
package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Querier runs statements.
type Querier interface {
	// Exec runs a statement and returns the number of rows that it changed.
	Exec(query string, args ...any) (int, error)

	// Bulk runs a statement once for each element of args.
	Bulk(query string, args [][]any) error

	// Insert inserts many rows into a table. columns are separated by commas.
	Insert(table, columns string, rows [][]any) error

	// Get scans the only row of a query. It returns gateway.ErrNotFound when there is none.
	Get(query string, args []any, into ...any) error

	// Each calls row for each row of a query; row scans it by scan.
	Each(query string, args []any, row func(scan func(into ...any) error) error) error
}

// Conn runs statements of which each is a transaction of its own, and transactions.
type Conn interface {
	Querier

	// Tx runs f in a transaction. f may run again when the transaction has to be repeated, so it
	// must have no effect outside the database but on variables that it sets each time.
	Tx(f func(Querier) error) error
}

// DB is a database.
type DB interface {
	// Do runs one operation of the store. op is the name of the operation for errors and metrics,
	// such as "put_session". Do returns the errors of package gateway, of a context and of type
	// CallerError as they are, and every other error as gateway.ErrUnavailable.
	Do(ctx context.Context, op string, f func(Conn) error) error
}

// Dialect is what differs between the databases in statements that are otherwise the same.
type Dialect struct {
	ForUpdate  string // clause that locks the rows of a SELECT from users alone, for a change
	ForShare   string // clause that locks the rows of users against a change
	LockRow    string // clause that locks the rows of a SELECT from another table, for a change
	SkipLocked string // clause that locks rows for a change and leaves out those that are locked
	Position   string // function that returns the position of its second argument in its first; 0 = absent

	// In returns a condition: the column is an element of the list in the placeholder.
	In func(column, placeholder string) string

	// InQuery returns a condition: the column is among the few rows of a query.
	InQuery func(column, query string) string

	// List returns a list as In takes it.
	List func([]string) any

	// Duplicate reports whether an error is a violation of a unique constraint.
	Duplicate func(error) bool

	// LockSignIns makes transactions that record sign-ins of one person wait for each other, even
	// when the person has no row yet; nil where one transaction writes at a time.
	LockSignIns func(Querier, []gateway.SignIn) error
}

// Base implements the methods of gateway.Store that both databases share.
type Base struct {
	db      DB
	dialect Dialect
}

// New returns the shared methods on a database.
func New(db DB, d Dialect) Base { return Base{db: db, dialect: d} }

// ErrRepeat makes Conn.Tx repeat the transaction: rows have moved between two statements.
var ErrRepeat = errors.New("the rows moved")

// CallerError marks an error of a function that the caller passed in.
type CallerError struct{ Err error }

// Error returns the message of the caller's error.
func (e CallerError) Error() string { return e.Err.Error() }

// Unwrap returns the caller's error.
func (e CallerError) Unwrap() error { return e.Err }

// Known reports whether err is one of package gateway that callers decide on.
func Known(err error) bool {
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

// Failure returns the error of an operation as DB.Do promises. advice returns what went wrong and
// what to do about it.
func Failure(database, op string, err error, advice func(error) string) error {
	var own CallerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.Err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %s: %w", database, spaced(op), err)
	case Known(err):
		return err
	}
	return Unavailable(database, op, err, advice(err))
}

// Unavailable returns an error that wraps gateway.ErrUnavailable.
func Unavailable(database, op string, err error, advice string) error {
	return fmt.Errorf("%s: %s: %w: %s: %w", database, spaced(op), gateway.ErrUnavailable, advice, err)
}

func spaced(op string) string { return strings.ReplaceAll(op, "_", " ") }

// conflict returns gateway.ErrConflict for a violation of a unique constraint, and other errors
// unchanged.
func (b Base) conflict(err error) error {
	if err != nil && b.dialect.Duplicate(err) {
		return gateway.ErrConflict
	}
	return err
}

// list returns the rows of a query. fields returns where to scan the columns.
func list[T any](q Querier, query string, args []any, fields func(*T) []any) (all []T, err error) {
	err = q.Each(query, args, func(scan func(...any) error) error {
		var v T
		err := scan(fields(&v)...)
		all = append(all, v)
		return err
	})
	return all, err
}

// conditions collects the conditions of a query that depend on what the caller asked for, so that
// each query has only those that an index can serve.
type conditions struct {
	sql  []string
	args []any
}

// add adds a condition; each ? in it stands for arg.
func (c *conditions) add(sql string, arg any) {
	c.args = append(c.args, arg)
	c.sql = append(c.sql, strings.ReplaceAll(sql, "?", fmt.Sprintf("$%d", len(c.args))))
}

// where returns the conditions joined by AND.
func (c *conditions) where() string { return strings.Join(c.sql, " AND ") }

// Micros returns a time as the databases have it: microseconds since 1970, 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time scans a time that Micros returned.
type Time struct{ To *time.Time }

// Scan implements sql.Scanner.
func (t Time) Scan(v any) error {
	n, ok := v.(int64)
	switch {
	case !ok:
		return fmt.Errorf("a time is %T", v)
	case n == 0:
		*t.To = time.Time{}
	default:
		*t.To = time.UnixMicro(n).UTC()
	}
	return nil
}

// Hash scans a SHA-256; NULL is the zero hash.
type Hash struct{ To *[32]byte }

// Scan implements sql.Scanner.
func (h Hash) Scan(v any) error {
	*h.To = [32]byte{}
	switch b := v.(type) {
	case nil:
		return nil
	case []byte:
		if len(b) == len(h.To) {
			copy(h.To[:], b)
			return nil
		}
	}
	return fmt.Errorf("a hash is %T of another length", v)
}

// NullHash returns a hash as the databases have it: NULL for the zero hash.
func NullHash(h [32]byte) any {
	if h == ([32]byte{}) {
		return nil
	}
	return h[:]
}

// bytesText scans bytes into a string.
type bytesText struct{ to *string }

// Scan implements sql.Scanner.
func (s bytesText) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok && v != nil { // SQLite returns an empty value as NULL
		return fmt.Errorf("bytes are %T", v)
	}
	*s.to = string(b)
	return nil
}

// jsonList scans a JSON array of strings; an empty one is nil.
type jsonList struct{ to *[]string }

// Scan implements sql.Scanner.
func (l jsonList) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("a list is %T", v)
	}
	*l.to = nil
	if s == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(s), l.to)
}

// JSON returns a list of strings as a JSON array.
func JSON(l []string) string {
	if len(l) == 0 {
		return "[]"
	}
	b, err := json.Marshal(l)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(b)
}
