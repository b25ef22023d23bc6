package wechattest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// phoneOf returns a phone of a new simulator.
func phoneOf(t *testing.T, cfg wechattest.Config) *wechattest.Phone {
	t.Helper()
	sim, _ := newSim(t, cfg)
	return sim.Phone("alice")
}

func mustPage(t *testing.T) func(*wechattest.Page, error) *wechattest.Page {
	return func(p *wechattest.Page, err error) *wechattest.Page {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// named returns the address of a loopback server under another name of loopback, which is another
// site to browsers.
func named(address, name string) string { return strings.Replace(address, "127.0.0.1", name, 1) }

func html(w http.ResponseWriter, format string, v ...any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, format, v...)
}

func TestCookiesAreStoredAsInChromium(t *testing.T) {
	t.Parallel()
	app := site(t, func(w http.ResponseWriter, r *http.Request) {
		if c := r.URL.Query().Get("set"); c != "" {
			w.Header().Add("Set-Cookie", c)
			return
		}
		fmt.Fprint(w, r.Header.Get("Cookie"))
	})
	for _, c := range []struct{ name, set, want string }{
		{"plain", "a=1", "a=1"},
		{"__Host- on plain-http loopback", "__Host-a=1; Secure; Path=/; HttpOnly; SameSite=Lax", "__Host-a=1"},
		{"__Host- without Secure", "__Host-a=1; Path=/", ""},
		{"__Host- with another path", "__Host-a=1; Secure; Path=/x", ""},
		{"__Host- with a domain", "__Host-a=1; Secure; Path=/; Domain=localhost", ""},
		{"__Secure- without Secure", "__Secure-a=1", ""},
		{"SameSite=None without Secure", "a=1; SameSite=None", ""},
		{"another path", "a=1; Path=/x", ""},
		{"already over", "a=1; Max-Age=0", ""},
	} {
		phone := phoneOf(t, wechattest.Config{})
		address := named(app, "app.localhost")
		mustPage(t)(phone.Open(context.Background(), address+"/?set="+url.QueryEscape(c.set)))
		if got := mustPage(t)(phone.Open(context.Background(), address+"/")).Body; got != c.want {
			t.Errorf("%s: %q brings back %q, want %q", c.name, c.set, got, c.want)
		}
		if got := mustPage(t)(phone.Open(context.Background(), named(app, "other.localhost")+"/")).Body; got != "" {
			t.Errorf("%s: another host got %q", c.name, got)
		}
		phone.ClearCookies()
		if n := len(phone.Cookies(address)); n != 0 {
			t.Errorf("%s: %d cookies after all were forgotten", c.name, n)
		}
	}
}

func TestSameSiteRestrictsOtherSites(t *testing.T) {
	t.Parallel()
	app := named(site(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/set":
			for _, v := range []string{"Lax", "Strict", "None; Secure"} {
				w.Header().Add("Set-Cookie", strings.ToLower(v[:1])+"=1; Path=/; SameSite="+v)
			}
		default:
			fmt.Fprintf(w, "%s %s site=%s origin=%s", r.Method, r.Header.Get("Cookie"),
				r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin"))
		}
	}), "app.localhost")
	other := named(site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			http.Redirect(w, r, app+"/", http.StatusFound)
			return
		}
		html(w, `<a id=l href="%[1]s/">l</a><form id=f method=post action="%[1]s/"><button>b</button></form>`+
			`<a id=r href="/to">r</a>`, app)
	}), "other.localhost")
	phone := phoneOf(t, wechattest.Config{})
	ctx := context.Background()
	mustPage(t)(phone.Open(ctx, app+"/set"))
	for _, c := range []struct {
		name string
		do   func() (*wechattest.Page, error)
		want string
	}{
		{"typed", func() (*wechattest.Page, error) { return phone.Open(ctx, app+"/") },
			"GET n=1; l=1; s=1 site=none origin="},
		{"link of another site", func() (*wechattest.Page, error) { return phone.Follow(ctx, "l") },
			"GET n=1; l=1 site=cross-site origin="},
		{"form of another site", func() (*wechattest.Page, error) { return phone.Submit(ctx, "f", nil) },
			"POST n=1 site=cross-site origin=" + other},
		{"redirect of another site", func() (*wechattest.Page, error) { return phone.Follow(ctx, "r") },
			"GET n=1; l=1 site=cross-site origin="},
	} {
		mustPage(t)(phone.Open(ctx, other+"/"))
		if got := mustPage(t)(c.do()).Body; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestRedirectsAreFollowedAsInBrowsers(t *testing.T) {
	t.Parallel()
	app := site(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/form":
			html(w, `<form method=post action="/to?%s"><input name=q value=1><button>b</button></form>`, r.URL.RawQuery)
		case "/to":
			var status int
			_, _ = fmt.Sscan(r.URL.Query().Get("status"), &status)
			http.Redirect(w, r, "/end", status)
		case "/loop":
			http.Redirect(w, r, "/loop?code=PLANTED", http.StatusFound)
		case "/out":
			w.Header().Set("Location", "weixin://dl/chat?code=PLANTED")
			w.WriteHeader(http.StatusFound)
		case "/nowhere":
			w.WriteHeader(http.StatusNoContent)
		default:
			fmt.Fprint(w, r.Method+" "+r.FormValue("q"))
		}
	})
	phone := phoneOf(t, wechattest.Config{})
	ctx := context.Background()
	for status, want := range map[int]string{301: "GET ", 302: "GET ", 303: "GET ", 307: "POST 1", 308: "POST 1"} {
		mustPage(t)(phone.Open(ctx, fmt.Sprintf("%s/form?status=%d#frag", app, status)))
		page := mustPage(t)(phone.Submit(ctx, "b", nil))
		if page.Body != want || len(page.Hops) != 1 || page.Hops[0].Status != status {
			t.Errorf("%d: %q after %+v, want %q", status, page.Body, page.Hops, want)
		}
	}
	before := phone.Page()
	for _, c := range []struct {
		name, path string
		is         error
	}{{"a loop", "/loop", wechattest.ErrRedirects}, {"another scheme", "/out", nil}} {
		_, err := phone.Open(ctx, app+c.path)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || strings.Contains(err.Error(), "PLANTED") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if mustPage(t)(phone.Open(ctx, app+"/nowhere")) != before || phone.Page() != before {
		t.Error("a response of 204 changed the page")
	}
	if page := mustPage(t)(phone.Open(ctx, app+"/to?status=302#here")); !strings.HasSuffix(page.URL, "/end#here") {
		t.Errorf("the fragment was lost on the way: %s", page.URL)
	}
}

