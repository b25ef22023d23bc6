// Package sqlite is the default store of the gateway: a SQLite database in one file.
//
// [Open] returns a [Store], which implements gateway.Store. [Backup] writes a database, which may
// be in use, to an archive. [Restore] creates a database from an archive. The path ":memory:" opens
// a database in memory, which is gone after Close.
//
// One goroutine writes. It takes all writes that are waiting, runs each in a savepoint of one
// transaction, and commits them together, so that they wait for the disk once. BenchmarkCommit
// measures the difference. Commits survive a power failure (synchronous FULL). Reads have
// connections of their own and never wait for the writer, because the database uses a write-ahead
// log.
//
// Several processes may open one file: `weigate user approve` works while a gateway is running.
// Only one gateway may serve from the file (Options.Serve). A second gateway on one file is a
// mistake in the configuration.
//
// Network file systems are not supported, because SQLite's locks do not work there. For several
// machines use package postgres.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/store/migrate"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// memory is the path of a database in memory.
const memory = ":memory:"

//go:embed migrations/*.sql
var embedded embed.FS

// Options are the settings of a store. The zero value is for a command that reads a database, or
// changes a row, while a gateway may be serving.
type Options struct {
	// Serve takes the exclusive lock of the gateway that serves from this file. Open returns
	// gateway.ErrInUse when another process has the lock.
	Serve bool

	// Existing makes Open create no file and run no migrations. When the file is missing, Open
	// returns gateway.ErrNoDatabase. When the database lacks migrations, or is empty, Open returns
	// gateway.ErrOlderDatabase.
	Existing bool

	// BeforeMigrate is called before a database of an older version is migrated, with the number of
	// its last migration; nil = none. When it returns an error, Open migrates nothing and returns the
	// error. It is not called for an empty database. Meanwhile no gateway can serve from the database.
	BeforeMigrate func(ctx context.Context, version int) error

	// Observe is called after each operation of the store with its name, such as "put_session", its
	// duration and its error; nil = none. It is called by many goroutines at once.
	Observe func(op string, d time.Duration, err error)

	// OnCommit is called after each commit that changed a row; nil = none. One commit serves all
	// writes that were waiting.
	OnCommit func()

	// migrations replaces the embedded migrations; nil = the embedded ones. Tests set it.
	migrations fs.FS

	// batch is how many writes one commit may hold; 0 = 128. The benchmark sets it.
	batch int

	// onPrepare is called with each statement when it is prepared. Tests set it.
	onPrepare func(query string)
}

// Store is a gateway.Store in one SQLite file.
type Store struct {
	sqlstore.Base
	db      *database
	path    string
	lock    *os.File // of a gateway that serves; else nil
	closing sync.Once
	closed  error // result of the first Close
}

var _ gateway.Store = (*Store)(nil)

// Open opens the database at path, creates it if it is missing (mode 0600), and brings its schema
// up to date. Errors:
//
//   - gateway.ErrInUse: another process serves from the database, and Options.Serve is set or the
//     database needs migrations.
//   - gateway.ErrNewerDatabase: a newer version has changed the database.
//   - gateway.ErrUnavailable, with advice: the file belongs to another program, or the file system
//     failed.
//
// Open does not change a database that is in use, newer, or of another program.
//
// ctx applies to Open only: the store keeps working after ctx has ended.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if path == "" {
		return nil, errors.New("sqlite: no path given")
	}
	db := &database{observe: o.Observe}
	s := &Store{Base: sqlstore.New(db, dialect), db: db, path: path}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, o Options) error {
	var file fs.FileInfo
	if s.path != memory {
		var err error
		if file, err = create(s.path, o.Existing); err != nil {
			return err
		}
		if o.Serve {
			lock, err := lockFile(s.path + ".lock")
			if err != nil {
				return err
			}
			s.lock = lock
		}
	}
	const readOnly = false
	db, err := pool(s.path, readOnly, 1)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return failed("open "+s.path, err)
	}
	s.db.writer = newWriter(db, conn, o)
	if file != nil {
		if err := checkSame(s.path, file); err != nil {
			return err
		}
	}
	if err := s.migrate(ctx, conn, o); err != nil {
		return err
	}
	s.db.writer.start()
	if s.path == memory {
		return nil
	}
	s.db.readers, err = newReader(s.path, max(4, runtime.GOMAXPROCS(0)))
	if err == nil {
		s.db.readers.onPrepare = o.onPrepare
	}
	return err
}

