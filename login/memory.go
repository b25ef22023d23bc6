package login

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// MemoryStore is a Store in the memory of one process. Sessions end with the process, and two
// processes do not share them: use it for one process, for development and in tests.
//
// Its size is limited by MaxRows. It removes expired rows once a minute, and returns ErrStoreFull
// for a new session or attempt when it is full. A full store also removes failed attempts, at most
// once a second. A failed attempt is a redemption of a code that ended without a session. Everyone
// can cause failed attempts with forged codes, and could otherwise fill the store.
//
// It is safe for concurrent use. Create it with NewMemoryStore.
type MemoryStore struct {
	// MaxRows is the greatest number of sessions, and also the greatest number of attempts. 0 means
	// 100,000. A full store then needs about 130 MB. Set MaxRows before the first use of the store.
	MaxRows int

	mu        sync.Mutex
	sessions  map[string]Session         // by id
	idsOf     map[string]map[string]bool // the ids of the sessions of a user, by subject
	attempts  map[string]Attempt         // by Attempt.ID
	nextSweep time.Time                  // when expired rows are removed next
	nextRoom  time.Time                  // when a full store may remove failed attempts next
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{
		sessions: map[string]Session{}, idsOf: map[string]map[string]bool{}, attempts: map[string]Attempt{},
	}
}

const (
	defaultMaxRows = 100_000
	sweepInterval  = time.Minute
)

// BeginAttempt implements Store.
func (m *MemoryStore) BeginAttempt(
	ctx context.Context, want Attempt, now time.Time,
) (stored Attempt, begun bool, err error) {
	if err := ctx.Err(); err != nil {
		return Attempt{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	stored, found := m.attempts[want.ID]
	if found && stored.Expires.After(now) {
		// WeChat sometimes sends two codes for one flow. The second code replaces a refused first
		// code.
		secondCode := stored.Outcome.Kind == OutcomeCodeRefused && stored.Code != want.Code &&
			stored.SecondCodeUntil.After(now)
		if !secondCode {
			return stored, false, nil
		}
		withoutThirdCode := want // the contract of Store: the row is changed, the result is want
		withoutThirdCode.SecondCodeUntil = time.Time{}
		m.attempts[want.ID] = withoutThirdCode
		return want, true, nil
	}
	if !found && len(m.attempts) >= m.limit() {
		m.makeRoom(now)
		if len(m.attempts) >= m.limit() {
			return Attempt{}, false, ErrStoreFull
		}
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
	a, found := m.attempts[id]
	if !found || a.Owner != owner || a.Outcome.Kind != "" || !a.Lease.After(now) || !a.Expires.After(now) {
		return ErrAttemptLost
	}
	a.Outcome = out
	m.attempts[id] = a
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
	stored, found := m.sessions[id]
	if found && stored.ExpiresAt.After(now) {
		return ErrSessionExists
	}
	if !found && len(m.sessions) >= m.limit() {
		m.makeRoom(now)
		if len(m.sessions) >= m.limit() {
			return ErrStoreFull
		}
	}
	m.remove(id) // an expired session with this id may belong to another user
	s.ID, s.Scopes = id, slices.Clone(s.Scopes)
	m.sessions[id] = s
	if m.idsOf[s.Subject] == nil {
		m.idsOf[s.Subject] = map[string]bool{}
	}
	m.idsOf[s.Subject][id] = true
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
	m.remove(id)
	return nil
}

// SessionsOf implements Store.
func (m *MemoryStore) SessionsOf(ctx context.Context, subject string, limit int, now time.Time) ([]Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Session
	for id := range m.idsOf[subject] {
		if s := m.sessions[id]; s.ExpiresAt.After(now) {
			s.Scopes = slices.Clone(s.Scopes)
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Session) int {
		return cmp.Or(b.SignedInAt.Compare(a.SignedInAt), cmp.Compare(a.ID, b.ID))
	})
	return all[:min(len(all), limit)], nil
}

// DeleteSessionsOf implements Store.
func (m *MemoryStore) DeleteSessionsOf(ctx context.Context, subject, except string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.idsOf[subject] {
		if id != except {
			m.remove(id)
		}
	}
	return nil
}

// remove deletes a session, if it exists.
func (m *MemoryStore) remove(id string) {
	s, found := m.sessions[id]
	if !found {
		return
	}
	delete(m.sessions, id)
	delete(m.idsOf[s.Subject], id)
	if len(m.idsOf[s.Subject]) == 0 {
		delete(m.idsOf, s.Subject)
	}
}

// limit returns how many sessions, and how many attempts, the store accepts.
func (m *MemoryStore) limit() int {
	if m.MaxRows == 0 {
		return defaultMaxRows
	}
	return m.MaxRows
}

// makeRoom removes expired rows and failed attempts. It reads all rows, so it does this at most
// once a second. Other calls do nothing, and the store stays full until the second has passed.
//
// Removing a failed attempt is harmless. A repeated callback sends the code to WeChat again, and
// WeChat refuses the code, because it is invalid or used.
func (m *MemoryStore) makeRoom(now time.Time) {
	if now.Before(m.nextRoom) {
		return
	}
	m.nextRoom = now.Add(time.Second)
	m.nextSweep = now // otherwise sweep does nothing for the rest of its minute
	m.sweep(now)
	for id, a := range m.attempts {
		if a.Outcome.Kind != "" && a.Outcome.Kind != OutcomeSignedIn {
			delete(m.attempts, id)
		}
	}
}

// sweep removes expired rows, unless it did so within the last minute (sweepInterval).
func (m *MemoryStore) sweep(now time.Time) {
	if now.Before(m.nextSweep) {
		return
	}
	m.nextSweep = now.Add(sweepInterval)
	for id, a := range m.attempts {
		if !a.Expires.After(now) {
			delete(m.attempts, id)
		}
	}
	for id, s := range m.sessions {
		if !s.ExpiresAt.After(now) {
			m.remove(id)
		}
	}
}
