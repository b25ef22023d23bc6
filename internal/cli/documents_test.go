package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// codeBlock is a fenced block of a page.
type codeBlock struct{ page, language, text string }

var fence = regexp.MustCompile("(?ms)^ *```([^\n]*)\n(.*?)^ *```$")

// codeBlocks returns the fenced blocks of all pages in English. The Chinese pages have the same blocks:
// TestDocsAreTheSameInBothLanguages and TestReadmeIsTheSameInBothLanguages compare them.
func codeBlocks(t *testing.T) (blocks []codeBlock) {
	t.Helper()
	root := filepath.Join("..", "..")
	pages := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md"}
	for _, pattern := range []string{"docs/en/*.md", "docs/en/*/*.md"} {
		found, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count("\n"+string(text), "\n```")%2 != 0 {
			t.Errorf("%s: a block is not closed", page)
		}
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			blocks = append(blocks, codeBlock{page: page, language: m[1], text: m[2]})
		}
	}
	return blocks
}

// foreign programs of commands in the documents, and where each is tested.
var foreignPrograms = map[string]string{
	"apt":        "packaging installs the Debian package with apt",
	"systemctl":  "packaging runs the unit's command line, and systemd-analyze checks the unit",
	"install":    "coreutils; packaging and internal/certificate replace the files that it writes",
	"docker":     "packaging builds the image and runs it without Docker; it compares compose.yaml with the documents",
	"nginx":      "internal/relyingparty runs nginx with the configuration of the documents",
	"promtool":   "internal/monitoring runs it",
	"curl":       "internal/apiclient, internal/cli and internal/simulator send the requests of the documents",
	"sha256sum":  "packaging/release checks its files with it",
	"ssh-keygen": "packaging/release signs and verifies its checksums with it",
	"diff":       "packaging/release compares two releases",
	"make":       "TestCommandsInDocs looks for the target in the Makefile",
	"git":        "only checks out a version",
	"mkdir":      "TestBackupCommandsInDocs runs it",
	"mv":         "TestBackupCommandsInDocs runs it",
	"rm":         "TestBackupCommandsInDocs runs it",
	"sh":         "TestBackupCommandsInDocs runs it",
	"chmod":      "coreutils",
	"chgrp":      "coreutils",
	"cp":         "coreutils",

	"update-ca-certificates": "Debian's package ca-certificates",

	"openssl":    "Debian's package openssl",
	"createuser": "PostgreSQL's own program; postgrestest makes a database without it",
	"createdb":   "PostgreSQL's own program; postgrestest makes a database without it",
	"sed":        "TestSimulatorExamplesInTheDocumentRun runs it",
	"echo":       "TestSimulatorExamplesInTheDocumentRun runs it",
	"cat":        "coreutils",
	"date":       "coreutils",
	"find":       "findutils",
	"kubectl":    "of Argo CD's page, which says what was run and what was read",
	"gitea":      "of Gitea's page, which says what was run and what was read",
	"mc":         "of MinIO's page, which says what was run and what was read",
	"vault":      "of the page on native apps, which says what was run and what was read",
	"occ":        "of Nextcloud's page, which says what was run and what was read",
	"go":         "the Go toolchain; TestReadmeProgramSignsIn builds the program that it runs",
	"grep":       "GNU grep",

	"/www/server/nginx/sbin/nginx": "nginx of the panel 宝塔: the page says what was not tried",
}