// Close waits for the writes in progress and closes the file.
func (s *Store) Close() error {
	s.closing.Do(func() {
		var errs []error
		if s.db.readers != nil {
			errs = append(errs, s.db.readers.close())
		}
		if s.db.writer != nil {
			errs = append(errs, s.db.writer.close())
		}
		if s.lock != nil {
			errs = append(errs, unlock(s.lock))
		}
		s.closed = failed("close", errors.Join(errs...))
	})
	return s.closed
}

// migrate brings the schema up to date. While migrations run, it holds the lock that a serving
// gateway takes. So the schema does not change while a gateway of another version is running.
func (s *Store) migrate(ctx context.Context, conn *sql.Conn, o Options) error {
	all, err := o.readMigrations()
	if err != nil {
		return err
	}
	todo, err := pending(ctx, conn, all)
	if err != nil {
		return failed("open "+s.path, err)
	}
	if len(todo) == 0 {
		return nil
	}
	if o.Existing {
		return failed("check migrations of "+s.path, migrate.CheckNone(todo))
	}
	if s.lock == nil && s.path != memory {
		lock, err := lockFile(s.path + ".lock")
		if err != nil {
			return fmt.Errorf("the database needs the migrations of this version first: %w", err)
		}
		defer unlock(lock)
	}
	if n := len(all) - len(todo); n > 0 && o.BeforeMigrate != nil {
		if err := o.BeforeMigrate(ctx, n); err != nil {
			return err
		}
	}
	return failed("migrate "+s.path, applyAll(ctx, conn, all))
}

// readMigrations returns the migrations of this version.
func (o Options) readMigrations() ([]migrate.Migration, error) {
	if o.migrations != nil {
		return migrate.Read(o.migrations, ".")
	}
	return migrate.Read(embedded, "migrations")
}

// pending returns the migrations that the database lacks.
func pending(ctx context.Context, conn *sql.Conn, all []migrate.Migration) ([]migrate.Migration, error) {
	applied, foreign, err := appliedTo(ctx, conn)
	if err != nil {
		return nil, err
	}
	if foreign {
		return nil, lang.Errorf("%w: the file is a database of another program; give the gateway a file of its own",
			gateway.ErrUnavailable)
	}
	return migrate.Todo(all, applied)
}

// step applies the next migration in one transaction, and reports whether another one may follow.
// Under the write lock it reads once more which migrations are applied, because another process may
// have applied some meanwhile.
func step(ctx context.Context, conn *sql.Conn, all []migrate.Migration) (more bool, err error) {
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return false, err
	}
	defer func() {
		if err != nil || !more {
			_, rollbackErr := conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
			if err == nil {
				err = rollbackErr
			}
		}
	}()
	todo, err := pending(ctx, conn, all)
	if err != nil || len(todo) == 0 {
		return false, err
	}
	m := todo[0]
	const table = `
		CREATE TABLE IF NOT EXISTS migrations (
			version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`
	if _, err := conn.ExecContext(ctx, table); err != nil {
		return false, err
	}
	if _, err := conn.ExecContext(ctx, m.SQL); err != nil {
		return false, fmt.Errorf("migration %d (%s): %w", m.Version, m.Name, err)
	}
	_, err = conn.ExecContext(ctx, `INSERT INTO migrations (version, name, applied_at) VALUES (?1, ?2, ?3)`,
		m.Version, m.Name, time.Now().UnixMicro())
	if err != nil {
		return false, err
	}
	if _, err := conn.ExecContext(ctx, `COMMIT`); err != nil {
		return false, err
	}
	return true, nil
}
