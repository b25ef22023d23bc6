package resilience_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// patience limits every wait. Nothing takes that long unless it is broken.
const patience = 2 * time.Minute

// serve starts a process of the gateway and waits until it is ready.
func serve(t *testing.T, config string) *fixture.Process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return serveWith(t, path, config)
}

// serveWith is serve with the program at path.
func serveWith(t *testing.T, path, config string) *fixture.Process {
	t.Helper()
	cmd := exec.Command(path, "serve", "-c", config)
	cmd.Env = append(os.Environ(), "HTTPS_PROXY=", "HTTP_PROXY=")
	p := fixture.Serve(t, cmd)
	awaitReady(t, p)
	return p
}

// awaitReady waits until /readyz reports that the gateway is ready. It polls, as a load balancer does:
// one check of the store may take longer than the two seconds that the gateway allows it.
func awaitReady(t *testing.T, p *fixture.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Host+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("readyz: %v", err)
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("readyz: %s", res.Status)
		case <-time.After(50 * time.Millisecond):
		}
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
