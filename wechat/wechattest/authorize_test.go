package wechattest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// Every error of the authorize step is a page for the person: status 200, no redirect, a sentence
// and mostly a code.
func TestAuthorizeErrorPages(t *testing.T) {
	t.Parallel()
	strict := wechattest.Quirks{StrictState: true}
	tests := []struct {
		name     string
		app      func(*sim) wechattest.App
		scope    string
		pairs    []string
		switches wechattest.Quirks
		want     string // "" = goes on
	}{
		{name: "no appid", pairs: []string{"appid", ""}, want: "appid 不能为空，错误码：10012"},
		{name: "no redirect_uri", pairs: []string{"redirect_uri", ""}, want: "redirect_uri 不能为空，错误码：10011"},
		{name: "no scope", pairs: []string{"scope", ""}, want: "scope 不能为空，错误码：10010"},
		{name: "no state", pairs: []string{"state", ""}, want: "state 不能为空，错误码：10013"},
		{name: "response_type", pairs: []string{"response_type", "token"}, want: "response_type 参数错误"},
		{name: "empty connect_redirect", pairs: []string{"connect_redirect", ""}, want: "response_type 参数错误"},
		{name: "connect_redirect", pairs: []string{"connect_redirect", "1"}},
		{name: "unknown appid", pairs: []string{"appid", "wx0000000000000000"}, want: "该链接无法访问"},
		{name: "website app", app: func(s *sim) wechattest.App { return s.web }, want: "错误码：10016"},
		{name: "component", pairs: []string{"component_appid", "wx0"}, want: "错误码：10015"},
		{name: "website scope", scope: "snsapi_login", want: "Scope 参数错误或没有 Scope 权限，错误码：10005"},
		{name: "unknown scope", scope: "snsapi_other", want: "错误码：10005"},
		{name: "component's list of scopes", scope: "snsapi_base,snsapi_userinfo"},
		{name: "other host", pairs: []string{"redirect_uri", "http://127.0.0.2/back"}, want: "错误码：10003"},
		{name: "sub-domain", pairs: []string{"redirect_uri", "http://www.localhost/back"}, want: "错误码：10003"},
		{name: "no scheme", pairs: []string{"redirect_uri", "127.0.0.1/back"}, want: "错误码：10003"},
		{name: "javascript", pairs: []string{"redirect_uri", "javascript://127.0.0.1/%0aalert(1)"}, want: "错误码：10003"},
		{name: "user info in the address", pairs: []string{"redirect_uri", "http://127.0.0.1@evil.example/"},
			want: "错误码：10003"},
		{name: "user info before the right host",
			pairs: []string{"redirect_uri", "http://evil.example:80@127.0.0.1/"}, want: "错误码：10003"},
		{name: "backslash", pairs: []string{"redirect_uri", `http://evil.example\@127.0.0.1/`}, want: "错误码：10003"},
		{name: "second domain, https, any port, any path",
			pairs: []string{"redirect_uri", "https://LOCALHOST:1234/any?x#y"}},
		{name: "128 bytes of state", pairs: []string{"state", strings.Repeat("a", 128)}},
		{name: "129 bytes of state", pairs: []string{"state", strings.Repeat("a", 129)}, want: "state 参数过长"},
		{name: "odd state", pairs: []string{"state", "a_b"}},
		{name: "odd state, strict", pairs: []string{"state", "a_b"}, switches: strict, want: "state 参数错误"},
		{name: "good state, strict", switches: strict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.switches.ConsentAs = "alice"
			s := simulate(t, wechattest.Config{Quirks: tt.switches})
			app, scope := s.oa, "snsapi_base"
			if tt.app != nil {
				app = tt.app(s)
			}
			if tt.scope != "" {
				scope = tt.scope
			}
			g := s.get(s.authorize(app, scope, tt.pairs...), "User-Agent", inWeChat)
			if tt.want == "" {
				if g.status != http.StatusFound || g.location == nil {
					t.Errorf("refused: %d %s", g.status, g.body)
				}
				return
			}
			if g.status != http.StatusOK || g.location != nil || !strings.Contains(g.body, tt.want) ||
				!strings.Contains(g.body, "<title>抱歉，出错了</title>") {
				t.Errorf("%d, to %v, no %q in %s", g.status, g.location, tt.want, g.body)
			}
		})
	}
}

