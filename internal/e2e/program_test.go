package e2e_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// program is a running "weigate demo".
type program struct {
	addresses
	t         *testing.T
	complains bool // a test made trouble, so that warnings in the terminal are right
}

// startDemo starts the built program as its user does, on free ports, and reads the addresses
// that it prints. It ends with the test, and must not have complained.
func startDemo(t *testing.T) *program {
	t.Helper()
	cmd := exec.Command(suite.weigate, "demo", "--addr", "127.0.0.1:0", "--gateway-addr", "127.0.0.1:0", "--sim-addr",
		"127.0.0.1:0", "--control-addr", "127.0.0.1:0")
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = fixture.ChildAttributes()
	var told bytes.Buffer
	cmd.Stderr = &told
	printed, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		// Requests that still wait are cut off by the program after its own patience.
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("weigate demo ended with %v", err)
		}
		if told.Len() > 0 != p.complains {
			t.Errorf("weigate demo told the terminal %q", &told)
		}
		if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
			t.Errorf("weigate demo left files behind: %v %v", left, err)
		}
	})

	lines := bufio.NewScanner(printed)
	address := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)
	for _, to := range []*string{&p.app, &p.gateway, &p.control, &p.wechat} {
		for *to == "" && lines.Scan() {
			*to = address.FindString(lines.Text())
		}
	}
	if p.wechat == "" {
		t.Fatalf("weigate demo did not print its addresses: %v\n%s", lines.Err(), &told)
	}
	reading.Go(func() { _, _ = io.Copy(io.Discard, printed) })
	return p
}

// tell sends a command to the simulator's JSON interface.
func (p *program) tell(path, body string) []byte {
	p.t.Helper()
	method := http.MethodPost
	if path == "/api/quirks" {
		method = http.MethodPatch
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.control+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		p.t.Fatalf("%s %s %s: %s %s %v", method, path, body, res.Status, answer, err)
	}
	return answer
}
