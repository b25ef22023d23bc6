package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// Opening a database to read it applies no migrations: the older version may be serving.
func TestExisting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	old := open(t, path, sqlite.Options{Serve: true})
	id := arrive(t, old, "o1").ID
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{Existing: true}.WithMigrations(later(t)))
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
	unmigrated := open(t, path, sqlite.Options{Existing: true}.WithMigrations(later(t)))
	if _, err := unmigrated.User(t.Context(), id); err != nil {
		t.Errorf("a look at a database that is up to date: %v", err)
	}
}

// A command opens only a database that exists: a mistyped path must not create an empty one.
func TestExistingCreatesNoDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{Existing: true})
	fails(t, "a missing database", err, gateway.ErrNoDatabase)
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) > 0 {
		t.Errorf("created %v, %v", files, err)
	}
	_, err = sqlite.Open(t.Context(), filepath.Join(path, "w.db"), sqlite.Options{Existing: true})
	fails(t, "a missing folder", err, gateway.ErrUnavailable, "folder", "does not exist")
}

// TestTablesOfAnotherProgramStay: an administrator has added a table to the gateway's file, and an upgrade
// brings a table of that name (zitadel/zitadel#9669). SQLite does not distinguish upper case in names. The
// error names the table, nothing is changed, and the older version continues.
func TestTablesOfAnotherProgramStay(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fan_clubs", "Fan_Clubs"} {
		path := filepath.Join(t.TempDir(), "w.db")
		s := open(t, path, sqlite.Options{})
		id := arrive(t, s, "o1").ID
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sqlite.Raw(path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = db.Exec(`CREATE TABLE ` + name + ` (login TEXT); INSERT INTO ` + name + ` VALUES ('theirs')`)
		if err != nil {
			t.Fatal(err)
		}
		_, err = sqlite.Open(t.Context(), path, sqlite.Options{Serve: true}.WithMigrations(later(t)))
		fails(t, name, err, gateway.ErrUnavailable, "(fan clubs)", "fan_clubs already exists")
		var login string
		if err := db.QueryRow(`SELECT login FROM fan_clubs`).Scan(&login); err != nil || login != "theirs" {
			t.Errorf("%s: %q, %v", name, login, err)
		}
		if got := versions(t, path); len(got) != len(names(t)) {
			t.Errorf("%s: versions %v", name, got)
		}
		before := open(t, path, sqlite.Options{Serve: true})
		if _, err := before.User(t.Context(), id); err != nil {
			t.Errorf("%s: the older version: %v", name, err)
		}
	}
}
