package wechattest

import (
	"html"
	"strings"
	"unicode/utf8"
)

// A tokenKind says what an htmlToken is.
type tokenKind int

const (
	textToken  tokenKind = iota // character data, still holding character references
	rawToken                    // the inside of an element whose content is not markup: style, script, title, textarea
	startToken                  // <name attr=value>
	endToken                    // </name>
)

// An htmlToken is one piece of a page. Comments, doctypes and processing instructions are not reported:
// nothing that the phone shows or follows is in them.
type htmlToken struct {
	kind  tokenKind
	name  string     // of the tag, lower case; for rawToken, of the element that it is the inside of
	attrs []htmlAttr // in order, the first of a repeated name only, as browsers have it
	text  string     // for textToken and rawToken
	empty bool       // for startToken: it ends in "/>"
}

// An htmlAttr is an attribute with its character references resolved.
type htmlAttr struct{ name, value string }

// attr is the value of the named attribute and whether the tag has it.
func (t *htmlToken) attr(name string) (string, bool) {
	for _, a := range t.attrs {
		if a.name == name {
			return a.value, true
		}
	}
	return "", false
}

// value is the value of the named attribute, or "" without one.
func (t *htmlToken) value(name string) string {
	v, _ := t.attr(name)
	return v
}

// scanHTML cuts a page into tokens as the tokenizer of the HTML standard does (13.2.5), without building a tree.
// It reads any input to its end; a tag that the end of input cuts off is dropped, as the standard says.
func scanHTML(src string, yield func(htmlToken) bool) {
	z := htmlScanner{src: src, yield: yield}
	for z.pos < len(src) && !z.done {
		lt := strings.IndexByte(src[z.pos:], '<')
		if lt < 0 {
			z.text(src[z.pos:])
			return
		}
		z.text(src[z.pos : z.pos+lt])
		z.pos += lt
		if !z.done {
			z.markup()
		}
	}
}

type htmlScanner struct {
	src   string
	pos   int // of the byte to read next
	yield func(htmlToken) bool
	done  bool // yield said to stop
}

func (z *htmlScanner) emit(t htmlToken) {
	if !z.done && !z.yield(t) {
		z.done = true
	}
}

func (z *htmlScanner) text(s string) {
	if s != "" {
		z.emit(htmlToken{kind: textToken, text: s})
	}
}

// markup reads what begins with the "<" at pos.
func (z *htmlScanner) markup() {
	rest := z.src[z.pos:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		z.comment()
	case len(rest) > 1 && (rest[1] == '!' || rest[1] == '?'):
		z.skipPast(">")
	case len(rest) > 2 && rest[1] == '/' && isLetter(rest[2]):
		z.tag(endToken, 2)
	case len(rest) > 2 && rest[1] == '/':
		z.skipPast(">") // "</>" is nothing, "</1>" a bogus comment
	case len(rest) > 1 && isLetter(rest[1]):
		z.tag(startToken, 1)
	default:
		z.text("<")
		z.pos++
	}
}

// comment skips a comment in each of the forms that browsers end one.
func (z *htmlScanner) comment() {
	body := z.src[z.pos+4:]
	for _, abrupt := range []string{">", "->"} {
		if strings.HasPrefix(body, abrupt) {
			z.pos += 4 + len(abrupt)
			return
		}
	}
	end := len(body)
	for _, mark := range []string{"-->", "--!>"} {
		if i := strings.Index(body, mark); i >= 0 && i+len(mark) < end {
			end = i + len(mark)
		}
	}
	z.pos += 4 + end
}

func (z *htmlScanner) skipPast(mark string) {
	if i := strings.Index(z.src[z.pos:], mark); i >= 0 {
		z.pos += i + len(mark)
		return
	}
	z.pos = len(z.src)
}

// tag reads a tag whose name begins skip bytes on.
func (z *htmlScanner) tag(kind tokenKind, skip int) {
	i := z.pos + skip
	from := i
	for i < len(z.src) && !isSpace(z.src[i]) && z.src[i] != '/' && z.src[i] != '>' {
		i++
	}
	t := htmlToken{kind: kind, name: lowerASCII(z.src[from:i])}
	i, closed := z.attributes(&t, i)
	z.pos = i
	if !closed {
		return
	}
	z.emit(t)
	if kind == startToken && !z.done {
		z.inside(t.name)
	}
}

