package cli_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	fixtures "github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

const (
	clientSecret    = leaktest.Secret + "-of-the-sample"
	codeVerifier    = "a-verifier-of-43-characters-or-more-0123456789"
	processDeadline = 2 * time.Minute // nothing takes that long unless it is broken
)

// fixture is the simulator of WeChat, "weigate serve" as a process, a proxy in front of it that
// records every response, and an app.
type fixture struct {
	t      *testing.T
	dir    string
	sim    *wechattest.Server
	simURL string
	appid  string
	front  *httptest.Server
	app    *httptest.Server
	target atomic.Pointer[url.URL]
	watch  string   // address of the metrics
	env    []string // further variables of commands

	instrumented bool   // serve runs in the test binary
	trace        string // file to which strace writes the connections of serve; "" = no strace
	cmd          *exec.Cmd
	ended        chan struct{}
	out          *output
	errs         *fixtures.Buffer

	mu      sync.Mutex
	asked   map[string]int // requests to WeChat, by path
	answers []answer
	codes   []string // that the callback of the app received
}

// answer is a response of the gateway.
type answer struct {
	path   string
	header http.Header
	body   string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	g := &fixture{t: t, dir: t.TempDir(), asked: map[string]int{}}
	user := wechattest.DefaultApps()[0]
	user.Secret, g.appid = leaktest.Secret, user.AppID
	var err error
	if g.sim, err = wechattest.New(
		wechattest.Config{Seed: 7, Mark: leaktest.Mark, Apps: []wechattest.App{user}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.sim.Close)
	simulator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.asked[r.URL.Path]++
		g.mu.Unlock()
		g.sim.ServeHTTP(w, r)
	}))
	t.Cleanup(simulator.Close)
	g.simURL = simulator.URL
	g.front = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(g.target.Load())
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			g.mu.Lock()
			defer g.mu.Unlock()
			g.answers = append(g.answers, answer{r.Request.URL.Path, r.Header.Clone(), string(body)})
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(g.front.Close)
	g.app = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.codes = append(g.codes, r.URL.Query().Get("code"))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>the app</title>")
	}))
	t.Cleanup(g.app.Close)
	g.write("weigate.key", base64.StdEncoding.EncodeToString([]byte(leaktest.Secret))+"\n")
	return g
}

func (g *fixture) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// configure writes the configuration; more is appended to it.
func (g *fixture) configure(more string) {
	g.write("weigate.yaml", fmt.Sprintf(`url: %s
listen: 127.0.0.1:0
metrics: 127.0.0.1:0
wechat:
  - {name: main, kind: official_account, appid: %s, secret: %s, open_platform: ours, api: %q, open: %q}
apps:
  - {id: sample, kind: oidc, secret: %s, access: signed_in, id_token_alg: ES256, redirect_uris: [%q]}
%s`, g.front.URL, g.appid, leaktest.Secret, g.simURL, g.simURL, clientSecret, g.app.URL+"/cb", more))
}

// command returns a command that runs while the gateway may be running.
func (g *fixture) command(args ...string) *exec.Cmd {
	cmd := exec.Command("weigate", args...)
	cmd.Dir, cmd.SysProcAttr = g.dir, fixtures.ChildAttributes()
	cmd.Env = append(os.Environ(), g.env...)
	return cmd
}

// run runs a command and returns its output.
func (g *fixture) run(args ...string) string {
	out, _ := g.command(args...).CombinedOutput() // some commands are expected to fail
	return string(out)
}

