package route

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/limit"
)

// This file finds reverse proxies that hide their clients: all users then seem to have the address of
// the proxy. Rate limits, events and the page of a scan show or count the wrong address.
//
// One address that makes nearly all requests is not enough evidence: an office behind one NAT, or the
// users of one carrier, look the same. A request is evidence only with all of these:
//   - It has a header that only proxies add, and the gateway does not use the proxy's report.
//   - The peer is a trusted proxy, or its address is not public. A stranger on the internet, who can
//     send any header, can thus never make an administrator trust the stranger's address.
//   - It has a session that the gateway created. Enough different sessions are many browsers, and not
//     one developer or a health check.

// HidingProxy is a reverse proxy whose clients seem to have its own address.
type HidingProxy struct {
	Address netip.Addr
	Trusted bool // it is a trusted proxy, and reports no client; false = its report is not trusted
}

const (
	hidingWindow   = time.Hour // within which the browsers are counted; a proxy is reported once in it
	hiddenBrowsers = 10        // from how many browsers on a proxy is reported
)

// proxyHeaders are headers that reverse proxies add. Browsers send none of them.
var proxyHeaders = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded"}

// cgnat is the shared address space of RFC 6598. Clouds use it for their load balancers.
var cgnat = netip.MustParsePrefix("100.64.0.0/10")

// hidingProxies counts the browsers behind proxies. Its size is fixed. The zero value is ready for use.
type hidingProxies struct {
	mu    sync.Mutex
	since time.Time // begin of the window
	seed  maphash.Seed
	seen  []hiddenClients
}

// hiddenClients are the browsers behind one proxy.
type hiddenClients struct {
	proxy    netip.Addr
	browsers []uint64 // hashes of the keys of Config.Browser, at most hiddenBrowsers
}

// watchProxy calls Config.OnHidingProxy if r shows that a proxy hides its clients. reported is the
// result of address: a trusted proxy has reported the client.
func (rt *Router) watchProxy(r *http.Request, reported bool) {
	if reported || rt.cfg.OnHidingProxy == nil || rt.cfg.Browser == nil || !Proxied(r.Header) {
		return
	}
	proxy := Peer(r)
	trusted := rt.trusted(proxy)
	if !proxy.IsValid() || !trusted && isPublic(proxy) {
		return
	}
	if key := rt.cfg.Browser(r); key != "" && rt.hiding.add(rt.cfg.Now(), proxy, key) {
		rt.cfg.OnHidingProxy(HidingProxy{Address: proxy, Trusted: trusted})
	}
}

// add counts a browser behind a proxy. It reports whether the browser is the one at which the proxy
// must be reported.
func (h *hidingProxies) add(now time.Time, proxy netip.Addr, browser string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if age := now.Sub(h.since); age < 0 || age >= hidingWindow { // < 0: the clock was set back
		h.since, h.seed = now, maphash.MakeSeed()
		h.seen = h.seen[:0]
	}
	i := slices.IndexFunc(h.seen, func(c hiddenClients) bool { return c.proxy == proxy })
	if i < 0 {
		if len(h.seen) == limit.HidingProxies.Max {
			return false
		}
		i = len(h.seen)
		h.seen = append(h.seen, hiddenClients{proxy: proxy})
	}
	c, key := &h.seen[i], maphash.String(h.seed, browser)
	if len(c.browsers) == hiddenBrowsers || slices.Contains(c.browsers, key) {
		return false
	}
	c.browsers = append(c.browsers, key)
	return len(c.browsers) == hiddenBrowsers
}

// Proxied reports whether a request has headers that reverse proxies add.
func Proxied(h http.Header) bool {
	return slices.ContainsFunc(proxyHeaders, func(name string) bool { return len(h[name]) > 0 })
}

// isPublic reports whether an address can be the address of a client on the internet.
func isPublic(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast() && !cgnat.Contains(a)
}
