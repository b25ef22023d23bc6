package sqlite

import (
	"database/sql"
	"io/fs"
)

// WithMigrations returns o with another schema.
func (o Options) WithMigrations(files fs.FS) Options { o.migrations = files; return o }

// WithBatch returns o with another size of a commit.
func (o Options) WithBatch(n int) Options { o.batch = n; return o }

// Raw opens the database file without a store.
func Raw(path string) (*sql.DB, error) { return pool(path, false, 1) }

// Migrations are the embedded ones.
func Migrations() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err)
	}
	return sub
}
