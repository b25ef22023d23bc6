package login_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// signedInThrice returns three browsers of one user, who signed in a minute after another, and one of
// another user.
func signedInThrice(t *testing.T) (s *fixture, browsers []*browser, other *browser) {
	t.Helper()
	s = newFixture(t, func(c *login.Config) {
		c.OnSignIn = func(_ context.Context, in *login.SignIn) error {
			in.Subject, in.Extra = "user-"+in.OpenID[len(in.OpenID)-1:], `{"role":"editor"}`
			return nil
		}
	})
	for i := range 3 {
		b := s.browser()
		b.agent = uaWeChat + strings.Repeat(" x", i*200)
		b.signIn("a")
		browsers = append(browsers, b)
		s.clock.advance(time.Minute)
	}
	other = s.browser()
	other.signIn("b")
	return s, browsers, other
}

func TestSignOutUserEndsEverySessionOfOneUser(t *testing.T) {
	t.Parallel()
	s, browsers, other := signedInThrice(t)
	if err := s.handler.SignOutUser(t.Context(), "user-a"); err != nil {
		t.Fatal(err)
	}
	for i, b := range browsers {
		if b.who() != "" {
			t.Errorf("browser %d is still signed in", i)
		}
	}
	if other.who() == "" {
		t.Error("another user was signed out")
	}
	if err := s.handler.SignOutUser(t.Context(), "nobody"); err != nil {
		t.Errorf("a user without sessions: %v", err)
	}
}

func TestSignOutOthersKeepsThisBrowser(t *testing.T) {
	t.Parallel()
	s, browsers, other := signedInThrice(t)
	if err := s.handler.SignOutOthers(browsers[1].request("POST", "/devices", nil)); err != nil {
		t.Fatal(err)
	}
	if browsers[0].who() != "" || browsers[1].who() == "" || browsers[2].who() != "" || other.who() == "" {
		t.Errorf("signed in: %q %q %q, and the other user %q", browsers[0].who(), browsers[1].who(), browsers[2].who(),
			other.who())
	}
	err := s.handler.SignOutOthers(s.browser().request("POST", "/devices", nil))
	if !errors.Is(err, login.ErrNoSession) {
		t.Errorf("a browser without a session: %v, want ErrNoSession", err)
	}
}

func TestSessionsListsWhereAUserIsSignedIn(t *testing.T) {
	t.Parallel()
	s, browsers, _ := signedInThrice(t)
	all, err := s.handler.Sessions(t.Context(), "user-a")
	if err != nil || len(all) != 3 {
		t.Fatalf("%d sessions, %v; want 3", len(all), err)
	}
	for i, session := range all {
		current, err := s.handler.Session(browsers[2-i].request("GET", "/", nil))
		if err != nil || session.ID == "" || session.ID != current.ID {
			t.Errorf("session %d has the id %q, that of its browser is %q (%v)", i, session.ID, current.ID, err)
		}
		if session.Subject != "user-a" || !strings.HasPrefix(session.UserAgent, uaWeChat) || len(session.UserAgent) > 256 {
			t.Errorf("session %d: %+v", i, session)
		}
		// The id is shown on pages: it must not be the secret in the cookie.
		if strings.Contains(browsers[2-i].session(), session.ID) || strings.Contains(session.ID, browsers[2-i].session()) {
			t.Error("the id of a session is the value of its cookie")
		}
	}
}

// The id of a session can come from a form. A user must not end the session of another user with it.
func TestSignOutSessionOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	s, browsers, other := signedInThrice(t)
	target, err := s.handler.Session(other.request("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{target.ID, "", "unknown", browsers[0].session()} {
		if err := s.handler.SignOutSession(t.Context(), "user-a", id); !errors.Is(err, login.ErrNoSession) {
			t.Errorf("SignOutSession(%q) = %v, want ErrNoSession", id, err)
		}
	}
	if other.who() == "" || browsers[0].who() == "" {
		t.Error("a session was ended")
	}
	if err := s.handler.SignOutSession(t.Context(), "user-b", target.ID); err != nil || other.who() != "" {
		t.Errorf("one's own session: %v, still signed in %q", err, other.who())
	}
}

