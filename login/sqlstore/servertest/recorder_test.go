package servertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"sync"
)

// recorder is a driver.Connector that collects the statements which a store executes.
type recorder struct {
	driver     driver.Driver
	dsn        string
	statements *recorded
}

// recorded are the statements that read or change rows, each once.
type recorded struct {
	mu  sync.Mutex
	all []string
}

// unrecorded is a comment in the statements of the tests themselves.
const unrecorded = " -- of the test"

func (r *recorded) add(query string) {
	if strings.HasSuffix(query, unrecorded) {
		return
	}
	query = strings.Join(strings.Fields(query), " ")
	first, _, _ := strings.Cut(query, " ")
	if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, first) {
		return // the schema
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.all, query) {
		r.all = append(r.all, query)
	}
}

// openRecorded opens a database whose statements are added to statements.
func openRecorded(name, dsn string, statements *recorded) (*sql.DB, error) {
	db, err := sql.Open(name, dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return sql.OpenDB(&recorder{driver: db.Driver(), dsn: dsn, statements: statements}), nil
}

func (r *recorder) Driver() driver.Driver { return r.driver }

func (r *recorder) Connect(context.Context) (driver.Conn, error) {
	conn, err := r.driver.Open(r.dsn)
	if err != nil {
		return nil, err
	}
	return &connection{full: conn.(full), statements: r.statements}, nil
}

// full has the methods of connections that all three drivers implement.
type full interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

// connection records what it executes.
type connection struct {
	full
	statements *recorded
}

func (c *connection) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.statements.add(query)
	return c.full.PrepareContext(ctx, query)
}

func (c *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.statements.add(query)
	return c.full.ExecContext(ctx, query, args)
}

func (c *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.statements.add(query)
	return c.full.QueryContext(ctx, query, args)
}

// CheckNamedValue implements driver.NamedValueChecker. Without it database/sql would convert arguments
// by its own rules.
func (c *connection) CheckNamedValue(v *driver.NamedValue) error {
	if checker, is := c.full.(driver.NamedValueChecker); is {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