// TestCommandsInDocs parses every command in the fenced blocks of the documents. A command of weigate is
// parsed by the definitions of the command line, so its subcommand, flags and arguments exist. Any other
// program is in foreignPrograms. bash reads every block of shell.
func TestCommandsInDocs(t *testing.T) {
	t.Parallel()
	used, parse := map[string]bool{}, commandParser(t)
	var scripts bytes.Buffer
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range regexp.MustCompile(`(?m)^(\w+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	for i, b := range codeBlocks(t) {
		script := b.text
		switch b.language {
		case "":
			t.Errorf("%s: a block does not name its language:\n%s", b.page, b.text)
			continue
		case "sh":
		case "cron": // minute, hour, day, month, weekday and user come before the command; % is a newline
			script = strings.ReplaceAll(strings.SplitN(script, " ", 7)[6], `\%`, "%")
		default:
			continue
		}
		fmt.Fprintf(&scripts, "block%d() {\n%s}\n", i, script)
		for _, words := range shellCommands(script) {
			words = withoutWrapper(words)
			switch program := words[0]; {
			case program == "make" && !slices.Contains(targets, words[1]):
				t.Errorf("%s: the Makefile has no target %q", b.page, words[1])
			case program == "weigate":
				if err := parse(words[1:]); err != nil {
					t.Errorf("%s: %q: %v", b.page, words, err)
				}
			case strings.Contains(script, "\n"+program+"() {"): // a function of the script
			case foreignPrograms[program] == "":
				t.Errorf("%s: no test knows the program %q of %q", b.page, program, words)
			}
			used[words[0]] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(foreignPrograms)) {
		if !used[name] {
			t.Errorf("no document uses %q", name)
		}
	}
	read := exec.CommandContext(t.Context(), program(t, "bash"), "-n")
	read.Stdin = &scripts
	if out, err := read.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("bash -n: %v\n%s", err, out)
	}
}

// commandParser returns a function that parses the arguments of weigate and runs nothing. It is made once
// for many commands, which takes most of the time.
func commandParser(t *testing.T) func(args []string) error {
	t.Helper()
	s := &invocation{out: printer{out: io.Discard, err: io.Discard}, getenv: func(string) string { return "" }}
	parser, err := s.newParser(kong.Vars{"config": configName, "folder": "."})
	if err != nil {
		t.Fatal(err)
	}
	return func(args []string) error {
		_, err := parser.Parse(args)
		return err
	}
}

// withoutWrapper returns the command that sudo, runuser, env, docker compose exec or "go run" runs.
func withoutWrapper(words []string) []string {
	const assignment = `^[A-Za-z_]\w*=`
	for len(words) > 1 {
		switch {
		case words[0] == "sudo" && words[1] == "-u":
			words = words[3:]
		case words[0] == "runuser" && len(words) > 4: // runuser -u USER -- COMMAND
			words = words[4:]
		case words[0] == "sudo", words[0] == "env":
			words = words[1:]
		case regexp.MustCompile(assignment).MatchString(words[0]):
			words = words[1:]
		case slices.Equal(words[:min(3, len(words))], []string{"docker", "compose", "exec"}):
			words = slices.DeleteFunc(slices.Clone(words[3:]), func(w string) bool { return w == "-T" })[1:]
		case slices.Equal(words[:min(3, len(words))], []string{"go", "run", "./cmd/weigate"}):
			return append([]string{"weigate"}, words[3:]...)
		case words[0] == "/usr/bin/weigate":
			return append([]string{"weigate"}, words[1:]...)
		default:
			return words
		}
	}
	return words
}

// shellCommands returns the simple commands of a script: words without quotes, without redirections and
// comments. A command in $( ) is a command of its own; its output is the word "OUTPUT". It knows the
// syntax that the documents use. bash checks the syntax itself.
func shellCommands(script string) (commands [][]string) {
	p := shellReader{rest: script}
	p.readUntil("")
	for _, words := range p.commands {
		if len(words) > 0 && words[0] != "set" {
			commands = append(commands, words)
		}
	}
	return commands
}

// shellReader reads a script.
type shellReader struct {
	rest     string
	commands [][]string
}

var (
	redirection = regexp.MustCompile(`^\d?(?:>>?|<)(?:&\d|[ \t]*[^\s;|&]+)`)
	function    = regexp.MustCompile(`^\w+\(\)[ \t]*\{`)
)

// readUntil reads commands until the end of the script or the text end.
func (p *shellReader) readUntil(end string) {
	var words []string
	var word strings.Builder
	inWord := false
	finishWord := func() {
		if inWord {
			words = append(words, word.String())
		}
		inWord = false
		word.Reset()
	}
	finish := func() {
		finishWord()
		for len(words) > 0 && strings.Contains(words[0], "=") && !strings.HasPrefix(words[0], "-") {
			words = words[1:] // an assignment
		}
		p.commands = append(p.commands, words)
		words = nil
	}
	defer finish()
	for p.rest != "" {
		if end != "" && strings.HasPrefix(p.rest, end) {
			p.rest = p.rest[len(end):]
			return
		}
		c := p.rest[0]
		switch {
		case strings.HasPrefix(p.rest, "\\\n"):
			p.rest = p.rest[2:]
			finishWord()
		case strings.HasPrefix(p.rest, "$("):
			p.rest = p.rest[2:]
			p.readUntil(")")
			word.WriteString("OUTPUT")
			inWord = true
		case c == '\'':
			text, rest, _ := strings.Cut(p.rest[1:], "'")
			p.rest, inWord = rest, true
			word.WriteString(text)
		case c == '"':
			p.rest, inWord = p.rest[1:], true
			p.readQuoted(&word)
		case c == '\\' && len(p.rest) > 1:
			word.WriteByte(p.rest[1])
			p.rest, inWord = p.rest[2:], true
		case !inWord && c == '#':
			_, p.rest, _ = strings.Cut(p.rest, "\n")
			finish()
		case !inWord && redirection.MatchString(p.rest):
			p.rest = p.rest[len(redirection.FindString(p.rest)):]
		case !inWord && function.MatchString(p.rest):
			p.rest = p.rest[len(function.FindString(p.rest)):]
		case strings.IndexByte("\n;|&}", c) >= 0:
			p.rest = p.rest[1:]
			finish()
		case c == ' ' || c == '\t':
			p.rest = p.rest[1:]
			finishWord()
		default:
			word.WriteByte(c)
			p.rest, inWord = p.rest[1:], true
		}
	}
}

// readQuoted reads a text to the closing double quote.
func (p *shellReader) readQuoted(word *strings.Builder) {
	for p.rest != "" {
		switch {
		case strings.HasPrefix(p.rest, "$("):
			p.rest = p.rest[2:]
			p.readUntil(")")
			word.WriteString("OUTPUT")
		case p.rest[0] == '\\' && len(p.rest) > 1:
			word.WriteByte(p.rest[1])
			p.rest = p.rest[2:]
		case p.rest[0] == '"':
			p.rest = p.rest[1:]
			return
		default:
			word.WriteByte(p.rest[0])
			p.rest = p.rest[1:]
		}
	}
}

var inlineCommand = regexp.MustCompile("`(weigate [^`]+)`")

// TestCommandsInSentences parses the commands that the text and the tables of the documents name, in both
// languages. A command may lack its arguments there.
func TestCommandsInSentences(t *testing.T) {
	t.Parallel()
	found, parse := 0, commandParser(t)
	for _, pattern := range []string{"*.md", "docs/*/*.md", "docs/*/*/*.md"} {
		pages, err := fs.Glob(os.DirFS(filepath.Join("..", "..")), pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(filepath.Join("..", "..", page))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range inlineCommand.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
				for _, words := range shellCommands(m[1]) {
					found++
					for i, word := range words {
						words[i] = cmp.Or(map[string]string{"ID": "1", "COMMAND": "serve", "--help": "--"}[word], word)
					}
					err := parse(words[1:])
					if err != nil && !strings.Contains(err.Error(), "expected ") && !strings.HasPrefix(err.Error(), "missing ") ||
						err != nil && strings.Contains(err.Error(), "unexpected ") {
						t.Errorf("%s: `%s`: %v", page, m[1], err)
					}
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("found %d commands", found)
	}
}
