// Package leaktest finds secrets in the output of tests. Tests use [Secret] as the app secret and
// put [Mark] into every code and token: these are the planted values. [Watch], [Logger] and [Check]
// then search for them in responses, log records and printed values, and [Find] in any text.
// [Values] also searches for secrets that the program generated during the test. The command
// leaktest/scan searches the files that all tests have written.
//
// The search finds a value in plain text, in base64 and in hexadecimal. It also finds a value that
// was percent-encoded (%XX), any number of times. It does not find a value that was encrypted,
// hashed, compressed or split.
package leaktest

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
)

// The planted values. They consist of letters and digits, which URL, JSON and HTML encoders do not
// change.
const (
	Secret = "PLANTEDSECRETq8Zr4Tn1Yk7Wm3Xc9Vb" // app secret
	Mark   = "PLANTmk5Jw2Q"                     // part of every code and token; tests set wechattest.Config.Mark to it
)

// form is one encoding of a secret value, such as its base64 text. The search looks for all forms.
type form struct {
	name       string // describes value and encoding, for messages
	text       string
	ignoreCase bool
}

// forms returns the encodings of one value. what describes the value in messages.
func forms(value, what string) []form {
	out := []form{
		{name: what, text: value},
		{name: what + " in hexadecimal", text: hex.EncodeToString([]byte(value)), ignoreCase: true},
	}
	// Base64 encodes groups of three bytes as four characters. A value can start at the first, second
	// or third byte of a group, so it has three encodings. Some characters also depend on the bytes
	// around the value, and are left out. At the beginning these are 0, 2 or 3 characters. At the end
	// they are the characters of an incomplete group.
	for offset := range 3 {
		padded := append(make([]byte, offset), value...)
		end := len(padded) / 3 * 4
		start := []int{0, 2, 3}[offset]
		text := base64.StdEncoding.EncodeToString(padded)[start:end]
		out = append(out, form{name: what + " in base64", text: text})
	}
	return out
}

// planted returns the matcher for both planted values. It is built once.
var planted = sync.OnceValue(func() *matcher { return newMatcher(plantedForms()) })

// plantedForms returns the encodings of both planted values.
func plantedForms() []form {
	return slices.Concat(forms(Secret, "the planted secret"), forms(Mark, "the planted mark"))
}

// Find returns the name and the encoding of a planted value that text contains, or "".
func Find(text []byte) string { return planted().search(text) }

// masked returns the beginning of text with the planted values replaced, for the message of a
// failing test. Otherwise the message itself would be found in the output of the tests.
func masked(text string) string {
	text = strings.NewReplacer(Secret, "«secret»", Mark, "«mark»").Replace(text)
	if len(text) > 400 {
		text = text[:400] + "…"
	}
	return text
}

// Values is a set of secrets that the program generated during a test: cookies, codes and tokens.
// The zero value is empty. Values is not safe for concurrent use.
type Values struct {
	forms   []form
	names   []string
	matcher *matcher // nil until Find builds it for the forms
}

// Add adds a value. what describes the value in messages. Most random values are base64. For these,
// Find also searches for the decoded bytes, raw and in hexadecimal, because a database may contain
// them. If the value has fewer than 16 bytes, Add ignores it and returns false.
func (v *Values) Add(what, value string) bool {
	if len(value) < 16 {
		return false
	}
	v.matcher = nil
	v.names = append(v.names, what)
	v.forms = append(v.forms, forms(value, what)...)
	for _, e := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if raw, err := e.DecodeString(value); err == nil && len(raw) >= 12 { // 16 characters are 12 bytes
			v.forms = append(v.forms,
				form{name: what + ", its bytes", text: string(raw)},
				form{name: what + ", its bytes in hexadecimal", text: hex.EncodeToString(raw), ignoreCase: true})
		}
	}
	return true
}

// Names returns the names of the added values, in order.
func (v *Values) Names() []string { return slices.Clone(v.names) }

// Find returns the name and the encoding of a value that text contains, or "". It also searches for
// the planted values.
func (v *Values) Find(text []byte) string {
	if v.matcher == nil {
		v.matcher = newMatcher(slices.Concat(v.forms, plantedForms()))
	}
	return v.matcher.search(text)
}
