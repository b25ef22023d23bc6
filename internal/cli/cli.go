// Package cli implements the weigate command. It parses the command line, starts the servers and
// prints to the terminal. The rules of sign-in are in the packages that it calls.
//
// [Run] runs a command, and [ExitCode] returns the exit code of the program. A command is a struct
// with a method Run. Its fields are its flags. Each command has a file of its own, such as serve.go;
// the commands of administration share administration.go. An error is printed on one line,
// "weigate: error: …". A second line, "weigate: hint: …", has the advice.
package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// commands declares the command line. The package kong reads the tags of the fields, and calls the
// method Run of the chosen command.
type commands struct {
	Help       helpFlag      `short:"h" help:"Show help for a command."`
	Init       initCmd       `cmd:"" help:"Write a configuration: asks for address, appid, AppSecret and who may sign in."`
	Demo       demoCmd       `cmd:"" help:"Try Weigate on this machine: a simulated WeChat, the gateway and sample apps."`
	Serve      serveCmd      `cmd:"" help:"Run the gateway: WeChat login for every app."`
	Sim        simCmd        `cmd:"" help:"Run a simulated WeChat, to develop and test your own app."`
	Check      checkCmd      `cmd:"" help:"Check the configuration, the store, and the credentials at WeChat."`
	Proxy      proxyCmd      `cmd:"" help:"Print the configuration of the reverse proxy: nginx or Caddy."`
	Admin      adminCmd      `cmd:"" help:"Let an administrator in: print a link; list administrators."`
	User       userCmd       `cmd:"" help:"Manage users: list, show, approve, refuse, block, merge, delete, import."`
	Waiting    waitingCmd    `cmd:"" help:"List who waits for approval."`
	Invitation invitationCmd `cmd:"" help:"Manage invitations: links that approve users."`
	Events     eventsCmd     `cmd:"" help:"List or export events: sign-ins, and who changed what."`
	App        appCmd        `cmd:"" help:"List the configured apps, and show one with its recent failures."`
	Ping       pingCmd       `cmd:"" help:"Ask the running gateway whether it is healthy: the health check of a container."`
	Health     healthCmd     `cmd:"" help:"Show how sign-ins, WeChat's answers and the keys do."`
	APIKey     apiKeyCmd     `cmd:"" name:"api-key" help:"Manage keys for the HTTP API: create, list, revoke."`
	Notify     notifyCmd     `cmd:"" help:"Manage notifications: test, list, send again."`
	Backup     backupCmd     `cmd:"" help:"Write the database to a file, also while the gateway runs."`
	Restore    restoreCmd    `cmd:"" help:"Create the database from a backup, of SQLite or PostgreSQL."`
	Key        keyCmd        `cmd:"" help:"Manage signing keys and the master key: list, rotate, reseal."`
	URL        urlCmd        `cmd:"" name:"url" help:"Show the address that apps know, or accept another one."`
	Completion completionCmd `cmd:"" help:"Print a script that completes commands and flags in a shell."`
	Man        manCmd        `cmd:"" help:"Print the man page."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

const description = "WeChat login for every app: a gateway, a library, and a simulated WeChat.\n\n" +
	"First time here? Run: weigate demo"

// invocation is one run of the program. Kong passes it to the method Run of the command.
type invocation struct {
	ctx    context.Context
	in     io.Reader
	out    printer
	getenv func(string) string
	zone   *time.Location // of printed times: site.time_zone; the local zone until the configuration is read
}

// Run runs the command in args until it ends or ctx is done. An error has already been printed to
// stderr when Run returns it. A server that stops because ctx is done is not an error. Only "weigate
// init" reads stdin.
func Run(
	ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string,
) error {
	s := &invocation{
		ctx: ctx, in: stdin, out: printer{out: stdout, err: stderr, texts: formatsOf(getenv)}, getenv: getenv,
		zone: time.Local,
	}
	err := s.run(args)
	s.printError(err)
	return err
}

// printError prints the error that ends a command, with its hint.
func (s *invocation) printError(err error) {
	var problems config.Problems
	switch {
	case errors.Is(err, errCheckFailed): // "weigate check" has printed its problems
	case errors.As(err, &problems):
		for _, p := range problems {
			s.out.message(lang.Text("error"), p.Localize(s.out.texts))
		}
		s.out.hintf("%s in the configuration; weigate.example.yaml shows every key",
			lang.Count(len(problems), "1 problem", "%d problems"))
	case err != nil:
		s.out.errorWithHint(err)
	}
}

func (s *invocation) run(args []string) error {
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help": // "weigate help user list" is "weigate user list --help"
		args = append(slices.Clone(args[1:]), "--help")
	}
	parser, err := s.newParser(kong.Vars{"config": defaultConfig(s.getenv), "folder": defaultFolder()})
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return &marked{err: usageError(err), mark: errUsage}
	}
	return parsed.Run()
}

// errHelp ends the parsing after the help was printed.
var errHelp = errors.New("help was printed")

// helpFlag is --help. Kong's own flag would end the process.
type helpFlag bool

// IgnoreDefault marks the flag for kong: kong must not set a default value.
func (helpFlag) IgnoreDefault() {}

// BeforeReset is a hook of kong. It prints the help before kong checks the rest of the command
// line.
func (helpFlag) BeforeReset(c *kong.Context) error {
	const summary = false // the whole help, not only its first lines
	if err := c.PrintUsage(summary); err != nil {
		return err
	}
	return errHelp
}
