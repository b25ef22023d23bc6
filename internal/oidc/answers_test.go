package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/web"
)

// TestAnswers is the list of cases that the conformance suite does not ask about.
func TestAnswers(t *testing.T) {
	t.Parallel()
	run(t, []module{
		{"unknown scopes", unknownScopes},
		{"standard scopes for which WeChat has no data", standardScopes},
		{"scopes that are not separated by spaces", otherSeparators},
		{"an unknown parameter twice", unknownParameterTwice},
		{"no openid scope", refused("invalid_scope", "scope", "profile email")},
		{"a parameter twice", parameterTwice},
		{"bad max_age", badMaxAge},
		{"code_challenge_method plain, or a challenge without a method", plainPKCE},
		{"token request by GET, or with the secret in the query", tokenByGet},
		{"wrong Content-Type at the token endpoint", wrongContentType},
		{"unknown client at any endpoint", unknownClient},
		{"user info: dead token / database down", userinfoDeadOrDown},
		{"introspection: database down", introspectionDown},
		{"someone else's authorize request completed in another browser", othersRequest},
		{"a code taken by a client that is not authenticated, or another client", codeTakenByOthers},
		{"an authenticated replay", authenticatedReplay},
	})
}

func unknownScopes(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid superuser profile openid offline_access")
	if tok.Scope != "openid profile offline_access" {
		t.Errorf("scope %q", tok.Scope)
	}
	// A client may repeat the scopes of its authorize request when it refreshes.
	if again := e.refresh(tok.Refresh, "scope", "openid superuser profile"); again.status != http.StatusOK {
		t.Errorf("refresh: %v", again)
	}
}

// Python's requests-oauthlib fails when it gets fewer scopes than it requested (oauthlib/oauthlib#562).
func standardScopes(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid email phone address profile")
	claims := e.claims(tok.Access)
	if tok.Scope != "openid email phone address profile" || claims["phone_number"] != nil || claims["address"] != nil {
		t.Errorf("scope %q, claims %v", tok.Scope, claims)
	}
}

// Other separators than spaces (postalserver/postal#3332): the error contains how it was understood.
func otherSeparators(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	for _, tt := range []struct{ name, value, code, want string }{
		{"scope", "openid,email", "invalid_scope",
			"scope must contain openid; it was understood as 'openid,email', since spaces separate scopes"},
		{"scope", "openid+email profile", "invalid_scope",
			"scope must contain openid; it was understood as 'openid+email', 'profile', since spaces separate scopes"},
		{"scope", "", "invalid_scope",
			"scope must contain openid; it was understood as nothing, since spaces separate scopes"},
		{"scope", "a\"b\\c小", "invalid_scope",
			"scope must contain openid; it was understood as 'a?b?c?', since spaces separate scopes"},
		{"prompt", "login,consent", "invalid_request",
			"prompt was understood as 'login,consent', since spaces separate its values"},
	} {
		a := e.browser().authorize(e.request(tt.name, tt.value))
		if a.param("error") != tt.code || a.param("error_description") != tt.want {
			t.Errorf("%s %q: %s %q", tt.name, tt.value, a.param("error"), a.param("error_description"))
		}
	}
}

// WeChat adds parameters to each link that a user shares, also to one that has them (bangbang93/lmbtfy.cn#2,
// modelcontextprotocol/typescript-sdk#1958).
func unknownParameterTwice(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	const shared = "&from=singlemessage&isappinstalled=0"
	a := e.browser()
	got := a.follow(a.get(e.issuer + "/oauth2/authorize?" + e.request("resource", "x").Encode() + "&resource=y" + shared +
		shared))
	if got.param("code") == "" {
		t.Fatalf("authorize: %d %v", got.status, got.location)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {got.param("code")}, "redirect_uri": {redirectURI},
		"from": {"a", "b"}, "resource": {"x", "y"}}
	if tok := e.tokenAnswer(e.post("/oauth2/token?from=a&from=b", e.app, secret, form)); tok.status != http.StatusOK {
		t.Errorf("token: %v", tok)
	}
}

func parameterTwice(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	b := e.browser()
	for name := range e.request("prompt", "none", "max_age", "1", "response_mode", "query", "weigate_cancel", "1") {
		q := e.request("prompt", "none", "max_age", "1", "response_mode", "query", "weigate_cancel", "1")
		q.Add(name, q.Get(name))
		a := b.get(e.issuer + "/oauth2/authorize?" + q.Encode())
		switch name {
		case "client_id", "redirect_uri":
			if a.page() != "problem" || a.status != http.StatusBadRequest || a.location != nil {
				t.Errorf("%s twice: %d %v", name, a.status, a.location)
			}
		default:
			if a.param("error") != "invalid_request" || a.param("error_description") != name+" is given twice" ||
				a.param("code") != "" {
				t.Errorf("%s twice: %d %v", name, a.status, a.location)
			}
		}
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {b.code()},
		"redirect_uri": {redirectURI, redirectURI}}
	if tok := e.tokenAnswer(e.post("/oauth2/token", e.app, secret, form)); tok.status != http.StatusBadRequest ||
		tok.Error != "invalid_request" {
		t.Errorf("token request: %+v", tok)
	}
}

