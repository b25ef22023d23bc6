package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weigate/weigate/internal/gateway"
)

// Backup writes a consistent copy of the database at path to the new file target. Only the owner of
// target can read it. Backup works while a gateway serves from the database, and for a database of
// an older or newer version. When Backup returns nil, the copy is complete and written to the disk.
// When it returns an error, it leaves no new file at target. The copy does not contain the master
// key (which decrypts the signing keys in the database).
//
// Errors: fs.ErrExist if target exists; gateway.ErrNoDatabase; gateway.ErrUnavailable with advice.
func Backup(ctx context.Context, path, target string) (err error) {
	if path == memory {
		return errors.New("sqlite: backup: a database in memory ends with its gateway")
	}
	const existing = true
	if err := create(path, existing); err != nil { // creates nothing: it checks that the file exists
		return err
	}
	// The copy is made under another name, and renamed when it is complete. So a crash cannot leave
	// half a database that looks like a backup. Meanwhile an empty file reserves the name target.
	reserved, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(target))
		}
	}()
	if err := reserved.Close(); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	// CreateTemp creates the file with mode 0600. VACUUM INTO accepts an empty file.
	partial, err := os.CreateTemp(filepath.Dir(target), ".weigate-backup-*")
	if err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	defer partial.Close()
	defer os.Remove(partial.Name()) // fails after the file was renamed
	if err := vacuumInto(ctx, path, partial.Name()); err != nil {
		return failed("backup of "+path, err)
	}
	// VACUUM INTO does not wait for the disk.
	if err := partial.Sync(); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	if err := os.Rename(partial.Name(), target); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	return syncFolder(filepath.Dir(target))
}

// vacuumInto copies the database at path into the empty file target in one read transaction.
func vacuumInto(ctx context.Context, path, target string) (err error) {
	const readOnly = false // VACUUM INTO fails on a read-only connection, although it writes nothing to its database
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
	if err := checkOwn(ctx, conn); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `VACUUM INTO ?1`, target)
	return err
}

// checkOwn returns an error if the database is empty or belongs to another program.
func checkOwn(ctx context.Context, conn *sql.Conn) error {
	var exists bool
	const query = `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations')`
	if err := conn.QueryRowContext(ctx, query).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("%w: the file is empty or a database of another program", gateway.ErrUnavailable)
	}
	return nil
}
