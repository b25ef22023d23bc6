package app

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// TestSnippets: only $weigate_host of the example for nginx has the port of a site, and the scopes are those
// that the app can use.
func TestSnippets(t *testing.T) {
	t.Parallel()
	c := &config.Config{URL: "https://login.example.com:8443", Listen: "127.0.0.1:8080"}
	site := config.App{App: gateway.App{ID: "wiki"}, Hosts: []string{"wiki.example.com:8443"}}
	grafana := config.App{App: gateway.App{ID: "grafana"}, Email: config.Email{Policy: "synthetic", Domain: "a.example"}}
	for _, language := range []string{lang.English, lang.Chinese} {
		for text, want := range map[string][]string{
			forwardAuthSnippet(c, site, language): {
				"\n#   wiki.example.com        wiki.example.com\n#   set $weigate_host       wiki.example.com:8443\n",
				"\nwiki.example.com:8443 {\n", "127.0.0.1:8080          127.0.0.1:8080"},
			oidcSnippet(c, grafana, language): {"scope:         openid profile email", "offline_access", "secret_file"},
		} {
			for _, part := range want {
				if !strings.Contains(text, part) {
					t.Errorf("%s: no %q in\n%s", language, part, text)
				}
			}
		}
	}
}
