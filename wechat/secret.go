package wechat

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is the printed form of every Secret.
const redacted = "[redacted]"

// Secret is a string that must not be printed: an app secret or a token. It prints as "[redacted]",
// even when empty: with every verb of package fmt (%#v and %x too), as JSON, as text, in templates
// and in log/slog. Use string(s) for the value. A Secret can be decoded from JSON; encoding one
// loses its value.
//
// The standard library bypasses the methods in two cases, so keep secrets out of both: a Secret in
// an unexported struct field that package fmt prints, and a Secret as the key of a map that is
// encoded as JSON.
type Secret string

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format writes "[redacted]" for every verb, so that %x, %q, %d and %#v do not print the value.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText returns "[redacted]", for encoding/json, encoding/xml and other encoders of text.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[redacted]", for log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format prints a Token with its secrets redacted. Without this method, fmt would print a []*Token
// with %s without calling the methods of Secret.
func (t Token) Format(s fmt.State, verb rune) {
	type plain Token
	_, _ = fmt.Fprintf(s, fmt.FormatString(s, verb), plain(t))
}

// Format prints a Client as its AppID, whatever the verb.
func (c *Client) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "&wechat.Client{AppID:%q}", c.AppID)
}
