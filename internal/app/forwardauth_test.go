package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
)

// guarded is a site behind a proxy that asks the gateway, at a host name of its own.
type guarded struct {
	*gatewayFixture
	origin string

	mu     sync.Mutex
	passed []*http.Response // answers of the gateway that went through the proxy
}

// behindProxy adds the app "wiki", whose host is served by a proxy of the kind of Traefik and
// Caddy.
func behindProxy(t *testing.T, rule gateway.Access, options ...option) *guarded {
	t.Helper()
	g := &guarded{}
	proxy := httptest.NewServer(g)
	t.Cleanup(proxy.Close)
	_, port, _ := net.SplitHostPort(proxy.Listener.Addr().String())
	g.origin = "http://wiki.localhost:" + port
	g.gatewayFixture = newFixture(t, append([]option{func(w *gatewayFixture) {
		w.config.VerifyCache = 5 * time.Second
		w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		w.config.Apps = append(w.config.Apps, config.App{
			App:   gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth, Name: "Wiki", Access: gateway.AccessRule{Rule: rule}},
			Hosts: []string{"wiki.localhost:" + port},
		})
	}}, options...)...)
	return g
}

// ServeHTTP is the proxy.
func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := "/verify"
	if strings.HasPrefix(r.URL.Path, "/.weigate/") {
		to = r.RequestURI
	}
	ask, err := http.NewRequestWithContext(r.Context(), r.Method, g.url+to, r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	ask.Host, ask.Header = r.Host, r.Header.Clone()
	for name, value := range map[string]string{"X-Forwarded-Host": r.Host, "X-Forwarded-Proto": "http",
		"X-Forwarded-Uri": r.RequestURI, "X-Forwarded-Method": r.Method} {
		ask.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(ask)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	g.mu.Lock()
	g.passed = append(g.passed, answer)
	g.mu.Unlock()
	if to == "/verify" && answer.StatusCode == http.StatusOK {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>the wiki</title><p>hello "+answer.Header.Get("X-Weigate-Name"))
		return
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// enters opens a page of the site and ends there, through WeChat and its consent.
func (g *guarded) enters(p phone) {
	g.t.Helper()
	p.WantPage(p.Must(p.Open(g.t.Context(), g.origin+"/page?x=1")), "profile", 200)
	p.Press()
	page := p.Must(p.Allow(g.t.Context()))
	if page.URL != g.origin+"/page?x=1" || !strings.Contains(page.Body, "hello ") {
		g.t.Fatalf("the phone shows %d at %s, redirects: %v\n%s", page.Status, page.URL, page.Hops, page.Body)
	}
}

// isIn reports whether the phone is signed in: a page of the site means that it is, and a redirect
// to sign-in that it is not.
func (g *guarded) isIn(p phone) bool {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet,
		strings.Replace(g.origin, "wiki.localhost", "127.0.0.1", 1)+"/page", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Host = strings.TrimPrefix(g.origin, "http://")
	r.Header.Set("Accept", "application/json")
	for _, c := range p.Cookies(g.origin + "/") {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return strings.Contains(g.body(r), "hello ")
}

// Changes at the gateway apply on the hosts, at every replica, within the lifetime of the cache.
func TestSignOutAtTheGatewayReachesTheHosts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(g *guarded, p phone){
		"here": func(g *guarded, p phone) {
			p.Must(p.Open(g.t.Context(), g.url+"/sign-out?return=/"))
			p.Must(p.Submit(g.t.Context(), "", nil))
		},
		"everywhere": func(g *guarded, p phone) {
			p.WantPage(p.Must(p.Open(g.t.Context(), g.url+"/")), "own", 200)
			p.WantPage(p.Must(p.Submit(g.t.Context(), "everywhere", nil)), "ended_all", 200)
		},
		"blocked": func(g *guarded, _ phone) { g.set(gateway.Blocked) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := behindProxy(t, gateway.AccessSignedIn, onPostgres)
			g.start()
			alice := g.phone("alice")
			g.enters(alice)
			for range g.replicas {
				if !g.isIn(alice) {
					t.Fatal("a replica does not know the session")
				}
			}
			end(g, alice)
			g.clock.Advance(5 * time.Second)
			for range g.replicas {
				if g.isIn(alice) {
					t.Error("still in")
				}
			}
			page := alice.Must(alice.Open(t.Context(), g.origin+"/page"))
			switch {
			case name == "blocked":
				alice.WantPage(page, "blocked", http.StatusForbidden)
			case !strings.Contains(page.Body, "hello "): // WeChat authenticates her again, without asking
				t.Errorf("she does not get in again: %d at %s, by %v", page.Status, page.URL, page.Hops)
			}
		})
	}
}

func TestWaitingAtTheHostLetsInOnceApproved(t *testing.T) {
	t.Parallel()
	g := behindProxy(t, gateway.AccessApproved)
	alice := g.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), g.origin+"/page")), "waiting", 200)
	alice.giveName("李雷")
	g.set(gateway.Active)
	alice.WantPage(alice.Must(alice.FollowRefresh(t.Context())), "profile", 200)
	alice.Press()
	page := alice.Must(alice.Allow(t.Context()))
	if page.URL != g.origin+"/page" {
		t.Fatalf("approved, she is at %s, by %v", page.URL, page.Hops)
	}
	// Approval is revoked, and granted again, while she is signed in.
	g.set(gateway.Pending)
	g.clock.Advance(5 * time.Second)
	page = alice.WantPage(alice.Must(alice.Open(t.Context(), g.origin+"/page")), "waiting", http.StatusForbidden)
	if page.RefreshURL == "" {
		t.Fatal("the page does not reload automatically")
	}
	g.set(gateway.Active)
	g.clock.Advance(5 * time.Second)
	if page = alice.Must(alice.FollowRefresh(t.Context())); page.URL != g.origin+"/page" ||
		!strings.Contains(page.Body, "hello ") {
		t.Errorf("she is at %s, by %v", page.URL, page.Hops)
	}
}

