// Package postgres is the store for many replicas on one PostgreSQL database.
//
// [Open] returns a [Store], which implements gateway.Store.
//
// Transactions are READ COMMITTED. Some changes must happen only once, such as redeeming a code. A
// change of this kind is one statement. Its condition is that the change has not happened yet. If
// two of these statements run at once, PostgreSQL lets only one of them change the row. A
// transaction that needs several rows locks them first, always in the same order.
//
// The package uses neither LISTEN nor SERIALIZABLE, and an advisory lock only during migrations. So
// it also works on other databases with the PostgreSQL protocol. There, start one replica first and
// let it run the migrations, in case advisory locks have no effect.
//
// [Backup] writes the rows of a database to an archive, and [Restore] loads one. The package does
// not create databases or users.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/migrate"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Options are the settings of a store. The zero value is valid.
type Options struct {
	// MaxConns is the maximum number of connections; 0 = pool_max_conns in the URL, or 16.
	MaxConns int

	// Existing makes Open run no migrations. When the database lacks migrations, or is empty, Open
	// returns gateway.ErrOlderDatabase.
	Existing bool

	// Observe is called after each operation of the store with its name, such as "put_session", its
	// duration and its error; nil = none. It is called by many goroutines at once.
	Observe func(op string, d time.Duration, err error)

	// OnCommit is called after each commit that changed a row; nil = none. It is called by many
	// goroutines at once.
	OnCommit func()

	// migrations replaces the embedded migrations; nil = the embedded ones. Tests set it.
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
// pgx) and brings its schema up to date. Replicas that start at once wait for each other. Open
// returns gateway.ErrNewerDatabase for a database of a newer version. When the server cannot be
// reached, or rejects the connection, the error wraps gateway.ErrUnavailable and contains advice.
// No error contains the password.
//
// ctx applies to Open only: the store keeps working after ctx has ended.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	config, err := parse(url)
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
		"default_transaction_isolation":       "read committed",
		"idle_in_transaction_session_timeout": "60000", // milliseconds; a replica that hangs must not keep its locks
	} {
		if config.ConnConfig.RuntimeParams[name] == "" {
			config.ConnConfig.RuntimeParams[name] = value
		}
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

// connectTimeout is how long a connection may take to open, unless the address sets another time.
const connectTimeout = 5 * time.Second

// lockNumber is the number of the advisory lock of migrations. It is "weigate" in ASCII, a number
// that another program is unlikely to use.
const lockNumber = 0x77656967617465

// migrate brings the schema up to date. Each migration is a transaction of its own.
func (s *Store) migrate(ctx context.Context, o Options) error {
	all, err := o.readMigrations()
	if err != nil {
		return err
	}
	if o.Existing {
		return s.checkMigrated(ctx, all)
	}
	for more := true; more; {
		err := s.db.Do(ctx, "migrate", func(c sqlstore.Conn) error {
			return c.Tx(func(q sqlstore.Querier) error {
				more, err = step(q, all)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readMigrations returns the migrations of this version.
func (o Options) readMigrations() ([]migrate.Migration, error) {
	if o.migrations != nil {
		return migrate.Read(o.migrations, ".")
	}
	return migrate.Read(embedded, "migrations")
}

// lockMigrations takes the lock of migrations until the end of the transaction.
func lockMigrations(q sqlstore.Querier) error {
	_, err := q.Exec(`SELECT pg_advisory_xact_lock($1 + hashtext(current_schema())::bigint)`, int64(lockNumber))
	return err
}

// step applies the next migration, and reports whether another one may follow. The advisory lock
// makes replicas that start at once wait for each other; it ends with the transaction. The lock's
// number depends on the schema, so that two schemas of one database do not wait for each other.
func step(q sqlstore.Querier, all []migrate.Migration) (more bool, err error) {
	if err := lockMigrations(q); err != nil {
		return false, err
	}
	todo, err := pending(q, all)
	if err != nil || len(todo) == 0 {
		return false, err
	}
	m := todo[0]
	const table = `
		CREATE TABLE IF NOT EXISTS migrations (
			version integer PRIMARY KEY, name text NOT NULL, applied_at bigint NOT NULL)`
	for _, sql := range []string{table, m.SQL} {
		if _, err := q.Exec(sql); err != nil {
			return false, fmt.Errorf("migration %d (%s): %w", m.Version, m.Name, err)
		}
	}
	_, err = q.Exec(`INSERT INTO migrations (version, name, applied_at) VALUES ($1, $2, $3)`, m.Version, m.Name,
		time.Now().UnixMicro())
	return true, err
}

// checkMigrated returns an error when the schema is not up to date, and changes nothing.
func (s *Store) checkMigrated(ctx context.Context, all []migrate.Migration) error {
	return s.db.Do(ctx, "check_migrations", func(c sqlstore.Conn) error {
		todo, err := pending(c, all)
		if err == nil {
			err = migrate.CheckNone(todo)
		}
		return err
	})
}

// pending returns the migrations that the database lacks.
func pending(q sqlstore.Querier, all []migrate.Migration) ([]migrate.Migration, error) {
	applied, err := appliedTo(q)
	if err != nil {
		return nil, err
	}
	return migrate.Todo(all, applied)
}
