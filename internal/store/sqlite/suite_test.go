package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Worker(func(ctx context.Context, address string) (gateway.Store, error) {
		return sqlite.Open(ctx, address, sqlite.Options{})
	})
	m.Run()
}

func open(t *testing.T, path string, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, o)
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

func TestFile(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Subject{Race: race, New: func(t *testing.T) storetest.Database {
		path := filepath.Join(t.TempDir(), "weigate ?#%.db") // a name that is no harmless URL
		return storetest.Database{
			Address: path,
			Open:    func(t *testing.T) gateway.Store { return open(t, path, sqlite.Options{}) },
		}
	}})
}

func TestMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Subject{Race: race, Alone: true, New: func(t *testing.T) storetest.Database {
		return storetest.Database{Open: func(t *testing.T) gateway.Store { return open(t, ":memory:", sqlite.Options{}) }}
	}})
}
