package certificate

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger returns a logger for certmagic that passes warnings and errors to log. It drops the other
// lines: certmagic writes one for each step of ordering a certificate.
func zapLogger(log *slog.Logger) *zap.Logger { return zap.New(zapCore{log: log}) }

// zapCore implements zapcore.Core.
type zapCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

// Enabled reports whether a level is logged.
func (c zapCore) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

// With returns a core with further fields.
func (c zapCore) With(fields []zapcore.Field) zapcore.Core {
	return zapCore{log: c.log, fields: append(append([]zapcore.Field{}, c.fields...), fields...)}
}

// Check adds the core to an entry that is logged.
func (c zapCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// loggedFields are the fields that are logged. Others could contain parts of a challenge.
var loggedFields = map[string]bool{
	"error": true, "identifier": true, "identifiers": true, "attempt": true, "retrying_in": true, "elapsed": true,
	"challenge_type": true, "remaining": true,
}

// Write writes an entry.
func (c zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	to := zapcore.NewMapObjectEncoder()
	for _, f := range append(append([]zapcore.Field{}, c.fields...), fields...) {
		if loggedFields[f.Key] {
			f.AddTo(to)
		}
	}
	attributes := []slog.Attr{slog.String("step", e.Message)}
	for name := range loggedFields {
		if v, found := to.Fields[name]; found {
			attributes = append(attributes, slog.Any(name, v))
		}
	}
	c.log.LogAttrs(context.Background(), slog.LevelWarn, "ACME step failed", attributes...)
	return nil
}

// Sync does nothing.
func (c zapCore) Sync() error { return nil }
