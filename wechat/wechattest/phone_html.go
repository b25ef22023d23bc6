package wechattest

import (
	"html"
	"strings"
	"unicode/utf8"
)

// tokenKind is the kind of an htmlToken.
type tokenKind int

const (
	textToken    tokenKind = iota // text between tags; character references such as &amp; are not decoded
	contentToken                  // content of an element in which tags are text, see (*htmlScanner).content
	startToken                    // <name attr=value>
	endToken                      // </name>
)

// htmlToken is a tag or a text of a page. Comments, doctypes and processing instructions are
// skipped.
type htmlToken struct {
	kind  tokenKind
	name  string     // of the tag, or of the element around a contentToken; lower case
	attrs []htmlAttr // in order; a repeated name is ignored, as in browsers
	text  string     // of a textToken or contentToken
}

// htmlAttr is an attribute with its character references decoded.
type htmlAttr struct{ name, value string }

// attr returns the value of an attribute, and whether the tag has it.
func (t *htmlToken) attr(name string) (string, bool) {
	for _, a := range t.attrs {
		if a.name == name {
			return a.value, true
		}
	}
	return "", false
}

// value returns the value of an attribute, "" without one.
func (t *htmlToken) value(name string) string {
	v, _ := t.attr(name)
	return v
}

// htmlTokens returns the tags and texts of a page in their order. It follows the tokenizer of the
// HTML standard (13.2.5). It accepts any input. An incomplete tag at the end of the input is
// dropped, as the standard demands. golang.org/x/net/html is not used, because this public package
// imports the standard library only.
func htmlTokens(src string) []htmlToken {
	z := htmlScanner{src: src}
	for z.pos < len(src) {
		lt := strings.IndexByte(src[z.pos:], '<')
		if lt < 0 {
			z.text(src[z.pos:])
			break
		}
		z.text(src[z.pos : z.pos+lt])
		z.pos += lt
		z.markup()
	}
	return z.tokens
}

// htmlScanner is the state of htmlTokens.
type htmlScanner struct {
	src    string
	pos    int // of the next byte
	tokens []htmlToken
}

func (z *htmlScanner) text(s string) {
	if s != "" {
		z.tokens = append(z.tokens, htmlToken{kind: textToken, text: s})
	}
}

// markup scans the tag or the comment that begins with the "<" at pos. A "<" that begins neither is
// text.
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
		z.skipPast(">") // "</>" is ignored, "</1>" is a bogus comment
	case len(rest) > 1 && isLetter(rest[1]):
		z.tag(startToken, 1)
	default:
		z.text("<")
		z.pos++
	}
}

// comment skips a comment. A comment ends with "-->" or "--!>". As in browsers, "<!-->" and
// "<!--->" are complete comments too.
func (z *htmlScanner) comment() {
	const open = len("<!--")
	body := z.src[z.pos+open:]
	for _, abrupt := range []string{">", "->"} {
		if strings.HasPrefix(body, abrupt) {
			z.pos += open + len(abrupt)
			return
		}
	}
	end := len(body)
	for _, mark := range []string{"-->", "--!>"} {
		if i := strings.Index(body, mark); i >= 0 && i+len(mark) < end {
			end = i + len(mark)
		}
	}
	z.pos += open + end
}

// skipPast skips everything up to and including mark.
func (z *htmlScanner) skipPast(mark string) {
	if i := strings.Index(z.src[z.pos:], mark); i >= 0 {
		z.pos += i + len(mark)
		return
	}
	z.pos = len(z.src)
}

// tag scans a tag. The name of the tag begins skip bytes after pos: skip is the length of "<" or
// "</".
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
	z.tokens = append(z.tokens, t)
	if kind == startToken {
		z.content(t.name)
	}
}

// attributes scans the attributes that begin at src[i], and the ">" of the tag. next is the
// position after the ">". closed is false when the input ends before the ">".
func (z *htmlScanner) attributes(t *htmlToken, i int) (next int, closed bool) {
	src := z.src
	seen := map[string]bool{}
	for {
		for i < len(src) && (isSpace(src[i]) || src[i] == '/') {
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

// attributeValue scans the value of an attribute, from the position after the "=". ok is false when
// the input ended before the value.
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

// content is called after a start tag. If tags inside the element are text, as in a script, it
// scans the content up to the end tag. For other elements it does nothing. A plaintext element has
// no end tag: its content is the rest of the page.
func (z *htmlScanner) content(name string) {
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

// raw adds the content up to the position end.
func (z *htmlScanner) raw(name string, end int) {
	s := z.src[z.pos:end]
	z.pos = end
	if s != "" {
		z.tokens = append(z.tokens, htmlToken{kind: contentToken, name: name, text: s})
	}
}

// unescapeAttr decodes the character references in the value of an attribute. In "?a=1&copy=2",
// "&copy" is not a reference. [html.UnescapeString] would return "©", because its rules are for
// text. In attributes, a name without ";" is not a reference if "=" or a letter follows.
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
			// UnescapeString also decodes the beginning of a longer name: "&copyright" becomes "©right".
			// Only a reference that is decoded completely becomes one character.
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

// lowerASCII lowers A to Z only, the rule for names of tags and attributes.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
