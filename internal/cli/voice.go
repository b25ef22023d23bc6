package cli

import (
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
)

// voice is how the program speaks: what was asked for goes to out, all else to err, each
// line of it with the program's name in front.
type printer struct {
	out, err io.Writer
}

// say prints a line of what the person asked for.
func (v printer) say(format string, args ...any) {
	fmt.Fprintf(v.out, format+"\n", args...)
}

// warn tells something that the person should know and that stops nothing.
func (v printer) warn(format string, args ...any) {
	fmt.Fprintf(v.err, "weigate: warning: %s\n", oneLine(fmt.Sprintf(format, args...)))
}

// fail tells why the program ends.
func (v printer) fail(err error) {
	fmt.Fprintf(v.err, "weigate: error: %s\n", oneLine(err.Error()))
}

// hint tells what to do next, after failures that say what is wrong.
func (v printer) hint(format string, args ...any) {
	fmt.Fprintf(v.err, "weigate: hint: %s\n", oneLine(fmt.Sprintf(format, args...)))
}

// httpLog is the log of net/http servers, in the same voice.
func (v printer) httpLog() *log.Logger {
	return log.New(v.err, "weigate: http: ", 0)
}

// logger is for the packages that the command runs: warnings and worse, as text.
func (v printer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(v.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// oneLine keeps a message on its line: a joined error, or a name with a line break in it,
// would look like several.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
