package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/newfile"
	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/migrate"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// Restore creates the database at path from an archive, which may be a backup of PostgreSQL. It
// brings the schema up to date when the archive is of an older version. A missing file is created,
// and a database without users is replaced. The new database gets the name path when it is complete,
// so that an interruption or an error leaves everything as it was. Restore uses only the migrations of
// o.
//
// Errors to test for: gateway.ErrInUse (a gateway serves from the database), archive.ErrNotEmpty,
// gateway.ErrNewerDatabase (the archive or the database is of a newer version), archive.ErrSchema,
// archive.ErrDamaged, and gateway.ErrUnavailable with advice.
func Restore(ctx context.Context, path string, r *archive.Reader, o Options) (err error) {
	if path == memory {
		return errors.New("sqlite: restore: a database in memory ends with its gateway")
	}
	all, err := o.readMigrations()
	if err != nil {
		return err
	}
	known, err := migrate.Until(all, migrate.Applied{Version: r.Header.Schema, Name: r.Header.Migration})
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return sqlstore.Unavailable("sqlite", "restore", err, lang.Text("the folder of the database file is unavailable"))
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return err
	}
	defer unlock(lock)
	release, err := lockEmpty(ctx, path, all)
	if err != nil {
		return restoreFailed(path, err)
	}
	defer func() { err = errors.Join(err, release()) }()
	partial := path + ".restoring" // a fixed name: after a crash, the next restore removes the file
	if err := remove(partial); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(partial)) }()
	file, err := openFile(partial, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return sqlstore.Unavailable("sqlite", "restore", err, lang.Text("the database was not created"))
	}
	defer file.Close()
	if err := fill(ctx, file, r, known, all); err != nil {
		return restoreFailed(path, err)
	}
	for _, f := range []*os.File{file, lock} {
		if err := ownAsFolder(f); err != nil {
			return fmt.Errorf("sqlite: restore: %w", err)
		}
	}
	if err := file.Close(); err != nil { // Windows cannot rename an open file
		return err
	}
	if err := release(); err != nil { // closes the empty database, which removes its log
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} { // a log of the replaced file would damage the new one
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("sqlite: restore: %w", err)
	}
	return newfile.SyncFolder(filepath.Dir(path))
}

// restoreFailed returns the error of a restore: a refusal unchanged, and a failure of the database
// as gateway.ErrUnavailable with advice.
func restoreFailed(path string, err error) error {
	if archive.IsRefusal(err) {
		return fmt.Errorf("sqlite: restore: %w", err)
	}
	return failed("restore "+path, err)
}

// lockEmpty checks that the file at path is missing, or a database without users. It keeps other
// commands from writing to the database until release is called.
func lockEmpty(ctx context.Context, path string, all []migrate.Migration) (release func() error, err error) {
	nothing := func() error { return nil }
	if err := checkFiles(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
			return nil, lang.Errorf("%w: %s-wal belongs to a database that was moved away without it: move it to that database",
				gateway.ErrUnavailable, path)
		}
		return nothing, nil
	}
	if err != nil || info.Size() == 0 {
		return nothing, err
	}
	const readOnly = false
	db, err := pool(path, readOnly, 1)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	release = sync.OnceValue(func() error {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`) // fails when the transaction has not begun
		return errors.Join(conn.Close(), db.Close())
	})
	if err := checkEmpty(ctx, conn, all); err != nil {
		return nil, errors.Join(err, release())
	}
	return release, nil
}

// checkEmpty begins a write transaction and checks that the database has no users.
func checkEmpty(ctx context.Context, conn *sql.Conn, all []migrate.Migration) error {
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	applied, foreign, err := appliedTo(ctx, conn)
	if err != nil {
		return err
	}
	if foreign {
		return lang.Errorf("%w: the file is a database of another program", gateway.ErrUnavailable)
	}
	if _, err := migrate.Todo(all, applied); err != nil || len(applied) == 0 {
		return err
	}
	var users int
	if err := conn.QueryRowContext(ctx, `SELECT count(*) FROM users`).Scan(&users); err != nil {
		return err
	}
	if users > 0 {
		return archive.ErrNotEmpty
	}
	return nil
}

// fill creates a database in an empty file, loads the archive into the schema of its version, known,
// and applies the later migrations of all.
func fill(ctx context.Context, file *os.File, r *archive.Reader, known, all []migrate.Migration) (err error) {
	path := file.Name()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	const readOnly = false
	db, err := pool(path, readOnly, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := checkSame(path, info); err != nil {
		return err
	}
	// After a crash, the file is discarded. So it needs no journal, and only Sync waits for the
	// disk, once at the end. References are checked at the end too.
	for _, pragma := range []string{`journal_mode = OFF`, `synchronous = OFF`, `foreign_keys = OFF`} {
		if _, err := conn.ExecContext(ctx, `PRAGMA `+pragma); err != nil {
			return err
		}
	}
	if err := applyAll(ctx, conn, known); err != nil {
		return err
	}
	if err := load(ctx, conn, r); err != nil {
		return err
	}
	if err := applyAll(ctx, conn, all); err != nil {
		return err
	}
	for _, check := range []struct {
		query   string
		problem error // if the query returns a row
	}{
		{`PRAGMA foreign_key_check`, fmt.Errorf("%w: rows refer to rows that are missing", archive.ErrDamaged)},
		{`SELECT * FROM pragma_quick_check WHERE quick_check <> 'ok'`,
			errors.New("sqlite: the restored database is damaged: check the disk")},
	} {
		rows, err := conn.QueryContext(ctx, check.query)
		if err != nil {
			return err
		}
		bad := rows.Next()
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if bad {
			return check.problem
		}
	}
	return file.Sync()
}

// applyAll applies migrations until all are applied.
func applyAll(ctx context.Context, conn *sql.Conn, all []migrate.Migration) error {
	for {
		if more, err := step(ctx, conn, all); err != nil || !more {
			return err
		}
	}
}

// load inserts the rows of an archive in one transaction.
func load(ctx context.Context, conn *sql.Conn, r *archive.Reader) error {
	names, err := tables(ctx, conn)
	if err != nil {
		return err
	}
	schema := map[string][]string{}
	for _, name := range names {
		if schema[name], err = columns(ctx, conn, name); err != nil {
			return err
		}
		// A migration may have inserted rows, which are in the archive too.
		if _, err := conn.ExecContext(ctx, `DELETE FROM `+quoted([]string{name})); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := archive.Load(r, schema, func(t archive.Table) error { return loadTable(ctx, conn, r, t) }); err != nil {
		return err // the file is discarded
	}
	_, err = conn.ExecContext(ctx, `COMMIT`)
	return err
}

// loadTable inserts the rows of a table.
func loadTable(ctx context.Context, conn *sql.Conn, r *archive.Reader, t archive.Table) error {
	placeholders := strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ")
	insert, err := conn.PrepareContext(ctx,
		`INSERT INTO `+quoted([]string{t.Name})+` (`+quoted(t.Columns)+`) VALUES (`+placeholders+`)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for {
		row, err := r.Row()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	if t.Last == 0 {
		return nil
	}
	// SQLite must not generate the numbers up to t.Last again.
	for _, statement := range []string{
		`INSERT INTO sqlite_sequence (name, seq)
			SELECT ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)`,
		`UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1`,
	} {
		if _, err := conn.ExecContext(ctx, statement, t.Name, t.Last); err != nil {
			return err
		}
	}
	return nil
}

// remove removes a database that is not complete, and its logs.
func remove(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
