package phoneview

import (
	"fmt"
	"strings"
)

// rewriteCSS returns the style sheet src of an untrusted page with every address replaced: in
// url(…) and in the string after @import. The new address is link(address), where address has no
// CSS escapes. link returns "" for an address that must not be loaded. So a browser requests only
// addresses from link.
//
// Comments are removed. Each "<" that could begin a tag is escaped, so the result cannot end a
// style element.
//
// rewriteCSS is a small tokenizer, not a parser. It recognizes only strings, escapes, comments,
// @import and url(.
func rewriteCSS(src string, link func(string) string) string {
	var b strings.Builder
	importing := false // after @import and before its address
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case strings.HasPrefix(src[i:], "/*"):
			n := strings.Index(src[i+2:], "*/")
			if n < 0 {
				return b.String()
			}
			i += n + 4
			b.WriteByte(' ')
		case c == '"' || c == '\'':
			s, next := cssString(src, i)
			if importing {
				b.WriteString(cssURL(link(s)))
				importing = false
			} else {
				b.WriteString(cssSafe(src[i:next]))
			}
			i = next
		case c == '\\' && i+1 < len(src):
			b.WriteString(cssSafe(src[i : i+2]))
			i += 2
		case hasPrefixFold(src[i:], "@import"):
			b.WriteString("@import")
			i += len("@import")
			importing = true
		case hasPrefixFold(src[i:], "url(") && !cssNameEnds(src[:i]):
			s, next := cssURLValue(src, i+4)
			b.WriteString(cssURL(link(s)))
			i = next
			importing = false
		default:
			if c == ';' || c == '{' {
				importing = false
			}
			if c == '<' && opensTag(src[i:]) {
				b.WriteString(`\3C `)
			} else {
				b.WriteByte(c)
			}
			i++
		}
	}
	return b.String()
}

// cssString parses the string that begins with the quote src[i]. next is the position after the
// string. If the closing quote is missing, a line break ends the string, as in browsers.
func cssString(src string, i int) (value string, next int) {
	var b strings.Builder
	q := src[i]
	for i++; i < len(src); i++ {
		switch c := src[i]; {
		case c == q:
			return b.String(), i + 1
		case c == '\n':
			return b.String(), i
		case c == '\\' && i+1 < len(src):
			i = cssEscape(&b, src, i)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), len(src)
}

// cssURLValue parses the address that begins at src[i], after "url(". next is the position after
// the ")".
func cssURLValue(src string, i int) (value string, next int) {
	for i < len(src) && isSpace(src[i]) {
		i++
	}
	if i < len(src) && (src[i] == '"' || src[i] == '\'') { // url("address")
		value, i = cssString(src, i)
		if n := strings.IndexByte(src[i:], ')'); n >= 0 {
			return value, i + n + 1
		}
		return value, len(src)
	}
	var b strings.Builder
	for ; i < len(src) && src[i] != ')'; i++ {
		if src[i] == '\\' && i+1 < len(src) {
			i = cssEscape(&b, src, i)
			continue
		}
		b.WriteByte(src[i])
	}
	return strings.TrimSpace(b.String()), min(i+1, len(src))
}

// cssEscape writes the character of the CSS escape that begins with the backslash src[i]. It
// returns the index of the last byte of the escape. After the backslash there are three cases:
//
//   - one to six hex digits, and perhaps a space: the character with this code;
//   - a line break: nothing;
//   - another character: this character.
func cssEscape(b *strings.Builder, src string, i int) int {
	char, digits := rune(0), 0
	for digits < 6 && i+1+digits < len(src) {
		d, ok := hexDigit(src[i+1+digits])
		if !ok {
			break
		}
		char = char*16 + d
		digits++
	}
	if digits == 0 {
		if src[i+1] != '\n' {
			b.WriteByte(src[i+1])
		}
		return i + 1
	}
	if char == 0 {
		char = '\uFFFD'
	}
	b.WriteRune(char)
	end := i + digits
	if end+1 < len(src) && isSpace(src[end+1]) {
		end++
	}
	return end
}

// hexDigit returns the value of a hexadecimal digit.
func hexDigit(c byte) (rune, bool) {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0'), true
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}

// cssURL returns url("address"). Characters that could end the string are escaped.
func cssURL(address string) string {
	var b strings.Builder
	b.WriteString(`url("`)
	for i := 0; i < len(address); i++ {
		switch c := address[i]; c {
		case '"', '\\', '<', '\n', '\r', '\f':
			fmt.Fprintf(&b, `\%02x `, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString(`")`)
	return b.String()
}

// cssSafe escapes each "<" in s, a string or an escape as the style sheet contains it.
func cssSafe(s string) string {
	if !strings.Contains(s, "<") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '<' {
			b.WriteByte(s[i])
			continue
		}
		if i > 0 && s[i-1] == '\\' {
			b.WriteString("3C ") // after the backslash of the source
		} else {
			b.WriteString(`\3C `)
		}
	}
	return b.String()
}

// opensTag reports whether the "<" at the beginning of s could begin a tag. In "(width < 600px)" it
// could not, because a space follows.
func opensTag(s string) bool {
	return len(s) < 2 || isLetter(s[1]) || s[1] == '/' || s[1] == '!' || s[1] == '?' || s[1] == '\\'
}

// cssNameEnds reports whether before, the text in front of "url(", ends with a character of a name.
// If so, "url" is only the end of a longer name, such as "curl".
func cssNameEnds(before string) bool {
	if before == "" {
		return false
	}
	c := before[len(before)-1]
	return isLetter(c) || '0' <= c && c <= '9' || c == '-' || c == '_' || c >= 0x80
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' }
