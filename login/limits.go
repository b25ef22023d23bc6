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

// maxBuckets is the greatest number of buckets in a generation (see limits). A bucket needs about
// 100 bytes.
const maxBuckets = 10_000

// rate allows burst events at once and perSecond more each second afterwards.
type rate struct{ perSecond, burst float64 }

// bucketKey identifies a token bucket.
type bucketKey struct {
	limit flow.Limit
	key   string
}

// bucket is a token bucket. limits.bucket computes its tokens at a later time from its rate.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was computed
}

// limits implements flow.Limits in the memory of one process. Two generations of buckets bound the
// memory. When the newer generation is full, the older generation is dropped, and the newer becomes
// the older. A bucket moves to the newer generation when an event is taken from it. A flood of
// other networks therefore does not drop the bucket of an active network.
type limits struct {
	rates map[flow.Limit]rate

	mu           sync.Mutex
	newer, older map[bucketKey]bucket
}

// newLimits returns limits that allow exchangesPerMinute for each appid. The exchanges of ten
// seconds may come at once.
func newLimits(exchangesPerMinute int) *limits {
	all := rate{float64(exchangesPerMinute) / 60, max(1, float64(exchangesPerMinute)/6)}
	return &limits{
		rates: map[flow.Limit]rate{
			flow.RecentRefusals: {1.0 / 60, 1}, // exhausted for a minute after one refused code
			// Networks with a recently refused code share half of the exchanges. The other half is
			// reserved for all other networks.
			flow.UnreservedExchanges:    {all.perSecond / 2, max(1, all.burst/2)},
			flow.RefusedCodesPerNetwork: {0.2, 20},
			flow.RefusedCodes:           {10, 500},
			flow.Exchanges:              all,
		},
		newer: map[bucketKey]bucket{},
	}
}

// Exhausted implements flow.Limits: it reports whether Take would refuse an event now.
func (l *limits) Exhausted(limit flow.Limit, key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(bucketKey{limit, key}, now).tokens < 1
}

// Take implements flow.Limits: it counts an event, and reports whether the limit allows it.
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

// network returns the network of the client, for which refused codes are counted. For IPv4, it is
// the client's address. For IPv6, it is the /48 of the address, because anybody can rent a whole
// /48. It is "" for an unknown address. It is also "" for a loopback, link-local or private
// address: this address belongs to a proxy, and all clients share the proxy.
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
