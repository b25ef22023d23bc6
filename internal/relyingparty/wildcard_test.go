package relyingparty_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documentedPattern returns the code in docs/en/forward-auth.md that begins with a text: the line of a
// proxy for wildcard hosts, below apps.localhost.
func documentedPattern(t *testing.T, beginning string) string {
	t.Helper()
	text := read(t, filepath.Join("..", "..", "docs", "en", "forward-auth.md"))
	text = text[strings.Index(text, "\nFor a wildcard host,"):]
	m := regexp.MustCompile("`(" + regexp.QuoteMeta(beginning) + "[^`\n]*)`").FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("docs/en/forward-auth.md has no code that begins with %q", beginning)
	}
	names := strings.NewReplacer(`apps\.example\.com`, `apps\.localhost`, "apps.example.com", "apps.localhost")
	return names.Replace(m[1])
}

// port returns the port of the proxy with a colon.
func (p place) port() string { return p.host[strings.LastIndexByte(p.host, ':'):] }

// wildcardApps is an app with all hosts below apps.localhost except one, which belongs to another app.
func (g *guarded) wildcardApps() string {
	return fmt.Sprintf(`
  - {id: many, kind: forward_auth, name: Many, hosts: ["*.apps.localhost:%[1]s"], access: signed_in, methods: [scan]}
  - {id: desk, kind: forward_auth, hosts: ["desk.apps.localhost:%[1]s"], access: signed_in, methods: [website]}
`, g.port)
}

// wildcardHosts signs in on hosts that the proxy serves by the documented pattern. Users come from a
// desktop, with the gateway's QR code and with WeChat's, and return to deep links.
func (g *guarded) wildcardHosts(alice phone) {
	g.t.Helper()
	for _, size := range []int{900, 1500, 8000} {
		link := "/app?_g=(" + strings.Repeat("%E9%A1%B5&", (size-9)/10)
		link += strings.Repeat("x", size-len(link))
		wanted, err := json.Marshal(link)
		if err != nil {
			g.t.Fatal(err)
		}
		shown := `"path":` + string(wanted)
		byScan, notes := newDesktop(g.t), "https://notes.apps.localhost:"+g.port
		byScan.scans(notes+link, alice, shown)
		byScan.open(notes+link, shown)                                  // signed in on the host
		byScan.open("https://other.apps.localhost:"+g.port+link, shown) // signed in at the gateway
		byWebsite, desk := newDesktop(g.t), "https://desk.apps.localhost:"+g.port
		byWebsite.scansAtWeChat(desk+link, g.gatewayFixture, "xiaoming", shown)
		byWebsite.open(desk+link, shown)
	}
	g.site.reached()
	for _, host := range []string{"a.notes.apps.localhost", "apps.localhost", "notesapps.localhost"} {
		r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.origin+"/page", nil)
		if err != nil {
			g.t.Fatal(err)
		}
		r.Host = host + ":" + g.port
		res, err := g.client.Do(r)
		if err != nil {
			g.t.Fatal(err)
		}
		res.Body.Close()
		if reached := g.site.reached(); len(reached) > 0 {
			g.t.Errorf("%s: the site was asked for %v", host, reached)
		}
	}
}

// TestDocumentedWildcardOfTraefik compares the documented pattern with names: Debian has no package of
// Traefik.
func TestDocumentedWildcardOfTraefik(t *testing.T) {
	t.Parallel()
	text := documentedPattern(t, "^[a-z")
	pattern := regexp.MustCompile(text)
	for name, want := range map[string]bool{"notes.apps.localhost": true, "my_app.apps.localhost": true,
		"a.notes.apps.localhost": false, "apps.localhost": false, ".apps.localhost": false,
		"notes.apps.localhost.evil": false, "notesxapps.localhost": false, "notes.appsxlocalhost": false} {
		if pattern.MatchString(name) != want {
			t.Errorf("%s matches %s: %v", text, name, !want)
		}
	}
}
