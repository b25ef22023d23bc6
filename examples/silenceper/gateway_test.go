package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// started runs a command of weigate until the end of the test, and returns the
// submatches of the pattern in its output.
func started(t *testing.T, pattern string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(weigate, args...)
	cmd.Dir, cmd.SysProcAttr = t.TempDir(), childAttributes()
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said strings.Builder
	caught := make(chan []string, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		want := regexp.MustCompile(pattern)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			mu.Lock()
			fmt.Fprintln(&said, lines.Text())
			mu.Unlock()
			if found := want.FindStringSubmatch(lines.Text()); found != nil && len(caught) == 0 {
				caught <- found
			}
		}
	})
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		err := cmd.Wait()
		in.Close()
		reading.Wait()
		if err != nil {
			t.Errorf("weigate %s, told to stop: %v", args[0], err)
		}
		if t.Failed() {
			t.Logf("weigate %s said:\n%s", args[0], said.String())
		}
		// The library sends secret, code and tokens in URLs. The output of the
		// gateway must not contain any of them.
		for _, secret := range []string{relaySecret, realSecret, "secret=", "access_token=", "&code="} {
			if strings.Contains(said.String(), secret) {
				t.Errorf("weigate %s said %q", args[0], secret)
			}
		}
	})
	select {
	case found := <-caught:
		return found
	case <-time.After(time.Minute):
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("weigate %s did not say %q:\n%s", args[0], pattern, said.String())
	}
	return nil
}

const (
	realAppID   = "wx0123456789abcdef"
	realSecret  = "0123456789abcdef0123456789abcdef"
	relayAppID  = "wx00000000000000aa"
	relaySecret = "fedcba9876543210fedcba9876543210"
)

// gatewayBefore runs the simulator and a gateway that uses it, and returns the
// gateway's address.
func gatewayBefore(t *testing.T, path string) string {
	t.Helper()
	sim := started(t, `(http://127\.0\.0\.1:\d+)`, "sim", "--addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0",
		"--consent-as", "alice",
		"--app", realAppID+":"+realSecret+":localhost")[1]

	// The configuration needs the address before the gateway listens.
	target := make(chan *url.URL, 1)
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		to := <-target
		target <- to
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(front.Close)
	address := strings.Replace(front.URL, "127.0.0.1", "localhost", 1) + path
	config := filepath.Join(t.TempDir(), "weigate.yaml")
	text := fmt.Sprintf(`url: %s
listen: 127.0.0.1:0
metrics: ""
store: "sqlite::memory:"
wechat:
  - {name: main, kind: official_account, appid: %s, secret: %q, api: %q, open: %q}
apps:
  - {id: shop, kind: relay, name: The Shop, appid: %s, secret: %q, connector: main,
     return_urls: [https://shop.example.com], access: signed_in}
`, address, realAppID, realSecret, sim, sim, relayAppID, relaySecret)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := url.Parse(started(t, `listens on +(http://127\.0\.0\.1:\d+)`, "serve", "-c", config)[1])
	if err != nil {
		t.Fatal(err)
	}
	target <- own
	return address
}

// The library is unchanged; the program has another host, and the appid and
// secret of the app.
func TestTheSameJourneyThroughAGateway(t *testing.T) {
	for _, path := range []string{"", "/login"} {
		address := gatewayBefore(t, path)
		var out strings.Builder
		if err := run(t.Context(), []string{"-gateway", address, "-appid", relayAppID, "-secret", relaySecret}, &out,
			&out); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		told := complete.FindStringSubmatch(out.String())
		if told == nil {
			t.Fatalf("the complete was told otherwise:\n%s", &out)
		}
		if told[1] != told[2] || told[1] != told[3] {
			t.Errorf("one person, three openids:\n%s", &out)
		}
	}
}

func TestGatewayRefusesAWrongSecret(t *testing.T) {
	address := gatewayBefore(t, "")
	for appID, want := range map[string]string{relayAppID: "errcode=40125", realAppID: "a page was shown"} {
		var out strings.Builder
		err := run(t.Context(), []string{"-gateway", address, "-appid", appID, "-secret", realSecret}, &out, &out)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", appID, err, want)
		}
	}
}
