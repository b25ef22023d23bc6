package route

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of sign-ins. They stop floods, not users: Chinese carriers put tens of thousands of phones
// behind one address, so an address may send many requests, and a browser far more than a user
// would. A loopback address is not counted: it is a proxy that is not configured as trusted, and a
// limit on it would apply to everybody.
const (
	perAddress   = 100 // a second
	addressBurst = 2000
	perBrowser   = 5 // a second
	browserBurst = 100

	// For requests that add rows for signed-in users. An app that redirects its users here at each
	// page load stays far below.
	signedPerAddress = 300 // a second
	signedBurst      = 6000
	signedPerBrowser = 10 // a second
	signedOwnBurst   = 300

	maxLimitEntries = 50_000 // at about 100 bytes each
	minBrowserValue = 16     // bytes; a shorter cookie may be the same in every browser
)

// limits counts requests by key. A full table is cleared: an attacker who fills it with made-up
// keys gains nothing, since each of these keys has a limit of its own anyway, and no other client
// is locked out.
type limits struct {
	mu      sync.Mutex
	seed    maphash.Seed
	buckets map[uint64]*rate.Limiter
}

func newLimits() *limits {
	return &limits{seed: maphash.MakeSeed(), buckets: map[uint64]*rate.Limiter{}}
}

// rates are the limits of the routes with a policy.
type rates struct {
	policy       Policy
	name         string // distinguishes the policy's buckets
	perAddress   rate.Limit
	addressBurst int
	perBrowser   rate.Limit
	browserBurst int
}

var classes = []rates{
	{
		policy: Limited, name: "sign-in",
		perAddress: perAddress, addressBurst: addressBurst, perBrowser: perBrowser, browserBurst: browserBurst,
	},
	{
		policy: LimitedSignedIn, name: "signed in",
		perAddress: signedPerAddress, addressBurst: signedBurst, perBrowser: signedPerBrowser,
		browserBurst: signedOwnBurst,
	},
}

// limitKey is a key to count by, with its limit.
type limitKey struct {
	name  string
	rate  rate.Limit
	burst int
}

// allow takes one from the bucket of every key and reports whether none was empty.
func (l *limits) allow(keys []limitKey, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := true
	for _, k := range keys {
		hash := maphash.String(l.seed, k.name)
		b := l.buckets[hash]
		if b == nil {
			if len(l.buckets) >= maxLimitEntries {
				clear(l.buckets)
			}
			b = rate.NewLimiter(k.rate, k.burst)
			l.buckets[hash] = b
		}
		ok = b.AllowN(now, 1) && ok
	}
	return ok
}

// limited reports whether a request exceeds a limit of its route.
func (rt *Router) limited(r *http.Request, policy Policy) bool {
	for _, class := range classes {
		if policy&class.policy != 0 && !rt.limits.allow(rt.keys(r, class), rt.cfg.Now()) {
			return true
		}
	}
	return false
}

// keys returns what a request is counted by: its browser, as far as a cookie of the gateway
// identifies it, and its address.
func (rt *Router) keys(r *http.Request, class rates) []limitKey {
	var keys []limitKey
	if value := rt.browser(r); value != "" {
		keys = append(keys, limitKey{class.name + " cookie " + value, class.perBrowser, class.browserBurst})
	}
	if a := Address(r); a.IsValid() && !a.IsLoopback() {
		keys = append(keys, limitKey{class.name + " address " + network(a), class.perAddress, class.addressBurst})
	}
	return keys
}

// browser returns a cookie value that identifies a browser; "" = none. The session cookie has
// precedence: a client that needs its session cannot omit or change it, while it can make up other
// cookies for each request. Flags such as "1" are ignored: they are the same in all browsers, so
// one client could use up the limit of all.
func (rt *Router) browser(r *http.Request) (value string) {
	for _, c := range r.Cookies() {
		switch {
		case len(c.Value) < minBrowserValue:
		case c.Name == rt.cfg.SessionCookie:
			return c.Value
		case value == "" && slices.ContainsFunc(rt.cfg.CookiePrefix,
			func(p string) bool { return strings.HasPrefix(c.Name, p) }):
			value = c.Value
		}
	}
	return value
}

// network returns the network by which an address is counted: a household or a phone has a whole
// /64 in IPv6.
func network(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.String()
}