// A form on another site must not sign a user out.
func TestHostSignOutByAForeignForm(t *testing.T) {
	t.Parallel()
	g := behindProxy(t, gateway.AccessSignedIn)
	alice := g.phone("alice")
	g.enters(alice)
	for _, from := range []string{"http://evil.example", "null", g.url} {
		r := httptest.NewRequest(http.MethodPost, g.origin+"/.weigate/sign-out", nil)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Origin", from)
		for _, c := range alice.Cookies(g.origin + "/") {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		w := httptest.NewRecorder()
		g.replicas[0].Handler().ServeHTTP(w, r)
		g.clock.Advance(5 * time.Second)
		if !g.isIn(alice) && from != g.url { // our own pages may
			t.Errorf("a form from %s has signed her out: %d", from, w.Code)
		}
	}
	page := alice.WantPage(alice.Must(alice.Open(t.Context(), g.origin+"/.weigate/sign-out")), "host_sign_out", 200)
	if !strings.Contains(page.Body, `href="`+g.origin+`/"`) {
		t.Errorf("no way back for who changes their mind:\n%s", page.Body)
	}
	page = alice.WantPage(alice.Must(alice.Submit(t.Context(), "", nil)), "host_signed_out", 200)
	if page.URL != g.origin+"/.weigate/sign-out" {
		t.Errorf("at %s", page.URL)
	}
	// On to the gateway's own.
	alice.WantPage(alice.Press(), "sign_out", 200)
}

// The headers that say things about the gateway's own host are not said of others.
func TestHostsAreNotOurs(t *testing.T) {
	t.Parallel()
	g := behindProxy(t, gateway.AccessSignedIn)
	alice := g.phone("alice")
	g.enters(alice)
	alice.Must(alice.Open(t.Context(), g.origin+"/.weigate/sign-out"))
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.passed {
		if v := a.Header.Get("Strict-Transport-Security"); v != "" {
			t.Errorf("%s says %s", a.Request.URL, v)
		}
		if a.Request.URL.Path != "/verify" && a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept", a.Request.URL)
		}
	}
}

