package oidc_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// module is one test of a name that the OpenID conformance suite, or our own list beside it, gives.
type module struct {
	name string
	run  func(*testing.T, *fixture)
}

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// stores are the stores that every module runs on.
func stores(t *testing.T) map[string]store {
	t.Helper()
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "weigate.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := postgres.Open(t.Context(), postgrestest.URL(t), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(file.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	return map[string]store{"sqlite": file, "postgres": server}
}

// run runs the modules on every store, with both algorithms.
func run(t *testing.T, modules []module, options ...option) {
	t.Helper()
	for name, s := range stores(t) {
		for _, alg := range []string{keys.RS256, keys.ES256} {
			t.Run(name+"/"+alg, func(t *testing.T) {
				for _, m := range modules {
					t.Run(m.name, func(t *testing.T) {
						t.Parallel()
						m.run(t, newFixture(t, s, alg, options...))
					})
				}
			})
		}
	}
}

// doesNotApply is for a module whose feature this provider leaves out on purpose; why is the
// reason, in one line.
func doesNotApply(why string) func(*testing.T, *fixture) {
	return func(t *testing.T, _ *fixture) { t.Log("does not apply: " + why) }
}
