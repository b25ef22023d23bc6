package cli

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// printer prints the output of a command to out. It prints errors, warnings and hints to err, each
// on one line that starts with the name of the program. With a log, warnings and the error that
// ends the command are log records instead: "weigate serve" with log.format json writes only JSON.
type printer struct {
	out, err io.Writer
	texts    lang.Formats // messages in the language of the terminal; nil = English
	log      *slog.Logger // optional; always English
	json     bool         // results of checks are JSON
}

// printf prints a line of output.
func (p printer) printf(format string, args ...any) {
	fmt.Fprintln(p.out, p.texts.Sprintf(format, args...))
}

// prompt prints a question without a line break. It is shown even if the output goes to a file.
func (p printer) prompt(format string, args ...any) {
	fmt.Fprint(p.err, p.texts.Sprintf(format, args...))
}

func (p printer) warnf(format string, args ...any) {
	if p.log != nil {
		p.log.Warn("start-up warning", "warning", oneLine(fmt.Sprintf(format, args...)))
		return
	}
	p.message(lang.Text("warning"), p.texts.Sprintf(format, args...))
}

func (p printer) error(err error) {
	p.message(lang.Text("error"), p.texts.Error(err))
}

func (p printer) hintf(format string, args ...any) {
	p.message(lang.Text("hint"), p.texts.Sprintf(format, args...))
}

// message prints a message on one line, after the name of the program and the kind of the message.
func (p printer) message(kind lang.Message, text string) {
	colon := ": "
	if p.texts != nil {
		colon = "："
	}
	fmt.Fprintf(p.err, "weigate: %s%s%s\n", p.texts.Text(kind), colon, oneLine(text))
}

// errorWithHint prints an error, and its hint if it has one.
func (p printer) errorWithHint(err error) {
	var h *hintError
	hasHint := errors.As(err, &h)
	switch {
	case p.log != nil && hasHint:
		p.log.Error("command failed", "error", oneLine(err.Error()), "hint", oneLine(h.hint.String()))
	case p.log != nil:
		p.log.Error("command failed", "error", oneLine(err.Error()))
	case hasHint:
		p.error(err)
		p.hintf("%s", h.hint)
	default:
		p.error(err)
	}
}

// serverLog returns the error log of HTTP servers, for commands other than "weigate serve".
func (p printer) serverLog() *log.Logger {
	return log.New(p.err, "weigate: http: ", 0)
}

// logger returns the log for the demo. It prints only warnings and errors.
func (p printer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// oneLine joins the lines of a message, because every message must be one line. Joined errors have
// several lines, and a file name may contain a line break.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	return strings.Join(lines, "; ")
}

// hintError is an error with advice on what to do, which is printed on a line of its own.
type hintError struct {
	err  error
	hint lang.Message
}

func (e *hintError) Error() string                      { return e.err.Error() }
func (e *hintError) Unwrap() error                      { return e.err }
func (e *hintError) Localize(texts lang.Formats) string { return texts.Error(e.err) }

// withHint adds a hint to an error.
func withHint(err error, format string, args ...any) error {
	return &hintError{err: err, hint: lang.Text(format, args...)}
}

// newLogHandler returns the handler of the gateway's log, with one line for each record. format is
// "text" or "json".
func newLogHandler(to io.Writer, format string, level slog.Leveler) slog.Handler {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	if format == "json" {
		return slog.NewJSONHandler(to, o)
	}
	return slog.NewTextHandler(to, o)
}

// serverErrors returns a log for net/http's servers that writes to the gateway's log. Clients can
// cause many of these lines. All of them have the same message, because the gateway's log limits
// the lines of each message.
func serverErrors(to *slog.Logger) *log.Logger { return log.New(serverErrorWriter{to}, "", 0) }

type serverErrorWriter struct{ to *slog.Logger }

func (w serverErrorWriter) Write(line []byte) (int, error) {
	w.to.Warn("http server error", "error", strings.TrimSpace(string(line)))
	return len(line), nil
}

// parseLevel parses the value of log.level. Package config has already rejected invalid values.
func parseLevel(word string) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(word)) != nil {
		return slog.LevelInfo
	}
	return l
}

// redact shortens openids and unionids, and replaces the values of attributes that are named like
// secrets. The packages should not log secrets at all: redact is a second protection.
func redact(_ []string, a slog.Attr) slog.Attr {
	switch strings.ToLower(a.Key) {
	case "openid", "unionid":
		if text := a.Value.String(); !strings.HasSuffix(text, "…") { // unless it is shortened already
			return slog.String(a.Key, short(text))
		}
	case "secret", "client_secret", "code", "token", "access_token", "refresh_token", "id_token", "cookie",
		"authorization", "master_key", "session_id":
		return slog.String(a.Key, "[redacted]")
	}
	return a
}
