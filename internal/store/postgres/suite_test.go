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
			url := postgrestest.URL(t)
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
