package gateway

import (
	"crypto/sha256"
	"strings"
	"unicode"
)

// CleanLine cleans a text of one line, such as a name, for pages, terminals and chat messages. It
// replaces line breaks with spaces, and bytes that are not UTF-8 with U+FFFD. It removes control
// characters, characters that change the reading direction, and spaces around the text.
func CleanLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r), changesDirection(r), r == '\ufeff':
			return -1
		}
		return r
	}, CleanText(s)))
}

// CleanParagraph is CleanLine for a text of several lines, such as a note. It keeps the line breaks
// inside the text.
func CleanParagraph(s string) string {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), "\n")
	for i, line := range lines {
		lines[i] = CleanLine(line)
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// changesDirection reports whether r is a bidirectional control: with one, a name can show the text
// around it in another order.
func changesDirection(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f' ||
		r == '\u061c'
}

// InvitationHash returns the hash by which the store finds the invitation with this secret
// (Invitation.Hash). The secret has 130 random bits, so a plain hash is enough.
func InvitationHash(secret string) [32]byte {
	return sha256.Sum256([]byte("weigate invitation\x00" + secret))
}

// APIKeyPrefix is the beginning of every API key, so that a scanner for leaked secrets recognizes
// the key.
const APIKeyPrefix = "weigate_key_"

// APIKeyHash returns the hash by which the store finds an API key (APIKey.Hash).
func APIKeyHash(key string) [32]byte {
	return sha256.Sum256([]byte("weigate api key\x00" + key))
}
