package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// tx is where a method's statements run: in the writer's transaction, or on a
// reader. Statements are prepared once per connection and kept.
type tx struct {
	ctx     context.Context
	prepare func(context.Context, string) (*sql.Stmt, error)
}

// exec runs a statement and returns how many rows it changed.
func (t tx) exec(query string, args ...any) (int, error) {
	stmt, err := t.prepare(t.ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// get scans the one row of a query. No row is gateway.ErrNotFound.
func (t tx) get(query string, args []any, into ...any) error {
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

// each calls scan for each row of a query.
func (t tx) each(query string, args []any, scan func(*sql.Rows) error) error {
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
		if err := scan(rows); err != nil {
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
}

// prepare returns the statement of query. Queries are constants, but for the
// few shapes of a list, so that the map stays small.
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
	backup *sql.DB // VACUUM INTO writes, though not to this database, so it needs a connection that may
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

// micros is a time as the database has it: microseconds since 1970, 0 = never.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment scans a time that micros wrote.
type moment struct{ t *time.Time }

func (m moment) Scan(v any) error {
	n, ok := v.(int64)
	switch {
	case !ok:
		return fmt.Errorf("a time is %T", v)
	case n == 0:
		*m.t = time.Time{}
	default:
		*m.t = time.UnixMicro(n).UTC()
	}
	return nil
}

// hash scans a SHA-256; NULL is the zero hash.
type hash struct{ h *[32]byte }

func (h hash) Scan(v any) error {
	*h.h = [32]byte{}
	switch b := v.(type) {
	case nil:
		return nil
	case []byte:
		if len(b) == len(h.h) {
			copy(h.h[:], b)
			return nil
		}
	}
	return fmt.Errorf("a hash is %T of another length", v)
}

// nullHash is a hash as the database has it: NULL for the zero hash.
func nullHash(h [32]byte) any {
	if h == ([32]byte{}) {
		return nil
	}
	return h[:]
}

// list scans a JSON array of strings; an empty one is nil.
type list struct{ l *[]string }

func (l list) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("a list is %T", v)
	}
	*l.l = nil
	if s == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(s), l.l)
}

// text is a list of strings as the database has it.
func text(l []string) string {
	if len(l) == 0 {
		return "[]"
	}
	b, err := json.Marshal(l)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(b)
}
