package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/migrate"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// notInBackups are the tables that a backup does not contain. The header of the archive names the
// last migration. The rows of the other tables are only locked, and migrations insert them.
var notInBackups = []string{"migrations", "sign_in_locks", "ticket_lock", "admin_lock"}

// Backup writes all rows of the database at url, as of one moment, to an archive. It works while
// gateways use the database, and does not slow them down. The database may be of an older version.
// Tables of other programs in the schema are left out. Backup does not close w. It uses only the
// migrations of o.
//
// Errors: gateway.ErrNoDatabase for a database without our tables; gateway.ErrNewerDatabase;
// gateway.ErrUnavailable with advice.
func Backup(ctx context.Context, url string, w *archive.Writer, o Options) (err error) {
	all, err := o.readMigrations()
	if err != nil {
		return err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return failed("connect", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, snapshot, func(tx pgx.Tx) error { return backup(ctx, tx, w, all) })
	if w.Err() != nil { // the archive could not be written: the database has not failed
		return w.Err()
	}
	return failed("backup", err)
}

// connect opens one connection for a backup or a restore. If the address sets a time limit for
// statements, connect removes it.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.RuntimeParams["statement_timeout"] = "0"
	return pgx.ConnectConfig(ctx, config.ConnConfig)
}

// parse parses the address of a database, and sets the parameters of all connections.
func parse(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "weigate"
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	return config, nil
}

// backup writes the rows of all tables.
func backup(ctx context.Context, tx pgx.Tx, w *archive.Writer, all []migrate.Migration) error {
	q := querier{ctx: ctx, on: tx}
	applied, err := appliedTo(q)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		return fmt.Errorf("%w: it has no tables of weigate", gateway.ErrNoDatabase)
	}
	if _, err := migrate.Todo(all, applied); err != nil { // a newer version may have tables that are unknown here
		return err
	}
	last := applied[len(applied)-1]
	if err := w.Begin("postgres", last.Version, last.Name); err != nil {
		return err
	}
	names, err := tables(q, all)
	if err != nil {
		return err
	}
	references := map[string][]string{}
	err = q.Each(`SELECT f.relname::text, t.relname::text FROM pg_constraint c
		JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
		WHERE c.contype = 'f' AND f.relnamespace = current_schema()::regnamespace ORDER BY 1, 2`, nil,
		func(scan func(...any) error) error {
			var from, to string
			err := scan(&from, &to)
			references[from] = append(references[from], to)
			return err
		})
	if err != nil {
		return err
	}
	for _, name := range archive.Order(names, references) {
		if err := backupTable(ctx, tx, w, name); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}

// backupTable writes the rows of one table.
func backupTable(ctx context.Context, tx pgx.Tx, w *archive.Writer, name string) error {
	q := querier{ctx: ctx, on: tx}
	all, err := columns(q, name)
	if err != nil {
		return err
	}
	t := archive.Table{Name: name}
	identity := ""
	for _, c := range all {
		t.Columns = append(t.Columns, c.name)
		if c.identity {
			identity = c.name
		}
	}
	if identity != "" {
		var sequence string
		err := q.Get(`SELECT pg_get_serial_sequence(quote_ident($1), $2)`, []any{name, identity}, &sequence)
		if err == nil { // is_called is false before the first number
			err = q.Get(`SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM `+sequence, nil, &t.Last)
		}
		if err != nil {
			return err
		}
	}
	if err := w.Table(t); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT `+quoted(t.Columns)+` FROM `+quoted([]string{name}))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err == nil {
			err = w.Row(values)
		}
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// column is a column of a table.
type column struct {
	name     string
	boolean  bool
	identity bool // the database generates its numbers
}

// columns returns the columns of a table.
func columns(q querier, table string) (all []column, err error) {
	err = q.Each(`SELECT column_name::text, data_type = 'boolean', is_identity = 'YES' FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`, []any{table},
		func(scan func(...any) error) error {
			var c column
			err := scan(&c.name, &c.boolean, &c.identity)
			all = append(all, c)
			return err
		})
	return all, err
}

// tableName matches the statements that create or rename a table.
var tableName = regexp.MustCompile(`(?i)(?:CREATE TABLE|RENAME TO)\s+(?:IF NOT EXISTS\s+)?(\w+)`)

// ownTables returns the names of all tables that migrations create.
func ownTables(all []migrate.Migration) []string {
	names := []string{"migrations"}
	for _, m := range all {
		for _, found := range tableName.FindAllStringSubmatch(m.SQL, -1) {
			if !slices.Contains(names, found[1]) {
				names = append(names, found[1])
			}
		}
	}
	return names
}

// tables returns the names of the tables that a backup contains, in the order of their creation.
func tables(q querier, all []migrate.Migration) (names []string, err error) {
	own := ownTables(all)
	err = q.Each(`SELECT relname::text FROM pg_class
		WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY oid`, nil,
		func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			if slices.Contains(own, name) && !slices.Contains(notInBackups, name) {
				names = append(names, name)
			}
			return err
		})
	return names, err
}

// appliedTo returns the migrations that the database has.
func appliedTo(q sqlstore.Querier) (applied []migrate.Applied, err error) {
	var exists bool
	if err := q.Get(`SELECT to_regclass('migrations') IS NOT NULL`, nil, &exists); err != nil || !exists {
		return nil, err
	}
	err = q.Each(`SELECT version, name FROM migrations ORDER BY version`, nil, func(scan func(...any) error) error {
		var a migrate.Applied
		err := scan(&a.Version, &a.Name)
		applied = append(applied, a)
		return err
	})
	return applied, err
}

// quoted returns names as a list in a statement.
func quoted(names []string) string {
	list := ""
	for i, name := range names {
		if i > 0 {
			list += ", "
		}
		list += pgx.Identifier{name}.Sanitize()
	}
	return list
}
