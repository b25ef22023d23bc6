package route

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"time"

	"github.com/weigate/weigate/internal/limit"
)

// This file compares the secrets of apps, and limits failed authentications. Packages oidc and
// relay use it.

// SecretHash is the SHA-256 of the secret of an app. Secrets are long and random, so a fast hash is
// enough.
type SecretHash [32]byte

// HashSecret hashes a secret of an app.
func HashSecret(secret string) SecretHash { return sha256.Sum256([]byte(secret)) }

// SecretMatches reports whether one of the sent secrets is a secret of an app. known has the hashes
// of the app's secrets, at most two. It is empty for an app that does not exist. The number of
// hashes and comparisons depends only on sent, so the response time does not reveal whether the app
// exists.
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

// protectionTime is how long a successful authentication protects an app from refusal at one
// address. Most apps authenticate far more often; the longest pause is the night.
const protectionTime = 24 * time.Hour

// Failures limits the wrong secrets of an app from one address, by limit.WrongSecrets. Right
// secrets are not counted. An attacker who guesses the secret does not lock out the app at another
// address. If the attacker shares the app's address, the app is not locked out for a day after its
// last right secret from there. In this time the attacker is not limited either: secrets are too
// long to be guessed.
//
// app is the id of a configured app, or "" for all unknown ids together. Wrong secrets from a
// loopback address are not counted. A proxy on this machine has this address when it is missing in
// the configuration of trusted proxies: all senders would then have it, and one of them could lock
// out every app.
//
// Failures is safe for concurrent use.
type Failures struct{ Limits *limit.Limiter }

// Refused reports whether the app must not authenticate from address now.
func (f Failures) Refused(address netip.Addr, app string, now time.Time) bool {
	if address.IsLoopback() {
		return false
	}
	b := wrongSecrets(address, app)
	if !f.Limits.Exhausted(now, b) || f.Limits.Remembers(now, b.Key, protectionTime) {
		return false
	}
	f.Limits.Exceeded(b.Rate.Name) // counts the refusal, for metrics
	return true
}

// Wrong counts a wrong secret.
func (f Failures) Wrong(address netip.Addr, app string, now time.Time) {
	if !address.IsLoopback() {
		f.Limits.Allow(now, wrongSecrets(address, app)) // takes a token; Refused decides
	}
}

// Right records that the app has authenticated with a right secret.
func (f Failures) Right(address netip.Addr, app string, now time.Time) {
	if !address.IsLoopback() {
		f.Limits.Remember(now, wrongSecrets(address, app).Key)
	}
}

// wrongSecrets returns the token bucket for the wrong secrets of an app from an address.
func wrongSecrets(address netip.Addr, app string) limit.Bucket {
	return limit.Bucket{Rate: limit.WrongSecrets, Key: limit.Address(address) + " " + app}
}
