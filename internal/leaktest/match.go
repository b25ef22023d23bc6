package leaktest

import (
	"bytes"
	"math"
)

// matcher searches a text for many forms at once, by the algorithm of Wu and Manber ("A fast
// algorithm for multi-pattern searching", 1994). A form is one encoding of a secret value.
//
// A window moves over the text. It is as long as the shortest form. Its last two bytes are called
// the block. The beginning of a form is its first bytes, as many as the window has. The block
// decides the next step:
//
//   - No beginning contains the block: the window moves by nearly its whole length. So most bytes of
//     the text are never read.
//   - A beginning contains the block, but not at its end: the window moves until the block in the text
//     lies under the block in the beginning.
//   - A beginning ends with the block: the text at the window is compared with the whole form.
type matcher struct {
	window   int                // length of the window
	shift    [1 << 16]uint8     // block → how far the window can move without missing a form
	endingIn map[uint16][]*form // block → the forms whose beginning ends with this block
}

// block is the number of bytes of a block.
const block = 2

// newMatcher returns a matcher for forms. Every form must have at least two bytes, the length of a
// block.
func newMatcher(forms []form) *matcher {
	m := &matcher{window: math.MaxUint8, endingIn: map[uint16][]*form{}} // a shift must fit in uint8
	for _, f := range forms {
		m.window = min(m.window, len(f.text))
	}
	maxShift := uint8(m.window - block + 1) // for a block that no beginning contains
	for i := range m.shift {
		m.shift[i] = maxShift
	}
	for i := range forms {
		f := &forms[i]
		for end := block; end <= m.window; end++ {
			distance := uint8(m.window - end)
			for _, key := range f.blocks(end) {
				m.shift[key] = min(m.shift[key], distance)
				if distance == 0 {
					m.endingIn[key] = append(m.endingIn[key], f)
				}
			}
		}
	}
	return m
}

// blocks returns the two bytes of the form before index end, as a key of matcher.shift. The text of
// a form that ignores case is in lower case. For this form, blocks returns the keys of all
// combinations of lower and upper case.
func (f *form) blocks(end int) []uint16 {
	a, b := f.text[end-block], f.text[end-1]
	keys := []uint16{key(a, b)}
	if f.ignoreCase {
		for _, k := range []uint16{key(upper(a), b), key(a, upper(b)), key(upper(a), upper(b))} {
			if k != keys[0] {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// key returns a block as an index of matcher.shift.
func key(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }

// upper returns an ASCII letter in upper case, and any other byte unchanged.
func upper(b byte) byte {
	if 'a' <= b && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// find returns the first form in text, or nil.
func (m *matcher) find(text []byte) *form {
	for end := m.window; end <= len(text); {
		k := key(text[end-block], text[end-1])
		if distance := m.shift[k]; distance > 0 {
			end += int(distance)
			continue
		}
		for _, f := range m.endingIn[k] {
			if f.isPrefixOf(text[end-m.window:]) {
				return f
			}
		}
		end++
	}
	return nil
}

// isPrefixOf reports whether text starts with the form.
func (f *form) isPrefixOf(text []byte) bool {
	if len(text) < len(f.text) {
		return false
	}
	text = text[:len(f.text)]
	return string(text) == f.text || f.ignoreCase && bytes.EqualFold(text, []byte(f.text))
}

// search returns the name of the first form in text, or "". If it finds none, it removes one layer
// of percent-encoding and searches again. It ends when the text has no percent-encoding left.
func (m *matcher) search(text []byte) string {
	escaped := ""
	for text != nil {
		if f := m.find(text); f != nil {
			return f.name + escaped
		}
		text = unescape(text)
		escaped += ", escaped"
	}
	return ""
}

// unescape decodes the percent-encoding (%XX) of text once. It returns nil if text has none.
func unescape(text []byte) []byte {
	var out []byte
	done := 0 // text[:done] has been decoded into out
	for i := 0; ; i++ {
		distance := bytes.IndexByte(text[i:], '%')
		if distance < 0 || i+distance+2 >= len(text) {
			break
		}
		i += distance
		high, low := hexDigit(text[i+1]), hexDigit(text[i+2])
		if high < 0 || low < 0 {
			continue
		}
		if out == nil {
			out = make([]byte, 0, len(text))
		}
		out = append(append(out, text[done:i]...), byte(high<<4|low))
		i += 2 // the two digits; the loop adds 1 for the percent sign
		done = i + 1
	}
	if out == nil {
		return nil
	}
	return append(out, text[done:]...)
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b && b <= 'f':
		return int(b-'a') + 10
	case 'A' <= b && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}
