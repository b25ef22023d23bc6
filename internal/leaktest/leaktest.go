// Package leaktest is test support: it finds secrets where they must not be. Tests plant [Secret] as the app secret and [Mark] in
// every code and token, then let [Watch], [Logger] and [Check] look at what comes out. [Find] is the search itself; the command
// in folder scan runs it over the files that the whole suite wrote.
//
// It finds the planted values as they are, escaped for an address, in base64 and in hexadecimal. It does not find values that
// were encrypted, hashed, compressed or cut in pieces.
package leaktest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// The planted values. They are letters and digits only, so that no encoder of text changes them by itself.
const (
	Secret = "PLANTEDSECRETq8Zr4Tn1Yk7Wm3Xc9Vb" // app secret
	Mark   = "PLANTmk5Jw2Q"                     // part of every code and token: wechattest.Config.Mark
)

// form is one way in which a planted value may be written.
type form struct {
	name string
	text string
	fold bool // upper and lower case mean the same
}

// forms lists the ways for one value.
func forms(value, what string) []form {
	out := []form{
		{what, value, false},
		{what + " in hexadecimal", hex.EncodeToString([]byte(value)), true},
	}
	// In base64 a value looks different for each of the three places it can have in a group of three bytes. The characters at its
	// ends depend on the neighbours and are left out.
	for offset := range 3 {
		padded := append(make([]byte, offset), value...)
		whole := len(padded) / 3 * 4
		first := []int{0, 2, 3}[offset]
		text := base64.StdEncoding.EncodeToString(padded)[first:whole]
		out = append(out, form{what + " in base64", text, false})
	}
	return out
}

// all returns the forms of both values, worked out once.
var all = sync.OnceValue(func() []form {
	return slices.Concat(forms(Secret, "the planted secret"), forms(Mark, "the planted mark"))
})

// Find says which planted value text holds and in which form, or "" when it holds none.
func Find(text []byte) string {
	lower := bytes.ToLower(text)
	for _, f := range all() {
		if f.fold && bytes.Contains(lower, []byte(f.text)) || !f.fold && bytes.Contains(text, []byte(f.text)) {
			return f.name
		}
	}
	if plain := unescaped(text); plain != nil {
		if found := Find(plain); found != "" {
			return found + ", escaped"
		}
	}
	return ""
}

// unescaped undoes one layer of %XX and returns nil when there is none.
func unescaped(text []byte) []byte {
	out := make([]byte, 0, len(text))
	found := false
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if s, err := url.PathUnescape(string(text[i : i+3])); err == nil {
				out = append(out, s...)
				i += 2
				found = true
				continue
			}
		}
		out = append(out, text[i])
	}
	if !found {
		return nil
	}
	return out
}

// masked is text with the plain planted values taken out, for the message of a failing test.
func masked(text string) string {
	text = strings.NewReplacer(Secret, "«secret»", Mark, "«mark»").Replace(text)
	if len(text) > 400 {
		text = text[:400] + "…"
	}
	return text
}
