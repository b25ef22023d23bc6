package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ranElsewhere are the commands that TestCommandsInDocsRun leaves out, with the test that runs them.
var ranElsewhere = map[string]string{
	"serve":      "testdata/serve.txtar",
	"demo":       "TestReadmeBeginsWithTheDemo",
	"sim":        "TestSimulatorExamplesInTheDocumentRun",
	"init":       "testdata/init.txtar: it asks questions",
	"check":      "TestGatewayConfigurationInDocsIsRight, testdata/check.txtar: it calls WeChat",
	"ping":       "testdata/serve.txtar: it needs a gateway",
	"proxy":      "testdata/proxy.txtar: it needs a fixed port to listen on",
	"backup":     "TestBackupCommandsInDocs",
	"restore":    "TestBackupCommandsInDocs",
	"completion": "TestCompletionSyntax",
	"version":    "testdata/version.txtar",
}

// documentedGateway runs commands of the documents on a database of its own.
type documentedGateway struct {
	t    *testing.T
	dir  string
	env  map[string]string
	seen int // users that were made
}

func newDocumentedGateway(t *testing.T) *documentedGateway {
	t.Helper()
	g := &documentedGateway{t: t, dir: t.TempDir()}
	config := filepath.Join(g.dir, "weigate.yaml")
	g.env = map[string]string{"WEIGATE_CONFIG": config}
	g.write("weigate.yaml", `
url: https://login.example.com
trusted_proxies: [127.0.0.1]
listen: 127.0.0.1:0
metrics: ""
store: "sqlite:`+filepath.Join(g.dir, "weigate.db")+`"
wechat:
  - {name: main, kind: official_account, appid: wx0123456789abcdef, secret: any-secret}
  - {name: second, kind: official_account, appid: wx00000000000000b2, secret: any-secret}
apps:
  - {id: wiki, kind: forward_auth, hosts: [wiki.example.com], access: approved}
  - {id: shop, kind: forward_auth, hosts: [shop.example.com], access: approved}
notify: [{name: ops, kind: json, url: https://hooks.example.com/, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]
`)
	g.createDatabase()
	for _, b := range codeBlocks(t) {
		if b.language == "csv" && strings.HasPrefix(b.text, "openid,") {
			g.write("users.csv", b.text)
		}
	}
	return g
}

// createDatabase starts the gateway and stops it when it has printed that it serves.
func (g *documentedGateway) createDatabase() {
	g.t.Helper()
	ctx, stop := context.WithTimeout(g.t.Context(), time.Minute)
	defer stop()
	var out strings.Builder
	printed := writerFunc(func(p []byte) (int, error) {
		out.Write(p)
		if strings.Contains(out.String(), "Ctrl-C") {
			stop()
		}
		return len(p), nil
	})
	getenv := func(key string) string { return g.env[key] }
	if err := Run(ctx, []string{"serve"}, nil, printed, io.Discard, getenv); err != nil {
		g.t.Fatalf("%v\n%s", err, out.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (g *documentedGateway) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// run runs a command and returns its output.
func (g *documentedGateway) run(args ...string) (string, error) {
	var out strings.Builder
	getenv := func(key string) string { return g.env[key] }
	err := Run(g.t.Context(), args, strings.NewReader(""), &out, &out, getenv)
	return out.String(), err
}

// mustRun runs a command that prints one object of JSON, and returns a field of it.
func (g *documentedGateway) mustRun(path string, args ...string) string {
	g.t.Helper()
	out, err := g.run(append(args, "--json")...)
	var value any
	if err == nil {
		err = json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &value)
	}
	for _, name := range strings.Split(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	text, ok := value.(string)
	if err != nil || !ok {
		g.t.Fatalf("weigate %s: no field %s, %v\n%s", strings.Join(args, " "), path, err, out)
	}
	return text
}

// user makes a user and returns the id. A user is pending, or active with --approved.
func (g *documentedGateway) user(connector string, flags ...string) string {
	g.t.Helper()
	g.seen++
	openID := "oDocumented" + strings.Repeat("x", g.seen)
	g.write("one.csv", "openid,old_id\n"+openID+","+strconv.Itoa(g.seen)+"\n")
	args := append([]string{"user", "import", filepath.Join(g.dir, "one.csv"), "--connector", connector}, flags...)
	if out, err := g.run(args...); err != nil {
		g.t.Fatalf("%v\n%s", err, out)
	}
	return g.mustRun("user.id", "user", "show", openID)
}

// fill replaces the words of the documents that stand for a value.
func (g *documentedGateway) fill(word string, args []string) string {
	switch {
	case word == "USER" && slices.Equal(args[:2], []string{"admin", "invite"}):
		return g.user("main", "--approved")
	case word == "USER", word == "OLDER":
		return g.user("main")
	case word == "YOUNGER": // two users with an identity at one appid cannot be merged
		return g.user("second")
	case word == "INVITATION":
		return g.mustRun("invitation.id", "invitation", "create", "--app", "wiki")
	case word == "KEY":
		return g.mustRun("api_key.id", "api-key", "create", "--name", "filled", "--scope", "users:read")
	case word == "REQUEST":
		return "abcdefghij"
	case word == "users.csv", word == "weigate.yaml", word == "/var/lib/weigate/users.csv":
		return filepath.Join(g.dir, filepath.Base(word))
	case regexp.MustCompile(`^[A-Z]{3,}$`).MatchString(word):
		g.t.Errorf("no value for the word %s of %q", word, args)
	}
	return word
}

// TestCommandsInDocsRun runs the commands of weigate in the fenced blocks of the documents, page by page.
// Words in capital letters, such as USER, are replaced.
func TestCommandsInDocsRun(t *testing.T) {
	t.Parallel()
	g := newDocumentedGateway(t)
	ran, left := 0, map[string]bool{}
	for _, b := range codeBlocks(t) {
		if b.language != "sh" {
			continue
		}
		for _, words := range shellCommands(b.text) {
			words = withoutWrapper(words)
			if words[0] != "weigate" {
				continue
			}
			if ranElsewhere[words[1]] != "" {
				left[words[1]] = true
				continue
			}
			var args []string
			for _, word := range words[1:] {
				args = append(args, g.fill(word, words[1:]))
			}
			if out, err := g.run(args...); err != nil {
				t.Errorf("%s: %q: %v\n%s", b.page, words, err, out)
			}
			ran++
		}
	}
	if ran < 40 {
		t.Errorf("ran %d commands", ran)
	}
	for name := range ranElsewhere {
		if !left[name] {
			t.Errorf("no document has weigate %s", name)
		}
	}
}
