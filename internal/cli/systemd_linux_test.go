package cli_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	fixtures "github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
)

// notifications receives what the gateway reports to systemd, in place of systemd.
func notifications(t *testing.T, path string) *fixtures.Buffer {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	received := &fixtures.Buffer{}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				return
			}
			received.Write(append(buffer[:n:n], '\n'))
		}
	}()
	return received
}

// "weigate serve" as the unit of the Debian package starts it: it reports its state, reads the
// AppSecret from a credential, and ends at SIGTERM.
func TestServeUnderSystemd(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	socket := filepath.Join(g.dir, "notify")
	received := notifications(t, socket)
	if err := os.Mkdir(filepath.Join(g.dir, "credentials"), 0o700); err != nil {
		t.Fatal(err)
	}
	g.write("credentials/wechat-secret", leaktest.Secret+"\n")
	g.env = []string{"NOTIFY_SOCKET=" + socket, "CREDENTIALS_DIRECTORY=" + filepath.Join(g.dir, "credentials"),
		"TZ=Asia/Shanghai", "PUID=1000", "PGID=1000"}
	reported := func(what string) {
		t.Helper()
		for end := time.Now().Add(processDeadline); !strings.Contains(received.String(), what); {
			if time.Now().After(end) {
				t.Fatalf("systemd was not sent %q: %q; stderr %s", what, received, g.errs)
			}
			time.Sleep(5 * time.Millisecond) // polls, because the gateway is another process
		}
	}
	g.configure("")
	g.replace("secret: "+leaktest.Secret, "secret_file: wechat-secret")
	g.serve()
	reported("READY=1\nSTATUS=serving " + g.front.URL + "\n")
	if all := received.String(); !strings.HasPrefix(all, "STATUS=opening the store\nEXTEND_TIMEOUT_USEC=60000000\n") {
		t.Errorf("before it was ready: %q", all)
	}
	if page, err := g.sim.Phone("alice").Open(t.Context(), g.authorize("openid")); err != nil ||
		!strings.HasPrefix(page.URL, g.app.URL) {
		t.Errorf("a sign-in with the AppSecret of the credential: %+v, %v", page, err)
	}
	for _, want := range []string{"PUID and PGID have no effect", "+08:00"} {
		if log := g.errs.String(); !strings.Contains(log, want) {
			t.Errorf("the log does not contain %q: %s", want, log)
		}
	}
	// The health check follows the address of the configuration.
	g.env = append(g.env, "WEIGATE_LISTEN="+g.target.Load().Host)
	g.awaitPing("ok\n")
	g.awaitPing("ok\n", "--live")
	received.Take()
	g.hangup()
	reported("\nREADY=1\nSTATUS=serving " + g.front.URL + "\n")
	if all := received.Take(); !strings.HasPrefix(all, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("a reload: %q", all)
	}
	g.replace("listen:", "lsten:")
	g.hangup()
	reported("\nREADY=1\nSTATUS=serving " + g.front.URL + "; the changed configuration is invalid, see the log\n")
	received.Take()
	g.term()
	reported("STOPPING=1\n")
	if out := g.run("ping", "--live"); !strings.Contains(out, "lsten") {
		t.Errorf("ping with an invalid configuration: %q", out)
	}
	g.replace("lsten:", "listen:")
	if out := g.run("ping", "--live"); !strings.Contains(out, "connection refused") {
		t.Errorf("ping without a gateway: %q", out)
	}
	// The credential is missing.
	g.replace("wechat-secret", "wechat-key")
	if out := g.run("serve"); !strings.Contains(out, "no credential wechat-key: add LoadCredential=wechat-key:FILE") {
		t.Errorf("without the credential: %q", out)
	}
}

// replace changes the configuration.
func (g *fixture) replace(old, replacement string) {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, "weigate.yaml"))
	if err != nil || !strings.Contains(string(text), old) {
		g.t.Fatalf("the configuration does not contain %q: %v", old, err)
	}
	g.write("weigate.yaml", strings.Replace(string(text), old, replacement, 1))
}
