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
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// memory is the path of a database in memory.
const memory = ":memory:"

//go:embed migrations/*.sql
var embedded embed.FS

// Options are the settings of a store. The zero value is for a command that reads a database, or
// changes a row, while a gateway may be serving.
type Options struct {
	// Serve takes the exclusive lock of a gateway that serves from this file. While a store has it,
	// opening another one with Serve returns gateway.ErrInUse.
	Serve bool

	// SkipMigrations leaves the schema as it is: a database that lacks migrations is
	// gateway.ErrOlderDatabase, an empty one too.
	SkipMigrations bool

	// Observe is called after each operation of the store with its name, such as "put_session", its
	// duration and its error; nil = none. It is called by many goroutines at once.
	Observe func(op string, d time.Duration, err error)

	// OnCommit is called after each commit that changed a row; nil = none. One commit serves all
	// writes that were waiting.
	OnCommit func()

	// migrations are the schema; nil = the embedded ones. Tests set it.
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
	lock    *os.File
	closing sync.Once
	closed  error
}

var _ gateway.Store = (*Store)(nil)

// Open opens the database at path, creates it if it is missing (mode 0600), and brings its schema
// up to date. It returns gateway.ErrInUse for a database that needs migrations while another
// process serves from it, gateway.ErrNewerDatabase for one of a newer version, and an error for a
// file of another program; nothing is changed then. Errors of the file system wrap
// gateway.ErrUnavailable and contain advice.
//
// ctx bounds the opening, not the life of the store.
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
	if s.path != memory {
		if err := create(s.path); err != nil {
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
	db, err := pool(s.path, false, 1)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return failed("open "+s.path, err)
	}
	s.db.writer = newWriter(db, conn, o)
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

// create creates the file for its owner only. SQLite would use the umask, and the log gets the mode
// of the file.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		return f.Close()
	}
	what := "cannot open the database file"
	if errors.Is(err, fs.ErrPermission) {
		what = "this user may not read and write the database file or its folder: change its owner or mode"
	} else if errors.Is(err, fs.ErrNotExist) {
		what = "the folder of the database file does not exist"
	}
	return fmt.Errorf("sqlite: open: %w: %s: %w", gateway.ErrUnavailable, what, err)
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
			errs = append(errs, s.lock.Close())
		}
		s.closed = failed("close", errors.Join(errs...))
	})
	return s.closed
}

// Backup writes a consistent copy of the database to the file at target, which must not exist. The
// gateway may be serving. The copy does not contain the master key.
func (s *Store) Backup(ctx context.Context, target string) error {
	f, err := os.OpenFile(target, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	into := func(db interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
	}) error {
		_, err := db.ExecContext(ctx, `VACUUM INTO ?1`, target)
		return err
	}
	if s.db.readers != nil {
		err = into(s.db.readers.backup)
	} else {
		err = s.db.writer.outside(ctx, func(c *sql.Conn) error { return into(c) })
	}
	if err != nil {
		return errors.Join(failed("backup to "+target, err), os.Remove(target))
	}
	return nil
}
