package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cli"
	fixtures "github.com/weigate/weigate/internal/fixture"
)

// simLine is the line that "weigate sim --json" prints.
type simLine struct {
	Pages, API, Control string
	Ports               map[string]int
	Seed                string
	Apps                []struct{ AppID, Secret, Kind string }
	People              []string
}

// startSim runs "weigate sim --json" on free ports until the end of the test. It returns the line
// in both forms.
func startSim(t *testing.T, flags ...string) (line simLine, text string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	var warnings fixtures.Buffer
	ended := make(chan error, 1)
	args := append([]string{"sim", "--json", "--addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0"}, flags...)
	go func() {
		ended <- cli.Run(ctx, args, nil, write, &warnings, func(string) string { return "" })
		write.Close()
	}()
	lines := bufio.NewReader(read)
	text, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("no line: %v %s", err, warnings.String())
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatalf("not JSON: %v: %s", err, text)
	}
	t.Cleanup(func() {
		cancel()
		rest, _ := io.ReadAll(lines)
		if err := <-ended; err != nil || len(rest) > 0 || warnings.String() != "" {
			t.Errorf("ended with %v, after the line: %q, warnings: %q", err, rest, warnings.String())
		}
	})
	return line, text
}

func simDocument(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/en/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A program that starts the simulator reads the addresses and ports from one line.
func TestSimPrintsOneLineOfJSON(t *testing.T) {
	t.Parallel()
	line, text := startSim(t)
	if line.API != line.Pages || line.Pages != fmt.Sprintf("http://127.0.0.1:%d", line.Ports["pages"]) ||
		line.Control != fmt.Sprintf("http://127.0.0.1:%d", line.Ports["control"]) || line.Seed == "" ||
		len(line.People) == 0 || len(line.Apps) != 3 || line.Apps[0].Secret == "" || line.Apps[2].Kind != "website" {
		t.Errorf("%s", text)
	}
	_, section, _ := strings.Cut(simDocument(t), "### The start line")
	var documented, got map[string]any
	m := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(section)
	if err := json.Unmarshal([]byte(m[1]), &documented); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	for name := range got {
		if _, has := documented[name]; !has {
			t.Errorf("%s is not in the document", name)
		}
		delete(documented, name)
	}
	if len(documented) > 0 {
		t.Errorf("the document has also %v", documented)
	}
}

// A secret that was given may be the secret of a real app: the line must not have it. The name of
// --host is accepted in the header Host, another name is DNS rebinding.
func TestSimWithAppsAndAHostName(t *testing.T) {
	t.Parallel()
	line, text := startSim(t, "--app", "wx0123456789abcdef:hushhush:localhost", "--host", "sim")
	if strings.Contains(text, "hushhush") || len(line.Apps) != 1 || line.Apps[0].Kind != "official_account" {
		t.Errorf("%s", text)
	}
	for host, want := range map[string]int{"sim:8090": 200, "evil.test": 421} {
		for _, address := range []string{line.Pages + "/", line.Control + "/api/state"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s with the host %s: %d, want %d", address, host, res.StatusCode, want)
			}
		}
	}
}

// example returns the nth example in a language, from 0.
func example(t *testing.T, language string, n int) string {
	t.Helper()
	all := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(simDocument(t), -1)
	if n >= len(all) {
		t.Fatalf("the document has %d examples in %s", len(all), language)
	}
	return all[n][1]
}

// TestSimulatorExamplesInTheDocumentRun runs the Python programs and the shell script of the
// document as they are printed there.
func TestSimulatorExamplesInTheDocumentRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		language string
		n        int
		command  string
		want     string // of the standard output
		problems string // of the standard error
	}{
		{"python", 0, "python3", "^done\n$", "^$"}, // it starts a simulator itself
		{"python", 1, "python3", "^$", "\nRan 2 tests .*\n\nOK\n$"},
		{"sh", 1, "sh", `^signed in as Zoe\n\{"errcode":45011,.*\}$`, ""},
	} {
		t.Run(fmt.Sprint(tt.language, tt.n), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), tt.command, "-")
			if tt.language == "sh" {
				cmd.Args[1] = "-s"
				line, _ := startSim(t)
				cmd.Env = append(os.Environ(), "CONTROL="+line.Control, "WECHAT="+line.API)
			}
			cmd.Stdin = strings.NewReader(example(t, tt.language, tt.n))
			var out, problems bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &problems
			if err := cmd.Run(); err != nil || !regexp.MustCompile(tt.want).MatchString(out.String()) ||
				!regexp.MustCompile(tt.problems).MatchString(problems.String()) {
				t.Errorf("%v\n%s%s", err, out.String(), problems.String())
			}
		})
	}
}

// A failed assert of the Python program must not leave the simulator running.
func TestSimulatorOfThePythonExampleEndsAfterAFailure(t *testing.T) {
	t.Parallel()
	shared, _, found := strings.Cut(example(t, "python", 0), "# your tests\n")
	if !found {
		t.Fatal("the example does not say where the tests begin")
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-")
	cmd.WaitDelay = time.Second // a simulator that still runs keeps the output open
	cmd.Stdin = strings.NewReader(shared + `
control("PATCH", "/api/quirks", {"dirty": "control", "suffix": "none"})
assert profile(redeem(control("POST", "/api/codes", {"person": "broken", "url": authorize_url()})["code"]))["openid"]
control("PATCH", "/api/quirks", {"doubleCallback": "first"})  # the browser's code is used then
control("POST", "/api/phones/alice", {"do": "open", "at": app_url + "/sign-in"})
assert control("POST", "/api/phones/alice", {"do": "allow"})["page"]["text"] == "not signed in: errcode 40163"
print(start["control"])
assert False
`)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err == nil || !strings.Contains(problems.String(), "AssertionError") ||
		!strings.HasPrefix(out.String(), "http://127.0.0.1:") {
		t.Fatalf("%v\n%s%s", err, out.String(), problems.String())
	}
	if res, err := http.Get(strings.TrimSpace(out.String()) + "/api"); err == nil {
		res.Body.Close()
		t.Error("the simulator still runs")
	}
}
