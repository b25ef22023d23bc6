package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/storetest"
)

// memoryStore applies the plans of Join to maps. It implements storetest.UserStore, so
// that the rules without a database are tested by the same property as each store.
type memoryStore struct {
	rest

	mu         sync.Mutex
	users      map[string]gateway.User
	identities map[[2]string]gateway.Identity
	pins       map[[2]string]gateway.Pin // by user and app
	into       map[string]string
	n          int
}

// rest has the methods that memoryStore does not implement. The tests do not call them.
type rest interface {
	gateway.Users
	gateway.Subjects
}

func newMemoryStore() *memoryStore {
	return &memoryStore{
		users: map[string]gateway.User{}, identities: map[[2]string]gateway.Identity{},
		pins: map[[2]string]gateway.Pin{}, into: map[string]string{},
	}
}

func (w *memoryStore) resolve(id string) string {
	for w.into[id] != "" {
		id = w.into[id]
	}
	return id
}

func (w *memoryStore) candidate(id string) gateway.Candidate {
	p := gateway.Candidate{User: w.users[id]}
	for _, i := range w.identities {
		if i.UserID == id {
			p.Identities = append(p.Identities, i)
		}
	}
	return p
}

func (w *memoryStore) pinsOf(id string) (all []gateway.Pin) {
	for k, p := range w.pins {
		if k[0] == id {
			all = append(all, p)
		}
	}
	return all
}

func (w *memoryStore) RecordSignIn(_ context.Context, a gateway.SignIn) (gateway.User, []gateway.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := a.Check(); err != nil {
		return gateway.User{}, nil, err
	}
	var known *gateway.Candidate
	var matches []gateway.Candidate
	if i, ok := w.identities[[2]string{a.AppID, a.OpenID}]; ok {
		p := w.candidate(i.UserID)
		known = &p
	}
	for id := range w.users {
		p := w.candidate(id)
		if known != nil && known.User.ID == id {
			continue
		}
		if slices.ContainsFunc(p.Identities, func(i gateway.Identity) bool {
			return i.UnionID == a.UnionID && slices.Contains(a.SharedAppIDs(), i.AppID)
		}) {
			matches = append(matches, p)
		}
	}
	w.n++
	p := gateway.Join(a, known, matches, fmt.Sprintf("user%04d", w.n))
	w.users[p.User.ID] = p.User
	for _, drop := range p.Joined {
		w.joinInto(a, p.User.ID, drop)
	}
	w.identities[[2]string{a.AppID, a.OpenID}] = p.Identity
	return p.User, p.Events, nil
}

func (w *memoryStore) joinInto(a gateway.SignIn, keep, drop string) {
	moved, dropped, _ := gateway.JoinPins(a, w.pinsOf(keep), w.pinsOf(drop))
	for _, p := range dropped {
		delete(w.pins, [2]string{p.UserID, p.App})
	}
	for _, p := range moved {
		delete(w.pins, [2]string{drop, p.App})
		p.UserID = keep
		w.pins[[2]string{keep, p.App}] = p
	}
	delete(w.users, drop)
	w.into[drop] = keep
	for k, i := range w.identities {
		if i.UserID == drop {
			i.UserID = keep
			w.identities[k] = i
		}
	}
}

func (w *memoryStore) User(_ context.Context, id string) (gateway.User, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, ok := w.users[w.resolve(id)]
	if !ok {
		return a, gateway.ErrNotFound
	}
	return a, nil
}

func (w *memoryStore) Identities(_ context.Context, id string) ([]gateway.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.candidate(w.resolve(id)).Identities, nil
}

func (w *memoryStore) UpdateUser(_ context.Context, id string, _ time.Time,
	change func(*gateway.User) error) (gateway.User, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.users[w.resolve(id)]
	err := change(&a)
	w.users[a.ID] = a
	return a, err
}

