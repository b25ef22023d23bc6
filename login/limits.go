package login

import (
	"math"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/flow"
)

// defaultExchangesPerMinute is the default of Config.ExchangesPerMinute.
const defaultExchangesPerMinute = 20_000

// maxBuckets bounds each of the two generations of buckets, at about 100 bytes a bucket.
const maxBuckets = 10_000

// rate allows burst events at once and perSecond more each second afterwards.
type rate struct{ perSecond, burst float64 }

// bucketKey identifies a token bucket.
type bucketKey struct {
	limit flow.Limit
	key   string
}

// bucket is a token bucket. Its tokens at a later time follow from its rate.
type bucket struct {
	tokens float64
	at     time.Time
}

// limits implements flow.Limits in the memory of one process. Buckets are kept in two generations:
// when the newer one is full, the older one is dropped. A bucket that is used moves to the newer
// generation, so a flood of made-up networks does not drop the buckets of those that are active.
type limits struct {
	rates map[flow.Limit]rate

	mu           sync.Mutex
	newer, older map[bucketKey]bucket
}

// newLimits returns limits that allow exchangesPerMinute for each appid, in bursts of ten seconds.
func newLimits(exchangesPerMinute int) *limits {
	all := rate{float64(exchangesPerMinute) / 60, max(1, float64(exchangesPerMinute)/6)}
	return &limits{
		rates: map[flow.Limit]rate{
			flow.RecentRefusals:        {1.0 / 60, 1},
			flow.UnreservedExchanges:   {all.perSecond / 2, max(1, all.burst/2)},
			flow.RefusedCodesOfNetwork: {0.2, 20},
			flow.RefusedCodes:          {10, 500},
			flow.Exchanges:             all,
		},
		newer: map[bucketKey]bucket{},
	}
}

// Exhausted implements flow.Limits.
func (l *limits) Exhausted(limit flow.Limit, key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(bucketKey{limit, key}, now).tokens < 1
}

// Take implements flow.Limits.
func (l *limits) Take(limit flow.Limit, key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := bucketKey{limit, key}
	b := l.bucket(k, now)
	allowed := b.tokens >= 1
	if allowed {
		b.tokens--
	}
	if _, isNewer := l.newer[k]; !isNewer && len(l.newer) >= maxBuckets {
		l.older, l.newer = l.newer, map[bucketKey]bucket{}
	}
	l.newer[k] = b
	return allowed
}

// bucket returns a bucket as it is at now.
func (l *limits) bucket(k bucketKey, now time.Time) bucket {
	r := l.rates[k.limit]
	b, found := l.newer[k]
	if !found {
		b, found = l.older[k]
	}
	if !found {
		return bucket{tokens: r.burst, at: now}
	}
	if elapsed := now.Sub(b.at).Seconds(); elapsed > 0 {
		b.tokens, b.at = math.Min(r.burst, b.tokens+elapsed*r.perSecond), now
	}
	return b
}

// network returns the network by which refused codes are counted: the client's IPv4 address, or the
// /48 of its IPv6 address, which anybody can rent. It returns "" for an address that is not known,
// or that is of this machine or a private network: such an address is that of a proxy, which all
// clients share.
func (h *Handler) network(r *http.Request) string {
	address := remoteAddress(r)
	if h.cfg.ClientAddr != nil {
		address = h.cfg.ClientAddr(r)
	}
	address = address.Unmap().WithZone("")
	if !address.IsValid() || address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast() {
		return ""
	}
	if address.Is4() {
		return address.String()
	}
	network, err := address.Prefix(48)
	if err != nil {
		return ""
	}
	return network.String()
}

// remoteAddress returns the address of the peer of a request; the zero Addr when it is not known.
func remoteAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr()
}
