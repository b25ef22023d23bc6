package relyingparty_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
)

// patience is how long a program may take to say something, on a machine that is busy with other
// tests.
const patience = 2 * time.Minute

// process is a program that a test started.
type process struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // what Wait said; read it after ended

	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at each write
}

// Write takes what the program says on either output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(b)
	close(p.more)
	p.more = make(chan struct{})
	return len(b), nil
}

func (p *process) said() (string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String(), p.more
}

// start runs a program until the end of the test. What it said must hold no planted secret.
func start(t *testing.T, cmd *exec.Cmd, name string) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, ended: make(chan struct{}), more: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s does not start: %v", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.stop()
		said, _ := p.said()
		leaktest.Check(t, "what "+name+" said", said)
		if t.Failed() {
			t.Logf("%s said:\n%s", name, said)
		}
	})
	return p
}

// stop asks the program to end, and waits until it did.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.t.Errorf("%s did not stop when it was asked to", p.name)
	}
}

// await waits until the program has said something, and returns what the pattern caught.
func (p *process) await(pattern string) []string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	late := time.After(patience)
	for {
		said, more := p.said()
		if m := want.FindStringSubmatch(said); m != nil {
			return m
		}
		select {
		case <-more:
		case <-p.ended:
			if said, _ = p.said(); want.MatchString(said) {
				continue
			}
			p.t.Fatalf("%s ended before it said %q: %v", p.name, pattern, p.err)
		case <-late:
			p.t.Fatalf("%s did not say %q within %s", p.name, pattern, patience)
		}
	}
}

// run runs a command to its end and returns what it printed.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// tool finds a program that build/deps.sh installs. A test without it fails: a test that is left
// out proves nothing.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, at := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(at); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: run build/deps.sh", name)
	return ""
}

// plain is the environment for programs that talk to registries: without the certificate that
// TestMain trusts instead of the system's.
var plain = sync.OnceValue(func() []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SSL_CERT_FILE=") {
			out = append(out, v)
		}
	}
	return out
})

func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	mortal(cmd)
	return cmd
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// adapt replaces texts of an example file, each of which must be there.
func adapt(t *testing.T, path string, pairs ...string) string {
	t.Helper()
	return replaced(t, read(t, path), pairs...)
}

// replaced returns text with replacements: pairs are old and new texts. Each old text must occur.
func replaced(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("no %q in %s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}
