package archive_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// notInBackups are the tables that a backup leaves out: the migrations are in the header, and the
// others have only rows that are locked, which the schema of PostgreSQL creates.
var notInBackups = []string{"migrations", "sign_in_locks", "ticket_lock", "admin_lock"}

// newSQLite returns the path of an empty database.
func newSQLite(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// columnsOf returns the columns of the tables of a SQLite database.
func columnsOf(t *testing.T, db *sql.DB) map[string][]storetest.Column {
	t.Helper()
	rows, err := db.Query(`SELECT s.name, c.name, c.type, c."notnull" = 0 FROM sqlite_schema s, pragma_table_info(s.name) c
		WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite_%' ORDER BY s.rowid, c.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string][]storetest.Column{}
	for rows.Next() {
		var c storetest.Column
		if err := rows.Scan(&c.Table, &c.Name, &c.Type, &c.Null); err != nil {
			t.Fatal(err)
		}
		all[c.Table] = append(all[c.Table], c)
	}
	return all
}

// fill inserts rows with extreme values into every table of a SQLite database.
func fill(t *testing.T, path string) map[string][]storetest.Column {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := columnsOf(t, db)
	for table, columns := range all {
		if slices.Contains(notInBackups, table) {
			continue
		}
		names := []string{}
		for _, c := range columns {
			names = append(names, c.Name)
		}
		marks := strings.TrimSuffix(strings.Repeat("?,", len(names)), ",")
		for _, row := range storetest.Extremes(columns) {
			_, err := db.Exec(`INSERT INTO `+table+` ("`+strings.Join(names, `","`)+`") VALUES (`+marks+`)`, row...)
			if err != nil {
				t.Fatalf("%s: %v, of %v", table, err, row)
			}
		}
	}
	// The last event was deleted. Its number must not be used again: apps read the events after a number.
	if _, err := db.Exec(`DELETE FROM events WHERE id = (SELECT max(id) FROM events)`); err != nil {
		t.Fatal(err)
	}
	return all
}

// backupSQLite returns an archive of a SQLite database.
func backupSQLite(t *testing.T, path string) []byte {
	t.Helper()
	return storetest.WriteArchive(t, func(w *archive.Writer) error { return sqlite.Backup(t.Context(), path, w) })
}

// backupPostgres returns an archive of a PostgreSQL database.
func backupPostgres(t *testing.T, url string) []byte {
	t.Helper()
	return storetest.WriteArchive(t, func(w *archive.Writer) error {
		return postgres.Backup(t.Context(), url, w, postgres.Options{})
	})
}

// Every column with its extremes survives the way from SQLite into PostgreSQL and back. Moving a
// database between the two failed in two releases of Pocket ID (2.2 and 2.12) because of their types.
func TestEachValueSurvivesBothStores(t *testing.T) {
	t.Parallel()
	path := newSQLite(t)
	fill(t, path)
	first := backupSQLite(t, path)

	url := postgrestest.URL(t)
	if err := postgres.Restore(t.Context(), url, storetest.ReadArchive(t, first), postgres.Options{}); err != nil {
		t.Fatal(err)
	}
	second := backupPostgres(t, url)
	storetest.CompareArchives(t, "SQLite → PostgreSQL", first, second)

	again := filepath.Join(t.TempDir(), "w.db")
	if err := sqlite.Restore(t.Context(), again, storetest.ReadArchive(t, second), sqlite.Options{}); err != nil {
		t.Fatal(err)
	}
	storetest.CompareArchives(t, "PostgreSQL → SQLite", first, backupSQLite(t, again))
	if info, err := os.Stat(again); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("restored file: %v, %v", info, err)
	}

	// Both continue with the number after the deleted event.
	s, err := sqlite.Open(t.Context(), again, sqlite.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for name, store := range map[string]gateway.Store{"SQLite": s, "PostgreSQL": p} {
		user, _, err := store.RecordSignIn(t.Context(), signIn("new"))
		if err != nil {
			t.Errorf("%s: a sign-in after the restore: %v", name, err)
		}
		if _, err := store.User(t.Context(), user.ID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := store.AppendEvents(t.Context(), gateway.Event{At: time.Now(), Kind: "sign_in", Outcome: "ok"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		events, err := store.Events(t.Context(), gateway.EventQuery{Limit: 1})
		if err != nil || len(events) != 1 || events[0].ID <= 1<<62+1 {
			t.Errorf("%s: the number of a deleted event is used again: %+v, %v", name, events, err)
		}
	}
}

// A backup that forgets a table is found after a disaster: Pocket ID until 2.13 (pocket-id/pocket-id#1645).
func TestABackupHasEveryTable(t *testing.T) {
	t.Parallel()
	path := newSQLite(t)
	ofSQLite := fill(t, path)
	url := postgrestest.URL(t)
	p, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()`)
	if err != nil {
		t.Fatal(err)
	}
	ofPostgres, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		schema []string
		file   []byte
		rows   bool
	}{
		"SQLite":     {slices.Collect(maps.Keys(ofSQLite)), backupSQLite(t, path), true},
		"PostgreSQL": {ofPostgres, backupPostgres(t, url), false},
	} {
		keys := []archive.Key{storetest.BackupKey}
		summary, err := archive.Verify(bytes.NewReader(tt.file), keys, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(tt.schema, func(s string) bool { return slices.Contains(notInBackups, s) })
		if got := slices.Sorted(maps.Keys(summary.Rows)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: the backup has tables %v, the schema %v", name, got, want)
		}
		for table, n := range summary.Rows {
			if tt.rows && n == 0 {
				t.Errorf("%s: no rows of %s", name, table)
			}
		}
	}
}

// A restore onto a database in use, with users, or of a newer version changes nothing and says so.
func TestARefusedRestoreChangesNothing(t *testing.T) {
	t.Parallel()
	source := newSQLite(t)
	fill(t, source)
	file := backupSQLite(t, source)
	damaged := bytes.Clone(file)
	damaged[len(damaged)-6] ^= 1 // in the sum of gzip, which is read after all rows were inserted
	newer := storetest.WriteArchive(t, func(w *archive.Writer) error { return w.Begin("sqlite", 99, "the future") })
	other := storetest.WriteArchive(t, func(w *archive.Writer) error { return w.Begin("sqlite", 1, "another branch") })
	lacking := storetest.WriteArchive(t, func(w *archive.Writer) error { return w.Begin("sqlite", 1, "schema") })
	unknown := storetest.WriteArchive(t, func(w *archive.Writer) error {
		return errors.Join(w.Begin("sqlite", 1, "schema"),
			w.Table(archive.Table{Name: `users"; DROP TABLE users; --`, Columns: []string{"id"}}))
	})
	// One database of each store serves all cases, because none of them may change it.
	path, url := newSQLite(t), postgrestest.URL(t)
	open := func() []gateway.Store {
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{Serve: true})
		if err != nil {
			t.Fatal(err)
		}
		p, err := postgres.Open(t.Context(), url, postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return []gateway.Store{s, p}
	}
	check := func(name string, file []byte, want error) {
		before := [][]byte{backupSQLite(t, path), backupPostgres(t, url)}
		err := sqlite.Restore(t.Context(), path, storetest.ReadArchive(t, file), sqlite.Options{})
		if !errors.Is(err, want) || errors.Is(err, gateway.ErrUnavailable) {
			t.Errorf("%s: SQLite: got %v, want %v", name, err, want)
		}
		err = postgres.Restore(t.Context(), url, storetest.ReadArchive(t, file), postgres.Options{})
		if !errors.Is(err, want) || errors.Is(err, gateway.ErrUnavailable) {
			t.Errorf("%s: PostgreSQL: got %v, want %v", name, err, want)
		}
		storetest.CompareArchives(t, name+": SQLite", before[0], backupSQLite(t, path))
		storetest.CompareArchives(t, name+": PostgreSQL", before[1], backupPostgres(t, url))
		if left, _ := filepath.Glob(path + ".restoring*"); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
	for _, store := range open() {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check("damaged", damaged, archive.ErrDamaged)
	check("cut off", file[:len(file)-9], archive.ErrDamaged)
	check("newer version", newer, gateway.ErrNewerDatabase)
	check("another branch", other, gateway.ErrNewerDatabase)
	check("lacks tables", lacking, archive.ErrSchema)
	check("a name that is a statement", unknown, archive.ErrSchema)
	stores := open()
	check("running gateway", file, gateway.ErrInUse)
	for _, store := range stores {
		_, _, err := store.RecordSignIn(t.Context(), signIn("o1"))
		if err := errors.Join(err, store.Close()); err != nil {
			t.Fatal(err)
		}
	}
	check("users", file, archive.ErrNotEmpty)
}

func signIn(openID string) gateway.SignIn {
	return gateway.SignIn{Connector: "main", AppID: "wx1", OpenID: openID, At: time.Now(), InitialStatus: gateway.Active}
}

// A restore replaces the database of a gateway that was started once, which has keys and no users.
func TestRestoreReplacesADatabaseWithoutUsers(t *testing.T) {
	t.Parallel()
	source := newSQLite(t)
	fill(t, source)
	file := backupSQLite(t, source)
	path, url := newSQLite(t), postgrestest.URL(t)
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range []gateway.Store{s, p} {
		key := gateway.Key{ID: "new", Use: "sign", Alg: "ES256", Slot: "new", Sealed: []byte("x"), CreatedAt: time.Now()}
		if err := errors.Join(store.PutKey(t.Context(), key), store.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := sqlite.Restore(t.Context(), path, storetest.ReadArchive(t, file), sqlite.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Restore(t.Context(), url, storetest.ReadArchive(t, file), postgres.Options{}); err != nil {
		t.Fatal(err)
	}
	storetest.CompareArchives(t, "SQLite", file, backupSQLite(t, path))
	storetest.CompareArchives(t, "PostgreSQL", file, backupPostgres(t, url))
	if files, _ := filepath.Glob(path + "*"); len(files) != 2 { // the database and its lock
		t.Errorf("files: %v", files)
	}
}

// A log (-wal) without its database is the rest of a database that was moved away. A new database would
// apply it, or a restore would delete rows that the moved database lacks.
func TestRestoreBesideALogOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	source := newSQLite(t)
	file := backupSQLite(t, source)
	path := filepath.Join(t.TempDir(), "w.db")
	if err := os.WriteFile(path+"-wal", []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := sqlite.Restore(t.Context(), path, storetest.ReadArchive(t, file), sqlite.Options{})
	if !errors.Is(err, gateway.ErrUnavailable) || !strings.Contains(err.Error(), "moved away") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Error(err)
	}
}

// full is a file on a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A full disk of the backup is not a failure of the database.
func TestBackupToAFullDisk(t *testing.T) {
	t.Parallel()
	path, url := newSQLite(t), postgrestest.URL(t)
	fill(t, path)
	if err := postgres.Restore(t.Context(), url, storetest.ReadArchive(t, backupSQLite(t, path)),
		postgres.Options{}); err != nil {
		t.Fatal(err)
	}
	for name, backup := range map[string]func(*archive.Writer) error{
		"SQLite":     func(w *archive.Writer) error { return sqlite.Backup(t.Context(), path, w) },
		"PostgreSQL": func(w *archive.Writer) error { return postgres.Backup(t.Context(), url, w, postgres.Options{}) },
	} {
		w := archive.NewWriter(full{}, storetest.BackupKey, time.Now())
		err := backup(w)
		if err == nil {
			err = w.Close() // the rows fit into the buffers
		}
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, gateway.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
