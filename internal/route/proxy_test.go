package route_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
)

// proxyFixture is a gateway that trusts 192.168.7.0/24, and the proxies that it reported.
type proxyFixture struct {
	*fixture
	reports []route.HidingProxy
}

func newProxyFixture(t *testing.T) *proxyFixture {
	t.Helper()
	f := &proxyFixture{}
	f.fixture = newFixture(t, nil, func(c *route.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}
		c.OnHidingProxy = func(p route.HidingProxy) { f.reports = append(f.reports, p) }
	})
	return f
}

// browse sends a request of a browser, with headers of the form name, value, name, value.
func (f *proxyFixture) browse(peer, session string, headers ...string) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = peer
	if session != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-weigate-s", Value: session, Quoted: true})
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	f.do(r)
}

// TestProxyThatHidesItsClientsIsReported: of all situations in which many users have one address, only
// those with a reverse proxy that the configuration forgets are reported. Behind such a proxy, Pocket ID
// and oauth2-proxy locked out all users at once by the rate limit.
func TestProxyThatHidesItsClientsIsReported(t *testing.T) {
	t.Parallel()
	const forwardedFor, proto = "X-Forwarded-For", "X-Forwarded-Proto"
	for _, k := range []struct {
		name, peer string
		headers    []string
		sessions   int    // different sessions; 0 = 50
		cookie     string // of all requests; "" = the sessions
		want       bool
	}{
		{name: "a proxy of this machine that is not trusted", peer: "127.0.0.1:9",
			headers: []string{forwardedFor, "198.51.100.1"}, want: true},
		{name: "a proxy in a Docker network that is not trusted", peer: "172.18.0.2:9",
			headers: []string{forwardedFor, "198.51.100.1"}, want: true},
		{name: "a proxy with IPv6 that is not trusted", peer: "[fd00::2]:9",
			headers: []string{"Forwarded", "for=198.51.100.1"}, want: true},
		{name: "a proxy with a link-local address", peer: "[fe80::1%eth0]:9",
			headers: []string{forwardedFor, "198.51.100.1"}, want: true},
		{name: "a load balancer in the shared address space", peer: "100.100.1.1:9",
			headers: []string{"X-Real-IP", "198.51.100.1"}, want: true},
		{name: "a trusted proxy that reports no client", peer: "192.168.7.1:9", headers: []string{proto, "https"},
			want: true},
		{name: "a trusted proxy that reports no address", peer: "192.168.7.1:9",
			headers: []string{forwardedFor, "unknown"}, want: true},
		{name: "a trusted proxy that reports the clients", peer: "192.168.7.1:9",
			headers: []string{forwardedFor, "198.51.100.1", proto, "https"}},
		{name: "an office of 50 people behind one NAT", peer: "203.0.113.7:9"},
		{name: "an office of 50 people in the gateway's own network", peer: "10.0.0.7:9"},
		{name: "the clients of an office behind a trusted proxy", peer: "192.168.7.1:9",
			headers: []string{forwardedFor, "203.0.113.7"}},
		{name: "clients in the network of the trusted proxy", peer: "192.168.7.1:9",
			headers: []string{forwardedFor, "192.168.7.1"}},
		{name: "a stranger who wants to be trusted", peer: "203.0.113.7:9",
			headers: []string{forwardedFor, "198.51.100.1"}},
		{name: "nine browsers", peer: "127.0.0.1:9", headers: []string{forwardedFor, "198.51.100.1"}, sessions: 9},
		{name: "made-up cookies", peer: "127.0.0.1:9", headers: []string{forwardedFor, "198.51.100.1"}, cookie: "x"},
		{name: "no peer", peer: "@", headers: []string{forwardedFor, "198.51.100.1"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			f := newProxyFixture(t)
			for i := range 50 {
				session := fmt.Sprintf("issued %d", i)
				if k.sessions > 0 {
					session = fmt.Sprintf("issued %d", i%k.sessions)
				}
				if k.cookie != "" {
					session = fmt.Sprint(k.cookie, i)
				}
				f.browse(k.peer, session, k.headers...)
				f.now = f.now.Add(10 * time.Second)
			}
			if got := len(f.reports) == 1; got != k.want {
				t.Fatalf("reports: %v", f.reports)
			}
			if !k.want {
				return
			}
			peer := netip.MustParseAddrPort(k.peer).Addr().WithZone("") // trusted_proxies accepts no zone
			want := route.HidingProxy{Address: peer, Trusted: peer.String() == "192.168.7.1"}
			if f.reports[0] != want {
				t.Errorf("reported %v, want %v", f.reports[0], want)
			}
		})
	}
}

