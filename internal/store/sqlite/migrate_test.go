package sqlite_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// names lists the embedded migrations.
func names(t *testing.T) []string {
	t.Helper()
	all, err := fs.Glob(sqlite.Migrations(), "*.sql")
	if err != nil || len(all) == 0 {
		t.Fatalf("migrations: %v, %v", all, err)
	}
	slices.Sort(all)
	return all
}

// next names the nth migration after those that there are.
func next(t *testing.T, n int, name string) string {
	t.Helper()
	return fmt.Sprintf("%04d_%s.sql", len(names(t))+n, name)
}

// only is the schema of an earlier version: the first n migrations.
func only(t *testing.T, n int) fstest.MapFS {
	t.Helper()
	m := fstest.MapFS{}
	for _, name := range names(t)[:n] {
		b, err := fs.ReadFile(sqlite.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		m[name] = &fstest.MapFile{Data: b}
	}
	return m
}

// versions reads which migrations a database has.
func versions(t *testing.T, path string) (applied []string) {
	t.Helper()
	db, err := sqlite.Raw(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT name FROM migrations ORDER BY version`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		applied = append(applied, name)
	}
	return applied
}

func TestMigratesFromEveryEarlierVersion(t *testing.T) {
	t.Parallel()
	for n := 1; n <= len(names(t)); n++ {
		path := filepath.Join(t.TempDir(), "w.db")
		old, err := sqlite.Open(t.Context(), path, sqlite.Options{}.WithMigrations(only(t, n)))
		if err != nil {
			t.Fatalf("version %d: %v", n, err)
		}
		if got := len(versions(t, path)); got != n {
			t.Fatalf("version %d has %d migrations", n, got)
		}
		// Accounts are there since the first version; they must survive.
		id := arrive(t, old, "o1").ID
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		s := open(t, path, sqlite.Options{Serve: true})
		if got := arrive(t, s, "o1").ID; got != id {
			t.Errorf("from version %d: account %s became %s", n, id, got)
		}
		if err := s.PutKey(t.Context(), gateway.Key{ID: "k", Slot: "s", Sealed: []byte("x"), CreatedAt: noon}); err != nil {
			t.Errorf("from version %d: %v", n, err)
		}
		ticket := gateway.Ticket{Hash: [32]byte{1}, Desktop: [32]byte{2}, Number: "42", CreatedAt: noon, ExpiresAt: noon.Add(time.Minute)}
		if err := s.PutTicket(t.Context(), ticket, noon, 1); err != nil {
			t.Errorf("from version %d: %v", n, err)
		}
		if got := len(versions(t, path)); got != len(names(t)) {
			t.Errorf("from version %d: %d migrations", n, got)
		}
	}
}

// A migration that fails in its middle must leave the version before it whole,
// and the old program running.
func TestAnInterruptedMigrationLeavesTheEarlierVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	s := open(t, path, sqlite.Options{})
	id := arrive(t, s, "o1").ID
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := only(t, len(names(t)))
	all[next(t, 1, "good")] = &fstest.MapFile{Data: []byte(`CREATE TABLE good (id INTEGER)`)}
	all[next(t, 2, "bad")] = &fstest.MapFile{Data: []byte(`
		CREATE TABLE half (id INTEGER);
		UPDATE accounts SET nickname = 'half';
		DROP TABLE sessions;
		INSERT INTO nowhere VALUES (1);`)}
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{Serve: true}.WithMigrations(all))
	fails(t, "the migration", err, gateway.ErrUnavailable, fmt.Sprintf("migration %d (bad)", len(names(t))+2), "nowhere")
	if got := versions(t, path); len(got) != len(names(t))+1 || got[len(got)-1] != "good" {
		t.Errorf("versions: %v", got)
	}
	delete(all, next(t, 2, "bad"))
	before := open(t, path, sqlite.Options{Serve: true}.WithMigrations(all))
	a, err := before.User(t.Context(), id)
	if err != nil || a.Nickname != "" {
		t.Errorf("account after the interrupted migration: %+v, %v", a, err)
	}
	if _, err := before.UserSessions(t.Context(), id, noon); err != nil {
		t.Errorf("the table that was dropped is gone: %v", err)
	}
}

func TestANewerDatabaseIsRefusedByName(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	newer := only(t, len(names(t)))
	newer[next(t, 1, "fan_clubs")] = &fstest.MapFile{Data: []byte(`CREATE TABLE fan_clubs (id INTEGER)`)}
	s := open(t, path, sqlite.Options{}.WithMigrations(newer))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{Serve: true})
	fails(t, "a newer database", err, gateway.ErrNewerDatabase, fmt.Sprintf("%d (fan clubs)", len(names(t))+1), "backup")
	if errors.Is(err, gateway.ErrUnavailable) {
		t.Error("a newer database looks like one that is down")
	}
	if got := versions(t, path); !slices.Contains(got, "fan clubs") {
		t.Errorf("the database was changed: %v", got)
	}
}
