package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/weigate/weigate/internal/store/migrate"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// lockNumber is the advisory lock of migrations: "weigate" in ASCII, so that it is not the lock of
// another program by chance.
const lockNumber = 0x77656967617465

// migrate brings the schema up to date, one migration in one transaction each.
func (s *Store) migrate(ctx context.Context, o Options) error {
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
	if o.SkipMigrations {
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

// step applies the next migration, and reports whether there may be another. The lock makes
// replicas that start at once wait for each other; it ends with the transaction.
func step(q sqlstore.Querier, all []migrate.Migration) (more bool, err error) {
	if _, err := q.Exec(`SELECT pg_advisory_xact_lock($1 + hashtext(current_schema())::bigint)`,
		int64(lockNumber)); err != nil {
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
	var exists bool
	if err := q.Get(`SELECT to_regclass('migrations') IS NOT NULL`, nil, &exists); err != nil {
		return nil, err
	}
	var applied []migrate.Applied
	if exists {
		err := q.Each(`SELECT version, name FROM migrations ORDER BY version`, nil, func(scan func(...any) error) error {
			var a migrate.Applied
			err := scan(&a.Version, &a.Name)
			applied = append(applied, a)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return migrate.Todo(all, applied)
}
