package postgres

import (
	"io/fs"

	"github.com/jackc/pgx/v5"
)

// WithMigrations returns o with another schema.
func (o Options) WithMigrations(files fs.FS) Options { o.migrations = files; return o }

// Migrations are the embedded ones.
func Migrations() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err)
	}
	return sub
}

// WithTracer returns o with a tracer of its statements.
func (o Options) WithTracer(t pgx.QueryTracer) Options { o.tracer = t; return o }
