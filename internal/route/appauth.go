package route

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// This file is for packages whose apps authenticate with a secret (OpenID Connect, relay): it compares
// secrets, and limits failed authentications.

// SecretHash is the SHA-256 of the secret of an app. Secrets are long and random, so that a fast hash
// is enough.
type SecretHash [32]byte

// HashSecret hashes a secret of an app.
func HashSecret(secret string) SecretHash { return sha256.Sum256([]byte(secret)) }

// SecretMatches reports whether one of the sent secrets is a secret of an app. known are the hashes of
// the app's secrets, at most two; none for an app that does not exist. The number of hashes and
// comparisons does not depend on known, so the response time does not reveal whether the app exists.
func SecretMatches(known []SecretHash, sent ...string) bool {
	return secretMatches(known, sent, subtle.ConstantTimeCompare)
}

// secretMatches has compare as a parameter so that a test can count the comparisons.
func secretMatches(known []SecretHash, sent []string, compare func(x, y []byte) int) bool {
	var hashes [2]SecretHash // padded with zeros, which are the hash of no secret
	copy(hashes[:], known)
	matches := 0
	for _, s := range sent {
		sum := HashSecret(s)
		for i := range hashes {
			matches |= compare(sum[:], hashes[i][:])
		}
	}
	return matches == 1
}

// Each client may fail failureBurst times at once from one network, and then once every
// failureRefill.
const (
	failureBurst   = 20
	failureRefill  = 3 * time.Second
	maxFailureKeys = 10_000
)

// failureKey is what failures are counted by. Since it contains the network, an attacker who guesses
// the secret of an app does not lock out the app, which authenticates from another network.
type failureKey struct{ network, client string }

// Failures counts failed authentications of apps. Successful ones are not counted, so that a busy app
// is never slowed down.
//
// Its memory is bounded. When recent has maxFailureKeys keys, it becomes older, and the previous
// older is dropped. A key that is used in between is moved to recent. Make it with [NewFailures]; it
// is safe for concurrent use.
type Failures struct {
	mu     sync.Mutex
	recent map[failureKey]*rate.Limiter
	older  map[failureKey]*rate.Limiter
}

// NewFailures returns a Failures that has counted none.
func NewFailures() *Failures { return &Failures{recent: map[failureKey]*rate.Limiter{}} }

// Exhausted reports whether too many authentications as client have failed from the network of
// address. client is the id of a configured app; "" stands for all unknown ids together. A loopback
// address is never exhausted: it belongs to a proxy that is missing in the configuration of trusted
// proxies, so all clients have it, and a limit would let any client lock out every app.
func (f *Failures) Exhausted(address netip.Addr, client string, now time.Time) bool {
	if address.IsLoopback() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	limiter := f.find(failureKey{network(address), client})
	return limiter != nil && limiter.TokensAt(now) < 1
}

// Add counts a failure. The arguments are those of [Failures.Exhausted].
func (f *Failures) Add(address netip.Addr, client string, now time.Time) {
	if address.IsLoopback() {
		return
	}
	key := failureKey{network(address), client}
	f.mu.Lock()
	defer f.mu.Unlock()
	limiter := f.find(key)
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Every(failureRefill), failureBurst)
	}
	if len(f.recent) >= maxFailureKeys {
		f.older = f.recent
		f.recent = map[failureKey]*rate.Limiter{}
	}
	f.recent[key] = limiter
	limiter.AllowN(now, 1)
}

// find returns the limiter of a key, or nil.
func (f *Failures) find(key failureKey) *rate.Limiter {
	if limiter := f.recent[key]; limiter != nil {
		return limiter
	}
	return f.older[key]
}
