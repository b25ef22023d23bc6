package lang

import (
	"errors"
	"fmt"
	"strings"
)

// Message is a text for a person, which is formatted when the language of the reader is known. Its
// format is English and has the verbs of package fmt. Create it with [Text] or [Count].
type Message struct {
	format string
	args   []any
}

// Text returns a message. An argument may be a message or an error, which is then translated too.
func Text(format string, args ...any) Message {
	return Message{format: format, args: args}
}

// Count returns the message for n things. For 1 thing the message is one, such as "1 line".
// Otherwise it has the format many, such as "%d lines".
func Count(n int, one, many string) Message {
	if n == 1 {
		return Message{format: one}
	}
	return Message{format: many, args: []any{n}}
}

// String returns the message in English.
func (m Message) String() string {
	return fmt.Sprintf(strings.ReplaceAll(m.format, "%w", "%v"), m.args...)
}

// MarshalText returns the message in English: logs and JSON are not translated.
func (m Message) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// messageError is an error that keeps its message.
type messageError struct {
	message Message
	err     error // of fmt.Errorf; it wraps the arguments of %w
}

func (e *messageError) Error() string { return e.err.Error() }
func (e *messageError) Unwrap() error { return e.err }

// Errorf is [fmt.Errorf] for an error that a person reads: [Formats.Error] translates it. Its
// method Error returns English.
func Errorf(format string, args ...any) error {
	return &messageError{message: Message{format: format, args: args}, err: fmt.Errorf(format, args...)}
}

// Formats has the messages of a program in another language than English. It maps the English
// format, exactly as the code has it, to a format with the same verbs. Where the order of the
// arguments differs, the verbs have indexes, such as %[2]s. A format without an entry stays
// English, and nil is English.
type Formats map[string]string

// Translate returns the translation of a text without arguments.
func (f Formats) Translate(text string) string {
	if translated, found := f[text]; found {
		return translated
	}
	return text
}

// Sprintf translates the format and the arguments, and formats them like [fmt.Sprintf].
func (f Formats) Sprintf(format string, args ...any) string {
	if f == nil {
		return fmt.Sprintf(format, args...)
	}
	values := make([]any, 0, len(args))
	for _, a := range args {
		values = append(values, f.value(a))
	}
	return fmt.Sprintf(wrapVerbs.Replace(f.Translate(format)), values...)
}

// wrapVerbs replaces the verb %w, which only fmt.Errorf has. With an index the verb is %[1]w.
var wrapVerbs = strings.NewReplacer("%w", "%v", "]w", "]v")

// value translates an argument.
func (f Formats) value(a any) any {
	switch a := a.(type) {
	case Localizer:
		return a.Localize(f)
	case Message:
		return f.Text(a)
	case error:
		return f.Error(a)
	}
	return a
}

// Text returns a message in the language of the formats.
func (f Formats) Text(m Message) string {
	if f == nil {
		return m.String()
	}
	return f.Sprintf(m.format, m.args...)
}

// Localizer is a value or an error that has several messages.
type Localizer interface {
	Localize(Formats) string
}

// Error returns the text of an error in the language of the formats. It translates errors of
// [Errorf], errors of files, networks and certificates that Go returns, and errors whose whole text
// has an entry, such as those of [errors.New]. If another error wraps or joins such errors, it
// translates the inner errors.
func (f Formats) Error(err error) string {
	if f == nil {
		return err.Error()
	}
	switch e := err.(type) {
	case Localizer:
		return e.Localize(f)
	case *messageError:
		return f.Text(e.message)
	case interface{ Unwrap() []error }:
		if joined := e.Unwrap(); errors.Join(joined...).Error() == err.Error() {
			lines := make([]string, 0, len(joined))
			for _, each := range joined {
				lines = append(lines, f.Error(each))
			}
			return strings.Join(lines, "\n")
		}
	}
	if text, found := f.ofGo(err); found {
		return text
	}
	text := err.Error()
	if translated, found := f[text]; found {
		return translated
	}
	if inner := errors.Unwrap(err); inner != nil {
		if context, wraps := strings.CutSuffix(text, inner.Error()); wraps {
			return context + f.Error(inner)
		}
	}
	return text
}
