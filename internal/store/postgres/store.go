package postgres

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weigate/weigate/internal/gateway"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Options are the settings of a store; the zero value is good.
type Options struct {
	// MaxConns is how many connections the pool may have; 0 = what the URL says
	// as pool_max_conns, or 16.
	MaxConns int

	// Look leaves the schema as it is: a database that lacks migrations is
	// gateway.ErrOlderDatabase, an empty one too.
	Look bool

	// migrations are the schema; nil = the embedded ones. Tests set it.
	migrations fs.FS
}

// Store is a gateway.Store in a PostgreSQL database.
type Store struct {
	pool    *pgxpool.Pool
	closing sync.Once
}

var _ gateway.Store = (*Store)(nil)

// Open connects to the database at url (postgres://user:password@host/db, with
// pgx's parameters) and brings its schema up to date; replicas that start at
// once do it one after the other. A database that a newer version made is
// gateway.ErrNewerDatabase; a server that does not answer, or refuses us, wraps
// gateway.ErrUnavailable and says what to do. No error holds the password.
//
// ctx bounds the opening, not the life of the store.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, failed("read the database's address", err)
	}
	switch {
	case o.MaxConns > 0:
		config.MaxConns = int32(o.MaxConns)
	case !strings.Contains(url, "pool_max_conns"):
		config.MaxConns = 16
	}
	for name, value := range map[string]string{
		"application_name":                    "weigate",
		"default_transaction_isolation":       "read committed",
		"idle_in_transaction_session_timeout": "60000", // ms; a replica that hangs must not hold locks
	} {
		if config.ConnConfig.RuntimeParams[name] == "" {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, failed("connect", err)
	}
	s := &Store{pool: pool}
	if err := s.migrate(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Ping implements gateway.Upkeep: a commit of an unchanged row, which a
// standby, or a server with a full disk, refuses.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.exec(ctx, `UPDATE arrival_locks SET n = n WHERE n = (SELECT n FROM arrival_locks LIMIT 1 FOR UPDATE SKIP LOCKED)`)
	return failed("ping", err)
}

// Close waits for what is in flight, and closes the connections.
func (s *Store) Close() error {
	s.closing.Do(s.pool.Close)
	return nil
}

// attempts is how often a transaction is tried that the server gave up.
const attempts = 8

// errAgain asks write to begin anew: somebody else moved a row between two of
// its statements.
var errAgain = errors.New("the rows moved")

// write runs f in a transaction. It is run again when the server resolved a
// deadlock at its cost, so f must have no effect outside the database.
func (s *Store) write(ctx context.Context, doing string, f func(pgx.Tx) error) error {
	var err error
	for range attempts {
		err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, f)
		if !again(err) {
			break
		}
	}
	return failed(doing, err)
}

// exec runs one statement by itself, again when the server gave it up for
// another one's sake: two that change many rows may meet in different orders.
func (s *Store) exec(ctx context.Context, query string, args ...any) (done pgconn.CommandTag, err error) {
	for range attempts {
		if done, err = s.pool.Exec(ctx, query, args...); !again(err) {
			break
		}
	}
	return done, err
}

// get is get on the pool, again as exec is.
func (s *Store) get(ctx context.Context, query string, args []any, into ...any) (err error) {
	for range attempts {
		if err = get(ctx, s.pool, query, args, into...); !again(err) {
			break
		}
	}
	return err
}

// querier is where a statement runs: the pool, or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// get scans the one row of a query. No row is gateway.ErrNotFound.
func get(ctx context.Context, q querier, query string, args []any, into ...any) error {
	err := q.QueryRow(ctx, query, args...).Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		return gateway.ErrNotFound
	}
	return err
}

// list collects the rows of a query. fields are the places of a T to scan into.
func list[T any](ctx context.Context, q querier, query string, args []any, fields func(*T) []any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]T(nil), rows, func(r pgx.CollectableRow) (v T, err error) {
		return v, r.Scan(fields(&v)...)
	})
}
