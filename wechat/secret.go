package wechat

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a Secret looks like to everything that prints.
const redacted = "[redacted]"

// Secret is a string that must not be seen: an app secret or a token. It prints as "[redacted]" with every verb of package fmt
// (%#v and %x too), as JSON, as text, in templates and in log/slog, whether it is empty or not. string(s) reveals it, and so does
// decoding: a Secret can be read from JSON, but one that was written is lost.
//
// Two places stay open, because the standard library looks past methods there: a Secret that package fmt reaches through an
// unexported struct field, and a Secret as the key of a map that is written as JSON. Keep secrets out of both.
type Secret string

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format writes "[redacted]" for every verb, so that %x, %q, %d and %#v do not fall back to the bytes.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText returns "[redacted]", for encoding/json, encoding/xml and everything else that writes text.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[redacted]", for log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format prints a Token with its secrets redacted. Without it, fmt would print a []*Token with %s past all methods of Secret.
func (t Token) Format(s fmt.State, verb rune) {
	type plain Token
	_, _ = fmt.Fprintf(s, fmt.FormatString(s, verb), plain(t))
}

// Format prints a Client by its AppID, whatever the verb.
func (c *Client) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "&wechat.Client{AppID:%q}", c.AppID)
}
