package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/store/migrate"
)

// lockNumber is the advisory lock that migrations of one schema take: "weigate"
// in ASCII, so that it is no other program's by chance.
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
	if o.Look {
		return s.look(ctx, all)
	}
	for more := true; more; {
		err := s.write(ctx, "migrate", func(tx pgx.Tx) error {
			more, err = step(ctx, tx, all)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// step applies the next migration, and reports whether there may be another.
// The lock makes replicas that start at once wait for each other; it ends with
// the transaction.
func step(ctx context.Context, tx pgx.Tx, all []migrate.Migration) (more bool, err error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1 + hashtext(current_schema())::bigint)`, int64(lockNumber)); err != nil {
		return false, err
	}
	todo, err := pending(ctx, tx, all)
	if err != nil || len(todo) == 0 {
		return false, err
	}
	m := todo[0]
	const table = `CREATE TABLE IF NOT EXISTS migrations (version integer PRIMARY KEY, name text NOT NULL, applied_at bigint NOT NULL)`
	for _, sql := range []string{table, m.SQL} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return false, fmt.Errorf("migration %d (%s): %w", m.Version, m.Name, err)
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO migrations (version, name, applied_at) VALUES ($1, $2, $3)`, m.Version, m.Name, time.Now().UnixMicro())
	return true, err
}

// look says whether the schema is up to date, and changes nothing.
func (s *Store) look(ctx context.Context, all []migrate.Migration) error {
	todo, err := pending(ctx, s.pool, all)
	if err == nil {
		err = migrate.Look(todo)
	}
	return failed("look at the schema", err)
}

// pending reads what the database has and says what it lacks.
func pending(ctx context.Context, q querier, all []migrate.Migration) ([]migrate.Migration, error) {
	var there bool
	if err := q.QueryRow(ctx, `SELECT to_regclass('migrations') IS NOT NULL`).Scan(&there); err != nil {
		return nil, err
	}
	var applied []migrate.Applied
	if there {
		var err error
		applied, err = list(ctx, q, `SELECT version, name FROM migrations ORDER BY version`, nil,
			func(a *migrate.Applied) []any { return []any{&a.Version, &a.Name} })
		if err != nil {
			return nil, err
		}
	}
	return migrate.Todo(all, applied)
}