// TestHidingProxyIsReportedOnceAnHour: also if its clients come all the time, and again if the clock was
// set back. Other proxies have counts of their own, up to a fixed number of them.
func TestHidingProxyIsReportedOnceAnHour(t *testing.T) {
	t.Parallel()
	f := newProxyFixture(t)
	browse := func(peer, browser string) {
		for i := range 30 {
			f.browse(peer, fmt.Sprintf("issued %s %d", browser, i), "X-Forwarded-For", "198.51.100.1")
		}
	}
	for i, step := range []struct {
		later time.Duration
		want  int // reports in all
	}{{0, 0}, {4 * time.Minute, 0}, {time.Minute, 1}, {54 * time.Minute, 1}, {time.Minute, 1}, {5 * time.Minute, 2},
		{time.Second, 2}, {-2 * time.Hour, 2}, {5 * time.Minute, 3}} {
		f.now = f.now.Add(step.later)
		if browse("10.0.0.1:9", "x"); len(f.reports) != step.want {
			t.Fatalf("step %d: %d reports, want %d", i, len(f.reports), step.want)
		}
	}
	for i := range limit.HidingProxies.Max {
		peer := fmt.Sprintf("10.0.1.%d:9", i)
		browse(peer, peer)
		f.now = f.now.Add(hidingSpread)
		browse(peer, peer)
	}
	if n := len(f.reports) - 3; n != limit.HidingProxies.Max-1 { // 10.0.0.1 is counted too
		t.Errorf("%d further proxies reported, want %d", n, limit.HidingProxies.Max-1)
	}
}

// hidingSpread is the time within which no proxy is reported.
const hidingSpread = 5 * time.Minute

// TestStrangersBehindSharedAddressCannotBecomeTrusted: Docker's userland proxy, the SNAT of Kubernetes or
// a load balancer gives all direct clients one private address. A stranger there sends X-Forwarded-For
// with many sessions, so that the administrator adds the address of all users to trusted_proxies. Then
// everybody could choose the own address.
func TestStrangersBehindSharedAddressCannotBecomeTrusted(t *testing.T) {
	t.Parallel()
	const peer = "172.18.0.1:9"
	stranger := func(f *proxyFixture, i int) {
		f.browse(peer, fmt.Sprintf("issued stranger %d", i), "X-Forwarded-For", "192.0.2.4")
	}
	for name, attack := range map[string]func(*proxyFixture){
		"a burst after 200 direct users": func(f *proxyFixture) {
			for i := range 200 {
				f.browse(peer, fmt.Sprintf("issued user %d", i))
			}
			for i := range 20 {
				stranger(f, i)
			}
		},
		"half an hour between two requests of direct users": func(f *proxyFixture) {
			for i := range 20 {
				stranger(f, i)
				if i == 3 || i == 6 {
					f.browse(peer, "issued user")
				}
				f.now = f.now.Add(90 * time.Second)
			}
		},
		"a slow attack that other addresses should make forgotten": func(f *proxyFixture) {
			for i := range 20 {
				stranger(f, i)
				f.browse(peer, "issued user")
				for j := range 2 * limit.HidingProxies.Max {
					f.browse(fmt.Sprintf("10.0.1.%d:9", j), "issued stranger 0", "X-Forwarded-For", "192.0.2.4")
				}
				f.now = f.now.Add(time.Minute)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newProxyFixture(t)
			if attack(f); len(f.reports) > 0 {
				t.Errorf("reported %v", f.reports)
			}
		})
	}
}

// TestOneDirectRequestDoesNotSilenceHidingProxy: an administrator opens the gateway on the machine of the
// proxy. Requests without a session, such as health checks, do not count at all.
func TestOneDirectRequestDoesNotSilenceHidingProxy(t *testing.T) {
	t.Parallel()
	f := newProxyFixture(t)
	for i := range 20 {
		f.browse("127.0.0.1:9", fmt.Sprintf("issued %d", i), "X-Forwarded-For", "198.51.100.1")
		f.browse("127.0.0.1:9", "")
		if i == 5 {
			f.browse("127.0.0.1:9", "issued administrator")
		}
		f.now = f.now.Add(time.Minute)
	}
	if len(f.reports) != 1 {
		t.Errorf("reported %v", f.reports)
	}
}

// TestOneClientCannotSilenceHidingProxy: a client with one session and many private addresses fills the
// table of proxies, before and between the requests of the users of a real one.
func TestOneClientCannotSilenceHidingProxy(t *testing.T) {
	t.Parallel()
	for _, addresses := range []int{limit.HidingProxies.Max, 3 * limit.HidingProxies.Max} {
		f := newProxyFixture(t)
		for i := range 20 {
			for j := range addresses {
				f.browse(fmt.Sprintf("10.0.1.%d:9", j), "issued attacker", "X-Forwarded-For", "198.51.100.1")
			}
			f.browse("10.0.0.1:9", fmt.Sprintf("issued %d", i), "X-Forwarded-For", "198.51.100.1")
			f.now = f.now.Add(time.Minute)
		}
		want := route.HidingProxy{Address: netip.MustParseAddr("10.0.0.1")}
		if len(f.reports) != 1 || f.reports[0] != want {
			t.Errorf("%d addresses: reported %v, want %v", addresses, f.reports, want)
		}
	}
}
