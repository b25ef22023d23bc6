package login_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

func TestProfileIsAskedForByAPageOfOurs(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.wechat.exchange = func(_ context.Context, c string) string {
		if strings.HasSuffix(c, "p") {
			return strings.Replace(tokenFor(c, "snsapi_userinfo"), openIDOf(c), openIDOf("a"), 1)
		}
		return tokenFor(c, "snsapi_base")
	}
	b := s.browser()
	res := b.get("/named/x?y=1") // signed out: silently signed in first
	s.wantGo(b.get(s.callback(code("a"), b.begin(res.Header.Get("Location")))), "/named/x?y=1")
	if s.wechat.userInfo != 0 {
		t.Error("user info was asked for with a base token")
	}
	ask := b.get("/named/x?y=1").Header.Get("Location")
	if want := s.origin + "/sign-in/profile?return=%2Fnamed%2Fx%3Fy%3D1"; ask != want {
		t.Fatalf("sent to %q, want %q", ask, want)
	}
	page := b.get(ask)
	policy := page.Header.Get("Referrer-Policy")
	body := s.wantPage(page, login.PageProfile, 200)
	again := "/sign-in?return=%2Fnamed%2Fx%3Fy%3D1&scope=profile"
	if !strings.Contains(body, `href="`+s.origin+strings.ReplaceAll(again, "&", "&amp;")) ||
		!strings.Contains(body, `method="post" action="`+s.origin+`/sign-in/profile"`) {
		t.Errorf("page: %s", body)
	}
	if policy != "same-origin" {
		t.Errorf("Referrer-Policy %q: browsers without Sec-Fetch-Site would send the form with Origin: null", policy)
	}
	b.headers.Set("Accept", "application/json")
	if res := b.get("/named/x"); res.StatusCode != 403 || !strings.Contains(text(res), `"error":"profile_required"`) {
		t.Errorf("API call without a profile: %d", res.StatusCode)
	}
	b.headers.Del("Accept")

	s.wantGo(b.get(s.callback(code("p"), b.begin(again))), "/named/x?y=1")
	if got := text(b.get("/named/x?y=1")); got != `hello `+openIDOf("a")+` "小明"` {
		t.Errorf("page with a profile: %s", got)
	}
	if res := b.get(ask); res.Header.Get("Location") != s.origin+"/named/x?y=1" {
		t.Errorf("asked again at once: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	// A silent sign-in of the same user keeps the profile; another user does not get it.
	b.signIn("a")
	if got := text(b.get("/named/x")); got != `hello `+openIDOf("a")+` "小明"` {
		t.Errorf("after a silent sign-in: %s", got)
	}
	b.signIn("b")
	if res := b.get("/named/x"); res.StatusCode != 302 {
		t.Errorf("another user has a profile: %s", text(res))
	}
}

func TestProfileGetsOld(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) { c.SessionIdle, c.ProfileMaxAge = 100*time.Hour, 10*time.Hour })
	s.wechat.exchange = func(_ context.Context, c string) string { return tokenFor(c, "snsapi_userinfo") }
	b := s.browser()
	s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in?scope=profile"))), "/")
	s.clock.advance(10*time.Hour - time.Minute)
	if res := b.get("/named/x"); res.StatusCode != 200 {
		t.Errorf("a young profile: %d", res.StatusCode)
	}
	s.clock.advance(time.Minute)
	if res := b.get("/named/x"); res.StatusCode != 302 {
		t.Errorf("an old profile: %d", res.StatusCode)
	}
	if res := b.post("/named/x", url.Values{"text": {"a long one"}}); res.StatusCode != 200 {
		t.Errorf("a form: %d; what was written must not be lost to the question", res.StatusCode)
	}
}

func TestGoOnWithoutIsRememberedForTheSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("a")
	s.wantGo(b.post("/sign-in/profile", url.Values{"return": {"/named/x"}}), "/named/x")
	if got := text(b.get("/named/x")); got != `hello `+openIDOf(code("a"))+` ""` {
		t.Errorf("page: %s", got)
	}
	other := s.browser()
	other.signIn("a")
	if res := other.get("/named/x"); res.StatusCode != 302 {
		t.Errorf("another session is not asked: %d", res.StatusCode)
	}
	s.wantGo(s.browser().post("/sign-in/profile", url.Values{"return": {"/named/x"}}), "/sign-in?return=%2Fnamed%2Fx")
	// Denied at WeChat while signed in: the way on is the same.
	state := other.begin("/sign-in?return=/named/x&scope=profile")
	if body := s.wantPage(other.get("/wechat/callback?state="+state), login.PageDenied, 200); !strings.Contains(body,
		`action="`+s.origin+`/sign-in/profile"`) {
		t.Errorf("page: %s", body)
	}
}

