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

// SecretHash is the SHA-256 of the secret of an app. Secrets are long and random, so that a fast
// hash is enough.
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

// authenticatedLately is how long a successful authentication protects an app from refusal at one
// address. Most apps authenticate far more often; the longest pause is the night.
const authenticatedLately = 24 * time.Hour

// Failures limits the wrong secrets of an app from one address, by limit.WrongSecrets. Right
// secrets are not counted. An attacker who guesses the secret does not lock out the app at another
// address. If the attacker shares the app's address, the app is not locked out for a day after its
// last right secret from there. In this time the attacker is not limited either: secrets are too long
// to be guessed.
//
// client is the id of a configured app, or "" for all unknown ids together. Wrong secrets from a
// loopback address are not counted. A proxy on this machine has this address when it is missing in
// the configuration of trusted proxies: all senders would then have it, and one of them could lock
// out every app.
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
