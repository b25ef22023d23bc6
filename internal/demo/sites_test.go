package demo_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/demo"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// sites has the demo's apps, with a gateway that the test provides.
func sites(t *testing.T, gateway string) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	address = "http://" + server.Listener.Addr().String()
	app, err := demo.New(demo.Config{URL: address, SimulatorURL: gateway, ControlURL: controlURL,
		Logger: leaktest.Logger(t),
		Gateway: &demo.GatewayConfig{Issuer: gateway, NotesSecret: leaktest.Secret, PhotosSecret: leaktest.Secret,
			BoardSecret: leaktest.Secret, ShopSecret: leaktest.Secret,
			ForumSecret: leaktest.Secret, PlansSecret: leaktest.Secret, AdminURL: gateway + "/invite/x"},
		OfficialAccount: &wechat.Client{AppID: "wx00000000000000d1", Secret: leaktest.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = leaktest.Watch(t, app)
	server.Start()
	return address
}

// at sends a request to a host name of this machine, as a browser does that resolves *.localhost to
// loopback.
func at(t *testing.T, method, address string, header ...string) (status int, body string, answer http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	_, port, err := net.SplitHostPort(req.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.URL.Host = req.URL.Host, "127.0.0.1:"+port
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func TestTourLinksToTheApps(t *testing.T) {
	t.Parallel()
	site := sites(t, "http://127.0.0.1:9")
	for lang, word := range map[string]string{"en": "Ways to sign in with WeChat", "zh-CN": "微信登录的几种方式"} {
		status, body, header := at(t, http.MethodGet, site+"/", "Accept-Language", lang)
		if status != http.StatusOK || !strings.Contains(body, word) || strings.Count(body, "<ol>") != 6 ||
			strings.Count(body, "<li>") < 18 {
			t.Errorf("%s: %d\n%s", lang, status, body)
		}
		for id, to := range map[string]string{"notes": "/notes/", "wiki": demo.WikiURL(site) + "/",
			"shop": demo.ShopURL(site) + "/", "board": "/board/", "forum": "/forum/",
			"admin": "http://127.0.0.1:9/invite/x", "sample": "/sample/", "gateway": "http://127.0.0.1:9/"} {
			if !strings.Contains(body, `id="`+id+`" href="`+to+`"`) {
				t.Errorf("%s: no button %s to %s", lang, id, to)
			}
		}
		if csp := header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self'; ") ||
			strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
	}
	// Without a gateway there is no tour.
	if status, _, header := at(t, http.MethodGet, newFixture(t).appURL+"/"); status != http.StatusFound ||
		header.Get("Location") != "/sample/" {
		t.Errorf("without a gateway: %d %s", status, header.Get("Location"))
	}
}

// verifier returns the forward-auth endpoint of a gateway that allows requests with the cookie
// in=yes.
type verifier struct {
	mu    sync.Mutex
	asked []*http.Request
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.asked = append(v.asked, r)
	v.mu.Unlock()
	h := w.Header()
	h["X-Weigate-User"], h["X-Weigate-Name"], h["X-Weigate-Groups"] = []string{""}, []string{""}, []string{""}
	if strings.HasPrefix(r.URL.Path, "/.weigate/") {
		fmt.Fprintf(w, "the gateway's own, for %s", r.Header.Get("X-Forwarded-Host"))
		return
	}
	if c, err := r.Cookie("in"); err != nil || c.Value != "yes" {
		h.Set("Location", "http://"+r.Header.Get("X-Forwarded-Host")+"/.weigate/start")
		w.WriteHeader(http.StatusFound)
		return
	}
	h.Set("X-Weigate-User", "account-1")
	h.Set("X-Weigate-Name", "%E5%B0%8F%E6%98%8E")
	h.Set("Cookie", "other=1")
	w.WriteHeader(http.StatusOK)
}

func TestWikiRequiresTheGateway(t *testing.T) {
	t.Parallel()
	v := &verifier{}
	gateway := httptest.NewServer(v)
	t.Cleanup(gateway.Close)
	wiki := demo.WikiURL(sites(t, gateway.URL))
	forged := []string{"X-Weigate-User", "admin", "x-weigate-groups", "admins", "X-Weigate-Openid", "oForged",
		"X-Forwarded-For", "8.8.8.8", "X-Forwarded-Host", "evil.example",
		"X-Forwarded-Uri", "/public", "X-Forwarded-Method", "OPTIONS", "Forwarded", "for=8.8.8.8"}
	for _, path := range []string{"/", "/page", "/demo.css", "/nothing"} {
		status, body, header := at(t, http.MethodGet, wiki+path, forged...)
		if status != http.StatusFound || header.Get("Location") != wiki+"/.weigate/start" || strings.Contains(body, "admin") {
			t.Errorf("%s, nobody: %d to %s\n%s", path, status, header.Get("Location"), body)
		}
		for name := range header {
			if strings.HasPrefix(name, "X-Weigate") {
				t.Errorf("%s: the browser gets %s", path, name)
			}
		}
	}
	status, body, _ := at(t, http.MethodGet, wiki+"/page?a=%2F", append(forged, "Cookie", "in=yes; other=1")...)
	if status != http.StatusOK || !strings.Contains(body, `data-header="X-Weigate-User">account-1<`) ||
		!strings.Contains(body, `data-header="X-Weigate-Name">小明<`) {
		t.Errorf("somebody: %d\n%s", status, body)
	}
	if strings.Contains(body, "admin") || strings.Contains(body, "oForged") {
		t.Errorf("a header of the visitor's came through:\n%s", body)
	}
	v.mu.Lock()
	last := v.asked[len(v.asked)-1]
	v.mu.Unlock()
	for name, want := range map[string]string{"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": demo.Host(wiki), "X-Forwarded-Uri": "/page?a=%2F",
		"X-Forwarded-For": "127.0.0.1", "Forwarded": "", "X-Weigate-User": ""} {
		if got := strings.Join(last.Header.Values(name), "|"); got != want {
			t.Errorf("the gateway is asked with %s %q, want %q", name, got, want)
		}
	}
	if status, body, _ := at(t, http.MethodGet, wiki+"/.weigate/start?x=1", forged...); status != http.StatusOK ||
		body != "the gateway's own, for "+demo.Host(wiki) {
		t.Errorf("the gateway's addresses: %d %s", status, body)
	}
	if status, _, _ := at(t, http.MethodGet, wiki+"/nothing", "Cookie", "in=yes"); status != http.StatusNotFound {
		t.Errorf("an address that is none: %d", status)
	}
	gateway.Close()
	if status, body, _ := at(t, http.MethodGet, wiki+"/", "Cookie", "in=yes"); status != http.StatusBadGateway ||
		strings.Contains(body, "account-1") {
		t.Errorf("without the gateway: %d", status)
	}
}

// The shop uses WeChat's protocol, so it works with the simulator without changes.
func TestShopWithWeChat(t *testing.T) {
	t.Parallel()
	wx, err := wechattest.New(wechattest.Config{Mark: leaktest.Mark,
		Apps: []wechattest.App{{AppID: demo.ShopAppID, Secret: leaktest.Secret, Name: "Shop",
			Domains: []string{"shop.localhost"}, OpenPlatform: "d"}}})
	if err != nil {
		t.Fatal(err)
	}
	sim := httptest.NewServer(wx)
	t.Cleanup(sim.Close)
	shop := demo.ShopURL(sites(t, sim.URL))
	phone := wx.Phone("xiaoming")
	page, err := phone.Open(t.Context(), shop+"/")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"https://open.weixin.qq.com", "https://api.weixin.qq.com", sim.URL, demo.ShopAppID} {
		if !strings.Contains(page.Body, word) {
			t.Errorf("what was changed lacks %s:\n%s", word, page.Body)
		}
	}
	if _, err = phone.Follow(t.Context(), "sign-in"); err != nil {
		t.Fatal(err)
	}
	if page, err = phone.Allow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page.URL != shop+"/" || fact(t, page, "nickname") != "小明" ||
		fact(t, page, "openid") != wx.OpenID(demo.ShopAppID, "xiaoming") {
		t.Errorf("%s\n%s", page.URL, page.Body)
	}
	if page, err = phone.Submit(t.Context(), "sign-out", nil); err != nil || !strings.Contains(page.Body, `id="sign-in"`) {
		t.Errorf("after sign-out: %v\n%s", err, page.Body)
	}

	// A callback of a sign-in that this browser did not begin, and a callback whose code WeChat rejects.
	if status, _, _ := at(t, http.MethodGet, shop+"/callback?code=x&state=y", "Cookie",
		"shop-state=z"); status != http.StatusBadRequest {
		t.Errorf("a foreign state: %d", status)
	}
	if status, _, _ := at(t, http.MethodGet, shop+"/callback?code=x&state="); status != http.StatusBadRequest {
		t.Errorf("no state: %d", status)
	}
	for _, code := range []string{"x", "", url.QueryEscape("\n&secret=1")} {
		if status, body, _ := at(t, http.MethodGet, shop+"/callback?state=y&code="+code, "Cookie",
			"shop-state=y"); status != http.StatusBadGateway || strings.Contains(body, "secret") {
			t.Errorf("code %q: %d %s", code, status, body)
		}
	}
	if status, _, _ := at(t, http.MethodPost, shop+"/sign-out", "Sec-Fetch-Site",
		"cross-site"); status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", status)
	}
	sim.Close()
	if status, _, _ := at(t, http.MethodGet, shop+"/callback?state=y&code=x", "Cookie",
		"shop-state=y"); status != http.StatusBadGateway {
		t.Errorf("nobody answers: %d", status)
	}
}
