package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func arrival(openid string) gateway.SignIn {
	return gateway.SignIn{Connector: "main", AppID: "wx1", OpenID: openid, At: noon, InitialStatus: gateway.Active}
}

func arrive(t testing.TB, s gateway.Store, openid string) gateway.User {
	t.Helper()
	a, _, err := s.RecordSignIn(t.Context(), arrival(openid))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fails fails the test unless errors.Is(err, kind) and the message contains each of the words.
func fails(t *testing.T, what string, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got %v, want one that is %q", what, err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %q does not say %q", what, err, w)
		}
	}
}

// Two gateways must not serve from one file: each keeps state in memory that the other changes.
func TestASecondGatewayIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	serve := sqlite.Options{Serve: true}
	first := open(t, path, serve)
	_, err := sqlite.Open(t.Context(), path, serve)
	fails(t, "a second gateway", err, gateway.ErrInUse, path+".lock")

	visitor := open(t, path, sqlite.Options{})
	id := arrive(t, visitor, "o1").ID
	if _, err := first.User(t.Context(), id); err != nil {
		t.Errorf("what a command wrote, the gateway does not see: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, serve)
}

// A command of a newer version must not migrate a database while a gateway of the
// older version serves from it.
func TestACommandDoesNotMigrateUnderAGateway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	old := open(t, path, sqlite.Options{Serve: true})
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{}.WithMigrations(later(t)))
	fails(t, "a newer command", err, gateway.ErrInUse, "migrations")
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, sqlite.Options{}.WithMigrations(later(t)))
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "w.db")
	s := open(t, path, sqlite.Options{Serve: true})
	arrive(t, s, "o1")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 { // the database, -wal, -shm, .lock
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v)", f.Name(), info.Mode(), err)
		}
	}
}

func TestEveryConnectionHasThePragmas(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "w.db"), sqlite.Options{})
	for name, want := range map[string][2]string{
		"busy_timeout": {"5000", "5000"},
		"journal_mode": {"wal", "wal"},
		"synchronous":  {"2", "2"}, // FULL
		"foreign_keys": {"1", "1"},
		"query_only":   {"0", "1"},
	} {
		w, r, err := s.Pragma(t.Context(), name)
		if err != nil || [2]string{w, r} != want {
			t.Errorf("%s: writer %s, reader %s, %v; want %v", name, w, r, err, want)
		}
	}
}

// A full disk must not lose a write that was confirmed, and the store must accept writes
// when space is free again.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "w.db"), sqlite.Options{})
	first := arrive(t, s, "first")
	if err := s.Exec(t.Context(), "PRAGMA max_page_count = 60"); err != nil {
		t.Fatal(err)
	}
	stored := map[string]string{}
	var full error
	for i := 0; full == nil && i < 10000; i++ {
		openid := fmt.Sprint("o", i)
		a, _, err := s.RecordSignIn(t.Context(), arrival(openid))
		if err != nil {
			full = err
		} else {
			stored[openid] = a.ID
		}
	}
	fails(t, "a full disk", full, gateway.ErrUnavailable, "disk is full", "free some space")
	for openid, id := range stored {
		if _, err := s.User(t.Context(), id); err != nil {
			t.Fatalf("%s was answered and is gone: %v", openid, err)
		}
	}
	if err := s.Exec(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if again := arrive(t, s, "first"); again.ID != first.ID {
		t.Error("another account after the disk was full")
	}
	arrive(t, s, "one more")
}

func TestWhatIsNoDatabaseOfOurs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), text, sqlite.Options{})
	fails(t, "a text", err, gateway.ErrUnavailable, "not a SQLite database")
	if b, _ := os.ReadFile(text); !strings.HasPrefix(string(b), "this is no database") {
		t.Error("the text was changed")
	}

	foreign := filepath.Join(dir, "foreign.db")
	db, err := sqlite.Raw(foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE photos (id INTEGER)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), foreign, sqlite.Options{})
	fails(t, "another program's database", err, gateway.ErrUnavailable, "another program")

	_, err = sqlite.Open(t.Context(), filepath.Join(dir, "none", "w.db"), sqlite.Options{})
	fails(t, "no folder", err, gateway.ErrUnavailable, "folder", "does not exist")
	_, err = sqlite.Open(t.Context(), dir, sqlite.Options{})
	fails(t, "a folder", err, gateway.ErrUnavailable)
	if _, err := sqlite.Open(t.Context(), "", sqlite.Options{}); err == nil {
		t.Error("an empty path was opened")
	}
}
