package oidc_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/oidc"
)

func idTokenHint(t *testing.T, e *fixture) {
	b := e.browser()
	tok := b.login()
	e.clock.advance(time.Hour) // expired ID tokens are good hints
	if again := b.login("prompt", "none", "id_token_hint", tok.ID); again.status != http.StatusOK {
		t.Errorf("answer: %+v", again)
	}
	// A hint for another user makes prompt=none fail.
	e.signIn.as(&e.bob)
	other := e.browser()
	a := other.authorize(e.request())
	if a.param("code") == "" {
		t.Fatal("bob got no code")
	}
	if a = other.authorize(e.request("prompt", "none", "id_token_hint", tok.ID)); a.param("error") != "login_required" {
		t.Errorf("alice's hint in bob's browser: %v", a.location)
	}
	// Where a page may be shown, bob is asked, and then alice may sign in.
	a = other.authorize(e.request("id_token_hint", tok.ID))
	if a.page() != "confirm" {
		t.Fatalf("alice's hint in bob's browser: %d %v", a.status, a.location)
	}
	next := a.shown().Go
	if a = other.follow(other.get(e.server.URL + next)); a.param("error") != "login_required" {
		t.Errorf("bob signed in again: %v", a.location)
	}
	e.signIn.as(&e.alice)
	if a = other.follow(other.get(e.server.URL + next)); a.param("code") == "" {
		t.Errorf("alice signed in: %v", a.location)
	}
	// A hint that cannot be verified does not prevent the sign-in where a page may be shown.
	if a = other.authorize(e.request("id_token_hint", "a.b.c")); a.param("code") == "" {
		t.Errorf("a hint that is none: %v", a.location)
	}
	if a = other.authorize(e.request("id_token_hint", "a.b.c", "prompt",
		"none")); a.param("error") != "login_required" {
		t.Errorf("a hint that is none, silently: %v", a.location)
	}
}

func TestHintOfAnotherAppOrProviderNamesNobody(t *testing.T) {
	t.Parallel()
	s := newMemory(t)
	e := newFixture(t, s, "")
	b := e.browser()
	b.login()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {b.code("client_id", e.other)},
		"redirect_uri": {redirectURI}}
	others := e.tokenAnswer(e.post("/oauth2/token", e.other, "other's secret", form)).ID
	// The same keys and the same user, but another issuer: a second gateway on a copied database.
	copied := newFixture(t, s, "", func(n *fixture, _ *oidc.Config) {
		n.clients, n.app, n.alice = e.clients, e.app, e.alice
	})
	foreign := copied.browser().login().ID
	for name, hint := range map[string]string{"another app's": others, "another provider's": foreign} {
		if a := b.authorize(e.request("prompt", "none", "id_token_hint", hint)); a.param("error") != "login_required" {
			t.Errorf("%s: %v", name, a.location)
		}
	}
	if a := b.logout("id_token_hint", foreign); a.page() != "sign-out" || !b.silent() {
		t.Errorf("sign-out with another provider's: %d %s", a.status, a.page())
	}
	if a := b.logout("id_token_hint", others, "post_logout_redirect_uri", signedOut); a.page() != "sign-out" ||
		a.shown().Fields["post_logout_redirect_uri"] != "" || !b.silent() {
		t.Errorf("sign-out to this app's address with another app's: %d %s", a.status, a.page())
	}
}

// TestHintWithTheIDOfAnotherApp: two apps may know two users by one id. A hint of one app must not end
// the session of the user whom the other app knows by this id.
func TestHintWithTheIDOfAnotherApp(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	for app, user := range map[string]string{e.app: e.bob.ID, e.other: e.alice.ID} {
		if _, err := e.store.PinSubject(t.Context(), user, app, "shared", e.clock.now()); err != nil {
			t.Fatal(err)
		}
	}
	e.signIn.as(&e.bob)
	bobs := e.redeem(e.browser().authorize(e.request()).param("code")).ID
	alice := e.browser()
	alice.login()
	if a := alice.logout("id_token_hint", bobs); a.page() != "sign-out" || !alice.silent() {
		t.Errorf("sign-out of alice with bob's hint: %d %s, not asked", a.status, a.page())
	}
}