func badMaxAge(t *testing.T, e *fixture) {
	for _, bad := range []string{"-1", "one", "1.5", "99999999999999999999", "0x10", " 1"} {
		a := e.browser().authorize(e.request("max_age", bad))
		if a.param("error") != "invalid_request" || strings.Contains(a.param("error_description"), "strconv") ||
			strings.Contains(a.param("error_description"), bad) {
			t.Errorf("max_age %q: %v", bad, a.location)
		}
	}
}

func tokenByGet(t *testing.T, e *fixture) {
	code := e.browser().code()
	q := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI},
		"client_id": {e.app}, "client_secret": {secret}}
	if a := e.browser().get(e.issuer + "/oauth2/token?" + q.Encode()); a.status != http.StatusMethodNotAllowed ||
		a.header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", a.status)
	}
	body := url.Values{"grant_type": q["grant_type"], "code": q["code"], "redirect_uri": q["redirect_uri"]}
	for _, address := range []string{"/oauth2/token?" + q.Encode(), "/oauth2/token?client_secret=" +
		url.QueryEscape(secret), "/oauth2/token?code=" + code} {
		if tok := e.tokenAnswer(e.post(address, e.app, secret, body)); tok.status != http.StatusBadRequest ||
			tok.Error != "invalid_request" {
			t.Errorf("the secret in the query: %+v", tok)
		}
	}
	if tok := e.redeem(code); tok.status != http.StatusOK {
		t.Errorf("the code was taken: %+v", tok)
	}
}

func wrongContentType(t *testing.T, e *fixture) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {e.browser().code()},
		"redirect_uri": {redirectURI}}
	for _, contentType := range []string{"application/json", "text/plain", "multipart/form-data; boundary=x", ""} {
		r, _ := http.NewRequest("POST", e.issuer+"/oauth2/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", contentType)
		r.SetBasicAuth(e.app, url.QueryEscape(secret))
		if tok := e.tokenAnswer(e.browser().do(r)); tok.status != http.StatusBadRequest ||
			tok.Error != "invalid_request" {
			t.Errorf("%q: %+v", contentType, tok)
		}
	}
	r, _ := http.NewRequest("POST", e.issuer+"/oauth2/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.SetBasicAuth(e.app, url.QueryEscape(secret))
	if tok := e.tokenAnswer(e.browser().do(r)); tok.status != http.StatusOK {
		t.Errorf("with a charset: %+v", tok)
	}
}

// unknownClient compares an unknown client with a wrong secret, at every endpoint where clients
// authenticate. Equal response times follow from how secrets are compared;
// TestUnknownClientCostsTheSameWork counts the comparisons. The authorize endpoint authenticates no
// client and shows a page.
func unknownClient(t *testing.T, e *fixture) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {redirectURI},
		"token": {"x"}}
	for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"} {
		unknown, wrong := e.post(path, "nobody", secret, form), e.post(path, e.app, "wrong", form)
		public := e.post(path, "", "", changed(form, "client_id", "nobody"))
		form.Del("client_id")
		none := e.post(path, "", "", form)
		for name, a := range map[string]answer{"unknown": unknown, "wrong secret": wrong, "unknown, no secret": public,
			"nothing": none} {
			if a.status != http.StatusUnauthorized || object(t, a.body)["error"] != "invalid_client" ||
				!strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s, %s: %d %s", path, name, a.status, a.body)
			}
			if a.body != unknown.body {
				t.Errorf("%s, %s: other words than for an unknown client", path, name)
			}
		}
	}
	e.signIn.as(&e.alice)
	if a := e.browser().authorize(e.request("client_id", "nobody")); a.page() != "problem" || a.location != nil ||
		a.shown().Kind != web.UnknownApp {
		t.Errorf("authorize: %d %v", a.status, a.location)
	}
}

func userinfoDeadOrDown(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid profile wechat")
	dead := func(name, token string) {
		t.Helper()
		a := e.userinfo(token)
		if a.status != http.StatusUnauthorized || object(t, a.body)["error"] != "invalid_token" ||
			!strings.Contains(a.header.Get("WWW-Authenticate"), `Bearer realm="weigate", error="invalid_token"`) {
			t.Errorf("%s: %d %s %s", name, a.status, a.header.Get("WWW-Authenticate"), a.body)
		}
	}
	dead("made up", "made-up")
	dead("empty", "")
	dead("an ID token", tok.ID)
	if a := e.browser().get(e.issuer + "/oauth2/userinfo"); a.status != http.StatusUnauthorized ||
		a.header.Get("WWW-Authenticate") != `Bearer realm="weigate"` || a.body != "" {
		t.Errorf("no token: %d %s %s", a.status, a.header.Get("WWW-Authenticate"), a.body)
	}
	if a := e.browser().get(e.issuer + "/oauth2/userinfo?access_token=" +
		tok.Access); a.status != http.StatusUnauthorized {
		t.Errorf("a token in the address is served: %d", a.status)
	}
	e.store.down.Store(true)
	if a := e.userinfo(tok.Access); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" ||
		a.header.Get("WWW-Authenticate") != "" ||
		object(t, a.body)["error"] != "temporarily_unavailable" || strings.Contains(a.body, "refused") {
		t.Errorf("database down: %d %s", a.status, a.body)
	}
	e.store.down.Store(false)
	e.clock.advance(5*time.Minute + time.Second)
	dead("expired", tok.Access)
}

