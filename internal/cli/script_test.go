package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weigate/weigate/internal/cli"
	fixtures "github.com/weigate/weigate/internal/fixture"
)

// instrumented is the name of the program in the test binary, which has the race detector if the tests
// have it. Its processes take ten times as long as those of the program weigate, so only tests use it
// in which one process does many things at once.
const instrumented = "weigate-instrumented"

func TestMain(m *testing.M) {
	testscript.Main(withProgram{m}, map[string]func(){
		instrumented: func() { // as cmd/weigate has it
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			context.AfterFunc(ctx, stop)
			os.Exit(cli.ExitCode(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)))
		},
	})
}

// withProgram runs the tests with the program weigate in the PATH.
type withProgram struct{ *testing.M }

func (m withProgram) Run() int {
	dir, err := os.MkdirTemp("", "weigate-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program, err := fixtures.Program(dir)
	if err == nil {
		err = fixtures.SetEnglish()
	}
	if err == nil {
		err = os.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.M.Run()
}

// TestScripts runs testdata/*.txtar: the specification of the command line.
func TestScripts(t *testing.T) {
	t.Parallel()
	noScriptStops(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               makePrivate,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"busy":     busy,
			"start":    start,
			"end":      end,
			"get":      get,
			"lines":    lines,
			"hangup":   hangup,
			"await":    await,
			"awaitlog": awaitlog,
			"mode":     mode,
			"owner":    owner,
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return os.Geteuid() == 0, nil
		},
	})
}

// noScriptStops rejects the command stop, which ends a script: testscript would not run the rest of it.
func noScriptStops(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d scripts, %v", len(names), err)
	}
	for _, name := range names {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(script), "\n") {
			if line == "stop" || strings.HasPrefix(line, "stop ") {
				t.Errorf("%s:%d: stop ends the script: use end", name, i+1)
			}
		}
	}
}

// makePrivate gives the files of a script the mode of files with secrets. Otherwise weigate rejects
// them.
func makePrivate(env *testscript.Env) error {
	return filepath.WalkDir(env.WorkDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
}

// mode MODE FILE changes the mode of a file or folder; the command chmod of testscript sets the
// permissions of the owner only.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	bits, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	ts.Check(os.Chmod(ts.MkAbs(args[1]), os.FileMode(bits)))
}

// owner UID FILE changes the owner of a file or folder. Only root can run it.
func owner(ts *testscript.TestScript, neg bool, args []string) {
	uid, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.Chown(ts.MkAbs(args[1]), uid, -1))
}

// busy NAME listens on a port until the end of the script and sets $NAME to its address.
func busy(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// running is a process that a script started.
type running struct {
	cmd    *exec.Cmd
	stderr *fixtures.Buffer
	out    *output
}

// output collects the output of a running command. It closes ready when the last line that the
// command prints or logs at its start has been written.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	once  *sync.Once // closes ready
	ready chan struct{}
}

func newOutput() *output { return &output{once: &sync.Once{}, ready: make(chan struct{})} }

// log returns the output for stderr. With log.format json, the addresses are in the log.
func (o *output) log() *output { return &output{once: o.once, ready: o.ready} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if bytes.Contains(o.text.Bytes(), []byte("Ctrl-C")) ||
		bytes.Contains(o.text.Bytes(), []byte(`"msg":"gateway started"`)) {
		o.once.Do(func() { close(o.ready) })
	}
	return len(p), nil
}

// processes has the running processes by the script that started them. Scripts run in parallel.
var processes sync.Map

var printedAddress = regexp.MustCompile(`https?://[^\s]+[0-9]`)

