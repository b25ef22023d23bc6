package demo_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/demo"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

const controlURL = "http://127.0.0.1:9/control"

// fixture is the sample app and a simulated WeChat.
type fixture struct {
	wx       *wechattest.Server
	official wechattest.App
	appURL   string
	simURL   string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	official := wechattest.App{AppID: "wx00000000000000d1", Secret: leaktest.Secret, Name: "Demo",
		Domains: []string{"127.0.0.1"}, OpenPlatform: "d"}
	website := official
	website.Kind, website.AppID = wechattest.WebsiteApp, "wx00000000000000d2"
	wx, err := wechattest.New(wechattest.Config{Apps: []wechattest.App{official, website}, Mark: leaktest.Mark,
		Quirks: wechattest.Quirks{AnyBrowser: true}})
	if err != nil {
		t.Fatal(err)
	}
	sim := httptest.NewServer(wx)
	t.Cleanup(sim.Close)

	// The app needs its address before it is created.
	site := httptest.NewUnstartedServer(nil)
	t.Cleanup(site.Close)
	appURL := "http://" + site.Listener.Addr().String()
	client := func(a wechattest.App) *wechat.Client {
		return &wechat.Client{AppID: a.AppID, Secret: wechat.Secret(a.Secret), OpenURL: sim.URL, APIURL: sim.URL}
	}
	app, err := demo.New(demo.Config{URL: appURL, SimulatorURL: sim.URL, ControlURL: controlURL,
		OfficialAccount: client(official), WebsiteApp: client(website), Logger: leaktest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	// No page or header of the app may contain a secret, a code or a token.
	site.Config.Handler = leaktest.Watch(t, app)
	site.Start()
	return &fixture{wx: wx, official: official, appURL: appURL, simURL: sim.URL}
}

// fact returns the value of a fact on the signed-in page.
func fact(t *testing.T, page *wechattest.Page, id string) string {
	t.Helper()
	m := regexp.MustCompile(`id="` + id + `">([^<]*)<`).FindStringSubmatch(page.Body)
	if m == nil {
		t.Fatalf("%s (%d) has no %s:\n%s", page.URL, page.Status, id, page.Body)
	}
	return m[1]
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.wx.Phone("alice")
	alice.SetLanguage("en")
	openid := w.wx.OpenID(w.official.AppID, "alice")

	page, err := alice.Open(t.Context(), w.appURL+"/sample/")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.Body, `id="sign-in-base"`) || !strings.Contains(page.Body, controlURL) {
		t.Fatalf("the first page:\n%s", page.Body)
	}

	// snsapi_base: only the openid.
	if page, err = alice.Follow(t.Context(), "sign-in-base"); err != nil {
		t.Fatal(err)
	}
	if page.URL != w.appURL+"/sample/" {
		t.Errorf("after sign-in the address is %s", page.URL)
	}
	if got := fact(t, page, "openid"); got != openid {
		t.Errorf("openid %q, want %q", got, openid)
	}
	if got := fact(t, page, "scope"); got != "snsapi_base" {
		t.Errorf("scope %q", got)
	}
	if strings.Contains(page.Body, "Alice") || strings.Contains(page.Body, `id="avatar"`) {
		t.Error("name or picture without consent")
	}

	// snsapi_userinfo: after the consent page the app has nickname and picture.
	if _, err = alice.Follow(t.Context(), "add-profile"); err != nil {
		t.Fatal(err)
	}
	if page, err = alice.Allow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fact(t, page, "nickname"); got != "Alice" {
		t.Errorf("nickname %q", got)
	}
	if got := fact(t, page, "openid"); got != openid {
		t.Errorf("openid %q, want %q", got, openid)
	}
	if got, want := fact(t, page, "unionid"), w.wx.UnionID(w.official.AppID, "alice"); got != want || want == "" {
		t.Errorf("unionid %q, want %q", got, want)
	}
	avatar := regexp.MustCompile(`id="avatar" src="([^"]+)"`).FindStringSubmatch(page.Body)
	if avatar == nil || !strings.HasPrefix(avatar[1], w.simURL+"/") {
		t.Fatalf("no picture from the simulator:\n%s", page.Body)
	}
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'self' "+w.simURL) {
		t.Errorf("the policy does not let the picture in: %s", csp)
	}
	if res, err := http.Get(avatar[1]); err != nil || res.StatusCode != http.StatusOK ||
		!strings.HasPrefix(res.Header.Get("Content-Type"), "image/") {
		t.Errorf("the picture: %v %v", res, err)
	}

	if page, err = alice.Submit(t.Context(), "sign-out", nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.Body, `id="sign-in-base"`) {
		t.Errorf("after sign-out %s shows\n%s", page.URL, page.Body)
	}
}

