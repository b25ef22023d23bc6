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

// response is the decoded body of one endpoint. It is decoded by its content, never by its
// Content-Type: the sns endpoints send text/plain (seen between 2016 and 2024), and others
// "application/json; encoding=utf-8".
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

// failure returns f. All response types embed errcodeFields, and so implement this method of
// response.
func (f *errcodeFields) failure() *errcodeFields { return f }

// number is an integer that WeChat may send as a string, a fraction or a boolean. Decoding never
// fails: a value that is not an integer sets invalid.
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
			// A number such as 7200.0 or 7.2e3 is accepted. Above 1<<53 a float64 is not exact.
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

// decode decodes body into v. It modifies body. A field with a value of the wrong type counts as
// absent.
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

// jsonProblem maps an error of encoding/json to ErrTruncated or ErrNotJSON. It returns nil when
// only a field had the wrong type, because the other fields are decoded then. The text of err is
// left out: it may quote the body.
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

// replaceControlBytes replaces raw control bytes with spaces. Nicknames contain them and WeChat
// sends them unescaped, which is invalid JSON (reports from 2016 to 2021). Between two JSON values
// a space and a line break are equivalent.
func replaceControlBytes(b []byte) {
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
}

// removeControl removes control characters. JSON strings can contain them in escaped form.
func removeControl(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// validID reports whether id has 1 to 300 bytes of printable ASCII without a space. Other ids are
// rejected because two ids that differ only in invalid bytes would decode to the same text.
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
