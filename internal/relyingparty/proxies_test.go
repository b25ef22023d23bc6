package relyingparty_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/fixture"
)

// upstream is the site behind a proxy: it knows nothing of signing in, and shows what it was sent.
type upstream struct {
	url string

	mu    sync.Mutex
	paths []string
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{}
	server := httptest.NewServer(u)
	t.Cleanup(server.Close)
	u.url = server.URL
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.paths = append(u.paths, r.RequestURI)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"path": r.RequestURI, "headers": r.Header, "method": r.Method})
}

// reached is what was asked of the site since the last time.
func (u *upstream) reached() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.paths
	u.paths = nil
	return out
}

// proxied is a kind of proxy, with the configuration that "weigate proxy" prints or the examples have for
// it. run gets the port that it shall serve, and where the gateway and the site are.
type proxied struct {
	name string
	run  func(t *testing.T, p place)
}

// place is where a proxy stands.
type place struct {
	address string // 127.0.0.1:PORT
	host    string // wiki.localhost:PORT
	gateway string // http://…
	site    string // http://…
}

var proxies = []proxied{{"nginx", runNginx}, {"caddy", runCaddy}, {"traefik", runTraefik}}

// runNginx runs nginx with what "weigate proxy nginx" prints; only the addresses to listen on are
// replaced. The gateway's own host has another port, so that nginx serves unknown names with the site.
func runNginx(t *testing.T, p place) {
	own := fixture.Address(t)
	text := printed(t, "nginx", p, "https://login.localhost:"+portOf(own), p.host, "*.apps.localhost"+p.port())
	serveNginx(t, text, p.address, own, fixture.Address(t))
}

// runCaddy runs Caddy with what "weigate proxy caddy" prints.
func runCaddy(t *testing.T, p place) {
	serveCaddy(t, printed(t, "caddy", p, "https://login.localhost"+p.port(), p.host, "*.apps.localhost"+p.port()))
}

// printed returns what "weigate proxy" prints for a gateway with this url and the hosts of sites.
func printed(t *testing.T, kind string, p place, url string, hosts ...string) string {
	t.Helper()
	dir := t.TempDir()
	config := "url: " + url + "\nlisten: " + strings.TrimPrefix(p.gateway, "http://") + `
metrics: ""
trusted_proxies: [127.0.0.1]
wechat:
  - {name: main, kind: official_account, appid: wx0123456789abcdef, secret: any-secret}
apps:
`
	args := []string{"proxy", kind, "--certificate", certFile, "--key", keyFile}
	for i, host := range hosts {
		config += fmt.Sprintf("  - {id: site%d, kind: forward_auth, hosts: [%q], access: signed_in}\n", i, host)
		args = append(args, "--site", host+"="+p.site)
	}
	if at := parsed(t, url); at.Path != "" {
		args = append(args, "--site", at.Host+"="+p.site)
	}
	write(t, filepath.Join(dir, "weigate.yaml"), config)
	text, err := command(dir, weigate, args...).Output()
	if err != nil {
		t.Fatalf("weigate %s: %v", strings.Join(args, " "), err)
	}
	return string(text)
}

// serveCaddy runs Caddy with the given site blocks, on this machine only.
func serveCaddy(t *testing.T, site string) {
	program, dir := tool(t, "caddy"), t.TempDir()
	site = replaced(t, site, " {\n\ttls ", " {\n\tbind 127.0.0.1\n\ttls ")
	write(t, filepath.Join(dir, "Caddyfile"), "{\n\tadmin off\n\tauto_https off\n\tskip_install_trust\n}\n"+site)
	cmd := command(dir, program, "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	start(t, cmd, "caddy").await("serving initial configuration")
}

// runTraefik does what Traefik does with the configuration in examples/traefik: Debian has no
// package of it. What it forwards, takes away and copies is as Traefik's documentation of
// forwardAuth says.
func runTraefik(t *testing.T, p place) {
	var file struct {
		HTTP struct {
			Routers map[string]struct {
				Rule, Service string
				Middlewares   []string
			}
			Middlewares map[string]struct {
				ForwardAuth struct {
					Address                  string
					TrustForwardHeader       bool     `yaml:"trustForwardHeader"`
					AuthResponseHeadersRegex string   `yaml:"authResponseHeadersRegex"`
					AuthResponseHeaders      []string `yaml:"authResponseHeaders"`
				} `yaml:"forwardAuth"`
			}
			Services map[string]any
		}
	}
	text := adapt(t, filepath.Join("..", "..", "examples", "traefik", "wiki.yaml"), "http://127.0.0.1:8080", p.gateway,
		"http://127.0.0.1:3000", p.site)
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	own, wiki, auth := file.HTTP.Routers["wiki-weigate"], file.HTTP.Routers["wiki"],
		file.HTTP.Middlewares["weigate"].ForwardAuth
	if own.Service != "weigate" || own.Middlewares != nil ||
		own.Rule != "Host(`wiki.example.com`) && PathPrefix(`/.weigate/`)" || wiki.Service != "wiki" ||
		!slices.Equal(wiki.Middlewares, []string{"weigate"}) || auth.TrustForwardHeader || len(file.HTTP.Services) != 2 {
		t.Fatalf("examples/traefik/wiki.yaml says something else than this test knows: %+v", file)
	}
	h := &traefik{
		gateway: httputil.NewSingleHostReverseProxy(parsed(t, p.gateway)),
		site:    httputil.NewSingleHostReverseProxy(parsed(t, p.site)),
		host:    strings.Split(p.host, ":")[0], auth: auth.Address, copied: auth.AuthResponseHeaders,
		match: regexp.MustCompile(auth.AuthResponseHeadersRegex),
	}
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, certFile, keyFile) // ends with Close
	}()
	t.Cleanup(func() { server.Close(); <-done })
}

func parsed(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// traefik is a proxy with Traefik's forwardAuth.
type traefik struct {
	gateway, site http.Handler
	host, auth    string
	copied        []string
	match         *regexp.Regexp
}

func (f *traefik) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name, _, _ := strings.Cut(r.Host, ":"); name != f.host { // its rules look at the host without its port
		w.WriteHeader(http.StatusNotFound)
		return
	}
	forwarded := http.Header{
		"X-Forwarded-Method": {r.Method}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {r.Host},
		"X-Forwarded-Uri": {r.RequestURI}, "X-Forwarded-Port": {"443"},
	}
	for name, v := range forwarded { // its entry point sets them for whatever is behind
		if name != "X-Forwarded-Method" && name != "X-Forwarded-Uri" {
			r.Header[name] = v
		}
	}
	if strings.HasPrefix(r.URL.Path, "/.weigate/") {
		f.gateway.ServeHTTP(w, r)
		return
	}
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, f.auth, nil)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	ask.Header = r.Header.Clone()
	for _, hop := range []string{"Connection", "Keep-Alive", "Te", "Trailers", "Transfer-Encoding", "Upgrade",
		"Content-Length"} {
		ask.Header.Del(hop)
	}
	for name, v := range forwarded {
		ask.Header[name] = v
	}
	answer, err := http.DefaultTransport.RoundTrip(ask)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode >= 300 {
		for name, v := range answer.Header {
			w.Header()[name] = v
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
		return
	}
	for name := range r.Header {
		if f.match.MatchString(name) {
			r.Header.Del(name)
		}
	}
	for name, v := range answer.Header {
		if f.match.MatchString(name) || slices.Contains(f.copied, name) {
			r.Header[name] = v
		}
	}
	f.site.ServeHTTP(w, r)
}
