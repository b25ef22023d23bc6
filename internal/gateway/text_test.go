package gateway_test

import (
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// Names and notes are typed by users and administrators, and appear on pages, in terminals, in chat
// messages and in files.
func TestCleanTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, line, paragraph string }{
		{"one Han character is a name", "李", "李", "李"},
		{"line breaks", "a\r\nb\rc\nd", "a  b c d", "a\nb\nc\nd"},
		{"control bytes", "a\x00\x1b[2Jb\x7f", "a[2Jb", "a[2Jb"},
		{"bidirectional controls", "user\u202enimda\u2066x\u200f", "usernimdax", "usernimdax"},
		{"invalid UTF-8", "a\xff\xfeb", "a\ufffdb", "a\ufffdb"},
		{"emoji with joiners stays", "👩‍💻", "👩‍💻", "👩‍💻"},
		{"spaces around", " \t李四\u2028 ", "李四", "李四"},
		{"only controls", "\x00\u202e\n", "", ""},
	} {
		if got := gateway.CleanLine(c.in); got != c.line {
			t.Errorf("%s: CleanLine(%q) = %q, want %q", c.name, c.in, got, c.line)
		}
		if got := gateway.CleanParagraph(c.in); got != c.paragraph {
			t.Errorf("%s: CleanParagraph(%q) = %q, want %q", c.name, c.in, got, c.paragraph)
		}
	}
}
