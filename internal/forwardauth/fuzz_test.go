package forwardauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

// Go runs the seeds as tests; without seeds that would be a test of nothing.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	if seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", "FuzzVerify", "*")); err != nil ||
		len(seeds) == 0 {
		t.Errorf("testdata/fuzz/FuzzVerify holds no seed: %v", err)
	}
}

// FuzzVerify requests /verify for any address with any cookie, as each kind of proxy does. No
// made-up value is allowed, every response has every header, and a redirect to sign-in returns to
// the requested host.
func FuzzVerify(f *testing.F) {
	e := newFixture(f)
	f.Fuzz(func(t *testing.T, uri, original, host, cookie string) {
		r := httptest.NewRequest(http.MethodGet, "/verify", nil)
		r.RemoteAddr = proxyAddr
		r.Header["Accept"] = []string{"text/html"}
		for name, value := range map[string]string{"X-Forwarded-Host": host, "X-Forwarded-Uri": uri,
			"X-Original-Url": original, "Cookie": cookie} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, r)
		if w.Code < 300 || w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		for _, name := range identity {
			if v := w.Header()[name]; len(v) != 1 || v[0] != "" {
				t.Errorf("%s is %q", name, v)
			}
		}
		to := w.Header().Get("Location")
		if webtest.Kind(w.Body.String()) == web.Continue { // a redirect to a long address
			to = webtest.Read(t, w.Body.String()).Refresh
		}
		if to == "" {
			return
		}
		origin, query, found := strings.Cut(to, "/.weigate/start?")
		back := forwardauth.ReadReturn(query)
		if !found || !listed(origin) {
			t.Fatalf("sent to %q", to)
		}
		u, err := url.Parse(origin + back)
		if err != nil || u.Scheme+"://"+u.Host != origin || !strings.HasPrefix(back, "/") ||
			strings.HasPrefix(back, "//") ||
			strings.ContainsFunc(back, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
			t.Errorf("comes back to %q on %s: %v", back, origin, err)
		}
	})
}

func listed(origin string) bool {
	switch origin {
	case "https://" + wiki, "https://docs.example.com:8443", "https://public.example.com",
		"https://local.localhost:8082", "http://local.localhost:8082":
		return true
	}
	return false
}
