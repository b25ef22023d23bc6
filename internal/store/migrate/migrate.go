// Package migrate reads the numbered migrations of a store and returns those that a database lacks:
// see [Read], [Todo] and [CheckNone].
//
// A migration is a file of SQL statements that changes the schema of a database to the next
// version. This package runs no SQL. Each store applies a migration in one transaction, together
// with the row that records it, so that an interrupted migration changes nothing. The common
// library for migrations, goose, is not used: it would continue with a database of a newer version.
package migrate

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

// Migration is one numbered file of SQL statements.
type Migration struct {
	Version int    // 1, 2, 3, …
	Name    string // from the file name
	SQL     string
}

// Applied is a migration that was applied to a database, from its table migrations.
type Applied struct {
	Version int
	Name    string
}

var fileName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)

// Read returns the migrations in a folder of files, in order. The files must be numbered without
// gaps or duplicates, and have names like 0001_schema.sql. Otherwise Read returns an error.
func Read(files fs.FS, folder string) ([]Migration, error) {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var all []Migration
	for _, e := range entries {
		m := fileName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("migration %q: want a name like 0001_schema.sql", e.Name())
		}
		text, err := fs.ReadFile(files, path.Join(folder, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		v, _ := strconv.Atoi(m[1]) // four digits
		all = append(all, Migration{Version: v, Name: strings.ReplaceAll(m[2], "_", " "), SQL: string(text)})
	}
	slices.SortFunc(all, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	for i, m := range all {
		if m.Version != i+1 {
			return nil, fmt.Errorf("migration %04d (%s) is number %d: migrations are numbered from 0001 without gaps", m.Version,
				m.Name, i+1)
		}
	}
	return all, nil
}

// Todo returns the migrations that a database lacks. all are the migrations that this version of
// weigate contains, and applied are the migrations that the database has. When applied contains a
// migration that is not in all, a newer version has applied it. Then the error wraps
// gateway.ErrNewerDatabase and names the migration.
func Todo(all []Migration, applied []Applied) ([]Migration, error) {
	last := 0 // number of the last applied migration
	for _, a := range applied {
		if a.Version < 1 {
			return nil, fmt.Errorf("the database has a migration with the invalid number %d (%s): restore a backup",
				a.Version, a.Name)
		}
		if a.Version > len(all) {
			return nil, fmt.Errorf(
				"%w: it has migration %d (%s), this version knows %d; start the newer version, or restore a backup",
				gateway.ErrNewerDatabase, a.Version, a.Name, len(all))
		}
		if name := all[a.Version-1].Name; name != a.Name {
			return nil, fmt.Errorf("%w: its migration %d is %q, here that is %q",
				gateway.ErrNewerDatabase, a.Version, a.Name, name)
		}
		last = max(last, a.Version)
	}
	if last != len(applied) {
		return nil, fmt.Errorf("the database lacks migrations before %d: restore a backup", last)
	}
	return all[last:], nil
}

// CheckNone returns nil when todo is empty. Otherwise the error wraps gateway.ErrOlderDatabase and
// names the migrations. It is for a caller that must not change the database.
func CheckNone(todo []Migration) error {
	if len(todo) == 0 {
		return nil
	}
	names := make([]string, 0, len(todo))
	for _, m := range todo {
		names = append(names, m.Name)
	}
	return fmt.Errorf("%w: it lacks %s", gateway.ErrOlderDatabase, strings.Join(names, ", "))
}

// Until returns the migrations in all up to and including last, which is the last migration of a
// backup. When this version of weigate does not have that migration, the error wraps
// gateway.ErrNewerDatabase.
func Until(all []Migration, last Applied) ([]Migration, error) {
	if last.Version < 1 || last.Version > len(all) {
		return nil, fmt.Errorf("%w: the backup has migration %d (%s), this version knows %d; use the newer version",
			gateway.ErrNewerDatabase, last.Version, last.Name, len(all))
	}
	if name := all[last.Version-1].Name; name != last.Name {
		return nil, fmt.Errorf("%w: migration %d of the backup is %q, here that is %q",
			gateway.ErrNewerDatabase, last.Version, last.Name, name)
	}
	return all[:last.Version], nil
}
