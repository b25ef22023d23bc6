package wechat

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is the printed form of every Secret.
const redacted = "[redacted]"

// Secret is a string that must not be printed: an app secret or a token. Even an empty Secret
// prints as "[redacted]": with every verb of package fmt (%#v and %x too), as JSON, as text, in
// templates and in log/slog. Use string(s) to get the value. Decoding a Secret from JSON keeps the
// value; encoding a Secret writes "[redacted]".
//
// The standard library prints the value, without calling the methods of Secret, in two cases:
//
//   - package fmt prints a struct with a Secret in an unexported field;
//   - encoding/json encodes a map with keys of type Secret.
//
// Avoid both.
type Secret string

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format writes "[redacted]" for every verb. (String alone would not cover %d and %#v.)
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText returns "[redacted]", for encoding/json, encoding/xml and other encoders of text.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[redacted]", for log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format prints a Token with its secrets redacted. Package fmt treats %s as a bad verb for the
// pointers in a []*Token, and prints the fields without calling the methods of Secret. But it calls
// this method.
func (t Token) Format(s fmt.State, verb rune) {
	type plain Token // without this method, which would call itself
	_, _ = fmt.Fprintf(s, fmt.FormatString(s, verb), plain(t))
}

// Format prints a Client as its AppID, whatever the verb.
func (c *Client) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "&wechat.Client{AppID:%q}", c.AppID)
}
