package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/login"
)

const (
	uaWindows = "Mozilla/5.0 (Windows NT 6.1; WOW64) Chrome/53 Safari/537.36 NetType/WIFI " +
		"MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x6305002e)"
	uaWeCom = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 " +
		"wxwork/4.1.0 MicroMessenger/7.0.1 Language/zh"
	uaMiniProgram = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 " +
		"MicroMessenger/8.0.40 NetType/WIFI Language/zh_CN miniProgram/wx00"
	uaWeComWindows = "Mozilla/5.0 (Windows NT 10.0; WOW64) Chrome/129.0.6668.101 Safari/537.36 Language/zh " +
		"wxwork/4.1.39 (MicroMessenger/6.2) WindowsWechat MailPlugin_Electron WeMail"
	uaHarmonyTablet = "Mozilla/5.0 (Tablet; OpenHarmony 5.0) AppleWebKit/537.36 Chrome/114.0.0.0 Safari/537.36 " +
		"ArkWeb/4.1.6.1"
	uaHarmonyPC = "Mozilla/5.0 (PC; OpenHarmony 6.1) AppleWebKit/537.36 Chrome/132.0.0.0 Safari/537.36 ArkWeb/6.1.0.115"
	uaPhone     = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 " +
		"Version/17.0 Mobile/15E148 Safari/604.1"
)

func TestSignInMethods(t *testing.T) {
	t.Parallel()
	noAccount := func(c *login.Config) { c.OfficialAccount = nil }
	noWebsite := func(c *login.Config) { c.WebsiteApp = nil }
	any := func(c *login.Config) { c.AnyBrowser = true }
	both := func(*login.Config) {}
	account, website := "/connect/oauth2/authorize", "/connect/qrconnect"
	for name, c := range map[string]struct {
		config func(*login.Config)
		agent  string
		want   string // path at WeChat, or kind of page
	}{
		"WeChat":                    {both, uaWeChat, account},
		"WeChat, in lower case":     {both, strings.ToLower(uaWeChat), account},
		"WeChat on Windows":         {both, uaWindows, account},
		"WeChat, website app only":  {noAccount, uaWeChat, string(login.PageOpenElsewhere)},
		"desktop":                   {both, uaDesktop, website},
		"desktop, account only":     {noWebsite, uaDesktop, string(login.PageOpenInWeChat)},
		"desktop, website app only": {noAccount, uaDesktop, website},
		"phone":                     {both, uaPhone, string(login.PageOpenInWeChat)},
		"phone, website app only":   {noAccount, uaPhone, website},
		"WeCom":                     {both, uaWeCom, string(login.PageOpenInWeChat)},
		// matomo-org/device-detector#8069: WeCom on a desktop can show a QR code.
		"WeCom on Windows":               {both, uaWeComWindows, website},
		"WeCom on Windows, account only": {noWebsite, uaWeComWindows, string(login.PageOpenInWeChat)},
		// chjtx/JRoll#89 and matomo-org/device-detector#8299: neither has "Mobile" or "Android".
		"HarmonyOS tablet":                    {both, uaHarmonyTablet, string(login.PageOpenInWeChat)},
		"HarmonyOS PC":                        {both, uaHarmonyPC, website},
		"mini-program":                        {both, uaMiniProgram, string(login.PageMiniProgram)},
		"mini-program, website app only":      {noAccount, uaMiniProgram, string(login.PageOpenElsewhere)},
		"no user agent":                       {noWebsite, "", string(login.PageOpenInWeChat)},
		"any browser, desktop":                {any, uaDesktop, account},
		"any browser, phone":                  {any, uaPhone, account},
		"any browser, no account":             {func(c *login.Config) { any(c); noAccount(c) }, uaDesktop, website},
		"any browser, account only, no agent": {func(c *login.Config) { any(c); noWebsite(c) }, "", account},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t, c.config)
			b := s.browser()
			b.agent = c.agent
			res := b.get("/sign-in?return=/private/x")
			if !strings.HasPrefix(c.want, "/") {
				s.wantLinkToCopy(b, res, login.PageKind(c.want))
				return
			}
			u, err := url.Parse(res.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != 302 || u.Path != c.want {
				t.Fatalf("%d to %s, want %s", res.StatusCode, u, c.want)
			}
			scope, method, id := "snsapi_base", "wechat", accountID
			if c.want == website {
				scope, method, id = "snsapi_login", "website", websiteID
			}
			if q := u.Query(); q.Get("scope") != scope || q.Get("appid") != id ||
				q.Get("redirect_uri") != s.origin+"/wechat/callback" {
				t.Errorf("sent to %s", u)
			}
			// Other browsers carry a fragment through all redirects, to the app's page.
			mark := "wechat_redirect"
			if strings.HasPrefix(name, "any browser") && c.want == account {
				mark = ""
			}
			if u.Fragment != mark {
				t.Errorf("sent to %s with the fragment %q, want %q", u, u.Fragment, mark)
			}
			s.wantGo(b.get(s.callback(code("a"), u.Query().Get("state"))), "/private/x")
			me, err := s.handler.Session(b.request("GET", "/", nil))
			if err != nil || string(me.Method) != method || me.AppID != id {
				t.Errorf("session %+v, %v", me, err)
			}
		})
	}
}

