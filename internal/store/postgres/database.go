package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// database implements sqlstore.DB, with which package sqlstore runs its statements. It has a pool of
// connections.
type database struct {
	pool     *pgxpool.Pool
	observe  func(op string, d time.Duration, err error) // Options.Observe
	onCommit func()                                      // Options.OnCommit
}

// Do implements sqlstore.DB.
func (d *database) Do(ctx context.Context, op string, f func(sqlstore.Conn) error) error {
	began := time.Now()
	err := failed(op, f(conn{querier{ctx: ctx, on: d.pool}, d}))
	if d.observe != nil {
		d.observe(op, time.Since(began), err)
	}
	return err
}

// committed calls onCommit. Callers call it after each commit that changed a row.
func (d *database) committed() {
	if d.onCommit != nil {
		d.onCommit()
	}
}

// maxAttempts is how often a statement or a transaction runs at most, when the server aborts it
// each time.
const maxAttempts = 8

// conn implements sqlstore.Conn for one operation. Transactions that change many rows may lock the
// rows in different orders, and so cause a deadlock. The server then aborts one of these
// transactions, and conn runs it again.
type conn struct {
	querier
	db *database
}

// Tx runs f in a transaction.
func (c conn) Tx(f func(sqlstore.Querier) error) (err error) {
	for range maxAttempts {
		changed := false
		err = pgx.BeginTxFunc(c.ctx, c.db.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
			return f(querier{ctx: c.ctx, on: tx, changed: &changed})
		})
		if err == nil && changed {
			c.db.committed()
		}
		if !retryable(err) {
			break
		}
	}
	return err
}

// Exec runs a statement, which is a transaction of its own.
func (c conn) Exec(query string, args ...any) (n int, err error) {
	for range maxAttempts {
		changed := false
		q := c.querier
		q.changed = &changed
		if n, err = q.Exec(query, args...); err == nil && changed {
			c.db.committed()
		}
		if !retryable(err) {
			break
		}
	}
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
func (c conn) Get(query string, args []any, into ...any) (err error) {
	for range maxAttempts {
		if err = c.querier.Get(query, args, into...); !retryable(err) {
			break
		}
	}
	return err
}

// querier implements sqlstore.Querier. It runs statements on the pool or in a transaction.
type querier struct {
	ctx context.Context
	on  interface { // the pool or a transaction
		Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
		SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
		CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
	}
	changed *bool // set when a statement has changed a row; nil = not recorded
}

// Exec runs a statement and returns how many rows it changed.
func (q querier) Exec(query string, args ...any) (int, error) {
	done, err := q.on.Exec(q.ctx, query, args...)
	if q.changed != nil && done.RowsAffected() > 0 && !done.Select() { // a SELECT counts rows too
		*q.changed = true
	}
	return int(done.RowsAffected()), err
}

// Bulk sends a statement with each element of args in one round trip.
func (q querier) Bulk(query string, args [][]any) error {
	if len(args) == 0 {
		return nil
	}
	if q.changed != nil {
		*q.changed = true
	}
	var b pgx.Batch
	for _, a := range args {
		b.Queue(query, a...)
	}
	return q.on.SendBatch(q.ctx, &b).Close()
}

// Insert inserts rows into a table by COPY, the fastest statement for many rows.
func (q querier) Insert(table, columns string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	if q.changed != nil {
		*q.changed = true
	}
	_, err := q.on.CopyFrom(q.ctx, pgx.Identifier{table}, strings.Split(columns, ", "), pgx.CopyFromRows(rows))
	return err
}

// Get scans the only row of a query.
func (q querier) Get(query string, args []any, into ...any) error {
	err := q.on.QueryRow(q.ctx, query, args...).Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		return gateway.ErrNotFound
	}
	return err
}

// Each calls row for each row of a query.
func (q querier) Each(query string, args []any, row func(func(...any) error) error) error {
	rows, err := q.on.Query(q.ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	if q.changed != nil && rows.CommandTag().RowsAffected() > 0 && !rows.CommandTag().Select() {
		*q.changed = true // a DELETE with RETURNING
	}
	return rows.Err()
}

// failed returns the error of an operation as callers of gateway.Store expect it: errors of package
// gateway and of the caller's context unchanged, and failures of the database as
// gateway.ErrUnavailable with advice. A deadline that is exceeded while connecting is a failure of
// the database: it is the ConnectTimeout that Open has set, not the deadline of the caller.
func failed(op string, err error) error {
	if isConnectError(err) && !errors.Is(err, context.Canceled) {
		return sqlstore.Unavailable("postgres", op, &connectError{err: err, causes: connectCauses(err)}, advice(err))
	}
	return sqlstore.Failure("postgres", op, err, advice)
}

// isConnectError reports whether err occurred while connecting.
func isConnectError(err error) bool {
	var e *pgconn.ConnectError
	return errors.As(err, &e)
}

// MayBeStarting reports whether err of [Open] may go away without a change of the address: the
// server cannot be reached, is starting, or has no connection left.
func MayBeStarting(err error) bool {
	state := sqlState(err)
	return isConnectError(err) && (state == "" || state == "53300" || strings.HasPrefix(state, "57P"))
}

// duplicate reports whether err is a violation of a primary key or of a unique constraint.
func duplicate(err error) bool { return sqlState(err) == "23505" }

// retryable reports whether the transaction may succeed when it runs again.
func retryable(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	}
	return errors.Is(err, sqlstore.ErrRepeat)
}
