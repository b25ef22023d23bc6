package sqlite

import (
	"context"
	"database/sql"
	"io/fs"
	"os"
)

// WithMigrations returns o with another schema.
func (o Options) WithMigrations(files fs.FS) Options { o.migrations = files; return o }

// WithBatch returns o with another size of a commit.
func (o Options) WithBatch(n int) Options { o.batch = n; return o }

// Raw opens the database file without a store, and creates it if it is missing.
func Raw(path string) (*sql.DB, error) {
	if _, err := create(path, false); err != nil {
		return nil, err
	}
	return pool(path, false, 1)
}

// OpenFile opens or creates a file as the store does.
func OpenFile(path string, flags int) (*os.File, error) { return openFile(path, flags) }

// CheckSame compares the file at a path with a file that was opened before.
func CheckSame(path string, file fs.FileInfo) error { return checkSame(path, file) }

// Migrations are the embedded ones.
func Migrations() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err)
	}
	return sub
}

// Exec runs a statement on the writer's connection, outside a transaction.
func (s *Store) Exec(ctx context.Context, query string) error {
	return s.db.writer.outside(ctx, func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, query)
		return err
	})
}

// Pragma reads a number from each kind of connection.
func (s *Store) Pragma(ctx context.Context, name string) (writer, reader string, err error) {
	err = s.db.writer.outside(ctx, func(c *sql.Conn) error {
		return c.QueryRowContext(ctx, `PRAGMA `+name).Scan(&writer)
	})
	if err == nil {
		err = s.db.readers.db.QueryRowContext(ctx, `PRAGMA `+name).Scan(&reader)
	}
	return writer, reader, err
}

// WithOnPrepare returns o with a function that is called with each statement.
func (o Options) WithOnPrepare(f func(query string)) Options { o.onPrepare = f; return o }
