package resilience_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
)

// patience limits every wait. Nothing takes that long unless it is broken.
const patience = 60 * time.Second

// process is a running "weigate serve".
type process struct {
	t    *testing.T
	host string // host:port where it listens
	cmd  *exec.Cmd
	log  fixture.Buffer // what the process writes to stderr
	done chan error
}

// serve starts a process of the gateway and waits until it is ready.
func serve(t *testing.T, config string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return serveWith(t, path, config)
}

// serveWith is serve with the program at path.
func serveWith(t *testing.T, path, config string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, "serve", "-c", config), done: make(chan error, 1)}
	p.cmd.SysProcAttr = fixture.ChildAttributes()
	p.cmd.Stderr = &p.log
	p.cmd.Env = append(os.Environ(), "HTTPS_PROXY=", "HTTP_PROXY=")
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		leaktest.Check(t, "the log of weigate serve", p.log.String())
		if t.Failed() {
			text := p.log.String()
			t.Logf("weigate serve at %s wrote:\n%s", p.host, text[max(0, len(text)-3000):])
		}
	})
	told := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "listens" {
				told <- strings.TrimPrefix(f[2], "http://")
			}
		}
		_, _ = io.Copy(io.Discard, stdout)
		p.done <- p.cmd.Wait()
	}()
	select {
	case p.host = <-told:
	case err := <-p.done:
		p.done <- err
		t.Fatalf("weigate serve ended: %v\n%s", err, p.log.String())
	case <-time.After(patience):
		t.Fatalf("weigate serve does not come up\n%s", p.log.String())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.host+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("readyz: %v\n%s", err, p.log.String())
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("readyz: %s\n%s", res.Status, p.log.String())
	}
	return p
}

// kill kills the process by SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	err := <-p.done
	p.done <- err
}

// stop interrupts the process, as systemd and Kubernetes do, and waits for its end.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(patience):
		return fmt.Errorf("weigate serve runs although it was interrupted")
	}
}

// command runs another command of weigate and returns its output.
func command(t *testing.T, args ...string) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("weigate %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
