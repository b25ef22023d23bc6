package cli

import (
	"io"
	"log/slog"
	"strings"
)

// newLogger returns the gateway's log: one line for each record, as text or as JSON.
func newLogger(to io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(to, o))
	}
	return slog.New(slog.NewTextHandler(to, o))
}

// parseLevel parses a level of the configuration.
func parseLevel(word string) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(word)) != nil {
		return slog.LevelInfo
	}
	return l
}

// redact shortens openids and unionids, and removes attributes whose name means a secret. Callers
// should log neither; this catches mistakes.
func redact(_ []string, a slog.Attr) slog.Attr {
	switch strings.ToLower(a.Key) {
	case "openid", "unionid":
		if text := a.Value.String(); !strings.HasSuffix(text, "…") { // package login shortens them itself
			return slog.String(a.Key, short(text))
		}
	case "secret", "client_secret", "code", "token", "access_token", "refresh_token", "id_token", "cookie",
		"authorization", "master_key", "session_id":
		return slog.String(a.Key, "[redacted]")
	}
	return a
}
