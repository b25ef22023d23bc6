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
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Options are the settings of a store. The zero value is valid.
type Options struct {
	// MaxConns is how many connections the pool may have; 0 = what the URL says
	// as pool_max_conns, or 16.
	MaxConns int

	// SkipMigrations leaves the schema as it is: a database that lacks migrations is
	// gateway.ErrOlderDatabase, an empty one too.
	SkipMigrations bool

	// Observe is called after each operation of the store with its name, such as "put_session", its
	// duration and its error; nil = none. It is called by many goroutines at once.
	Observe func(op string, d time.Duration, err error)

	// OnCommit is called after each commit that changed a row; nil = none. It is called by many
	// goroutines at once.
	OnCommit func()

	// migrations are the schema; nil = the embedded ones. Tests set it.
	migrations fs.FS

	// tracer traces each statement; nil = no tracing. Tests set it.
	tracer pgx.QueryTracer
}

// Store is a gateway.Store in a PostgreSQL database.
type Store struct {
	sqlstore.Base
	db      *database
	closing sync.Once
}

var _ gateway.Store = (*Store)(nil)

// Open connects to the database at url (postgres://user:password@host/db, with the parameters of
// pgx) and brings its schema up to date; replicas that start at once do so one after the other. It
// returns gateway.ErrNewerDatabase for a database of a newer version. When the server cannot be
// reached, or rejects the connection, the error wraps gateway.ErrUnavailable and contains advice.
// No error contains the password.
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
		"idle_in_transaction_session_timeout": "60000", // milliseconds; a replica that hangs must not keep its locks
	} {
		if config.ConnConfig.RuntimeParams[name] == "" {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	config.ConnConfig.Tracer = o.tracer
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, failed("connect", err)
	}
	db := &database{pool: pool, observe: o.Observe, onCommit: o.OnCommit}
	s := &Store{Base: sqlstore.New(db, dialect), db: db}
	if err := s.migrate(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close waits for operations in progress and closes the connections.
func (s *Store) Close() error {
	s.closing.Do(s.db.pool.Close)
	return nil
}
