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

// SecretMatches reports whether one of sent is one of the first two of known, which are an app's
// current and next secret. It hashes and compares as often whatever known is, also for an app that
// does not exist and has none.
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
