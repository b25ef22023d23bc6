package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/storetest"
)

// backupOf returns an archive of the database at path.
func backupOf(t testing.TB, path string) []byte {
	t.Helper()
	return storetest.WriteArchive(t, func(w *archive.Writer) error {
		return sqlite.Backup(context.Background(), path, w)
	})
}

// An upgrade of a database that was in use: the backup before the migration has every row, the
// migrated database too, and the older version works again with the backup.
func TestUpgradeUnderLoadAndBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "w.db")
	old := open(t, path, sqlite.Options{Serve: true})
	first := arrive(t, old, "before the backup").ID
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for w := range 4 {
		load.Go(func() {
			for i := 0; i < 20 || ctx.Err() == nil; i++ {
				if _, _, err := old.RecordSignIn(context.WithoutCancel(ctx), arrival(fmt.Sprint("o", w, "-", i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	during := backupOf(t, path) // while sign-ins are written
	stop()
	load.Wait()
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	before := backupOf(t, path)
	var automatic []byte
	version := 0
	upgraded := open(t, path, sqlite.Options{Serve: true, BeforeMigrate: func(_ context.Context, v int) error {
		version, automatic = v, backupOf(t, path)
		return nil
	}}.WithMigrations(later(t)))
	if version != len(names(t)) {
		t.Errorf("backup of version %d", version)
	}
	storetest.CompareArchives(t, "backup before the migration", before, automatic)
	users, err := upgraded.Users(t.Context(), gateway.UserQuery{Limit: 500})
	if err != nil || len(users) < 80 {
		t.Fatalf("users after the upgrade: %d, %v", len(users), err)
	}
	arrive(t, upgraded, "after the upgrade")
	if err := upgraded.Close(); err != nil {
		t.Fatal(err)
	}

	// The older version rejects the database, and works with the backup.
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{Serve: true})
	fails(t, "the older version", err, gateway.ErrNewerDatabase, "restore a backup")
	back := filepath.Join(dir, "back.db")
	if err := sqlite.Restore(t.Context(), back, storetest.ReadArchive(t, automatic), sqlite.Options{}); err != nil {
		t.Fatal(err)
	}
	storetest.CompareArchives(t, "back to the older version", before, backupOf(t, back))
	open(t, back, sqlite.Options{Serve: true})

	// The newer version restores an older backup, and migrates it.
	newer := filepath.Join(dir, "newer.db")
	err = sqlite.Restore(t.Context(), newer, storetest.ReadArchive(t, during), sqlite.Options{}.WithMigrations(later(t)))
	if err != nil {
		t.Fatal(err)
	}
	if got := versions(t, newer); len(got) != len(names(t))+2 {
		t.Errorf("migrations: %v", got)
	}
	s := open(t, newer, sqlite.Options{Serve: true}.WithMigrations(later(t)))
	users, err = s.Users(t.Context(), gateway.UserQuery{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.User(t.Context(), first); err != nil {
		t.Errorf("the backup lacks a user from before it began: %v", err)
	}
	for _, u := range users {
		if ids, err := s.Identities(t.Context(), u.ID); err != nil || len(ids) != 1 || u.Locale != "en" {
			t.Errorf("user %+v has %d identities, %v", u, len(ids), err)
		}
	}
}

// Without the backup, nothing is migrated.
func TestNoMigrationWithoutTheBackup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	full := errors.New("the disk is full")
	o := sqlite.Options{Serve: true, BeforeMigrate: func(context.Context, int) error { return full }}
	if err := open(t, path, o).Close(); err != nil { // an empty database needs no backup
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path, o.WithMigrations(later(t))); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if got := versions(t, path); len(got) != len(names(t)) {
		t.Errorf("migrations: %v", got)
	}
	open(t, path, o) // the older version continues
}

// upgradeEnv names a database. A child process in which it is set upgrades that database, and stops
// at the point that upgradeAtEnv names until it is killed.
const (
	upgradeEnv   = "WEIGATE_SQLITE_TEST_UPGRADE"
	upgradeAtEnv = "WEIGATE_SQLITE_TEST_UPGRADE_AT"
)

// endless is a migration that changes rows, and then does not end.
const endless = `CREATE TABLE half (id INTEGER); UPDATE users SET locale = 'xx';
	INSERT INTO half WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0`

// upgradeAndStop upgrades the database at path to a schema with an endless migration.
func upgradeAndStop(path string) {
	all := fstest.MapFS{}
	files, err := fs.ReadDir(sqlite.Migrations(), ".")
	for _, f := range files {
		text, readErr := fs.ReadFile(sqlite.Migrations(), f.Name())
		err = errors.Join(err, readErr)
		all[f.Name()] = &fstest.MapFile{Data: text}
	}
	if err != nil {
		panic(err)
	}
	all[fmt.Sprintf("%04d_endless.sql", len(all)+1)] = &fstest.MapFile{Data: []byte(endless)}
	_, err = sqlite.Open(context.Background(), path, sqlite.Options{Serve: true,
		BeforeMigrate: func(context.Context, int) error {
			fmt.Println("before the migration")
			if os.Getenv(upgradeAtEnv) == "before" {
				select {}
			}
			return nil
		}}.WithMigrations(all))
	fmt.Println(err)
}

// A process that is killed before or in a migration leaves a database with which the older version and
// the newer version start. Half-migrated databases are what users of other products report most.
func TestKilledInAnUpgrade(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"before", "in the migration"} {
		path := filepath.Join(t.TempDir(), "w.db")
		s := open(t, path, sqlite.Options{})
		id := arrive(t, s, "o1").ID
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before := backupOf(t, path)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), upgradeEnv+"="+path, upgradeAtEnv+"="+at)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); !strings.Contains(line, "before the migration") {
			t.Errorf("%s: %q, %v", at, line, err)
		}
		if at != "before" {
			waitForLock(t, path)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		storetest.CompareArchives(t, at, before, backupOf(t, path))
		older := open(t, path, sqlite.Options{Serve: true})
		if u, err := older.User(t.Context(), id); err != nil || u.Locale == "xx" {
			t.Errorf("%s: the older version: %+v, %v", at, u, err)
		}
		if err := older.Close(); err != nil {
			t.Fatal(err)
		}
		called := 0
		newer := open(t, path, sqlite.Options{Serve: true, BeforeMigrate: func(context.Context, int) error {
			called++
			return nil
		}}.WithMigrations(later(t)))
		if u, err := newer.User(t.Context(), id); err != nil || u.Locale != "en" || called != 1 {
			t.Errorf("%s: the newer version: %+v, %v, %d backups", at, u, err, called)
		}
	}
}

// waitForLock waits until the migration of the child has begun: then nobody else can write.
func waitForLock(t *testing.T, path string) {
	t.Helper()
	db, err := sqlite.Raw(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`PRAGMA busy_timeout = 0`); err != nil {
		t.Fatal(err)
	}
	for t.Context().Err() == nil {
		if _, err := db.Exec(`BEGIN IMMEDIATE`); err != nil {
			return
		}
		if _, err := db.Exec(`ROLLBACK`); err != nil {
			t.Fatal(err)
		}
	}
}
