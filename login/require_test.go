package login_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

func TestRequireTellsPagesFromAPICalls(t *testing.T) {
	t.Parallel()
	s := newSite(t)
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
		if res.Header.Get("Cache-Control") != "no-store" || !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Cookie") {
			t.Errorf("%s: headers %v", name, res.Header)
		}
	}
}

func TestRequireLetsSignedInPeopleThrough(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	b.signIn("a")
	res := b.get("/private/x")
	if body := text(res); res.StatusCode != 200 || !strings.Contains(body, openIDOf(code("a"))) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	// A page for one person must not be shown to the next from a cache.
	if res.Header.Get("Cache-Control") != "private, no-store" || res.Header.Get("Vary") != "Cookie" {
		t.Errorf("headers %v", res.Header)
	}
	for name, value := range map[string]string{"made up": strings.Repeat("A", 43), "short": "x", "long": strings.Repeat("A", 5000)} {
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
	s := newSite(t, func(c *login.Config) {
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
	s := newSite(t)
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

func TestProfileIsAskedForByAPageOfOurs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
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
	if !strings.Contains(body, `href="`+s.origin+strings.ReplaceAll(again, "&", "&amp;")) || !strings.Contains(body, `method="post" action="`+s.origin+`/sign-in/profile"`) {
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
	// A silent sign-in of the same person forgets nothing; another person has
	// nothing of theirs.
	b.signIn("a")
	if got := text(b.get("/named/x")); got != `hello `+openIDOf("a")+` "小明"` {
		t.Errorf("after a silent sign-in: %s", got)
	}
	b.signIn("b")
	if res := b.get("/named/x"); res.StatusCode != 302 {
		t.Errorf("another person has a profile: %s", text(res))
	}
}

func TestProfileGetsOld(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *login.Config) { c.SessionIdle, c.ProfileMaxAge = 100*time.Hour, 10*time.Hour })
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
	s := newSite(t)
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
	if body := s.wantPage(other.get("/wechat/callback?state="+state), login.PageDenied, 200); !strings.Contains(body, `action="`+s.origin+`/sign-in/profile"`) {
		t.Errorf("page: %s", body)
	}
}

// The exchange worked; user info did not. The person is who they are.
func TestFailingUserInfoStillSignsIn(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"not allowed": refused(48001, "api unauthorized"), "busy": refused(-1, "system error"), "web page": "<html>", "cut off": `{"openid":"o`,
		"somebody else": profileOf("oSomebodyElse", "Mallory", ""),
	} {
		s := newSite(t)
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

// WeChat granted less than was asked for: user info would answer 48001.
func TestUserInfoIsNotAskedWithABaseToken(t *testing.T) {
	t.Parallel()
	s := newSite(t) // the fake grants snsapi_base
	b := s.browser()
	s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in?scope=profile"))), "/")
	if s.wechat.userInfo != 0 {
		t.Error("user info was asked for")
	}
	// The newest documentation leaves the scope out.
	s.wechat.exchange = func(_ context.Context, c string) string { return tokenFor(c, "") }
	s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in?scope=profile"))), "/")
	if s.wechat.userInfo != 1 {
		t.Error("user info was not asked for")
	}
}

func TestOnSignInConnectsThePerson(t *testing.T) {
	t.Parallel()
	var got login.SignIn
	s := newSite(t, func(c *login.Config) {
		c.RequestID = func(*http.Request) string { return "request-7" }
		c.OnSignIn = func(ctx context.Context, in *login.SignIn) error {
			got = *in
			if _, limited := ctx.Deadline(); !limited {
				t.Error("OnSignIn has no time limit")
			}
			in.Subject, in.Nickname, in.ProfileAt = "user-42", "Known from before", in.SignedInAt
			in.AvatarURL = "https://evil.example/track.gif"
			in.OpenID, in.Scopes = "changed", []wechat.Scope{"changed"} // has no effect
			return nil
		}
	})
	b := s.browser()
	b.do(b.request("GET", "/", nil))
	start := s.mux
	s.mux = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.Start(w, r, login.StartOptions{Return: "/private/x", Scope: wechat.ScopeUserInfo, ForcePopup: true, Data: []byte("order 7")})
	})
	res := b.get("/begin")
	s.mux = start
	if location := res.Header.Get("Location"); !strings.Contains(location, "forcePopup=true") || !strings.Contains(location, "scope=snsapi_userinfo") {
		t.Errorf("sent to %q", location)
	}
	s.wantGo(b.get(s.callback(code("a"), s.stateIn(res))), "/private/x")
	if string(got.Data) != "order 7" || got.Return != s.origin+"/private/x" || got.RequestID != "request-7" ||
		got.Subject != accountID+":"+openIDOf(code("a")) || got.Door != login.DoorWeChat || got.AppID != accountID {
		t.Errorf("OnSignIn got %+v", got)
	}
	me, err := s.handler.Session(b.request("GET", "/", nil))
	if err != nil || me.Subject != "user-42" || me.Nickname != "Known from before" || me.AvatarURL != "" || me.OpenID != openIDOf(code("a")) ||
		len(me.Scopes) != 1 || me.Scopes[0] != wechat.ScopeBase {
		t.Errorf("session %+v, %v", me, err)
	}
	if res := b.get("/named/x"); res.StatusCode != 200 {
		t.Error("a profile that the app knew is asked for again")
	}
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.wechat.exchange = func(_ context.Context, c string) string { return tokenFor(c, "snsapi_userinfo") }
	b := s.browser()
	res := b.get("/sign-in/me")
	if res.StatusCode != 401 || text(res) != `{"error":"signed_out","sign_in":"https://app.example.com/sign-in"}`+"\n" {
		t.Errorf("signed out: %d", res.StatusCode)
	}
	s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in?scope=profile"))), "/")
	res = b.get("/sign-in/me")
	var me map[string]any
	if err := json.NewDecoder(res.Body).Decode(&me); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"subject": accountID + ":" + openIDOf(code("a")), "openid": openIDOf(code("a")), "appid": accountID, "nickname": "小明",
		"avatar": "https://thirdwx.qlogo.cn/a/132", "scopes": []any{"snsapi_userinfo"}, "door": "wechat",
		"signed_in_at": float64(s.clock.Now().Unix()), "profile_at": float64(s.clock.Now().Unix()),
		"expires_at": float64(s.clock.Now().Add(24 * time.Hour).Unix()), "sign_out": "https://app.example.com/sign-out",
	}
	for k, v := range want {
		if got, _ := json.Marshal(me[k]); string(got) != func() string { b, _ := json.Marshal(v); return string(b) }() {
			t.Errorf("%s = %s, want %v", k, got, v)
		}
	}
	if len(me) != len(want) || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("answer %v, headers %v", me, res.Header)
	}
}

