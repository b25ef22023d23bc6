package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/weigate/weigate/internal/lang"
)

// This file creates the parser of the command line, and generates the man page from the definitions
// of the commands.

// newParser returns the parser of the command line. vars are the default values that depend on the machine.
func (s *invocation) newParser(vars kong.Vars) (*kong.Kong, error) {
	parser, err := kong.New(&commands{},
		kong.Name("weigate"),
		kong.Description(description),
		kong.Writers(s.out.out, s.out.err),
		kong.NoDefaultHelp(),
		kong.Help(s.printHelp),
		kong.PostBuild(s.translateHelp),
		vars,
		kong.Bind(s),
	)
	if err != nil {
		return nil, lang.Errorf("define the command line: %w", err)
	}
	return parser, nil
}

// reference returns the command line with default values that are the same on every machine.
func (s *invocation) reference() (*kong.Application, error) {
	parser, err := s.newParser(kong.Vars{"config": configName, "folder": "."})
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

// leaves returns the commands that have no subcommands, in the order of the help.
func leaves(node *kong.Node) (out []*kong.Node) {
	for _, child := range node.Children {
		if len(child.Children) == 0 {
			out = append(out, child)
		}
		out = append(out, leaves(child)...)
	}
	return out
}

// manCmd is "weigate man".
type manCmd struct{}

// Run prints the man page in the language of the terminal.
func (manCmd) Run(s *invocation) error {
	app, err := s.reference()
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.out.out, manPage(s.out, app, s.sourceDate()))
	return err
}

// sourceDate returns the date of SOURCE_DATE_EPOCH, so that two builds of a package are equal; else today.
func (s *invocation) sourceDate() time.Time {
	if seconds, err := strconv.ParseInt(s.getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC()
	}
	return time.Now()
}

// manPage returns the man page in the format of man(7).
func manPage(p printer, app *kong.Application, date time.Time) string {
	var b strings.Builder
	text := func(format string, args ...any) string { return roff(p.texts.Text(lang.Text(format, args...))) }
	heading := func(title string) { fmt.Fprintf(&b, ".SH %s\n", title) }
	summary, more, _ := strings.Cut(app.Help, "\n\n")
	fmt.Fprintf(&b, ".TH WEIGATE 1 %s weigate \"%s\"\n", date.Format(time.DateOnly), text("User Commands"))
	heading(text("NAME"))
	fmt.Fprintf(&b, "weigate \\- %s\n", roff(strings.TrimRight(summary, ".。")))
	heading(text("SYNOPSIS"))
	fmt.Fprintf(&b, ".B weigate\n.I %s\n[\\fI%s\\fR]\n", text("command"), text("flags"))
	heading(text("DESCRIPTION"))
	b.WriteString(roff(more) + "\n")
	heading(text("COMMANDS"))
	for _, c := range leaves(app.Node) {
		fmt.Fprintf(&b, ".SS %s\n%s\n", roff("weigate "+p.syntax(c.Summary())), roff(c.Help))
		for _, a := range c.Positional {
			fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", roff(p.syntax(a.Summary())), roff(a.Help))
		}
		for _, f := range c.Flags {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(flagSyntax(f))), roff(f.Help))
		}
	}
	heading(text("EXIT STATUS"))
	for _, each := range []struct {
		code int
		text string
	}{
		{0, text("Success.")}, {exitFailure, text("The command has failed.")},
		{exitUsage, text("The command line is invalid.")},
		{exitConfiguration, text("The configuration is invalid, missing or not readable.")},
	} {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", each.code, each.text)
	}
	heading(text("ENVIRONMENT"))
	fmt.Fprintf(&b, ".TP\n.B WEIGATE_CONFIG\n%s\n", text("The configuration file of commands without --config."))
	fmt.Fprintf(&b, ".TP\n.B LC_ALL, LC_MESSAGES, LANG\n%s\n", text("Language of the messages: Chinese or English."))
	heading(text("FILES"))
	fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", roff(systemFolder+"/"+configName),
		text("The configuration, if the working directory has none."))
	return b.String()
}

// roff escapes a text for man(7), in which a line that begins with . or ' is a command.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
