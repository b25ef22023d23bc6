package forwardauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/web/webtest"
)

// Whatever stands in the return address, the browser stays on the host, and the address means one
// thing.
func TestPathTricksInTheReturnAddress(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	for _, k := range []struct{ name, sent, want string }{
		{"plain", "/a/b?x=1&y=%2F", "/a/b?x=1&y=%2F"},
		{"encoded slash", "/a%2Fb", "/a%2Fb"},
		{"semicolon", "/a;b=1/c", "/a;b=1/c"},
		{"a path that begins with two slashes", "//evil.example/x", "/evil.example/x"},
		{"with many", "////evil.example", "/evil.example"},
		{"backslash", `/\evil.example`, "/"},
		{"encoded backslash", "/%5Cevil.example", "/"},
		{"another host", "https://evil.example/", "/"},
		{"a suffix that would extend the host", ".evil.example/", "/"},
		{"userinfo", "@evil.example/", "/"},
		{"a scheme", "javascript:alert(1)", "/"},
		{"dot segments stay on the host", "/a/../../b", "/a/../../b"},
		{"encoded dot segments", "/%2e%2e/%2e%2e/b", "/%2e%2e/%2e%2e/b"},
		{"our own addresses", "/.weigate/sign-out", "/"},
		{"the same, hidden", "/x/../.weigate/finish?token=t", "/"},
		{"the same, encoded", "/%2Eweigate/start", "/"},
		{"line break", "/a\r\nSet-Cookie: x=1", "/"},
		{"encoded line break", "/a%0d%0aSet-Cookie:%20x=1", "/"},
		{"tab", "/\t/evil.example", "/"},
		{"zero byte", "/a\x00b", "/"},
		{"DEL", "/a\x7f", "/"},
		{"space", "/a b", "/"},
		{"bad escape", "/a%zz", "/"},
		{"markup", `/"><script>`, "/%22%3E%3Cscript%3E"},
		{"Chinese", "/页面", "/%E9%A1%B5%E9%9D%A2"},
		{"fragment", "/a#b", "/a"},
		{"too long", "/" + strings.Repeat("x", 8000), "/"},
		{"too long once it is encoded", "/" + strings.Repeat("页", 900), "/"},
		{"empty", "", "/"},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			b := e.browser(cookie)
			b.open("https://" + wiki + "/.weigate/start?return=" + url.QueryEscape(k.sent))
			want := k.want
			if strings.Contains(want, "/../") {
				want = "/b" // as a browser reads it
			}
			if b.at() != "https://"+wiki+want {
				t.Errorf("start ends at %q, want %q", b.at(), k.want)
			}
			// The same through a proxy that requests /verify.
			w := e.browser("").verify("https://"+wiki+"/", "X-Forwarded-Uri", k.sent)
			if k.sent != "" && k.name != "too long" &&
				w.Header().Get("Location") != "https://"+wiki+"/.weigate/start?return="+url.QueryEscape(k.want) {
				t.Errorf("verify sends to %q", w.Header().Get("Location"))
			}
			// And at the end of the flow, with a session.
			b.hops = nil
			b.open("https://" + wiki + "/.weigate/finish?token=x&return=" + url.QueryEscape(k.sent))
			if b.at() != "https://"+wiki+want {
				t.Errorf("finish ends at %q, want %q", b.at(), k.want)
			}
		})
	}
}

// /.weigate/ exists on the hosts of apps, and nowhere else.
func TestOwnAddressesOnAHostThatIsNotListed(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	for _, host := range []string{"login.example.com", "evil.example", "wiki.example.com.evil.example",
		"x.wiki.example.com", "wiki.example.com:8443", "docs.example.com"} {
		for _, path := range []string{"start?return=/", "finish?token=" + strings.Repeat("A", 43), "sign-out",
			"refused"} {
			b := e.browser(cookie)
			w := b.send(b.request(http.MethodGet, "https://"+host+"/.weigate/"+path))
			if string(webtest.Kind(w.Body.String())) != "not_found" || len(w.Result().Cookies()) > 0 {
				t.Errorf("%s on %s: %d, page %q, cookies %v", path, host, w.Code, string(webtest.Kind(w.Body.String())),
					w.Result().Cookies())
			}
		}
		want(t, "/verify for "+host, e.browser("").verify("https://"+host+"/"), http.StatusForbidden, "unknown_host")
	}
}