// A page elsewhere sends the form that signs out, or that declines.
func TestFormsFromOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	b.signIn("a")
	for name, header := range map[string]map[string]string{
		"cross-site":                  {"Sec-Fetch-Site": "cross-site"},
		"another port":                {"Sec-Fetch-Site": "same-site"},
		"old browser, foreign Origin": {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
		"old browser, hidden Origin":  {"Sec-Fetch-Site": "", "Origin": "null"},
	} {
		for _, path := range []string{"/sign-out", "/sign-in/profile"} {
			r := b.request("POST", path, url.Values{})
			for k, v := range header {
				r.Header.Set(k, v)
				if v == "" {
					r.Header.Del(k)
				}
			}
			s.wantPage(b.do(r), login.PageForeignForm, 403)
			if b.who() == "" {
				t.Fatalf("%s: %s signed out", name, path)
			}
		}
	}
	for name, header := range map[string]string{"old browser": "https://app.example.com", "proxy that changes Host": "https://app.example.com"} {
		r := b.request("POST", "/sign-in/profile", url.Values{})
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set("Origin", header)
		if strings.HasPrefix(name, "proxy") {
			r.Host = "10.0.0.7:8080"
		}
		s.wantGo(b.do(r), "/")
	}
	huge := b.post("/sign-out", url.Values{"return": {strings.Repeat("x", 20<<10)}})
	s.wantPage(huge, login.PageBadRequest, 400)
}

func TestGETChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	b.signIn("a")
	before := b.session()
	for _, path := range []string{"/sign-out", "/sign-out?return=/x", "/sign-in/profile", "/sign-in/lost", "/sign-in/me", "/sign-in"} {
		for _, method := range []string{"GET", "HEAD"} {
			b.do(b.request(method, path, nil))
		}
	}
	if b.session() != before || b.who() == "" {
		t.Error("a GET ended the session")
	}
	body := s.wantPage(b.get("/sign-out?return=/bye"), login.PageSignOut, 200)
	if !strings.Contains(body, `method="post"`) || !strings.Contains(body, `value="/bye"`) {
		t.Errorf("page: %s", body)
	}
	s.wantGo(b.post("/sign-out", url.Values{"return": {"/bye"}}), "/bye")
	if b.who() != "" || b.session() != "" {
		t.Error("still signed in")
	}
	if res := b.get("/sign-out?return=/bye"); res.StatusCode != 302 || res.Header.Get("Location") != s.origin+"/bye" {
		t.Errorf("signed out already: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	for path, methods := range map[string]string{
		"/sign-in": "POST PUT DELETE", "/wechat/callback": "POST PUT", "/sign-in/me": "POST", "/sign-in/lost": "POST", "/sign-out": "PUT DELETE", "/sign-in/profile": "PUT",
	} {
		for method := range strings.FieldsSeq(methods) {
			res := b.do(b.request(method, path, nil))
			if res.StatusCode != 405 || !strings.HasPrefix(res.Header.Get("Allow"), "GET, HEAD") {
				t.Errorf("%s %s: %d, Allow %q", method, path, res.StatusCode, res.Header.Get("Allow"))
			}
		}
	}
	s.wantPage(b.get("/sign-in/nothing"), login.PageNotFound, 404)
}

func TestStolenSessionCookieDiesWithSignOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, thief := s.browser(), s.browser()
	b.signIn("a")
	thief.cookies["__Host-weigate-s"] = b.session()
	s.wantGo(b.post("/sign-out", url.Values{}), "/")
	if thief.who() != "" {
		t.Error("the cookie still works")
	}
}
