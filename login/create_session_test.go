package login_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

// scanned is a sign-in that another way has confirmed.
func scanned(seed byte) login.Authentication {
	return login.Authentication{
		Session: login.Session{Subject: "alice", AppID: accountID, OpenID: "oX6mX57QiiVC0DHls-eQ_igBfkbA", Nickname: "Alice",
			Method: "scan", Extra: "x"},
		Seed: key(seed)[:login.MinSeed],
	}
}

// createSession calls CreateSession for a request of the browser.
func (b *browser) createSession(e login.Authentication) (created bool, err error) {
	return b.createSessionFor(b.request("GET", "/scan", nil), e)
}

func (b *browser) createSessionFor(r *http.Request, e login.Authentication) (created bool, err error) {
	c, created, err := b.site.handler.CreateSession(r, e)
	if (c == nil) != (err != nil) {
		b.site.t.Errorf("CreateSession returns cookie %v and error %v", c, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c != nil {
		b.cookies[c.Name] = c.Value
	}
	return created, err
}

// must fails the test unless CreateSession succeeds and created is want.
func (b *browser) must(e login.Authentication, want bool) {
	b.site.t.Helper()
	if created, err := b.createSession(e); err != nil || created != want {
		b.site.t.Fatalf("CreateSession = %v, %v; want %v", created, err, want)
	}
}

func TestCreateSessionSignsIn(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.must(scanned(1), true)
	got, err := s.handler.Session(b.request("GET", "/", nil))
	if err != nil || got.Subject != "alice" || got.Nickname != "Alice" || got.Method != "scan" || got.Extra != "x" ||
		!got.SignedInAt.Equal(s.clock.Now()) || !got.ExpiresAt.Equal(s.clock.Now().Add(24*time.Hour)) {
		t.Errorf("session = %+v, %v", got, err)
	}
	if body := text(b.get("/private/x")); body != `hello oX6mX57QiiVC0DHls-eQ_igBfkbA "Alice"` {
		t.Errorf("page: %s", body)
	}
}

// A process that died after CreateSession, a second click, a second tab: one session.
func TestCreateSessionTwiceIsOneSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	var created atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			switch first, err := b.createSession(scanned(1)); {
			case err != nil:
				t.Errorf("CreateSession: %v", err)
			case first:
				created.Add(1)
			}
		})
	}
	wg.Wait()
	id := b.session()
	b.must(scanned(1), false)
	if created.Load() != 1 || b.session() != id || b.who() == "" {
		t.Errorf("%d sessions created; the cookie moved: %v", created.Load(), b.session() != id)
	}
	repeat := scanned(1)
	repeat.Repeat = true
	b.must(repeat, false)
	if b.session() != id {
		t.Error("a repeat has another session")
	}
}

func TestCreateSessionAgainDoesNotUndoASignOut(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.must(scanned(1), true)
	b.post("/sign-out", nil)
	repeat := scanned(1)
	repeat.Repeat = true
	if _, err := b.createSession(repeat); !errors.Is(err, login.ErrNoSession) || b.session() != "" {
		t.Errorf("CreateSession = %v, session %q; want ErrNoSession and none", err, b.session())
	}
	b.must(scanned(1), true) // as its comment says
	s.clock.advance(25 * time.Hour)
	if _, err := b.createSession(repeat); !errors.Is(err, login.ErrNoSession) {
		t.Errorf("after the idle limit CreateSession = %v, want ErrNoSession", err)
	}
}

// A call with the seed of another sign-in does not return that session.
func TestCreateSessionDoesNotReturnAnotherUsersSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.browser().must(scanned(1), true)
	for name, change := range map[string]func(*login.Session){
		"another user":   func(s *login.Session) { s.Subject = "mallory" },
		"another openid": func(s *login.Session) { s.OpenID = "oX6mX57QiiVC0DHls-eQ_igBfkbM" },
		"another app":    func(s *login.Session) { s.AppID = websiteID },
		"another method": func(s *login.Session) { s.Method = login.MethodWeChat },
	} {
		for _, repeat := range []bool{false, true} {
			e := scanned(1)
			e.Repeat = repeat
			change(&e.Session)
			b := s.browser()
			if _, err := b.createSession(e); !errors.Is(err, login.ErrSessionExists) || b.session() != "" {
				t.Errorf("%s: CreateSession = %v, session %q", name, err, b.session())
			}
		}
	}
}