// wantLinkToCopy fails unless the response is a page with the link that starts the sign-in again.
func (s *fixture) wantLinkToCopy(b *browser, res *http.Response, kind login.PageKind) {
	s.t.Helper()
	body := s.wantPage(res, kind, 200)
	if !strings.Contains(body, s.origin+"/sign-in?return=%2Fprivate%2Fx</p>") {
		s.t.Errorf("no link to copy: %s", body)
	}
	if n, _ := b.flows(); n != 0 {
		s.t.Error("a flow was begun")
	}
}

// A phone that is not in WeChat has a second way: WeChat's QR code on another screen, or the
// desktop client's.
func TestPhoneMayChooseTheWebsiteApp(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.agent = uaPhone
	body := s.wantPage(b.get("/sign-in?return=/private/x"), login.PageOpenInWeChat, 200)
	way := "/sign-in?return=%2Fprivate%2Fx&method=website"
	if !strings.Contains(body, `href="`+s.origin+strings.ReplaceAll(way, "&", "&amp;")) {
		t.Fatalf("page: %s", body)
	}
	s.wantGo(b.get(s.callback(code("a"), b.begin(way))), "/private/x")
	b.agent = uaMiniProgram // its web view does not open WeChat's page
	if body := s.wantPage(b.get(way), login.PageMiniProgram, 200); strings.Contains(body, "method=website") {
		t.Errorf("a mini-program is offered WeChat's page: %s", body)
	}
	b.agent = uaWeChat // in WeChat its QR code cannot be scanned
	if location := b.get(way).Header.Get("Location"); !strings.Contains(location, "/connect/oauth2/authorize") {
		t.Errorf("in WeChat: %s", location)
	}
}

func TestWebsiteAppFetchesTheProfileAtOnce(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.agent = uaDesktop
	b.headers.Set("Accept-Language", "en")
	res := b.get("/sign-in?return=/named/x&scope=profile")
	if location := res.Header.Get("Location"); !strings.Contains(location, "lang=en") {
		t.Errorf("sent to %s", location)
	}
	s.mustAnswer("snsapi_login")
	s.wantGo(b.get(s.callback(code("a"), s.stateIn(res))), "/named/x")
	if res := b.get("/named/x"); res.StatusCode != 200 || s.wechat.userInfo != 1 {
		t.Errorf("status %d, %d calls for user info", res.StatusCode, s.wechat.userInfo)
	}
}

// Under a path everything keeps to the path, also behind a proxy that takes it off.
func TestPathPrefix(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) { c.URL = "https://www.example.com/apps/one/" })
	whole := s.mux
	stripped := http.NewServeMux()
	stripped.Handle("/private/", s.handler.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
	})))
	stripped.Handle("/", s.handler)
	for name, mux := range map[string]http.Handler{"whole path": whole,
		"stripped": http.StripPrefix("/apps/one", stripped)} {
		s.mux = mux
		b := s.browser()
		res := b.get("/apps/one/private/x?y")
		if want := s.origin + "/apps/one/sign-in?return=%2Fapps%2Fone%2Fprivate%2Fx%3Fy"; res.Header.Get("Location") != want {
			t.Fatalf("%s: sent to %q, want %q", name, res.Header.Get("Location"), want)
		}
		res = b.get(res.Header.Get("Location"))
		if u, _ := url.Parse(res.Header.Get("Location")); u.Query().Get(
			"redirect_uri") != s.origin+"/apps/one/wechat/callback" {
			t.Errorf("%s: redirect_uri %q", name, u.Query().Get("redirect_uri"))
		}
		s.wantGo(b.get(s.callback(code("a"), s.stateIn(res))), "/apps/one/private/x?y")
		if res := b.get("/apps/one/private/x"); res.StatusCode/100 != 2 {
			t.Errorf("%s: status %d", name, res.StatusCode)
		}
		s.wantGo(b.get(s.callback(code("b"), b.begin("/apps/one/sign-in"))), "/apps/one/")
		s.wantGo(b.post("/apps/one/sign-out", url.Values{}), "/apps/one/")
	}
	// A proxy in front that strips: the request never had the path.
	s.mux = stripped
	b := s.browser()
	if location := b.get("/private/x").Header.Get(
		"Location"); location != s.origin+"/apps/one/sign-in?return=%2Fapps%2Fone%2Fprivate%2Fx" {
		t.Errorf("behind a proxy: sent to %q", location)
	}
}
