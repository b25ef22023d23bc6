package oidc

import "crypto/subtle"

// SecretComparisons returns how often the authentication of a client compares, and how many bytes.
func SecretComparisons(client *Client, sent []string) (comparisons, bytes int) {
	secretFits(client, sent, func(x, y []byte) int {
		comparisons++
		bytes += min(len(x), len(y))
		return subtle.ConstantTimeCompare(x, y)
	})
	return comparisons, bytes
}
