package wechattest_test

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestALinkIsHandedToAPhone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{})
	opened := 0
	app := site(t, func(http.ResponseWriter, *http.Request) { opened++ })
	link := app + "/scan/abc?x=1&y=2"
	for _, c := range []struct{ name, query, want string }{
		{"somebody", "person=bob&open=" + url.QueryEscape(link), "/phones/bob?open=" + url.QueryEscape(link)},
		{"nobody in particular", "open=" + url.QueryEscape(link), "/phones/alice?open=" + url.QueryEscape(link)},
		{"somebody who is not there", "person=../apps&open=" + url.QueryEscape(link), "/phones/alice?open=" + url.QueryEscape(link)},
		{"no link", "person=bob", "/phones/bob"},
		{"a script", "person=bob&open=javascript:alert(1)", "/phones/bob"},
		{"a file", "person=bob&open=file:///etc/passwd", "/phones/bob"},
		{"a name before the host", "person=bob&open=" + url.QueryEscape("http://login.example.com@127.0.0.1/"), "/phones/bob"},
		{"an endless one", "person=bob&open=http://127.0.0.1/" + strings.Repeat("x", 3000), "/phones/bob"},
	} {
		res, _ := d.ask("GET", "/phone?"+c.query, "")
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != c.want {
			t.Errorf("%s: %d to %s, want %s", c.name, res.StatusCode, got, c.want)
		}
		// As a link of another site leads here.
		_, body := d.ask("GET", c.want, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
		if shown := strings.Contains(body, `name="at" type="text" inputmode="url" autocomplete="off" spellcheck="false" placeholder="http://127.0.0.1:8080/" value="`+template.HTMLEscapeString(link)+`"`); shown != strings.Contains(c.want, "open=") {
			t.Errorf("%s: link in the address line: %t", c.name, shown)
		}
		if told := strings.Contains(body, `id="handed"`); told != strings.Contains(c.want, "open=") {
			t.Errorf("%s: the person is told: %t", c.name, told)
		}
	}
	if opened != 0 || d.sim.Phone("alice").Page() != nil || d.sim.Phone("bob").Page() != nil {
		t.Fatalf("links alone opened %d pages", opened)
	}
	if res, _ := d.ask("POST", "/phones/bob", url.Values{"do": {"open"}, "at": {link}}.Encode(), "Sec-Fetch-Site", "cross-site", "Origin", "http://evil.test"); res.StatusCode != http.StatusForbidden || opened != 0 {
		t.Errorf("another site's form: %d, %d pages opened", res.StatusCode, opened)
	}
	d.ask("POST", "/phones/bob", url.Values{"do": {"open"}, "at": {link}}.Encode(), "Sec-Fetch-Site", "same-origin")
	if page := d.sim.Phone("bob").Page(); opened != 1 || page == nil || page.URL != link {
		t.Errorf("the press opened %d pages, %+v", opened, page)
	}
}

func TestQRPageLeadsToAPhone(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{ControlURL: "http://127.0.0.1:9"})
	page := mustPage(t)(sim.Phone("alice").Open(context.Background(), base+"/connect/qrconnect?appid="+sim.Apps()[2].AppID+
		"&redirect_uri="+url.QueryEscape("http://127.0.0.1/cb")+"&response_type=code&scope=snsapi_login&state=x"))
	want := "http://127.0.0.1:9/phone?open=" + url.QueryEscape(sim.QRCodes()[0].Link)
	if page.Link(want) == nil {
		t.Errorf("no link to %s in %+v", want, page.Links)
	}
	if _, err := wechattest.New(wechattest.Config{ControlURL: "127.0.0.1:9"}); err == nil || !strings.Contains(err.Error(), "control URL") {
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
		if phone.SetBrowser(c.browser); phone.Page() != nil || phone.Browser() != c.browser || c.browser.String() != c.name {
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
		// Who the person is, only WeChat says.
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

func TestControlChangesTheBrowserOfAPhone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{})
	phone := d.sim.Phone("alice")
	d.ask("POST", "/phones/alice", "do=browser&at=safari")
	if phone.Browser() != wechattest.BrowserSafari {
		t.Errorf("the browser is %s", phone.Browser())
	}
	if _, body := d.ask("GET", "/phones/alice", ""); !strings.Contains(body, `<option value="safari" selected>`) {
		t.Error("the page does not show the browser that was chosen")
	}
	d.ask("POST", "/phones/alice", "do=browser&at=netscape")
	if phone.Browser() != wechattest.BrowserSafari {
		t.Errorf("a browser that is none became %s", phone.Browser())
	}
	mustPage(t)(phone.Open(context.Background(), site(t, func(http.ResponseWriter, *http.Request) {})))
	d.ask("POST", "/phones/alice", "do=home")
	if phone.Page() != nil {
		t.Error("home leaves the page open")
	}
}