// attributes reads up to and past the ">" of a tag. closed is false when the input ended first.
func (z *htmlScanner) attributes(t *htmlToken, i int) (next int, closed bool) {
	src := z.src
	seen := map[string]bool{}
	for {
		t.empty = false
		for i < len(src) && (isSpace(src[i]) || src[i] == '/') {
			t.empty = src[i] == '/'
			i++
		}
		if i >= len(src) {
			return i, false
		}
		if src[i] == '>' {
			return i + 1, true
		}
		from := i
		i++ // a leading "=" belongs to the name
		for i < len(src) && !isSpace(src[i]) && src[i] != '/' && src[i] != '>' && src[i] != '=' {
			i++
		}
		a := htmlAttr{name: lowerASCII(src[from:i])}
		for i < len(src) && isSpace(src[i]) {
			i++
		}
		if i < len(src) && src[i] == '=' {
			var ok bool
			if a.value, i, ok = attributeValue(src, i+1); !ok {
				return len(src), false
			}
		}
		if !seen[a.name] {
			seen[a.name] = true
			t.attrs = append(t.attrs, a)
		}
	}
}

// attributeValue reads what follows the "=".
func attributeValue(src string, i int) (value string, next int, ok bool) {
	for i < len(src) && isSpace(src[i]) {
		i++
	}
	if i >= len(src) {
		return "", i, false
	}
	switch q := src[i]; q {
	case '>':
		return "", i, true
	case '"', '\'':
		n := strings.IndexByte(src[i+1:], q)
		if n < 0 {
			return "", len(src), false
		}
		return unescapeAttr(src[i+1 : i+1+n]), i + n + 2, true
	}
	from := i
	for i < len(src) && !isSpace(src[i]) && src[i] != '>' {
		i++
	}
	return unescapeAttr(src[from:i]), i, true
}

// inside reads the content of the elements that hold no markup, up to their end tag.
func (z *htmlScanner) inside(name string) {
	switch name {
	case "plaintext":
		z.raw(name, len(z.src))
		return
	case "script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes":
	default:
		return
	}
	for i := z.pos; ; {
		n := strings.Index(z.src[i:], "</")
		if n < 0 {
			z.raw(name, len(z.src))
			return
		}
		i += n
		after := i + 2 + len(name)
		if after <= len(z.src) && strings.EqualFold(z.src[i+2:after], name) &&
			(after == len(z.src) || isSpace(z.src[after]) || z.src[after] == '/' || z.src[after] == '>') {
			z.raw(name, i)
			return
		}
		i += 2
	}
}

func (z *htmlScanner) raw(name string, end int) {
	s := z.src[z.pos:end]
	z.pos = end
	if s != "" {
		z.emit(htmlToken{kind: rawToken, name: name, text: s})
	}
}

// unescapeAttr resolves character references by the rule for attributes: a name without ";" that is followed by
// "=" or a letter is text, or "?a=1&copy=2" would lose its parameter. [html.UnescapeString] has the rule for text only.
func unescapeAttr(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		n := 1
		if n < len(s) && s[n] == '#' {
			n++
		}
		for n < len(s) && (isLetter(s[n]) || s[n] >= '0' && s[n] <= '9') {
			n++
		}
		ref := s[:n]
		s = s[n:]
		switch {
		case strings.HasPrefix(s, ";"):
			b.WriteString(html.UnescapeString(ref + ";"))
			s = s[1:]
		case strings.HasPrefix(ref, "&#"):
			b.WriteString(html.UnescapeString(ref))
		case strings.HasPrefix(s, "="):
			b.WriteString(ref)
		default:
			if u := html.UnescapeString(ref); utf8.RuneCountInString(u) == 1 {
				b.WriteString(u)
			} else {
				b.WriteString(ref)
			}
		}
	}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' }

// lowerASCII lowers A to Z only: names of tags and attributes are compared that way.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
