package postgres_test

import (
	"slices"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
)

// Opening a database to read it applies no migrations: replicas of the older version may be serving.
func TestExisting(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	_, err := postgres.Open(t.Context(), url, postgres.Options{Existing: true})
	fails(t, "a look at an empty database", err, gateway.ErrOlderDatabase, "schema")
	if got := query(t, url, `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()`); len(got) > 0 {
		t.Errorf("the look made %v", got)
	}
	old := open(t, url, postgres.Options{})
	id := arrive(t, old, "o1").ID
	_, err = postgres.Open(t.Context(), url, postgres.Options{Existing: true}.WithMigrations(later(t)))
	fails(t, "a look at an older database", err, gateway.ErrOlderDatabase, "fan clubs", "fan mail")
	if got := query(t, url, applied); len(got) != len(names(t)) {
		t.Errorf("the look left %v", got)
	}
	open(t, url, postgres.Options{}.WithMigrations(later(t)))
	unmigrated := open(t, url, postgres.Options{Existing: true}.WithMigrations(later(t)))
	if _, err := unmigrated.User(t.Context(), id); err != nil {
		t.Errorf("a look at a database that is up to date: %v", err)
	}
}

// TestTablesOfAnotherProgramStay: the database of the gateway already has a table of another program, at the
// first start or at an upgrade (zitadel/zitadel#9669). The error names the table and what to do, and nothing is
// changed. A table whose name differs in upper case is another table in PostgreSQL.
func TestTablesOfAnotherProgramStay(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]string{"users": `"users" already exists`, "migrations": `"version"`} {
		url := postgrestest.URL(t)
		query(t, url, `CREATE TABLE `+name+` (login text)`)
		query(t, url, `INSERT INTO `+name+` VALUES ('theirs')`)
		_, err := postgres.Open(t.Context(), url, postgres.Options{})
		fails(t, name, err, gateway.ErrUnavailable, word, "give the gateway a schema")
		if got := query(t, url, `SELECT login FROM `+name); len(got) != 1 || got[0] != "theirs" {
			t.Errorf("%s has %v", name, got)
		}
		if got := query(t, url, ownTables); len(got) != 1 {
			t.Errorf("%s: the start left %v", name, got)
		}
	}
	url := postgrestest.URL(t)
	open(t, url, postgres.Options{})
	query(t, url, `CREATE TABLE fan_clubs (login text)`)
	query(t, url, `CREATE TABLE "Users" (login text)`)
	before := query(t, url, ownTables)
	_, err := postgres.Open(t.Context(), url, postgres.Options{}.WithMigrations(later(t)))
	fails(t, "an upgrade", err, gateway.ErrUnavailable, "(fan clubs)", "fan_clubs", "give the gateway a schema")
	if after := query(t, url, ownTables); !slices.Equal(before, after) || len(query(t, url, applied)) != len(names(t)) {
		t.Errorf("the upgrade changed %v to %v", before, after)
	}
	open(t, url, postgres.Options{}) // the older version continues
}

const ownTables = `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1`
