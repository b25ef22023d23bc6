package servertest

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/login/sqlstore"
)

// indexes are the indexes besides the primary keys.
var indexes = []string{"login_sessions_by_subject", "login_sessions_by_expiry", "login_attempts_by_sweep"}

// series is a query that returns the numbers 1 to 20000 as column i.
var series = map[sqlstore.Dialect]string{
	sqlstore.SQLite: `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		SELECT i FROM n`,
	sqlstore.PostgreSQL: `SELECT i FROM generate_series(1, 20000) i`,
	sqlstore.MySQL:      `SELECT seq AS i FROM seq_1_to_20000`,
}

// fill inserts many rows, because planners ignore the indexes of small tables.
func fill(t *testing.T, d database, db *sql.DB) {
	t.Helper()
	text := func(prefix string) string {
		if d.dialect == sqlstore.MySQL {
			return `concat('` + prefix + `', i)`
		}
		return `'` + prefix + `' || i`
	}
	from := ` FROM (` + series[d.dialect] + `) series`
	statements := []string{
		`INSERT INTO login_sessions (id, subject_hash, signed_in_at, expires_at, profile_declined, data)
			SELECT ` + text("id") + `, ` + text("subject") + `, i, i, 0, '{}'` + from,
		`INSERT INTO login_attempts (id, code, owner, lease, expires_at, second_code_until, outcome, outcome_at,
			outcome_text, sweep_at)
			SELECT ` + text("id") + `, 'code', ` + text("owner") + `, i, i, i, '', 0, '', i` + from,
		map[sqlstore.Dialect]string{
			sqlstore.SQLite: `ANALYZE`, sqlstore.PostgreSQL: `ANALYZE`,
			sqlstore.MySQL: `ANALYZE TABLE login_sessions, login_attempts`,
		}[d.dialect],
	}
	for _, statement := range statements {
		if _, err := db.Exec(statement + unrecorded); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
}

// checkPlans checks that each statement uses an index, and that this check finds a missing one.
func checkPlans(t *testing.T, d database, db *sql.DB, statements []string) {
	t.Helper()
	fill(t, d, db)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if d.dialect == sqlstore.PostgreSQL {
		// The plan that a prepared statement gets for good, whatever its arguments are.
		execute(t, conn, `SET plan_cache_mode = force_generic_plan`)
	}
	used, problems := plans(t, d, conn, statements)
	for _, problem := range problems {
		t.Error(problem)
	}
	for _, index := range indexes {
		if !strings.Contains(used, index) {
			t.Errorf("no statement uses %s", index)
		}
		drop := `DROP INDEX ` + index
		if d.dialect == sqlstore.MySQL {
			table, _, _ := strings.Cut(index, "_by_")
			drop += ` ON ` + table
		}
		execute(t, conn, drop)
	}
	if _, problems := plans(t, d, conn, statements); len(problems) != 4 {
		t.Errorf("without the indexes the plans have %d problems, want 4 (list, sign out, two sweeps): %q", len(problems),
			problems)
	}
}

func execute(t *testing.T, conn *sql.Conn, statement string) {
	t.Helper()
	if _, err := conn.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%v\n%s", err, statement)
	}
}

// plans returns the plans of all statements as a text, and a problem for each statement that reads a
// whole table.
func plans(t *testing.T, d database, conn *sql.Conn, statements []string) (text string, problems []string) {
	t.Helper()
	for _, statement := range statements {
		if strings.HasPrefix(statement, "INSERT") {
			continue // it looks for its row in the primary key
		}
		plan := explain(t, d, conn, statement)
		text += plan
		if wholeTable[d.dialect].MatchString(plan) {
			problems = append(problems, statement+"\n"+plan)
		}
	}
	return text, problems
}

// wholeTable matches a step of a plan that reads a table, or an index of it, from end to end, or that
// sorts what it has read.
var wholeTable = map[sqlstore.Dialect]*regexp.Regexp{
	sqlstore.SQLite:     regexp.MustCompile(`(?m)^SCAN login_|TEMP B-TREE`),
	sqlstore.PostgreSQL: regexp.MustCompile(`Seq Scan|Sort`),
	sqlstore.MySQL:      regexp.MustCompile(`type=(ALL|index) |filesort`),
}

// explain returns the plan of a statement, a step a line.
func explain(t *testing.T, d database, conn *sql.Conn, statement string) string {
	t.Helper()
	switch d.dialect {
	case sqlstore.SQLite:
		return readPlan(t, conn, `EXPLAIN QUERY PLAN `+literals(statement), "detail")
	case sqlstore.PostgreSQL:
		execute(t, conn, `PREPARE explained AS `+statement)
		defer execute(t, conn, `DEALLOCATE explained`)
		arguments := ""
		if n := strings.Count(statement, "$"); n > 0 {
			arguments = `(` + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + `)`
		}
		return readPlan(t, conn, `EXPLAIN (COSTS OFF) EXECUTE explained`+arguments, "QUERY PLAN")
	}
	return readPlan(t, conn, `EXPLAIN `+literals(statement), "table", "type", "key", "Extra")
}

var parameter = regexp.MustCompile(`(?:\b(\w+) (=|<>|<=|>=|<|>) )?\?`)

// literals replaces the parameters of a statement by values of few rows, because MariaDB looks at the
// values.
func literals(statement string) string {
	return parameter.ReplaceAllStringFunc(statement, func(found string) string {
		m := parameter.FindStringSubmatch(found)
		value := map[string]string{"id": `'id5'`, "subject_hash": `'subject5'`, "owner": `'owner5'`, "outcome": `''`,
			"code": `'code'`, "data": `'{}'`}[m[1]]
		if value == "" {
			value = "5"
		}
		return strings.TrimSuffix(found, "?") + value
	})
}

// readPlan executes a query and returns the columns of its rows: the value of a single column, and
// name=value of several.
func readPlan(t *testing.T, conn *sql.Conn, query string, columns ...string) string {
	t.Helper()
	rows, err := conn.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for rows.Next() {
		values, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		for _, column := range columns {
			for i, name := range names {
				switch {
				case name == column && len(columns) == 1:
					text += values[i].String
				case name == column:
					text += fmt.Sprintf("%s=%s ", name, values[i].String)
				}
			}
		}
		text += "\n"
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return text
}
