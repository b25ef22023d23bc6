package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/route"
)

// withNativeApp gives the public app a scheme of its own, beside its https and loopback addresses.
func withNativeApp(e *fixture, _ *oidc.Config) {
	e.clients[2].RedirectURIs = append(e.clients[2].RedirectURIs, nativeURI)
}

const nativeURI = "com.example.app:/callback"

// native returns the authorize request of the public app, as any program on the device can make it.
func (e *fixture) native(uri string, more ...string) url.Values {
	return e.request(append([]string{"client_id", e.spa, "redirect_uri", uri, "code_challenge", challenge,
		"code_challenge_method", "S256"}, more...)...)
}

// RFC 8252, section 8.6: a program that registers another app's scheme, or listens on its port,
// requests codes in its name. A signed-in user must see each of these requests.
func TestProgramOnTheDeviceGetsNoCodeWithoutTheUser(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{nativeURI, "http://127.0.0.1/cb", "http://127.0.0.1:40123/cb"} {
		t.Run(uri, func(t *testing.T) {
			t.Parallel()
			e := newFixture(t, newMemory(t), "", withNativeApp)
			e.signIn.as(&e.alice)
			b := e.browser()
			for round := range 2 { // the second time, the user has a session and has consented before
				a := b.authorize(e.native(uri))
				page := a.shown()
				if a.page() != "consent" || a.location != nil {
					t.Fatalf("round %d: %d %s %v", round, a.status, a.page(), a.location)
				}
				opens := strings.TrimSuffix(strings.TrimPrefix(uri, "http://"), "/cb")
				opens, _, _ = strings.Cut(opens, ":/")
				if !strings.Contains(page.Text, opens) || !strings.Contains(page.Text, "Page") ||
					!strings.Contains(page.Text, "Alice") {
					t.Errorf("the page does not say who asks: %s", page.Text)
				}
				if a = b.get(e.server.URL + page.Go); a.param("code") == "" || a.param("state") != "the state" {
					t.Errorf("continue: %d %v", a.status, a.location)
				}
				if a = b.get(e.server.URL + page.Back); a.param("error") != "access_denied" {
					t.Errorf("back: %v", a.location)
				}
			}
			if a := b.authorize(e.native(uri, "prompt", "none")); a.param("error") != "consent_required" ||
				a.param("code") != "" {
				t.Errorf("prompt=none: %v", a.location)
			}
		})
	}
}

// The program also tries to press the button itself.
func TestProgramOnTheDeviceCannotConsentForTheUser(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", withNativeApp)
	e.signIn.as(&e.alice)
	b := e.browser()
	page := b.authorize(e.native(nativeURI)).shown()
	good, err := url.Parse(page.Go)
	if err != nil {
		t.Fatal(err)
	}
	given := good.Query().Get("weigate_consent")
	until, mac, _ := strings.Cut(given, ".")
	refused := func(name string, by *browser, pairs ...string) {
		t.Helper()
		a := by.authorize(changed(good.Query(), pairs...))
		if a.param("code") != "" || a.page() != "consent" {
			t.Errorf("%s: %d %v", name, a.status, a.location)
		}
	}
	for name, consent := range map[string]string{"made up": "1", "none": "-", "later": "9999999999." + mac,
		"without an expiry": "." + mac, "without a MAC": until + ".", "other MAC": until + "." + strings.Repeat("A", 43)} {
		refused(name, b, "weigate_consent", consent)
	}
	refused("another request", b, "state", "another state")
	refused("the challenge of another program", b, "code_challenge", strings.Repeat("A", 43))
	refused("another port", b, "redirect_uri", "http://127.0.0.1:1/cb")
	refused("another session", e.browser(), "weigate_login_request", "-")
	e.clock.advance(5 * time.Minute)
	refused("too late", b)
}

// An https address belongs to its host: no other program can receive the code, so nobody is asked.
// A client with a secret is not asked either.
func TestAppWithAnAssuredAddressShowsNoConsentPage(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", withNativeApp, func(e *fixture, _ *oidc.Config) {
		e.clients = append(e.clients, oidc.Client{App: gateway.App{ID: "dev", Name: "Dev"},
			Secrets: []route.SecretHash{route.HashSecret(secret)}, RedirectURIs: []string{"http://127.0.0.1:3000/cb"}})
	})
	e.signIn.as(&e.alice)
	b := e.browser()
	for _, a := range []answer{
		b.authorize(e.native("https://page.example.com/")),
		b.authorize(e.native("https://page.example.com/", "prompt", "none")),
		b.authorize(e.request("client_id", "dev", "redirect_uri", "http://127.0.0.1:3000/cb")),
	} {
		if a.status != http.StatusSeeOther || a.param("code") == "" {
			t.Errorf("%d %s %v", a.status, a.page(), a.location)
		}
	}
}
