// Package cli is the weigate command: it reads the command line, wires the parts of the
// product together, runs their servers and speaks to the person at the terminal.
//
// [Run] is the whole of it. Each command is a struct in a file of its own (demo.go, sim.go,
// serve.go, check.go, user.go, key.go, version.go) whose fields are its flags. Errors are told in one line, "weigate: error: …",
// which ends in what to do next.
//
// It holds no logic of WeChat or of sign-in: those are the packages wechat, wechattest and login.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/weigate/weigate/internal/config"
)

// commands is the command line.
type commands struct {
	Help    helpFlag   `short:"h" help:"Show help for a command."`
	Demo    demoCmd    `cmd:"" help:"Try it: a simulated WeChat, the gateway and four kinds of app on this machine, nothing to set up."`
	Serve   serveCmd   `cmd:"" help:"Run the gateway: WeChat login for every app that speaks OpenID Connect."`
	Sim     simCmd     `cmd:"" help:"Run WeChat on this machine, for developing and testing your own app."`
	Check   checkCmd   `cmd:"" help:"Look over the configuration, the store, and the credentials at WeChat."`
	User    userCmd    `cmd:"" help:"People: list, show, approve, block, sign out, import."`
	Key     keyCmd     `cmd:"" help:"Signing keys and the master key: list, rotate, reseal."`
	Version versionCmd `cmd:"" help:"Print the version of this program."`
}

// session is what a command gets to work with.
type session struct {
	ctx    context.Context
	out    printer
	getenv func(string) string
}

// Run runs the command that args name, until it is done or ctx ends. A failure has been told
// on stderr, in the program's voice, when Run returns it; a context that ends is the normal
// way for a server to stop and no failure. No command reads stdin yet.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) error {
	s := &session{ctx: ctx, out: printer{out: stdout, err: stderr}, getenv: getenv}
	err := s.run(args)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			s.out.fail(errors.New(p.String()))
		}
		s.out.hint("%s in the configuration; weigate.example.yaml shows every key", count(len(problems), "problem", "problems"))
	case errors.Is(err, errChecked):
	case err != nil:
		s.out.fail(err)
	}
	return err
}

func (s *session) run(args []string) error {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parser, err := kong.New(&commands{},
		kong.Name("weigate"),
		kong.Description("WeChat login for every app: a gateway, a library, and a WeChat that runs on your machine.\n\nFirst time here? Run: weigate demo"),
		kong.Writers(s.out.out, s.out.err),
		kong.NoDefaultHelp(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Bind(s),
	)
	if err != nil {
		return fmt.Errorf("the command line is not well defined: %w", err)
	}
	parsed, err := parser.Parse(args)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return usageError(err)
	}
	return parsed.Run()
}

// errHelp says that help was asked for and has been printed.
var errHelp = errors.New("help was printed")

// helpFlag is --help. Kong's own would end the process.
type helpFlag bool

// IgnoreDefault tells kong that the flag has no value to set from a default.
func (helpFlag) IgnoreDefault() {}

// BeforeReset prints the help before the rest of the line is judged.
func (helpFlag) BeforeReset(c *kong.Context) error {
	if err := c.PrintUsage(false); err != nil {
		return err
	}
	return errHelp
}

// usageError adds what to do to a line that could not be read. The parser's own "did you
// mean" stays; where it has none, the help is named.
func usageError(err error) error {
	var parse *kong.ParseError
	help := "weigate --help"
	if errors.As(err, &parse) && parse.Context != nil {
		if c := parse.Context.Selected(); c != nil {
			help = c.FullPath() + " --help"
		}
	}
	switch said := err.Error(); {
	case strings.Contains(said, "did you mean"):
		return err
	case strings.Contains(said, "(<EOL>)"): // the parser's word for the end of the line
		flag, _, _ := strings.Cut(said, ":")
		return fmt.Errorf("%s wants a value behind it: see %s", flag, help)
	}
	return fmt.Errorf("%w: see %s", err, help)
}
