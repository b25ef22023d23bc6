package wechat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// maxAnswer is the longest answer that is read, in bytes.
const maxAnswer = 1 << 20

// answer is what one endpoint sends. Its fields are decoded by content, never by the Content-Type: the sns endpoints say
// text/plain (seen between 2016 and 2024), and others say "application/json; encoding=utf-8".
type answer interface {
	said() *fault
	complete() error // nil, or the shape that says what is missing
}

// fault is the part that every endpoint may send. A success has none, except from /sns/auth.
type fault struct {
	Errcode number `json:"errcode"`
	Errmsg  string `json:"errmsg"`
}

func (f *fault) said() *fault { return f }

// number is an integer that may arrive as a string, a fraction or a boolean. It never makes decoding fail; what cannot be read is
// remembered as bad.
type number struct {
	n        int64
	set, bad bool
}

// UnmarshalJSON reads what came. A null counts as absent.
func (x *number) UnmarshalJSON(b []byte) error {
	s := string(b)
	if len(s) >= 2 && s[0] == '"' {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	*x = number{set: true}
	switch s {
	case "null":
		x.set = false
	case "true":
		x.n = 1
	case "false":
	default:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			f, ferr := strconv.ParseFloat(s, 64)
			x.bad = ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53
			n = int64(f)
		}
		if x.bad {
			n = 0
		}
		x.n = n
	}
	return nil
}

// read returns the whole body, or ErrTooLarge, or ErrTruncated when it broke off.
func read(r *http.Response) ([]byte, error) {
	var b []byte
	var err error
	switch n := r.ContentLength; {
	case n > maxAnswer:
		return nil, ErrTooLarge
	case n > 0:
		b = make([]byte, n)
		_, err = io.ReadFull(r.Body, b)
	default:
		// The length is unknown, or 0 from a RoundTripper that does not say.
		b, err = io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	if len(b) > maxAnswer {
		return nil, ErrTooLarge
	}
	return b, nil
}

// decode fills a from the body, which it changes. A known field of the wrong type counts as absent.
func decode(b []byte, a answer) error {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	blank(b)
	b = bytes.Trim(b, " ")
	switch {
	case len(b) == 0:
		return ErrEmpty
	case b[0] == '<':
		return fmt.Errorf("%w but looks like a page of HTML, %d bytes", ErrNotJSON, len(b))
	case b[0] != '{':
		return ErrNotJSON
	}
	if err := json.Unmarshal(b, a); err != nil {
		if err = notJSON(err, b); err != nil {
			return err
		}
	}
	if a.said().Errcode.bad {
		return fmt.Errorf("%w with a readable errcode", ErrNotJSON)
	}
	if len(bytes.Trim(b[1:len(b)-1], " ")) == 0 {
		return ErrEmpty
	}
	return nil
}

// notJSON turns an error of encoding/json into a shape, or into nil when only a field had the wrong type: the others are filled.
// Its text is left out, as it may quote what came.
func notJSON(err error, b []byte) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrongType):
		return nil
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(b)) && b[len(b)-1] != '}':
		return fmt.Errorf("%w after %d bytes", ErrTruncated, len(b))
	}
	return ErrNotJSON
}

// blank turns raw control bytes into spaces. People have them in their nicknames and WeChat sends them unescaped, which is not
// JSON (reports from the field, 2016 to 2021). Between two values a space is as good as a line break.
func blank(b []byte) {
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
}

// visible drops what is left of control characters after decoding; bad UTF-8 has become U+FFFD by then.
func visible(s string) string {
	clean := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || c == 0xc2 {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// printable reports whether an id is one to three hundred bytes of printable ASCII without a space. Two ids that differ only in
// damaged bytes would decode to the same text, so a damaged one is not used.
func printable(id string) bool {
	if id == "" || len(id) > 300 {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return false
		}
	}
	return true
}
