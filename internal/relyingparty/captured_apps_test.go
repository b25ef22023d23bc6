package relyingparty_test

import (
	"net/http"
	"regexp"
	"strings"

	"golang.org/x/oauth2"
)

// mozillaDjango is OIDCAuthenticationRequestView and OIDCAuthenticationBackend of
// mozilla/mozilla-django-oidc, version 5.
func mozillaDjango(a *clientApp) capturedClient {
	const block = "OIDC_RP_CLIENT_ID"
	set := a.settings(block, `(OIDC_\w+) = "([^"]*)"`)
	c := capturedClient{redirectURI: a.front.url + "/oidc/callback/", state: strings.Repeat("S4", 16),
		nonce: strings.Repeat("N7", 16), verifier: oauth2.GenerateVerifier(), accept: "*/*"}
	if set["OIDC_RP_CLIENT_ID"] != a.id || set["OIDC_RP_SIGN_ALGO"] != a.alg ||
		!strings.Contains(a.block(block), "OIDC_USE_PKCE = True") ||
		set["OIDC_OP_JWKS_ENDPOINT"] != a.f.front.url+"/oauth2/jwks" ||
		set["OIDC_OP_AUTHORIZATION_ENDPOINT"] != a.f.front.url+"/oauth2/authorize" ||
		set["OIDC_OP_TOKEN_ENDPOINT"] != a.f.front.url+"/oauth2/token" ||
		set["OIDC_OP_USER_ENDPOINT"] != a.f.front.url+"/oauth2/userinfo" {
		a.t.Fatalf("the settings are %v", set)
	}
	c.authorize = encoded("+", "response_type", "code", "scope", set["OIDC_RP_SCOPES"], "client_id", a.id, "redirect_uri",
		c.redirectURI, "state", c.state, "nonce", c.nonce, "code_challenge", oauth2.S256ChallengeFromVerifier(c.verifier),
		"code_challenge_method", "S256")
	c.token = func(code string) (string, http.Header) {
		return encoded("+", "client_id", a.id, "client_secret", clientSecret, "grant_type", "authorization_code", "code",
			code, "redirect_uri", c.redirectURI, "code_verifier", c.verifier), form("Accept", "*/*")
	}
	back := regexp.MustCompile(`"post_logout_redirect_uri": "([^"]*)"`).FindStringSubmatch(a.block("WeigateBackend(OIDC"))
	c.signOut = func(idToken string) string {
		return encoded("+", "id_token_hint", idToken, "post_logout_redirect_uri", back[1])
	}
	return c
}