func TestBannedAndUnverifiedAccounts(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	for want, change := range map[string]func(*wechattest.App){
		"错误码：10004": func(a *wechattest.App) { a.Banned = true },
		"错误码：10005": func(a *wechattest.App) { a.Banned, a.Scopes = false, []string{} },
	} {
		if err := s.UpdateApp(s.oa.AppID, change); err != nil {
			t.Fatal(err)
		}
		if g := s.get(s.authorize(s.oa, "snsapi_base"), "User-Agent", inWeChat); !strings.Contains(g.body, want) {
			t.Errorf("no %s in %s", want, g.body)
		}
	}
}

func TestOrderOfParameters(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	sorted := func(scope string) string { // as url.Values.Encode writes it
		return "/connect/oauth2/authorize?" + query("appid", s.oa.AppID, "redirect_uri", "http://127.0.0.1/",
			"response_type", "code", "scope", scope, "state", "a", "forcePopup", "true")
	}
	for _, tt := range []struct {
		scope string
		lax   bool
		ok    bool
	}{{"snsapi_base", false, true}, {"snsapi_userinfo", false, false}, {"snsapi_userinfo", true, true}} {
		s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.LaxOrder = tt.lax })
		g := s.get(sorted(tt.scope), "User-Agent", inWeChat)
		if (g.location != nil) != tt.ok || !tt.ok && !strings.Contains(g.body, "Scope 参数错误或没有 Scope 权限") {
			t.Errorf("%+v: %d %s", tt, g.status, g.body)
		}
	}
}

func TestOnlyWeChatSeesTheOfficialAccountPage(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	address := s.authorize(s.oa, "snsapi_base")
	if g := s.get(address, "User-Agent", desktop); g.status != http.StatusOK ||
		!strings.Contains(g.body, `<h4 class="weui_msg_title">请在微信客户端打开链接</h4>`) {
		t.Errorf("desktop: %d %s", g.status, g.body)
	}
	if g := s.get(address, "User-Agent", strings.ToUpper(inWeChat)); g.location == nil {
		t.Errorf("WeChat: %d %s", g.status, g.body)
	}
	s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.AnyBrowser = true })
	if g := s.get(address, "User-Agent", desktop); g.location == nil {
		t.Errorf("desktop with AnyBrowser: %d %s", g.status, g.body)
	}
}

