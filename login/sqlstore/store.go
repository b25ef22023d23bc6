package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weigate/weigate/login"
)

// Dialect is the SQL of a database.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite"     // SQLite 3.24 or later
	PostgreSQL Dialect = "postgresql" // PostgreSQL 9.5 or later
	MySQL      Dialect = "mysql"      // MySQL 5.7 or later, and MariaDB 10.3 or later
)

// Store is a login.Store in an SQL database. Create it with Open. It is safe for concurrent use,
// and many processes may use the same tables.
//
// An error wraps login.ErrUnavailable if the database cannot be reached. Users then see a page that
// asks them to try again in a moment.
type Store struct {
	// Logger gets a line when expired rows cannot be deleted; nil logs nothing. Set it before the
	// first use of the store.
	Logger *slog.Logger

	db         *sql.DB
	dialect    Dialect
	statements statements
	sweeping   sweepSchedule
}

var _ login.Store = (*Store)(nil)

// Open returns a Store in the database db. It creates the tables if they do not exist, and returns
// an error if this is not possible or the database cannot be reached. The caller closes db.
func Open(ctx context.Context, db *sql.DB, d Dialect) (*Store, error) {
	if schemas[d] == nil {
		return nil, fmt.Errorf("sqlstore: unknown dialect %q: use SQLite, PostgreSQL or MySQL", d)
	}
	s := &Store{db: db, dialect: d, statements: newStatements(d)}
	if err := s.createTables(ctx); err != nil {
		return nil, fmt.Errorf("sqlstore: %w", asUnavailable(err))
	}
	return s, nil
}

// lockPatience is how long a call repeats a statement that failed because of another transaction.
// Such failures are SQLite's lock, and deadlocks. The context may end the call earlier.
const lockPatience = 5 * time.Second

// repeat calls run again while it fails because of another transaction. Every statement of the
// store is a transaction of its own, so a failed statement has changed nothing.
func repeat(ctx context.Context, run func() error) error {
	deadline := time.Now().Add(lockPatience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := run()
		if err == nil || !isConflict(err) || time.Now().After(deadline) {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause)) // random, so that two calls do not collide again
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		}
	}
}

// exec executes a statement and returns the number of rows that it changed.
func (s *Store) exec(ctx context.Context, statement string, arguments ...any) (changed int64, err error) {
	err = repeat(ctx, func() error {
		result, err := s.db.ExecContext(ctx, statement, arguments...)
		if err == nil {
			changed, err = result.RowsAffected()
		}
		return err
	})
	return changed, asUnavailable(err)
}

// query executes a statement and returns what scan reads from each row.
func query[T any](
	ctx context.Context, s *Store, statement string, arguments []any, scan func(*sql.Rows) (T, error),
) (all []T, err error) {
	err = repeat(ctx, func() error {
		all = nil
		rows, err := s.db.QueryContext(ctx, statement, arguments...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			one, err := scan(rows)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, asUnavailable(err)
}

// maxRounds is how often a call tries to insert, replace and read a row while other calls delete
// it.
const maxRounds = 20

// errContended means that other calls deleted the row in each of maxRounds rounds.
var errContended = fmt.Errorf("a row changed too often: %w", login.ErrUnavailable)

// maxID is the greatest length of an id in bytes. MySQL's INSERT IGNORE would store a longer id
// only in part.
const maxID = 64

// checkID returns an error for an id that is longer than maxID.
func checkID(id string) error {
	if len(id) > maxID {
		return fmt.Errorf("sqlstore: an id has %d bytes, more than %d", len(id), maxID)
	}
	return nil
}

// micros returns a time as it is stored: microseconds since 1970, and 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros returns a stored time.
func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// sweepSchedule decides when expired rows are deleted.
type sweepSchedule struct {
	mu      sync.Mutex
	inserts int       // since the last sweep
	next    time.Time // from this time a sweep is due, even after few inserts
}
