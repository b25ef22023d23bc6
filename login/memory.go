package login

import (
	"context"
	"slices"
	"sync"
	"time"
)

// MemoryStore is a Store in the memory of one process. Sessions end with the process, and two
// processes do not share them: use it for one process, for development and in tests.
//
// Its size is bounded: calls remove expired rows, and new sessions or attempts beyond MaxRows are
// refused with ErrStoreFull. A full store first removes attempts whose code WeChat refused: everyone
// can create those, and otherwise they could prevent all sign-ins. It is safe for concurrent use.
// Create it with NewMemoryStore.
type MemoryStore struct {
	// MaxRows is the limit for sessions and for attempts, each. 0 means 100,000, about 50 MB when
	// full. It is read at each call; set it before first use.
	MaxRows int

	mu       sync.Mutex
	sessions map[string]Session
	attempts map[string]Attempt
	sweepAt  time.Time // when expired rows are removed next
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{sessions: map[string]Session{}, attempts: map[string]Attempt{}}
}

const (
	defaultMaxRows = 100_000
	sweepEvery     = time.Minute
)

// BeginAttempt implements Store.
func (m *MemoryStore) BeginAttempt(ctx context.Context, want Attempt, now time.Time) (Attempt, bool, error) {
	if err := ctx.Err(); err != nil {
		return Attempt{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	have, found := m.attempts[want.ID]
	if found && have.Expires.After(now) {
		if have.Outcome.Kind != OutcomeCodeRefused || have.Code == want.Code {
			return have, false, nil
		}
	} else if !found && m.full(func() int { return len(m.attempts) }, now) {
		return Attempt{}, false, ErrStoreFull
	}
	m.attempts[want.ID] = want
	return want, true, nil
}

// FinishAttempt implements Store.
func (m *MemoryStore) FinishAttempt(ctx context.Context, id, owner string, out Outcome, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, found := m.attempts[id]
	if !found || c.Owner != owner || c.Outcome.Kind != "" || !c.Lease.After(now) || !c.Expires.After(now) {
		return ErrAttemptLost
	}
	c.Outcome = out
	m.attempts[id] = c
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

// full reports whether count has reached the limit, after removing expired rows. It removes rows at
// most once a second, so that a full store is not also slow.
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

// dropRefused removes the attempts whose code WeChat refused. Everyone can create them, by a callback
// with a forged code. A repeated callback then sends the code to WeChat once more, and WeChat refuses
// it again.
func (m *MemoryStore) dropRefused() {
	for id, c := range m.attempts {
		if c.Outcome.Kind == OutcomeCodeRefused {
			delete(m.attempts, id)
		}
	}
}

// sweep removes expired rows, once a minute.
func (m *MemoryStore) sweep(now time.Time) {
	if now.Before(m.sweepAt) {
		return
	}
	m.sweepAt = now.Add(sweepEvery)
	for id, c := range m.attempts {
		if !c.Expires.After(now) {
			delete(m.attempts, id)
		}
	}
	for id, s := range m.sessions {
		if !s.ExpiresAt.After(now) {
			delete(m.sessions, id)
		}
	}
}