// The session of a host and the token for it are in no log line, no metric, no event and no byte of
// the database, after successful and failed requests.
func TestHostSessionAndHandoffTokenAreNotLeaked(t *testing.T) {
	t.Parallel()
	var log fixture.Buffer
	m := metrics.New()
	file := filepath.Join(t.TempDir(), "weigate.db")
	g := behindProxy(t, gateway.AccessSignedIn, inFile(file), func(w *gatewayFixture) {
		w.options.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
		w.options.Metrics = m
	})
	alice := g.phone("alice")
	g.enters(alice)
	secrets := g.secrets(alice)
	// Requests that are rejected: a repeated token, a token of another host, a made-up token, a
	// truncated cookie, a sign-out, an unavailable store.
	b := g.browser()
	for _, path := range []string{"/.weigate/finish?token=" + secrets.token, "/.weigate/finish?token=" + secrets.token +
		"x", "/.weigate/start"} {
		r := httptest.NewRequest(http.MethodGet, g.origin+path, nil)
		r.RequestURI = path
		r.Header.Set("Accept", "text/html")
		g.ServeHTTP(httptest.NewRecorder(), r)
		b.get(g.url + path)
	}
	alice.Must(alice.Open(t.Context(), g.origin+"/.weigate/sign-out"))
	alice.Must(alice.Submit(t.Context(), "", nil))
	g.comesBack(alice)
	events, err := g.store.Events(t.Context(), gateway.EventQuery{Limit: 500})
	if err != nil || len(events) < 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	g.clock.Advance(time.Minute)
	if err := g.store.Close(); err != nil {
		t.Fatal(err)
	}
	alice.Must(alice.Open(t.Context(), g.origin+"/page"))
	look := func(where string, text []byte) {
		t.Helper()
		if found := secrets.Find(text); found != "" {
			t.Errorf("%s holds the %s", where, found)
		}
	}
	for _, name := range []string{file, file + "-wal"} {
		if bytes, err := os.ReadFile(name); err == nil {
			look(filepath.Base(name), bytes)
		}
	}
	look("the log", []byte(log.String()))
	look("the events", fmt.Appendf(nil, "%+v", events))
	look("the metrics", []byte(g.scrape(m)))
	g.lookAtHeaders(look)
	if strings.Count(log.String(), "\n") < 3 {
		t.Errorf("the log:\n%s", log.String())
	}
}

// opens are the values that open something on a host.
type opens struct {
	leaktest.Values
	token string
}

// secrets finds the session of the host, both halves of it, and the token.
func (g *guarded) secrets(p phone) *opens {
	g.t.Helper()
	out := &opens{}
	for _, c := range p.Cookies(g.origin + "/") {
		_, secret, _ := strings.Cut(c.Value, ".")
		if !out.Add("host session", c.Value) || !out.Add("host session's secret", secret) {
			g.t.Fatalf("cookie %s is short", c.Name)
		}
	}
	for _, hop := range p.Page().Hops {
		if u, err := url.Parse(hop.To); err == nil && u.Query().Get("token") != "" {
			out.token = u.Query().Get("token")
		}
	}
	if !out.Add("hand-over token", out.token) || len(out.Names()) != 3 {
		g.t.Fatalf("found %v; redirects of the phone: %v", out.Names(), p.Page().Hops)
	}
	return out
}

// comesBack opens a page of the site as somebody whom the gateway knows.
func (g *guarded) comesBack(p phone) {
	g.t.Helper()
	if page := p.Must(p.Open(g.t.Context(), g.origin+"/page")); page.URL != g.origin+"/page" {
		g.t.Fatalf("the phone is at %s, by %v", page.URL, page.Hops)
	}
}

// lookAtHeaders looks at all that the gateway answered, but for where a session and a token belong.
func (g *guarded) lookAtHeaders(look func(where string, text []byte)) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.passed {
		for name, values := range a.Header {
			home := name == "Set-Cookie" || name == "Location" && strings.HasPrefix(values[0], g.origin+"/.weigate/finish?")
			if !home {
				look("the header "+name+" of "+a.Request.URL.Path, []byte(strings.Join(values, "\n")))
			}
		}
	}
}

// inFile keeps the store in a file, whose bytes can be looked at.
func inFile(name string) option {
	return func(w *gatewayFixture) {
		store, err := sqlite.Open(context.Background(), name, sqlite.Options{})
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { store.Close() })
		sqlitetest.PutSigningKeys(w.t, store)
		w.store = store
	}
}
