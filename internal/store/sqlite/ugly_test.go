package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/storetest"
)

// Migrations of other products failed, or lost rows, at rows that their developers did not have: users
// without e-mail (pocket-id/pocket-id#1190), allowed groups (Pocket ID 1.8.1). Here each table has rows
// with extreme values before each migration.
func TestUglyRowsSurviveMigrations(t *testing.T) {
	t.Parallel()
	all := later(t)
	for n := 1; n < len(all); n++ {
		path := filepath.Join(t.TempDir(), "w.db")
		open(t, path, sqlite.Options{Serve: true}.WithMigrations(until(all, n))).Close()
		db := raw(t, path)
		if _, err := db.Exec(`PRAGMA foreign_keys = OFF`); err != nil {
			t.Fatal(err)
		}
		storetest.FillTables(t, columns(t, db), func(query string, values []any) error {
			_, err := db.Exec(fmt.Sprintf(query, ""), values...)
			return err
		})
		before := rowCounts(t, db)
		db.Close()
		open(t, path, sqlite.Options{Serve: true}.WithMigrations(all)).Close()
		db = raw(t, path)
		storetest.CompareRows(t, before, rowCounts(t, db))
		if len(before) < 20 || before["users"] != 3 {
			t.Errorf("version %d: rows before the migration: %v", n, before)
		}
		var missing int
		if err := db.QueryRow(`SELECT count(*) FROM pragma_foreign_key_check`).Scan(&missing); err != nil || missing > 0 {
			t.Errorf("version %d: %d rows refer to missing rows, %v", n, missing, err)
		}
	}
}

func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sqlite.Raw(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// columns returns the columns of all tables but that of the migrations.
func columns(t *testing.T, db *sql.DB) (all []storetest.Column) {
	t.Helper()
	rows, err := db.Query(`SELECT s.name, c.name, c.type, c."notnull" = 0 FROM sqlite_schema s, pragma_table_info(s.name) c
		WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite_%' AND s.name <> 'migrations' ORDER BY s.rowid, c.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c storetest.Column
		if err := rows.Scan(&c.Table, &c.Name, &c.Type, &c.Null); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// rowCounts returns the number of rows of each table.
func rowCounts(t *testing.T, db *sql.DB) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, c := range columns(t, db) {
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM ` + c.Table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts[c.Table] = n
	}
	return counts
}
