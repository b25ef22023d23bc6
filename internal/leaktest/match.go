package leaktest

import "bytes"

// block is the number of bytes at the end of a window that decide how far the search moves.
const block = 2

// matcher searches for many forms in one pass over a text, by the algorithm of Wu and Manber ("A
// fast algorithm for multi-pattern searching", 1994): Horspool's search with blocks of two bytes in
// place of single ones. The window is as long as the shortest form; most windows are moved by
// nearly their whole length, so that only a fraction of the text is read.
type matcher struct {
	window int                // length of the shortest form
	shift  [1 << 16]uint8     // by block: how far the window can move when it ends in this block
	ending map[uint16][]*form // by block: the forms whose first window ends in it
}

func newMatcher(forms []form) *matcher {
	m := &matcher{window: 255, ending: map[uint16][]*form{}}
	for _, f := range forms {
		m.window = min(m.window, len(f.text))
	}
	furthest := uint8(m.window - block + 1)
	for i := range m.shift {
		m.shift[i] = furthest
	}
	for i := range forms {
		f := &forms[i]
		for end := block; end <= m.window; end++ {
			distance := uint8(m.window - end)
			for _, key := range f.blocks(end) {
				m.shift[key] = min(m.shift[key], distance)
				if distance == 0 {
					m.ending[key] = append(m.ending[key], f)
				}
			}
		}
	}
	return m
}

// blocks returns the block of the form that ends before index end, in every spelling of upper and
// lower case that the form allows.
func (f *form) blocks(end int) []uint16 {
	a, b := f.text[end-2], f.text[end-1]
	keys := []uint16{key(a, b)}
	if f.fold {
		for _, k := range []uint16{key(upper(a), b), key(a, upper(b)), key(upper(a), upper(b))} {
			if k != keys[0] {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

func key(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }

func upper(b byte) byte {
	if 'a' <= b && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// find returns the first form in text, or nil.
func (m *matcher) find(text []byte) *form {
	for end := m.window; end <= len(text); {
		k := key(text[end-2], text[end-1])
		if n := m.shift[k]; n > 0 {
			end += int(n)
			continue
		}
		for _, f := range m.ending[k] {
			if f.starts(text[end-m.window:]) {
				return f
			}
		}
		end++
	}
	return nil
}

// starts reports whether text starts with the form.
func (f *form) starts(text []byte) bool {
	if len(text) < len(f.text) {
		return false
	}
	text = text[:len(f.text)]
	return string(text) == f.text || f.fold && bytes.EqualFold(text, []byte(f.text))
}

// search returns the name of the form that text holds, as it is or behind any number of layers of
// %XX, or "".
func (m *matcher) search(text []byte) string {
	for layer := ""; text != nil; layer += ", escaped" {
		if f := m.find(text); f != nil {
			return f.name + layer
		}
		text = unescape(text)
	}
	return ""
}

// unescape returns text with one layer of %XX replaced by the bytes that it stands for, or nil when
// text has none.
func unescape(text []byte) []byte {
	var out []byte
	done := 0 // text before this index is in out
	for i := 0; ; i++ {
		n := bytes.IndexByte(text[i:], '%')
		if n < 0 || i+n+2 >= len(text) {
			break
		}
		i += n
		high, low := hexDigit(text[i+1]), hexDigit(text[i+2])
		if high < 0 || low < 0 {
			continue
		}
		if out == nil {
			out = make([]byte, 0, len(text))
		}
		out = append(append(out, text[done:i]...), byte(high<<4|low))
		i += 2
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
