package route_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/route"
)

type fixture struct {
	handler http.Handler
	log     *strings.Builder
	now     time.Time
}

// newFixture wraps a handler that responds with the request's attributes.
func newFixture(t *testing.T, inner http.HandlerFunc, change ...func(*route.Config)) *fixture {
	t.Helper()
	f := &fixture{log: &strings.Builder{}, now: time.Unix(1_800_000_000, 0)}
	cfg := route.Config{
		Origin: "https://login.example.com", Mux: route.NewMux(), CookiePrefixes: []string{"__Host-weigate"},
		Fail: func(w http.ResponseWriter, _ *http.Request, f route.Failure) {
			w.WriteHeader([]int{500, 403, 429}[f])
			fmt.Fprint(w, "failure")
		},
		Logger: slog.New(slog.NewTextHandler(f.log, nil)), Now: func() time.Time { return f.now },
	}
	for _, f := range change {
		f(&cfg)
	}
	rt, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if inner == nil {
		inner = func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %d %v", route.Address(r), route.RequestID(r.Context()), len(body), err != nil)
		}
	}
	cfg.Mux.Handle("/", inner)
	cfg.Mux.Handle("POST /oauth2/token", inner, route.CrossSitePost)
	cfg.Mux.Handle("/sign-in", inner, route.Limited)
	cfg.Mux.Handle("/sign-in/", inner, route.Limited)
	cfg.Mux.Handle("/oauth2/authorize", inner, route.LimitedSignedIn)
	cfg.Mux.Handle("/scan/", inner, route.Limited, route.Private)
	cfg.Mux.Handle("GET /scan/{ticket}/answer", inner, route.Private)
	f.handler = rt.Wrap(cfg.Mux)
	return f
}

func (g *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

func TestVisitorAddress(t *testing.T) {
	t.Parallel()
	trust := func(c *route.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	for _, k := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.7:9", nil, "203.0.113.7"},
		{"the header of an untrusted peer is not read", "203.0.113.7:9", []string{"198.51.100.1"}, "203.0.113.7"},
		{"trusted proxy", "10.0.0.1:9", []string{"198.51.100.1"}, "198.51.100.1"},
		{"what the visitor made up stands further left", "10.0.0.1:9", []string{"127.0.0.1, 198.51.100.1"},
			"198.51.100.1"},
		{"two proxies, two headers", "10.0.0.1:9", []string{"1.2.3.4, 198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"only proxies", "10.0.0.1:9", []string{"10.0.0.9"}, "10.0.0.9"},
		{"no address", "10.0.0.1:9", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:9", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"IPv6", "[::1]:9", []string{"2001:db8::1"}, "2001:db8::1"},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = k.peer
			r.Header["X-Forwarded-For"] = k.forwarded
			if got := newFixture(t, nil, trust).do(r).Body.String(); !strings.HasPrefix(got, k.want+" ") {
				t.Errorf("address: %s, want %s", got, k.want)
			}
		})
	}
}

func TestForwardedForOfAnUntrustedPeerIsOneWarning(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Forwarded-For", "198.51.100.1")
		g.do(r)
	}
	if n := strings.Count(g.log.String(), "trusted_proxies"); n != 1 {
		t.Errorf("%d warnings in %s", n, g.log)
	}
}

func TestRequestsHaveNamesOfOurMaking(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	seen := map[string]bool{}
	for range 20 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Request-Id", "planted\nline")
		w := g.do(r)
		id := w.Header().Get("X-Request-Id")
		if len(id) != 10 || seen[id] || !strings.Contains(w.Body.String(), " "+id+" ") {
			t.Fatalf("request id %q, body %s", id, w.Body)
		}
		seen[id] = true
	}
}

func TestFormsFromOtherSites(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name, path, origin, site string
		want                     int
	}{
		{"own page", "/sign-out", "https://login.example.com", "same-origin", 200},
		{"own page behind a proxy that changes Host", "/sign-out", "https://login.example.com", "", 200},
		{"another site", "/sign-out", "https://evil.example", "cross-site", 403},
		{"another site, old browser", "/sign-out", "https://evil.example", "", 403},
		{"an app's form", "/oauth2/token", "https://app.example.com", "cross-site", 200},
		{"a path that only looks exempt", "/oauth2/token/x", "https://app.example.com", "cross-site", 403},
		{"no browser", "/sign-out", "", "", 200},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "http://internal:8080"+k.path, strings.NewReader("a=b"))
			for name, value := range map[string]string{"Origin": k.origin, "Sec-Fetch-Site": k.site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			if w := newFixture(t, nil).do(r); w.Code != k.want {
				t.Errorf("status %d, want %d", w.Code, k.want)
			}
		})
	}
}

func TestBodyHasALimit(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("a", 1<<20)))
	if got := newFixture(t, nil).do(r).Body.String(); !strings.HasSuffix(got, " 65536 true") {
		t.Errorf("a large body: %s", got)
	}
}

func TestFloodFromOneAddressIsSlowedDown(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	ask := func(path, peer, cookie string) int {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.RemoteAddr = peer
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-weigate-s", Value: cookie})
		}
		return g.do(r).Code
	}
	until := func(limit int, path, peer, cookie string) int {
		for n := range limit {
			if ask(path, peer, cookie) == 429 {
				return n
			}
		}
		return limit
	}
	if n := until(4000, "/sign-in", "203.0.113.7:1", ""); n < 1000 || n == 4000 {
		t.Errorf("one address got %d sign-ins through at once", n)
	}
	if got := ask("/sign-in", "203.0.113.8:1", ""); got != 200 {
		t.Errorf("another address: %d", got)
	}
	if got := ask("/oauth2/jwks", "203.0.113.7:1", ""); got != 200 {
		t.Errorf("a path that is not limited: %d", got)
	}
	if n := until(400, "/sign-in/profile", "127.0.0.1:1", "the session of one browser"); n < 50 || n == 400 {
		t.Errorf("one browser got %d requests through at once", n)
	}
	if n := until(4000, "/sign-in", "127.0.0.1:1", ""); n != 4000 {
		t.Errorf("a proxy on this machine that nobody named was stopped after %d", n)
	}
	g.now = g.now.Add(time.Second)
	if got := ask("/sign-in", "203.0.113.7:1", ""); got != 200 {
		t.Errorf("a second later: %d", got)
	}
}

