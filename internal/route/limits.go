package route

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rateLimits are the rate limits of the routes with a policy: token buckets, one for each client
// address and one for each browser. A rate is in requests per second; the burst is how many requests
// are allowed at once.
type rateLimits struct {
	policy       Policy
	name         string // distinguishes the buckets of the policies
	addressRate  rate.Limit
	addressBurst int
	browserRate  rate.Limit
	browserBurst int
}

// limitsByPolicy stop floods and never normal use. An address may send many requests, because Chinese
// carriers put tens of thousands of phones behind one address.
var limitsByPolicy = []rateLimits{
	{
		policy: Limited, name: "sign-in",
		addressRate: 100, addressBurst: 2000,
		browserRate: 5, browserBurst: 100,
	},
	{
		// An app may redirect its signed-in users here at each page load.
		policy: LimitedSignedIn, name: "signed in",
		addressRate: 300, addressBurst: 6000,
		browserRate: 10, browserBurst: 300,
	},
}

const (
	maxBuckets      = 50_000 // of about 100 bytes each
	minBrowserValue = 16     // bytes; a shorter cookie value may be the same in every browser
)

// limits has the token buckets, by the hash of their key. When there are maxBuckets of them, all are
// dropped. An attacker who fills the map with made-up keys gains little: each key gets a new bucket
// anyway, and no other client is locked out.
type limits struct {
	mu      sync.Mutex
	seed    maphash.Seed
	buckets map[uint64]*rate.Limiter
}

func newLimits() *limits {
	return &limits{seed: maphash.MakeSeed(), buckets: map[uint64]*rate.Limiter{}}
}

// bucketKey identifies a bucket. rate and burst are the settings of a new bucket.
type bucketKey struct {
	text  string
	rate  rate.Limit
	burst int
}

// allow takes one token from the bucket of every key, and reports whether each bucket had one.
func (l *limits) allow(keys []bucketKey, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	allowed := true
	for _, key := range keys {
		hash := maphash.String(l.seed, key.text)
		bucket := l.buckets[hash]
		if bucket == nil {
			if len(l.buckets) >= maxBuckets {
				clear(l.buckets)
			}
			bucket = rate.NewLimiter(key.rate, key.burst)
			l.buckets[hash] = bucket
		}
		if !bucket.AllowN(now, 1) {
			allowed = false
		}
	}
	return allowed
}

// limited counts a request and reports whether it exceeds a rate limit of its route.
func (rt *Router) limited(r *http.Request, policy Policy) bool {
	for _, limits := range limitsByPolicy {
		if policy&limits.policy != 0 && !rt.limits.allow(rt.bucketKeys(r, limits), rt.cfg.Now()) {
			return true
		}
	}
	return false
}

// bucketKeys returns the buckets of a request: that of its browser, if a cookie identifies the
// browser, and that of its address. A loopback address has no bucket: it belongs to a proxy that is
// missing in the configuration of trusted proxies, so the limit would apply to all clients together.
func (rt *Router) bucketKeys(r *http.Request, limits rateLimits) []bucketKey {
	var keys []bucketKey
	if value := rt.browserCookie(r); value != "" {
		keys = append(keys, bucketKey{
			text: limits.name + " cookie " + value, rate: limits.browserRate, burst: limits.browserBurst,
		})
	}
	if a := Address(r); a.IsValid() && !a.IsLoopback() {
		keys = append(keys, bucketKey{
			text: limits.name + " address " + network(a), rate: limits.addressRate, burst: limits.addressBurst,
		})
	}
	return keys
}

// browserCookie returns the value of a cookie that identifies the browser; "" = none. The session
// cookie comes first: a client that uses its session must send this cookie unchanged, while it could
// make up other cookies for each request. Short values such as "1" are ignored: they are the same in
// all browsers, so one client could exhaust the limit of all.
func (rt *Router) browserCookie(r *http.Request) string {
	other := ""
	for _, c := range r.Cookies() {
		if len(c.Value) < minBrowserValue {
			continue
		}
		if c.Name == rt.cfg.SessionCookie {
			return c.Value
		}
		if other == "" && rt.isOwnCookie(c.Name) {
			other = c.Value
		}
	}
	return other
}

func (rt *Router) isOwnCookie(name string) bool {
	for _, prefix := range rt.cfg.CookiePrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// network returns the network for which requests from an address are counted: the address itself, or
// in IPv6 its /64, since a household or a phone can use all addresses of a /64.
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
