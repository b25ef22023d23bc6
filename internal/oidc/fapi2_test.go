package oidc_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/web"
)

// TestFAPI2 is what of the FAPI 2 security profile's plan is worth having for plain clients. PAR
// itself is not part of this profile; its modules are asked of the authorize endpoint.
func TestFAPI2(t *testing.T) {
	t.Parallel()
	const p = "fapi2-security-profile-final"
	run(t, []module{
		{p + "-ensure-pkce-code-verifier-required", pkceVerifierRequired},
		{p + "-incorrect-pkce-code-verifier-rejected", pkceVerifierWrong},
		{p + "-par-plain-pkce-rejected", plainPKCE},
		{p + "-par-ensure-pkce-required", pkceRequired},
		{p + "-ensure-authorization-code-is-bound-to-client", codeBoundToClient},
		{p + "-attempt-reuse-authorization-code-after-one-second", codeReuse(time.Second)},
		{p + "-ensure-token-endpoint-fails-with-expired-auth-code", expiredCode},
		{p + "-ensure-redirect-uri-in-authorization-request", redirectURIMissing},
		{p + "-ensure-registered-redirect-uri", registeredRedirectURI},
		{p + "-ensure-authorization-request-with-long-state", longState},
		{p + "-ensure-authorization-request-with-long-nonce", nonceOf(384)},
		{p + "-ensure-authorization-request-with-64-char-nonce-success", nonceOf(64)},
		{p + "-ensure-authorization-request-without-state-success", withoutState},
		{p + "-ensure-authorization-request-without-nonce-success", withoutNonce},
		{p + "-ensure-other-scope-order-succeeds", otherOrder},
		{p + "-ensure-response-type-token-fails", responseType("token")},
		{p + "-ensure-response-type-code-idtoken-fails", responseType("code id_token")},
		{p + "-user-rejects-authentication", rejects},
		{p + "-access-token-type-header-case-sensitivity", bearerCase},
		{p + "-refresh-token", refreshToken},
		{p + "-client-test-invalid-authorization-response-iss", issInResponses},
		{p + "-client-test-remove-authorization-response-iss", issInResponses},
	})
}

func pkceVerifierRequired(t *testing.T, e *fixture) {
	code := e.browser().code("code_challenge", challenge, "code_challenge_method", "S256")
	for _, wrong := range []string{"-", "", "short"} {
		if tok := e.redeem(code, "code_verifier", wrong); tok.Error != "invalid_grant" {
			t.Errorf("verifier %q: %+v", wrong, tok)
		}
	}
	if tok := e.redeem(code, "code_verifier", verifier); tok.status != http.StatusOK {
		t.Errorf("the owner's use after that: %+v", tok)
	}
}

func pkceVerifierWrong(t *testing.T, e *fixture) {
	b := e.browser()
	code := b.code("code_challenge", challenge, "code_challenge_method", "S256")
	if tok := e.redeem(code, "code_verifier", verifier+"x"); tok.Error != "invalid_grant" {
		t.Errorf("wrong verifier: %+v", tok)
	}
	if tok := e.redeem(code, "code_verifier", verifier); tok.status != http.StatusOK {
		t.Errorf("the owner's use after that: %+v", tok)
	}
	// A wrong verifier after the redemption does not count as a replay by the client: the tokens
	// stay valid.
	tok := b.login()
	code = b.code("code_challenge", challenge, "code_challenge_method", "S256")
	good := e.redeem(code, "code_verifier", verifier)
	if bad := e.redeem(code, "code_verifier", "-"); bad.Error != "invalid_grant" ||
		e.userinfo(good.Access).status != http.StatusOK {
		t.Errorf("a replay without the verifier: %+v", bad)
	}
	// A verifier for a code without a challenge: an attacker removed the challenge from the
	// request.
	if tok = e.redeem(b.code(), "code_verifier", verifier); tok.Error != "invalid_grant" {
		t.Errorf("verifier without challenge: %+v", tok)
	}
}

func plainPKCE(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	for _, method := range []string{"plain", "-", "s256", ""} {
		a := e.browser().authorize(e.request("code_challenge", challenge, "code_challenge_method", method))
		if a.param("error") != "invalid_request" || a.param("code") != "" {
			t.Errorf("method %q: %v", method, a.location)
		}
	}
	for _, bad := range []string{"short", challenge + "A", strings.Replace(challenge, "F", "+", 1)} {
		a := e.browser().authorize(e.request("code_challenge", bad, "code_challenge_method", "S256"))
		if a.param("error") != "invalid_request" {
			t.Errorf("challenge %q: %v", bad, a.location)
		}
	}
	if a := e.browser().authorize(e.request("code_challenge_method", "S256")); a.param("error") != "invalid_request" {
		t.Errorf("a method without a challenge: %v", a.location)
	}
}

func pkceRequired(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	const page = "https://page.example.com/"
	a := e.browser().authorize(e.request("client_id", e.spa, "redirect_uri", page))
	if a.param("error") != "invalid_request" || a.param("code") != "" {
		t.Errorf("a public client without PKCE: %v", a.location)
	}
	code := e.browser().code("client_id", e.spa, "redirect_uri", page, "code_challenge", challenge,
		"code_challenge_method", "S256")
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {page},
		"client_id": {e.spa}, "code_verifier": {verifier}}
	if tok := e.tokenAnswer(e.post("/oauth2/token", "", "", changed(form, "client_secret",
		"x"))); tok.Error != "invalid_client" {
		t.Errorf("a public client with a secret: %+v", tok)
	}
	if tok := e.tokenAnswer(e.post("/oauth2/token", "", "", changed(form, "client_secret",
		"-"))); tok.status != http.StatusOK {
		t.Errorf("a public client with PKCE: %+v", tok)
	}
}