func introspectionDown(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid offline_access")
	for _, token := range []string{tok.Access, tok.Refresh} {
		e.store.down.Store(true)
		a := e.post("/oauth2/introspect", e.app, secret, url.Values{"token": {token}})
		if a.status != http.StatusServiceUnavailable || strings.Contains(a.body, "active") {
			t.Errorf("database down: %d %s", a.status, a.body)
		}
		e.store.down.Store(false)
		if a = e.post("/oauth2/introspect", e.app, secret, url.Values{"token": {token}}); a.status != http.StatusOK ||
			object(t, a.body)["active"] != true {
			t.Errorf("database up again: %d %s", a.status, a.body)
		}
	}
}

// othersRequest: mallory starts a sign-in and makes bob's browser finish it, or the reverse. There
// is no shared state: the request is its address, and its result belongs to the browser that opens
// it.
func othersRequest(t *testing.T, e *fixture) {
	mallory := e.browser()
	if a := mallory.authorize(e.request("state", "mallory's", "prompt", "login")); a.location != nil {
		t.Fatalf("mallory is not at sign-in: %v", a.location)
	}
	loginRequest := e.signIn.lastLoginRequest()
	e.signIn.as(&e.bob)
	victim := e.browser()
	victim.authorize(e.request())
	e.clock.advance(time.Second)
	// bob's browser is made to open the return address of mallory's sign-in: his session was not
	// created for that login request, so he is asked.
	if a := victim.get(e.server.URL + loginRequest.ReturnURL); a.page() != "confirm" {
		t.Errorf("mallory's request in bob's browser: %d %v", a.status, a.location)
	}
	// mallory's browser got nothing from it.
	e.signIn.as(nil)
	if a := mallory.get(e.server.URL + loginRequest.ReturnURL); a.location != nil {
		t.Errorf("mallory's browser got an answer: %v", a.location)
	}
	// Without prompt=login bob's browser gets a code for bob and mallory's state, which the app,
	// where bob has no such state, refuses. mallory's app session never sees it, and the code is
	// nothing without the app's secret.
	plain := e.request("state", "mallory's")
	a := victim.authorize(plain)
	_, claims := e.idToken(e.redeem(a.param("code")).ID)
	if claims["sub"] != e.bob.ID {
		t.Errorf("the code names %v", claims["sub"])
	}
}

func codeTakenByOthers(t *testing.T, e *fixture) {
	code := e.browser().code()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}}
	for name, try := range map[string]func() answer{
		"a wrong secret": func() answer { return e.post("/oauth2/token", e.app, "wrong", form) },
		"no secret": func() answer {
			return e.post("/oauth2/token", "", "", changed(url.Values{"client_id": {e.app}}, flat(form)...))
		},
		"another client": func() answer { return e.post("/oauth2/token", e.other, "other's secret", form) },
		"a public client": func() answer {
			return e.post("/oauth2/token", "", "", changed(url.Values{"client_id": {e.spa},
				"code_verifier": {verifier}}, flat(form)...))
		},
		"an unknown client": func() answer { return e.post("/oauth2/token", "nobody", "x", form) },
	} {
		if a := try(); a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	tok := e.redeem(code)
	if tok.status != http.StatusOK {
		t.Fatalf("its own client afterwards: %+v", tok)
	}
	// And what the others try after the use revokes nothing.
	e.post("/oauth2/token", e.other, "other's secret", form)
	e.post("/oauth2/token", e.app, "wrong", form)
	if a := e.userinfo(tok.Access); a.status != http.StatusOK {
		t.Errorf("somebody else's replay killed the tokens: %d", a.status)
	}
}

func flat(form url.Values) []string {
	var out []string
	for name, values := range form {
		out = append(out, name, values[0])
	}
	return out
}

func authenticatedReplay(t *testing.T, e *fixture) {
	code := e.browser().code("scope", "openid offline_access")
	first := e.redeem(code)
	if a := e.userinfo(first.Access); a.status != http.StatusOK {
		t.Fatalf("the first use's token: %d", a.status)
	}
	if second := e.redeem(code); second.status != http.StatusBadRequest || second.Error != "invalid_grant" {
		t.Errorf("replay: %+v", second)
	}
	if a := e.userinfo(first.Access); a.status != http.StatusUnauthorized {
		t.Errorf("the access token lives: %d", a.status)
	}
	if again := e.refresh(first.Refresh); again.Error != "invalid_grant" {
		t.Errorf("the refresh token lives: %+v", again)
	}
	if got := e.events(oidc.EventCodeReplayed); len(got) != 1 || got[0].UserID != e.alice.ID || got[0].App != e.app {
		t.Errorf("events: %v", got)
	}
}