func TestTheRedirectIsPutTogetherAsWeChatDoes(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	tests := []struct{ redirect, state, want string }{
		{"http://127.0.0.1:9/back", "abc", "http://127.0.0.1:9/back?code=CODE&state=abc"},
		{"http://127.0.0.1:9", "abc", "http://127.0.0.1:9?code=CODE&state=abc"},
		{"http://127.0.0.1:9/back?x=1", "abc", "http://127.0.0.1:9/back?x=1&code=CODE&state=abc"},
		{"http://127.0.0.1:9/#/route", "abc", "http://127.0.0.1:9/?code=CODE&state=abc#/route"},
		{"http://127.0.0.1:9/?state=old", "abc", "http://127.0.0.1:9/?state=old&code=CODE&state=abc"},
		{"http://127.0.0.1:9/", "a&code=evil", "http://127.0.0.1:9/?code=CODE&state=a&code=evil"},
		{"http://127.0.0.1:9/中", "a\r\nX: y", "http://127.0.0.1:9/%E4%B8%AD?code=CODE&state=a%0D%0AX:%20y"},
	}
	for _, tt := range tests {
		g := s.get(s.authorize(s.oa, "snsapi_base", "redirect_uri", tt.redirect, "state", tt.state), "User-Agent",
			inWeChat)
		location := g.header.Get("Location")
		_, code, _ := strings.Cut(location, "code=")
		if len(code) < 32 {
			t.Errorf("%q: %s", tt, location)
			continue
		}
		if got := strings.Replace(location, code[:32], "CODE", 1); g.status != http.StatusFound || got != tt.want {
			t.Errorf("got  %d %s\nwant %s", g.status, got, tt.want)
		}
		if f, _ := s.exchange(s.oa, code[:32]); f.Errcode != 0 {
			t.Errorf("the code of %s: %+v", location, f)
		}
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	cookie := s.as("alice")
	open := func(pairs ...string) got {
		return s.get(s.authorize(s.oa, "snsapi_userinfo", pairs...), "User-Agent", inWeChat, "Cookie", cookie)
	}
	page := open()
	form := page.form()
	if page.status != http.StatusOK || !strings.Contains(page.body, s.oa.Name) || len(form.Get("uuid")) != 16 ||
		form.Get("snsapi_userinfo") != "on" || form.Get("uin") == "" {
		t.Fatalf("consent page: %d %v %s", page.status, form, page.body)
	}
	if strings.Contains(page.header.Get("Content-Security-Policy"), "form-action") {
		t.Error("Chromium would stop the redirect behind the form")
	}

	form.Set("allow", "1")
	for _, method := range []string{http.MethodPost,
		http.MethodGet} { // a second press makes a second code with the same state
		path, body := "/connect/oauth2/authorize_reply", form
		if method == http.MethodGet {
			path, body = path+"?"+form.Encode(), nil
		}
		g := s.send(method, path, body)
		if g.status != http.StatusFound || g.location.Query().Get("state") != "State123" {
			t.Fatalf("%s: %d %s", method, g.status, g.body)
		}
		f, _ := s.exchange(s.oa, g.location.Query().Get("code"))
		if f.Scope != "snsapi_userinfo" || f.OpenID != s.OpenID(s.oa.AppID, "alice") {
			t.Errorf("%s: %+v", method, f)
		}
	}

	silent := func() bool { return open().location != nil }
	if !silent() {
		t.Error("the consent was forgotten at once")
	}
	if open("forcePopup", "true").location != nil || open("forcePopup", "1").location != nil {
		t.Error("forcePopup did not ask")
	}
	s.Advance(30*24*time.Hour - time.Second)
	if !silent() {
		t.Error("the consent did not last 30 days")
	}
	s.Advance(time.Second)
	if silent() {
		t.Error("the consent lasted longer than 30 days")
	}
	s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(open().form(), "allow", "1"))
	s.RevokeConsent(s.oa.AppID, "alice")
	if silent() {
		t.Error("the consent was not revoked")
	}
}

func with(v url.Values, name, value string) url.Values {
	v.Set(name, value)
	return v
}

func TestARefusalIsNotTold(t *testing.T) {
	t.Parallel()
	for _, legacy := range []bool{false, true} {
		s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{LegacyDenial: legacy}})
		cookie := s.as("alice")
		page := s.get(s.authorize(s.oa, "snsapi_userinfo", "redirect_uri", "http://127.0.0.1:9/b?x=1"), "User-Agent",
			inWeChat, "Cookie", cookie)
		g := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(page.form(), "allow", "0"))
		want := ""
		if legacy {
			want = "http://127.0.0.1:9/b?x=1&state=State123"
		}
		if got := g.header.Get("Location"); got != want || !legacy && g.status != http.StatusOK {
			t.Errorf("legacy %v: %d to %q, want %q", legacy, g.status, got, want)
		}
		if s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat, "Cookie", cookie).location != nil {
			t.Error("a refusal counted as consent")
		}
	}
}

func TestNobodyAnswersAnotherPersonsConsentPage(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	alice := s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat, "Cookie", s.as("alice")).form()
	bob := s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat, "Cookie", s.as("bob")).form()
	forms := map[string]url.Values{
		"bob's key for alice's page": with(with(bob, "uuid", alice.Get("uuid")), "allow", "1"),
		"a made-up key": {"uuid": alice["uuid"], "uin": alice["uin"], "key": {strings.Repeat("0", 64)},
			"allow": {"1"}, "snsapi_userinfo": {"on"}},
		"no uuid": {"uin": alice["uin"], "key": alice["key"], "allow": {"1"},
			"snsapi_userinfo": {"on"}},
	}
	for name, form := range forms {
		if g := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", form); g.location != nil ||
			!strings.Contains(g.body, "该链接无法访问") {
			t.Errorf("%s: %d to %v", name, g.status, g.location)
		}
	}
	if g := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(alice, "allow", "1"), "Origin",
		"https://evil.example", "Sec-Fetch-Site", "cross-site"); g.status != http.StatusForbidden {
		t.Errorf("a form of another web site: %d", g.status)
	}
	s.Advance(10 * time.Minute)
	if g := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(alice, "allow", "1")); g.location != nil {
		t.Error("an old page still answers")
	}
}

