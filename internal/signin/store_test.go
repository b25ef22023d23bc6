package signin_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/signin"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/storetest"
)

// suited is the adapter in the suite's words. The suite makes up ids, people and extras; the gateway wants SHA-256, accounts and what arrive wrote. Name,
// picture and unionid are the account's in the gateway, not the session's, so they are put back here.
type suited struct {
	login.Store
	r *rig

	mu       sync.Mutex
	accounts map[string]string // subject → account id
	subjects map[string]string // account id → subject
	persons  map[string]login.Session
}

func hash(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// account finds or makes the account of a subject.
func (s *suited) account(subject string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.accounts[subject]; id != "" {
		return id, nil
	}
	a, _, err := s.r.store.RecordSignIn(context.Background(), gateway.SignIn{
		Connector: "main", AppID: mainID, OpenID: "o" + subject, At: time.Unix(1, 0), InitialStatus: gateway.Pending,
	})
	if err != nil {
		return "", err
	}
	s.accounts[subject], s.subjects[a.ID] = a.ID, subject
	return a.ID, nil
}

func (s *suited) CreateSession(ctx context.Context, id string, v login.Session, now time.Time) error {
	user, err := s.account(v.Subject)
	if err != nil {
		return err
	}
	given := v
	v.Subject = user
	if v.Extra, err = signin.ExtraWith(v.Extra); err != nil {
		return err
	}
	if err := s.Store.CreateSession(ctx, hash(id), v, now); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.persons[id] = given
	return nil
}

func (s *suited) Session(ctx context.Context, id string, now time.Time) (*login.Session, error) {
	got, err := s.Store.Session(ctx, hash(id), now)
	if err != nil {
		return nil, err
	}
	if got.Extra, err = signin.DemandIn(got.Extra); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	person := s.persons[id]
	got.Subject = s.subjects[got.Subject]
	got.UnionID, got.Nickname, got.AvatarURL, got.ProfileAt = person.UnionID, person.Nickname, person.AvatarURL, person.ProfileAt
	return got, nil
}

func (s *suited) UpdateSession(ctx context.Context, id string, u login.SessionUpdate, now time.Time) error {
	return s.Store.UpdateSession(ctx, hash(id), u, now)
}

func (s *suited) DeleteSession(ctx context.Context, id string) error {
	return s.Store.DeleteSession(ctx, hash(id))
}

func TestAdapterIsALoginStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) login.Store {
		r := newRig(t)
		// In the gateway each use moves a session's end. Here they all end an hour after they began, as the suite's do.
		r.book.Idle, r.book.Max = time.Hour, time.Hour
		return &suited{Store: r.h.LoginStore("main"), r: r, accounts: map[string]string{}, subjects: map[string]string{}, persons: map[string]login.Session{}}
	})
}

func TestAdapterTakesNoOtherIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	store := r.h.LoginStore("main")
	for _, id := range []string{"", "a", hash("a")[:63], hash("a") + "0", "G" + hash("a")[1:]} {
		if _, err := store.Session(t.Context(), id, r.now()); err == nil {
			t.Errorf("Session(%q) found something", id)
		}
		if err := store.DeleteSession(t.Context(), id); err == nil {
			t.Errorf("DeleteSession(%q) was taken", id)
		}
		if err := store.CreateSession(t.Context(), id, login.Session{Extra: "{}"}, r.now()); err == nil {
			t.Errorf("CreateSession(%q) was taken", id)
		}
	}
	if err := store.CreateSession(t.Context(), hash("a"), login.Session{Subject: r.person("alice"), Extra: "no JSON"}, r.now()); err == nil {
		t.Error("a session that did not come by arrive was taken")
	}
}