func TestPhoneGoesBackAndReloads(t *testing.T) {
	t.Parallel()
	n := 0
	app := site(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Refresh", "0; url=/c")
		html(w, `%d %s %s <a href="/b">b</a><form method=post action="/p"><button>p</button></form>`, n, r.Method,
			r.URL.Path)
	})
	phone := phoneOf(t, wechattest.Config{})
	ctx := context.Background()
	steps := []struct {
		name string
		do   func() (*wechattest.Page, error)
		want string
	}{
		{"open", func() (*wechattest.Page, error) { return phone.Open(ctx, app+"/a") }, "1 GET /a"},
		{"link", func() (*wechattest.Page, error) { return phone.Follow(ctx, "b") }, "2 GET /b"},
		{"reload", func() (*wechattest.Page, error) { return phone.Reload(ctx) }, "3 GET /b"},
		{"form", func() (*wechattest.Page, error) { return phone.Submit(ctx, "", nil) }, "4 POST /p"},
		{"reload of a form's answer sends it again", func() (*wechattest.Page, error) { return phone.Reload(ctx) },
			"5 POST /p"},
		{"refresh", func() (*wechattest.Page, error) { return phone.FollowRefresh(ctx) }, "6 GET /c"},
		{"back to a form's answer shows it as it was", func() (*wechattest.Page, error) { return phone.Back(ctx) },
			"5 POST /p"},
		{"back asks again", func() (*wechattest.Page, error) { return phone.Back(ctx) }, "7 GET /b"},
		{"another window has its own page",
			func() (*wechattest.Page, error) { return phone.Tab().Open(ctx, app+"/t") }, "8 GET /t"},
		{"and leaves this one", func() (*wechattest.Page, error) { return phone.Back(ctx) }, "9 GET /a"},
	}
	for _, s := range steps {
		if got := mustPage(t)(s.do()).Body; !strings.HasPrefix(got, s.want+" ") {
			t.Fatalf("%s: %q, want %q", s.name, got, s.want)
		}
	}
	if _, err := phone.Back(ctx); !errors.Is(err, wechattest.ErrNoPage) {
		t.Errorf("back without history: %v", err)
	}
	if _, err := phone.Follow(ctx, "nothing"); !errors.Is(err, wechattest.ErrNotOnPage) ||
		!strings.Contains(err.Error(), `"b"`) {
		t.Errorf("a link that is not there: %v, want ErrNotOnPage with what is there", err)
	}
}

