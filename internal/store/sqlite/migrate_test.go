package sqlite_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// names returns the names of the embedded migrations.
func names(t *testing.T) []string {
	t.Helper()
	all, err := fs.Glob(sqlite.Migrations(), "*.sql")
	if err != nil || len(all) == 0 {
		t.Fatalf("migrations: %v, %v", all, err)
	}
	slices.Sort(all)
	return all
}

// next returns a file name for the nth migration after the embedded ones.
func next(t *testing.T, n int, name string) string {
	t.Helper()
	return fmt.Sprintf("%04d_%s.sql", len(names(t))+n, name)
}

// current returns the embedded migrations.
func current(t *testing.T) fstest.MapFS {
	t.Helper()
	m := fstest.MapFS{}
	for _, name := range names(t) {
		b, err := fs.ReadFile(sqlite.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		m[name] = &fstest.MapFile{Data: b}
	}
	return m
}

// later returns the migrations of a later version, which has two more.
func later(t *testing.T) fstest.MapFS {
	t.Helper()
	m := current(t)
	m[next(t, 1, "fan_clubs")] = &fstest.MapFile{Data: []byte(`CREATE TABLE fan_clubs (id INTEGER)`)}
	m[next(t, 2, "fan_mail")] = &fstest.MapFile{Data: []byte(
		`ALTER TABLE fan_clubs ADD COLUMN mail text; UPDATE users SET locale = 'en'`)}
	return m
}

// until returns the first n migrations of files.
func until(files fstest.MapFS, n int) fstest.MapFS {
	m := fstest.MapFS{}
	for _, name := range slices.Sorted(maps.Keys(files))[:n] {
		m[name] = files[name]
	}
	return m
}

// versions returns the migrations that a database has.
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
	all := later(t)
	for n := 1; n <= len(all); n++ {
		path := filepath.Join(t.TempDir(), "w.db")
		old, err := sqlite.Open(t.Context(), path, sqlite.Options{}.WithMigrations(until(all, n)))
		if err != nil {
			t.Fatalf("version %d: %v", n, err)
		}
		if got := len(versions(t, path)); got != n {
			t.Fatalf("version %d has %d migrations", n, got)
		}
		id := arrive(t, old, "o1").ID
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		s := open(t, path, sqlite.Options{Serve: true}.WithMigrations(all))
		u, err := s.User(t.Context(), id)
		if err != nil || n < len(all) && u.Locale != "en" {
			t.Errorf("from version %d: user %+v, %v", n, u, err)
		}
		if got := arrive(t, s, "o1").ID; got != id {
			t.Errorf("from version %d: user %s became %s", n, id, got)
		}
		ticket := gateway.Ticket{Hash: [32]byte{1}, Desktop: [32]byte{2}, Number: "42", CreatedAt: noon,
			ExpiresAt: noon.Add(time.Minute)}
		if err := s.PutTicket(t.Context(), ticket, noon, gateway.TicketLimits{Total: 1, PerNetwork: 1}); err != nil {
			t.Errorf("from version %d: %v", n, err)
		}
		if got := len(versions(t, path)); got != len(all) {
			t.Errorf("from version %d: %d migrations", n, got)
		}
	}
}

// A migration that fails halfway must leave the database of the version before it,
// with which the older program continues to work.
func TestAnInterruptedMigrationLeavesTheEarlierVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	s := open(t, path, sqlite.Options{})
	id := arrive(t, s, "o1").ID
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := current(t)
	all[next(t, 1, "good")] = &fstest.MapFile{Data: []byte(`CREATE TABLE good (id INTEGER)`)}
	all[next(t, 2, "bad")] = &fstest.MapFile{Data: []byte(`
		CREATE TABLE half (id INTEGER);
		UPDATE users SET nickname = 'half';
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
	newer := current(t)
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
