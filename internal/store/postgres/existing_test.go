package postgres_test

import (
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
