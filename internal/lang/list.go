package lang

import (
	"fmt"
	"strings"
)

// List is a list of values in a message. It is joined with commas, in Chinese with 、.
type List []any

// Words returns a list of strings.
func Words[T ~string](words []T) List {
	var list List
	for _, word := range words {
		list = append(list, string(word))
	}
	return list
}

// String returns the list in English.
func (l List) String() string { return l.Localize(nil) }

// Localize returns the list in the language of f, which has the translations of messages; nil = English.
// The messages and errors in the list are translated too.
func (l List) Localize(f Formats) string {
	var parts []string
	for _, each := range l {
		parts = append(parts, fmt.Sprint(f.value(each)))
	}
	if f == nil {
		return strings.Join(parts, ", ")
	}
	return strings.Join(parts, "、")
}
