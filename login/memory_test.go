package login_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/storetest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) login.Store { return login.NewMemoryStore() })
}

// A visitor without a session can create attempts. They must not fill the memory, and expired rows
// must be removed for new ones.
func TestMemoryStoreIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	s := login.NewMemoryStore()
	s.MaxRows = 3
	attempt := func(id string) error {
		_, _, err := s.BeginAttempt(t.Context(),
			login.Attempt{ID: id, Code: "c", Owner: "o", Lease: now.Add(time.Second), Expires: now.Add(time.Minute)}, now)
		return err
	}
	session := func(id string) error {
		return s.CreateSession(t.Context(), id, login.Session{ExpiresAt: now.Add(time.Minute)}, now)
	}
	for _, make := range []func(string) error{attempt, session} {
		for _, id := range []string{"a", "b", "c"} {
			if err := make(id); err != nil {
				t.Fatalf("row %s: %v", id, err)
			}
		}
		if err := make("d"); !errors.Is(err, login.ErrStoreFull) {
			t.Errorf("a row over the limit: %v, want ErrStoreFull", err)
		}
	}
	now = now.Add(time.Minute)
	if err := attempt("d"); err != nil {
		t.Errorf("after the others expired: %v", err)
	}
	if err := session("d"); err != nil {
		t.Errorf("after the others expired: %v", err)
	}
}

// Everyone can start a sign-in and request the callback with a forged code. Many such attempts must
// not prevent sign-ins with valid codes.
func TestFloodOfForgedCodesBlocksNobody(t *testing.T) {
	t.Parallel()
	store := login.NewMemoryStore()
	store.MaxRows = 20
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	s.wechat.exchange = func(_ context.Context, c string) string {
		if c == code("a") || c == code("b") {
			return tokenFor(c, "snsapi_base")
		}
		return refused(40029, "invalid code")
	}
	early := s.browser()
	state := early.begin("/sign-in")
	s.wantGo(early.get(s.callback(code("a"), state)), "/")
	for i := range 25 {
		s.clock.advance(100 * time.Millisecond)
		flood := s.browser()
		flood.get(s.callback(fmt.Sprintf("madeup%d", i), flood.begin("/sign-in")))
	}
	s.clock.advance(time.Second)
	b := s.browser()
	s.wantGo(b.get(s.callback(code("b"), b.begin("/sign-in"))), "/")
	s.wantGo(early.get(s.callback(code("a"), state)), "/") // its attempt is still stored
	if s.wechat.times(code("a")) != 1 {
		t.Errorf("a code was sent %d times", s.wechat.times(code("a")))
	}
}
