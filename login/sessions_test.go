package login_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
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
	e := scanned(1)
	e.Session.Extra = "\xff"
	if _, err := b.createSession(e); err == nil {
		t.Error("CreateSession accepts the text")
	}
}
