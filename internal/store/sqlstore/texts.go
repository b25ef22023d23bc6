package sqlstore

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/gateway"
)

// This file prepares texts for the database. PostgreSQL rejects zero bytes and invalid UTF-8, and
// its indexes reject entries of more than about 2,700 bytes. A text that a client sends must not
// make a sign-in fail in this way, or prevent the storing of an event.

// maxIndexed is the maximum length in bytes of a text in a column with an index. Nothing that the
// gateway creates is longer.
const maxIndexed = 500

// fitIndex returns a text as a column with an index stores it.
func fitIndex(s string) string { return cut(gateway.CleanText(s), maxIndexed) }

// maxText is the maximum length in bytes of a text in a column without an index.
const maxText = 8_000

// fitText returns a text as a column without an index stores it.
func fitText(s string) string { return cut(gateway.CleanText(s), maxText) }

// cut returns the first bytes of a valid text, at most limit, without half a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// A search finds a text anywhere in a real name or a note. So table user_terms contains a term for
// each character of these texts: this character and the characters after it. A real name also has
// terms in pinyin. A search by an index finds the terms that begin with the text.
const (
	termLength = 24    // maximum number of characters of a term
	maxTerms   = 1_500 // of a user; a search does not find the rest of a longer text
)

// firstLetter marks the terms that consist of the first letter of a word. A search for one Latin
// letter uses only these terms, because the letter occurs in nearly every text.
const firstLetter = "\x01"

// normalize returns a text as table user_terms has it: in lower case, with one space between words.
func normalize(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(gateway.CleanText(s)), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// searchTerm returns a prefix: a search for a text finds the terms that have this prefix. A text
// that is longer than a term is cut. For a text without visible characters, searchTerm returns "".
// The caller must then find nothing, because every term has the prefix "".
func searchTerm(s string) string {
	runes := []rune(normalize(s))
	if len(runes) == 1 && unicode.Is(unicode.Latin, runes[0]) {
		return firstLetter + string(runes)
	}
	return string(runes[:min(len(runes), termLength)])
}

// terms returns the terms of a user for table user_terms, each once.
func terms(u gateway.User) (all []string) {
	seen := map[string]bool{}
	add := func(term string) {
		if !seen[term] && len(all) < maxTerms {
			seen[term] = true
			all = append(all, term)
		}
	}
	for _, term := range pinyinTerms(normalize(u.RealName)) {
		add(term)
	}
	for _, text := range []string{u.RealName, u.Note} {
		runes := []rune(normalize(text))
		for i, r := range runes {
			if unicode.Is(unicode.Latin, r) && (i == 0 || runes[i-1] == ' ') {
				add(firstLetter + string(r))
			}
			if r != ' ' {
				add(string(runes[i:min(len(runes), i+termLength)]))
			}
		}
	}
	return all
}
