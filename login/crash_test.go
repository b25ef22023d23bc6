package login_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/login"
)

// brokenStore is a MemoryStore whose methods a test can make fail or panic.
type brokenStore struct {
	*login.MemoryStore
	won     func(context.Context) error // after BeginAttempt stored an attempt
	finish  func() error                // instead of FinishAttempt, when not nil
	session func() error                // instead of Session, when not nil
	created atomic.Int32                // sessions created
	deleted atomic.Int32                // sessions deleted
	update  func() error                // instead of UpdateSession, when not nil
	updates atomic.Int32                // calls of UpdateSession
	remove  func() error                // instead of DeleteSession and DeleteSessionsOf, when not nil
}

func (s *brokenStore) BeginAttempt(ctx context.Context, want login.Attempt, now time.Time) (login.Attempt, bool,
	error) {
	have, won, err := s.MemoryStore.BeginAttempt(ctx, want, now)
	if won && s.won != nil {
		return have, won, s.won(ctx)
	}
	return have, won, err
}

func (s *brokenStore) FinishAttempt(ctx context.Context, id, owner string, out login.Outcome, now time.Time) error {
	if s.finish != nil {
		return s.finish()
	}
	return s.MemoryStore.FinishAttempt(ctx, id, owner, out, now)
}

func (s *brokenStore) Session(ctx context.Context, id string, now time.Time) (*login.Session, error) {
	if s.session != nil {
		if err := s.session(); err != nil {
			return nil, err
		}
	}
	return s.MemoryStore.Session(ctx, id, now)
}

func (s *brokenStore) CreateSession(ctx context.Context, id string, v login.Session, now time.Time) error {
	s.created.Add(1)
	return s.MemoryStore.CreateSession(ctx, id, v, now)
}

func (s *brokenStore) UpdateSession(ctx context.Context, id string, u login.SessionUpdate, now time.Time) error {
	s.updates.Add(1)
	if s.update != nil {
		return s.update()
	}
	return s.MemoryStore.UpdateSession(ctx, id, u, now)
}

func (s *brokenStore) DeleteSession(ctx context.Context, id string) error {
	s.deleted.Add(1)
	if s.remove != nil {
		return s.remove()
	}
	return s.MemoryStore.DeleteSession(ctx, id)
}

func (s *brokenStore) DeleteSessionsOf(ctx context.Context, subject, except string) error {
	if s.remove != nil {
		return s.remove()
	}
	return s.MemoryStore.DeleteSessionsOf(ctx, subject, except)
}

// dies serves a request whose handler panics, as in a process that dies.
func dies(t *testing.T, h http.Handler, r *http.Request) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("the process did not die")
		}
	}()
	serve(h, r)
}

// The process dies between BeginAttempt and the exchange, or between the exchange and the outcome.
// It is unknown which, so the sign-in starts again, and the code is not sent twice.
func TestCrashDuringAnAttemptStartsAgain(t *testing.T) {
	t.Parallel()
	for name, beforeExchange := range map[string]bool{"before the exchange": true, "after it": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &brokenStore{MemoryStore: login.NewMemoryStore()}
				s := newFixture(t, func(c *login.Config) { c.Store, c.Now = store, time.Now })
				b := s.browser()
				state := b.begin("/sign-in?return=/private/x")
				sent := 0
				if beforeExchange {
					store.won = func(context.Context) error { panic("the machine is gone") }
				} else {
					store.finish = func() error { panic("the machine is gone") }
					sent = 1
				}
				dies(t, s.mux, b.request("GET", s.callback(code("a"), state), nil))
				store.won, store.finish = nil, nil

				began := time.Now()
				again := s.stateIn(b.get(s.callback(code("a"), state))) // waits for the lease, then restarts
				if waited := time.Since(began); waited < 14*time.Second || waited > 16*time.Second {
					t.Errorf("waited %v, want the lease of 15 s", waited)
				}
				s.stateIn(b.get(s.callback(code("a"), state))) // and once more, at once
				if s.wechat.times(code("a")) != sent {
					t.Errorf("the code was sent %d times, want %d", s.wechat.times(code("a")), sent)
				}
				s.wantGo(b.get(s.callback(code("b"), again)), "/private/x")
				if b.who() != openIDOf(code("b")) {
					t.Errorf("signed in as %q", b.who())
				}
			})
		})
	}
}