func codeBoundToClient(t *testing.T, e *fixture) {
	code := e.browser().code()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}}
	if tok := e.tokenAnswer(e.post("/oauth2/token", e.other, "other's secret",
		form)); tok.status != http.StatusBadRequest || tok.Error != "invalid_grant" {
		t.Errorf("another client: %+v", tok)
	}
	if tok := e.redeem(code); tok.status != http.StatusOK {
		t.Errorf("its own client afterwards: %+v", tok)
	}
}

func expiredCode(t *testing.T, e *fixture) {
	code := e.browser().code()
	e.clock.advance(61 * time.Second)
	if tok := e.redeem(code); tok.Error != "invalid_grant" {
		t.Errorf("answer: %+v", tok)
	}
}

func redirectURIMissing(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	if a := e.browser().authorize(e.request("redirect_uri", "-")); a.page() != "problem" ||
		a.shown().Kind != web.RedirectURI {
		t.Errorf("answer: %d %v", a.status, a.location)
	}
	code := e.browser().code()
	for _, wrong := range []string{"-", redirectURI + "?own=1"} {
		if tok := e.redeem(code, "redirect_uri", wrong); tok.Error != "invalid_grant" {
			t.Errorf("token request with redirect_uri %q: %+v", wrong, tok)
		}
	}
}

func longState(t *testing.T, e *fixture) {
	state := strings.Repeat("s", 380) + "&=#+"
	e.signIn.as(&e.alice)
	if a := e.browser().authorize(e.request("state", state)); a.param("state") != state || a.param("code") == "" {
		t.Errorf("answer: %v", a.location)
	}
	// A request that is too long for a cookie (aws-amplify/amplify-js#4998,
	// openiddict/openiddict-core#1301).
	state = strings.Repeat("s", 7000)
	b := e.browser()
	if a := b.authorize(e.request("state", state)); a.param("code") == "" || a.param("state") != state {
		t.Errorf("a state of 7000: %v", a.location)
	}
	b = e.browser()
	b.login()
	if a := b.authorize(e.request("state", state)); a.param("code") == "" || a.param("state") != state {
		t.Errorf("a state of 7000 with a session: %v", a.location)
	}
}

func nonceOf(length int) func(*testing.T, *fixture) {
	return func(t *testing.T, e *fixture) {
		nonce := strings.Repeat("n", length)
		if _, claims := e.idToken(e.browser().login("nonce", nonce).ID); claims["nonce"] != nonce {
			t.Errorf("nonce %v", claims["nonce"])
		}
	}
}

func withoutState(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	a := e.browser().authorize(e.request("state", "-"))
	if a.param("code") == "" || a.location.Query().Has("state") {
		t.Errorf("answer: %v", a.location)
	}
	if a = e.browser().authorize(e.request("state", "")); !a.location.Query().Has("state") {
		t.Errorf("an empty state did not come back: %v", a.location)
	}
}

func responseType(value string) func(*testing.T, *fixture) {
	return refused("unsupported_response_type", "response_type", value)
}

func rejects(t *testing.T, e *fixture) {
	// During sign-in, the page has a link back to the app.
	b := e.browser()
	if a := b.authorize(e.request()); !strings.Contains(a.body, "please sign in") {
		t.Fatalf("answer: %d %s", a.status, a.body)
	}
	a := b.follow(b.get(e.server.URL + e.signIn.lastLoginRequest().CancelURL))
	if a.param("error") != "access_denied" || a.param("state") != "the state" || a.param("iss") != e.issuer {
		t.Errorf("cancel at sign-in: %v", a.location)
	}
	// At our own question.
	b.login()
	page := b.authorize(e.request("prompt", "login")).shown()
	if a = b.follow(b.get(e.server.URL + page.Back)); a.param("error") != "access_denied" {
		t.Errorf("cancel at the question: %v", a.location)
	}
}

func bearerCase(t *testing.T, e *fixture) {
	tok := e.browser().login()
	for _, scheme := range []string{"Bearer", "bearer", "BEARER", "bEaReR"} {
		r, _ := http.NewRequest("GET", e.issuer+"/oauth2/userinfo", nil)
		r.Header.Set("Authorization", scheme+" "+tok.Access)
		if a := e.browser().do(r); a.status != http.StatusOK {
			t.Errorf("%s: %d", scheme, a.status)
		}
	}
}

// issInResponses is our half of the client-side modules: a client can only miss a wrong iss when
// every answer, errors too, carries the right one.
func issInResponses(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	b := e.browser()
	for _, q := range []url.Values{e.request(), e.request("prompt", "none"), e.request("scope", "profile"),
		e.request("response_type", "token"), e.request("redirect_uri", redirectURI+"?own=1")} {
		a := b.authorize(q)
		if a.location == nil || !slices.Equal(a.location.Query()["iss"], []string{e.issuer}) {
			t.Errorf("answer to %v: %v", q, a.location)
		}
	}
	if a := b.authorize(e.request("redirect_uri", redirectURI+"?own=1")); a.param("own") != "1" ||
		a.param("code") == "" {
		t.Errorf("the app's own query was not kept: %v", a.location)
	}
}
