package login_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// simulation is a simulated WeChat and an app, on loopback.
type simulation struct {
	sim *wechattest.Server
	app *httptest.Server
}

func newSimulation(t *testing.T, quirks wechattest.Quirks) *simulation {
	t.Helper()
	apps := wechattest.DefaultApps()
	for i := range apps {
		apps[i].Secret = leaktest.Secret
	}
	sim, err := wechattest.New(wechattest.Config{Seed: 7, Mark: leaktest.Mark, Apps: apps, Quirks: quirks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	weChat := httptest.NewServer(sim)
	t.Cleanup(weChat.Close)
	client := func(app wechattest.App) *wechat.Client {
		return &wechat.Client{AppID: app.AppID, Secret: wechat.Secret(app.Secret), OpenURL: weChat.URL, APIURL: weChat.URL}
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(leaktest.Watch(t, mux))
	t.Cleanup(server.Close)
	h, err := login.New(login.Config{
		URL: server.URL, Keys: [][]byte{key(1)}, OfficialAccount: client(apps[0]), WebsiteApp: client(apps[2]),
		AvatarHosts: []string{weChat.URL}, Logger: leaktest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := login.FromContext(r.Context())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<p>%s|%s|%v</p><form method="post" action="/sign-out"><button>out</button></form>`, s.OpenID,
			s.Nickname, s.AvatarURL != "")
	})
	mux.Handle("/", h)
	mux.Handle("/private", h.Require(page))
	mux.Handle("/named", h.RequireProfile(page))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "home page") })
	return &simulation{sim: sim, app: server}
}

func (w *simulation) exchanges() (n int) {
	for _, c := range w.sim.Calls() {
		if c.Endpoint == "/sns/oauth2/access_token" {
			n++
		}
	}
	return n
}

func (w *simulation) wantPage(t *testing.T, p *wechattest.Page, err error, path, holds string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if p.URL != w.app.URL+path || !strings.Contains(p.Body, holds) {
		t.Fatalf("the phone is at %s (%d), want %s with %q: %s", p.URL, p.Status, path, holds, p.Body)
	}
}

func TestPhoneSignsInSilentlyThenWithItsProfile(t *testing.T) {
	t.Parallel()
	w := newSimulation(t, wechattest.Quirks{})
	phone := w.sim.Phone("xiaoming")
	openID := w.sim.OpenID(w.sim.Apps()[0].AppID, "xiaoming")
	p, err := phone.Open(t.Context(), w.app.URL+"/private")
	w.wantPage(t, p, err, "/private", "<p>"+openID+"||false</p>")

	p, err = phone.Open(t.Context(), w.app.URL+"/named")
	w.wantPage(t, p, err, "/sign-in/profile?return=%2Fnamed", "头像昵称")
	if _, err = phone.Follow(t.Context(), "使用我的微信头像昵称"); err != nil {
		t.Fatal(err)
	}
	p, err = phone.Allow(t.Context())
	w.wantPage(t, p, err, "/named", "<p>"+openID+"|小明|true</p>")

	p, err = phone.Submit(t.Context(), "out", nil)
	w.wantPage(t, p, err, "/", "home page")
	for range 4 { // back, through all pages that were shown
		if p, err = phone.Back(t.Context()); err != nil {
			break
		}
		if strings.Contains(p.Body, openID) && !strings.Contains(p.URL, "/sign-in") &&
			p.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("back to %s shows who was signed in", p.URL)
		}
	}
}

func TestPhoneContinuesWithoutAProfile(t *testing.T) {
	t.Parallel()
	w := newSimulation(t, wechattest.Quirks{})
	phone := w.sim.Phone("alice")
	p, err := phone.Open(t.Context(), w.app.URL+"/named")
	w.wantPage(t, p, err, "/sign-in/profile?return=%2Fnamed", "头像昵称")
	p, err = phone.Submit(t.Context(), "", nil)
	w.wantPage(t, p, err, "/named", "||false</p>")
	p, err = phone.Open(t.Context(), w.app.URL+"/named")
	w.wantPage(t, p, err, "/named", "||false</p>")
}

// Older WeChat versions send a callback without a code when the user declines; today's send
// nothing.
func TestPhoneDenies(t *testing.T) {
	t.Parallel()
	w := newSimulation(t, wechattest.Quirks{LegacyDenial: true})
	phone := w.sim.Phone("bob")
	if _, err := phone.Open(t.Context(), w.app.URL+"/sign-in?scope=profile&return=/named"); err != nil {
		t.Fatal(err)
	}
	p, err := phone.Deny(t.Context())
	if err != nil || !strings.Contains(p.Body, `id="denied"`) {
		t.Fatalf("%v, %+v", err, p)
	}
	p, err = phone.Follow(t.Context(), "暂不使用，继续")
	w.wantPage(t, p, err, "/sign-in/profile?return=%2Fnamed", "头像昵称") // signed in now, still without a profile
}

func TestPhoneOfASnapshotPage(t *testing.T) {
	t.Parallel()
	w := newSimulation(t, wechattest.Quirks{Snapshot: true})
	phone := w.sim.Phone("alice")
	start := "/sign-in?return=%2Fnamed&scope=profile"
	p, err := phone.Open(t.Context(), w.app.URL+start)
	w.wantPage(t, p, err, start, "使用完整服务")
	if _, err := phone.UseFullService(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err = phone.Allow(t.Context())
	w.wantPage(t, p, err, "/named", "|Alice|true</p>")
}

// One of Tencent's machines fetches the callback, without the user's cookies.
func TestCrawlerThatFetchesTheCallback(t *testing.T) {
	t.Parallel()
	for name, double := range map[string]wechattest.DoubleCallback{"before": wechattest.DoubleFirst,
		"at the same time": wechattest.DoubleTogether} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSimulation(t, wechattest.Quirks{DoubleCallback: double})
			p, err := w.sim.Phone("alice").Open(t.Context(), w.app.URL+"/private")
			w.wantPage(t, p, err, "/private", "||false</p>")
			if n := w.exchanges(); n != 1 {
				t.Errorf("%d exchanges, want 1", n)
			}
		})
	}
}

func TestDesktopSignsInByTheWebsiteApp(t *testing.T) {
	t.Parallel()
	w := newSimulation(t, wechattest.Quirks{ConsentAs: "xiaoming"})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("GET", w.app.URL+"/named", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", uaDesktop)
	res, err := (&http.Client{Jar: jar}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	openID := w.sim.OpenID(w.sim.Apps()[2].AppID, "xiaoming")
	if got := text(res); !strings.Contains(got, "<p>"+openID+"|小明|true</p>") {
		t.Errorf("%s: %s", res.Request.URL, got)
	}
}

// A phone that lost its cookies between WeChat and the callback.
func TestPhoneThatForgetsItsCookies(t *testing.T) {
	t.Parallel()
	w := newSimulation(t, wechattest.Quirks{})
	phone := w.sim.Phone("alice")
	if _, err := phone.Open(t.Context(), w.app.URL+"/sign-in?scope=profile&return=/private"); err != nil {
		t.Fatal(err)
	}
	phone.ClearCookies()
	p, err := phone.Allow(t.Context())
	if err != nil || p.Status != 400 || !strings.Contains(p.Body, `id="lost"`) || strings.Contains(p.URL, "code=") {
		t.Fatalf("%v: %+v", err, p)
	}
	if u, err := url.Parse(p.URL); err != nil || u.RawQuery != "" || w.exchanges() != 0 {
		t.Errorf("at %s after %d exchanges", p.URL, w.exchanges())
	}
	p, err = phone.Follow(t.Context(), "微信登录")
	w.wantPage(t, p, err, "/", "home page")
}
