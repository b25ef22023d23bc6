package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Worker(func(ctx context.Context, address string) (gateway.Store, error) {
		return postgres.Open(ctx, address, postgres.Options{})
	})
	os.Exit(postgrestest.Main(m))
}

func open(t testing.TB, url string, o postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestSuite runs the suite, and then explains every statement that it ran.
func TestSuite(t *testing.T) {
	t.Parallel()
	var statements storetest.Statements
	options := postgres.Options{MaxConns: 6}.WithTracer(tracer{&statements})
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, storetest.Subject{Race: race, New: func(t *testing.T) storetest.Database {
			url := postgrestest.Reused(t)
			return storetest.Database{
				Address: url,
				Open:    func(t *testing.T) gateway.Store { return open(t, url, options) },
			}
		}})
	})
	t.Run("plans", func(t *testing.T) { checkPlans(t, statements.Sorted()) })
}

func TestCommitsOfOneSignIn(t *testing.T) {
	t.Parallel()
	storetest.CheckCommits(t, func(onCommit func()) gateway.Store {
		return open(t, postgrestest.URL(t), postgres.Options{OnCommit: onCommit})
	})
}

func TestFailedRedemptionUsesNoInvitation(t *testing.T) {
	t.Parallel()
	url := postgrestest.Reused(t)
	s := open(t, url, postgres.Options{})
	storetest.CheckFailedRedemption(t, s, func(statement string) { query(t, url, statement) })
}

func TestDeletedUserIsInNoTable(t *testing.T) {
	t.Parallel()
	url := postgrestest.Reused(t)
	storetest.CheckDeletion(t, open(t, url, postgres.Options{}), func() map[string][]string {
		all := map[string][]string{}
		for _, table := range query(t, url, `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()`) {
			all[table] = query(t, url, `SELECT x::text FROM `+table+` x`)
		}
		return all
	})
}

// A test that gets the schema of an earlier one finds its tables, and none of its rows. This test runs
// alone, so that no other test gets the schema meanwhile.
func TestReusedSchemaHasNoRows(t *testing.T) {
	var first, second string
	t.Run("first", func(t *testing.T) {
		first = postgrestest.Reused(t)
		arrive(t, open(t, first, postgres.Options{}), "o1")
		if got := query(t, first, `SELECT id FROM users`); len(got) != 1 {
			t.Fatalf("users: %v", got)
		}
	})
	t.Run("second", func(t *testing.T) {
		second = postgrestest.Reused(t)
		for _, table := range []string{"users", "identities", "events"} {
			if got := query(t, second, `SELECT 'row' FROM `+table); len(got) > 0 {
				t.Errorf("%s has %d rows", table, len(got))
			}
		}
	})
	if os.Getenv("WEIGATE_TEST_POSTGRES") == "" && first != second {
		t.Error("the schema was not used again")
	}
}
