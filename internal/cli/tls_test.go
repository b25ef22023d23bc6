package cli_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	fixtures "github.com/weigate/weigate/internal/fixture"
)

// tlsHost is the host of the gateway that serves TLS.
const tlsHost = "login.example.com"

// writePair writes a new certificate for tlsHost to cert.pem and its key to the file named key, and
// returns a pool with the certificate.
func (g *fixture) writePair(key string) *x509.CertPool {
	g.t.Helper()
	return fixtures.WriteCertificate(g.t, filepath.Join(g.dir, "cert.pem"), filepath.Join(g.dir, key), tlsHost,
		time.Now().Add(89*24*time.Hour))
}

// secureGet sends a request over a new connection with TLS. It follows no redirect.
func (g *fixture) secureGet(path string, roots *x509.CertPool) (*http.Response, error) {
	client := http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: tlsHost},
			ForceAttemptHTTP2: true, DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	address := path
	if !strings.HasPrefix(path, "https://") {
		address = g.target.Load().String() + path
	}
	r := request(g.t, strings.Replace(address, tlsHost, g.target.Load().Host, 1))
	r.Host = tlsHost
	r.Header.Set("User-Agent", "Mozilla/5.0 (Linux; Android 14) Mobile MicroMessenger/8.0.49")
	res, err := client.Do(r)
	if err == nil {
		res.Body.Close()
	}
	return res, err
}

// TestServeTLS starts the gateway with certificate files. It serves HTTP/2 with HSTS and __Host-
// cookies. SIGHUP replaces the certificate, a faulty pair keeps the previous one and says why, and the
// health check of containers works.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	first := g.writePair("key.pem")
	g.configure("tls: {certificate: cert.pem, key: key.pem}\n")
	config, err := os.ReadFile(filepath.Join(g.dir, "weigate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	g.write("weigate.yaml", strings.Replace(string(config), g.front.URL, "https://"+tlsHost, 1))
	g.serve()
	if g.target.Load().Scheme != "https" || !strings.Contains(g.printed(), "certificate  "+tlsHost+", expires ") {
		t.Errorf("printed:\n%s", g.printed())
	}
	res, err := g.secureGet("/healthz", first)
	if err != nil || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Fatalf("%v, %+v", err, res)
	}
	address := strings.Replace(g.authorize("openid"), g.front.URL, "", 1)
	for hops := 0; ; hops++ {
		if res, err = g.secureGet(address, first); err != nil || hops > 4 {
			t.Fatalf("no cookie: %v, %+v", err, res)
		}
		if cookies := res.Header.Values("Set-Cookie"); len(cookies) > 0 {
			for _, cookie := range cookies {
				if !strings.HasPrefix(cookie, "__Host-weigate") || !strings.Contains(cookie, "; Secure") {
					t.Errorf("cookie %s", strings.SplitN(cookie, "=", 2)[0])
				}
			}
			break
		}
		address = res.Header.Get("Location")
	}
	plain, err := http.Get("http://" + g.target.Load().Host + "/healthz")
	if err != nil || plain.StatusCode != http.StatusBadRequest {
		t.Errorf("plain http: %v, %+v", err, plain)
	}
	g.env = []string{"WEIGATE_LISTEN=" + g.target.Load().Host}
	g.awaitPing("ok\n")

	if out := g.run("check", "--offline"); !strings.Contains(out, "certificate    "+tlsHost+", expires ") {
		t.Errorf("check:\n%s", out)
	}

	for i, step := range []struct {
		key, log string
		count    int
	}{{"other.pem", "certificate not loaded, previous one kept", 1}, {"key.pem", "certificate loaded", 2}} {
		roots := g.writePair(step.key)
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		g.await(step.log, step.count)
		if i == 0 {
			roots = first
		}
		if _, err := g.secureGet("/healthz", roots); err != nil {
			t.Errorf("%s: %v", step.log, err)
		}
	}
	if out := g.run("health"); !regexp.MustCompile(`certificate ` + tlsHost + ` +active, until `).MatchString(out) {
		t.Errorf("health:\n%s", out)
	}
	g.term()
}