// start ARGS... starts weigate and waits until it has printed its addresses. The addresses it
// printed are $URL1, $URL2, … and its output is the file "printed".
func start(ts *testscript.TestScript, neg bool, args []string) {
	exe, err := exec.LookPath("weigate")
	if path := ts.Getenv("PATH"); err != nil || path != "" {
		for _, dir := range strings.Split(path, string(os.PathListSeparator)) {
			if _, err := os.Stat(dir + "/weigate"); err == nil {
				exe = dir + "/weigate"
				break
			}
		}
	}
	r := &running{cmd: exec.Command(exe, args...), stderr: &fixtures.Buffer{},
		out: newOutput()}
	r.cmd.Dir, r.cmd.SysProcAttr = ts.MkAbs("."), fixtures.ChildAttributes()
	r.cmd.Env = append(os.Environ(), "LC_ALL="+ts.Getenv("LC_ALL"), "TMPDIR="+ts.MkAbs("."))
	r.cmd.Stdout, r.cmd.Stderr = r.out, io.MultiWriter(r.stderr, r.out.log())
	ts.Check(r.cmd.Start())
	ended := make(chan struct{})
	ts.Defer(func() { r.cmd.Process.Kill(); <-ended })
	go func() { r.cmd.Wait(); close(ended) }()
	select {
	case <-r.out.ready:
	case <-ended:
		ts.Fatalf("weigate ended: %s%s", r.out.text.String(), r.stderr)
	case <-time.After(processDeadline):
		ts.Fatalf("weigate is not ready: %s%s", r.out.text.String(), r.stderr)
	}
	r.out.mu.Lock()
	printed := r.out.text.String()
	r.out.mu.Unlock()
	for i, u := range printedAddress.FindAllString(printed, -1) {
		ts.Setenv(fmt.Sprintf("URL%d", i+1), u)
	}
	ts.Check(os.WriteFile(ts.MkAbs("printed"), []byte(printed), 0o600))
	processes.Store(ts, stopper{r, ended})
}

type stopper struct {
	*running
	ended chan struct{}
}

// end interrupts the command as Ctrl-C does. The command must exit with status 0. The file "told"
// gets its whole stderr. Its name is not stop: testscript has a command stop, which ends the script.
func end(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := processes.LoadAndDelete(ts)
	if !ok {
		ts.Fatalf("nothing was started")
	}
	p := v.(stopper)
	ts.Check(p.cmd.Process.Signal(os.Interrupt))
	select {
	case <-p.ended:
	case <-time.After(processDeadline):
		ts.Fatalf("weigate still runs after Ctrl-C")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("weigate ended with %d: %s", code, p.stderr)
	}
	ts.Check(os.WriteFile(ts.MkAbs("told"), []byte(p.stderr.String()), 0o600))
}

// hangup sends SIGHUP, at which the running command reloads its configuration.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := processes.Load(ts)
	if !ok {
		ts.Fatalf("nothing was started")
	}
	ts.Check(v.(stopper).cmd.Process.Signal(syscall.SIGHUP))
}

// eventually polls until so returns true. It polls, because the command is another process.
func eventually(ts *testscript.TestScript, what string, so func() bool) {
	for end := time.Now().Add(processDeadline); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("not after %s: %s", processDeadline, what)
		}
	}
}

// await URL REGEXP gets a page until its status line matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile(args[1])
	eventually(ts, args[0]+" answers "+args[1], func() bool {
		req, err := http.NewRequest(http.MethodGet, args[0], nil)
		ts.Check(err)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return false
		}
		res.Body.Close()
		return want.MatchString(res.Status)
	})
}

// awaitlog REGEXP waits until the stderr of the running command matches.
func awaitlog(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := processes.Load(ts)
	if !ok {
		ts.Fatalf("nothing was started")
	}
	want := regexp.MustCompile(args[0])
	eventually(ts, "stderr matches "+args[0], func() bool { return want.MatchString(v.(stopper).stderr.String()) })
}

// get URL [HEADER] fetches a page without following redirects, into the file "page": the
// status line, the headers and the body.
func get(ts *testscript.TestScript, neg bool, args []string) {
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	for _, h := range args[1:] {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if neg {
		if err == nil {
			ts.Fatalf("%s answers %s, and should not", args[0], res.Status)
		}
		return
	}
	ts.Check(err)
	defer res.Body.Close()
	var page bytes.Buffer
	fmt.Fprintln(&page, res.Status)
	ts.Check(res.Header.Write(&page))
	fmt.Fprintln(&page)
	_, err = io.Copy(&page, res.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("page"), page.Bytes(), 0o600))
}

// lines FILE N checks how many lines a file has ("stdout" and "stderr" are the last command's).
func lines(ts *testscript.TestScript, neg bool, args []string) {
	if got := strings.Count(ts.ReadFile(args[0]), "\n"); fmt.Sprint(got) != args[1] {
		ts.Fatalf("%s has %d lines, want %s:\n%s", args[0], got, args[1], ts.ReadFile(args[0]))
	}
}
