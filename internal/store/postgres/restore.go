package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/migrate"
)

// Restore loads an archive, which may be a backup of SQLite, into the database at url. It brings
// the schema up to date when the archive is of an older version. The schema must have no tables of
// the gateway, or no users. Everything is one transaction, so that an interruption or an error
// leaves the database as it was. A gateway that starts meanwhile waits for the end. Restore uses
// only the migrations of o.
//
// Errors to test for: gateway.ErrInUse (another weigate is connected), archive.ErrNotEmpty,
// gateway.ErrNewerDatabase (the archive or the database is of a newer version), archive.ErrSchema,
// archive.ErrDamaged, and gateway.ErrUnavailable with advice.
func Restore(ctx context.Context, url string, r *archive.Reader, o Options) (err error) {
	all, err := o.readMigrations()
	if err != nil {
		return err
	}
	known, err := migrate.Until(all, migrate.Applied{Version: r.Header.Schema, Name: r.Header.Migration})
	if err != nil {
		return err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return failed("connect", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		q := querier{ctx: ctx, on: tx}
		if err := lockMigrations(q); err != nil {
			return err
		}
		if err := checkEmpty(q, all); err != nil {
			return err
		}
		if err := dropTables(q, all); err != nil {
			return err
		}
		if err := applyAll(q, known); err != nil {
			return err
		}
		if err := load(ctx, tx, r, known); err != nil {
			return err
		}
		return applyAll(q, all)
	})
	if archive.IsRefusal(err) {
		return fmt.Errorf("postgres: restore: %w", err)
	}
	return failed("restore", err)
}

// checkEmpty checks that no gateway uses the database, and that it has no users.
func checkEmpty(q querier, all []migrate.Migration) error {
	applied, err := appliedTo(q)
	if err != nil {
		return err
	}
	if _, err := migrate.Todo(all, applied); err != nil {
		return err
	}
	// A gateway keeps its connections open. A user of the database can read application_name for the
	// user's own connections.
	var others int
	err = q.Get(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
		AND application_name = current_setting('application_name')`, nil, &others)
	if err != nil {
		return err
	}
	if others > 0 {
		return lang.Errorf("%w: it has %d other connections of weigate; stop all gateways", gateway.ErrInUse, others)
	}
	var exists, users bool
	if err := q.Get(`SELECT to_regclass('users') IS NOT NULL`, nil, &exists); err != nil {
		return err
	}
	if exists && len(applied) == 0 {
		return lang.Errorf("%w: the schema has a table users of another program: give the gateway a schema of its own",
			gateway.ErrUnavailable)
	}
	if exists {
		if err := q.Get(`SELECT EXISTS (SELECT 1 FROM users)`, nil, &users); err != nil {
			return err
		}
	}
	if users {
		return archive.ErrNotEmpty
	}
	return nil
}

// dropTables drops the tables that the migrations create. Tables of other programs in the schema
// stay.
func dropTables(q querier, all []migrate.Migration) error {
	applied, err := appliedTo(q)
	if err != nil || len(applied) == 0 {
		return err
	}
	_, err = q.Exec(`DROP TABLE IF EXISTS ` + quoted(ownTables(all)))
	return err
}

// applyAll applies migrations until all are applied.
func applyAll(q querier, all []migrate.Migration) error {
	for {
		if more, err := step(q, all); err != nil || !more {
			return err
		}
	}
}

// load copies the rows of an archive into the tables.
func load(ctx context.Context, tx pgx.Tx, r *archive.Reader, known []migrate.Migration) error {
	q := querier{ctx: ctx, on: tx}
	names, err := tables(q, known)
	if err != nil {
		return err
	}
	ours := map[string][]column{}
	schema := map[string][]string{}
	for _, name := range names {
		if ours[name], err = columns(q, name); err != nil {
			return err
		}
		for _, c := range ours[name] {
			schema[name] = append(schema[name], c.name)
		}
	}
	return archive.Load(r, schema, func(t archive.Table) error { return loadTable(ctx, tx, r, t, ours[t.Name]) })
}

// loadTable copies the rows of a table.
func loadTable(ctx context.Context, tx pgx.Tx, r *archive.Reader, t archive.Table, ours []column) error {
	q := querier{ctx: ctx, on: tx}
	if _, err := q.Exec(`DELETE FROM ` + quoted([]string{t.Name})); err != nil { // rows that a migration has inserted
		return err
	}
	source := &rows{from: r}
	for _, name := range t.Columns {
		i := slices.IndexFunc(ours, func(c column) bool { return c.name == name })
		source.boolean = append(source.boolean, ours[i].boolean)
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.Name}, t.Columns, source); err != nil {
		return err
	}
	for _, c := range ours {
		if !c.identity || t.Last == 0 {
			continue
		}
		var set int64
		err := q.Get(`SELECT setval(pg_get_serial_sequence(quote_ident($1), $2), $3)`, []any{t.Name, c.name, t.Last}, &set)
		if err != nil {
			return err
		}
	}
	return nil
}

// rows implements pgx.CopyFromSource for the rows of a table in an archive.
type rows struct {
	from    *archive.Reader
	boolean []bool // the column is a boolean
	row     []any
	err     error
}

// Next reads the next row.
func (s *rows) Next() bool {
	s.row, s.err = s.from.Row()
	if s.err == io.EOF {
		s.err = nil
		return false
	}
	for i, v := range s.row {
		if n, ok := v.(int64); ok && s.boolean[i] {
			s.row[i] = n != 0
		}
	}
	return s.err == nil
}

// Values returns the row that Next has read.
func (s *rows) Values() ([]any, error) { return s.row, nil }

// Err returns the error of the archive.
func (s *rows) Err() error { return s.err }
