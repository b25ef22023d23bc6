package weigate_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cli"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat/wechattest"
)

func TestReadmeIsTheSameInBothLanguages(t *testing.T) {
	t.Parallel()
	same(t, "README.md", "README.zh-CN.md", 1) // TestReadmeBeginsWithTheDemo compares block 1, the output of the demo
}

// TestReadmeBeginsWithTheDemo checks that the first twenty lines have one command and its output,
// and that the command prints this output in the language of the page.
func TestReadmeBeginsWithTheDemo(t *testing.T) {
	t.Parallel()
	for page, locale := range map[string]string{"README.md": "C.UTF-8", "README.zh-CN.md": "zh_CN.UTF-8"} {
		t.Run(locale, func(t *testing.T) {
			t.Parallel()
			checkDemo(t, page, locale)
		})
	}
}

// checkDemo compares the output of the demo on a page with what the demo prints.
func checkDemo(t *testing.T, page, locale string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	first := strings.Join(strings.SplitN(string(text), "\n", 21)[:20], "\n")
	blocks := regexp.MustCompile("(?s)```(?:sh|text)\n(.*?)```").FindAllStringSubmatch(first, -1)
	if len(blocks) != 2 || blocks[0][1] != "go run ./cmd/weigate demo\n" {
		t.Fatalf("the first twenty lines do not hold the command and its whole output:\n%s", first)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, told bytes.Buffer
	// The last line of the output has "Ctrl-C".
	until := writerFunc(func(p []byte) (int, error) {
		out.Write(p)
		if bytes.Contains(out.Bytes(), []byte("Ctrl-C")) {
			cancel()
		}
		return len(p), nil
	})
	err = cli.Run(
		ctx,
		[]string{
			"demo",
			"--addr=127.0.0.1:0",
			"--gateway-addr=127.0.0.1:0",
			"--sim-addr=127.0.0.1:0",
			"--control-addr=127.0.0.1:0",
		},
		nil,
		until,
		&told,
		func(name string) string { return map[string]string{"LC_ALL": locale}[name] },
	)
	if err != nil || told.Len() > 0 {
		t.Fatalf("the demo: %v %s", err, told.String())
	}
	numbers := regexp.MustCompile(`127\.0\.0\.1:\d+|(Seed|种子) \d+|/invite/[a-z2-7]{26}`)
	want, got := numbers.ReplaceAllString(blocks[1][1], "#"), numbers.ReplaceAllString(out.String(), "#")
	if got != want {
		t.Errorf("the README shows the output\n%s\nand the demo prints\n%s", want, got)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// goBlocks returns the blocks of Go code of a page.
func goBlocks(t *testing.T, name string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no Go code", name)
	}
	return blocks
}

// goTool runs the go command in the root of the module, so that code in a temporary folder imports
// this module.
func goTool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestReadmeProgramSignsIn builds the program of the README, starts it with the simulator, and
// signs a user in.
func TestReadmeProgramSignsIn(t *testing.T) {
	t.Parallel()
	program := goBlocks(t, "README.md")[0]
	addr := fixture.Address(t)
	const printed = "127.0.0.1:8080"
	if strings.Count(program, printed) != 2 {
		t.Fatalf("the program does not name %s twice", printed)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "app")
	if err := os.WriteFile(source, []byte(strings.ReplaceAll(program, printed, addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	goTool(t, "build", "-o", binary, source)

	wx, err := wechattest.New(wechattest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(wx)
	defer server.Close()
	account := wx.Apps()[0]

	var said bytes.Buffer
	app := exec.CommandContext(t.Context(), binary)
	app.Env = append(
		os.Environ(),
		"WECHAT_URL="+server.URL,
		"WECHAT_APPID="+account.AppID,
		"WECHAT_SECRET="+account.Secret,
	)
	app.Stdout, app.Stderr = &said, &said
	app.SysProcAttr = fixture.ChildAttributes()
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { app.Process.Kill(); app.Wait() }()
	waitFor(t, addr)

	page, err := wx.Phone("alice").Open(t.Context(), "http://"+addr+"/")
	if err != nil {
		t.Fatal(err)
	}
	if want := "Hello, " + wx.OpenID(account.AppID, "alice") + "\n"; page.Body != want {
		t.Errorf("alice sees %q at %s, want %q", page.Body, page.URL, want)
	}
}

// waitFor waits until a process listens at addr.
func waitFor(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("nothing listens at %s", addr)
		case <-tick.C:
		}
	}
}

// pieces are the packages that code in the documents imports.
var pieces = []string{
	"context", "database/sql", "errors", "fmt", "net/http", "net/http/httptest", "testing",
	modulePath + "/login", modulePath + "/login/sqlstore", modulePath + "/wechat", modulePath + "/wechat/wechattest",
}

// asTest returns a test file: the code with a package clause and imports.
func asTest(code string) string {
	head := "package docs_test\n\nimport (\n"
	for _, p := range pieces {
		if regexp.MustCompile(`\b` + filepath.Base(p) + `\.`).MatchString(code) {
			head += fmt.Sprintf("\t%q\n", p)
		}
	}
	return head + ")\n\n" + code
}

// runReadmeCalls tests the functions of the README's section on package wechat.
const runReadmeCalls = `
func TestReadmeCalls(t *testing.T) {
	wx, err := wechattest.New(wechattest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(wx)
	defer server.Close()
	account := wx.Apps()[0]
	client := &wechat.Client{AppID: account.AppID, Secret: wechat.Secret(account.Secret), APIURL: server.URL}
	address, err := start(client, "s1")
	if want := "https://open.weixin.qq.com/connect/oauth2/authorize?appid=" + account.AppID +
		"&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&response_type=code&scope=snsapi_userinfo" +
		"&state=s1#wechat_redirect"; err != nil || address != want {
		t.Errorf("start: %q %v, want %q", address, err, want)
	}
	code, err := wx.Code(account.AppID, "alice", "snsapi_userinfo")
	if err != nil {
		t.Fatal(err)
	}
	openID, nickname, avatar, err := finish(t.Context(), client, code)
	if err != nil || openID != wx.OpenID(account.AppID, "alice") || nickname != "Alice" || avatar == "" {
		t.Errorf("finish: %q %q %q %v", openID, nickname, avatar, err)
	}
	if _, _, _, err := finish(t.Context(), client, code); !errors.Is(err, wechat.ErrReauthorize) {
		t.Errorf("the code again: %v", err)
	}
}
`

// TestCodeInDocsRuns compiles all Go code of the README and the documents, and runs its tests.
func TestCodeInDocsRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string]string{
		"readme_test.go":    strings.Join(goBlocks(t, "README.md")[1:], "\n") + runReadmeCalls,
		"library_test.go":   strings.Join(goBlocks(t, "docs/en/library.md"), "\n"),
		"simulator_test.go": strings.Join(goBlocks(t, "docs/en/simulator.md"), "\n"),
	}
	args := []string{"test", "-count=1"}
	for name, code := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(asTest(code)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	goTool(t, args...)
}

// The documents name the version of Go that go.mod requires.
func TestDocsNameTheVersionOfGo(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	found := 0
	for _, file := range []string{"README.md", "README.zh-CN.md", "CONTRIBUTING.md", "docs/en/install.md",
		"docs/zh-CN/install.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range regexp.MustCompile(`Go (\d+\.\d+)`).FindAllSubmatch(text, -1) {
			found++
			if !bytes.Equal(version[1], want) {
				t.Errorf("%s names Go %s, go.mod requires %s", file, version[1], want)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d versions were found", found)
	}
}
