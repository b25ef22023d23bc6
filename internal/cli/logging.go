package cli

import (
	"io"
	"log/slog"
	"strings"
)

// newLogger makes the gateway's log: one line for each record, as text or as JSON.
func newLogger(to io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: discreet}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(to, o))
	}
	return slog.New(slog.NewTextHandler(to, o))
}

// logLevel reads one of the words that the configuration allows.
func logLevel(word string) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(word)) != nil {
		return slog.LevelInfo
	}
	return l
}

// discreet is the last fence of the log, behind the care of those who write to it: no openid stands there in full, and nothing under a name that means
// a secret.
func discreet(_ []string, a slog.Attr) slog.Attr {
	switch strings.ToLower(a.Key) {
	case "openid", "unionid":
		if text := a.Value.String(); !strings.HasSuffix(text, "…") { // package login has cut it already
			return slog.String(a.Key, short(text))
		}
	case "secret", "client_secret", "code", "token", "access_token", "refresh_token", "id_token", "cookie", "authorization", "master_key", "session_id":
		return slog.String(a.Key, "[redacted]")
	}
	return a
}