// A callback that is repeated after "sign out everywhere" signs nobody in.
func TestBackButtonDoesNotUndoSignOutUser(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	address := s.callback(code("a"), b.begin("/sign-in"))
	s.wantGo(b.get(address), "/")
	if err := s.handler.SignOutUser(t.Context(), accountID+":"+openIDOf(code("a"))); err != nil {
		t.Fatal(err)
	}
	delete(b.cookies, "__Host-weigate-s")
	b.get(address)
	if b.who() != "" {
		t.Error("signed in again")
	}
}

func TestExtraIsInMe(t *testing.T) {
	t.Parallel()
	_, browsers, _ := signedInThrice(t)
	var me struct{ Extra string }
	err := json.NewDecoder(browsers[0].get("/sign-in/me").Body).Decode(&me)
	if err != nil || me.Extra != `{"role":"editor"}` {
		t.Errorf("extra %q, %v", me.Extra, err)
	}
}

// SQL databases reject or change texts that are not UTF-8, and then the session would be lost later.
func TestTextThatIsNotUTF8IsAnErrorOfTheProgram(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) {
		c.OnSignIn = func(_ context.Context, in *login.SignIn) error { in.Extra = "\xff"; return nil }
	})
	b := s.browser()
	s.wantPage(b.get(s.callback(code("a"), b.begin("/sign-in"))), login.PageFault, 500)
	for name, set := range map[string]func(*login.Session){
		"Subject":  func(s *login.Session) { s.Subject = "\xff" },
		"OpenID":   func(s *login.Session) { s.OpenID = "\xff" },
		"UnionID":  func(s *login.Session) { s.UnionID = "\xff" },
		"AppID":    func(s *login.Session) { s.AppID = "\xff" },
		"Nickname": func(s *login.Session) { s.Nickname = "\xff" },
		"Method":   func(s *login.Session) { s.Method = "\xff" },
		"Scopes":   func(s *login.Session) { s.Scopes = []wechat.Scope{"\xff"} },
		"Extra":    func(s *login.Session) { s.Extra = "\xff" },
	} {
		e := scanned(1)
		set(&e.Session)
		if _, err := b.createSession(e); err == nil {
			t.Errorf("CreateSession accepts %s", name)
		}
	}
	// A user agent is cut, also in the middle of a character, and never an error.
	b.agent = strings.Repeat("x", 255) + "长\xff"
	r := b.request("GET", "/", nil)
	if _, _, err := s.handler.CreateSession(r, scanned(2)); err != nil {
		t.Fatal(err)
	}
	all, err := s.handler.Sessions(t.Context(), scanned(2).Session.Subject)
	if err != nil || len(all) != 1 || all[0].UserAgent != strings.Repeat("x", 255) {
		t.Errorf("%+v, %v", all, err)
	}
}