// A simulator that opened every address would be an open proxy into its network.
func TestPhoneIsNotAProxy(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	phone := phoneOf(t, wechattest.Config{})
	for _, address := range []string{"http://93.184.216.34/", "http://169.254.169.254/latest/meta-data/",
		"http://[fe80::1]/", "http://[fd00:ec2::254]/latest/meta-data/", "http://[fd20:ce::254]/",
		"http://0.0.0.0:1/", "http://[::ffff:8.8.8.8]/"} {
		if _, err := phone.Open(ctx, address); !errors.Is(err, wechattest.ErrHost) {
			t.Errorf("%s: %v, want ErrHost", address, err)
		}
	}
	for _, address := range []string{"file:///etc/passwd", "javascript:1", "//x", "", "ftp://127.0.0.1/"} {
		if _, err := phone.Open(ctx, address); err == nil {
			t.Errorf("%q was opened", address)
		}
	}
	app := site(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := phone.Open(ctx, named(app, "deep.name.localhost")); err != nil {
		t.Errorf("a name of loopback: %v", err)
	}
	if _, err := phoneOf(t, wechattest.Config{PhoneHosts: []string{"0.0.0.0"}}).Open(ctx,
		named(app, "0.0.0.0")); err != nil {
		t.Errorf("a host on the list: %v", err)
	}
}

// Errors are pasted into issues, so they must not contain a code.
func TestPhoneErrorsContainNoCode(t *testing.T) {
	t.Parallel()
	dead := site(t, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	phone := phoneOf(t, wechattest.Config{})
	for _, address := range []string{dead + "/cb?code=PLANTED", "http://127.0.0.1:1/cb?code=PLANTED",
		"gopher://h/?code=PLANTED", "http://8.8.8.8/?code=PLANTED"} {
		if _, err := phone.Open(context.Background(), address); err == nil ||
			strings.Contains(fmt.Sprintf("%v %+v", err, err), "PLANTED") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestRefererFollowsThePolicy(t *testing.T) {
	t.Parallel()
	app := site(t, func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Query().Get("policy"); p != "" {
			w.Header().Set("Referrer-Policy", p)
			html(w, `<a id=same href="/x">s</a><a id=other href="%s/x">o</a>`+
				`<form id=f method=post action="/x"><button>b</button></form>`,
				named("http://"+r.Host, "other.localhost"))
			return
		}
		fmt.Fprintf(w, "%s|%s", r.Header.Get("Referer"), r.Header.Get("Origin"))
	})
	phone := phoneOf(t, wechattest.Config{})
	ctx := context.Background()
	for _, c := range []struct{ policy, same, other, origin string }{
		{"nonsense", app + "/p?policy=nonsense", app + "/", app},
		{"no-referrer", "", "", "null"},
		{"same-origin", app + "/p?policy=same-origin", "", app},
		{"origin", app + "/", app + "/", app},
		{"unsafe-url", app + "/p?policy=unsafe-url", app + "/p?policy=unsafe-url", app},
	} {
		for what, want := range map[string]string{"same": c.same + "|", "other": c.other + "|"} {
			mustPage(t)(phone.Open(ctx, app+"/p?policy="+c.policy+"#f"))
			if got := mustPage(t)(phone.Follow(ctx, what)).Body; got != want {
				t.Errorf("%s, %s: %q, want %q", c.policy, what, got, want)
			}
		}
		mustPage(t)(phone.Open(ctx, app+"/p?policy="+c.policy))
		if _, got, _ := strings.Cut(mustPage(t)(phone.Submit(ctx, "f", nil)).Body, "|"); got != c.origin {
			t.Errorf("%s: a form sends Origin %q, want %q", c.policy, got, c.origin)
		}
	}
}

func TestPhoneSendsWeChatsUserAgent(t *testing.T) {
	t.Parallel()
	app := site(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.UserAgent()+"|"+r.Header.Get("Accept-Language"))
	})
	phone := phoneOf(t, wechattest.Config{})
	for tag, want := range map[string][2]string{"zh-CN": {"Language/zh_CN", "zh-CN,zh;q=0.9,en-US;q=0.8,en;q=0.7"},
		"en": {"Language/en ", "en"}, "zh-TW": {"Language/zh_TW", "zh-TW,zh;q=0.9"}} {
		phone.SetLanguage(tag)
		agent, accept, _ := strings.Cut(mustPage(t)(phone.Open(context.Background(), app)).Body, "|")
		if !strings.Contains(agent, "MicroMessenger/") || strings.Contains(agent, "wxwork") ||
			!strings.Contains(agent, want[0]) || !strings.HasPrefix(accept, want[1]) {
			t.Errorf("%s: %q, %q", tag, agent, accept)
		}
	}
}

func TestUseFullServiceEndsSnapshotMode(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{Quirks: wechattest.Quirks{Snapshot: true}})
	app := sim.Apps()[0].AppID
	landing := site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cb" {
			fmt.Fprint(w, "callback")
			return
		}
		http.Redirect(w, r, authorize(base, app, "snsapi_userinfo", "http://"+r.Host+"/cb"), http.StatusFound)
	})
	phone := sim.Phone("alice")
	page := mustPage(t)(phone.Open(context.Background(), landing+"/"))
	if !page.Snapshot || page.Body != "callback" {
		t.Fatalf("snapshot %t at %s, want the app's page in snapshot mode", page.Snapshot, page.URL)
	}
	mustPage(t)(phone.UseFullService(context.Background()))
	page = mustPage(t)(phone.Open(context.Background(), landing+"/"))
	if page.Snapshot || !strings.HasPrefix(page.URL, base) {
		t.Errorf("after 使用完整服务 the phone is at %s, want WeChat's question", page.URL)
	}
	if _, err := phone.UseFullService(context.Background()); !errors.Is(err, wechattest.ErrNotOnPage) {
		t.Errorf("the button on a full page: %v, want ErrNotOnPage", err)
	}
}

