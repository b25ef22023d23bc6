package cli

import (
	"cmp"
	"errors"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/weigate/weigate/internal/lang"
)

// This file prints the help, and the errors of the command line, in the language of the terminal. Package
// kong has both in English only.

// translateHelp translates the help of every command, argument and flag. Kong calls translateHelp
// before it replaces variables such as ${default}, so the translations contain the variables.
func (s *invocation) translateHelp(k *kong.Kong) error {
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		switch node := node.(type) {
		case *kong.Application:
			node.Help = s.out.texts.Translate(node.Help)
		case *kong.Node:
			node.Help = s.out.texts.Translate(node.Help)
		case *kong.Flag:
			node.Help = s.out.texts.Translate(node.Help)
		case *kong.Value:
			node.Help = s.out.texts.Translate(node.Help)
		}
		return next(nil)
	})
}

// printHelp prints the help of the selected command, or of the program.
func (s *invocation) printHelp(_ kong.HelpOptions, c *kong.Context) error {
	node, usage := c.Model.Node, c.Model.Name+c.Model.Summary()
	if selected := c.Selected(); selected != nil {
		node, usage = selected, c.Model.Name+" "+selected.Summary()
	}
	p, width := s.out, s.helpWidth()
	p.printf("Usage: %s", p.syntax(usage))
	for paragraph := range strings.SplitSeq(node.Help, "\n\n") {
		p.printf("\n%s", strings.Join(wrap(paragraph, width), "\n"))
	}
	if len(node.Positional) > 0 {
		p.printf("\nArguments:")
		var rows [][2]string
		for _, a := range node.Positional {
			rows = append(rows, [2]string{p.syntax(a.Summary()), a.Help})
		}
		p.printDefinitions(rows, width)
	}
	var flags [][2]string
	for _, level := range node.AllFlags(true) {
		for _, f := range level {
			flags = append(flags, [2]string{flagSyntax(f), f.Help})
		}
	}
	p.printf("\nFlags:")
	p.printDefinitions(flags, width)
	if len(node.Children) > 0 {
		p.printf("\nCommands:")
		var rows [][2]string
		for _, child := range node.Children {
			rows = append(rows, [2]string{child.Path(), child.Help})
		}
		p.printDefinitions(rows, width)
		p.printf("\nRun \"%s <command> --help\" for more information on a command.", node.FullPath())
	}
	return nil
}

// syntax returns the usage of a command in the language of the terminal.
func (p printer) syntax(usage string) string {
	return usageWords.ReplaceAllStringFunc(usage, func(word string) string {
		name := strings.Trim(word, "<>[]")
		return strings.Replace(word, name, p.word("usage", name), 1)
	})
}

// usageWords matches the placeholders in the usage of a command: <id>, [flags].
var usageWords = regexp.MustCompile(`<[a-z]+>|\[flags\]`)

// flagSyntax returns how a flag is written, such as "-c, --config=FILE".
func flagSyntax(f *kong.Flag) string {
	syntax := "    --" + f.Name
	if f.Short != 0 {
		syntax = "-" + string(f.Short) + ", --" + f.Name
	}
	if !f.IsBool() {
		syntax += "=" + f.FormatPlaceHolder()
	}
	return syntax
}

// helpWidth returns the width of the help: the width of the terminal, at most 100 columns.
func (s *invocation) helpWidth() int {
	const widest = 100
	if f, isFile := s.out.out.(interface{ Fd() uintptr }); isFile {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return min(cmp.Or(columns, widest), widest)
		}
	}
	return widest
}

// printDefinitions prints terms and their explanations in two columns. A term longer than
// longestTerm is on a line of its own.
func (p printer) printDefinitions(rows [][2]string, width int) {
	const longestTerm = 32
	column := 0
	for _, r := range rows {
		if w := displayWidth(r[0]); w <= longestTerm {
			column = max(column, w)
		}
	}
	indent := strings.Repeat(" ", column+4)
	for _, r := range rows {
		lines := wrap(r[1], max(20, width-len(indent)))
		first := "  " + r[0]
		if w := displayWidth(r[0]); w > column {
			lines = append([]string{""}, lines...)
		} else {
			first += strings.Repeat(" ", column-w+2)
		}
		p.printf("%s", strings.TrimRight(first+strings.Join(lines, "\n"+indent), " "))
	}
}

