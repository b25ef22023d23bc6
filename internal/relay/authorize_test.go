package relay_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// location returns the redirect address without the code.
func (g *fixture) location(h http.Header) string {
	g.t.Helper()
	to := h.Get("Location")
	at := strings.LastIndex(to, "code=0")
	if at < 0 {
		g.t.Fatalf("no code in %q; pages %+v", to, g.shown)
	}
	code, _, _ := strings.Cut(to[at+len("code="):], "&")
	return strings.Replace(to, code, "CODE", 1)
}

func TestReturnAddressIsKeptByteForByte(t *testing.T) {
	t.Parallel()
	for _, k := range []struct{ name, to, want string }{
		{"plain", "https://shop.example.com/cb", "https://shop.example.com/cb?code=CODE&state=s1"},
		{"no path", "https://shop.example.com", "https://shop.example.com?code=CODE&state=s1"},
		{"query", "https://shop.example.com/cb?a=%2f&&b=+%20",
			"https://shop.example.com/cb?a=%2f&&b=+%20&code=CODE&state=s1"},
		{"empty query", "https://shop.example.com/cb?", "https://shop.example.com/cb?&code=CODE&state=s1"},
		{"a state and a code of its own", "https://shop.example.com/?state=x&code=y",
			"https://shop.example.com/?state=x&code=y&code=CODE&state=s1"},
		{"fragment", "https://shop.example.com/#/route?x=1", "https://shop.example.com/?code=CODE&state=s1#/route?x=1"},
		{"letter case", "HTTPS://Shop.Example.COM/A%2fb", "HTTPS://Shop.Example.COM/A%2fb?code=CODE&state=s1"},
		{"usual port", "https://shop.example.com:443/", "https://shop.example.com:443/?code=CODE&state=s1"},
		{"listed port", "https://dev.example.com:8443/", "https://dev.example.com:8443/?code=CODE&state=s1"},
		{"address and port", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/?code=CODE&state=s1"},
		{"IPv6", "http://[::1]/", "http://[::1]/?code=CODE&state=s1"},
		{"Chinese", "https://shop.example.com/商品", "https://shop.example.com/%E5%95%86%E5%93%81?code=CODE&state=s1"},
		{"another address within", "https://shop.example.com//evil.example.net/..;/%2e%2e/?u=https://evil.example.net",
			"https://shop.example.com//evil.example.net/..;/%2e%2e/?u=https://evil.example.net&code=CODE&state=s1"},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			g := newFixture(t)
			if got := g.location(g.authorize("snsapi_base", "redirect_uri", k.to).Header()); got != k.want {
				t.Errorf("%s\nwant %s", got, k.want)
			}
		})
	}
}

