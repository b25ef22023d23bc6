package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// database runs the operations of a store: reads on the readers, writes in the writer.
type database struct {
	writer  *writer
	readers *reader // nil in memory: there the writer's connection is the only one
	observe func(op string, d time.Duration, err error)
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

// conn implements sqlstore.Conn.
type conn struct {
	ctx context.Context
	db  *database
}

// Tx runs f in the writer, in a savepoint of its transaction.
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

func (c conn) read(f func(tx) error) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.db.readers == nil {
		return c.db.writer.do(c.ctx, f)
	}
	return f(tx{ctx: c.ctx, prepare: c.db.readers.prepare})
}

// tx runs statements on one connection: in a transaction of the writer, or on a reader. Statements
// are prepared once per connection and kept. It implements sqlstore.Querier.
type tx struct {
	ctx     context.Context
	prepare func(context.Context, string) (*sql.Stmt, error)
	changed *bool // set when a statement has changed a row; nil = not recorded
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
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// statements keeps the prepared statements of a connection or a pool.
type statements struct {
	mu   sync.Mutex
	made map[string]*sql.Stmt
	on   interface {
		PrepareContext(context.Context, string) (*sql.Stmt, error)
	}
	onPrepare func(query string) // for tests; nil = none
}

// prepare returns the prepared statement of a query. Queries are constants with few variants, so
// the map stays small.
func (s *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.made[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if s.onPrepare != nil {
		s.onPrepare(query)
	}
	if s.made == nil {
		s.made = map[string]*sql.Stmt{}
	}
	s.made[query] = stmt
	return stmt, nil
}

// close closes every statement.
func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, stmt := range s.made {
		errs = append(errs, stmt.Close())
	}
	s.made = nil
	return errors.Join(errs...)
}

// reader is the pool of connections that read.
type reader struct {
	statements
	db     *sql.DB
	backup *sql.DB // VACUUM INTO needs a connection that may write, though it leaves this database as it is
}

func newReader(path string, n int) (*reader, error) {
	db, err := pool(path, true, n)
	if err != nil {
		return nil, err
	}
	backup, err := pool(path, false, 1)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	backup.SetMaxIdleConns(0)
	return &reader{statements: statements{on: db}, db: db, backup: backup}, nil
}

func (r *reader) close() error {
	return errors.Join(r.statements.close(), r.db.Close(), r.backup.Close())
}
