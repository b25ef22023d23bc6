package relyingparty_test

import (
	"crypto/rand"
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

// laravel is Provider of src/OpenIDConnect in SocialiteProviders/Providers, on AbstractProvider of
// laravel/socialite, version 5.
func laravel(a *clientApp) capturedClient {
	set := a.settings("'openidconnect' =>", `'(\w+)' => '([^']*)'`)
	c := capturedClient{redirectURI: set["redirect"], state: rand.Text() + rand.Text()[:14], nonce: rand.Text() + "n",
		verifier: oauth2.GenerateVerifier(), accept: "application/json"}
	if set["base_url"] != a.f.front.url || set["client_id"] != a.id {
		a.t.Fatalf("the settings are %v", set)
	}
	c.authorize = encoded("+", "client_id", a.id, "redirect_uri", c.redirectURI, "scope", set["scopes"], "response_type",
		"code", "state", c.state, "code_challenge", oauth2.S256ChallengeFromVerifier(c.verifier), "code_challenge_method",
		"S256", "nonce", c.nonce)
	c.token = func(code string) (string, http.Header) {
		return encoded("+", "grant_type", "authorization_code", "code", code, "redirect_uri", c.redirectURI,
			"code_verifier", c.verifier), form("Accept", "application/json", "Authorization", basic(a))
	}
	c.signOut = func(idToken string) string {
		return encoded("+", "id_token_hint", idToken, "client_id", a.id, "post_logout_redirect_uri",
			set["post_logout_redirect_uri"], "state", c.state)
	}
	return c
}

// wordPress is OpenID_Connect_Generic_Client and OpenID_Connect_Generic_Client_Wrapper of
// oidc-wp/openid-connect-generic, version 3.10. It uses neither PKCE nor a nonce.
func wordPress(a *clientApp) capturedClient {
	set := a.settings("OIDC_CLIENT_ID", `'(OIDC_\w+)', '([^']*)'`)
	c := capturedClient{redirectURI: a.front.url + "/wp-admin/admin-ajax.php?action=openid-connect-authorize",
		state: strings.ToLower(rand.Text() + rand.Text()[:6])}
	if set["OIDC_CLIENT_ID"] != a.id || set["OIDC_ENDPOINT_LOGIN_URL"] != a.f.front.url+"/oauth2/authorize" ||
		set["OIDC_ENDPOINT_TOKEN_URL"] != a.f.front.url+"/oauth2/token" ||
		set["OIDC_ENDPOINT_USERINFO_URL"] != a.f.front.url+"/oauth2/userinfo" ||
		set["OIDC_ENDPOINT_LOGOUT_URL"] != a.f.front.url+"/oauth2/logout" {
		a.t.Fatalf("the settings are %v", set)
	}
	c.authorize = encoded("%20", "response_type", "code", "scope", set["OIDC_CLIENT_SCOPE"], "client_id", a.id, "state",
		c.state, "redirect_uri", c.redirectURI)
	c.token = func(code string) (string, http.Header) {
		return encoded("+", "code", code, "client_id", a.id, "client_secret", clientSecret, "redirect_uri", c.redirectURI,
			"grant_type", "authorization_code", "scope", set["OIDC_CLIENT_SCOPE"]), form()
	}
	c.signOut = func(idToken string) string {
		return encoded("+", "id_token_hint", idToken, "post_logout_redirect_uri",
			a.front.url+"/") // the filter logout_redirect of the page
	}
	return c
}
