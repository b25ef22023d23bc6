package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/sqlstore"
	"github.com/weigate/weigate/login/storetest"
)

// PostgreSQL, MariaDB and the query plans are tested in login/sqlstore/servertest, a module of its own.

// openDB opens the SQLite database of a file, without any setting of the driver.
func openDB(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t *testing.T, db *sql.DB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "login.db") }

func start() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

func attempt(i int) login.Attempt {
	return login.Attempt{ID: fmt.Sprint("flow", i), Code: "code", Owner: fmt.Sprint("owner", i),
		Lease: start().Add(15 * time.Second), Expires: start().Add(20 * time.Minute)}
}

func session(expires time.Time) login.Session {
	return login.Session{Subject: "alice", OpenID: "o", AppID: "wx", SignedInAt: start(), ExpiresAt: expires}
}

// rows returns the number of rows of a table.
func rows(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestStoretestOnSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) login.Store {
		return open(t, openDB(t, file(t)+"?_pragma=synchronous(OFF)&_pragma=busy_timeout(60000)"))
	})
}

// SQLite's connections have no busy_timeout unless the program sets it. They fail at once with
// "database is locked" while another one writes, and the users would see an error page.
func TestConcurrentWritersOfADatabaseWithoutBusyTimeout(t *testing.T) {
	t.Parallel()
	// Without waiting for the disk: on a busy disk, 40 writes one after another can take longer than the
	// five seconds that the store waits for a lock.
	path := file(t) + "?_pragma=synchronous(OFF)"
	stores := []*sqlstore.Store{open(t, openDB(t, path)), open(t, openDB(t, path))}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			err := stores[i%2].CreateSession(context.Background(), fmt.Sprint(i), session(start().Add(time.Hour)), start())
			if err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	all, err := stores[0].SessionsOf(t.Context(), "alice", 100, start())
	if err != nil || len(all) != 40 {
		t.Errorf("%d sessions, %v; want 40", len(all), err)
	}
}

// A restart signed all users out, because the default store is in memory (row 30 of the field list).
func TestSessionsSurviveARestart(t *testing.T) {
	t.Parallel()
	path := file(t)
	db := openDB(t, path)
	if err := open(t, db).CreateSession(t.Context(), "a", session(start().Add(time.Hour)), start()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := open(t, openDB(t, path)).Session(t.Context(), "a", start())
	if err != nil || s.Subject != "alice" {
		t.Errorf("after the restart: %+v, %v", s, err)
	}
}

func TestTwoProcessesCreateTheTablesAtOnce(t *testing.T) {
	t.Parallel()
	path := file(t)
	var wg sync.WaitGroup
	for range 8 {
		db := openDB(t, path)
		wg.Go(func() {
			if _, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite); err != nil {
				t.Errorf("Open: %v", err)
			}
		})
	}
	wg.Wait()
}

// The user of the program need not be allowed to create tables.
func TestOpenUsesTablesThatAnAdministratorCreated(t *testing.T) {
	t.Parallel()
	path := file(t)
	if _, err := openDB(t, path).Exec(sqlstore.Schema(sqlstore.SQLite)); err != nil {
		t.Fatal(err)
	}
	open(t, openDB(t, path+"?_pragma=query_only(1)"))
}

func TestOpenReportsWhyItFails(t *testing.T) {
	t.Parallel()
	db := openDB(t, file(t))
	if _, err := sqlstore.Open(t.Context(), db, "oracle"); err == nil || !strings.Contains(err.Error(), `"oracle"`) {
		t.Errorf("unknown dialect: %v", err)
	}
	if _, err := db.Exec(`CREATE TABLE login_sessions (id TEXT)`); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite); err == nil ||
		!strings.Contains(err.Error(), "expires_at") {
		t.Errorf("a table of another program: %v", err)
	}
	if sqlstore.Schema("oracle") != "" {
		t.Error("Schema returns statements for an unknown dialect")
	}
}

