package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

// Links to a native app's own scheme work, where the app registered the address; nothing else gets
// past the filter of links.
func TestOnlyRegisteredAddressesBecomeLinksToAnApp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own := []string{"com.example.app:/callback", "com.example.app://host/?a=1", "https://app.example.com/cb",
		"javascript:alert(1)", "", "com.example.empty:/cb?"}
	for _, tt := range []struct{ name, address, want string }{
		{"as registered", "com.example.app:/callback", "com.example.app:/callback"},
		{"with parameters", "com.example.app:/callback?error=access_denied&state=%22",
			"com.example.app:/callback?error=access_denied&amp;state=%22"},
		{"with parameters behind its own", "com.example.app://host/?a=1&error=x",
			"com.example.app://host/?a=1&amp;error=x"},
		{"with parameters behind an empty query", "com.example.empty:/cb?error=x", "com.example.empty:/cb?error=x"},
		{"a quote in it", `com.example.app:/callback?a="><script>`, "com.example.app:/callback?a=&#34;&gt;&lt;script&gt;"},
		// links of http and https need no check
		{"https", "https://elsewhere.example.com/cb?a=1&b=2", "https://elsewhere.example.com/cb?a=1&amp;b=2"},
		{"another path", "com.example.app:/callback2", ""},
		{"parameters where there were some", "com.example.app://host/?a=12", ""},
		{"another app's scheme", "com.example.other:/callback", ""},
		{"a script, registered", "javascript:alert(1)", ""},
		{"a script", "javascript:alert(2)//com.example.app:/callback", ""},
		{"data", "data:text/html,x", ""},
		{"nothing", "", ""},
	} {
		for _, p := range []web.Page{
			{Kind: web.Refused, App: "App", BackToApp: web.ToApp(tt.address, own)},
			{Kind: web.AppSignedOut, App: "App", GoToApp: web.ToApp(tt.address, own), ContinueAfter: time.Second},
		} {
			body := show(s, lang.English, p).Body.String()
			if tt.want == "" && strings.Contains(body, "<a ") || tt.want != "" &&
				!strings.Contains(body, `href="`+tt.want+`"`) {
				t.Errorf("%s, %s: want a link to %q, got %s", p.Kind, tt.name, tt.want,
					body[strings.Index(body, "<h1>"):])
			}
			if strings.Contains(body, "ZgotmplZ") {
				t.Errorf("%s, %s: a dead link", p.Kind, tt.name)
			}
			if refresh := strings.Contains(body, "http-equiv"); refresh != (tt.want != "" &&
				p.Kind == web.AppSignedOut) {
				t.Errorf("%s, %s: refresh %t", p.Kind, tt.name, refresh)
			}
		}
	}
	// A plain string is never rendered as a link with another scheme.
	body := show(s, lang.English, web.Page{Kind: web.Refused, App: "App",
		Back: "com.example.app:/callback"}).Body.String()
	if strings.Contains(body, "com.example") {
		t.Errorf("a string became a link: %s", body)
	}
}

// The button of a page that continues automatically leads to the same bytes as the page: html/template
// percent-encodes parentheses, which deep links of Kibana contain (elastic/kibana#8359).
func TestButtonLeadsToTheSameBytesAsThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const link = "https://kibana.example.com/app?_g=(a:'b',c:!t)&d=[e]*{f}|^"
	page := web.Page{Kind: web.Continue, Go: link, ContinueAfter: time.Second}
	read := webtest.Read(t, show(s, lang.English, page).Body.String())
	if read.Go != link || read.Refresh != link {
		t.Errorf("the button leads to %q, the page to %q", read.Go, read.Refresh)
	}
	for _, address := range []string{"javascript:alert(1)", "JAVASCRIPT:alert(1)", " javascript:alert(1)",
		"java\tscript:x", "data:text/html,x", "com.example.app:/callback", "vbscript:x"} {
		page.Go, page.ContinueAfter = address, 0
		if got := webtest.Read(t, show(s, lang.English, page).Body.String()).Go; got != "#" {
			t.Errorf("%q became a link to %q", address, got)
		}
	}
}
