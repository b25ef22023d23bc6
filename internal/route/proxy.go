package route

import (
	"cmp"
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
//
// Docker's userland proxy, the SNAT of Kubernetes and some load balancers give all direct clients
// one private address. There a stranger could send such headers with many sessions, and the
// administrator would trust everybody. But a reverse proxy adds its headers to all requests. If
// some sessions from the same address come without these headers, the address is not reported. The
// browsers must also spread over some minutes, so that other users have time to send such requests.

// HidingProxy is a reverse proxy whose clients seem to have its own address.
type HidingProxy struct {
	Address netip.Addr
	Trusted bool // the proxy is trusted, and reports no client; false = the gateway does not trust the proxy
}

const (
	hidingWindow   = time.Hour // within which the browsers are counted; a proxy is reported once in it
	hiddenBrowsers = 10        // a proxy with so many browsers is reported
	// hidingSpread is the minimum time between the first counted browser and the report.
	hidingSpread = 5 * time.Minute
	// directRequests is how many requests of sessions without proxy headers prevent the report of
	// an address. A single request can be a developer's on the machine of the proxy.
	directRequests = 2
)

// proxyHeaders are headers that reverse proxies add. Browsers send none of them.
var proxyHeaders = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded"}

// hidingProxies counts the browsers behind proxies. Its size is fixed. The zero value is ready for use.
type hidingProxies struct {
	mu    sync.Mutex
	since time.Time // beginning of the window
	seed  maphash.Seed
	seen  []hiddenClients
}

// hiddenClients are the browsers behind one proxy.
type hiddenClients struct {
	proxy    netip.Addr
	since    time.Time // when the first browser was counted
	browsers []uint64  // hashes of the keys of Config.Browser, at most hiddenBrowsers
	direct   int       // requests without proxy headers, at most directRequests
	reported bool
}

// watchProxy calls Config.OnHidingProxy if r shows that a proxy hides its clients. from is the client
// of r.
func (rt *Router) watchProxy(r *http.Request, policy Policy, from client) {
	if from.reported || rt.cfg.OnHidingProxy == nil || rt.cfg.Browser == nil {
		return
	}
	proxy := Peer(r)
	if !proxy.IsValid() || !from.trusted && IsPublic(proxy) {
		return
	}
	key := rt.cfg.Browser(r)
	switch {
	case key == "": // not evidence
	case !Proxied(r.Header):
		if policy&Subrequest == 0 { // a reverse proxy may ask for forward auth without these headers
			rt.hiding.addDirect(proxy)
		}
	case rt.hiding.add(rt.cfg.Now(), proxy, key):
		rt.cfg.OnHidingProxy(HidingProxy{Address: proxy, Trusted: from.trusted})
	}
}

// addDirect counts a request of a session without proxy headers. Addresses from which no request with
// proxy headers came are not counted, so that direct clients do not fill the table.
func (h *hidingProxies) addDirect(proxy netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.find(proxy); c != nil {
		c.direct = min(c.direct+1, directRequests)
	}
}

// add counts a browser behind a proxy. It reports whether the proxy must be reported now.
func (h *hidingProxies) add(now time.Time, proxy netip.Addr, browser string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if age := now.Sub(h.since); age < 0 || age >= hidingWindow { // < 0: the clock was set back
		h.since, h.seed = now, maphash.MakeSeed()
		h.seen = h.seen[:0]
	}
	key := maphash.String(h.seed, browser)
	c := h.find(proxy)
	if c == nil {
		if c = h.free(key); c == nil {
			return false
		}
		*c = hiddenClients{proxy: proxy, since: now}
	}
	if len(c.browsers) < hiddenBrowsers && !slices.Contains(c.browsers, key) {
		c.browsers = append(c.browsers, key)
	}
	if c.reported || len(c.browsers) < hiddenBrowsers || c.direct >= directRequests ||
		now.Sub(c.since) < hidingSpread {
		return false
	}
	c.reported = true
	return true
}

// find returns the entry of a proxy, or nil.
func (h *hidingProxies) find(proxy netip.Addr) *hiddenClients {
	i := slices.IndexFunc(h.seen, func(c hiddenClients) bool { return c.proxy == proxy })
	if i < 0 {
		return nil
	}
	return &h.seen[i]
}

// free returns an entry for a new proxy. If the table is full, free returns the entry with the
// fewest browsers, and the oldest of several. The result is nil if all entries were reported, or if
// one of them has the browser: otherwise one client with several addresses could fill the table
// again and again, and the reverse proxy would never be reported.
func (h *hidingProxies) free(browser uint64) *hiddenClients {
	if len(h.seen) < limit.HidingProxies.Max {
		h.seen = append(h.seen, hiddenClients{})
		return &h.seen[len(h.seen)-1]
	}
	var free *hiddenClients
	for i := range h.seen {
		c := &h.seen[i]
		if slices.Contains(c.browsers, browser) {
			return nil
		}
		if !c.reported && (free == nil || cmp.Or(cmp.Compare(len(c.browsers), len(free.browsers)),
			c.since.Compare(free.since)) < 0) {
			free = c
		}
	}
	return free
}

// Proxied reports whether a request has headers that reverse proxies add.
func Proxied(h http.Header) bool {
	return slices.ContainsFunc(proxyHeaders, func(name string) bool { return len(h[name]) > 0 })
}