// serve starts the gateway.
func (g *fixture) serve() {
	g.t.Helper()
	g.cmd, g.ended = g.command("serve"), make(chan struct{})
	if g.instrumented {
		g.cmd = exec.Command(instrumented, "serve")
		g.cmd.Dir, g.cmd.SysProcAttr = g.dir, fixtures.ChildAttributes()
	}
	if g.trace != "" { // with -D, the process that is started is weigate, and not strace
		g.cmd.Args = append([]string{"strace", "-D", "-f", "-q", "--seccomp-bpf", "-e", "trace=connect,execve", "-o",
			g.trace, g.cmd.Path}, g.cmd.Args[1:]...)
		strace, err := exec.LookPath("strace")
		if err != nil {
			g.t.Fatalf("%v: run build/deps.sh", err)
		}
		g.cmd.Path = strace
	}
	g.errs, g.out = &fixtures.Buffer{}, newOutput()
	g.cmd.Stdout, g.cmd.Stderr = g.out, io.MultiWriter(g.errs, g.out.log())
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	cmd, ended := g.cmd, g.ended
	go func() { cmd.Wait(); close(ended) }()
	g.t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	select {
	case <-g.out.ready:
	case <-ended:
		g.t.Fatalf("weigate serve ended: %s", g.errs)
	case <-time.After(processDeadline):
		g.t.Fatal("weigate serve is not ready")
	}
	// With log.format json, the addresses are in the log.
	found := regexp.MustCompile(`(?:listens on|metrics|"listen":|"metrics":)[" ]+([^\s"]+)`).
		FindAllStringSubmatch(g.printed()+g.errs.String(), -1)
	u, err := url.Parse(found[0][1])
	if err != nil {
		g.t.Fatal(err)
	}
	g.target.Store(u)
	g.watch = found[1][1]
}

// wechatRequests returns the number of requests to WeChat for a path, including those without a
// response.
func (g *fixture) wechatRequests(path string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[path]
}

func (g *fixture) printed() string {
	g.out.mu.Lock()
	defer g.out.mu.Unlock()
	return g.out.text.String()
}

// term sends SIGTERM to the gateway and waits until it has ended. The exit status must be 0.
func (g *fixture) term() {
	g.t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		g.t.Fatal(err)
	}
	g.awaitExit()
}

func (g *fixture) awaitExit() {
	g.t.Helper()
	select {
	case <-g.ended:
	case <-time.After(processDeadline):
		g.t.Fatal("weigate serve still runs after SIGTERM")
	}
	if code := g.cmd.ProcessState.ExitCode(); code != 0 {
		g.t.Errorf("weigate serve ended with %d: %s", code, g.errs)
	}
}

// await waits until the log of the gateway contains what n times. It polls, because the gateway is
// another process.
func (g *fixture) await(what string, n int) {
	g.t.Helper()
	end := time.Now().Add(processDeadline)
	for strings.Count(g.errs.String(), what) < n {
		if time.Now().After(end) {
			g.t.Fatalf("the gateway did not log %q: %s", what, g.errs)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// awaitPing waits until "weigate ping" prints want. It polls: on a slow disk, one check of the store
// may take longer than the two seconds that the gateway allows it.
func (g *fixture) awaitPing(want string, flags ...string) {
	g.t.Helper()
	out := ""
	for end := time.Now().Add(processDeadline); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if out = g.run(append([]string{"ping"}, flags...)...); out == want {
			return
		}
	}
	g.t.Fatalf("weigate ping %q prints %q, want %q: %s", flags, out, want, g.errs)
}

func (g *fixture) authorize(scope string) string {
	q := url.Values{"response_type": {"code"}, "client_id": {"sample"}, "redirect_uri": {g.app.URL + "/cb"},
		"scope": {scope}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {challenge(codeVerifier)}, "code_challenge_method": {"S256"}}
	if strings.Contains(scope, "offline_access") {
		q.Set("prompt", "consent")
	}
	return g.front.URL + "/oauth2/authorize?" + q.Encode()
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// code returns the last code that the app received.
func (g *fixture) code() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.codes) == 0 {
		return ""
	}
	return g.codes[len(g.codes)-1]
}

// post sends a form as the app does.
func (g *fixture) post(path, secret string, pairs ...string) string {
	g.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(g.t.Context()), http.MethodPost, g.front.URL+path,
		strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("sample", url.QueryEscape(secret))
	return g.body(r)
}

func (g *fixture) get(address, bearer string) string {
	g.t.Helper()
	r := request(g.t, address)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return g.body(r)
}

func (g *fixture) body(r *http.Request) string {
	g.t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(body)
}

// redeem redeems a code at the token endpoint.
func (g *fixture) redeem(code string) string {
	g.t.Helper()
	return g.post("/oauth2/token", clientSecret, "grant_type", "authorization_code", "code", code, "redirect_uri",
		g.app.URL+"/cb", "code_verifier", codeVerifier)
}