func TestQRPageLinksToAPhone(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{ControlURL: "http://127.0.0.1:9"})
	page := mustPage(t)(sim.Phone("alice").Open(context.Background(),
		base+"/connect/qrconnect?appid="+sim.Apps()[2].AppID+
			"&redirect_uri="+url.QueryEscape("http://127.0.0.1/cb")+"&response_type=code&scope=snsapi_login&state=x"))
	want := "http://127.0.0.1:9/phone?open=" + url.QueryEscape(sim.QRCodes()[0].Link)
	if page.Link(want) == nil {
		t.Errorf("no link to %s in %+v", want, page.Links)
	}
	if _, err := wechattest.New(wechattest.Config{ControlURL: "127.0.0.1:9"}); err == nil ||
		!strings.Contains(err.Error(), "control URL") {
		t.Errorf("a control URL that is none: %v", err)
	}
}

func TestBrowsersOfAPhone(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{})
	app := site(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
		fmt.Fprint(w, r.UserAgent()+"|"+r.Header.Get("Cookie"))
	})
	phone, window := sim.Phone("alice"), sim.Phone("alice").Tab()
	ctx := context.Background()
	agents := map[string]bool{}
	for _, c := range []struct {
		browser     wechattest.Browser
		name        string
		mark, never string
	}{
		{wechattest.BrowserWeChat, "wechat", "MicroMessenger/8", "wxwork"},
		{wechattest.BrowserWeChatIPhone, "wechat-iphone", "MicroMessenger/8", "wxwork"},
		{wechattest.BrowserWeChatWindows, "wechat-windows", "WindowsWechat", "wxwork"},
		{wechattest.BrowserWeCom, "wecom", "wxwork", "never"},
		{wechattest.BrowserChrome, "chrome", "Chrome/", "MicroMessenger"},
		{wechattest.BrowserSafari, "safari", "Version/17", "MicroMessenger"},
	} {
		if phone.SetBrowser(c.browser); phone.Page() != nil || phone.Browser() != c.browser ||
			c.browser.String() != c.name {
			t.Errorf("%s: shows %v, is %s", c.name, phone.Page(), phone.Browser())
		}
		agent, cookie, _ := strings.Cut(mustPage(t)(window.Open(ctx, app)).Body, "|")
		if !strings.Contains(agent, c.mark) || strings.Contains(agent, c.never) || agents[agent] {
			t.Errorf("%s calls itself %q", c.name, agent)
		}
		agents[agent] = true
		if cookie != "" {
			t.Errorf("%s has the cookies of another browser: %q", c.name, cookie)
		}
		if got := mustPage(t)(phone.Open(ctx, app)).Body; !strings.HasSuffix(got, "|seen=yes") {
			t.Errorf("%s lost its cookie: %q", c.name, got)
		}
		// Only WeChat identifies the person.
		page := mustPage(t)(phone.Open(ctx, authorize(base, sim.Apps()[0].AppID, "snsapi_base", app)))
		if inWeChat := strings.HasPrefix(page.URL, app); inWeChat != (c.browser <= wechattest.BrowserWeChatWindows) {
			t.Errorf("%s: snsapi_base ends at %s", c.name, page.URL)
		}
		if phone.Home(); phone.Page() != nil || len(phone.Cookies(app)) != 1 {
			t.Errorf("%s: after Home %v is shown, with %d cookies", c.name, phone.Page(), len(phone.Cookies(app)))
		}
	}
	if got := wechattest.Browser(99).String(); got != "unknown" {
		t.Errorf("a browser that is none: %q", got)
	}
}
