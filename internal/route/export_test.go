package route

import "crypto/subtle"

// SecretComparisons returns how often [SecretMatches] compares, and how many bytes.
func SecretComparisons(known []SecretHash, sent ...string) (comparisons, bytes int) {
	secretMatches(known, sent, func(x, y []byte) int {
		comparisons++
		bytes += min(len(x), len(y))
		return subtle.ConstantTimeCompare(x, y)
	})
	return comparisons, bytes
}
