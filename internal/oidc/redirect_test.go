package oidc_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/route"
)

// RFC 8252, section 7.3: the port of a loopback address may differ. Command line tools use the client
// of their server, which has a secret, and several free ports (hashicorp/vault#13523,
// argoproj/argo-cd#4104, authelia/authelia#6904).
func TestLoopbackAddressMayHaveAnyPort(t *testing.T) {
	t.Parallel()
	registered := []string{"http://127.0.0.1/oidc/callback", "http://[::1]:8085/cb", "http://localhost:8085/auth/callback",
		"http://localhost/q?x=1", "https://page.example.com/", "http://intranet.example/cb"}
	e := newFixture(t, newMemory(t), "", func(e *fixture, _ *oidc.Config) {
		e.clients[0].RedirectURIs, e.clients[2].RedirectURIs = registered, registered
	})
	e.signIn.as(&e.alice)
	for uri, good := range map[string]bool{
		"http://127.0.0.1:53677/oidc/callback": true, "http://127.0.0.1/oidc/callback": true,
		"http://[::1]:1/cb": true, "http://[::1]/cb": true,
		"http://localhost:8086/auth/callback": true, "http://localhost/auth/callback": true, "http://localhost:5/q?x=1": true,

		"http://127.0.0.1:53677/other": false, "http://127.0.0.1:53677/oidc/callback/": false,
		"http://127.0.0.1:53677/oidc/callback?": false, "http://127.0.0.1:53677/oidc/callback?x=1": false,
		"http://127.0.0.1:53677/oidc%2Fcallback": false, "http://[::1]:53677/oidc/callback": false,
		"http://localhost:53677/oidc/callback": false, "https://127.0.0.1:53677/oidc/callback": false,
		"http://127.0.0.1.evil.example/oidc/callback": false, "http://x@127.0.0.1:53677/oidc/callback": false,
		"http://127.0.0.1:80@evil.example/oidc/callback": false, "http://localhost.evil.example/auth/callback": false,
		"http://app.localhost:1/auth/callback": false, "http://LOCALHOST:1/auth/callback": false,
		"https://page.example.com:444/": false, "http://intranet.example:81/cb": false,
		"http://127.0.0.1:1/oidc/callback#x": false,
	} {
		for _, app := range []string{e.app, e.spa} {
			b := e.browser()
			a := b.authorize(e.request("client_id", app, "redirect_uri", uri, "code_challenge", challenge,
				"code_challenge_method", "S256"))
			if a.page() == "consent" {
				a = b.get(e.server.URL + a.shown().Go)
			}
			if (a.param("code") != "") != good || good && !strings.HasPrefix(a.location.String(), uri) {
				t.Errorf("%s, public %t: %d %v", uri, app == e.spa, a.status, a.location)
			}
		}
	}
}

// A native app that signs out listens on any port too.
func TestLoopbackAddressAfterSignOutMayHaveAnyPort(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) {
		c.PostLogoutRedirectURIs = []string{"http://127.0.0.1/bye"}
	}))
	b := e.browser()
	hint := b.login().ID
	const uri = "http://127.0.0.1:40123/bye"
	if a := b.logout("id_token_hint", hint, "post_logout_redirect_uri", uri); a.location == nil ||
		a.location.String() != uri {
		t.Errorf("%d %v", a.status, a.location)
	}
}

// Immich's phone app and its server are one confidential client (zitadel/zitadel#9607,
// immich-app/immich#10832). The empty host of its redirect URI stays, byte for byte.
func TestConfidentialAppWithAPrivateUseScheme(t *testing.T) {
	t.Parallel()
	const server, phone = "https://photos.example.com/auth/login", "app.immich:///oauth-callback"
	e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) { c.RedirectURIs = []string{server, phone} }))
	e.signIn.as(&e.alice)
	b := e.browser()
	if a := b.authorize(e.request("redirect_uri", server)); a.param("code") == "" {
		t.Errorf("the server: %d %v", a.status, a.location)
	}
	a := b.authorize(e.request("redirect_uri", phone))
	if a.page() != "consent" { // another program on the phone may have registered the scheme
		t.Fatalf("the phone: %d %s %v", a.status, a.page(), a.location)
	}
	page := a.shown()
	a = b.get(e.server.URL + page.Go)
	if !strings.HasPrefix(a.header.Get("Location"), phone+"?") {
		t.Errorf("the code is sent to %s", a.header.Get("Location"))
	}
	if tok := e.redeem(a.param("code"), "redirect_uri", phone); tok.status != 200 {
		t.Errorf("the server redeems the code: %v", tok)
	}
	if a = b.get(e.server.URL + page.Back); !strings.HasPrefix(a.header.Get("Location"), phone+"?error=access_denied") {
		t.Errorf("the user declines: %s", a.header.Get("Location"))
	}
	for _, uri := range []string{"app.immich:/oauth-callback", "app.immich://oauth-callback",
		"app.immich:///oauth-callback/", "app.immich:////oauth-callback", "APP.immich:///oauth-callback"} {
		if a := b.authorize(e.request("redirect_uri", uri)); a.page() != "problem" {
			t.Errorf("%s: %d %v", uri, a.status, a.location)
		}
	}
}

// A program on the device can start a sign-in at the server of a command line tool, and receive its
// code. The secret of the server does not prevent this, so the user is asked.
func TestProgramThatUsesTheServerOfAnotherProgramIsConfirmed(t *testing.T) {
	t.Parallel()
	const registered = "http://localhost:8250/oidc/callback"
	e := newFixture(t, newMemory(t), "", func(e *fixture, _ *oidc.Config) {
		e.clients = append(e.clients, oidc.Client{App: gateway.App{ID: "vault", Name: "Vault"},
			Secrets: []route.SecretHash{route.HashSecret(secret)}, RedirectURIs: []string{registered}})
	})
	e.signIn.as(&e.alice)
	b := e.browser()
	b.login()
	a := b.authorize(e.request("client_id", "vault", "redirect_uri", "http://localhost:40123/oidc/callback"))
	if a.page() != "consent" || !strings.Contains(a.shown().Text, "localhost:40123") {
		t.Errorf("another port: %d %s %v", a.status, a.page(), a.location)
	}
	if a = b.authorize(e.request("client_id", "vault", "redirect_uri", registered)); a.param("code") == "" {
		t.Errorf("the registered port: %d %s", a.status, a.page())
	}
}
