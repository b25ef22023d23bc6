package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// database implements sqlstore.DB, with which package sqlstore runs its statements. A database reads
// on a pool of connections. It sends writes to the writer, a goroutine with a connection of its own.
type database struct {
	writer  *writer
	readers *reader                                     // nil in memory, where the writer has the only connection
	observe func(op string, d time.Duration, err error) // Options.Observe
}

// Do implements sqlstore.DB.
func (d *database) Do(ctx context.Context, op string, f func(sqlstore.Conn) error) error {
	began := time.Now()
	err := failed(op, f(conn{ctx, d}))
	if d.observe != nil {
		d.observe(op, time.Since(began), err)
	}
	return err
}

// conn implements sqlstore.Conn for one operation.
type conn struct {
	ctx context.Context
	db  *database
}

// Tx runs f in the writer's transaction, so that all its statements take effect or none.
func (c conn) Tx(f func(sqlstore.Querier) error) error {
	return c.db.writer.do(c.ctx, func(t tx) error { return f(t) })
}

// Exec runs a statement in the writer.
func (c conn) Exec(query string, args ...any) (n int, err error) {
	err = c.db.writer.do(c.ctx, func(t tx) error {
		n, err = t.Exec(query, args...)
		return err
	})
	return n, err
}

// Bulk runs a statement for each element of args in one transaction.
func (c conn) Bulk(query string, args [][]any) error {
	return c.Tx(func(q sqlstore.Querier) error { return q.Bulk(query, args) })
}

// Insert inserts rows into a table in one transaction.
func (c conn) Insert(table, columns string, rows [][]any) error {
	return c.Tx(func(q sqlstore.Querier) error { return q.Insert(table, columns, rows) })
}

// Get scans the only row of a query.
func (c conn) Get(query string, args []any, into ...any) error {
	return c.read(func(t tx) error { return t.Get(query, args, into...) })
}

// Each calls row for each row of a query.
func (c conn) Each(query string, args []any, row func(func(...any) error) error) error {
	return c.read(func(t tx) error { return t.Each(query, args, row) })
}

// read runs f on a connection for reading.
func (c conn) read(f func(tx) error) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.db.readers == nil {
		return c.db.writer.do(c.ctx, f)
	}
	return f(tx{ctx: c.ctx, prepare: c.db.readers.prepare})
}

// tx implements sqlstore.Querier, with which package sqlstore runs statements. A tx runs them on the
// writer's connection, or on the connections for reading.
type tx struct {
	ctx     context.Context
	prepare func(context.Context, string) (*sql.Stmt, error) // statements.prepare
	changed *bool                                            // set when a statement has changed a row; nil = not recorded
}

// Exec runs a statement and returns how many rows it changed.
func (t tx) Exec(query string, args ...any) (int, error) {
	stmt, err := t.prepare(t.ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if n > 0 && t.changed != nil {
		*t.changed = true
	}
	return int(n), err
}

// Bulk runs a statement for each element of args.
func (t tx) Bulk(query string, args [][]any) error {
	for _, a := range args {
		if _, err := t.Exec(query, a...); err != nil {
			return err
		}
	}
	return nil
}

// Insert inserts rows into a table.
func (t tx) Insert(table, columns string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	values := strings.TrimSuffix(strings.Repeat("?, ", len(rows[0])), ", ")
	return t.Bulk(`INSERT INTO `+table+` (`+columns+`) VALUES (`+values+`)`, rows)
}

// Get scans the only row of a query.
func (t tx) Get(query string, args []any, into ...any) error {
	stmt, err := t.prepare(t.ctx, query)
	if err != nil {
		return err
	}
	err = stmt.QueryRowContext(t.ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return gateway.ErrNotFound
	}
	return err
}

// Each calls row for each row of a query.
func (t tx) Each(query string, args []any, row func(func(...any) error) error) error {
	stmt, err := t.prepare(t.ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if t.changed != nil && strings.HasPrefix(query, "DELETE") { // with RETURNING
			*t.changed = true
		}
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// statements are the prepared statements of a connection or a pool. A statement is prepared at its
// first use.
type statements struct {
	mu       sync.Mutex
	prepared map[string]*sql.Stmt // by query
	on       interface {          // a connection or a pool
		PrepareContext(context.Context, string) (*sql.Stmt, error)
	}
	onPrepare func(query string) // for tests; nil = none
}

// prepare returns the prepared statement of a query. The store has few different queries, so the
// map stays small.
func (s *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if s.onPrepare != nil {
		s.onPrepare(query)
	}
	if s.prepared == nil {
		s.prepared = map[string]*sql.Stmt{}
	}
	s.prepared[query] = stmt
	return stmt, nil
}

// close closes every statement.
func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, stmt := range s.prepared {
		errs = append(errs, stmt.Close())
	}
	s.prepared = nil
	return errors.Join(errs...)
}

// reader is the pool of connections for reading.
type reader struct {
	statements
	db *sql.DB
}

// newReader opens a pool of n connections for reading.
func newReader(path string, n int) (*reader, error) {
	const readOnly = true
	db, err := pool(path, readOnly, n)
	if err != nil {
		return nil, err
	}
	return &reader{statements: statements{on: db}, db: db}, nil
}

func (r *reader) close() error {
	return errors.Join(r.statements.close(), r.db.Close())
}

// busyTimeout is how long a write waits for another process, in milliseconds.
const busyTimeout = 5000

// dsn returns the data source name of a database: its path and the settings of a connection. The
// settings are part of the name because the pool opens new connections at any time. A PRAGMA
// statement would set them on one connection only.
func dsn(path string, readOnly bool) (string, error) {
	q := url.Values{}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout))
	q.Add("_pragma", "foreign_keys(1)")
	q.Set("_dqs", "0")      // a text in double quotes is an error, not a string
	q.Set("_error_rc", "1") // errors have SQLite's extended result codes
	if path == memory {
		return "file::memory:?" + q.Encode(), nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	q.Set("mode", "rw") // a missing file is an error here; the function create creates it
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")            // reads do not wait for writes
		q.Add("_pragma", "synchronous(FULL)")            // a commit waits for the disk
		q.Add("_pragma", "journal_size_limit(67108864)") // 64 MB
	}
	slashed := filepath.ToSlash(abs)
	if slashed[0] != '/' { // Windows: C:/…
		slashed = "/" + slashed
	}
	u := url.URL{Scheme: "file", Path: slashed, RawQuery: q.Encode()}
	return u.String(), nil
}

// pool opens the database with a pool of at most n connections, which stay open.
func pool(path string, readOnly bool, n int) (*sql.DB, error) {
	name, err := dsn(path, readOnly)
	if err != nil {
		return nil, err
	}
	c, err := driver.NewConnector(name)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// failed returns the error of an operation as callers of gateway.Store expect it: errors of package
// gateway unchanged, and failures of the database as gateway.ErrUnavailable with advice.
func failed(op string, err error) error { return sqlstore.Failure("sqlite", op, err, advice) }

// duplicate reports whether err is a violation of a primary key or of a unique constraint.
func duplicate(err error) bool {
	c := sqliteCode(err)
	return c == lib.SQLITE_CONSTRAINT_PRIMARYKEY || c == lib.SQLITE_CONSTRAINT_UNIQUE || c == lib.SQLITE_CONSTRAINT_ROWID
}
