package app

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// TestSnippets: the commands for the reverse proxy name the hosts of the app, and the scopes are those that
// the app can use.
func TestSnippets(t *testing.T) {
	t.Parallel()
	c := &config.Config{URL: "https://login.example.com:8443", Listen: "127.0.0.1:8080"}
	site := config.App{App: gateway.App{ID: "wiki"}, Hosts: []string{"wiki.example.com:8443", "*.apps.example.com"}}
	grafana := config.App{App: gateway.App{ID: "grafana"}, Email: config.Email{Policy: "synthetic", Domain: "a.example"}}
	for _, language := range []string{lang.English, lang.Chinese} {
		for text, want := range map[string][]string{
			forwardAuthSnippet(c, site, language): {
				"\nweigate proxy nginx --site wiki.example.com:8443=http://127.0.0.1:3000 " +
					"--site '*.apps.example.com=http://127.0.0.1:3000'\n", "\nweigate proxy caddy --site wiki.example.com:8443="},
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
