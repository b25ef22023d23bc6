package route_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
)

// get requests a path once and returns the status.
func (g *fixture) get(path, peer string, cookies ...string) int {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = peer
	for _, c := range cookies {
		r.Header.Add("Cookie", c)
	}
	return g.do(r).Code
}

// passed returns how many of n requests pass before the first one is refused.
func (g *fixture) passed(n int, path, peer string, cookies ...string) int {
	for i := range n {
		if g.get(path, peer, cookies...) == http.StatusTooManyRequests {
			return i
		}
	}
	return n
}

func session(name string) string { return "__Host-weigate-s=issued " + name }

func TestFloodFromOneAddressIsLimited(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		path    string
		address limit.Rate
	}{
		{"/sign-in", limit.SignInPerAddress}, {"/oauth2/authorize", limit.SignedInPerAddress},
		{"/oauth2/token", limit.OtherPerAddress}, // GET has no route of its own
		{"/verify", limit.VerifyPerAddress}, {"/", limit.OtherPerAddress},
	} {
		t.Run(k.path, func(t *testing.T) {
			t.Parallel()
			g := newFixture(t, nil)
			if n := g.passed(30_000, k.path, "203.0.113.7:1"); n != k.address.Burst {
				t.Errorf("one address sent %d requests at once, want %d", n, k.address.Burst)
			}
			if got := g.get(k.path, "203.0.113.8:1"); got != http.StatusOK {
				t.Errorf("another address: %d", got)
			}
			g.now = g.now.Add(time.Second)
			if got := g.get(k.path, "203.0.113.7:1"); got != http.StatusOK {
				t.Errorf("a second later: %d", got)
			}
			if n := g.passed(4000, k.path, "127.0.0.1:1"); n != 4000 {
				t.Errorf("a proxy on this machine that is not configured was refused after %d", n)
			}
		})
	}
}

// TestFloodFromOneNetwork uses a new /64 for each request, of a /48 that anybody can rent.
func TestFloodFromOneNetwork(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	passed := 0
	for i := range 20_000 {
		if g.get("/sign-in", fmt.Sprintf("[2001:db8:1:%x::1]:1", i)) == http.StatusOK {
			passed++
		}
	}
	if passed != limit.SignInPerNetwork.Burst {
		t.Errorf("one network sent %d requests at once, want %d", passed, limit.SignInPerNetwork.Burst)
	}
	if got := g.get("/sign-in", "[2001:db8:2::1]:1"); got != http.StatusOK {
		t.Errorf("another network: %d", got)
	}
}

// TestMadeUpCookiesCountForNothing sends another cookie with each request, as if each were another
// browser.
func TestMadeUpCookiesCountForNothing(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	passed := 0
	for i := range 10_000 {
		made := fmt.Sprintf("__Host-weigate-s=%043d; __Host-weigate-d-%d=%043d", i, i, i)
		if g.get("/sign-in", "203.0.113.7:1", made) == http.StatusOK {
			passed++
		}
	}
	if passed != limit.SignInPerAddress.Burst {
		t.Errorf("one address sent %d requests at once, want %d", passed, limit.SignInPerAddress.Burst)
	}
	for _, other := range []string{"", "__Host-weigate-s=0", session("alice")} {
		if got := g.get("/sign-in", "203.0.113.8:1", other); got != http.StatusOK {
			t.Errorf("another address with the cookie %q: %d", other, got)
		}
	}
}

// TestFloodOfOneBrowserIsLimited sends requests with one session from ever new addresses. Cookies that
// the client adds give it no new limit.
func TestFloodOfOneBrowserIsLimited(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	passed := 0
	for i := range 2000 {
		peer := fmt.Sprintf("203.0.%d.%d:1", i/250, i%250)
		made := fmt.Sprintf("__Host-weigate-d=made up, number %d", i)
		if g.get("/oauth2/authorize", peer, made, session("alice")) == http.StatusOK {
			passed++
		}
	}
	if passed != limit.SignedInPerBrowser.Burst {
		t.Errorf("one browser sent %d requests at once, want %d", passed, limit.SignedInPerBrowser.Burst)
	}
	if got := g.get("/oauth2/authorize", "127.0.0.1:1", session("bob")); got != http.StatusOK {
		t.Errorf("another browser: %d", got)
	}
	if got := g.get("/sign-in", "127.0.0.1:1", session("alice")); got != http.StatusOK {
		t.Errorf("the same browser at a route with another limit: %d", got)
	}
}

// TestUsersBehindAProxyAreCountedOneByOne: the subrequests of a trusted proxy count for the clients that
// it reports. If it reports none, they do not count at all, because one bucket would be all users'.
func TestUsersBehindAProxyAreCountedOneByOne(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil, func(c *route.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	verify := func(client string) int {
		r := httptest.NewRequest(http.MethodGet, "/verify", nil)
		r.RemoteAddr = "10.0.0.1:1"
		if client != "" {
			r.Header.Set("X-Forwarded-For", client)
		}
		return g.do(r).Code
	}
	last := 0
	for range limit.VerifyPerAddress.Burst + 1 {
		last = verify("203.0.113.7")
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("one client after its burst: %d", last)
	}
	if got := verify("203.0.113.8"); got != http.StatusOK {
		t.Errorf("another client: %d", got)
	}
	for range limit.VerifyPerAddress.Burst + 1 {
		if last = verify(""); last != http.StatusOK {
			t.Fatalf("a proxy that reports no client: %d", last)
		}
	}
}

// TestRouteWithoutALimitIsRefused: a route that nobody limits cannot be registered.
func TestRouteWithoutALimitIsRefused(t *testing.T) {
	t.Parallel()
	for _, policies := range [][]route.Policy{
		{}, {route.CrossSitePost}, {route.Limited, route.LimitedApp}, {route.Limited | route.LimitedOther},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a route with the policies %v was registered", policies)
				}
			}()
			route.NewMux().Handle("/", http.NotFoundHandler(), policies...)
		}()
	}
}

