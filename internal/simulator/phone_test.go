package simulator_test

import (
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
	app := serve(t, func(http.ResponseWriter, *http.Request) { opened++ })
	link := app + "/scan/abc?x=1&y=2"
	for _, c := range []struct{ name, query, want string }{
		{"somebody", "person=bob&open=" + url.QueryEscape(link), "/phones/bob?open=" + url.QueryEscape(link)},
		{"nobody in particular", "open=" + url.QueryEscape(link), "/phones/alice?open=" + url.QueryEscape(link)},
		{"somebody who is not there", "person=../apps&open=" + url.QueryEscape(link),
			"/phones/alice?open=" + url.QueryEscape(link)},
		{"no link", "person=bob", "/phones/bob"},
		{"a script", "person=bob&open=javascript:alert(1)", "/phones/bob"},
		{"a file", "person=bob&open=file:///etc/passwd", "/phones/bob"},
		{"a name before the host", "person=bob&open=" + url.QueryEscape("http://login.example.com@127.0.0.1/"),
			"/phones/bob"},
		{"an endless one", "person=bob&open=http://127.0.0.1/" + strings.Repeat("x", 3000), "/phones/bob"},
	} {
		res, _ := d.ask("GET", "/phone?"+c.query, "")
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != c.want {
			t.Errorf("%s: %d to %s, want %s", c.name, res.StatusCode, got, c.want)
		}
		// As a link of another site leads here.
		_, body := d.ask("GET", c.want, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
		if shown := strings.Contains(body,
			`name="at" type="text" inputmode="url" autocomplete="off" spellcheck="false" placeholder="http://127.0.0.1:8080/" value="`+template.HTMLEscapeString(link)+`"`); shown != strings.Contains(c.want, "open=") {
			t.Errorf("%s: link in the address line: %t", c.name, shown)
		}
		if told := strings.Contains(body, `id="handed"`); told != strings.Contains(c.want, "open=") {
			t.Errorf("%s: the person is told: %t", c.name, told)
		}
	}
	if opened != 0 || d.sim.Phone("alice").Page() != nil || d.sim.Phone("bob").Page() != nil {
		t.Fatalf("links alone opened %d pages", opened)
	}
	if res, _ := d.ask("POST", "/phones/bob", url.Values{"do": {"open"}, "at": {link}}.Encode(), "Sec-Fetch-Site",
		"cross-site", "Origin", "http://evil.test"); res.StatusCode != http.StatusForbidden || opened != 0 {
		t.Errorf("another site's form: %d, %d pages opened", res.StatusCode, opened)
	}
	d.ask("POST", "/phones/bob", url.Values{"do": {"open"}, "at": {link}}.Encode(), "Sec-Fetch-Site", "same-origin")
	if page := d.sim.Phone("bob").Page(); opened != 1 || page == nil || page.URL != link {
		t.Errorf("the press opened %d pages, %+v", opened, page)
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
	open(t, phone, serve(t, func(http.ResponseWriter, *http.Request) {}))
	d.ask("POST", "/phones/alice", "do=home")
	if phone.Page() != nil {
		t.Error("home leaves the page open")
	}
}