// wrap breaks a text into lines. Lines break at spaces, and between Chinese characters: a Chinese text has
// no spaces.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range breakable.FindAllString(strings.ReplaceAll(text, "\n", " "), -1) {
		if line != "" && displayWidth(line)+displayWidth(strings.TrimRight(word, " ")) > width {
			lines = append(lines, strings.TrimRight(line, " "))
			line = ""
		}
		line += word
	}
	return append(lines, strings.TrimRight(line, " "))
}

// breakable matches what a line break must not divide: a word, or a Chinese character with the punctuation
// before and after it.
var breakable = regexp.MustCompile(`[（“《]*(\p{Han}|[^\p{Han}\s，。；：、？！）”》（“《]+)[，。；：、？！）”》]* *|\S *| +`)

// kongTexts are the errors of kong for a command line. Kong has no formats that can be translated: it returns
// finished texts.
var kongTexts = []string{
	"unknown flag %s, did you mean one of %s?",
	"unknown flag %s, did you mean %s?",
	"unknown flag %s",
	"unexpected argument %s, did you mean one of %s?",
	"unexpected argument %s, did you mean %s?",
	"unexpected argument %s",
	"unexpected flag argument %s",
	"no command %s, did you mean one of %s?",
	"no command %s, did you mean %s?",
	"no command %s",
	"missing flags: %s",
	"missing positional arguments %s",
	"expected one of %s",
	"expected %s",
	"%s must be one of %s but got %s",
	"%s: expected an int but got %s",
	"%s: expected a valid %s bit int but got %s",
	"%s: expected a valid %s bit uint but got %s",
	"%s: expected duration but got %s",
	"%s and %s can't be used together",
	"%s must be used together",
}

// kongPatterns are kongTexts with a group in place of each %s.
var kongPatterns = func() (patterns []*regexp.Regexp) {
	for _, text := range kongTexts {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(text), "%s", "(.+)")
		patterns = append(patterns, regexp.MustCompile(`^`+pattern+`$`))
	}
	return patterns
}()

// kongError returns an error of kong as an error that can be translated. message is its English text.
func kongError(err error, message string) error {
	for i, pattern := range kongPatterns {
		if m := pattern.FindStringSubmatch(message); m != nil {
			var args []any
			for _, arg := range m[1:] {
				args = append(args, usageText(arg))
			}
			return lang.Errorf(kongTexts[i], args...)
		}
	}
	return err // of our own types, such as span
}

// usageText is a part of a usage, such as "<file>", in an error.
type usageText string

// Localize returns the text in the language of the terminal.
func (t usageText) Localize(texts lang.Formats) string {
	text := printer{texts: texts}.syntax(string(t))
	if texts == nil { // English
		return text
	}
	// Kong quotes the choices of a flag: "a","b". A Chinese sentence has Chinese quotation marks.
	return quoted.ReplaceAllString(strings.ReplaceAll(text, `","`, `"、"`), "“$1”")
}

var quoted = regexp.MustCompile(`"([^"]*)"`)

// usageError adds a hint to an error of the command line: the command that prints the help. If the
// error already suggests a flag or a command ("did you mean"), usageError adds none.
func usageError(err error) error {
	var parse *kong.ParseError
	help, message := "weigate --help", err.Error()
	if errors.As(err, &parse) && parse.Context != nil {
		node := parse.Context.Model.Node
		if c := parse.Context.Selected(); c != nil {
			node, help = c, c.FullPath()+" --help"
		}
		if word, found := strings.CutPrefix(message, "unexpected argument "); found && len(node.Children) > 0 {
			message = "no command " + word // the word is in the place of a subcommand
			if help == "weigate proxy --help" && !strings.Contains(message, "did you mean") {
				return withHint(kongError(err, message), "for other proxies, see docs/en/clients/apache.md and examples/traefik")
			}
		}
	}
	switch {
	case strings.Contains(message, "did you mean"):
		return kongError(err, message)
	case strings.Contains(message, "(<EOL>)"): // --seed: expected int value but got "EOL" (<EOL>)
		flag, _, _ := strings.Cut(message, ":")
		return withHint(lang.Errorf("%s: missing value", flag), "%s", help)
	}
	return withHint(kongError(err, message), "%s", help)
}
