package config

import (
	"regexp"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// This file finds suggestions for misspelled keys and words.

// nearest returns the known word that is most similar to a misspelled word, or "" if none is
// similar. Similar words differ by at most one change for three letters, by two for four letters
// and by three for seven: "foo" is not a misspelled "log".
func nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, distance := "", min(1+max(len(word)-1, 0)/3, 3) // at first, the largest distance of similar words
	for _, k := range known {
		if d := edits(word, strings.ToLower(k)); d < distance || d == distance && best == "" {
			best, distance = k, d
		}
	}
	return best
}

// edits returns the Damerau-Levenshtein distance of a and b: how many changes turn a into b. A
// change inserts, deletes or replaces a letter, or swaps two neighbouring letters.
//
// The algorithm fills a table. Cell [i][j] is the distance between the first i letters of a and the
// first j letters of b. Only three rows are in memory, because a swap looks back two rows.
func edits(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now := rows[0], rows[1], rows[2]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, now, before} // the next iteration overwrites before
	}
	return rows[1][len(b)]
}

// didYouMean returns the end of a message that suggests the nearest known word, or "".
func didYouMean(word string, known []string) lang.Message {
	if n := nearest(word, known); n != "" {
		return lang.Text(", did you mean %s?", n)
	}
	return lang.Text("")
}

var plainWord = regexp.MustCompile(`^[A-Za-z_-]{1,32}$`)

// unknownKey returns the message for an unknown key. The key may be a misplaced secret. So the
// message repeats only a key that looks like a word.
func unknownKey(key string) lang.Message {
	if plainWord.MatchString(key) {
		return lang.Text("unknown key %s", key)
	}
	return lang.Text("unknown key")
}
