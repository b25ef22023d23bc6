package postgres_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func arrive(t testing.TB, s gateway.Store, openid string) gateway.User {
	t.Helper()
	a, _, err := s.RecordSignIn(t.Context(),
		gateway.SignIn{Connector: "main", AppID: "wx1", OpenID: openid, At: noon, InitialStatus: gateway.Active})
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

// names returns the names of the embedded migrations.
func names(t *testing.T) []string {
	t.Helper()
	all, err := fs.Glob(postgres.Migrations(), "*.sql")
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
		b, err := fs.ReadFile(postgres.Migrations(), name)
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
	m[next(t, 1, "fan_clubs")] = &fstest.MapFile{Data: []byte(`CREATE TABLE fan_clubs (id integer)`)}
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

// query runs a statement on a separate connection and returns the texts in its rows.
func query(t *testing.T, url, sql string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const applied = `SELECT name FROM migrations ORDER BY version`

func TestMigratesFromEveryEarlierVersion(t *testing.T) {
	t.Parallel()
	all := later(t)
	for n := 1; n <= len(all); n++ {
		url := postgrestest.URL(t)
		old := open(t, url, postgres.Options{}.WithMigrations(until(all, n)))
		if got := len(query(t, url, applied)); got != n {
			t.Fatalf("version %d has %d migrations", n, got)
		}
		id := arrive(t, old, "o1").ID
		s := open(t, url, postgres.Options{}.WithMigrations(all))
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
		if got := len(query(t, url, applied)); got != len(all) {
			t.Errorf("from version %d: %d migrations", n, got)
		}
	}
}

// A migration that fails halfway must leave the database of the version before it,
// with which replicas of the older version continue to work.
func TestAnInterruptedMigrationLeavesTheEarlierVersion(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	id := arrive(t, open(t, url, postgres.Options{}), "o1").ID
	all := current(t)
	all[next(t, 1, "good")] = &fstest.MapFile{Data: []byte(`CREATE TABLE good (id integer)`)}
	all[next(t, 2, "bad")] = &fstest.MapFile{Data: []byte(`
		CREATE TABLE half (id integer);
		UPDATE users SET nickname = 'half';
		DROP TABLE sessions;
		INSERT INTO nowhere VALUES (1);`)}
	_, err := postgres.Open(t.Context(), url, postgres.Options{}.WithMigrations(all))
	fails(t, "the migration", err, gateway.ErrUnavailable, fmt.Sprintf("migration %d (bad)", len(names(t))+2), "nowhere")
	if got := query(t, url, applied); len(got) != len(names(t))+1 || got[len(got)-1] != "good" {
		t.Errorf("versions: %v", got)
	}
	delete(all, next(t, 2, "bad"))
	before := open(t, url, postgres.Options{}.WithMigrations(all))
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
	url := postgrestest.URL(t)
	newer := current(t)
	newer[next(t, 1, "fan_clubs")] = &fstest.MapFile{Data: []byte(`CREATE TABLE fan_clubs (id integer)`)}
	open(t, url, postgres.Options{}.WithMigrations(newer))
	_, err := postgres.Open(t.Context(), url, postgres.Options{})
	fails(t, "a newer database", err, gateway.ErrNewerDatabase, fmt.Sprintf("%d (fan clubs)", len(names(t))+1), "backup")
	if errors.Is(err, gateway.ErrUnavailable) {
		t.Error("a newer database looks like one that is down")
	}
}

// Several replicas of a new version start concurrently: one of them migrates the database.
func TestReplicasThatStartAtOnceMigrateOnce(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	errs := make(chan error)
	for range 8 {
		go func() {
			s, err := postgres.Open(t.Context(), url, postgres.Options{MaxConns: 2})
			if err == nil {
				err = errors.Join(s.Ping(t.Context()), s.Close())
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := query(t, url, applied); len(got) != len(names(t)) {
		t.Errorf("migrations: %v", got)
	}
}
