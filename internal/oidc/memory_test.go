package oidc_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// uncalled has the methods of the contract that nobody calls here; calling one panics.
type uncalled interface{ gateway.Users }

// memory is a store for the benchmark, the fuzz targets and what does not depend on a store; a database would be most of the time there.
type memory struct {
	uncalled
	keyRows

	mu         sync.Mutex
	accounts   map[string]gateway.User
	identities map[string][]gateway.Identity
	pins       []gateway.Pin
	codes      map[[32]byte]gateway.Code
	families   map[string]*gateway.Grant
	tokens     map[[32]byte]gateway.Token
	refresh    map[string][2][32]byte // by family: current and the one before
	events     []gateway.Event
}

func newMemory() *memory {
	return &memory{accounts: map[string]gateway.User{}, identities: map[string][]gateway.Identity{}, codes: map[[32]byte]gateway.Code{},
		families: map[string]*gateway.Grant{}, tokens: map[[32]byte]gateway.Token{}, refresh: map[string][2][32]byte{}}
}

func (m *memory) RecordSignIn(_ context.Context, a gateway.SignIn) (gateway.User, []gateway.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	acc := gateway.User{ID: gateway.NewID(), Nickname: a.Profile.Nickname, AvatarURL: a.Profile.AvatarURL, Locale: a.Profile.Locale, ProfileAt: a.At,
		Status: a.InitialStatus, CreatedAt: a.At, UpdatedAt: a.At}
	m.accounts[acc.ID] = acc
	m.identities[acc.ID] = []gateway.Identity{{UserID: acc.ID, Connector: a.Connector, AppID: a.AppID, OpenID: a.OpenID, UnionID: a.UnionID, CreatedAt: a.At, SeenAt: a.At}}
	return acc, nil, nil
}

func (m *memory) User(_ context.Context, id string) (gateway.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[id]
	if !ok {
		return a, gateway.ErrNotFound
	}
	return a, nil
}

func (m *memory) Identities(_ context.Context, id string) ([]gateway.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.identities[id]), nil
}

func (m *memory) UpdateUser(_ context.Context, id string, now time.Time, change func(*gateway.User) error) (gateway.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accounts[id]
	if err := change(&a); err != nil {
		return a, err
	}
	a.UpdatedAt = now
	m.accounts[id] = a
	for _, f := range m.families {
		if a.Status == gateway.Blocked && f.UserID == id {
			f.RevokedAt = now
		}
	}
	return a, nil
}

func (m *memory) PinSubject(_ context.Context, user, app, candidate string, now time.Time) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pins {
		if p.App == app && p.UserID == user {
			return p.Subject, nil
		}
	}
	for _, p := range m.pins {
		if p.App == app && p.Subject == candidate {
			return "", gateway.ErrConflict
		}
	}
	m.pins = append(m.pins, gateway.Pin{UserID: user, App: app, Subject: candidate, CreatedAt: now})
	return candidate, nil
}

func (m *memory) UserSubjects(_ context.Context, user string) ([]gateway.Pin, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []gateway.Pin
	for _, p := range m.pins {
		if p.UserID == user {
			out = append(out, p)
		}
	}
	return out, nil
}

func (m *memory) SubjectUser(context.Context, string, string) (string, error) {
	return "", gateway.ErrNotFound
}

func (m *memory) PutCode(_ context.Context, c gateway.Code) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch a, ok := m.accounts[c.Grant.UserID]; {
	case !ok:
		return gateway.ErrNotFound
	case a.Status == gateway.Blocked:
		return gateway.ErrBlocked
	}
	for _, p := range m.pins {
		if c.Grant.Subject == "" && p.UserID == c.Grant.UserID && p.App == c.Grant.App {
			c.Grant.Subject = p.Subject
		}
	}
	if c.Grant.Subject == "" {
		return gateway.ErrNotFound
	}
	f := c.Grant
	m.codes[c.Hash], m.families[f.ID] = c, &f
	return nil
}

func (m *memory) Code(_ context.Context, hash [32]byte) (gateway.Code, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.codes[hash]
	if !ok {
		return c, gateway.ErrNotFound
	}
	c.Grant = *m.families[c.Grant.ID]
	return c, nil
}

