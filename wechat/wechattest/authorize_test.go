package wechattest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// Every error of the authorize page is a page with status 200 and a sentence, mostly with a code,
// and never a redirect.
func TestAuthorizeErrorPages(t *testing.T) {
	t.Parallel()
	strict := wechattest.Quirks{StrictState: true}
	tests := []struct {
		name   string
		app    func(*sim) wechattest.App
		scope  string
		pairs  []string
		quirks wechattest.Quirks
		want   string // "" for a redirect
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
		{name: "odd state, strict", pairs: []string{"state", "a_b"}, quirks: strict, want: "state 参数错误"},
		{name: "good state, strict", quirks: strict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.quirks.ConsentAs = "alice"
			s := simulate(t, wechattest.Config{Quirks: tt.quirks})
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

func TestOnlyWeChatGetsTheOfficialAccountPage(t *testing.T) {
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

func TestRedirectIsConcatenatedAsAtWeChat(t *testing.T) {
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

func with(v url.Values, name, value string) url.Values {
	v.Set(name, value)
	return v
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

// For every redirect_uri, a code is sent only to a callback domain of the app, by the host that a
// browser parses.
func FuzzCodeStaysOnTheCallbackDomain(f *testing.F) {
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
