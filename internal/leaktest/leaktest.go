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