func (w *memoryStore) PinSubject(_ context.Context, id, app, candidate string, now time.Time) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := [2]string{w.resolve(id), app}
	if p, ok := w.pins[k]; ok {
		return p.Subject, nil
	}
	w.pins[k] = gateway.Pin{UserID: k[0], App: app, Subject: candidate, CreatedAt: now}
	return candidate, nil
}

func (w *memoryStore) UserSubjects(_ context.Context, id string) ([]gateway.Pin, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pinsOf(w.resolve(id)), nil
}

func (w *memoryStore) SubjectUser(_ context.Context, app, subject string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, p := range w.pins {
		if k[1] == app && p.Subject == subject {
			return k[0], nil
		}
	}
	return "", gateway.ErrNotFound
}

// The suite of every store tests the same property with a database.
func TestAnyOrderOfSignIns(t *testing.T) {
	t.Parallel()
	storetest.CheckAnyOrder(t, 0, func() []storetest.UserStore { return []storetest.UserStore{newMemoryStore()} })
}

// TestJoinInvariants checks the invariants of joining when WeChat contradicts itself:
// each sign-in has a random openid and a random unionid.
func TestJoinInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newMemoryStore()
		admins, blocked := map[string]bool{}, map[string]bool{}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			appid := rapid.SampledFrom([]string{"wxa", "wxb", "wxc", "wxd", "wxe", "wxf"}).Draw(t, "appid")
			unionid := rapid.SampledFrom([]string{"", "u1", "u2", "u3"}).Draw(t, "unionid")
			openid := rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "openid")
			a, _, err := w.RecordSignIn(t.Context(), signInAt(appid, openid, unionid, step))
			if err != nil {
				t.Fatal(err)
			}
			a, err = w.UpdateUser(t.Context(), a.ID, at(step), func(a *gateway.User) error {
				switch rapid.IntRange(0, 19).Draw(t, "change") {
				case 0:
					a.Admin, admins[a.ID] = true, true
				case 1:
					a.Status, blocked[a.ID] = gateway.Blocked, true
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.PinSubject(t.Context(), a.ID, "wiki", "sub of "+a.ID, at(step)); err != nil {
				t.Fatal(err)
			}
			w.check(t, admins, blocked)
		}
	})
}

func (w *memoryStore) check(t *rapid.T, admins, blocked map[string]bool) {
	t.Helper()
	for id := range blocked {
		if w.users[w.resolve(id)].Status != gateway.Blocked {
			t.Errorf("%s was blocked, but is not blocked as %s", id, w.resolve(id))
		}
	}
	for id, a := range w.users {
		if a.Admin && !admins[id] {
			t.Errorf("%s became an administrator by joining", id)
		}
		p := w.candidate(id)
		openids, unionids := map[string]int{}, map[string]string{}
		for _, i := range p.Identities {
			openids[i.AppID]++
			group := openPlatforms[i.AppID]
			if group == "" && len(p.Identities) > 1 {
				t.Errorf("%s joined through a connector that is in no group", id)
			}
			if u := unionids[group]; i.UnionID != "" && group != "" {
				if u != "" && u != i.UnionID {
					t.Errorf("%s has unionids %s and %s in one group", id, u, i.UnionID)
				}
				unionids[group] = i.UnionID
			}
			if group != openPlatforms[p.Identities[0].AppID] {
				t.Errorf("%s has identities of two groups", id)
			}
			if i.UnionID == "" && len(p.Identities) > 1 {
				t.Errorf("%s has %s without a unionid beside others", id, i.AppID)
			}
		}
		for appid, n := range openids {
			if n > 1 {
				t.Errorf("%s has %d openids of %s", id, n, appid)
			}
		}
		if pins := w.pinsOf(id); len(pins) != 1 {
			t.Errorf("%s has pins %v, want one", id, pins)
		}
	}
	for id, into := range w.into {
		if id < into { // ids grow with time here
			t.Errorf("the older %s was joined into the younger %s", id, into)
		}
		if _, err := w.SubjectUser(t.Context(), "wiki", "sub of "+id); !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("the subject of %s remains beside that of %s", id, into) // which was pinned before
		}
	}
}