// Inserts delete more rows than they add, so that a flood of made-up codes does not fill the disk.
func TestFloodOfAttemptsIsSweptInSmallBatches(t *testing.T) {
	t.Parallel()
	db := openDB(t, file(t)+"?_pragma=synchronous(OFF)")
	s := open(t, db)
	now := start()
	add := func(i int) {
		t.Helper()
		a := attempt(i)
		a.Lease, a.Expires = now.Add(15*time.Second), now.Add(20*time.Minute)
		if _, begun, err := s.BeginAttempt(t.Context(), a, now); err != nil || !begun {
			t.Fatalf("attempt %d: %v, %v", i, begun, err)
		}
		out := login.Outcome{Kind: login.OutcomeCodeRefused, At: now}
		if err := s.FinishAttempt(t.Context(), a.ID, a.Owner, out, now); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 500 {
		add(i)
	}
	now = now.Add(3 * time.Minute) // failed attempts are kept for two minutes
	before, added := rows(t, db, "login_attempts"), 0
	for i := 500; i < 800; i++ {
		add(i)
		if after := rows(t, db, "login_attempts"); before+1-after > 200 {
			t.Fatalf("one insert deleted %d rows", before+1-after)
		} else {
			before, added = after, added+1
		}
	}
	if before != added {
		t.Errorf("%d rows are left after %d inserts, want those only", before, added)
	}
}

func TestSweepKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()
	db := openDB(t, file(t))
	s := open(t, db)
	for id, expires := range map[string]time.Duration{"a": time.Hour, "b": 3 * time.Hour} {
		if err := s.CreateSession(t.Context(), id, session(start().Add(expires)), start()); err != nil {
			t.Fatal(err)
		}
	}
	for i, kind := range []login.OutcomeKind{login.OutcomeSignedIn, login.OutcomeFault, ""} {
		a := attempt(i)
		if _, _, err := s.BeginAttempt(t.Context(), a, start()); err != nil {
			t.Fatal(err)
		}
		if kind != "" {
			if err := s.FinishAttempt(t.Context(), a.ID, a.Owner, login.Outcome{Kind: kind, At: start()}, start()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		after              time.Duration
		deleted            int
		sessions, attempts int
	}{
		{0, 0, 2, 3},
		{2 * time.Minute, 1, 2, 2}, // the failed attempt
		{19 * time.Minute, 0, 2, 2},
		{20 * time.Minute, 2, 2, 0},
		{time.Hour, 1, 1, 0},
		{3 * time.Hour, 1, 0, 0},
	} {
		n, err := s.Sweep(t.Context(), start().Add(c.after))
		sessions, attempts := rows(t, db, "login_sessions"), rows(t, db, "login_attempts")
		if err != nil || n != c.deleted || sessions != c.sessions || attempts != c.attempts {
			t.Errorf("after %v: deleted %d (%v), left %d sessions and %d attempts; want %+v", c.after, n, err, sessions,
				attempts, c)
		}
	}
}

// The user whose request sweeps must not see an error that only concerns other rows.
func TestFailedSweepIsLoggedAndFailsNoSignIn(t *testing.T) {
	t.Parallel()
	db := openDB(t, file(t))
	s := open(t, db)
	var log bytes.Buffer
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	_, err := db.Exec(`CREATE TRIGGER stuck BEFORE DELETE ON login_sessions BEGIN SELECT RAISE(FAIL, 'stuck'); END`)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		now := start().Add(time.Duration(i) * 2 * time.Hour)
		if err := s.CreateSession(t.Context(), fmt.Sprint(i), session(now.Add(time.Hour)), now); err != nil {
			t.Errorf("CreateSession: %v", err)
		}
	}
	if !strings.Contains(log.String(), "expired rows not deleted") || !strings.Contains(log.String(), "stuck") {
		t.Errorf("log: %s", log.String())
	}
}

// Users see "try again in a moment" instead of an error of the program.
func TestDatabaseThatCannotBeReachedIsUnavailable(t *testing.T) {
	t.Parallel()
	db := openDB(t, file(t))
	s := open(t, db)
	if _, err := db.Exec(`DROP TABLE login_attempts`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.BeginAttempt(t.Context(), attempt(1), start()); err == nil || errors.Is(err, login.ErrUnavailable) {
		t.Errorf("a missing table: %v; it does not return without an administrator", err)
	}
	if err := s.CreateSession(t.Context(), strings.Repeat("a", 65), session(start()), start()); err == nil {
		t.Error("an id that MySQL would cut was accepted")
	}
}
