package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestNoConnectionButThoseConfigured: the program that users run connects to WeChat's API, here the
// simulator, and to nothing else: no check for a newer version, no statistics, no name server. Pocket ID
// had to make its version check optional (pocket-id/pocket-id#1254). strace records each connection from
// the start on, through a sign-in, to the end. A connection that begins later is found by
// TestOutgoingConnectionsAreListed, which reads the code.
func TestNoConnectionButThoseConfigured(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.trace = filepath.Join(g.dir, "connections")
	g.configure("")
	g.serve()
	if _, err := g.sim.Phone("alice").Open(t.Context(), g.authorize("openid")); err != nil {
		t.Fatal(err)
	}
	if g.redeem(g.code()) == "" || g.wechatRequests("/sns/oauth2/access_token") == 0 {
		t.Fatal("nobody has signed in")
	}
	g.term()
	g.awaitExit()
	simulator := strings.TrimPrefix(g.simURL, "http://127.0.0.1:")
	toSimulator := `connect\(\d+, \{sa_family=AF_INET, sin_port=htons\(` + simulator +
		`\), sin_addr=inet_addr\("127\.0\.0\.1"\)\}`
	traced := traceOf(t, g.trace, g.cmd.Process.Pid)
	if !regexp.MustCompile(toSimulator).MatchString(traced) {
		t.Fatalf("the trace has no call of WeChat:\n%s", traced)
	}
	programs := 0
	for line := range strings.Lines(traced) {
		switch {
		case strings.Contains(line, "execve("):
			programs++
		case strings.Contains(line, "connect(") && !regexp.MustCompile(toSimulator).MatchString(line):
			t.Errorf("unexpected connection: %s", line)
		}
	}
	if programs > 1 { // the first is weigate itself
		t.Errorf("the gateway started %d other programs:\n%s", programs-1, traced)
	}
}

// traceOf reads a trace. strace ends a little after its program, with a line about the end of the
// process. Threads have such lines too, with other ids.
func traceOf(t *testing.T, file string, pid int) string {
	t.Helper()
	ended := regexp.MustCompile(fmt.Sprintf(`(?m)^%d +\+\+\+ (exited|killed)`, pid))
	for end := time.Now().Add(processDeadline); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if ended.Match(text) {
			return string(text)
		}
	}
	t.Fatalf("the trace does not contain the end of process %d", pid)
	return ""
}
