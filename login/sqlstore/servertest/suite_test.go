package servertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/sqlstore"
	"github.com/weigate/weigate/login/storetest"
)

// database is a kind of database, with the driver and its settings.
type database struct {
	name    string
	driver  string
	dialect sqlstore.Dialect
	dsn     func(t *testing.T) string // of a new, empty database
}

var servers = []database{
	{"SQLite", "sqlite", sqlstore.SQLite, func(t *testing.T) string {
		return filepath.Join(t.TempDir(), "login.db") + "?_pragma=synchronous(OFF)&_pragma=busy_timeout(60000)"
	}},
	{"PostgreSQL", "pgx", sqlstore.PostgreSQL, func(t *testing.T) string { return postgrestest.URL(t) }},
	{"MariaDB", "mysql", sqlstore.MySQL, func(t *testing.T) string { return mariaDBDatabase(t, "") }},
	// Settings that change what the driver counts and returns.
	{"MariaDB, other settings", "mysql", sqlstore.MySQL, func(t *testing.T) string {
		return mariaDBDatabase(t, "clientFoundRows=true&parseTime=true&loc=Asia%2FShanghai&interpolateParams=true"+
			"&charset=latin1&sql_mode=''")
	}},
}

func (d database) open(t *testing.T, dsn string, statements *recorded) *sql.DB {
	t.Helper()
	db, err := openRecorded(d.driver, dsn, statements)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	t.Cleanup(func() { db.Close() })
	return db
}

func (d database) store(t *testing.T, db *sql.DB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), db, d.dialect)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func start() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

func session() login.Session {
	return login.Session{Subject: "alice", OpenID: "o", AppID: "wx", SignedInAt: start(),
		ExpiresAt: start().Add(time.Hour)}
}

// TestStores runs the conformance tests on each database, and then looks at the plan of each statement
// that they executed.
func TestStores(t *testing.T) {
	t.Parallel()
	for _, d := range servers {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			var statements recorded
			db := d.open(t, d.dsn(t), &statements)
			s := d.store(t, db)
			storetest.Run(t, func(t *testing.T) login.Store {
				for _, statement := range []string{`DELETE FROM login_sessions`, `DELETE FROM login_attempts`} {
					if _, err := db.Exec(statement + unrecorded); err != nil {
						t.Fatal(err)
					}
				}
				return s
			})
			expired := session()
			expired.ExpiresAt = start()
			if err := s.CreateSession(t.Context(), "expired", expired, start()); err != nil {
				t.Fatal(err)
			}
			if n, err := s.Sweep(t.Context(), start()); err != nil || n == 0 {
				t.Errorf("Sweep = %d, %v", n, err)
			}
			if all := statements.all; len(all) != 14 {
				t.Errorf("%d statements were executed, want 14: %q", len(all), all)
			}
			checkPlans(t, d, db, statements.all)
		})
	}
}

// Several replicas start at the same time.
func TestReplicasCreateTheTablesAtOnce(t *testing.T) {
	t.Parallel()
	for _, d := range servers[1:3] {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			dsn := d.dsn(t)
			var wg sync.WaitGroup
			for range 8 {
				db := d.open(t, dsn, &recorded{})
				wg.Go(func() {
					if _, err := sqlstore.Open(context.Background(), db, d.dialect); err != nil {
						t.Errorf("Open: %v", err)
					}
				})
			}
			wg.Wait()
		})
	}
}

// Replicas sweep and insert at the same time. InnoDB ends one of two such statements as a deadlock.
func TestReplicasSweepWhileOthersInsert(t *testing.T) {
	t.Parallel()
	for _, d := range servers[1:3] {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.store(t, d.open(t, d.dsn(t), &recorded{}))
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					now := start().Add(time.Duration(i) * time.Minute) // sessions of an hour expire meanwhile
					created := session()
					created.SignedInAt, created.ExpiresAt = now, now.Add(time.Hour)
					if err := s.CreateSession(context.Background(), fmt.Sprint(i), created, now); err != nil {
						t.Errorf("session %d: %v", i, err)
					}
					if i%20 == 0 {
						if _, err := s.Sweep(context.Background(), now); err != nil {
							t.Errorf("Sweep: %v", err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// A user who may not create tables uses those that an administrator created with Schema.
func TestUserOfTheProgramNeedNotCreateTables(t *testing.T) {
	t.Parallel()
	d := servers[1]
	dsn := d.dsn(t)
	admin := d.open(t, dsn, &recorded{})
	address, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	schema := address.Query().Get("search_path")
	for _, statement := range []string{
		sqlstore.Schema(d.dialect),
		`CREATE ROLE ` + schema + ` LOGIN`,
		`GRANT USAGE ON SCHEMA ` + schema + ` TO ` + schema,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ` + schema + ` TO ` + schema,
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(`DROP OWNED BY ` + schema + `; DROP ROLE ` + schema); err != nil {
			t.Error(err)
		}
	})
	address.User = url.User(schema)
	user := d.open(t, address.String(), &recorded{})
	s := d.store(t, user)
	if err := s.CreateSession(t.Context(), "a", session(), start()); err != nil {
		t.Error(err)
	}
	if _, err := user.Exec(`CREATE TABLE more (id TEXT)`); err == nil {
		t.Error("the user may create tables, so this test proves nothing")
	}
}

// Users see "try again in a moment" while the server is down, and are still signed in afterwards. The
// test is not parallel, so that no other test uses the server.
func TestSessionsSurviveTheDeathOfTheServer(t *testing.T) {
	d := servers[2]
	db := d.open(t, d.dsn(t), &recorded{})
	store, s := d.store(t, db), mariaDB
	if err := store.CreateSession(t.Context(), "a", session(), start()); err != nil {
		t.Fatal(err)
	}
	s.kill()
	for range 3 {
		if _, err := store.Session(t.Context(), "a", start()); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("without the server: %v, want ErrUnavailable", err)
		}
	}
	if _, err := sqlstore.Open(t.Context(), db, sqlstore.MySQL); !errors.Is(err, login.ErrUnavailable) {
		t.Errorf("Open without the server: %v, want ErrUnavailable", err)
	}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	if have, err := store.Session(t.Context(), "a", start()); err != nil || have.Subject != "alice" {
		t.Errorf("after the restart: %+v, %v", have, err)
	}
}