// The exchange succeeded and user info failed: the user is signed in without a profile.
func TestFailingUserInfoStillSignsIn(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"not allowed": refused(48001, "api unauthorized"), "busy": refused(-1, "system error"), "web page": "<html>",
		"cut off":      `{"openid":"o`,
		"another user": profileOf("oSomebodyElse", "Mallory", ""),
	} {
		s := newFixture(t)
		s.wechat.exchange = func(_ context.Context, c string) string { return tokenFor(c, "snsapi_userinfo") }
		s.wechat.profile = func() string { return answer }
		b := s.browser()
		s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in?scope=profile&return=/named/x"))), "/named/x")
		if b.who() != openIDOf(code("a")) || strings.Contains(text(b.get("/sign-in/me")), "Mallory") {
			t.Errorf("%s: signed in as %q", name, b.who())
		}
		if res := b.get("/named/x"); res.StatusCode != 302 {
			t.Errorf("%s: the profile is not asked for again: %d", name, res.StatusCode)
		}
	}
}

// Somebody replaces snsapi_userinfo with snsapi_base in the address at WeChat, which then shows no
// consent page. The base token does not satisfy the request for consent.
func TestEditedScopeIsNoConsent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ scope, profile string }{
		"base scope":             {"snsapi_base", profileOf(openIDOf(code("a")), "Mallory", "")},
		"no scope in the answer": {"", refused(48001, "api unauthorized")},
	} {
		s := newFixture(t)
		s.mustAnswer(c.scope)
		s.wechat.profile = func() string { return c.profile }
		b := s.browser()
		state := b.begin("/sign-in?scope=profile&return=/named/x")
		for range 2 { // a repeated callback gets the same page
			body := s.wantPage(b.get(s.callback(code("a"), state)), login.PageConsent, 200)
			if !strings.Contains(body, `href="`+s.origin+`/sign-in?return=%2Fnamed%2Fx&amp;scope=profile"`) {
				t.Errorf("%s: the page does not lead on: %s", name, body)
			}
		}
		if who := b.who(); who != "" {
			t.Errorf("%s: signed in as %q", name, who)
		}
		s.mustAnswer("snsapi_userinfo")
		s.wechat.profile = nil
		s.wantGo(b.get(s.callback(code("b"), b.begin("/sign-in?scope=profile&return=/named/x"))), "/named/x")
	}
}

// WeChat's newest documentation leaves the scope out of the token response. Then user info shows
// whether the user consented; without an answer, nobody knows.
func TestTokenWithoutScope(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.mustAnswer("")
	b := s.browser()
	s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in?scope=profile"))), "/")
	if s.wechat.userInfo != 1 {
		t.Error("user info was not requested")
	}
	s.wechat.profile = func() string { return refused(-1, "system error") }
	s.wantPage(b.get(s.callback(code("b"), b.begin("/sign-in?scope=profile"))), login.PageBusy, 503)
}

func TestOnSignInConnectsTheUser(t *testing.T) {
	t.Parallel()
	var got login.SignIn
	s := newFixture(t, func(c *login.Config) {
		c.RequestID = func(*http.Request) string { return "request-7" }
		c.OnSignIn = func(ctx context.Context, in *login.SignIn) error {
			got = *in
			if _, limited := ctx.Deadline(); !limited {
				t.Error("OnSignIn has no time limit")
			}
			in.Subject, in.Nickname, in.ProfileAt = "user-42", "Known from before", in.SignedInAt
			in.Extra = `{"role":"editor"}`
			in.AvatarURL = "https://evil.example/track.gif"
			in.OpenID, in.Scopes = "changed", []wechat.Scope{"changed"} // has no effect
			return nil
		}
	})
	s.mustAnswer("snsapi_userinfo")
	b := s.browser()
	b.do(b.request("GET", "/", nil))
	start := s.mux
	s.mux = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.Start(w, r, login.StartOptions{Return: "/private/x", Scope: wechat.ScopeUserInfo, ForcePopup: true,
			Data: []byte("order 7")})
	})
	res := b.get("/begin")
	s.mux = start
	if location := res.Header.Get("Location"); !strings.Contains(location, "forcePopup=true") ||
		!strings.Contains(location, "scope=snsapi_userinfo") {
		t.Errorf("sent to %q", location)
	}
	s.wantGo(b.get(s.callback(code("a"), s.stateIn(res))), "/private/x")
	if string(got.Data) != "order 7" || got.Return != s.origin+"/private/x" || got.RequestID != "request-7" ||
		got.Subject != accountID+":"+openIDOf(code("a")) || got.Method != login.MethodWeChat || got.AppID != accountID {
		t.Errorf("OnSignIn got %+v", got)
	}
	me, err := s.handler.Session(b.request("GET", "/", nil))
	if err != nil || me.Subject != "user-42" || me.Extra != `{"role":"editor"}` || me.Nickname != "Known from before" ||
		me.AvatarURL != "" || me.OpenID != openIDOf(code("a")) ||
		len(me.Scopes) != 1 || me.Scopes[0] != wechat.ScopeUserInfo {
		t.Errorf("session %+v, %v", me, err)
	}
	if res := b.get("/named/x"); res.StatusCode != 200 {
		t.Error("a profile that the app knew is asked for again")
	}
}
