package oidc_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/weigate/weigate/internal/keys"
)

// TestBasic is oidcc-basic-certification-test-plan: response_type code, client_secret_basic unless
// a module says otherwise.
func TestBasic(t *testing.T) {
	t.Parallel()
	run(t, []module{
		{"oidcc-server", server},
		{"oidcc-response-type-missing", responseTypeMissing},
		{"oidcc-idtoken-signature", idTokenSignature},
		{"oidcc-idtoken-unsigned", doesNotApply("no client can register alg none; what is signed is always signed")},
		{"oidcc-userinfo-get", userinfoGet},
		{"oidcc-userinfo-post-header", userinfoPostHeader},
		{"oidcc-userinfo-post-body", userinfoPostBody},
		{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", withoutNonce},
		{"oidcc-scope-profile", scope("openid profile", "name", "nickname", "preferred_username", "picture", "locale",
			"updated_at")},
		{"oidcc-scope-email", scope("openid email", "email", "email_verified")},
		{"oidcc-scope-address", scope("openid address")},
		{"oidcc-scope-phone", scope("openid phone")},
		{"oidcc-scope-all", scope("openid profile email address phone", "name", "email")},
		{"oidcc-alternate-happy-flow", otherOrder},
		{"oidcc-display-page", succeeds("display", "page")},
		{"oidcc-display-popup", succeeds("display", "popup")},
		{"oidcc-prompt-login", promptLogin},
		{"oidcc-prompt-none-not-logged-in", promptNoneNotLoggedIn},
		{"oidcc-prompt-none-logged-in", promptNoneLoggedIn},
		{"oidcc-max-age-1", maxAge1},
		{"oidcc-max-age-10000", maxAge10000},
		{"oidcc-ui-locales", succeeds("ui_locales", "se zh-CN")},
		{"oidcc-claims-locales", succeeds("claims_locales", "se zh-CN")},
		{"oidcc-login-hint", succeeds("login_hint", "bob@example.com")},
		{"oidcc-ensure-request-with-acr-values-succeeds", succeeds("acr_values", "1 2")},
		{"oidcc-ensure-request-with-unknown-parameter-succeeds", succeeds("extra", "foobar")},
		{"oidcc-id-token-hint", idTokenHint},
		{"oidcc-codereuse", codeReuse(0)},
		{"oidcc-codereuse-30seconds", codeReuse(30 * time.Second)},
		{"oidcc-ensure-registered-redirect-uri", registeredRedirectURI},
		{"oidcc-ensure-post-request-succeeds", postRequest},
		{"oidcc-server-client-secret-post", secretPost},
		{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
			refused("request_uri_not_supported", "request_uri", "https://app.example.com/request.jwt")},
		{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
			refused("request_not_supported", "request", "eyJhbGciOiJub25lIn0.e30.")},
		{"oidcc-ensure-request-object-with-redirect-uri", requestObjectRedirect},
		{"oidcc-claims-essential", succeeds("claims", `{"userinfo":{"name":{"essential":true}}}`)},
		{"oidcc-refresh-token", refreshToken},
		{"oidcc-ensure-request-with-valid-pkce-succeeds", validPKCE},
	})
}

func server(t *testing.T, e *fixture) {
	b := e.browser()
	e.signIn.as(&e.alice)
	a := b.authorize(e.request())
	code := a.param("code")
	raw, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || len(raw)*8 < 128 || a.status != http.StatusSeeOther {
		t.Fatalf("code %q: %d bits, status %d", code, len(raw)*8, a.status)
	}
	if a.param("state") != "the state" || a.param("iss") != e.issuer {
		t.Errorf("state %q, iss %q", a.param("state"), a.param("iss"))
	}
	if other := b.code(); other == code {
		t.Error("two requests got the same code")
	}
	tok := e.redeem(code)
	if tok.status != http.StatusOK || tok.Type != "Bearer" || tok.Expires != 300 || tok.Scope != "openid" ||
		tok.Refresh != "" {
		t.Fatalf("token answer: %+v", tok)
	}
	header, claims := e.idToken(tok.ID)
	if claims["sub"] != e.alice.ID || claims["aud"] != e.app || claims["nonce"] != "the nonce" ||
		claims["auth_time"] != float64(e.clock.now().Unix()) {
		t.Errorf("claims: %v", claims)
	}
	sum := sha256.Sum256([]byte(tok.Access))
	if claims["at_hash"] != base64.RawURLEncoding.EncodeToString(sum[:16]) {
		t.Errorf("at_hash %v", claims["at_hash"])
	}
	if claims["name"] != nil || claims["email"] != nil {
		t.Errorf("the ID token has claims that nobody asked for: %v", claims)
	}
	if header.KeyID == "" {
		t.Error("no kid")
	}
}

func responseTypeMissing(t *testing.T, e *fixture) {
	a := e.browser().authorize(e.request("response_type", "-"))
	if a.param("error") != "invalid_request" || a.param("state") != "the state" || a.param("code") != "" {
		t.Errorf("answer: %d %v", a.status, a.location)
	}
}

func idTokenSignature(t *testing.T, e *fixture) {
	tok := e.browser().login()
	header, _ := e.idToken(tok.ID)
	if want := e.clients[0].IDTokenAlg; header.Algorithm != want {
		t.Errorf("alg %s, want %s", header.Algorithm, want)
	}
	for _, k := range e.keySet().Keys {
		if !k.IsPublic() || !k.Valid() {
			t.Errorf("key %s: public %v, valid %v", k.KeyID, k.IsPublic(), k.Valid())
		}
	}
	// The default, which an app gets that says nothing, is RS256.
	plain := newFixture(t, newMemory(t), "")
	if header, _ := plain.idToken(plain.browser().login().ID); header.Algorithm != keys.RS256 {
		t.Errorf("default alg %s", header.Algorithm)
	}
}

func sameSubject(t *testing.T, e *fixture, tok tokens, a answer) {
	t.Helper()
	_, claims := e.idToken(tok.ID)
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") ||
		object(t, a.body)["sub"] != claims["sub"] {
		t.Errorf("userinfo: %d %s %s, want sub %v", a.status, a.header.Get("Content-Type"), a.body, claims["sub"])
	}
}

func userinfoGet(t *testing.T, e *fixture) {
	tok := e.browser().login()
	sameSubject(t, e, tok, e.userinfo(tok.Access))
}

func userinfoPostHeader(t *testing.T, e *fixture) {
	tok := e.browser().login()
	r, _ := http.NewRequest("POST", e.issuer+"/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+tok.Access)
	sameSubject(t, e, tok, e.browser().do(r))
}

func userinfoPostBody(t *testing.T, e *fixture) {
	tok := e.browser().login()
	sameSubject(t, e, tok, e.post("/oauth2/userinfo", "", "", url.Values{"access_token": {tok.Access}}))
}

func withoutNonce(t *testing.T, e *fixture) {
	_, claims := e.idToken(e.browser().login("nonce", "-").ID)
	if _, there := claims["nonce"]; there {
		t.Error("the ID token has a nonce that nobody sent")
	}
}

// scope asks for scopes and wants the claims at userinfo, and none that were not asked for.
func scope(scopes string, want ...string) func(*testing.T, *fixture) {
	return func(t *testing.T, e *fixture) {
		claims := e.claims(e.browser().login("scope", scopes).Access)
		for _, name := range want {
			if claims[name] == nil {
				t.Errorf("no %s in %v", name, claims)
			}
		}
		if len(want) == 0 && len(claims) != 1 {
			t.Errorf("claims %v, want sub only", claims)
		}
		if claims["email"] != nil && claims["email"] != e.alice.ID+"@people.example.com" {
			t.Errorf("email %v", claims["email"])
		}
	}
}

func otherOrder(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	q := e.request("scope", "profile openid")
	parts := strings.Split(q.Encode(), "&")
	slices.Reverse(parts)
	b := e.browser()
	a := b.follow(b.get(e.issuer + "/oauth2/authorize?" + strings.Join(parts, "&")))
	if tok := e.redeem(a.param("code")); tok.status != http.StatusOK || tok.Scope != "profile openid" {
		t.Errorf("answer: %+v", tok)
	}
}

// succeeds sends a parameter that must not matter.
func succeeds(name, value string) func(*testing.T, *fixture) {
	return func(t *testing.T, e *fixture) {
		b := e.browser()
		if tok := b.login(name, value); tok.status != http.StatusOK {
			t.Errorf("%s: %+v", name, tok)
		}
		if tok := b.login(name, value); tok.status != http.StatusOK { // with a session already
			t.Errorf("%s: %+v", name, tok)
		}
	}
}

// refused sends a parameter that must be refused with an error to the app.
func refused(code, name, value string) func(*testing.T, *fixture) {
	return func(t *testing.T, e *fixture) {
		e.signIn.as(&e.alice)
		a := e.browser().authorize(e.request(name, value))
		if a.param("error") != code || a.param("state") != "the state" || a.param("iss") != e.issuer ||
			a.param("code") != "" {
			t.Errorf("answer: %d %v, want %s", a.status, a.location, code)
		}
	}
}

func promptLogin(t *testing.T, e *fixture) {
	b := e.browser()
	_, first := e.idToken(b.login().ID)
	e.clock.advance(2 * time.Second)
	a := b.authorize(e.request("prompt", "login", "state", "second"))
	if a.page() != "confirm" {
		t.Fatalf("prompt=login did not ask: %d %v", a.status, a.location)
	}
	page := a.shown()
	a = b.follow(b.get(e.server.URL + page.Go))
	d := e.signIn.lastLoginRequest()
	if !d.Reauthenticate || !d.Consent || d.App.ID != e.app {
		t.Errorf("login request: %+v", d)
	}
	_, second := e.idToken(e.redeem(a.param("code")).ID)
	if a.param("state") != "second" || second["auth_time"].(float64) <= first["auth_time"].(float64) {
		t.Errorf("auth_time %v, then %v", first["auth_time"], second["auth_time"])
	}
	// A second request of the same app asks the user again.
	if a := b.authorize(e.request("prompt", "login", "state", "second")); a.page() != "confirm" {
		t.Errorf("the next prompt=login did not ask: %d %v", a.status, a.location)
	}
}

func promptNoneNotLoggedIn(t *testing.T, e *fixture) {
	a := e.browser().authorize(e.request("prompt", "none"))
	if a.param("error") != "login_required" || a.param("state") != "the state" || a.page() != "" ||
		e.signIn.count() != 0 {
		t.Errorf("answer: %d %v", a.status, a.location)
	}
}

func promptNoneLoggedIn(t *testing.T, e *fixture) {
	b := e.browser()
	_, first := e.idToken(b.login().ID)
	e.clock.advance(time.Minute)
	n := e.signIn.count()
	_, second := e.idToken(b.login("prompt", "none").ID)
	if first["sub"] != second["sub"] || first["auth_time"] != second["auth_time"] || e.signIn.count() != n {
		t.Errorf("first %v, second %v", first, second)
	}
	if a := b.authorize(e.request("prompt", "none", "max_age", "30")); a.param("error") != "login_required" ||
		e.signIn.count() != n {
		t.Errorf("a sign-in older than max_age: %v", a.location)
	}
}

func maxAge1(t *testing.T, e *fixture) {
	b := e.browser()
	_, first := e.idToken(b.login().ID)
	e.clock.advance(2 * time.Second)
	_, second := e.idToken(b.login("max_age", "1").ID)
	if e.signIn.count() != 2 || !e.signIn.lastLoginRequest().Reauthenticate ||
		second["auth_time"].(float64) < first["auth_time"].(float64)+2 {
		t.Errorf("%d sign-ins; auth_time %v, then %v", e.signIn.count(), first["auth_time"], second["auth_time"])
	}
}

func maxAge10000(t *testing.T, e *fixture) {
	b := e.browser()
	_, first := e.idToken(b.login("max_age", "10000").ID)
	e.clock.advance(time.Second)
	_, second := e.idToken(b.login("max_age", "10000").ID)
	if e.signIn.count() != 1 || first["auth_time"] == nil || first["auth_time"] != second["auth_time"] {
		t.Errorf("%d sign-ins; auth_time %v, then %v", e.signIn.count(), first["auth_time"], second["auth_time"])
	}
}

func codeReuse(after time.Duration) func(*testing.T, *fixture) {
	return func(t *testing.T, e *fixture) {
		code := e.browser().code()
		first := e.redeem(code)
		e.clock.advance(after)
		if second := e.redeem(code); second.status != http.StatusBadRequest || second.Error != "invalid_grant" {
			t.Errorf("second use: %+v", second)
		}
		if a := e.userinfo(first.Access); a.status != http.StatusUnauthorized {
			t.Errorf("the first use's token lives: %d", a.status)
		}
	}
}

func registeredRedirectURI(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	for _, uri := range []string{"https://evil.example.com/", redirectURI + "/", redirectURI + "?x=1",
		"https://app.example.com/callbac%6b", "", "-"} {
		a := e.browser().authorize(e.request("redirect_uri", uri))
		if a.page() != "problem" || a.status != http.StatusBadRequest || a.location != nil {
			t.Errorf("redirect_uri %q: %d %v", uri, a.status, a.location)
		}
	}
}

func postRequest(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	b := e.browser()
	a := b.post(e.issuer+"/oauth2/authorize", e.request())
	if a.status != http.StatusSeeOther {
		t.Fatalf("POST answered %d, want 303 to the same by GET", a.status)
	}
	if a = b.follow(a); a.param("code") == "" || a.param("state") != "the state" {
		t.Errorf("answer: %d %v", a.status, a.location)
	}
	r, _ := http.NewRequest("POST", e.issuer+"/oauth2/authorize", strings.NewReader(`{"client_id":"x"}`))
	r.Header.Set("Content-Type", "application/json")
	if a = b.do(r); a.page() != "problem" || a.status != http.StatusBadRequest {
		t.Errorf("JSON at authorize: %d", a.status)
	}
}

func secretPost(t *testing.T, e *fixture) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {e.browser().code()},
		"redirect_uri": {redirectURI}, "client_id": {e.app}, "client_secret": {secret}}
	if tok := e.tokenAnswer(e.post("/oauth2/token", "", "", form)); tok.status != http.StatusOK || tok.ID == "" {
		t.Errorf("answer: %+v", tok)
	}
}

