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

// world is a store without a database: what Join decided, applied. It is
// storetest.UserStore, so that the rules alone, and each store, meet one property.
type world struct {
	rest

	mu         sync.Mutex
	accounts   map[string]gateway.User
	identities map[[2]string]gateway.Identity
	pins       map[[2]string]gateway.Pin // by account and app
	into       map[string]string
	n          int
}

// rest is what joining does not need, and nobody calls.
type rest interface {
	gateway.Users
	gateway.Subjects
}

func newWorld() *world {
	return &world{
		accounts: map[string]gateway.User{}, identities: map[[2]string]gateway.Identity{},
		pins: map[[2]string]gateway.Pin{}, into: map[string]string{},
	}
}

func (w *world) resolve(id string) string {
	for w.into[id] != "" {
		id = w.into[id]
	}
	return id
}

func (w *world) party(id string) gateway.Candidate {
	p := gateway.Candidate{User: w.accounts[id]}
	for _, i := range w.identities {
		if i.UserID == id {
			p.Identities = append(p.Identities, i)
		}
	}
	return p
}

func (w *world) pinsOf(id string) (all []gateway.Pin) {
	for k, p := range w.pins {
		if k[0] == id {
			all = append(all, p)
		}
	}
	return all
}

func (w *world) RecordSignIn(_ context.Context, a gateway.SignIn) (gateway.User, []gateway.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := a.Check(); err != nil {
		return gateway.User{}, nil, err
	}
	var known *gateway.Candidate
	var matches []gateway.Candidate
	if i, ok := w.identities[[2]string{a.AppID, a.OpenID}]; ok {
		p := w.party(i.UserID)
		known = &p
	}
	for id := range w.accounts {
		p := w.party(id)
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
	p := gateway.Join(a, known, matches, fmt.Sprintf("account%04d", w.n))
	w.accounts[p.Keep.ID] = p.Keep
	for _, drop := range p.Joined {
		w.joinInto(a, p.Keep.ID, drop)
	}
	w.identities[[2]string{a.AppID, a.OpenID}] = p.Identity
	return p.Keep, p.Events, nil
}

func (w *world) joinInto(a gateway.SignIn, keep, drop string) {
	moved, dropped, _ := gateway.JoinPins(a, w.pinsOf(keep), w.pinsOf(drop))
	for _, p := range dropped {
		delete(w.pins, [2]string{p.UserID, p.App})
	}
	for _, p := range moved {
		delete(w.pins, [2]string{drop, p.App})
		p.UserID = keep
		w.pins[[2]string{keep, p.App}] = p
	}
	delete(w.accounts, drop)
	w.into[drop] = keep
	for k, i := range w.identities {
		if i.UserID == drop {
			i.UserID = keep
			w.identities[k] = i
		}
	}
}

func (w *world) User(_ context.Context, id string) (gateway.User, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, ok := w.accounts[w.resolve(id)]
	if !ok {
		return a, gateway.ErrNotFound
	}
	return a, nil
}

func (w *world) Identities(_ context.Context, id string) ([]gateway.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.party(w.resolve(id)).Identities, nil
}

func (w *world) UpdateUser(_ context.Context, id string, _ time.Time, change func(*gateway.User) error) (gateway.User,
	error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.accounts[w.resolve(id)]
	err := change(&a)
	w.accounts[a.ID] = a
	return a, err
}

func (w *world) PinSubject(_ context.Context, id, app, candidate string, now time.Time) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := [2]string{w.resolve(id), app}
	if p, ok := w.pins[k]; ok {
		return p.Subject, nil
	}
	w.pins[k] = gateway.Pin{UserID: k[0], App: app, Subject: candidate, CreatedAt: now}
	return candidate, nil
}

func (w *world) UserSubjects(_ context.Context, id string) ([]gateway.Pin, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pinsOf(w.resolve(id)), nil
}

func (w *world) SubjectUser(_ context.Context, app, subject string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, p := range w.pins {
		if k[1] == app && p.Subject == subject {
			return k[0], nil
		}
	}
	return "", gateway.ErrNotFound
}

// The rules alone keep the promise that every store's suite tests with a
// database.
func TestAnyOrderOfArrivalsEndsTheSame(t *testing.T) {
	t.Parallel()
	storetest.CheckAnyOrder(t, 0, func() []storetest.UserStore { return []storetest.UserStore{newWorld()} })
}

// Here nothing about WeChat holds: any openid comes with any unionid, anew each
// time. Whatever it says, these must never happen.
func TestJoiningKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		admins, blocked := map[string]bool{}, map[string]bool{}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			appid := rapid.SampledFrom([]string{"wxa", "wxb", "wxc", "wxd", "wxe", "wxf"}).Draw(t, "appid")
			unionid := rapid.SampledFrom([]string{"", "u1", "u2", "u3"}).Draw(t, "unionid")
			openid := rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "openid")
			a, _, err := w.RecordSignIn(t.Context(), arrival(appid, openid, unionid, step))
			if err != nil {
				t.Fatal(err)
			}
			a, err = w.UpdateUser(t.Context(), a.ID, at(step), func(a *gateway.User) error {
				switch rapid.IntRange(0, 19).Draw(t, "what happens to it") {
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

func (w *world) check(t *rapid.T, admins, blocked map[string]bool) {
	t.Helper()
	for id := range blocked {
		if w.accounts[w.resolve(id)].Status != gateway.Blocked {
			t.Errorf("%s was blocked, and is not any more as %s", id, w.resolve(id))
		}
	}
	for id, a := range w.accounts {
		if a.Admin && !admins[id] {
			t.Errorf("%s became an administrator by joining", id)
		}
		p := w.party(id)
		openids, unionids := map[string]int{}, map[string]string{}
		for _, i := range p.Identities {
			openids[i.AppID]++
			group := entries[i.AppID]
			if group == "" && len(p.Identities) > 1 {
				t.Errorf("%s joined through an entry that is in no group", id)
			}
			if u := unionids[group]; i.UnionID != "" && group != "" {
				if u != "" && u != i.UnionID {
					t.Errorf("%s has unionids %s and %s in one group", id, u, i.UnionID)
				}
				unionids[group] = i.UnionID
			}
			if group != entries[p.Identities[0].AppID] {
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
			t.Errorf("%s has pins %v, of which one is its", id, pins)
		}
	}
	for id, into := range w.into {
		if id < into { // ids grow with time here
			t.Errorf("the older %s was joined into the younger %s", id, into)
		}
		if _, err := w.SubjectUser(t.Context(), "wiki", "sub of "+id); !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("the subject of %s outlived the older one's of %s", id, into) // which was pinned before
		}
	}
}