// The website page of WeChat puts code and state behind everything.
func TestWebsiteReturnIsPlainStringWork(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	w := g.get("/connect/qrconnect", "appid", appID, "redirect_uri", "https://shop.example.com/#/route",
		"response_type", "code", "scope", "snsapi_login", "state", strings.Repeat("s", 200))
	if got, want := g.location(w.Header()), "https://shop.example.com/#/route?code=CODE&state="+strings.Repeat("s",
		200); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// Browsers that are not WeChat's put the "#wechat_redirect" of the authorize address behind an
// address that has no fragment, not even an empty one.
func TestMarkOfTheAuthorizeAddressStaysOutOfTheApp(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.outside = true
	for _, path := range []string{"/connect/oauth2/authorize", "/connect/qrconnect"} {
		scope := map[bool]string{true: "snsapi_login", false: "snsapi_base"}[strings.HasSuffix(path, "qrconnect")]
		for to, want := range map[string]string{
			"https://shop.example.com/cb":      "https://shop.example.com/cb?code=CODE&state=s1#",
			"https://shop.example.com/cb#":     "https://shop.example.com/cb?code=CODE&state=s1#",
			"https://shop.example.com/#/route": "https://shop.example.com/?code=CODE&state=s1#/route",
		} {
			if fragment := strings.IndexByte(to, '#'); fragment >= 0 && scope == "snsapi_login" {
				want = to + "?code=CODE&state=s1"
			}
			w := g.get(path, "appid", appID, "redirect_uri", to, "response_type", "code", "scope", scope, "state", "s1")
			if got := g.location(w.Header()); got != want {
				t.Errorf("%s for %s: %s, want %s", path, to, got, want)
			}
		}
	}
}

// An app reads the state that it sent; with WeChat it does too, as long as nothing in it ends the
// parameter.
func TestStateComesBack(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	for _, state := range []string{"", "abc", "a_b-c.d~", `{"a":[1,"x"]}`, "a=b", "a&code=mine", "a#b", "a+b c", "中文",
		"a;b", "https://x/?y=z", strings.Repeat("s", 128)} {
		to, err := url.Parse(g.authorize("snsapi_base", "state", state).Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if q := to.Query(); q.Get("state") != state || len(q["code"]) != 1 || len(q) != 2 {
			t.Errorf("state %q came back in %q", state, to)
		}
	}
	// A state that the app encoded twice is returned encoded once, as from WeChat.
	if got := g.location(g.authorize("snsapi_base", "state",
		"a%26b").Header()); got != callback+"?code=CODE&state=a%26b" {
		t.Error(got)
	}
}

func TestParametersInAnyOrder(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	w := g.get("/connect/oauth2/authorize", "state", "s", "scope", "snsapi_base,snsapi_userinfo,", "connect_redirect",
		"1", "response_type", "code", "redirect_uri", callback,
		"appid", appID, "forceSnapShot", "true")
	code, _, _ := strings.Cut(strings.TrimPrefix(w.Header().Get("Location"), callback+"?code="), "&")
	if a := g.redeem(code); a.Scope != "snsapi_base,snsapi_userinfo" {
		t.Error(a.raw)
	}
}

func TestWrongRequestsGetAPageAndNoRedirect(t *testing.T) {
	t.Parallel()
	website := []string{"appid", appID, "redirect_uri", callback, "response_type", "code", "scope", "snsapi_login",
		"state", "s1"}
	for _, k := range []struct {
		name, path string
		change     []string
		want       web.Kind
	}{
		{"unknown appid", "", []string{"appid", "wx0"}, web.UnknownApp},
		{"no appid", "", []string{"appid", "-"}, web.UnknownApp},
		{"no address", "", []string{"redirect_uri", "-"}, web.RedirectURI},
		{"another app's address", "", []string{"redirect_uri", "https://bank.example.com/"}, web.RedirectURI},
		{"response type", "", []string{"response_type", "token"}, web.BadRequest},
		{"no scope", "", []string{"scope", "-"}, web.Scope},
		{"website scope", "", []string{"scope", "snsapi_login"}, web.Scope},
		{"made-up scope", "", []string{"scope", "snsapi_base,admin"}, web.Scope},
		{"long state", "", []string{"state", strings.Repeat("s", 129)}, web.State},
		{"over 8 kB", "", []string{"redirect_uri", callback + "?" + strings.Repeat("x", 8192)}, web.AddressTooLong},
		{"appId with a profile", "", []string{"appid", "-", "appId", appID, "scope", "snsapi_userinfo"}, web.ParameterName},
		{"appId and APPID", "", []string{"appid", "-", "appId", appID, "APPID", appID}, web.UnknownApp},
		{"website page, appId", "/connect/qrconnect", []string{"appid", "-", "appId", appID}, web.ParameterName},
		{"website page, a made-up scope beside", "/connect/qrconnect", []string{"scope", "snsapi_login,admin"}, web.Scope},
		{"website page, base", "/connect/qrconnect", []string{"scope", "snsapi_base"}, web.Scope},
		{"website page, user info", "/connect/qrconnect", []string{"scope", "snsapi_userinfo"}, web.Scope},
		{"website page, address", "/connect/qrconnect", []string{"redirect_uri", "https://evil.example.net/"},
			web.RedirectURI},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for _, signedIn := range []bool{true, false} {
				g := newFixture(t)
				if !signedIn {
					g.session = nil
				}
				var w *httptest.ResponseRecorder
				if k.path == "" {
					w = g.authorize("snsapi_base", k.change...)
				} else {
					w = g.get(k.path, with(website, k.change)...)
				}
				if w.Code != k.want.Status() || w.Header().Get("Location") != "" || g.problem().Kind != k.want ||
					len(g.begun) > 0 {
					t.Errorf("signed in %t: %d, %q, %+v, begun %+v", signedIn, w.Code, w.Header().Get("Location"),
						g.shown, g.begun)
				}
			}
		})
	}
}

