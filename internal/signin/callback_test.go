package signin_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/signin"
)

// atWeChat starts a sign-in and returns the callback of it with a code.
func (v *visitor) atWeChat(address, code string) string {
	v.r.t.Helper()
	u, err := url.Parse(v.get(address).location)
	if err != nil || u.Host != "open.weixin.qq.com" {
		v.r.t.Fatalf("sent to %v, %v", u, err)
	}
	callback, err := url.Parse(u.Query().Get("redirect_uri"))
	if err != nil {
		v.r.t.Fatal(err)
	}
	return callback.Path + "?" + url.Values{"code": {code}, "state": {u.Query().Get("state")}}.Encode()
}

func (r *fixture) wantSessions(userID string, want int) {
	r.t.Helper()
	live, err := r.sessions.UserSessions(r.t.Context(), userID, r.now())
	if err != nil || len(live) != want {
		r.t.Errorf("%d sessions, %v; want %d", len(live), err, want)
	}
}

func TestCallbackRecordsTheSignIn(t *testing.T) {
	t.Parallel()
	w := &fakeWeChat{}
	r := newFixture(t, withWeChat(w))
	v := r.visitor(uaWeChat)
	a := v.get(v.atWeChat("/app?x=1", code("alice")))
	if a.status != 303 || a.location != "https://login.example.com/app?x=1&login_request=d1" {
		t.Fatalf("%d to %s", a.status, a.location)
	}
	s, ok := v.session()
	if !ok || s.OpenID != "o-alice" || s.AppID != mainID || s.Connector != "main" || s.Method != "wechat" ||
		s.LoginRequestID != "d1" ||
		!s.AuthTime.Equal(r.now()) || !s.ExpiresAt.Equal(r.now().Add(24*time.Hour)) || s.ProfileDeclined ||
		s.Scopes[0] != "snsapi_base" {
		t.Errorf("session %+v, %v", s, ok)
	}
	events := r.events(signin.EventSignIn)
	if len(events) != 1 || events[0].UserID != s.User.ID || events[0].App != "notes" || events[0].Outcome != "ok" ||
		events[0].Method != "wechat" {
		t.Errorf("events %+v", events)
	}
	if me := v.get("/sign-in/me"); me.status != 200 || !strings.Contains(me.body, `"openid":"o-alice"`) ||
		!strings.Contains(me.body, `"scopes":["snsapi_base"]`) {
		t.Errorf("me: %d %s", me.status, me.body)
	}
	if me := r.visitor(uaWeChat).get("/sign-in/me"); me.status != 401 ||
		me.body != `{"error":"signed_out","sign_in":"https://login.example.com/sign-in"}`+"\n" {
		t.Errorf("me of a visitor: %d %s", me.status, me.body)
	}
}

