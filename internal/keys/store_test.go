package keys_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// memory is a gateway.Keys that can be told to be away.
type memory struct {
	mu   sync.Mutex
	keys []gateway.Key
	down bool
}

func (m *memory) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

func (m *memory) Keys(context.Context) ([]gateway.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, gateway.ErrUnavailable
	}
	return slices.Clone(m.keys), nil
}

func (m *memory) PutKey(_ context.Context, k gateway.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.keys {
		if other.ID == k.ID || other.Slot == k.Slot {
			return gateway.ErrConflict
		}
	}
	m.keys = append(m.keys, k)
	return nil
}

func (m *memory) change(id string, change func(*gateway.Key) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.keys {
		if m.keys[i].ID == id {
			return change(&m.keys[i])
		}
	}
	return gateway.ErrNotFound
}

func (m *memory) RetireKey(_ context.Context, id string, retired, expires time.Time) error {
	return m.change(id, func(k *gateway.Key) error {
		if k.RetiredAt.IsZero() || retired.Before(k.RetiredAt) {
			k.RetiredAt = retired
		}
		if k.ExpiresAt.IsZero() || expires.Before(k.ExpiresAt) {
			k.ExpiresAt = expires
		}
		return nil
	})
}

func (m *memory) ReplaceSealed(_ context.Context, id string, old, sealed []byte) error {
	return m.change(id, func(k *gateway.Key) error {
		if !bytes.Equal(k.Sealed, old) {
			return gateway.ErrConflict
		}
		k.Sealed = sealed
		return nil
	})
}
