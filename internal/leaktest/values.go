package leaktest

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
)

// Values is a set of secrets that the program made while the test ran: cookies, codes and tokens.
// The zero value is empty. Values is not safe for concurrent use.
type Values struct {
	forms   []form
	names   []string
	matcher *matcher // nil until Find builds it for the forms
}

// Add adds a value under the name what. A value in base64, as most random values are, is also
// searched for as its bytes, raw and in hexadecimal, because a database may store it that way. Add
// reports whether value is long enough to be searched for: 16 bytes.
func (v *Values) Add(what, value string) bool {
	if len(value) < 16 {
		return false
	}
	v.matcher = nil
	v.names = append(v.names, what)
	v.forms = append(v.forms, forms(value, what)...)
	for _, e := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if raw, err := e.DecodeString(value); err == nil && len(raw) >= 12 {
			v.forms = append(v.forms,
				form{name: what + ", its bytes", text: string(raw)},
				form{name: what + ", its bytes in hexadecimal", text: hex.EncodeToString(raw), fold: true})
		}
	}
	return true
}

// Names returns the names of the added values, in order.
func (v *Values) Names() []string { return slices.Clone(v.names) }

// Find returns the name of the value that text holds and of its form, or "" when text holds none.
// It searches for the planted values too.
func (v *Values) Find(text []byte) string {
	if v.matcher == nil {
		v.matcher = newMatcher(slices.Concat(v.forms, plantedForms()))
	}
	return v.matcher.search(text)
}