// "Signed out" must be true: a thief's session that the store did not delete is still valid.
func TestFailedSignOutIsNotASignOut(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore()}
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	b := s.browser()
	b.signIn("a")
	session, err := s.handler.Session(b.request("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	down, deleted := errors.New("connection refused"), store.deleted.Load()
	for _, broken := range []string{"reading", "deleting"} {
		store.session, store.remove = nil, func() error { return down }
		if broken == "reading" {
			store.session = func() error { return down }
		}
		for name, err := range map[string]error{
			"SignOutUser":    s.handler.SignOutUser(t.Context(), session.Subject),
			"SignOutOthers":  s.handler.SignOutOthers(b.request("POST", "/devices", nil)),
			"SignOutSession": s.handler.SignOutSession(t.Context(), session.Subject, session.ID),
			"SignOut":        s.handler.SignOut(httptest.NewRecorder(), b.request("POST", "/out", nil)),
		} {
			if !errors.Is(err, down) || errors.Is(err, login.ErrNoSession) {
				t.Errorf("%s without %s: %v", name, broken, err)
			}
		}
	}
	store.session, store.remove = nil, nil
	if n := store.deleted.Load() - deleted; n != 3 { // SignOut twice, SignOutSession once
		t.Errorf("%d calls of DeleteSession, want 3: SignOutSession must not delete what it cannot read", n)
	}
	if b.who() == "" {
		t.Error("the session is gone")
	}
}

// An id from a form can be anything. PostgreSQL fails for a zero byte or bytes that are not UTF-8, and
// the page would say that the database is down.
func TestMadeUpSessionIDsReachNoStore(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore(), session: func() error { return errors.New("called") }}
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	for _, id := range []string{"", "\x00", "\xff", "x' OR '1'='1", "%", strings.Repeat("a", 63), strings.Repeat("a", 66),
		strings.Repeat("\x00", 64), strings.Repeat("长", 22), strings.Repeat("a", 1<<20)} {
		if err := s.handler.SignOutSession(t.Context(), "user-a", id); !errors.Is(err, login.ErrNoSession) {
			t.Errorf("%.70q: %v, want ErrNoSession", id, err)
		}
	}
}

// Everyone can send cookies of any length. Only a value that can be a session id costs a call to the store.
func TestMadeUpSessionCookiesReachNoStore(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore(), session: func() error { return errors.New("called") }}
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	for _, n := range []int{1, 42, 44, 4000} {
		b := s.browser()
		b.cookies["__Host-weigate-s"] = strings.Repeat("A", n)
		if _, err := s.handler.Session(b.request("GET", "/", nil)); !errors.Is(err, login.ErrNoSession) {
			t.Errorf("%d bytes: %v, want ErrNoSession", n, err)
		}
	}
}

// If the program finds no id for its user, all such users would be one.
func TestEmptySubjectSignsNobodyIn(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) {
		c.OnSignIn = func(_ context.Context, in *login.SignIn) error { in.Subject = ""; return nil }
	})
	b := s.browser()
	s.wantPage(b.get(s.callback(code("a"), b.begin("/sign-in"))), login.PageFault, 500)
	if b.session() != "" {
		t.Error("signed in")
	}
}

// An openid is a user's within one appid only: the profile of another app's user is another person's.
func TestProfileOfAnotherAppIsNotCopied(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	other := scanned(1)
	other.Session.AppID, other.Session.OpenID, other.Session.UnionID = "wxother", openIDOf(code("a")), "o6_other"
	if _, err := b.createSession(other); err != nil {
		t.Fatal(err)
	}
	b.signIn("a")
	have, err := s.handler.Session(b.request("GET", "/", nil))
	if err != nil || have.AppID != accountID || have.Nickname != "" || have.UnionID != "" {
		t.Errorf("%+v, %v", have, err)
	}
}

// A user can sign in without end, and each session is a row that a page would list.
func TestListOfSessionsIsBounded(t *testing.T) {
	t.Parallel()
	store := login.NewMemoryStore()
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	now := s.clock.Now()
	for i := range login.MaxSessions + 5 {
		added := login.Session{
			Subject: "u", SignedInAt: now.Add(time.Duration(i) * time.Second), ExpiresAt: now.Add(time.Hour),
		}
		if err := store.CreateSession(t.Context(), fmt.Sprint(i), added, now); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.handler.Sessions(t.Context(), "u")
	if err != nil || len(all) != login.MaxSessions || all[0].ID != fmt.Sprint(login.MaxSessions+4) {
		t.Errorf("%d sessions, %v", len(all), err)
	}
	if err := s.handler.SignOutUser(t.Context(), "u"); err != nil { // ends those too that no page lists
		t.Fatal(err)
	}
	for i := range login.MaxSessions + 5 {
		if _, err := store.Session(t.Context(), fmt.Sprint(i), now); !errors.Is(err, login.ErrNoSession) {
			t.Errorf("session %d: %v", i, err)
		}
	}
}
