package acmetest

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// program returns the path of the program, which is built once for all tests.
var program = sync.OnceValues(func() (string, error) { return fixture.Program(programDir) })

// programDir is the folder of the program.
var programDir string

// gatewayProcess is "weigate serve" with tls.acme.
type gatewayProcess struct {
	t       *testing.T
	dir     string
	host    string
	address string // where it listens
	process *fixture.Process
}

// newGateway writes the configuration of a gateway whose certificates an authority issues.
func newGateway(t *testing.T, a *authority, host, address string) *gatewayProcess {
	t.Helper()
	g := &gatewayProcess{t: t, dir: t.TempDir(), host: host, address: address}
	g.write("ca.pem", string(a.tls))
	g.write("weigate.yaml", fmt.Sprintf(`url: https://%s
listen: %s
metrics: ""
tls: {acme: {email: ops@example.com, directory: %q, ca_file: ca.pem, listen_http: ""}}
wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: not-used, api: "http://127.0.0.1:1"}]
apps: []
`, host, address, a.directory))
	return g
}

func (g *gatewayProcess) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// command returns a command of the program.
func (g *gatewayProcess) command(args ...string) *exec.Cmd {
	g.t.Helper()
	path, err := program()
	if err != nil {
		g.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.SysProcAttr = g.dir, fixture.ChildAttributes()
	return cmd
}

// run runs a command and returns its output. Some commands are expected to fail.
func (g *gatewayProcess) run(args ...string) string {
	out, _ := g.command(args...).CombinedOutput()
	return string(out)
}

// start starts the process, and waits until it serves.
func (g *gatewayProcess) start() {
	g.t.Helper()
	g.process = fixture.Serve(g.t, g.command("serve"))
}

// stop interrupts the process, and waits for its end.
func (g *gatewayProcess) stop() {
	g.t.Helper()
	if err := g.process.Stop(); err != nil {
		g.t.Errorf("weigate serve ended with %v", err)
	}
}

// await waits until the output of a command contains a text. It polls, because the process works in the
// background.
func (g *gatewayProcess) await(want string, args ...string) string {
	g.t.Helper()
	out := ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if out = g.run(args...); strings.Contains(out, want) {
			return out
		}
	}
	g.t.Fatalf("weigate %s does not print %q within two minutes:\n%s", strings.Join(args, " "), want, out)
	return ""
}

// want checks that the output of a command contains texts.
func (g *gatewayProcess) want(args []string, texts ...string) {
	g.t.Helper()
	out := g.run(args...)
	for _, text := range texts {
		if !strings.Contains(out, text) {
			g.t.Errorf("weigate %s does not print %q:\n%s", strings.Join(args, " "), text, out)
		}
	}
}

// get requests a path over TLS, and verifies the certificate's host.
func (g *gatewayProcess) get(path string) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		ServerName: g.host, InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error { return s.PeerCertificates[0].VerifyHostname(g.host) },
	}}}
	r, err := http.NewRequest(http.MethodGet, "https://"+g.address+path, nil)
	if err != nil {
		return nil, err
	}
	r.Host = g.host
	res, err := client.Do(r)
	if err == nil {
		res.Body.Close()
	}
	return res, err
}

// The program serves with a certificate by ACME. The commands show the certificate and when it expires.
// A process that is started again serves the certificate of the database, and orders nothing.
func TestServeWithACME(t *testing.T) {
	t.Parallel()
	address := fixture.Address(t) // the gateway listens there
	a := newAuthority(t, 1, portOf(t, address), 90*86400)
	g := newGateway(t, a, newHost(), address)
	g.want([]string{"check"}, "certificate    none yet", "listen         "+address+" is free")
	g.start()
	g.await(g.host+", expires ", "check")
	first := served(address, g.host)
	if first == nil || first.VerifyHostname(g.host) != nil {
		t.Fatalf("certificate %v", first)
	}
	if left := time.Until(first.NotAfter); left < 89*24*time.Hour || left > 91*24*time.Hour {
		t.Errorf("the certificate expires at %s", first.NotAfter)
	}
	g.want([]string{"check"}, g.host+", expires "+first.NotAfter.UTC().Format(time.DateOnly))
	g.await("ok", "ping")
	res, err := g.get("/healthz")
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("healthz: %+v, %v", res, err)
	}
	g.want([]string{"check"}, "listen         "+address+": the gateway runs", "the name "+g.host+" has no address")
	g.want([]string{"health"}, "certificate "+g.host, "active, until ")
	g.want([]string{"health", "--json"}, `"source":"acme"`, `"state":"active"`, `"problem":""`)
	g.stop()
	g.start()
	if again := served(address, g.host); again == nil || again.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Error("the process does not serve the certificate of the database after a restart")
	}
	if n := a.orders.Load(); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
	g.stop()
}

// The program runs without a certificate while the authority refuses one. The commands say why. A crash
// loop does not order again and again (yusing/godoxy#124, acme-dns/acme-dns#249: there the process ends).
func TestServeWithoutACertificate(t *testing.T) {
	t.Parallel()
	address := fixture.Address(t)
	a := newAuthority(t, 1, portOf(t, address), 90*86400)
	g := newGateway(t, a, newHost(), address)
	if err := a.db.AddBlockedDomain(g.host); err != nil {
		t.Fatal(err)
	}
	g.start()
	out := g.await("no certificate for "+g.host, "check")
	for _, want := range []string{"rejectedIdentifier", "备案", "now: none yet", "hint: read the log"} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not print %q:\n%s", want, out)
		}
	}
	g.want([]string{"health"}, "certificate "+g.host, "waiting: no certificate for "+g.host)
	before := a.orders.Load()
	for range 2 {
		g.stop()
		g.start()
		g.want([]string{"health"}, "no certificate for "+g.host) // also before another order
	}
	if n := a.orders.Load(); n != before {
		t.Errorf("the restarts have ordered %d times", n-before)
	}
	g.stop()
}
