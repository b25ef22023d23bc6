package leaktest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
)

// Values are further secrets, which a test learns while it runs: cookies, codes and tokens that the program made. The zero value is empty. It is not
// safe for concurrent use.
type Values struct {
	forms []form
	names []string
}

// Add makes Find look for value, which is called what. A value that is base64, as most random ones are, is looked for in its bytes too, raw and in
// hexadecimal: that is how a database would hold it. It reports whether value is long enough to be looked for, 16 bytes.
func (v *Values) Add(what, value string) bool {
	if len(value) < 16 {
		return false
	}
	v.names = append(v.names, what)
	v.forms = append(v.forms, forms(value, what)...)
	for _, e := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if raw, err := e.DecodeString(value); err == nil && len(raw) >= 12 {
			v.forms = append(v.forms, form{what + ", its bytes", string(raw), false}, form{what + ", its bytes in hexadecimal", hex.EncodeToString(raw), true})
		}
	}
	return true
}

// Names lists what was added, in order.
func (v *Values) Names() []string { return slices.Clone(v.names) }

// Find says which value text holds and in which form, or "" when it holds none. It looks for the planted values too.
func (v *Values) Find(text []byte) string {
	lower := bytes.ToLower(text)
	for _, f := range v.forms {
		if f.fold && bytes.Contains(lower, []byte(f.text)) || !f.fold && bytes.Contains(text, []byte(f.text)) {
			return f.name
		}
	}
	if plain := unescaped(text); plain != nil {
		if found := v.Find(plain); found != "" {
			return found + ", escaped"
		}
	}
	return Find(text)
}
