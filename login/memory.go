package login

import (
	"context"
	"slices"
	"sync"
	"time"
)

// MemoryStore is a Store in the memory of one process. Sessions end with the process, and two
// processes do not see each other's: use it for one process, for development and in tests.
//
// It is bounded: expired rows are swept as calls come in, and beyond MaxRows live sessions, or as
// many claims, new ones are refused with ErrStoreFull. Claims whose code WeChat refused go first:
// anybody can make those, and so many would keep everybody else out. It is safe for concurrent use.
// Make it with NewMemoryStore.
type MemoryStore struct {
	// MaxRows is the limit for sessions and for claims, each. 0 means 100,000, about 50 MB when
	// full. It is read at each call; set it before first use.
	MaxRows int

	mu       sync.Mutex
	sessions map[string]Session
	claims   map[string]Attempt
	sweepAt  time.Time // the next time that expired rows are looked for
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{sessions: map[string]Session{}, claims: map[string]Attempt{}}
}

const (
	defaultMaxRows = 100_000
	sweepEvery     = time.Minute
)

// Claim implements Store.
func (m *MemoryStore) BeginAttempt(ctx context.Context, want Attempt, now time.Time) (Attempt, bool, error) {
	if err := ctx.Err(); err != nil {
		return Attempt{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	have, found := m.claims[want.ID]
	if found && have.Expires.After(now) {
		if have.Outcome.Kind != OutcomeCodeRefused || have.Code == want.Code {
			return have, false, nil
		}
	} else if !found && m.full(func() int { return len(m.claims) }, now) {
		return Attempt{}, false, ErrStoreFull
	}
	m.claims[want.ID] = want
	return want, true, nil
}

// Finish implements Store.
func (m *MemoryStore) FinishAttempt(ctx context.Context, id, owner string, out Outcome, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, found := m.claims[id]
	if !found || c.Owner != owner || c.Outcome.Kind != "" || !c.Lease.After(now) || !c.Expires.After(now) {
		return ErrAttemptLost
	}
	c.Outcome = out
	m.claims[id] = c
	return nil
}

// CreateSession implements Store.
func (m *MemoryStore) CreateSession(ctx context.Context, id string, s Session, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	have, found := m.sessions[id]
	if found && have.ExpiresAt.After(now) {
		return ErrSessionExists
	}
	if !found && m.full(func() int { return len(m.sessions) }, now) {
		return ErrStoreFull
	}
	s.Scopes = slices.Clone(s.Scopes)
	m.sessions[id] = s
	return nil
}

// Session implements Store.
func (m *MemoryStore) Session(ctx context.Context, id string, now time.Time) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, found := m.sessions[id]
	if !found || !s.ExpiresAt.After(now) {
		return nil, ErrNoSession
	}
	s.Scopes = slices.Clone(s.Scopes)
	return &s, nil
}

// UpdateSession implements Store.
func (m *MemoryStore) UpdateSession(ctx context.Context, id string, u SessionUpdate, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, found := m.sessions[id]
	if !found || !s.ExpiresAt.After(now) {
		return ErrNoSession
	}
	if u.ExpiresAt.After(s.ExpiresAt) {
		s.ExpiresAt = u.ExpiresAt
	}
	s.ProfileDeclined = s.ProfileDeclined || u.ProfileDeclined
	m.sessions[id] = s
	return nil
}

// DeleteSession implements Store.
func (m *MemoryStore) DeleteSession(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, id)
	return nil
}

// full says whether count has reached the limit, after a last look for expired rows. The look is
// rationed to one a second: a full store must not be slow too.
func (m *MemoryStore) full(count func() int, now time.Time) bool {
	limit := m.MaxRows
	if limit == 0 {
		limit = defaultMaxRows
	}
	if count() < limit {
		return false
	}
	if !now.Before(m.sweepAt.Add(time.Second - sweepEvery)) {
		m.sweepAt = now
		m.sweep(now)
		m.dropRefused()
	}
	return count() >= limit
}

// dropRefused drops the claims that a visitor without an account can make: start, then call back
// with a made-up code. A repeat asks WeChat again, which refuses again, so nothing but a call is
// lost.
func (m *MemoryStore) dropRefused() {
	for id, c := range m.claims {
		if c.Outcome.Kind == OutcomeCodeRefused {
			delete(m.claims, id)
		}
	}
}

// sweep drops expired rows, once a minute.
func (m *MemoryStore) sweep(now time.Time) {
	if now.Before(m.sweepAt) {
		return
	}
	m.sweepAt = now.Add(sweepEvery)
	for id, c := range m.claims {
		if !c.Expires.After(now) {
			delete(m.claims, id)
		}
	}
	for id, s := range m.sessions {
		if !s.ExpiresAt.After(now) {
			delete(m.sessions, id)
		}
	}
}
