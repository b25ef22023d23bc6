package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/migrate"
)

// notInBackups are the tables that a backup does not contain. The header of the archive names the
// last migration.
var notInBackups = []string{"migrations"}

// Backup writes all rows of the database at path to an archive, in one read transaction. It works
// while a gateway serves from the database, and does not slow it down. The database may be of an
// older or newer version. Backup does not close w.
//
// Errors: gateway.ErrNoDatabase; gateway.ErrUnavailable with advice.
func Backup(ctx context.Context, path string, w *archive.Writer) (err error) {
	if path == memory {
		return errors.New("sqlite: backup: a database in memory ends with its gateway")
	}
	const existing = true
	file, err := create(path, existing) // creates nothing: it checks that the file exists
	if err != nil {
		return err
	}
	const readOnly = false // a read-only connection cannot recover the log of a gateway that was killed
	db, err := pool(path, readOnly, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return failed("backup of "+path, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := checkSame(path, file); err != nil {
		return err
	}
	err = backup(ctx, conn, w)
	if w.Err() != nil { // the archive could not be written: the database has not failed
		return w.Err()
	}
	return failed("backup of "+path, err)
}

// backup writes the rows of all tables. The deferred transaction is a snapshot from the first query
// on.
func backup(ctx context.Context, conn *sql.Conn, w *archive.Writer) (err error) {
	if _, err := conn.ExecContext(ctx, `BEGIN DEFERRED`); err != nil {
		return err
	}
	defer func() {
		_, rollbackErr := conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
		if err == nil {
			err = rollbackErr
		}
	}()
	applied, foreign, err := appliedTo(ctx, conn)
	if err != nil {
		return err
	}
	if foreign || len(applied) == 0 {
		return lang.Errorf("%w: the file is empty or a database of another program", gateway.ErrUnavailable)
	}
	last := applied[len(applied)-1]
	if err := w.Begin("sqlite", last.Version, last.Name); err != nil {
		return err
	}
	names, err := tables(ctx, conn)
	if err != nil {
		return err
	}
	references := map[string][]string{}
	for _, name := range names {
		references[name], err = texts(ctx, conn, `SELECT "table" FROM pragma_foreign_key_list(?1)`, name)
		if err != nil {
			return err
		}
	}
	for _, name := range archive.Order(names, references) {
		if err := backupTable(ctx, conn, w, name); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}

// backupTable writes the rows of one table, in the order in which the table stores them.
func backupTable(ctx context.Context, conn *sql.Conn, w *archive.Writer, name string) error {
	t := archive.Table{Name: name}
	var err error
	if t.Columns, err = columns(ctx, conn, name); err != nil {
		return err
	}
	err = conn.QueryRowContext(ctx, `SELECT seq FROM sqlite_sequence WHERE name = ?1`, name).Scan(&t.Last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := w.Table(t); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, `SELECT `+quoted(t.Columns)+` FROM `+quoted([]string{name}))
	if err != nil {
		return err
	}
	defer rows.Close()
	values := make([]any, len(t.Columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := w.Row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// tables returns the names of the tables that a backup contains, in the order of their creation.
func tables(ctx context.Context, conn *sql.Conn) ([]string, error) {
	names, err := texts(ctx, conn,
		`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(notInBackups, name) }), err
}

// columns returns the names of the columns of a table.
func columns(ctx context.Context, conn *sql.Conn, table string) ([]string, error) {
	return texts(ctx, conn, `SELECT name FROM pragma_table_info(?1) ORDER BY cid`, table)
}

// texts returns the texts of a query with one column.
func texts(ctx context.Context, conn *sql.Conn, query string, args ...any) (all []string, err error) {
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}

// quoted returns names as a list in a statement.
func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }

// appliedTo returns the migrations that a database has. foreign reports whether the file has tables
// of another program.
func appliedTo(ctx context.Context, conn *sql.Conn) (applied []migrate.Applied, foreign bool, err error) {
	var migrationTables, otherTables int
	err = conn.QueryRowContext(ctx, `
		SELECT count(*) FILTER (WHERE name = 'migrations'), count(*) FILTER (WHERE name <> 'migrations')
		FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).Scan(&migrationTables, &otherTables)
	if err != nil || migrationTables == 0 {
		return nil, otherTables > 0, err
	}
	rows, err := conn.QueryContext(ctx, `SELECT version, name FROM migrations ORDER BY version`)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var a migrate.Applied
		if err := rows.Scan(&a.Version, &a.Name); err != nil {
			return nil, false, err
		}
		applied = append(applied, a)
	}
	return applied, false, rows.Err()
}
