package relyingparty_test

import (
	"net/http"
	"path/filepath"
	"strings"
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

// ownHostProxies returns functions that run nginx and Caddy with the documented configuration for the
// gateway's own host.
func ownHostProxies() map[string]func(t *testing.T, p place) {
	return map[string]func(t *testing.T, p place){
		"nginx": func(t *testing.T, p place) {
			serveNginx(t, ownHost(t, "server_name", "listen 443 ssl", "listen "+p.address+" ssl",
				"server_name login.example.com", "server_name 127.0.0.1",
				"/etc/ssl/login.example.com.pem", certFile, "/etc/ssl/login.example.com.key", keyFile,
				"http://127.0.0.1:8080", p.gateway), p.address)
		},
		"caddy": func(t *testing.T, p place) {
			serveCaddy(t, ownHost(t, "respond", "login.example.com {",
				"https://"+p.address+" {\n\tbind 127.0.0.1\n\ttls "+certFile+" "+keyFile,
				"127.0.0.1:8080", strings.TrimPrefix(p.gateway, "http://")))
		},
	}
}

// TestOwnHostHidesVerify runs nginx and Caddy with the documented configuration for the gateway's own
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