// Nobody could sign out of a session whose cookie was replaced.
func TestCreateSessionEndsThePreviousSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("1")
	before := b.request("GET", "/", nil)
	b.must(scanned(1), true)
	if _, err := s.handler.Session(before); !errors.Is(err, login.ErrNoSession) {
		t.Errorf("the previous session: %v, want ErrNoSession", err)
	}
	b.must(scanned(2), true)
	if b.who() == "" {
		t.Error("the new session ended with the previous one")
	}
}

func TestCreateSessionRefusesIncompleteAuthentications(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for name, change := range map[string]func(*login.Authentication){
		"no subject":     func(e *login.Authentication) { e.Session.Subject = "" },
		"no seed":        func(e *login.Authentication) { e.Seed = nil },
		"short seed":     func(e *login.Authentication) { e.Seed = e.Seed[:login.MinSeed-1] },
		"over already":   func(e *login.Authentication) { e.Session.SignedInAt = s.clock.Now().Add(-721 * time.Hour) },
		"nothing at all": func(e *login.Authentication) { *e = login.Authentication{} },
	} {
		e := scanned(1)
		change(&e)
		b := s.browser()
		if created, err := b.createSession(e); err == nil || created || b.session() != "" {
			t.Errorf("%s: CreateSession = %v, %v, session %q", name, created, err, b.session())
		}
	}
	e := scanned(3)
	e.Session.AvatarURL = "https://evil.example/a.png"
	b := s.browser()
	b.must(e, true)
	if got, err := s.handler.Session(b.request("GET", "/", nil)); err != nil || got.AvatarURL != "" {
		t.Errorf("session = %+v, %v", got, err)
	}
}

// "That was not me", pressed on the phone: it ends the desktop's session, whose cookie it never
// saw.
func TestAuthenticationSessionIDEndsTheSession(t *testing.T) {
	t.Parallel()
	store := login.NewMemoryStore()
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	b := s.browser()
	b.must(scanned(1), true)
	id, err := login.AuthenticationSessionID(scanned(1).Seed)
	if err != nil || id == b.session() {
		t.Fatalf("id %q, %v", id, err)
	}
	if err := store.DeleteSession(t.Context(), id); err != nil || b.who() != "" {
		t.Errorf("%v, still signed in as %q", err, b.who())
	}
	if _, err := login.AuthenticationSessionID(nil); err == nil {
		t.Error("a seed of nothing has an id")
	}
}

func TestCreateSessionWhileTheStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	o := &outage{Store: login.NewMemoryStore(), err: login.ErrUnavailable}
	s := newFixture(t, func(c *login.Config) { c.Store = o })
	b := s.browser()
	for _, method := range []string{"CreateSession", "Session"} {
		o.method.Store(method)
		e := scanned(1)
		e.Repeat = method == "Session"
		if _, err := b.createSession(e); !errors.Is(err, login.ErrUnavailable) || b.session() != "" {
			t.Errorf("%s: CreateSession = %v, session %q", method, err, b.session())
		}
	}
	o.method.Store("")
	b.must(scanned(1), true)
}

func TestCheckReturn(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) { c.URL += "/in"; c.ReturnHosts = []string{"shop.example.com"} })
	for address, want := range map[string]string{
		"": "https://app.example.com/in/", "/in/x?y#z": "https://app.example.com/in/x?y#z",
		"https://shop.example.com": "https://shop.example.com/",
		"//evil.example":           "", "https://evil.example/": "", "javascript:alert(1)": "", "/in/sign-in?return=/": "",
		`/\evil.example`: "",
	} {
		got, err := s.handler.CheckReturn(address)
		if got != want || (want == "") != errors.Is(err, login.ErrReturn) {
			t.Errorf("CheckReturn(%q) = %q, %v; want %q", address, got, err, want)
		}
	}
}

func TestWhereABrowserIs(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string][2]bool{
		uaWeChat:                         {true, false},
		uaDesktop:                        {false, false},
		"Mozilla/5.0 (iPhone) Mobile":    {false, true},
		uaWeChat + " wxwork/4.1":         {false, true},
		uaWeChat + " miniProgram/wx":     {false, true},
		uaWeComWindows:                   {false, false},
		uaHarmonyTablet:                  {false, true},
		uaHarmonyPC:                      {false, false},
		"":                               {false, false},
		"x WindowsWechat MICROMESSENGER": {true, false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", agent)
		if got := [2]bool{login.InWeChat(r), login.OnPhone(r)}; got != want {
			t.Errorf("%q: InWeChat, OnPhone = %v, want %v", agent, got, want)
		}
	}
}
