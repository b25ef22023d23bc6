package keys_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// store is a database in memory that can be made unavailable.
type store struct {
	*sqlite.Store
	down atomic.Bool
}

func newStore(t testing.TB) *store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &store{Store: s}
}

// Keys returns the stored keys, or gateway.ErrUnavailable.
func (s *store) Keys(ctx context.Context) ([]gateway.Key, error) {
	if s.down.Load() {
		return nil, gateway.ErrUnavailable
	}
	return s.Store.Keys(ctx)
}

// stored returns the stored keys.
func (s *store) stored(t testing.TB) []gateway.Key {
	t.Helper()
	all, err := s.Store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}
