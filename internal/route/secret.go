package route

import (
	"crypto/sha256"
	"crypto/subtle"
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
