package relyingparty_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/fixture"
)

// ownHost returns the configuration of a proxy for the gateway's own host, from docs/en/forward-auth.md:
// the code block that contains the text.
func ownHost(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	return documented(t, filepath.Join("..", "..", "docs", "en", "forward-auth.md"), text, pairs...)
}

// ownHostProxies returns functions that run nginx and Caddy with what "weigate proxy" prints for the
// gateway's own host. The document has the same lines: internal/proxyconfig compares them.
func ownHostProxies() map[string]func(t *testing.T, p place) {
	return map[string]func(t *testing.T, p place){
		"nginx": func(t *testing.T, p place) {
			serveNginx(t, printed(t, "nginx", p, "https://"+p.address), p.address, fixture.Address(t))
		},
		"caddy": func(t *testing.T, p place) { serveCaddy(t, printed(t, "caddy", p, "https://"+p.address)) },
	}
}

// TestPlainHTTPIsRedirected requests hosts without TLS, which the file for nginx redirects to the port of
// each.
func TestPlainHTTPIsRedirected(t *testing.T) {
	t.Parallel()
	own, sites, plain := fixture.Address(t), fixture.Address(t), fixture.Address(t)
	p := place{address: sites, gateway: "http://127.0.0.1:9", site: "http://127.0.0.1:10"}
	wiki, apps := "wiki.localhost:"+portOf(sites), "*.apps.localhost:"+portOf(sites)
	serveNginx(t, printed(t, "nginx", p, "https://login.localhost:"+portOf(own), wiki, apps), sites, own, plain)
	for name, want := range map[string]string{"login.localhost": "https://login.localhost:" + portOf(own) + "/a%2Fb?c=d",
		"wiki.localhost":       "https://" + wiki + "/a%2Fb?c=d",
		"notes.apps.localhost": "https://notes.apps.localhost:" + portOf(sites) + "/a%2Fb?c=d"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+plain+"/a%2Fb?c=d", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = name
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusMovedPermanently || got != want {
			t.Errorf("%s: %d to %q, want %q", name, res.StatusCode, got, want)
		}
	}
}

// TestOwnHostHidesVerify runs nginx and Caddy with the printed configuration for the gateway's own
// host. A trusted proxy forwards its requests, so a visitor who reached /verify there could ask about
// any site.
func TestOwnHostHidesVerify(t *testing.T) {
	t.Parallel()
	for name, run := range ownHostProxies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := newUpstream(t)
			address := fixture.Address(t)
			run(t, place{address: address, gateway: gateway.url})
			for path, want := range map[string]int{"/": http.StatusOK, "/sign-in": http.StatusOK,
				"/verify": http.StatusNotFound, "/verify?a=b": http.StatusNotFound, "/%76erify": http.StatusNotFound} {
				res, err := http.Get("https://" + address + path)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != want {
					t.Errorf("%s answers %d, want %d", path, res.StatusCode, want)
				}
			}
			for _, path := range gateway.reached() {
				if path != "/" && path != "/sign-in" {
					t.Errorf("a request for %s came to the gateway", path)
				}
			}
		})
	}
}

// TestOwnHostOfTraefikHidesVerify compares the documented rule: Debian has no package of Traefik.
func TestOwnHostOfTraefikHidesVerify(t *testing.T) {
	t.Parallel()
	var file struct {
		HTTP struct {
			Routers map[string]struct {
				Rule, Service string
				Middlewares   []string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(ownHost(t, "entryPoints")), &file); err != nil {
		t.Fatal(err)
	}
	login := file.HTTP.Routers["login"]
	if len(file.HTTP.Routers) != 1 || login.Rule != "Host(`login.example.com`) && !Path(`/verify`)" ||
		login.Service != "login" || login.Middlewares != nil {
		t.Errorf("the routers are %+v", file.HTTP.Routers)
	}
}
