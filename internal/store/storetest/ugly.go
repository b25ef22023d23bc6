package storetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// FillTables inserts the rows of [Extremes] into the tables to which the columns belong, through
// insert. The database must not enforce foreign keys, because the tables are filled in any order.
func FillTables(t testing.TB, columns []Column, insert func(query string, values []any) error) {
	t.Helper()
	tables := map[string][]Column{}
	for _, c := range columns {
		tables[c.Table] = append(tables[c.Table], c)
	}
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		names, marks := []string{}, []string{}
		for i, c := range tables[table] {
			names, marks = append(names, `"`+c.Name+`"`), append(marks, fmt.Sprint("$", i+1))
		}
		query := `INSERT INTO ` + table + ` (` + strings.Join(names, ", ") + `) %s VALUES (` + strings.Join(marks, ", ") + `)`
		for _, row := range Extremes(tables[table]) {
			if err := insert(query, row); err != nil {
				t.Fatalf("%s: %v, of %.300q", table, err, fmt.Sprint(row...))
			}
		}
	}
}

// CompareRows fails the test if a table has another number of rows after a migration than before it. A
// migration that removes rows on purpose needs an exception here, with its reason.
func CompareRows(t testing.TB, before, after map[string]int) {
	t.Helper()
	for table, n := range before {
		if table != "migrations" && after[table] != n {
			t.Errorf("table %s had %d rows, and has %d after the migration", table, n, after[table])
		}
	}
}
