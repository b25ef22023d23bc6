package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/migrate"
)

// migrate brings the schema up to date. It takes the lock of a serving gateway when there is
// something to do, so that no schema changes under another process.
func (s *Store) migrate(ctx context.Context, conn *sql.Conn, o Options) error {
	files := o.migrations
	if files == nil {
		sub, err := fs.Sub(embedded, "migrations")
		if err != nil {
			return err
		}
		files = sub
	}
	all, err := migrate.Read(files)
	if err != nil {
		return err
	}
	todo, err := pending(ctx, conn, all)
	if err != nil || len(todo) == 0 {
		return failed("open "+s.path, err)
	}
	if o.SkipMigrations {
		return failed("check migrations of "+s.path, migrate.CheckNone(todo))
	}
	if s.lock == nil && s.path != memory {
		lock, err := lockFile(s.path + ".lock")
		if err != nil {
			return fmt.Errorf("the database needs the migrations of this version first: %w", err)
		}
		defer lock.Close()
	}
	for {
		more, err := step(ctx, conn, all)
		if err != nil || !more {
			return failed("migrate "+s.path, err)
		}
	}
}

// pending returns the migrations that the database lacks.
func pending(ctx context.Context, conn *sql.Conn, all []migrate.Migration) ([]migrate.Migration, error) {
	var ours, others int
	err := conn.QueryRowContext(ctx, `
		SELECT count(*) FILTER (WHERE name = 'migrations'), count(*) FILTER (WHERE name <> 'migrations')
		FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).Scan(&ours, &others)
	if err != nil {
		return nil, err
	}
	if ours == 0 {
		if others > 0 {
			return nil, fmt.Errorf("%w: the file is a database of another program; give the gateway a file of its own",
				gateway.ErrUnavailable)
		}
		return all, nil
	}
	rows, err := conn.QueryContext(ctx, `SELECT version, name FROM migrations ORDER BY version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var applied []migrate.Applied
	for rows.Next() {
		var a migrate.Applied
		if err := rows.Scan(&a.Version, &a.Name); err != nil {
			return nil, err
		}
		applied = append(applied, a)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return migrate.Todo(all, applied)
}

// step applies the next migration in one transaction, and reports whether there may be another. It
// reads the applied ones again under the write lock, since another process may have been first.
func step(ctx context.Context, conn *sql.Conn, all []migrate.Migration) (more bool, err error) {
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return false, err
	}
	defer func() {
		if err != nil || !more {
			_, undone := conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
			if err == nil {
				err = undone
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
		return false, errors.Join(err)
	}
	return true, nil
}
