package simulator_test

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestLinkIsHandedOverToAPhone(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	opened := 0
	app := serve(t, func(http.ResponseWriter, *http.Request) { opened++ })
	link := app + "/scan/abc?x=1&y=2"
	for _, c := range []struct{ name, query, want string }{
		{"a person", "person=bob&open=" + url.QueryEscape(link), "/phones/bob?open=" + url.QueryEscape(link)},
		{"no person", "open=" + url.QueryEscape(link), "/phones/alice?open=" + url.QueryEscape(link)},
		{"an unknown person", "person=../apps&open=" + url.QueryEscape(link),
			"/phones/alice?open=" + url.QueryEscape(link)},
		{"no link", "person=bob", "/phones/bob"},
		{"a script", "person=bob&open=javascript:alert(1)", "/phones/bob"},
		{"a file", "person=bob&open=file:///etc/passwd", "/phones/bob"},
		{"a name before the host", "person=bob&open=" + url.QueryEscape("http://login.example.com@127.0.0.1/"),
			"/phones/bob"},
		{"a link of 3000 bytes", "person=bob&open=http://127.0.0.1/" + strings.Repeat("x", 3000), "/phones/bob"},
	} {
		res, _ := d.send("GET", "/phone?"+c.query, "")
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != c.want {
			t.Errorf("%s: %d to %s, want %s", c.name, res.StatusCode, got, c.want)
		}
		// The headers of a browser that follows a link on another website.
		_, body := d.send("GET", c.want, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
		field := `name="at" type="text" inputmode="url" autocomplete="off" spellcheck="false" ` +
			`placeholder="http://127.0.0.1:8080/" value="` + template.HTMLEscapeString(link) + `"`
		if shown := strings.Contains(body, field); shown != strings.Contains(c.want, "open=") {
			t.Errorf("%s: link in the address line: %t", c.name, shown)
		}
		if told := strings.Contains(body, `id="handed"`); told != strings.Contains(c.want, "open=") {
			t.Errorf("%s: the notice is shown: %t", c.name, told)
		}
	}
	if opened != 0 || d.sim.Phone("alice").Page() != nil || d.sim.Phone("bob").Page() != nil {
		t.Fatalf("links opened %d pages before a button was pressed", opened)
	}
	if res, _ := d.send("POST", "/phones/bob", url.Values{"do": {"open"}, "at": {link}}.Encode(), "Sec-Fetch-Site",
		"cross-site", "Origin", "http://evil.test"); res.StatusCode != http.StatusForbidden || opened != 0 {
		t.Errorf("a form of another site: %d, %d pages opened", res.StatusCode, opened)
	}
	d.send("POST", "/phones/bob", url.Values{"do": {"open"}, "at": {link}}.Encode(), "Sec-Fetch-Site", "same-origin")
	if page := d.sim.Phone("bob").Page(); opened != 1 || page == nil || page.URL != link {
		t.Errorf("the press opened %d pages, %+v", opened, page)
	}
}

func TestFormChangesTheBrowserOfAPhone(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	phone := d.sim.Phone("alice")
	d.send("POST", "/phones/alice", "do=browser&at=safari")
	if phone.Browser() != wechattest.BrowserSafari {
		t.Errorf("the browser is %s", phone.Browser())
	}
	if _, body := d.send("GET", "/phones/alice", ""); !strings.Contains(body, `<option value="safari" selected>`) {
		t.Error("the page does not show the browser that was chosen")
	}
	d.send("POST", "/phones/alice", "do=browser&at=netscape")
	if phone.Browser() != wechattest.BrowserSafari {
		t.Errorf("after an unknown browser: %s", phone.Browser())
	}
	open(t, phone, serve(t, func(http.ResponseWriter, *http.Request) {}))
	d.send("POST", "/phones/alice", "do=home")
	if phone.Page() != nil {
		t.Error("the page is open after Home")
	}
}

// TestPageThatContinues: the script of the control page follows a page that leads elsewhere within
// seconds, and leaves others to the button: they may have a form.
func TestPageThatContinues(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	for refresh, want := range map[string]bool{"0;url=/next": true, "3;url=/next": true, "10;url=/next": false,
		"2;url=/": false, "": false} {
		app := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Refresh", refresh)
			writeHTML(w, `<p>x`)
		})
		open(t, d.sim.Phone("alice"), app+"/")
		_, body := d.send("GET", "/phones/alice", "")
		said := strings.Contains(body, "The page continues automatically.")
		if strings.Contains(body, " data-refresh=") != want || said != want {
			t.Errorf("refresh %q: the script follows it: %t, want %t", refresh, !want, want)
		}
	}
}
