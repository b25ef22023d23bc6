package weigate_test

import (
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docBlock is a fenced block of a page.
type docBlock struct{ page, language, text string }

// allBlocks returns the fenced blocks of the pages in English. The Chinese pages have the same blocks:
// TestDocsAreTheSameInBothLanguages compares them.
func allBlocks(t *testing.T) (blocks []docBlock) {
	t.Helper()
	fence := regexp.MustCompile("(?ms)^ *```([^\n]*)\n(.*?)^ *```$")
	for _, pattern := range []string{"*.md", "docs/en/*.md", "docs/en/*/*.md"} {
		pages, err := fs.Glob(os.DirFS("."), pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
				blocks = append(blocks, docBlock{page: page, language: m[1], text: m[2]})
			}
		}
	}
	return blocks
}

// testedLanguages are the languages of blocks, and what tests them.
var testedLanguages = map[string]string{
	"sh":          "TestCommandsInDocs, TestCommandsInDocsRun",
	"cron":        "TestCommandsInDocs",
	"yaml":        "TestConfigurationInDocs",
	"go":          "TestCodeInDocsRuns",
	"go fragment": "login/ginlogin has the same lines in its tests",
	"json":        "TestBlocksInDocs",
	"csv":         "TestBlocksInDocs; TestCommandsInDocsRun imports it",
	"ini":         "TestBlocksInDocs",
	"env":         "TestBlocksInDocs",
	"properties":  "TestBlocksInDocs",
	"nginx":       "TestBlocksInDocs; internal/relyingparty signs in behind it",
	"caddy":       "TestBlocksInDocs; internal/relyingparty signs in behind it",
	"http":        "TestRequestsOfTheDocument of internal/simulator, internal/apiclient",
	"python":      "internal/cli, internal/apiclient and internal/relyingparty run it",
	"js":          "internal/relyingparty runs it",
	"ruby":        "internal/relyingparty runs the page on Ruby; the page on GitLab says what was read",
	"apache":      "internal/relyingparty runs Apache with it",
	"php":         "the pages say what was run and what was read",
	"java":        "the pages say what was run and what was read",
	"csharp":      "the page says what was run and what was read",
	"sql":         "an example for a table of the reader's",
	"text":        "output and syntax: TestReadmeBeginsWithTheDemo, TestCommandsPages",
	"mermaid":     "a drawing",
}

// TestBlocksInDocs checks each block of the documents in the way of its language. A block of a language
// without a test fails.
func TestBlocksInDocs(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, b := range allBlocks(t) {
		used[b.language] = true
		if testedLanguages[b.language] == "" {
			t.Errorf("%s: no test for the language %q of the block\n%s", b.page, b.language, b.text)
		}
		var err error
		switch b.language {
		case "json":
			err = checkJSON(b.text)
		case "csv":
			_, err = csv.NewReader(strings.NewReader(b.text)).ReadAll()
		case "ini", "env", "properties":
			checkKeyLines(t, b)
		case "nginx":
			checkNginx(t, b)
		case "caddy":
			checkCaddy(t, b)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", b.page, err, b.text)
		}
	}
	for language := range testedLanguages {
		if !used[language] {
			t.Errorf("no block has the language %s", language)
		}
	}
}

// checkJSON reads one value or several.
func checkJSON(text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	for d.More() {
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}

// checkKeyLines checks that each line is a section, a comment, or a key with a value.
func checkKeyLines(t *testing.T, b docBlock) {
	t.Helper()
	line := regexp.MustCompile(`^(\[[\w.]+\]|[#;].*|[\w.-]+ ?= ?.+|)$`)
	for each := range strings.Lines(b.text) {
		if !line.MatchString(strings.TrimSuffix(each, "\n")) {
			t.Errorf("%s: not a key with a value: %s", b.page, each)
		}
	}
}

// checkNginx lets nginx read a server with files and sockets in a temporary folder.
func checkNginx(t *testing.T, b docBlock) {
	t.Helper()
	dir := t.TempDir()
	certificate, key := selfSigned(t)
	pem, text := filepath.Join(dir, "both.pem"), b.text
	text = regexp.MustCompile(`/etc/[\w./-]+\.(pem|key)`).ReplaceAllString(text, pem)
	text = regexp.MustCompile(`listen (\[::\]:)?\d+`).ReplaceAllString(text, "listen unix:"+filepath.Join(dir, "socket"))
	config := "pid " + filepath.Join(dir, "pid") + ";\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += kind + "_temp_path " + filepath.Join(dir, kind) + ";\n"
	}
	path := filepath.Join(dir, "nginx.conf")
	for name, content := range map[string]string{pem: certificate + key, path: config + text + "}\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // Debian's place, which is not in the PATH of users
	}
	cmd := exec.CommandContext(t.Context(), program, "-t", "-q", "-p", dir, "-c", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s%s", b.page, err, out, b.text)
	}
}

// checkCaddy lets Caddy read a Caddyfile.
func checkCaddy(t *testing.T, b docBlock) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "caddy", "adapt", "--config", path, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), `"warnings"`) {
		t.Errorf("%s: %v\n%s%s", b.page, err, out, b.text)
	}
}
