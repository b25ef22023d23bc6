package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// Opening a database to read it applies no migrations: the older version may be serving.
func TestSkipMigrations(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	old := open(t, path, sqlite.Options{Serve: true})
	id := arrive(t, old, "o1").ID
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{SkipMigrations: true}.WithMigrations(later(t)))
	fails(t, "a look at an older database", err, gateway.ErrOlderDatabase, "fan clubs", "fan mail")
	if got := versions(t, path); len(got) != len(names(t)) {
		t.Errorf("the look left %v", got)
	}
	if got := arrive(t, old, "o1").ID; got != id {
		t.Errorf("account %s became %s", id, got)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path, sqlite.Options{Serve: true}.WithMigrations(later(t))).Close(); err != nil {
		t.Fatal(err)
	}
	unmigrated := open(t, path, sqlite.Options{SkipMigrations: true}.WithMigrations(later(t)))
	if _, err := unmigrated.User(t.Context(), id); err != nil {
		t.Errorf("a look at a database that is up to date: %v", err)
	}
}
