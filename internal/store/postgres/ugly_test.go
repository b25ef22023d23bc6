package postgres_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/storetest"
)

// TestUglyRowsSurviveMigrations is the test of the same name of package sqlite, on PostgreSQL.
func TestUglyRowsSurviveMigrations(t *testing.T) {
	t.Parallel()
	all := later(t)
	for n := 1; n < len(all); n++ {
		url := postgrestest.URL(t)
		open(t, url, postgres.Options{}.WithMigrations(until(all, n))).Close()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		// Without triggers, and so without foreign keys.
		if _, err := conn.Exec(t.Context(), `SET session_replication_role = replica`); err != nil {
			t.Fatal(err)
		}
		storetest.FillTables(t, columns(t, conn), func(query string, values []any) error {
			_, err := conn.Exec(t.Context(), fmt.Sprintf(query, "OVERRIDING SYSTEM VALUE"), values...)
			return err
		})
		before := rowCounts(t, conn)
		open(t, url, postgres.Options{}.WithMigrations(all)).Close()
		storetest.CompareRows(t, before, rowCounts(t, conn))
		if len(before) < 20 || before["users"] != 3 {
			t.Errorf("version %d: rows before the migration: %v", n, before)
		}
	}
}

// columns returns the columns of all tables, without the tables that the schema fills and that of a
// migration of the tests.
func columns(t *testing.T, conn *pgx.Conn) []storetest.Column {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT table_name::text AS "table", column_name::text AS name,
		data_type::text AS type, is_nullable = 'YES' AS "null" FROM information_schema.columns
		WHERE table_schema = current_schema()
		AND table_name NOT IN ('migrations', 'sign_in_locks', 'ticket_lock', 'admin_lock', 'fan_clubs')
		ORDER BY table_name, ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[storetest.Column])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// rowCounts returns the number of rows of each table.
func rowCounts(t *testing.T, conn *pgx.Conn) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, c := range columns(t, conn) {
		var n int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM `+c.Table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts[c.Table] = n
	}
	return counts
}