func TestABrowserSaysWhosePhoneItPlays(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	address := s.authorize(s.oa, "snsapi_base")
	page := s.get(address, "User-Agent", inWeChat)
	form := page.form()
	if page.status != http.StatusOK || form.Get("next") != address || !strings.Contains(page.body, `value="xiaoming"`) {
		t.Fatalf("%d %v %s", page.status, form, page.body)
	}
	g := s.send(http.MethodPost, "/connect/simulator/person", with(form, "person", "bob"))
	if g.status != http.StatusSeeOther || g.header.Get("Location") != address {
		t.Fatalf("%d to %s", g.status, g.header.Get("Location"))
	}
	cookie, _, _ := strings.Cut(g.header.Get("Set-Cookie"), ";")
	code := s.get(address, "User-Agent", inWeChat, "Cookie", cookie).location.Query().Get("code")
	if f, _ := s.exchange(s.oa, code); f.OpenID != s.OpenID(s.oa.AppID, "bob") {
		t.Errorf("%+v", f)
	}
	if forged := strings.Replace(cookie, "bob.", "alice.", 1); s.get(address, "User-Agent", inWeChat, "Cookie",
		forged).location != nil {
		t.Error("a forged cookie is a person")
	}
	if g := s.send(http.MethodPost, "/connect/simulator/person",
		with(form, "person", "")); !strings.Contains(g.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("somebody else: %v", g.header)
	}
	for _, next := range []string{"//evil.example/", "https://evil.example/", "/elsewhere", `/connect/\evil`, ""} {
		if g := s.send(http.MethodPost, "/connect/simulator/person",
			url.Values{"next": {next}, "person": {"bob"}}); g.header.Get("Location") != "" {
			t.Errorf("next %q: to %s", next, g.header.Get("Location"))
		}
	}
}

func TestOnlyFollowersSignInToATestAccount(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	address := s.authorize(s.test, "snsapi_base")
	if g := s.get(address, "User-Agent", inWeChat, "Cookie", s.as("bob")); !strings.Contains(g.body, "错误码：10006") {
		t.Errorf("bob: %d %s", g.status, g.body)
	}
	if err := s.UpdatePerson("bob", func(p *wechattest.Person) { p.Follows = []string{s.test.AppID} }); err != nil {
		t.Fatal(err)
	}
	if g := s.get(address, "User-Agent", inWeChat, "Cookie", s.as("bob")); g.location == nil {
		t.Errorf("bob, following: %d %s", g.status, g.body)
	}
}

func TestTestAccountDomains(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	if err := s.UpdateApp(s.test.AppID, func(a *wechattest.App) {
		a.Domains = []string{"192.168.1.5",
			"10.0.0.1:8080"}
	}); err != nil {
		t.Fatal(err)
	}
	for address, ok := range map[string]bool{"http://192.168.1.5/": true, "http://192.168.1.5:999/": true,
		"http://10.0.0.1:8080/": true, "http://10.0.0.1/": false, "http://127.0.0.1/": false} {
		if g := s.get(s.authorize(s.test, "snsapi_base", "redirect_uri", address), "User-Agent",
			inWeChat); (g.location != nil) != ok {
			t.Errorf("%s: %d", address, g.status)
		}
	}
}

