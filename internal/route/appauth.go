package route

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"time"

	"github.com/weigate/weigate/internal/limit"
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

// authenticatedLately is how long a network that has authenticated as a client is not refused. Apps
// redeem codes far more often, except at night.
const authenticatedLately = 24 * time.Hour

// Failures limits wrong secrets of apps, by limit.WrongSecrets. They are counted by network and app,
// so an attacker who guesses the secret of an app does not lock out the app, which authenticates from
// another network. If both share an address, the app is not locked out either, once it has
// authenticated from there. Right secrets are not counted, so that a busy app is never slowed down.
//
// client is the id of a configured app; "" stands for all unknown ids together. A loopback address
// is not counted: it belongs to a proxy that is missing in the configuration of trusted proxies, so
// all clients have it, and a limit would let any client lock out every app.
//
// It is safe for concurrent use.
type Failures struct{ Limits *limit.Limiter }

// Refused reports whether a client must not authenticate from address now.
func (f Failures) Refused(address netip.Addr, client string, now time.Time) bool {
	if address.IsLoopback() {
		return false
	}
	b := wrongSecrets(address, client)
	if !f.Limits.Exhausted(now, b) || f.Limits.Remembers(now, b.Key, authenticatedLately) {
		return false
	}
	f.Limits.Exceeded(b.Rate.Name)
	return true
}

// Wrong counts a wrong secret.
func (f Failures) Wrong(address netip.Addr, client string, now time.Time) {
	if !address.IsLoopback() {
		f.Limits.Allow(now, wrongSecrets(address, client))
	}
}

// Right records that the client has authenticated with a right secret.
func (f Failures) Right(address netip.Addr, client string, now time.Time) {
	if !address.IsLoopback() {
		f.Limits.Remember(now, wrongSecrets(address, client).Key)
	}
}

func wrongSecrets(address netip.Addr, client string) limit.Bucket {
	return limit.Bucket{Rate: limit.WrongSecrets, Key: limit.Address(address) + " " + client}
}
