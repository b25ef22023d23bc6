package archive

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/lang" // its errors can be shown in Chinese
)

// Errors of a restore, to test for with errors.Is.
var (
	// ErrNotEmpty: the database has users. A restore does not replace it.
	ErrNotEmpty = errors.New("the database has users, and a backup is restored into an empty one only")

	// ErrSchema: the tables of the archive are not those of this version of weigate.
	ErrSchema = errors.New("the tables of the backup are not those of this version of weigate")
)

// Load reads all tables of r. schema maps each table that a backup contains to its columns in the
// new database. load is called for each table, and must read its rows. Load returns an error
// unless the archive has exactly the tables and columns of the schema. So no other name in an
// archive can become part of a statement.
func Load(r *Reader, schema map[string][]string, load func(Table) error) error {
	missing := maps.Clone(schema)
	for {
		t, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		columns, known := missing[t.Name]
		if !known {
			return lang.Errorf("%w: table %s is unknown", ErrSchema, t.Name)
		}
		delete(missing, t.Name)
		if !slices.Equal(slices.Sorted(slices.Values(columns)), slices.Sorted(slices.Values(t.Columns))) {
			return lang.Errorf("%w: table %s has columns %s, want %s", ErrSchema, t.Name, strings.Join(t.Columns, ", "),
				strings.Join(columns, ", "))
		}
		if err := load(t); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	if len(missing) > 0 {
		return lang.Errorf("%w: it lacks %s", ErrSchema, strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	}
	return nil
}

// IsRefusal reports whether a restore was refused: because of the archive or its master key, or
// because the database is not empty. Other errors of a restore are failures of the database.
func IsRefusal(err error) bool {
	return slices.ContainsFunc([]error{ErrFormat, ErrDamaged, ErrMasterKey, ErrNotEmpty, ErrSchema},
		func(refusal error) bool { return errors.Is(err, refusal) })
}