func (m *memory) Redeem(_ context.Context, hash [32]byte, now time.Time, i gateway.TokenIssue) (gateway.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.codes[hash]
	if !ok {
		return gateway.Grant{}, gateway.ErrNotFound
	}
	f := m.families[c.Grant.ID]
	if !c.RedeemedAt.IsZero() {
		f.RevokedAt = now
		return *f, gateway.ErrReplay
	}
	if !now.Before(c.ExpiresAt) || !f.Live(now) {
		return gateway.Grant{}, gateway.ErrExpired
	}
	c.RedeemedAt = now
	m.codes[hash] = c
	i.Access.Grant = f.ID
	m.tokens[i.Access.Hash] = i.Access
	f.ExpiresAt = i.Access.ExpiresAt
	if !i.GrantExpires.IsZero() {
		f.ExpiresAt = i.GrantExpires
	}
	if i.Refresh != [32]byte{} {
		f.Counter, f.RotatedAt = 1, now
		m.refresh[f.ID] = [2][32]byte{i.Refresh}
	}
	return *f, nil
}

func (m *memory) Token(_ context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tokens[hash]
	if !ok || !now.Before(t.ExpiresAt) || !m.families[t.Grant].Live(now) {
		return gateway.Token{}, gateway.Grant{}, gateway.ErrNotFound
	}
	return t, *m.families[t.Grant], nil
}

func (m *memory) TokenUser(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant, gateway.User, error) {
	t, f, err := m.Token(ctx, hash, now)
	if err != nil {
		return t, f, gateway.User{}, err
	}
	a, err := m.User(ctx, f.UserID)
	return t, f, a, err
}

func (m *memory) SessionUser(context.Context, [32]byte, time.Time) (gateway.Session, gateway.User, error) {
	panic("the sessions of these tests are elsewhere")
}

func (m *memory) Grant(_ context.Context, id string) (gateway.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.families[id]
	if !ok {
		return gateway.Grant{}, gateway.ErrNotFound
	}
	return *f, nil
}

func (m *memory) Rotate(_ context.Context, r gateway.Rotation) (gateway.RotatedGrant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.families[r.Grant]
	if !ok {
		return gateway.RotatedGrant{}, gateway.ErrNotFound
	}
	if !f.Live(r.Now) {
		return gateway.RotatedGrant{}, gateway.ErrExpired
	}
	pair := m.refresh[r.Grant]
	repeated := r.Presented == pair[1] && r.Now.Sub(f.RotatedAt) <= r.Grace
	switch {
	case r.Presented == pair[0]:
		pair = [2][32]byte{r.Next, r.Presented}
		m.refresh[r.Grant] = pair
		f.Counter++
		f.RotatedAt = r.Now
	case !repeated:
		f.RevokedAt = r.Now
		return gateway.RotatedGrant{Grant: *f}, gateway.ErrReplay
	}
	if r.Expires.After(f.ExpiresAt) {
		f.ExpiresAt = r.Expires
	}
	r.Access.Grant = f.ID
	m.tokens[r.Access.Hash] = r.Access
	return gateway.RotatedGrant{Grant: *f, Refresh: pair[0], Repeated: repeated}, nil
}

func (m *memory) Revoke(_ context.Context, r gateway.Revocation, now time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Token != [32]byte{} {
		delete(m.tokens, r.Token)
		return 1, nil
	}
	n := 0
	for _, f := range m.families {
		if (r.Grant == "" || r.Grant == f.ID) && (r.UserID == "" || r.UserID == f.UserID) && (r.App == "" || r.App == f.App) &&
			(r.Session == [32]byte{} || r.Session == f.Session) && f.Live(now) {
			f.RevokedAt = now
			n++
		}
	}
	return n, nil
}

func (m *memory) AppendEvents(_ context.Context, events ...gateway.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, events...)
	return nil
}

func (m *memory) Events(_ context.Context, q gateway.EventQuery) ([]gateway.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []gateway.Event
	for _, e := range m.events {
		if (q.Kind == "" || q.Kind == e.Kind) && (q.App == "" || q.App == e.App) {
			out = append(out, e)
		}
	}
	return out, nil
}
