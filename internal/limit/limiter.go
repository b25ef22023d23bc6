package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxBuckets bounds each of the two generations of buckets, at about 120 bytes a bucket.
	maxBuckets = 50_000
	// maxRemembered bounds each of the two generations of remembered keys, at about 50 bytes a key.
	maxRemembered = 10_000
)

// Limiter counts events by key. Its memory is bounded: buckets are kept in two generations, and
// when the newer one is full, the older one is dropped. A bucket that is used moves to the newer
// generation, so a flood of made-up keys does not drop the buckets of clients that are active.
//
// A nil Limiter allows everything. Make one with [NewLimiter]; it is safe for concurrent use.
type Limiter struct {
	onExceeded func(name string)
	seed       maphash.Seed

	mu         sync.Mutex
	buckets    generations[*rate.Limiter]
	remembered generations[time.Time]
}

// NewLimiter returns a Limiter that has counted nothing. onExceeded, if not nil, is called with the
// name of a bound each time it refuses an event.
func NewLimiter(onExceeded func(name string)) *Limiter {
	if onExceeded == nil {
		onExceeded = func(string) {}
	}
	return &Limiter{
		onExceeded: onExceeded, seed: maphash.MakeSeed(),
		buckets:    newGenerations[*rate.Limiter](maxBuckets),
		remembered: newGenerations[time.Time](maxRemembered),
	}
}

// Bucket is a key to count by, and its rate.
type Bucket struct {
	Rate Rate
	Key  string
}

// Allow takes one event from each bucket, in order, and reports whether none was empty. It stops at
// the first empty one, so put the widest bucket first: a network that has used up its share then
// creates no buckets for its addresses.
func (l *Limiter) Allow(now time.Time, buckets ...Bucket) bool {
	if l == nil {
		return true
	}
	for _, b := range buckets {
		if !l.take(now, b) {
			l.onExceeded(b.Rate.Name)
			return false
		}
	}
	return true
}

// Exhausted reports whether a bucket is empty, and takes nothing from it.
func (l *Limiter) Exhausted(now time.Time, b Bucket) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found, _ := l.buckets.get(l.hash(b.Rate.Name, b.Key))
	return found != nil && found.TokensAt(now) < 1
}

// Exceeded reports that a bound was reached that is not a rate, such as a [Count] or a [Size].
func (l *Limiter) Exceeded(name string) {
	if l != nil {
		l.onExceeded(name)
	}
}

// Remember records that something happened to key now.
func (l *Limiter) Remember(now time.Time, key string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remembered.put(l.hash("", key), now)
}

// Remembers reports whether Remember was called with key within age before now. Keys that were
// remembered long ago may be forgotten earlier, since their number is bounded.
func (l *Limiter) Remembers(now time.Time, key string, age time.Duration) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, found := l.remembered.get(l.hash("", key))
	return found && now.Sub(at) < age
}

func (l *Limiter) take(now time.Time, b Bucket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := l.hash(b.Rate.Name, b.Key)
	found, _ := l.buckets.get(key)
	if found == nil {
		found = rate.NewLimiter(rate.Limit(b.Rate.PerSecond), b.Rate.Burst)
	}
	l.buckets.put(key, found)
	return found.AllowN(now, 1)
}

func (l *Limiter) hash(name, key string) uint64 {
	return maphash.String(l.seed, name+" "+key)
}

// Address returns the network that counts as one client: an IPv4 address, or an IPv6 /64, which a
// household or a phone has as a whole.
func Address(a netip.Addr) string { return prefix(a, 64) }

// Network returns the network that counts as one customer of a provider: an IPv4 address, or an
// IPv6 /48, which anybody can rent.
func Network(a netip.Addr) string { return prefix(a, 48) }

func prefix(a netip.Addr, bits int) string {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return a.String() // the zero Addr
	}
	return p.String()
}
