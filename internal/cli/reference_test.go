package cli

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/weigate/weigate/internal/lang"
)

// write makes TestCommandsPages write the pages: go test -run TestCommandsPages ./internal/cli -write.
var write = flag.Bool("write", false, "write docs/*/commands.md")

// printed returns the output of a command in a language.
func printed(t *testing.T, locale string, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	getenv := func(name string) string { return map[string]string{"LC_ALL": locale}[name] }
	if err := Run(t.Context(), args, strings.NewReader(""), &out, &errs, getenv); err != nil || errs.Len() > 0 {
		t.Fatalf("weigate %s: %v %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// program returns the path of a program that a test needs.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: build/deps.sh installs it", err)
	}
	return path
}

// TestManPage checks the man page in both languages: mandoc must have no warning.
func TestManPage(t *testing.T) {
	t.Parallel()
	mandoc := program(t, "mandoc")
	for _, locale := range []string{"C", "zh_CN.UTF-8"} {
		page := printed(t, locale, "man")
		if !strings.Contains(page, ".SS weigate user list") || !strings.Contains(page, ".B \\-\\-status=") {
			t.Errorf("%s: a command or flag is missing:\n%s", locale, page)
		}
		check := exec.Command(mandoc, "-Tlint", "-Wwarning", "-Kutf-8")
		check.Stdin = strings.NewReader(page)
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", locale, err, out)
		}
	}
}

// TestBashCompletion completes in bash what users type.
func TestBashCompletion(t *testing.T) {
	t.Parallel()
	bash := program(t, "bash")
	script := filepath.Join(t.TempDir(), "weigate")
	if err := os.WriteFile(script, []byte(printed(t, "C", "completion", "bash")), 0o600); err != nil {
		t.Fatal(err)
	}
	var run strings.Builder
	fmt.Fprintf(&run, "compopt() { files=files; }\nsource %q\n", script)
	for _, tt := range [][2]string{
		{"ser", "serve"}, {"user li", "list"}, {"user list --sta", "--status"},
		{"user list --status blo", "blocked"}, {"user list --status = pen", "pending"}, {"key rotate --alg E", "ES256"},
		{"user admin o", "off on"}, {"completion z", "zsh"}, {"key --no", ""}, {"serve --con", "--config"},
		{"check -c ", "files"}, {"user unl", "unlink"},
	} {
		words := strings.Split("weigate "+tt[0], " ")
		fmt.Fprintf(&run, "COMP_WORDS=('%s'); COMP_CWORD=%d; files=; _weigate; got=\"${COMPREPLY[*]}$files\"\n",
			strings.Join(words, "' '"), len(words)-1)
		fmt.Fprintf(&run, "[ \"$got\" = '%s' ] || echo \"%s: $got, want %s\"\n", tt[1], tt[0], tt[1])
	}
	out, err := exec.Command(bash, "-c", run.String()).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestCompletionSyntax lets zsh and fish read their scripts.
func TestCompletionSyntax(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"zsh", "fish"} {
		path := program(t, shell)
		for _, locale := range []string{"C", "zh_CN.UTF-8"} {
			script := printed(t, locale, "completion", shell)
			if !strings.Contains(script, "sign-out") {
				t.Errorf("%s: no sign-out", shell)
			}
			file := filepath.Join(t.TempDir(), "_weigate")
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", shell, err, out)
			}
		}
	}
}

// TestCommandsPages compares the pages "commands" of the documents with the definitions of the commands.
func TestCommandsPages(t *testing.T) {
	t.Parallel()
	for language, texts := range map[string]lang.Formats{"en": nil, "zh-CN": chinese()} {
		s := &invocation{out: printer{out: io.Discard, err: io.Discard, texts: texts}}
		app, err := s.reference()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join("..", "..", "docs", language, "commands.md")
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		const mark = "<!-- generated -->\n"
		intro, commands, found := strings.Cut(string(page), mark)
		if want := commandsPage(language, app); !found || commands != want {
			if !*write {
				t.Errorf("%s is outdated: go test -run TestCommandsPages ./internal/cli -write", name)
				continue
			}
			if err := os.WriteFile(name, []byte(intro+mark+want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// commandsPage returns a section for each command.
func commandsPage(language string, app *kong.Application) string {
	head := "| Argument or flag | Meaning |"
	if language == "zh-CN" {
		head = "| 参数或选项 | 含义 |"
	}
	cell := strings.NewReplacer("|", `\|`, "\n", " ", "<", `\<`)
	var b strings.Builder
	for _, c := range leaves(app.Node) {
		fmt.Fprintf(&b, "\n## weigate %s\n\n%s\n\n```text\nweigate %s\n```\n", c.Path(), cell.Replace(c.Help), c.Summary())
		if len(c.Positional)+len(c.Flags) > 0 {
			fmt.Fprintf(&b, "\n%s\n|---|---|\n", head)
		}
		for _, a := range c.Positional {
			fmt.Fprintf(&b, "| `%s` | %s |\n", a.Summary(), cell.Replace(a.Help))
		}
		for _, f := range c.Flags {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.TrimSpace(flagSyntax(f)), cell.Replace(f.Help))
		}
	}
	return b.String()
}
