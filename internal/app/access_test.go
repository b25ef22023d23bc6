package app_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// set changes the one account's status.
func (w *gatewayFixture) set(status gateway.Status) {
	w.t.Helper()
	users, err := w.store.Users(w.t.Context(), gateway.UserQuery{})
	if err != nil || len(users) != 1 {
		w.t.Fatalf("users: %+v, %v", users, err)
	}
	if _, err := w.store.UpdateUser(w.t.Context(), users[0].ID, w.clock.Now(), func(a *gateway.User) error {
		a.Status = status
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// giveName gives the name of a user who waits. Afterwards the page reloads automatically.
func (p phone) giveName(name string) *wechattest.Page {
	p.Must(p.Submit(context.Background(), "/access/name", url.Values{"name": {name}}))
	return p.Must(p.FollowRefresh(context.Background()))
}

func TestWaitingPageLetsInOnceApproved(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	alice.giveName("李雷")
	for range 3 {
		alice.WantPage(alice.Must(alice.FollowRefresh(t.Context())), "waiting", 200)
	}
	if w.wechat.Exchanges() != 1 {
		t.Errorf("waiting took %d exchanges", w.wechat.Exchanges())
	}
	w.set(gateway.Active)
	fixture.WantAt(w.t, alice.Must(alice.FollowRefresh(t.Context())), w.app.URL+"/closed")
	if w.app.LastQuery().Get("code") == "" {
		t.Errorf("the app received %v", w.app.LastQuery())
	}
}

// The waiting page belongs to the cookie: its address, opened elsewhere, shows nobody's place in
// the queue.
func TestWaitingPageIsNoCapability(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice, bob := w.phone("alice"), w.phone("bob")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	page := alice.giveName("李雷")
	w.set(gateway.Active)
	bobs := bob.Must(bob.Open(t.Context(), page.RefreshURL))
	if strings.HasPrefix(bobs.URL, w.app.URL) {
		t.Error("a stranger got in by the address of the waiting page")
	}
}

func TestBlockedAtOnceAndAtTheNextSignIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	access := w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken
	w.set(gateway.Blocked)
	if who := w.userinfo(access); who["sub"] != nil {
		t.Errorf("the token of a blocked user still returns %v", who)
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "welcome", 200)
	page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample"))), "blocked", 403)
	if len(alice.Cookies(w.url)) > 0 && strings.Contains(page.Body, "code=") {
		t.Error("the page holds a code")
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "welcome", 200)
	events, err := w.store.Events(t.Context(), gateway.EventQuery{Kind: "sign_in"})
	if err != nil || len(events) != 2 || events[0].Outcome != "refused" {
		t.Errorf("events: %+v, %v", events, err)
	}
}

func TestOwnPageAndSignOutHere(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "welcome", 200)
	alice.WantPage(alice.Press(), "own", 200)
	alice.Press()
	page := alice.WantPage(alice.Must(alice.Allow(t.Context())), "own", 200)
	if !strings.Contains(page.Body, "Alice") || !strings.Contains(page.Body, "此浏览器") ||
		!strings.Contains(page.Body, ">微信（安卓）<") || // the name of the browser
		!strings.Contains(page.Body, `<img src="`+w.wechat.URL) {
		t.Errorf("own page: %s", page.Body)
	}
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "sign-out", nil)), "welcome", 200)
	alice.WantPage(alice.Must(alice.Back(t.Context())), "welcome", 200)
}

func TestSignOutEverywhereEndsSessionsAndTokens(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	access := w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken
	// Another browser of the same user.
	other := alice.Cookies(w.url)
	alice.ClearCookies()
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200)
	if n := strings.Count(page.Body, `<b id="session-`); n != 2 {
		t.Errorf("%d sessions listed, want 2", n)
	}
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "everywhere", nil)), "ended_all", 200)
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "welcome", 200)
	if who := w.userinfo(access); who["sub"] != nil {
		t.Errorf("an app still learns %v", who)
	}
	if body := w.get("/sign-in/me", other); !strings.Contains(body, "signed_out") {
		t.Errorf("the other browser is %s", body)
	}
}

// get asks with cookies, as a program.
func (w *gatewayFixture) get(path string, cookies []*http.Cookie) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return w.body(r)
}

func TestSignOutFromAnotherSiteDoesNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	for _, path := range []string{"/sign-out", "/sign-out/everywhere", "/sign-in/profile"} {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.url+path,
			strings.NewReader("return="+url.QueryEscape("/")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://evil.example")
		for _, c := range alice.Cookies(w.url) {
			r.AddCookie(c)
		}
		if body := w.body(r); !strings.Contains(body, "foreign_form") {
			t.Errorf("%s: %s", path, body)
		}
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200)
}

// The form "Continue without" accepts return addresses of the gateway only.
func TestGoOnWithoutIsNoOpenRedirect(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, evil := range []string{
		"https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "", "evil", "/a/../../b",
		"/\tx", w.url + "@evil.example/", w.url + ".evil.example/",
		"/%2e%2e/x", `/"><script>`,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/sign-in/profile",
			strings.NewReader(url.Values{"return": {evil}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if body := w.body(r); !strings.Contains(body, "bad_return") {
			t.Errorf("%q: %s", evil, body)
		}
	}
}
