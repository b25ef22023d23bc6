package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxBuckets is how many buckets a Limiter always keeps: the last that were used. It keeps at most
	// twice as many (see generations). A bucket takes 120 bytes.
	maxBuckets = 50_000
	// maxRemembered is the same for remembered keys. A key takes about 50 bytes.
	maxRemembered = 10_000
)

// Limiter has a token bucket for each rate and key. It also remembers keys, with the time of the
// last [Limiter.Remember].
//
// The memory of a Limiter is bounded. If there are too many entries, those that were not used for the
// longest time are dropped (see generations). A flood of made-up keys can drop the bucket of an
// active client, but only if at least maxBuckets of these keys arrive between two requests of the
// client.
//
// A nil Limiter allows everything. Make one with [NewLimiter]; it is safe for concurrent use.
type Limiter struct {
	onExceeded func(name string)
	seed       maphash.Seed

	mu         sync.Mutex
	buckets    generations[*rate.Limiter]
	remembered generations[time.Time]
}

// NewLimiter returns a Limiter that has counted nothing. It calls onExceeded each time a bound
// refuses an event, with the name of the bound. onExceeded may be nil.
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

// Bucket identifies a token bucket by the name of its rate and a key.
type Bucket struct {
	Rate Rate
	Key  string // what is counted, such as an address
}

// Allow takes one token from each bucket, in order, and reports whether all had a token. It stops
// at the first empty bucket. Therefore put the bucket of a network before the bucket of an address:
// when the network's bucket is empty, no buckets are created for its addresses.
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

// Exhausted reports whether a bucket is empty. It takes no token.
func (l *Limiter) Exhausted(now time.Time, b Bucket) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, _ := l.buckets.get(l.hash(b.Rate.Name, b.Key))
	return bucket != nil && bucket.TokensAt(now) < 1
}

// Exceeded calls onExceeded for a bound that is not a rate, such as a [Count] or a [Size].
func (l *Limiter) Exceeded(name string) {
	if l != nil {
		l.onExceeded(name)
	}
}

// Remember records that an event happened to key now. The caller defines the event.
func (l *Limiter) Remember(now time.Time, key string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remembered.put(l.hash("", key), now)
}

// Remembers reports whether [Limiter.Remember] was called with key less than age ago. The number of
// remembered keys is bounded, so an old key may be forgotten before age has passed.
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
	bucket, _ := l.buckets.get(key)
	if bucket == nil {
		bucket = rate.NewLimiter(rate.Limit(b.Rate.PerSecond), b.Rate.Burst)
	}
	l.buckets.put(key, bucket)
	return bucket.AllowN(now, 1)
}

func (l *Limiter) hash(name, key string) uint64 {
	return maphash.String(l.seed, name+" "+key)
}

// Address returns the key under which one client is counted: its IPv4 address, or the /64 prefix of
// its IPv6 address. A household or a phone receives a whole /64.
func Address(a netip.Addr) string { return prefix(a, 64) }

// Network returns the key under which one customer of an internet provider is counted: an IPv4
// address, or the /48 prefix of an IPv6 address. Anybody can rent a whole /48.
func Network(a netip.Addr) string { return prefix(a, 48) }

// prefix returns an IPv4 address unchanged. For an IPv6 address it returns the prefix with this
// number of bits.
func prefix(a netip.Addr, bits int) string {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return a.String() // a is the zero Addr
	}
	return p.String()
}