func TestParameterGivenTwice(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	good := query("appid", appID, "redirect_uri", callback, "response_type", "code", "scope", "snsapi_base", "state",
		"s1")
	for _, more := range []string{"&redirect_uri=https%3A%2F%2Fevil.example.net", "&appid=x", "&state=x",
		"&scope=snsapi_userinfo"} {
		for _, q := range []string{good + more, more[1:] + "&" + good} {
			if w := g.do(http.MethodGet, "/connect/oauth2/authorize?"+q, nil); w.Code != http.StatusBadRequest ||
				w.Header().Get("Location") != "" {
				t.Errorf("%s: %d %q", q, w.Code, w.Header().Get("Location"))
			}
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodHead} {
		if w := g.do(method, "/connect/oauth2/authorize?"+good, nil); w.Code != http.StatusMethodNotAllowed ||
			g.problem().Kind != web.MethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

// comeBack sets the session of the last login request, and follows its return address.
func (g *fixture) comeBack(s *session.Browser) http.Header {
	g.t.Helper()
	d := g.begun[len(g.begun)-1]
	if s != nil {
		s.LoginRequestID = d.ID
	}
	g.session = s
	return g.do(http.MethodGet, d.ReturnURL, nil).Header()
}

func TestSignInComesFirst(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	alice := g.session
	g.session = nil
	g.authorize("snsapi_userinfo", "lang", "en")
	if len(g.begun) != 1 {
		t.Fatalf("%+v", g.shown)
	}
	d := g.begun[0]
	if d.App.ID != "shop" || d.Connector != "main" || d.Reauthenticate || d.Consent || !d.Profile ||
		d.UILocales != "en" || !strings.HasPrefix(d.ReturnURL, "/connect/oauth2/authorize?") {
		t.Errorf("%+v", d)
	}
	if got := g.location(g.comeBack(alice)); got != callback+"?code=CODE&state=s1" {
		t.Error(got)
	}
	// Back without a session: a page, and not the same again.
	g.comeBack(nil)
	if p := g.problem(); p.Kind != web.NotSignedIn || p.Go == "" || len(g.begun) != 1 {
		t.Errorf("%+v", g.shown)
	}
}

func TestRestartURL(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.session = nil
	g.authorize("snsapi_base", "redirect_uri", "https://shop.example.com/?a=b&c#/d", "state", "ü")
	restart := g.begun[0].RestartURL
	if !strings.HasPrefix(restart, "/connect/oauth2/authorize?") || strings.Contains(restart, "weigate_") {
		t.Fatalf("%q", restart)
	}
	g.do(http.MethodGet, restart, nil)
	if len(g.begun) != 2 || g.begun[1].ID == g.begun[0].ID || g.begun[1].RestartURL != restart {
		t.Errorf("%+v", g.begun)
	}
}

// The openid is the one at the app's connector, whichever method the user signed in by.
func TestOpenIDIsThatOfTheEntry(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	if joined := g.recordSignIn("other", "wx00000000000000cc", "oElsewhere", "uAlice"); joined.ID != g.user.ID {
		t.Fatal("not joined")
	}
	g.session = g.in("other", "wx00000000000000cc", "oElsewhere")
	if a := g.redeem(g.code("snsapi_userinfo")); a.OpenID != openID || a.UnionID != "uAlice" {
		t.Error(a.raw)
	}
}

func TestUserWithoutOpenIDAtTheConnectorSignsInThere(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.user = g.recordSignIn("other", "wx00000000000000cc", "oBob", "")
	bob := g.in("other", "wx00000000000000cc", "oBob")
	g.session = bob
	g.authorize("snsapi_base")
	if len(g.begun) != 1 || g.begun[0].Connector != "main" || !g.begun[0].Reauthenticate {
		t.Fatalf("%+v, %+v", g.begun, g.shown)
	}
	// The user returns without an openid at that connector: no redirect repeats.
	g.comeBack(bob)
	if p := g.problem(); p.Kind != web.NoOpenID || p.Go != "" || len(g.begun) != 1 {
		t.Errorf("%+v", g.shown)
	}
	bob.AuthTime = g.clock().Add(-time.Hour)
	g.comeBack(bob)
	if p := g.problem(); p.Kind != web.NoOpenID || p.Go == "" || len(g.begun) != 1 {
		t.Errorf("an answer that is old: %+v", g.shown)
	}
	g.recordSignIn("main", realAppID, "oBobMain", "")
	if got := g.location(g.comeBack(g.in("main", realAppID, "oBobMain"))); !strings.HasPrefix(got, callback) {
		t.Error(got)
	}
}

func TestWebsiteHasAnEntryOfItsOwn(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	ask := []string{"appid", "wx00000000000000bb", "redirect_uri", "https://bank.example.com/", "response_type", "code",
		"scope", "snsapi_login", "state", "s"}
	g.get("/connect/qrconnect", ask...)
	if len(g.begun) != 1 || g.begun[0].Connector != "site" || !g.begun[0].Profile {
		t.Fatalf("%+v, %+v", g.begun, g.shown)
	}
	s := g.in("site", "wx00000000000000cc", "oAliceAtSite")
	g.recordSignIn("site", "wx00000000000000cc", "oAliceAtSite", "uAlice")
	to := g.comeBack(s).Get("Location")
	code, _, _ := strings.Cut(strings.TrimPrefix(to, "https://bank.example.com/?code="), "&")
	a := g.redeem(code, "appid", "wx00000000000000bb", "secret", "new")
	if a.OpenID != "oAliceAtSite" || a.UnionID != "uAlice" || a.Scope != "snsapi_login" {
		t.Errorf("%s; %s", a.raw, to)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	s := g.session
	s.Method = "scan"
	bank := []string{"appid", "wx00000000000000bb", "redirect_uri", "https://bank.example.com/"}
	g.authorize("snsapi_base", bank...)
	p := g.problem()
	if p.Kind != web.WrongMethod || p.Go == "" {
		t.Fatalf("%+v", g.shown)
	}
	g.do(http.MethodGet, p.Go, nil)
	if len(g.begun) != 1 || !g.begun[0].Reauthenticate {
		t.Fatalf("%+v", g.shown)
	}
	g.comeBack(s)
	if p := g.problem(); p.Kind != web.WrongMethod || p.Go != "" {
		t.Errorf("by the same method again: %+v", p)
	}
	s.Method = "wechat"
	g.location(g.comeBack(s))
}

func TestForcePopup(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.authorize("snsapi_userinfo", "forcePopup", "true")
	confirm := g.shown[0]
	if confirm.Kind != web.ConfirmSignIn || !strings.Contains(confirm.Text, "The Shop") {
		t.Fatalf("%+v", g.shown)
	}
	g.do(http.MethodGet, confirm.Go, nil)
	if len(g.begun) != 1 || !g.begun[0].Consent || !g.begun[0].Reauthenticate {
		t.Fatalf("%+v", g.begun)
	}
	g.location(g.comeBack(g.session))
	// An answer to this request is none to another one.
	g.session.LoginRequestID = g.begun[0].ID
	g.authorize("snsapi_userinfo", "forcePopup", "1", "state", "another", "weigate_login_request", g.begun[0].ID)
	if g.shown[len(g.shown)-1].Kind != web.ConfirmSignIn {
		t.Errorf("%+v", g.shown)
	}
	// A user without a session signs in at once, also when a signed-in phone scans a code for them.
	g.session = nil
	g.authorize("snsapi_userinfo", "forcePopup", "true")
	if d := g.begun[len(g.begun)-1]; !d.Consent || !d.Reauthenticate {
		t.Errorf("%+v", d)
	}
	g.session = g.in("main", realAppID, openID)
	// Without a profile there is nothing to pop up.
	g.location(g.authorize("snsapi_base", "forcePopup", "true").Header())
}

func TestProfileIsAskedForHere(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.asks = true
	g.location(g.authorize("snsapi_base").Header())
	w := g.authorize("snsapi_userinfo")
	body, _ := io.ReadAll(w.Body)
	if !strings.HasPrefix(string(body), "may it have your name? /connect/oauth2/authorize?appid=") {
		t.Errorf("%d %s", w.Code, body)
	}
}

func TestAccessRules(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.allow = access.Pending
	g.authorize("snsapi_base")
	if p := g.shown[0]; p.Kind != web.Waiting || !strings.Contains(p.Text, "The Shop") ||
		!strings.HasPrefix(p.Go, "/connect/oauth2/authorize?") {
		t.Errorf("%+v", g.shown)
	}
	g.allow = access.Denied
	if w := g.authorize("snsapi_base"); w.Code != http.StatusForbidden || g.problem().Kind != web.Refused {
		t.Errorf("%d %+v", w.Code, g.shown)
	}
	g.allow = access.Allowed
	if _, err := g.store.UpdateUser(t.Context(), g.user.ID, g.clock(),
		func(a *gateway.User) error { a.Status = gateway.Blocked; return nil }); err != nil {
		t.Fatal(err)
	}
	if w := g.authorize("snsapi_base"); w.Code != http.StatusForbidden || g.problem().Kind != web.Refused {
		t.Errorf("blocked while the session was cached: %d %+v", w.Code, g.shown)
	}
}
