// Package migrate reads the numbered migrations of a store and returns those that a database lacks:
// see [Read], [Todo] and [CheckNone].
//
// It runs no SQL. Each store applies one migration in one transaction, together with the row that
// records it, so that an interrupted migration leaves the version before it. goose, the usual
// library, would continue with a database of a newer version.
package migrate

import (
	"cmp"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

// Migration is one step of a schema.
type Migration struct {
	Version int    // 1, 2, 3, …
	Name    string // from the file name
	SQL     string
}

// Applied is a migration that a database has, from its table of migrations.
type Applied struct {
	Version int
	Name    string
}

var fileName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)

// Read returns the migrations in the root of files, in order. A gap, a duplicate number, and a file
// name that is not like 0001_schema.sql are errors.
func Read(files fs.FS) ([]Migration, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var all []Migration
	for _, e := range entries {
		m := fileName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("migration %q: want a name like 0001_schema.sql", e.Name())
		}
		text, err := fs.ReadFile(files, e.Name())
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

// Todo returns the migrations that a database with these applied ones lacks. A database with
// another migration was created by a newer version: the error wraps gateway.ErrNewerDatabase and
// names the migration.
func Todo(all []Migration, applied []Applied) ([]Migration, error) {
	has := 0
	for _, a := range applied {
		if a.Version > len(all) {
			return nil, fmt.Errorf(
				"%w: it has migration %d (%s), this version knows %d; start the newer version, or restore a backup",
				gateway.ErrNewerDatabase, a.Version, a.Name, len(all))
		}
		if name := all[a.Version-1].Name; name != a.Name {
			return nil, fmt.Errorf("%w: its migration %d is %q, here that is %q",
				gateway.ErrNewerDatabase, a.Version, a.Name, name)
		}
		has = max(has, a.Version)
	}
	if has != len(applied) {
		return nil, fmt.Errorf("the database lacks migrations before %d: restore a backup", has)
	}
	return all[has:], nil
}

// CheckNone returns an error that wraps gateway.ErrOlderDatabase and names the migrations of todo,
// or nil when todo is empty. It is for a caller that must not change the database.
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
