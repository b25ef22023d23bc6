package route

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// SecretHash is the SHA-256 of a secret by which an app authenticates. Secrets are long and random,
// so that a fast hash is enough.
type SecretHash [32]byte

// HashSecret hashes a secret of an app.
func HashSecret(secret string) SecretHash { return sha256.Sum256([]byte(secret)) }

// SecretMatches reports whether one of sent is one of the first two of known, which are the current
// and the next secret of an app. The number of hashes and comparisons does not depend on known, so
// the response time does not reveal whether an app exists.
func SecretMatches(known []SecretHash, sent ...string) bool {
	return secretMatches(known, sent, subtle.ConstantTimeCompare)
}

// secretMatches compares by compare, whose calls a test counts.
func secretMatches(known []SecretHash, sent []string, compare func(x, y []byte) int) bool {
	var all [2]SecretHash // no secret has a hash of zero bytes only
	copy(all[:], known)
	matches := 0
	for _, s := range sent {
		sum := HashSecret(s)
		for i := range all {
			matches |= compare(sum[:], all[i][:])
		}
	}
	return matches == 1
}

// The allowed failed authentications for each client and network: failureBurst at once, then one
// every failureRefill.
const (
	failureBurst  = 20
	failureRefill = 3 * time.Second
	maxFailures   = 10_000
)

// failureKey identifies a client and a network, so that an attacker who guesses the secret of an
// app from another network does not lock that app out.
type failureKey struct{ network, client string }

// Failures counts failed authentications of apps. Only failures are counted, so that a busy app is
// never slowed down. Memory is bounded: two generations of at most maxFailures keys, the older of
// which is dropped as a whole. Make it with [NewFailures]; it is safe for concurrent use.
type Failures struct {
	mu       sync.Mutex
	now, old map[failureKey]*rate.Limiter
}

// NewFailures returns a Failures that has counted none.
func NewFailures() *Failures { return &Failures{now: map[failureKey]*rate.Limiter{}} }

// Exhausted reports whether too many authentications as client have failed from the network of
// address. client is the id of a configured app; "" stands for all unknown ids together. A loopback
// address is never exhausted: it is a proxy that is not configured as trusted, and a limit on it
// would let any client lock out every app.
func (f *Failures) Exhausted(address netip.Addr, client string, now time.Time) bool {
	if address.IsLoopback() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.find(failureKey{network(address), client})
	return l != nil && l.TokensAt(now) < 1
}

// Add counts a failure, for the same arguments as Exhausted.
func (f *Failures) Add(address netip.Addr, client string, now time.Time) {
	if address.IsLoopback() {
		return
	}
	k := failureKey{network(address), client}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.find(k)
	if l == nil {
		l = rate.NewLimiter(rate.Every(failureRefill), failureBurst)
	}
	if len(f.now) >= maxFailures {
		f.old, f.now = f.now, map[failureKey]*rate.Limiter{}
	}
	f.now[k] = l
	l.AllowN(now, 1)
}

func (f *Failures) find(k failureKey) *rate.Limiter {
	if l := f.now[k]; l != nil {
		return l
	}
	return f.old[k]
}