func requestObjectRedirect(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: bytes.Repeat([]byte("k"), 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(`{"redirect_uri":"` + redirectURI + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	object, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	a := e.browser().authorize(e.request("redirect_uri", "https://evil.example.com/", "request", object))
	if a.page() != "problem" || a.location != nil {
		t.Errorf("answer: %d %v", a.status, a.location)
	}
}

func refreshToken(t *testing.T, e *fixture) {
	first := e.browser().login("scope", "openid offline_access profile")
	if first.Refresh == "" || first.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("answer: %+v", first)
	}
	e.clock.advance(time.Minute)
	second := e.refresh(first.Refresh)
	if second.status != http.StatusOK || second.Refresh == first.Refresh || second.Access == first.Access ||
		second.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("answer: %+v", second)
	}
	_, a := e.idToken(first.ID)
	_, b := e.idToken(second.ID)
	for _, name := range []string{"iss", "sub", "aud", "auth_time"} {
		if a[name] != b[name] {
			t.Errorf("%s was %v, is %v", name, a[name], b[name])
		}
	}
	if b["iat"].(float64) <= a["iat"].(float64) {
		t.Error("the new ID token is not new")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {second.Refresh}}
	if stolen := e.tokenAnswer(e.post("/oauth2/token", e.other, "other's secret",
		form)); stolen.Error != "invalid_grant" {
		t.Errorf("another client: %+v", stolen)
	}
	if third := e.refresh(second.Refresh); third.status != http.StatusOK ||
		e.userinfo(third.Access).status != http.StatusOK {
		t.Errorf("after another client's attempt: %+v", third)
	}
}

func validPKCE(t *testing.T, e *fixture) {
	code := e.browser().code("code_challenge", challenge, "code_challenge_method", "S256")
	if tok := e.redeem(code, "code_verifier", verifier); tok.status != http.StatusOK {
		t.Errorf("answer: %+v", tok)
	}
}
