package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/storetest"
)

// filled returns a database in which every table that grows has two thousand rows.
func filled(t *testing.T) *sql.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.db")
	if err := open(t, path, sqlite.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Raw(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	const series = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n`
	hash := func(text string) string {
		return `CAST(substr('` + text + `' || i || '-' || hex(zeroblob(16)), 1, 32) AS BLOB)`
	}
	for _, query := range storetest.InsertStatements(series, hash) {
		if _, err := db.Exec(query); err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
	}
	return db
}

// explain returns the steps of the plan of each statement.
func explain(t *testing.T, db *sql.DB, statements []string) map[string][]string {
	t.Helper()
	plans := map[string][]string{}
	for _, query := range statements {
		rows, err := db.Query(`EXPLAIN QUERY PLAN `+query, make([]any, storetest.ArgumentCount(query))...)
		if err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			plans[query] = append(plans[query], step)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return plans
}

// lists are the statements that read a table in the order of its rowid and stop at their limit.
var lists = regexp.MustCompile(`FROM (users|events) WHERE .* ORDER BY (seq|id) DESC LIMIT`)

// inOrder matches a step that reads an index in its order. With a LIMIT it reads few rows. A partial
// index of these has few rows at all.
var inOrder = regexp.MustCompile(`^SCAN \w+ USING (COVERING )?INDEX (users_by_admin|access_requests_waiting|` +
	`invitations_by_time|api_keys_by_time|deliveries_by_state)$`)

// wholeTable reports whether a step reads a table that grows, or an index of one, from end to end.
func wholeTable(query string, at int, step string) bool {
	if lists.MatchString(query) && strings.HasPrefix(step, "USE TEMP B-TREE FOR ORDER BY") ||
		strings.Contains(step, "AUTOMATIC") {
		return true
	}
	table, scan := strings.CutPrefix(step, "SCAN ")
	table, _, _ = strings.Cut(table, " ")
	switch {
	case !scan, storetest.ReadsAllWaiting(query):
		return false
	case strings.HasPrefix(table, "("), slices.Contains([]string{"json_each", "CONSTANT", "keys", "approver", "t",
		"counted", "near", "newest"}, table):
		return false
	case inOrder.MatchString(step) && strings.Contains(query, " LIMIT "):
		return false
	case at == 0 && lists.MatchString(query): // it stops at the limit, unless a condition selects few of the rows
		return strings.Contains(query, "status <> 'active'") || strings.Contains(query, "user_id =") ||
			strings.Contains(query, "open_id =") // a search for an id or a text
	}
	return true
}

// checkPlans checks the plans of statements, and that the check finds each index that is missing.
func checkPlans(t *testing.T, statements []string) {
	db, indexes := filled(t), storetest.Indexes(t, sqlite.Migrations())
	plans := explain(t, db, statements)
	explainAgain := func(statements []string) map[string][]string { return explain(t, db, statements) }
	for _, complaint := range storetest.PlanProblems(plans, indexes, wholeTable) {
		t.Error(complaint)
	}
	if len(statements) < 60 {
		t.Errorf("only %d statements were seen", len(statements))
	}
	for _, name := range indexes {
		if _, err := db.Exec(`SAVEPOINT before; DROP INDEX ` + name); err != nil {
			t.Fatal(err)
		}
		found := storetest.PlanProblems(storetest.WithoutIndex(plans, name, explainAgain), indexes, wholeTable)
		scans := 0
		for _, complaint := range found {
			if !strings.HasPrefix(complaint, "no statement uses") {
				scans++
			}
		}
		t.Logf("without %s: %d scans, %d complaints", name, scans, len(found))
		if len(found) == 0 {
			t.Errorf("nobody notices that %s is missing", name)
		}
		if _, err := db.Exec(`ROLLBACK TO before; RELEASE before`); err != nil {
			t.Fatal(err)
		}
	}
}
