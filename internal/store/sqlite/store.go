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

	"github.com/weigate/weigate/internal/gateway"
)

// memory is the path of a store that lives in memory.
const memory = ":memory:"

//go:embed migrations/*.sql
var embedded embed.FS

// Options are the settings of a store. The zero value is a visitor: a command
// that looks at a database, or changes a row, while the gateway may be serving.
type Options struct {
	// Serve takes the right to serve from this file. While a store has it,
	// another that asks for it gets gateway.ErrInUse.
	Serve bool

	// Look leaves the schema as it is: a database that lacks migrations is
	// gateway.ErrOlderDatabase, an empty one too.
	Look bool

	// migrations are the schema; nil = the embedded ones. Tests set it.
	migrations fs.FS

	// batch is how many writes one commit may hold; 0 = 128. The benchmark
	// sets it.
	batch int
}

// Store is a gateway.Store in one SQLite file.
type Store struct {
	path    string
	writer  *writer
	readers *reader // nil in memory: there the writer's connection is the only one
	lock    *os.File
	closing sync.Once
	closed  error
}

var _ gateway.Store = (*Store)(nil)

// Open opens the database at path, makes it if there is none (mode 0600), and
// brings its schema up to date. A database that needs migrations while another
// process serves from it is an error (gateway.ErrInUse), and so is one that a
// newer version made (gateway.ErrNewerDatabase) or a file that is no database
// of ours; nothing is changed then. What the file system refuses wraps
// gateway.ErrUnavailable and says what to do.
//
// ctx bounds the opening, not the life of the store.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if path == "" {
		return nil, errors.New("sqlite: no path given")
	}
	s := &Store{path: path}
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
	s.writer = newWriter(db, conn, o.batch)
	if err := s.migrate(ctx, conn, o); err != nil {
		return err
	}
	s.writer.start()
	if s.path == memory {
		return nil
	}
	s.readers, err = newReader(s.path, max(4, runtime.GOMAXPROCS(0)))
	return err
}

// create makes the file with a mode that keeps others out: SQLite would let
// the umask decide, and the log beside it takes the mode of the file.
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

// Ping answers whether the store can read and write, by an empty commit that
// takes the write lock.
func (s *Store) Ping(ctx context.Context) error {
	return s.write(ctx, "ping", func(t tx) error {
		_, err := t.exec(`UPDATE migrations SET version = version WHERE version = 1`)
		return err
	})
}

// Close waits for the writes that are in flight, and lets go of the file.
func (s *Store) Close() error {
	s.closing.Do(func() {
		var errs []error
		if s.readers != nil {
			errs = append(errs, s.readers.close())
		}
		if s.writer != nil {
			errs = append(errs, s.writer.close())
		}
		if s.lock != nil {
			errs = append(errs, s.lock.Close())
		}
		s.closed = failed("close", errors.Join(errs...))
	})
	return s.closed
}

// write runs f in the writer, in a transaction of its own as far as f can see.
func (s *Store) write(ctx context.Context, doing string, f func(tx) error) error {
	return failed(doing, s.writer.do(ctx, f))
}

// read runs f on a connection that reads. Its statements may each see another
// moment; f that needs one moment says so in one statement.
func (s *Store) read(ctx context.Context, doing string, f func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return failed(doing, err)
	}
	if s.readers == nil {
		return s.write(ctx, doing, f)
	}
	return failed(doing, f(tx{ctx: ctx, prepare: s.readers.prepare}))
}

// Backup writes a copy of the database, as of one moment, to the file at
// target, which must not exist. The gateway may be serving. The master key is
// not in it. In memory there is nothing worth a backup, but it works.
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
	if s.readers != nil {
		err = into(s.readers.backup)
	} else {
		err = s.writer.outside(ctx, func(c *sql.Conn) error { return into(c) })
	}
	if err != nil {
		return errors.Join(failed("backup to "+target, err), os.Remove(target))
	}
	return nil
}