// The visitor leaves while the attempt is being stored. Otherwise the next request would wait for
// the whole lease.
func TestVisitorWhoLeavesDuringBeginAttempt(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore()}
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	ctx, leave := context.WithCancel(t.Context())
	store.won = func(ctx context.Context) error {
		leave()
		return ctx.Err()
	}
	serve(s.mux, b.request("GET", s.callback(code("a"), state), nil).WithContext(ctx))
	s.wantGo(b.get(s.callback(code("a"), state)), "/private/x")
	if b.who() != openIDOf(code("a")) || s.wechat.exchanges() != 1 {
		t.Errorf("signed in as %q after %d exchanges", b.who(), s.wechat.exchanges())
	}
}

// OnSignIn takes longer than the lease: requests that waited have started again, so the late one
// must not create a second session.
func TestLateSignInMakesNoSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{MemoryStore: login.NewMemoryStore()}
		slow := true
		s := newFixture(t, func(c *login.Config) {
			c.Store, c.Now = store, time.Now
			c.OnSignIn = func(context.Context, *login.SignIn) error {
				if slow {
					time.Sleep(20 * time.Second) // ignores its context
				}
				return nil
			}
		})
		b := s.browser()
		state := b.begin("/sign-in?return=/private/x")
		s.stateIn(b.get(s.callback(code("a"), state)))
		if b.session() != "" {
			t.Error("a session was created after the lease")
		}
		slow = false
		s.stateIn(b.get(s.callback(code("a"), state)))
		if s.wechat.exchanges() != 1 {
			t.Errorf("%d exchanges", s.wechat.exchanges())
		}
	})
}

// When the outcome cannot be written, the session that was created is deleted.
func TestUnwrittenOutcomeDeletesTheSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
	}{"attempt lost": {login.ErrAttemptLost, 302}, "database down": {errors.New("connection refused"), 303}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &brokenStore{MemoryStore: login.NewMemoryStore(), finish: func() error { return c.err }}
			s := newFixture(t, func(cfg *login.Config) { cfg.Store = store })
			b := s.browser()
			res := b.get(s.callback(code("a"), b.begin("/sign-in")))
			if res.StatusCode != c.status || b.session() != "" {
				t.Errorf("status %d, session %q", res.StatusCode, b.session())
			}
			if store.created.Load() != 1 || store.deleted.Load() != 1 {
				t.Errorf("%d sessions created, %d deleted", store.created.Load(), store.deleted.Load())
			}
		})
	}
}

// WeChat does not answer. The visitor waits for ten seconds at most, and the code is not sent
// again.
func TestWeChatWithoutAnAnswerTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFixture(t, func(c *login.Config) { c.Now = time.Now })
		s.wechat.exchange = func(ctx context.Context, _ string) string {
			<-ctx.Done()
			return ""
		}
		b := s.browser()
		state := b.begin("/sign-in")
		began := time.Now()
		s.wantPage(b.get(s.callback(code("a"), state)), login.PageBusy, 503)
		if waited := time.Since(began); waited > 11*time.Second {
			t.Errorf("waited %v", waited)
		}
		s.wantPage(b.get(s.callback(code("a"), state)), login.PageBusy, 503)
		if s.wechat.exchanges() != 1 {
			t.Errorf("%d exchanges, want 1", s.wechat.exchanges())
		}
	})
}

// While the store cannot be read nobody is signed in, signed out or redirected in a loop.
func TestStoreDownIsNotSignedOut(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore()}
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	b := s.browser()
	b.signIn("a")
	store.session = func() error { return errors.New("connection refused to 10.0.0.5") }
	s.wantPage(b.get("/private/x"), login.PageBusy, 503)
	s.wantPage(b.get("/sign-in/profile"), login.PageFault, 500)
	if res := b.get("/sign-in/me"); res.StatusCode != 503 {
		t.Errorf("/sign-in/me: %d, want 503", res.StatusCode)
	}
	b.headers.Set("Accept", "application/json")
	if res := b.get("/private/x"); res.StatusCode != 503 || !strings.HasPrefix(text(res), `{"error":"unavailable"`) {
		t.Errorf("API: %d", res.StatusCode)
	}
	if _, err := s.handler.Session(b.request("GET", "/", nil)); err == nil || errors.Is(err, login.ErrNoSession) {
		t.Errorf("Session = %v, want the store's error", err)
	}
	store.session = nil
	if b.who() != openIDOf(code("a")) {
		t.Error("signed out by an outage")
	}
}

func TestFullStoreAsksToWait(t *testing.T) {
	t.Parallel()
	store := login.NewMemoryStore()
	store.MaxRows = 1
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	s.browser().signIn("a")
	b := s.browser()
	s.wantPage(b.get(s.callback(code("b"), b.begin("/sign-in"))), login.PageBusy, 503)
}