func TestSnapshotMode(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	cookie := s.as("alice")
	open := func(pairs ...string) got {
		return s.get(s.authorize(s.oa, "snsapi_userinfo", pairs...), "User-Agent", inWeChat, "Cookie", cookie)
	}
	snapshot := func(g got) bool {
		if g.location == nil {
			return false
		}
		f, _ := s.exchange(s.oa, g.location.Query().Get("code"))
		return f.Snapshot == 1 && g.header.Get("X-Wechattest-Mode") == "snapshot"
	}
	if snapshot(open()) || !snapshot(open("forceSnapShot", "true")) ||
		!snapshot(open("forcePopup", "true", "forceSnapShot", "true")) {
		t.Error("forceSnapShot is not what decides")
	}
	for name, set := range map[string]func(on bool) error{
		"app": func(on bool) error { return s.UpdateApp(s.oa.AppID, func(a *wechattest.App) { a.Snapshot = on }) },
		"person": func(on bool) error {
			return s.UpdatePerson("alice",
				func(p *wechattest.Person) { p.Snapshot = on })
		},
	} {
		if err := set(true); err != nil || !snapshot(open()) {
			t.Errorf("%s: no snapshot (%v)", name, err)
		}
		if err := set(false); err != nil || snapshot(open()) {
			t.Errorf("%s: still a snapshot (%v)", name, err)
		}
	}
	s.UseFullService(s.oa.AppID, "alice")
	g := open("forceSnapShot", "true")
	if g.location != nil {
		t.Fatal("使用完整服务 does not lead to the consent page")
	}
	s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(g.form(), "allow", "1"))
	if g := open("forceSnapShot", "true"); g.location == nil || snapshot(g) {
		t.Error("a person who has agreed is put into snapshot mode")
	}
}

func TestConsentAsRedirectsAtOnce(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "xiaoming"}})
	g := s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat)
	if g.location == nil {
		t.Fatalf("%d %s", g.status, g.body)
	}
	if f, _ := s.exchange(s.oa, g.location.Query().Get("code")); f.Scope != "snsapi_userinfo" ||
		f.OpenID != s.OpenID(s.oa.AppID, "xiaoming") {
		t.Errorf("%+v", f)
	}
	s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.Snapshot = true })
	s.RevokeConsent(s.oa.AppID, "xiaoming")
	g = s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat)
	if f, _ := s.exchange(s.oa, g.location.Query().Get("code")); f.Snapshot != 1 {
		t.Errorf("snapshot mode: %+v", f)
	}
	s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.ConsentAs = "nobody" })
	if g := s.get(s.authorize(s.oa, "snsapi_base"), "User-Agent", inWeChat); g.location != nil ||
		!strings.Contains(g.body, "nobody") {
		t.Errorf("%d %s", g.status, g.body)
	}
	if g := s.get("/connect/qrconnect?" + query("appid", s.web.AppID, "redirect_uri", "http://127.0.0.1/",
		"response_type", "code", "scope", "snsapi_login")); g.location != nil || !strings.Contains(g.body, "nobody") {
		t.Errorf("%d %s", g.status, g.body)
	}
}

// Whatever is asked for, a code goes only to a callback domain of the app: the host as a browser
// would read it.
func FuzzACodeStaysOnTheCallbackDomain(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1/", "https://localhost:1/x?y#z", "//127.0.0.1/",
		`http:\\127.0.0.1@evil.example`, "http://127.0.0.1@evil.example/",
		"http://evil.example/#@127.0.0.1", "http://127.0.0.1.evil.example", "http://127.0.0.1%2f@evil.example/",
		"http://[::1]/", "javascript:alert(1)//127.0.0.1", "http://127.0.0.1:80:80/"} {
		f.Add(seed, "state")
		f.Add(seed, "a#b?c&d=e\r\nf")
	}
	sim, err := wechattest.New(wechattest.Config{Seed: 1, Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	if err != nil {
		f.Fatal(err)
	}
	app := sim.Apps()[0]
	f.Fuzz(func(t *testing.T, redirect, state string) {
		r := httptest.NewRequest(http.MethodGet,
			"http://127.0.0.1/connect/oauth2/authorize?appid="+app.AppID+"&redirect_uri="+url.QueryEscape(redirect)+
				"&response_type=code&scope=snsapi_base&state="+url.QueryEscape(state), nil)
		r.Header.Set("User-Agent", inWeChat)
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, r)
		location := w.Header().Get("Location")
		if location == "" {
			return
		}
		m := regexp.MustCompile(`^https?://([^/?#\\@]+)([/?#].*)$`).FindStringSubmatch(strings.ToLower(location))
		if m == nil || !regexp.MustCompile(`^(127\.0\.0\.1|localhost)(:[0-9]*)?$`).MatchString(m[1]) ||
			strings.ContainsAny(location, "\r\n\t \\") {
			t.Errorf("%q leads to %q", redirect, location)
		}
	})
}