// A signed-in user adds a row with each code that an app is sent. Reloading a page stays below the
// limit, a loop does not.
func TestFloodOfCodesFromOneBrowserIsSlowedDown(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	ask := func(path, peer, cookie string) int {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.RemoteAddr = peer
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-weigate-s", Value: cookie})
		}
		return g.do(r).Code
	}
	until := func(limit int, peer, cookie string) int {
		for n := range limit {
			if ask("/oauth2/authorize", peer, cookie) == 429 {
				return n
			}
		}
		return limit
	}
	if n := until(2000, "127.0.0.1:1", "the session of one browser"); n < 200 || n == 2000 {
		t.Errorf("one browser got %d codes at once", n)
	}
	if got := ask("/oauth2/authorize", "127.0.0.1:1", "the session of another one"); got != 200 {
		t.Errorf("another browser: %d", got)
	}
	if got := ask("/sign-in", "127.0.0.1:1", "the session of one browser"); got != 200 {
		t.Errorf("the same browser at sign-in, which has a count of its own: %d", got)
	}
	if n := until(20_000, "203.0.113.7:1", ""); n < 5000 || n == 20_000 {
		t.Errorf("one address got %d through at once", n)
	}
	if got := ask("/oauth2/authorize", "203.0.113.8:1", ""); got != 200 {
		t.Errorf("another address: %d", got)
	}
	g.now = g.now.Add(time.Second)
	if got := ask("/oauth2/authorize", "127.0.0.1:1", "the session of one browser"); got != 200 {
		t.Errorf("a second later: %d", got)
	}
}

// A client needs its session cookie at routes that add rows. Further cookies that it makes up for
// each request do not give it a new limit.
func TestFloodWithMadeUpCookiesBesideTheSession(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil, func(c *route.Config) { c.SessionCookie = "__Host-weigate-s" })
	through := 0
	for n := range 2000 {
		r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil)
		r.RemoteAddr = "127.0.0.1:1"
		r.AddCookie(&http.Cookie{Name: "__Host-weigate-d", Value: fmt.Sprintf("made up, number %06d", n)})
		r.AddCookie(&http.Cookie{Name: "__Host-weigate-s", Value: "the session of one browser"})
		if g.do(r).Code != 429 {
			through++
		}
	}
	if through < 200 || through == 2000 {
		t.Errorf("one browser got %d codes at once", through)
	}
}

// The cookies that probe for cookie support and mark a snapshot page have the value "1" in every
// browser. A client that sends one of them all day must not exhaust the limit of other users.
func TestFloodWithACookieThatAllBrowsersHaveLocksNobodyOut(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	ask := func(peer string) int {
		r := httptest.NewRequest(http.MethodGet, "/sign-in/lost", nil)
		r.RemoteAddr = peer
		r.AddCookie(&http.Cookie{Name: "__Host-weigate-p", Value: "1"})
		return g.do(r).Code
	}
	for range 500 {
		ask("203.0.113.66:1")
	}
	if got := ask("203.0.113.7:1"); got != 200 {
		t.Errorf("somebody else, whose browser has the same mark: %d", got)
	}
}

func TestPanicTellsTheVisitorNothing(t *testing.T) {
	t.Parallel()
	g := newFixture(t, func(http.ResponseWriter, *http.Request) { panic("code=SECRET") })
	w := g.do(httptest.NewRequest(http.MethodGet, "/?code=SECRET", nil))
	if w.Code != 500 || strings.Contains(w.Body.String()+g.log.String(), "SECRET") {
		t.Errorf("%d %s; log %s", w.Code, w.Body, g.log)
	}
	if !strings.Contains(g.log.String(), "route_test.go") {
		t.Errorf("the log does not say where: %s", g.log)
	}
}

func TestPanicAfterHalfAnAnswerBreaksTheConnection(t *testing.T) {
	t.Parallel()
	g := newFixture(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		panic("oh")
	})
	defer func() {
		if err, is := recover().(error); !is || !errors.Is(err, http.ErrAbortHandler) {
			t.Error("the connection would look as if the answer were whole")
		}
	}()
	g.do(httptest.NewRequest(http.MethodGet, "/", nil))
}

func TestPrivatePathIsInNoLog(t *testing.T) {
	t.Parallel()
	g := newFixture(t, func(http.ResponseWriter, *http.Request) { panic("oh") })
	g.do(httptest.NewRequest(http.MethodGet, "/scan/planted/answer", nil))
	r := httptest.NewRequest(http.MethodPost, "/scan/planted", nil)
	r.Header.Set("Origin", "https://evil.example")
	g.do(r)
	for range 4000 {
		r := httptest.NewRequest(http.MethodGet, "/scan/planted", nil)
		r.RemoteAddr = "203.0.113.7:1"
		g.do(r)
	}
	log := g.log.String()
	for _, want := range []string{"another site", "panicked", "rate limit exceeded"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log", want)
		}
	}
	if strings.Contains(log, "planted") || !strings.Contains(log, "path=/scan/…") {
		t.Errorf("log: %.600s", log)
	}
}
