// Package sqlstore implements the methods of gateway.Store whose SQL statements are the same for
// SQLite and PostgreSQL.
//
// [Base] implements those methods. A store embeds it and provides a [DB], which runs statements,
// and a [Dialect], which contains the few differences in syntax. Statements use the placeholders
// $1, $2 and so on, which both databases accept. Times are stored as microseconds since 1970 in
// UTC, 0 for the zero time. Lists are JSON arrays in a text. A missing hash is NULL.
//
// Locking follows one rule. When a transaction reads a row to decide how to change it, the
// transaction locks the row by a clause of Dialect. So the row does not change before the
// transaction ends. SQLite runs one write transaction at a time, so its clauses are empty.
package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// Querier runs statements in one transaction.
type Querier interface {
	// Exec runs a statement and returns the number of rows that it changed.
	Exec(query string, args ...any) (int, error)

	// Bulk runs a statement once for each element of args.
	Bulk(query string, args [][]any) error

	// Insert inserts many rows into a table. columns are separated by commas.
	Insert(table, columns string, rows [][]any) error

	// Get scans the only row of a query. It returns gateway.ErrNotFound when there is none.
	Get(query string, args []any, into ...any) error

	// Each calls row for each row of a query. row calls scan to get the columns.
	Each(query string, args []any, row func(scan func(into ...any) error) error) error
}

// Conn runs statements, each in a transaction of its own, and transactions of several statements.
type Conn interface {
	Querier

	// Tx runs f in a transaction, and commits it unless f returns an error. The database may
	// require that a transaction is repeated. Then f runs again. So f must not change anything
	// outside the database, except variables that it sets in each run.
	Tx(f func(Querier) error) error
}

// DB is a database.
type DB interface {
	// Do runs f as one operation of the store. op is the name of the operation for errors and
	// metrics, such as "put_session". Do returns three kinds of errors of f: errors of package
	// gateway, errors of a context, and the error inside a CallerError. Any other error means that
	// the database failed, and Do wraps it in gateway.ErrUnavailable.
	Do(ctx context.Context, op string, f func(Conn) error) error
}

// Dialect contains the differences between the databases in statements that are otherwise the same.
type Dialect struct {
	// Clauses at the end of a SELECT.
	ForUpdate  string // locks the selected rows of users: this transaction changes them
	ForShare   string // locks the selected rows of users: no other transaction can change them
	LockRow    string // locks the selected rows of any other table, like ForUpdate
	SkipLocked string // like LockRow, but leaves out rows that another transaction has locked

	// Nickname is the expression of the index users_by_nickname: the nickname in lower case,
	// compared by bytes.
	Nickname string

	// In returns the condition that a column is an element of the list in a placeholder.
	In func(column, placeholder string) string

	// InQuery returns the condition that the value of a column is in the result of a query. The
	// result must have few rows, because the database keeps it in memory.
	InQuery func(column, query string) string

	// IDRange returns a condition for table events: the column is equal to value, and the id is at
	// least from and less than before. value, from and before are placeholders. order is the text
	// after ORDER BY for the newest events first. An index on the column and the id serves condition
	// and order.
	IDRange func(column, value, from, before string) (condition, order string)

	// LimitFirst reports whether a search of events reads a limited number of events of the chosen
	// filter in a subquery, before it applies the other filters.
	LimitFirst bool

	// List converts a list of strings to the argument for the placeholder of In.
	List func([]string) any

	// Numbers converts a list of numbers to the argument for the placeholder of In.
	Numbers func([]int64) any

	// InHashes is In for a list of hashes, and Hashes converts this list to the argument.
	InHashes func(column, placeholder string) string
	Hashes   func([][32]byte) any

	// Duplicate reports whether an error is a violation of a unique constraint.
	Duplicate func(error) bool

	// LockSignIns makes transactions that record sign-ins with one openid or unionid wait for each
	// other. Locking rows is not enough, because a first sign-in has no row yet. nil for SQLite,
	// where one transaction writes at a time.
	LockSignIns func(Querier, []gateway.SignIn) error

	// LockAdmins makes transactions that take administrator rights away wait for each other. nil for
	// SQLite.
	LockAdmins func(Querier) error
}

// Base implements the methods of gateway.Store that both databases share.
type Base struct {
	db      DB
	dialect Dialect
}

// New returns the shared methods on a database.
func New(db DB, d Dialect) Base { return Base{db: db, dialect: d} }

// ErrRepeat makes Conn.Tx run the transaction again. A transaction returns it when another
// transaction has changed rows between two of its statements.
var ErrRepeat = errors.New("rows changed during the transaction")

// CallerError marks an error of a function that the caller of the store passed in, such as the
// change of UpdateUser.
type CallerError struct{ Err error }

// Error returns the message of the caller's error.
func (e CallerError) Error() string { return e.Err.Error() }