// Of many requests at once, at two replicas, one redeems the code; all continue with one session.
func TestCallbacksAtOnceAreOneSession(t *testing.T) {
	t.Parallel()
	w := &fakeWeChat{reached: make(chan struct{}), release: make(chan struct{})}
	reached, release := w.reached, w.release
	r := newFixture(t, withWeChat(w))
	replica := newReplica(t, r, withWeChat(w))
	v := r.visitor(uaWeChat)
	callback := v.atWeChat("/app?x=1", code("alice"))
	var wg sync.WaitGroup
	for i := range 16 {
		at := []*fixture{r, replica}[i%2]
		req := v.request("GET", callback, nil)
		wg.Go(func() {
			one := at.visitor(uaWeChat)
			if a := one.do(req); a.status != 303 || a.location != "https://login.example.com/app?x=1&login_request=d1" {
				t.Errorf("%d to %s: %s", a.status, a.location, a.body)
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			v.cookies["__Host-weigate-s"] = one.cookies["__Host-weigate-s"]
		})
	}
	<-reached
	close(release)
	wg.Wait()
	s, ok := v.session()
	if !ok || w.exchanges() != 1 || len(r.events(signin.EventSignIn)) != 1 {
		t.Errorf("signed in %v, %d exchanges, %d events", ok, w.exchanges(), len(r.events(signin.EventSignIn)))
	}
	r.wantSessions(s.UserID, 1)
}

// A repeated callback returns the session while it lives, and never one that has ended.
func TestRepeatedCallback(t *testing.T) {
	t.Parallel()
	w := &fakeWeChat{}
	r := newFixture(t, withWeChat(w))
	v := r.visitor(uaWeChat)
	callback := v.atWeChat("/app?x=1", code("alice"))
	flows := map[string]*http.Cookie{}
	for name, c := range v.cookies {
		flows[name] = c
	}
	v.get(callback)
	first := v.cookies["__Host-weigate-s"].Value
	for range 3 {
		if a := v.get(callback); a.status != 303 || v.cookies["__Host-weigate-s"].Value != first {
			t.Errorf("a repeat: %d to %s", a.status, a.location)
		}
	}
	if a := v.post("/sign-out", url.Values{"return": {"/"}}); a.status != 303 ||
		a.location != "https://login.example.com/" {
		t.Errorf("sign-out: %d to %s", a.status, a.location)
	}
	if len(v.cookies) != 0 {
		t.Errorf("cookies after signing out: %v", v.cookies)
	}
	v.cookies = flows // a browser that restores its old cookies
	a := v.get(callback)
	if !strings.HasPrefix(a.location, "https://login.example.com/sign-in/lost?restart=") {
		t.Fatalf("after signing out: %d to %s", a.status, a.location)
	}
	// The page starts the app's request from the beginning.
	if page := v.follow(a); page.kind() != "lost" || page.link("go") != "/app?x=1" {
		t.Errorf("page %s leads to %s", page.kind(), page.link("go"))
	}
	if _, ok := v.session(); ok || w.exchanges() != 1 {
		t.Errorf("signed in %v, %d exchanges", ok, w.exchanges())
	}
}

// WeChat calls twice with two codes: the second counts when the first was refused, and only then.
func TestSecondCode(t *testing.T) {
	t.Parallel()
	w := &fakeWeChat{refused: map[string]bool{code("bad"): true}}
	r := newFixture(t, withWeChat(w))
	v := r.visitor(uaWeChat)
	callback := v.atWeChat("/app?x=1", code("bad"))
	if a := v.get(callback); a.status != 302 ||
		!strings.HasSuffix(strings.TrimSuffix(a.location, "#wechat_redirect"), "1") {
		t.Errorf("a refused code: %d to %s", a.status, a.location)
	}
	v.get(strings.Replace(callback, "bad", "alice", 1))
	v.get(strings.Replace(callback, "bad", "bob", 1))
	if s, ok := v.session(); !ok || s.OpenID != "o-alice" || w.sent[code("bob")] != 0 || w.sent[code("bad")] != 1 {
		t.Errorf("session %+v, %v, sent %v", s, ok, w.sent)
	}
}

// broken is a store whose CompleteSignIn or FinishAttempt fails.
type broken struct {
	gateway.Store
	complete, finish error
}

func (b *broken) CompleteSignIn(ctx context.Context, c gateway.Completion) (gateway.User, []gateway.Event, error) {
	if b.complete != nil {
		return gateway.User{}, nil, b.complete
	}
	return b.Store.CompleteSignIn(ctx, c)
}

func (b *broken) FinishAttempt(ctx context.Context, key, owner string, out gateway.Outcome, now time.Time) error {
	if b.finish != nil {
		return b.finish
	}
	return b.Store.FinishAttempt(ctx, key, owner, out, now)
}

// A sign-in that could not be recorded leaves no session, and its code is never sent again.
func TestSignInThatIsNotRecorded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		complete, finish error
		location, page   string
		status           int
	}{
		"the attempt is lost":  {complete: gateway.ErrConflict, location: "https://open.weixin.qq.com/"},
		"unavailable":          {complete: gateway.ErrUnavailable, page: "busy", status: 503},
		"unavailable for good": {complete: gateway.ErrUnavailable, finish: gateway.ErrUnavailable, page: "busy", status: 503},
		"another error":        {complete: errors.New("disk on fire"), page: "fault", status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := &fakeWeChat{}, &broken{complete: c.complete, finish: c.finish}
			r := newFixture(t, withWeChat(w), func(r *fixture, cfg *signin.Config) {
				store.Store = r.store
				cfg.Users, cfg.Attempts = store, store
			})
			v := r.visitor(uaWeChat)
			callback := v.atWeChat("/app?x=1", code("alice"))
			a := v.get(callback)
			if c.location != "" && !strings.HasPrefix(a.location, c.location) {
				t.Errorf("sent to %s", a.location)
			}
			if c.page != "" {
				page := v.follow(a)
				if page.kind() != c.page || page.status != c.status || strings.Contains(a.location, code("alice")) ||
					page.link("go") != "/app?x=1" {
					t.Errorf("%s, then %d %s with %s", a.location, page.status, page.kind(), page.link("go"))
				}
			}
			if _, ok := v.session(); ok {
				t.Error("there is a session")
			}
			if users, err := r.store.Users(t.Context(), gateway.UserQuery{}); err != nil || len(users) != 0 {
				t.Errorf("users %+v, %v", users, err)
			}
			store.complete, store.finish = nil, nil
			if c.finish == nil && c.complete != gateway.ErrConflict { // else a repeat waits for the lease
				v.get(callback)
			}
			if _, ok := v.session(); ok || w.exchanges() != 1 {
				t.Errorf("after a repeat: signed in %v, %d exchanges", ok, w.exchanges())
			}
		})
	}
}

