package postgres

import "io/fs"

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
