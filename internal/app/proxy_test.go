package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/proxycheck"
)

// TestForgottenProxyIsAProblem: ten browsers sign in behind a reverse proxy of this machine that is missing
// in trusted_proxies. The health page shows it. With the proxy in the configuration nothing is wrong.
func TestForgottenProxyIsAProblem(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		w := newFixture(t, func(w *gatewayFixture) {
			front, err := url.Parse(w.url)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(front)) // adds X-Forwarded-For
			t.Cleanup(proxy.Close)
			w.url = proxy.URL
			if trusted {
				w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
		})
		phone := w.phone("alice")
		for range 10 {
			phone.ClearCookies() // another browser, with a session of its own
			phone.Must(phone.Open(t.Context(), w.authorize("sample")))
			w.clock.Advance(time.Minute)
		}
		if err := w.replicas[0].Close(context.Background()); err != nil { // writes the statistics
			t.Fatal(err)
		}
		problems, err := w.store.Problems(t.Context(), w.clock.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if trusted {
			want = 0
		}
		if len(problems) != want || want == 1 && (problems[0].Source != "proxy:127.0.0.1" ||
			problems[0].Code != administration.ProxyNotTrusted || problems[0].Count != 1) {
			t.Errorf("trusted %v: problems %+v", trusted, problems)
		}
	}
}

// TestProxyCheckIsServed: "weigate check" gets the gateway's answer at the gateway's URL, and strangers get
// the page of paths that do not exist.
func TestProxyCheckIsServed(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	question := proxycheck.Question{URL: w.url, Sealer: w.options.Sealer, Now: w.clock.Now()}
	seen, err := proxycheck.Ask(t.Context(), http.DefaultTransport, question)
	if err != nil || !seen.Direct || seen.Client.String() != "127.0.0.1" ||
		!seen.Cookie || seen.BodyChanged || seen.Hides() {
		t.Errorf("%+v, %v", seen, err)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		for _, question := range []string{"", "made-up"} {
			got := responseToStranger(t, w, method, proxycheck.Path, question)
			want := responseToStranger(t, w, method, "/no-such-path", question)
			if got != want || !strings.HasPrefix(got, "404 ") {
				t.Errorf("strangers get by %s with the question %q\n%s\nand at a path that does not exist\n%s", method,
					question, got, want)
			}
		}
	}
}

// responseToStranger returns status, headers and body of the response to someone without the master key.
// It replaces the request id, and the path.
func responseToStranger(t *testing.T, w *gatewayFixture, method, path, question string) string {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	if question != "" {
		r.Header.Set("Weigate-Check", question)
	}
	rec := httptest.NewRecorder()
	w.replicas[0].Handler().ServeHTTP(rec, r)
	id := rec.Header().Get("X-Request-Id")
	if id == "" {
		t.Fatalf("no request id: %v", rec.Header())
	}
	text := fmt.Sprintf("%d %v\n%s", rec.Code, rec.Header(), rec.Body)
	return strings.NewReplacer(id, "ID", path, "PATH").Replace(text)
}
