package forwardauth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web/webtest"
)

// deepLink returns a path of a site with n bytes, as dashboards make them. unit is repeated.
func deepLink(unit string, n int) string {
	path := "/app/dashboards?_g=("
	path += strings.Repeat(unit, (n-len(path))/len(unit))
	return path + strings.Repeat("x", n-len(path))
}

// Deep links of dashboards exceed a cookie and every header that nginx accepts by default
// (authelia/authelia#939, elastic/kibana#8359). The browser comes back to the same bytes.
func TestDeepLinksOfUpTo8000BytesComeBack(t *testing.T) {
	t.Parallel()
	for name, unit := range map[string]string{
		"letters": "abcdefghij", "escapes": "%E9%A1%B5", "every character": "a=b&c;d+e!f*g'h,i:j@k(l)m~n%2Ao%27p/q?r|s^t{u}v",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFixture(t)
			a, _ := e.person("alice")
			b := e.browser("")
			for _, size := range []int{900, 1300, 1500, 3000, 8000} {
				if size == 8000 && name == "every character" {
					size = 6500 // four characters need three bytes each
				}
				link := deepLink(unit, size)
				for _, signedIn := range []bool{false, true} {
					delete(b.cookies, wiki)
					b.hops = nil
					w := b.verify("https://"+wiki+link, "X-Forwarded-Uri", link)
					b.checkSizes(b.request(http.MethodGet, "https://"+wiki+"/"), w)
					location := w.Header().Get("Location")
					if location == "" {
						want(t, "verify", w, http.StatusUnauthorized, "continue")
						location = webtest.Read(t, w.Body.String()).Refresh
					}
					w = b.open(location)
					if !signedIn {
						if w.Body.String() != "sign-in" {
							t.Fatalf("%d bytes: %d at %.300v", size, w.Code, b.hops)
						}
						d := e.signIn.last()
						if len(d.ReturnURL) > session.MaxReturn || len(d.RestartURL) > session.MaxReturn {
							t.Errorf("%d bytes: the sign-in returns to %d bytes, and restarts at %d", size, len(d.ReturnURL),
								len(d.RestartURL))
						}
						b.put("login.example.com", "__Host-gateway", e.session(a, "alice", d.ID))
						b.open(gatewayURL + d.ReturnURL)
					}
					if b.at() != "https://"+wiki+link {
						t.Errorf("%d bytes, signed in %v: the browser is at %.200s", size, signedIn, b.at())
					}
				}
				delete(b.cookies["login.example.com"], "__Host-gateway")
			}
		})
	}
}

// A longer address cannot be carried. The user reads so, and does not end at another page silently.
func TestDeepLinkThatIsTooLongIsSaidSo(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	link := deepLink("x", 8001)
	want(t, "Traefik and Caddy", e.browser("").verify("https://"+wiki+link), http.StatusRequestURITooLong,
		"address_too_long")
	r := e.browser("").request(http.MethodGet, "https://"+wiki+"/.weigate/refused")
	r.Header.Set("X-Original-Url", "https://"+wiki+link)
	want(t, "nginx", e.browser("").send(r), http.StatusRequestURITooLong, "address_too_long")
}

// A compact return path means one path of the same host, whatever is in it.
func TestPathTricksInTheCompactReturnAddress(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	for sent, want := range map[string]string{
		"/a*E9*A1*B5!b=c": "/a%E9%A1%B5&b=c", "/a%2A%21%27%3B": "/a*!';", "//evil.example": "/evil.example",
		"/*5Cevil.example": "/", "https://evil.example/": "/", "/*0d*0aSet-Cookie:x": "/", "/*2Eweigate/start": "/",
		"/.weigate/sign-out": "/", "/a%0d%0aX:y": "/", "/a#b": "/a", "/a%23b": "/a", "": "/", "/*zz": "/",
	} {
		b := e.browser(cookie)
		b.open("https://" + wiki + "/.weigate/start?compact_return=" + strings.ReplaceAll(sent, "#", "%23"))
		if b.at() != "https://"+wiki+want {
			t.Errorf("%q ends at %q, want %q", sent, b.at(), want)
		}
	}
}

// A browser that keeps no cookies gets a page, and the gateway stores nothing for it.
func TestDeepLinkWithoutCookiesStoresNothing(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	for i := range 3 {
		b := e.browser("")
		next := fmt.Sprintf("%s/forward-auth?%s&compact_return=%s", gatewayURL, url.Values{"to": {"https://" + wiki},
			"challenge": {strings.Repeat("A", 43)}}.Encode(), deepLink(string(rune('a'+i)), 3000))
		for range 3 {
			b.cookies = map[string]map[string]string{}
			w := b.send(b.request(http.MethodGet, next))
			if next = w.Header().Get("Location"); next == "" {
				if page := webtest.Read(t, w.Body.String()); page.Refresh != "" {
					next = page.Refresh
				} else if page.Kind != "no_cookies" {
					t.Fatalf("page %q", page.Kind)
				}
			}
			if next == "" {
				break
			}
			if strings.HasPrefix(next, "/") {
				next = gatewayURL + next
			}
		}
	}
	if n, err := e.store.Sweep(t.Context(), e.clock.now().Add(1e6*3600e9), e.clock.now(), 1000); err != nil || n != 0 {
		t.Errorf("%d rows are stored, %v", n, err)
	}
}
