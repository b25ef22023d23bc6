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

	"github.com/weigate/weigate/internal/limit"
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
		Limits: limit.NewLimiter(nil),
		Browser: func(r *http.Request) string {
			c, err := r.Cookie("__Host-weigate-s")
			if err != nil || !strings.HasPrefix(c.Value, "issued ") {
				return ""
			}
			return c.Value
		},
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
	cfg.Mux.Handle("/", inner, route.LimitedOther)
	cfg.Mux.Handle("POST /oauth2/token", inner, route.CrossSitePost, route.LimitedApp)
	cfg.Mux.Handle("/verify", inner, route.CrossSitePost, route.Subrequest, route.LimitedVerify)
	cfg.Mux.Handle("/sign-in", inner, route.Limited)
	cfg.Mux.Handle("/sign-in/", inner, route.Limited)
	cfg.Mux.Handle("/oauth2/authorize", inner, route.LimitedSignedIn)
	cfg.Mux.Handle("/scan/", inner, route.Limited, route.Private)
	cfg.Mux.Handle("GET /scan/{ticket}/answer", inner, route.Limited, route.Private)
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
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"),
			netip.MustParsePrefix("fe80::1/128")}
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
		{"address with port", "10.0.0.1:9", []string{"1.2.3.4, 198.51.100.1:51300"}, "198.51.100.1"},
		{"IPv6 with port", "10.0.0.1:9", []string{"[2001:db8::1]:51300"}, "2001:db8::1"},
		{"IPv6 in brackets", "10.0.0.1:9", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"unclosed bracket", "10.0.0.1:9", []string{"[2001:db8::1"}, "10.0.0.1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:9", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"IPv6", "[::1]:9", []string{"2001:db8::1"}, "2001:db8::1"},
		{"link-local IPv6", "[fe80::1%eth0]:9", []string{"2001:db8::1"}, "2001:db8::1"},
		{"a proxy with a link-local address", "10.0.0.1:9", []string{"2001:db8::1, fe80::1%eth0"}, "2001:db8::1"},
		{"another link-local address", "[fe80::2%eth0]:9", []string{"2001:db8::1"}, "fe80::2"},
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

// pocket-id 1.2, kanidm/kanidm#3874: addresses of private networks are recognized without a database,
// also IPv4 addresses that a server received as IPv6.
func TestPrivateMasks(t *testing.T) {
	t.Parallel()
	for address, local := range map[string]bool{
		"10.0.0.*": true, "172.16.0.*": true, "192.168.1.*": true, "100.64.3.*": true, "169.254.1.*": true,
		"fd00:1:2:*": true, "fe80:0:0:*": true, "::ffff:10.0.0.*": false, "203.0.113.*": false, "172.32.0.*": false,
		"2001:db8:0:*": false, "": false, "*": false, "10.0.0.1": false, "x.*": false,
	} {
		if got := route.IsPrivateMask(address); got != local {
			t.Errorf("IsPrivateMask(%q) = %t", address, got)
		}
	}
	mapped := route.MaskedAddress(netip.MustParseAddr("::ffff:10.0.0.1"))
	if mapped != "10.0.0.*" || !route.IsPrivateMask(mapped) {
		t.Errorf("::ffff:10.0.0.1 is shown as %q", mapped)
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
	if got := newFixture(t, nil).do(r).Body.String(); !strings.HasSuffix(got, " 32768 true") {
		t.Errorf("a large body: %s", got)
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
