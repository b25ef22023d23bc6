package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/route"
)

// Go runs the seeds as tests; without seeds that would be a test of nothing.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"FuzzAuthorize", "FuzzToken"} {
		if seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*")); err != nil || len(seeds) == 0 {
			t.Errorf("testdata/fuzz/%s holds no seed: %v", target, err)
		}
	}
}

// FuzzAuthorize sends any query, with and without a session. The browser stays at the provider or
// is redirected to a registered address.
func FuzzAuthorize(f *testing.F) {
	e := newFixture(f, newMemory(f), "ES256")
	mux := route.NewMux()
	e.handler.Mount(mux)
	signedIn := e.browser()
	signedIn.code()
	at, _ := url.Parse(e.issuer)
	cookies := signedIn.client.Jar.Cookies(at)
	f.Fuzz(func(t *testing.T, query string) {
		// The id is not the same in every process, so the corpus writes it as app-1.
		query = strings.ReplaceAll(query, "app-1", e.app)
		for _, withSession := range []bool{false, true} {
			r := httptest.NewRequest("GET", "/oauth2/authorize", nil)
			r.URL.RawQuery = query
			if withSession {
				for _, c := range cookies {
					r.AddCookie(c)
				}
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			location := w.Header().Get("Location")
			switch {
			case w.Code >= 500:
				t.Errorf("%d", w.Code)
			case location == "":
			case strings.ContainsFunc(location, func(r rune) bool { return r < ' ' }):
				t.Errorf("Location holds a control byte: %q", location)
			case !strings.HasPrefix(location, redirectURI+"?") && !strings.HasPrefix(location, "/oauth2/authorize?"):
				t.Errorf("Location %q", location)
			}
		}
	})
}

// FuzzToken sends any body with any Authorization header. Nothing that it says is a token, and
// every answer is one that a client understands.
func FuzzToken(f *testing.F) {
	e := newFixture(f, newMemory(f), "ES256")
	mux := route.NewMux()
	e.handler.Mount(mux)
	good := basic(e.app, secret)
	f.Fuzz(func(t *testing.T, body, auth string) {
		if auth == "good" {
			auth = good
		}
		for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/userinfo"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header["Authorization"] = []string{auth}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code >= 500 || path == "/oauth2/token" && w.Code == http.StatusOK || path == "/oauth2/userinfo" &&
				w.Code == http.StatusOK {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: not JSON: %q", path, w.Body)
			}
			if strings.Contains(w.Body.String(), `"active":true`) {
				t.Errorf("a text that somebody made up is an active token")
			}
		}
	})
}