func TestBlockedUserIsRefused(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withWeChat(&fakeWeChat{}))
	mallory := r.user("mallory")
	if _, err := r.store.UpdateUser(t.Context(), mallory, r.now(), func(u *gateway.User) error {
		u.Status = gateway.Blocked
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v := r.visitor(uaWeChat)
	callback := v.atWeChat("/app?x=1", code("mallory"))
	for range 2 { // a repeat sees the same
		if page := v.follow(v.get(callback)); page.kind() != "blocked" || page.status != 403 {
			t.Errorf("page %d %s", page.status, page.kind())
		}
	}
	events := r.events(signin.EventSignIn)
	if _, ok := v.session(); ok || len(events) != 1 || events[0].Outcome != "refused" || events[0].UserID != mallory {
		t.Errorf("signed in %v, events %+v", ok, events)
	}
	r.wantSessions(mallory, 0)
}

// A new sign-in ends the session that the browser had: nobody could sign out of it.
func TestSignInEndsThePreviousSession(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withWeChat(&fakeWeChat{}))
	v := r.visitor(uaWeChat)
	v.must(r.by(signin.MethodWeChat, r.user("alice")))
	before, _ := v.session()
	r.later(time.Minute)
	callback := v.atWeChat("/sign-in?return=/", code("bob"))
	v.get(callback)
	s, ok := v.session()
	if !ok || s.OpenID != "o-bob" {
		t.Fatalf("session %+v, %v", s, ok)
	}
	r.wantSessions(before.UserID, 0)
	v.get(callback) // the repeat ends nothing
	r.wantSessions(s.UserID, 1)
}

// A user who agreed to a profile that WeChat then does not return continues without it, and is not
// asked in a loop. A user who declined is not asked again after another sign-in in the same
// browser.
func TestProfileIsNotAskedInALoop(t *testing.T) {
	t.Parallel()
	w := &fakeWeChat{}
	r := newFixture(t, withWeChat(w))
	v := r.visitor(uaWeChat)
	v.get(v.atWeChat("/sign-in?return=/&scope=profile", code("alice-profile")))
	if s, ok := v.session(); !ok || !s.ProfileDeclined {
		t.Errorf("session %+v, %v", s, ok)
	}
	w.profile = true
	v.get(v.atWeChat("/sign-in?return=/&scope=profile", code("alice-profile")))
	if s, ok := v.session(); !ok || s.ProfileDeclined || s.User.Nickname != "Alice" || s.User.AvatarURL != "" {
		t.Errorf("session %+v, %v", s, ok)
	}

	bob := r.visitor(uaWeChat)
	bob.get(bob.atWeChat("/sign-in?return=/", code("bob")))
	if page := bob.get("/sign-in/profile?return=/app?x=1"); page.kind() != "profile" ||
		page.link("go") != "/sign-in?return=%2Fapp%3Fx%3D1&scope=profile" {
		t.Errorf("page %s: %s", page.kind(), page.body)
	}
	if page := bob.post("/sign-in/profile", url.Values{"return": {"/app?x=1"}}); page.kind() != "continue" ||
		page.link("go") != "/app?x=1" {
		t.Errorf("page %s", page.kind())
	}
	r.later(time.Minute)
	bob.get(bob.atWeChat("/sign-in?return=/", code("bob")))
	if s, ok := bob.session(); !ok || !s.ProfileDeclined {
		t.Errorf("session %+v, %v", s, ok)
	}
}

// Denial and unknown addresses have pages of their own; other HTTP methods get 405.
func TestPagesOfTheSignIn(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withWeChat(&fakeWeChat{}))
	v := r.visitor(uaWeChat)
	denied, _, _ := strings.Cut(v.atWeChat("/app?x=1", code("alice")), "code=")
	state := v.atWeChat("/app?x=2", "x")
	denied += state[strings.Index(state, "state="):]
	if page := v.get(denied); page.kind() != "denied" || page.status != 200 || page.link("go") != "/app?x=2" {
		t.Errorf("denied: %s leads to %s", page.kind(), page.link("go"))
	}
	for address, want := range map[string]string{
		"/sign-in/ended?page=x": "lost", "/sign-in/lost": "no_cookies",
		"/sign-in/lost?return=//evil.example&restart=x": "no_cookies", "/sign-in/nothing": "not_found",
		"/sign-in/profile?return=//evil.example": "bad_return", "/sign-out?return=https://evil.example/": "bad_return",
	} {
		if page := r.visitor(uaWeChat).get(address); page.kind() != want || strings.Contains(page.body, "evil") {
			t.Errorf("%s: %s", address, page.body)
		}
	}
	for _, address := range []string{"/sign-in", "/sign-in/lost", "/sign-in/ended", "/sign-in/me", "/wechat/callback"} {
		if a := v.post(address, url.Values{}); a.status != 405 || a.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d, Allow %q", address, a.status, a.header.Get("Allow"))
		}
	}
	v.must(r.by(signin.MethodWeChat, r.user("alice")))
	if page := v.get("/sign-out?return=/app"); page.kind() != "sign_out" ||
		!strings.Contains(page.body, `name="return" value="/app"`) {
		t.Errorf("sign-out page: %s", page.body)
	}
}
