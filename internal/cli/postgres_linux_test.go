package cli_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	fixtures "github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
)

// Each failure of the database causes one clear error, at the start and while serving. When the cause
// is removed, no data is lost.
func TestPostgreSQLFailures(t *testing.T) {
	t.Parallel()
	server := cluster(t)
	g := newFixture(t)
	g.configure("store: " + server.URL() + "\n")
	g.serve()
	alice := g.sim.Phone("alice")
	if page, err := alice.Open(t.Context(), g.authorize("openid")); err != nil || !strings.HasPrefix(page.URL, g.app.URL) {
		t.Fatalf("%+v, %v", page, err)
	}

	// Unavailable while serving: users see an error page, nobody is signed out, and the gateway
	// recovers automatically.
	server.Kill()
	g.awaitReady(http.StatusServiceUnavailable)
	page, err := alice.Open(t.Context(), g.authorize("openid"))
	if err != nil || page.Status != http.StatusServiceUnavailable || !strings.Contains(page.Body, `id="busy"`) {
		t.Errorf("while the server is down: %+v, %v", page, err)
	}
	// "is starting or stopping", "cannot be reached"
	if !strings.Contains(g.errs.String(), "the store is unavailable: the server ") {
		t.Errorf("the log does not contain the error: %s", g.errs)
	}
	if err := server.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.awaitReady(http.StatusOK)
	before := g.wechatRequests("/sns/oauth2/access_token")
	if page, err := alice.Open(t.Context(), g.authorize("openid")); err != nil || !strings.HasPrefix(page.URL, g.app.URL) {
		t.Errorf("after the server came back: %+v, %v", page, err)
	}
	if n := g.wechatRequests("/sns/oauth2/access_token") - before; n != 0 {
		t.Error("the outage signed a person out")
	}
	g.term()

	server.Kill()
	g.checkRefused(nil, "weigate", "store (PostgreSQL, 127.0.0.1:", "the server cannot be reached")
	g.checkWaits(server.Run)
	tell(t, server, `INSERT INTO migrations (version, name, applied_at) VALUES (99, 'the future', 0)`)
	g.checkRefused(nil, "weigate", "store (PostgreSQL, ", "it has migration 99 (the future)",
		"start the newer version, or restore a backup")
	tell(t, server, `DELETE FROM migrations WHERE version = 99`)

	right, err := os.ReadFile(filepath.Join(g.dir, "weigate.key"))
	if err != nil {
		t.Fatal(err)
	}
	g.write("weigate.key", base64.StdEncoding.EncodeToString([]byte(leaktest.Secret+" of another gateway"))+"\n")
	g.checkRefused(nil, "weigate", "sealed with a master key that is not among those given",
		"restore the master key file of this database")
	if err := os.Remove(filepath.Join(g.dir, "weigate.key")); err != nil {
		t.Fatal(err)
	}
	g.checkRefused(nil, "weigate",
		filepath.Join(g.dir, "weigate.key")+": file does not exist, and the store contains 2 keys sealed with it")
	g.write("weigate.key", string(right))
	g.checkStillSignedIn()
	if list := g.run("user", "list"); strings.Count(list, " pending ") != 1 {
		t.Errorf("after all of it the store holds:\n%s", list)
	}
}

// checkWaits starts the gateway while its database is down, and the database after the first attempt:
// after a boot of the machine, both start at the same time.
func (g *fixture) checkWaits(startDatabase func(context.Context) error) {
	g.t.Helper()
	ended := make(chan error, 1)
	serve := g.command("serve")
	output := newOutput()
	stderr := &fixtures.Buffer{}
	serve.Stdout, serve.Stderr = output, stderr
	if err := serve.Start(); err != nil {
		g.t.Fatal(err)
	}
	go func() { ended <- serve.Wait() }()
	for end := time.Now().Add(processDeadline); !strings.Contains(stderr.String(), "trying again for 1m0s"); {
		if time.Now().After(end) {
			g.t.Fatalf("the gateway does not wait for its database: %s", stderr)
		}
		time.Sleep(5 * time.Millisecond) // polls, because the gateway is another process
	}
	if err := startDatabase(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	select {
	case <-output.ready:
	case err := <-ended:
		g.t.Fatalf("the gateway ended: %v: %s", err, stderr)
	case <-time.After(processDeadline):
		g.t.Fatalf("the gateway is not ready: %s", stderr)
	}
	serve.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		g.t.Errorf("the end: %v: %s", err, stderr)
	}
}

// awaitReady waits until /readyz responds with status. It polls, because the gateway is another
// process.
func (g *fixture) awaitReady(status int) {
	g.t.Helper()
	got := 0
	for end := time.Now().Add(processDeadline); got != status; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("/readyz answers %d, want %d: %s", got, status, g.errs)
		}
		res, err := http.DefaultClient.Do(request(g.t, g.front.URL+"/readyz"))
		if err != nil {
			g.t.Fatal(err)
		}
		res.Body.Close()
		got = res.StatusCode
	}
}