// TestThousandsOfCookiesReachNoHandler: a handler gets few cookies, all of them the gateway's, whatever
// a client sends. Only a subrequest of a proxy keeps the cookies of the other site.
func TestThousandsOfCookiesReachNoHandler(t *testing.T) {
	t.Parallel()
	var got []*http.Cookie
	exceeded := ""
	g := newFixture(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Cookies() },
		func(c *route.Config) { c.Limits = limit.NewLimiter(func(name string) { exceeded = name }) })
	var foreign, own []string
	for i := range 1000 {
		foreign = append(foreign, fmt.Sprintf("c%d=%d", i, i))
		own = append(own, fmt.Sprintf("__Host-weigate-%d=%d", i, i))
	}
	if g.get("/sign-in", "203.0.113.7:1", strings.Join(foreign, "; "), "__Host-weigate-s=1"); len(got) != 1 ||
		got[0].Value != "1" || exceeded != "" {
		t.Errorf("beside foreign cookies: %d cookies, exceeded %q", len(got), exceeded)
	}
	if g.get("/sign-in", "203.0.113.7:1", strings.Join(foreign, "; ")); len(got) != 0 {
		t.Errorf("foreign cookies only: %d", len(got))
	}
	if g.get("/sign-in", "203.0.113.7:1", strings.Join(own, "; ")); len(got) != limit.Cookies.Max ||
		exceeded != limit.Cookies.Name {
		t.Errorf("the gateway's own: %d cookies, exceeded %q", len(got), exceeded)
	}
	if g.get("/verify", "203.0.113.7:1", strings.Join(foreign, ";")); len(got) != len(foreign) {
		t.Errorf("a subrequest: %d cookies", len(got))
	}
}

// TestFloodOfForeignFormsIsLimited: requests that the gateway refuses for another reason count too, and
// the log has a bounded part of their paths.
func TestFloodOfForeignFormsIsLimited(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	got := map[int]int{}
	for range 3000 {
		r := httptest.NewRequest(http.MethodPost, "/"+strings.Repeat("a", 10_000), nil)
		r.RemoteAddr = "203.0.113.7:1"
		r.Header.Set("Origin", "https://evil.example")
		got[g.do(r).Code]++
	}
	if got[http.StatusForbidden] != limit.OtherPerAddress.Burst || got[http.StatusTooManyRequests] != 1000 {
		t.Errorf("answers: %v", got)
	}
	for line := range strings.Lines(g.log.String()) {
		if len(line) > 450 || !strings.Contains(line, "…") {
			t.Fatalf("a line of %d bytes: %.500s", len(line), line)
		}
	}
}

// TestPortInForwardedForEscapesNoLimit sends requests through a proxy that appends the port of the
// client's connection to its address, as Azure's Application Gateway does. Each connection has another port.
func TestPortInForwardedForEscapesNoLimit(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"203.0.113.7:%d", "[2001:db8:1:1::7]:%d"} {
		g := newFixture(t, nil, func(c *route.Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		})
		passed := 0
		for i := range 2 * limit.SignInPerAddress.Burst {
			r := httptest.NewRequest(http.MethodGet, "/sign-in", nil)
			r.RemoteAddr = "10.0.0.1:1"
			r.Header.Set("X-Forwarded-For", fmt.Sprintf(form, 1024+i))
			if g.do(r).Code == http.StatusOK {
				passed++
			}
		}
		if passed != limit.SignInPerAddress.Burst {
			t.Errorf("%s: %d requests at once passed, want %d", form, passed, limit.SignInPerAddress.Burst)
		}
	}
}

// TestProxyWithoutReadableAddressIsOneWarning: the limits do not count such a proxy's clients.
func TestProxyWithoutReadableAddressIsOneWarning(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil, func(c *route.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/sign-in", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set("X-Forwarded-For", "unknown")
		g.do(r)
	}
	if n := strings.Count(g.log.String(), "not readable"); n != 1 {
		t.Errorf("%d warnings in %s", n, g.log)
	}
}

// Behind two trusted proxies, of which the outer one writes no address, all clients would share the
// bucket of the inner proxy's address, and one of them could lock out the others.
func TestUnreadableClientBehindTwoProxiesLocksNobodyOut(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil, func(c *route.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	for i := range limit.SignInPerAddress.Burst + 10 {
		r := httptest.NewRequest(http.MethodGet, "/sign-in", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set("X-Forwarded-For", "unknown, 10.0.0.2")
		if rec := g.do(r); rec.Code == http.StatusTooManyRequests {
			t.Fatalf("request %d is refused", i)
		}
	}
}