// TestUnusualNicknames signs in the people of the simulator with nicknames that break programs.
func TestUnusualNicknames(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for person, want := range map[string]string{
		"xiaoming": "小明",
		"markup":   "&lt;script&gt;",
		"emoji":    "阿海",
	} {
		phone := w.wx.Phone(person)
		if _, err := phone.Open(t.Context(), w.appURL+"/profile"); err != nil {
			t.Fatal(err)
		}
		page, err := phone.Allow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := fact(t, page, "nickname"); !strings.Contains(got, want) {
			t.Errorf("%s: nickname %q, want %q", person, got, want)
		}
		if strings.Contains(page.Body, "<script") {
			t.Errorf("%s: a script in the page", person)
		}
	}
}

// TestPages checks every page that is available without a session, in both languages.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, tt := range []struct {
		path, accept, lang string
		status             int
		words              []string
	}{
		{"/sample/", "en", "en", 200, []string{"Go package “login”", "Sign in with name and picture", "QR code",
			"Open the simulator"}},
		{"/sample/", "zh-CN", "zh-CN", 200, []string{"Go 包“login”", "模拟", "用头像昵称登录", "扫码登录", "打开模拟器"}},
		{"/nothing/here", "en", "en", 404, []string{"Page not found"}},
		{"/nothing/here", "zh", "zh-CN", 404, []string{"页面不存在"}},
	} {
		t.Run(tt.path+" "+tt.accept, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.appURL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Language", tt.accept)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
			for _, word := range append(tt.words, fmt.Sprintf(`<html lang="%s">`, tt.lang), "</html>") {
				if !strings.Contains(string(body), word) {
					t.Errorf("the page lacks %q:\n%s", word, body)
				}
			}
			if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp,
				"default-src 'none'; style-src 'self'; ") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
			if strings.Contains(string(body), "<script") || strings.Contains(string(body), " style=") ||
				strings.Contains(string(body), " on") && regexp.MustCompile(` on[a-z]+=`).Match(body) {
				t.Error("something inline that the policy forbids")
			}
			for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "same-origin",
				"X-Content-Type-Options": "nosniff"} {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
	for path, kind := range map[string]string{"/demo.css": "text/css; charset=utf-8", "/demo.svg": "image/svg+xml"} {
		res, err := http.Get(w.appURL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %s %s", path, res.Status, res.Header.Get("Content-Type"))
		}
	}
}

// TestRedirectToOwnHost checks that a request for localhost is redirected to 127.0.0.1, because a
// browser does not send the cookies of one to the other.
func TestRedirectToOwnHost(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	own, err := url.Parse(w.appURL)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.appURL+"/base?x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "localhost:" + own.Port()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusFound || got != w.appURL+"/base?x=1" {
		t.Errorf("%s %s", res.Status, got)
	}
	if len(res.Cookies()) > 0 {
		t.Errorf("cookies at the wrong name: %v", res.Cookies())
	}
}

// TestSignInButtons checks that each button redirects to WeChat with its appid and scope.
func TestSignInButtons(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for path, want := range map[string]string{
		"/base":    "/connect/oauth2/authorize wx00000000000000d1 snsapi_base",
		"/profile": "/connect/oauth2/authorize wx00000000000000d1 snsapi_userinfo",
		"/qr":      "/connect/qrconnect wx00000000000000d2 snsapi_login",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.appURL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		to, err := res.Location()
		if err != nil {
			t.Fatalf("%s: %s %v", path, res.Status, err)
		}
		q := to.Query()
		if got := to.Path + " " + q.Get("appid") + " " + q.Get("scope"); got != want ||
			!strings.HasPrefix(to.String(), w.simURL) {
			t.Errorf("%s leads to %s", path, to)
		}
	}
}
