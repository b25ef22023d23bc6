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
// It is bounded: expired rows are removed as calls come in, and beyond MaxRows live sessions, or as
// many attempts, new ones are refused with ErrStoreFull. Attempts whose code WeChat refused go
// first: anyone can make those, and so many would keep every other user out. It is safe for
// concurrent use. Make it with NewMemoryStore.
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

// full reports whether count has reached the limit, after removing expired rows. That happens once
// a second at most: a full store must not be slow too.
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

// dropRefused removes the attempts that a visitor without an account can make: start, then call
// back with a made-up code. A repeat sends the code to WeChat again, which refuses it again, so
// nothing but a call is lost.
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