// Unwrap returns the caller's error.
func (e CallerError) Unwrap() error { return e.Err }

// Known reports whether err is, or wraps, one of the errors of package gateway. ErrExpired is not
// in the list because it wraps ErrNotFound.
func Known(err error) bool {
	for _, target := range []error{
		gateway.ErrNotFound, gateway.ErrConflict, gateway.ErrBlocked, gateway.ErrReplay, gateway.ErrFull,
		gateway.ErrLastAdmin, gateway.ErrRefused,
		gateway.ErrUnionIDRequired, gateway.ErrNewerDatabase, gateway.ErrOlderDatabase, gateway.ErrNoDatabase,
		gateway.ErrInUse, gateway.ErrUnavailable,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Failure converts the error of an operation to the error that DB.Do returns. database is "sqlite"
// or "postgres". advice returns, for an error of the database, what went wrong and what to do about
// it.
func Failure(database, op string, err error, advice func(error) lang.Message) error {
	var ofCaller CallerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ofCaller):
		return ofCaller.Err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %s: %w", database, withSpaces(op), err)
	case Known(err):
		return err
	}
	return Unavailable(database, op, err, advice(err))
}

// Unavailable returns an error that wraps gateway.ErrUnavailable.
func Unavailable(database, op string, err error, advice lang.Message) error {
	english := fmt.Errorf("%s: %s: %w: %s: %w", database, withSpaces(op), gateway.ErrUnavailable, advice, err)
	return &unavailable{error: english, advice: advice, cause: err}
}

// unavailable is a failure of the database. Its message in another language than English has the
// advice and the cause only: the operation is a name in the code.
type unavailable struct {
	error
	advice lang.Message
	cause  error
}

// Unwrap returns the English error, which wraps gateway.ErrUnavailable and the cause.
func (u *unavailable) Unwrap() error { return u.error }

// Localize returns the advice and the cause in the language of the formats.
func (u *unavailable) Localize(formats lang.Formats) string {
	if formats == nil {
		return u.Error()
	}
	return formats.Sprintf("%s: %s", u.advice, u.cause)
}

// withSpaces returns the name of an operation for an error: "put session".
func withSpaces(op string) string { return strings.ReplaceAll(op, "_", " ") }

// conflict returns gateway.ErrConflict for a violation of a unique constraint, and other errors
// unchanged.
func (b Base) conflict(err error) error {
	if err != nil && b.dialect.Duplicate(err) {
		return gateway.ErrConflict
	}
	return err
}

// list returns the rows of a query. fields returns where to scan the columns of a row.
func list[T any](q Querier, query string, args []any, fields func(*T) []any) (all []T, err error) {
	err = q.Each(query, args, func(scan func(...any) error) error {
		var v T
		err := scan(fields(&v)...)
		all = append(all, v)
		return err
	})
	return all, err
}

// conditions collects the conditions of a query with optional filters. A query contains only the
// conditions that the caller has set, so that an index can serve it.
type conditions struct {
	sql  []string
	args []any
}

// add adds a condition; each ? in it stands for arg.
func (c *conditions) add(sql string, arg any) {
	c.args = append(c.args, arg)
	c.sql = append(c.sql, strings.ReplaceAll(sql, "?", fmt.Sprintf("$%d", len(c.args))))
}

// joined returns the collected texts, separated by separator.
func (c *conditions) joined(separator string) string { return strings.Join(c.sql, separator) }

// arg adds an argument and returns its placeholder.
func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

// where returns the conditions joined by AND.
func (c *conditions) where() string { return c.joined(" AND ") }

// Micros converts a time for the database: microseconds since 1970, 0 for the zero time.
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

// Hash scans a SHA-256. NULL becomes the zero hash.
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

// NullHash converts a hash for the database: NULL for the zero hash.
func NullHash(h [32]byte) any {
	if h == ([32]byte{}) {
		return nil
	}
	return h[:]
}

// bytesText reads a column of bytes into a string. A client chooses its nonce freely, so the nonce
// may contain bytes that a text column would reject.
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

// jsonList scans a JSON array of strings. An empty array becomes nil.
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

// JSON converts a list of strings for the database: a JSON array.
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

// agreement scans what a user has agreed to. An empty text is the zero value.
type agreement struct{ to *gateway.Agreement }

// Scan implements sql.Scanner.
func (a agreement) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("an agreement is %T", v)
	}
	*a.to = gateway.Agreement{}
	if s == "" {
		return nil
	}
	return json.Unmarshal([]byte(s), a.to)
}

// agreementJSON converts what a user has agreed to for the database.
func agreementJSON(a gateway.Agreement) string {
	if a.IsZero() {
		return ""
	}
	a.At = gateway.StoredTime(a.At)
	b, err := json.Marshal(a)
	if err != nil { // texts and a time after the year 0 always marshal
		panic(err)
	}
	return gateway.CleanText(string(b))
}
