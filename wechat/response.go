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

// maxBody is the longest response body that is read, in bytes.
const maxBody = 1 << 20

// response is the decoded JSON body of a WeChat endpoint. The Content-Type header is ignored,
// because WeChat's values vary: text/plain from the endpoints under /sns/ (seen between 2016 and
// 2024), "application/json; encoding=utf-8" from others.
type response interface {
	failure() *errcodeFields
	validate() error // returns the problem when a required field is missing or invalid
}

// errcodeFields are the fields by which every endpoint reports an error. A successful response
// omits them, except on /sns/auth, where errcode is 0.
type errcodeFields struct {
	Errcode number `json:"errcode"`
	Errmsg  string `json:"errmsg"`
}

// failure returns f. Every response type embeds errcodeFields, and so has the method failure.
func (f *errcodeFields) failure() *errcodeFields { return f }

// number is an integer from WeChat. WeChat also sends integers as strings, as booleans, and with a
// decimal point or an exponent. Decoding never fails: a value that is not an integer sets invalid.
type number struct {
	n       int64
	set     bool // the field is present and not null
	invalid bool // the value is not an integer; n is 0
}

// UnmarshalJSON decodes an integer. A null counts as absent.
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
			// 7200.0 and 7.2e3 are integers too. Above 1<<53, a float64 cannot hold every integer.
			f, ferr := strconv.ParseFloat(s, 64)
			x.invalid = ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53
			n = int64(f)
		}
		if x.invalid {
			n = 0
		}
		x.n = n
	}
	return nil
}

// readBody returns the whole body. It returns ErrTooLarge for a body over maxBody, and ErrTruncated
// when the connection breaks before the end.
func readBody(r *http.Response) ([]byte, error) {
	var b []byte
	var err error
	switch n := r.ContentLength; {
	case n > maxBody:
		return nil, ErrTooLarge
	case n > 0:
		b = make([]byte, n)
		_, err = io.ReadFull(r.Body, b)
	default:
		// The length is unknown, or a custom RoundTripper left ContentLength at 0.
		b, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	if len(b) > maxBody {
		return nil, ErrTooLarge
	}
	return b, nil
}

// decode decodes body into v, and modifies body. A field with a value of the wrong JSON type counts
// as absent.
func decode(body []byte, v response) error {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) // a byte order mark
	replaceControlBytes(body)
	body = bytes.Trim(body, " ")
	switch {
	case len(body) == 0:
		return ErrEmpty
	case body[0] == '<':
		return fmt.Errorf("%w: looks like HTML, %d bytes", ErrNotJSON, len(body))
	case body[0] != '{':
		return ErrNotJSON
	}
	if err := json.Unmarshal(body, v); err != nil {
		if err = jsonProblem(err, body); err != nil {
			return err
		}
	}
	if v.failure().Errcode.invalid {
		return fmt.Errorf("%w: invalid errcode", ErrNotJSON)
	}
	if len(bytes.Trim(body[1:len(body)-1], " ")) == 0 {
		return ErrEmpty // {}
	}
	return nil
}

// jsonProblem maps an error of encoding/json to ErrTruncated or ErrNotJSON. It returns nil for a
// field of the wrong type: encoding/json has decoded all other fields. The result omits the text of
// err, because that text may quote the body.
func jsonProblem(err error, body []byte) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrongType):
		return nil
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(body)) && body[len(body)-1] != '}':
		// The error is at the end of the body, and the object is not closed.
		return fmt.Errorf("%w after %d bytes", ErrTruncated, len(body))
	}
	return ErrNotJSON
}

// replaceControlBytes replaces raw control bytes with spaces. WeChat sends nicknames with unescaped
// control bytes, and the JSON is invalid (reports from 2016 to 2021). Line breaks between JSON
// values are replaced too; a space is equivalent there.
func replaceControlBytes(b []byte) {
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
}

// removeControl removes control characters, such as a decoded \u0007, from a decoded JSON string.
func removeControl(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// validID reports whether an openid or unionid has 1 to 300 bytes of printable ASCII without a
// space. An id with U+FFFD is rejected too: encoding/json replaces invalid UTF-8 by U+FFFD, so two
// different ids could become equal.
func validID(id string) bool {
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
