package postgres_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/storetest"
)

// tracer collects the statements that a pool runs.
type tracer struct{ *storetest.Statements }

func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	t.Add(data.SQL)
	return ctx
}

func (tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (t tracer) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	t.Add(data.SQL)
}

func (tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// filled returns a connection to a database in which every table that grows has twenty thousand
// rows, which the planner knows.
func filled(t *testing.T) *pgx.Conn {
	t.Helper()
	url := postgrestest.URL(t)
	open(t, url, postgres.Options{})
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	hash := func(text string) string { return `sha256(convert_to('` + text + `' || i, 'UTF8'))` }
	statements := append(storetest.InsertStatements(`SELECT i FROM generate_series(1, 20000) i`, hash), `ANALYZE`)
	for _, query := range statements {
		if _, err := conn.Exec(t.Context(), query); err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
	}
	// The plan that a prepared statement gets for good, whatever its arguments are.
	if _, err := conn.Exec(t.Context(), `SET plan_cache_mode = force_generic_plan`); err != nil {
		t.Fatal(err)
	}
	return conn
}

// explain returns the steps of the plan of each statement.
func explain(t *testing.T, conn *pgx.Conn, statements []string) map[string][]string {
	t.Helper()
	plans := map[string][]string{}
	for _, query := range statements {
		arguments := ""
		if n := storetest.ArgumentCount(query); n > 0 {
			arguments = `(` + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + `)`
		}
		if _, err := conn.Exec(t.Context(), `PREPARE statement AS `+query); err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
		rows, err := conn.Query(t.Context(), `EXPLAIN (COSTS OFF) EXECUTE statement`+arguments,
			pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
		steps, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
		plans[query] = steps
		if _, err := conn.Exec(t.Context(), `DEALLOCATE statement`); err != nil {
			t.Fatal(err)
		}
	}
	return plans
}

var seqScan = regexp.MustCompile(`Seq Scan on (\w+)`)

// wholeTable reports whether a step reads a table that grows from end to end. The tables of ACME have a
// few rows for the certificate and the account of the gateway, and the table remembered has one.
func wholeTable(query string, _ int, step string) bool {
	m := seqScan.FindStringSubmatch(step)
	return m != nil && !storetest.ReadsAllWaiting(query) && m[1] != "keys" && m[1] != "sign_in_locks" &&
		m[1] != "ticket_lock" && m[1] != "admin_lock" && m[1] != "acme_files" && m[1] != "acme_locks" &&
		m[1] != "remembered"
}

// checkPlans checks the plans of statements, and that the check finds each index that is missing.
func checkPlans(t *testing.T, statements []string) {
	conn, indexes := filled(t), storetest.Indexes(t, postgres.Migrations())
	plans := explain(t, conn, statements)
	explainAgain := func(statements []string) map[string][]string { return explain(t, conn, statements) }
	for _, complaint := range storetest.PlanProblems(plans, indexes, wholeTable) {
		t.Error(complaint)
	}
	if len(statements) < 60 {
		t.Errorf("only %d statements were seen", len(statements))
	}
	for _, name := range indexes {
		if _, err := conn.Exec(t.Context(), fmt.Sprintf(`BEGIN; DROP INDEX %s`, name)); err != nil {
			t.Fatal(err)
		}
		found := storetest.PlanProblems(storetest.WithoutIndex(plans, name, explainAgain), indexes, wholeTable)
		if len(found) == 0 {
			t.Errorf("nobody notices that %s is missing", name)
		}
		if _, err := conn.Exec(t.Context(), `ROLLBACK`); err != nil {
			t.Fatal(err)
		}
	}
	checkEventPlans(t, conn, statements)
}

// checkEventPlans checks that each search of events by a filter reads the index of the filter, though
// each value is frequent. The planner expects to find a page of such events soon, so it prefers to
// read the table backwards by its primary key, and reads all of it for a value that no event has.
func checkEventPlans(t *testing.T, conn *pgx.Conn, statements []string) {
	if _, err := conn.Exec(t.Context(), `UPDATE events SET kind = 'k', app = 'a', actor = 'b', user_id = 'u',
		request_id = 'r', outcome = CASE id % 2 WHEN 0 THEN 'failed' ELSE 'ok' END; ANALYZE events`); err != nil {
		t.Fatal(err)
	}
	searched := map[string]bool{}
	for query, steps := range explain(t, conn, slices.DeleteFunc(statements, func(query string) bool {
		return !eventFilter.MatchString(query)
	})) {
		column := eventFilter.FindStringSubmatch(query)[1]
		searched[column] = true
		index := "events_by_" + strings.TrimSuffix(column, "_id")
		plan := strings.Join(steps, "\n")
		if !strings.Contains(plan, index) || strings.Contains(plan, "Sort") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
	if len(searched) != 6 {
		t.Errorf("filters of the searches: %v", slices.Sorted(maps.Keys(searched)))
	}
}

// eventFilter matches the condition of the filter whose index a search of events reads.
var eventFilter = regexp.MustCompile(`FROM events WHERE \((\w+), id\) >=`)
