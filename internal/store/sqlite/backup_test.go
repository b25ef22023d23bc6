package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// A backup while the gateway writes is a consistent copy.
func TestABackupOfABusyDatabaseIsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "w.db")
	s := open(t, path, sqlite.Options{Serve: true})
	id := arrive(t, s, "o1").ID
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, _, err := s.RecordSignIn(ctx, arrival(fmt.Sprint("o", w, "-", i))); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	copied := filepath.Join(dir, "backup.db")
	err := sqlite.Backup(t.Context(), path, copied)
	stop()
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, copied, sqlite.Options{Serve: true})
	if _, err := b.User(t.Context(), id); err != nil {
		t.Errorf("the backup lacks a user from before it began: %v", err)
	}
	all, err := b.Users(t.Context(), gateway.UserQuery{Limit: 500})
	if err != nil || len(all) == 0 {
		t.Fatalf("users in the backup: %d, %v", len(all), err)
	}
	for _, u := range all {
		if ids, err := b.Identities(t.Context(), u.ID); err != nil || len(ids) != 1 {
			t.Errorf("user %s of the backup has %d identities, %v", u.ID, len(ids), err)
		}
	}
}

// A backup that fails changes nothing and leaves no file.
func TestABackupThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "w.db")
	open(t, path, sqlite.Options{})
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	existing := filepath.Join(other, "existing")
	if err := os.WriteFile(existing, []byte("a file of the administrator"), 0o600); err != nil {
		t.Fatal(err)
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
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, tt := range []struct {
		name         string
		ctx          context.Context
		path, target string
		want         error
	}{
		{"over a file", t.Context(), path, existing, fs.ErrExist},
		{"over itself", t.Context(), path, path, fs.ErrExist},
		{"of no database", t.Context(), filepath.Join(dir, "none.db"), filepath.Join(other, "copy"), gateway.ErrNoDatabase},
		{"of another program's database", t.Context(), foreign, filepath.Join(other, "copy"), gateway.ErrUnavailable},
		{"into no folder", t.Context(), path, filepath.Join(other, "none", "copy"), fs.ErrNotExist},
		{"interrupted", stopped, path, filepath.Join(other, "copy"), context.Canceled},
	} {
		if err := sqlite.Backup(tt.ctx, tt.path, tt.target); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if sqlite.Backup(t.Context(), ":memory:", filepath.Join(other, "copy")) == nil {
		t.Error("a backup from memory, which another process cannot read")
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the missing database was created: %v", err)
	}
	files, err := os.ReadDir(other)
	if err != nil || len(files) != 1 {
		t.Errorf("files left: %v, %v", files, err)
	}
	if text, err := os.ReadFile(existing); err != nil || string(text) != "a file of the administrator" {
		t.Errorf("the existing file has become %q, %v", text, err)
	}
}
