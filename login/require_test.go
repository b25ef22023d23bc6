package login_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

func TestRequireTellsPagesFromAPICalls(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for name, c := range map[string]struct {
		method string
		header map[string]string
		status int
	}{
		"page":                       {"GET", nil, 302},
		"page by HEAD":               {"HEAD", nil, 302},
		"page, new browser":          {"GET", map[string]string{"Sec-Fetch-Mode": "navigate"}, 302},
		"fetch, new browser":         {"GET", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "*/*"}, 401},
		"fetch that accepts HTML":    {"GET", map[string]string{"Sec-Fetch-Mode": "same-origin"}, 401},
		"JSON":                       {"GET", map[string]string{"Accept": "application/json"}, 401},
		"XMLHttpRequest":             {"GET", map[string]string{"X-Requested-With": "XMLHttpRequest"}, 401},
		"anything":                   {"GET", map[string]string{"Accept": "*/*"}, 302},
		"program that sends":         {"PUT", map[string]string{"Accept": "*/*"}, 401},
		"form":                       {"POST", nil, 401},
		"form, new browser":          {"POST", map[string]string{"Sec-Fetch-Mode": "navigate"}, 401},
		"JSON among other things":    {"GET", map[string]string{"Accept": "text/plain, application/json;q=0.9"}, 401},
		"browser that also has JSON": {"GET", map[string]string{"Accept": "text/html,application/json"}, 302},
	} {
		b := s.browser()
		for k, v := range c.header {
			b.headers.Set(k, v)
		}
		res := b.do(b.request(c.method, "/private/x?y", nil))
		body := text(res)
		if res.StatusCode != c.status || strings.Contains(body, "hello") {
			t.Errorf("%s: status %d, want %d: %s", name, res.StatusCode, c.status, body)
		}
		isJSON := strings.HasPrefix(res.Header.Get("Content-Type"), "application/json")
		if want := c.status == 401 && !strings.Contains(name, "form"); isJSON != want {
			t.Errorf("%s: Content-Type %q", name, res.Header.Get("Content-Type"))
		}
		if isJSON && !strings.Contains(body, `"error":"signed_out","sign_in":"https://app.example.com/sign-in"`) {
			t.Errorf("%s: %s", name, body)
		}
		if res.Header.Get("Cache-Control") != "no-store" ||
			!strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Cookie") {
			t.Errorf("%s: headers %v", name, res.Header)
		}
	}
}

func TestRequireServesSignedInUsers(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("a")
	res := b.get("/private/x")
	if body := text(res); res.StatusCode != 200 || !strings.Contains(body, openIDOf(code("a"))) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	// A cache must not show the page of one user to another.
	if res.Header.Get("Cache-Control") != "private, no-store" || res.Header.Get("Vary") != "Cookie" {
		t.Errorf("headers %v", res.Header)
	}
	for name, value := range map[string]string{"made up": strings.Repeat("A", 43), "short": "x",
		"long": strings.Repeat("A", 5000)} {
		stranger := s.browser()
		stranger.cookies["__Host-weigate-s"] = value
		if res := stranger.get("/private/x"); res.StatusCode != 302 {
			t.Errorf("%s session cookie: status %d", name, res.StatusCode)
		}
	}
	if _, found := login.FromContext(context.Background()); found {
		t.Error("FromContext found a session in an empty context")
	}
}

func TestSessionEndsWhenIdleAndAtItsLimit(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore()}
	s := newFixture(t, func(c *login.Config) {
		c.Store, c.SessionIdle, c.SessionMax = store, time.Hour, 3*time.Hour
	})
	idle, busy := s.browser(), s.browser()
	idle.signIn("a")
	busy.signIn("b")
	for minutes := 0; minutes < 59; minutes += 2 {
		s.clock.advance(2 * time.Minute)
		if busy.who() == "" {
			t.Fatalf("a session in use ended after %d minutes", minutes)
		}
	}
	if n := store.updates.Load(); n < 5 || n > 10 {
		t.Errorf("%d writes for 30 requests in an hour, want a tenth of the idle time between two", n)
	}
	if idle.who() != "" {
		t.Error("an idle session is still there after an hour")
	}
	for range 3 {
		s.clock.advance(39 * time.Minute)
		if busy.who() == "" {
			t.Fatal("a session in use ended before its limit")
		}
	}
	s.clock.advance(3 * time.Minute)
	if busy.who() != "" {
		t.Error("a session in use is still there after three hours")
	}
}

func TestNewSignInEndsThePreviousSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b, copied := s.browser(), s.browser()
	b.signIn("a")
	for name, value := range b.cookies {
		copied.cookies[name] = value
	}
	b.signIn("b")
	if b.who() != openIDOf(code("b")) || copied.who() != "" {
		t.Errorf("new session %q, previous one %q", b.who(), copied.who())
	}
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.wechat.exchange = func(_ context.Context, c string) string { return tokenFor(c, "snsapi_userinfo") }
	b := s.browser()
	res := b.get("/sign-in/me")
	if body := text(res); res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") != "Weigate" ||
		!strings.HasPrefix(body, `{"error":"signed_out","sign_in":"https://app.example.com/sign-in","request_id":"`) {
		t.Errorf("signed out: %d %s", res.StatusCode, body)
	}
	s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in?scope=profile"))), "/")
	res = b.get("/sign-in/me")
	if have := res.Header["Vary"]; !slices.Contains(have, "Cookie") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a cache could serve the user to others: Vary %q, %q", have, res.Header.Get("Cache-Control"))
	}
	var me map[string]any
	if err := json.NewDecoder(res.Body).Decode(&me); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"subject": accountID + ":" + openIDOf(code("a")), "openid": openIDOf(code("a")), "appid": accountID, "nickname": "小明",
		"avatar": "https://thirdwx.qlogo.cn/a/132", "scopes": []any{"snsapi_userinfo"}, "method": "wechat",
		"signed_in_at": float64(s.clock.Now().Unix()), "profile_at": float64(s.clock.Now().Unix()),
		"expires_at": float64(s.clock.Now().Add(24 * time.Hour).Unix()), "sign_out": "https://app.example.com/sign-out",
	}
	for k, v := range want {
		if got, _ := json.Marshal(me[k]); string(got) != func() string { b, _ := json.Marshal(v); return string(b) }() {
			t.Errorf("%s = %s, want %v", k, got, v)
		}
	}
	if len(me) != len(want) || res.Header.Get("Cache-Control") != "no-store" ||
		res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("answer %v, headers %v", me, res.Header)
	}
}
