// Package leaktest finds secrets in the output of tests. Tests use [Secret] as the app secret and
// put [Mark] into every code and token. [Watch], [Logger] and [Check] then search responses, log
// records and printed values. [Find] searches any text, and [Values] searches for secrets that the
// program made while the test ran. The command in the folder scan searches the files that the whole
// suite wrote.
//
// A value is found in plain text, in %XX escapes of any depth, in base64 and in hexadecimal. A
// value that was encrypted, hashed, compressed or cut in pieces is not found.
package leaktest

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
)

// The planted values. They consist of letters and digits, which encoders of text leave unchanged.
const (
	Secret = "PLANTEDSECRETq8Zr4Tn1Yk7Wm3Xc9Vb" // app secret
	Mark   = "PLANTmk5Jw2Q"                     // part of every code and token: wechattest.Config.Mark
)

// form is one encoding of a value.
type form struct {
	name string
	text string
	fold bool // upper and lower case are equal
}

// forms returns the encodings of one value.
func forms(value, what string) []form {
	out := []form{
		{name: what, text: value},
		{name: what + " in hexadecimal", text: hex.EncodeToString([]byte(value)), fold: true},
	}
	// The base64 text of a value depends on the value's position in a group of three bytes, so
	// there are three. The characters at both ends depend on the neighbouring bytes and are left
	// out.
	for offset := range 3 {
		padded := append(make([]byte, offset), value...)
		whole := len(padded) / 3 * 4
		first := []int{0, 2, 3}[offset]
		text := base64.StdEncoding.EncodeToString(padded)[first:whole]
		out = append(out, form{name: what + " in base64", text: text})
	}
	return out
}

// planted searches for the forms of both planted values. It is built once.
var planted = sync.OnceValue(func() *matcher { return newMatcher(plantedForms()) })

func plantedForms() []form {
	return slices.Concat(forms(Secret, "the planted secret"), forms(Mark, "the planted mark"))
}

// Find returns the name of the planted value that text holds and of its form, or "" when text holds
// none.
func Find(text []byte) string { return planted().search(text) }

// masked returns text without the plain planted values, for the message of a failing test.
func masked(text string) string {
	text = strings.NewReplacer(Secret, "«secret»", Mark, "«mark»").Replace(text)
	if len(text) > 400 {
		text = text[:400] + "…"
	}
	return text
}

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
