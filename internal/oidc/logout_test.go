package oidc_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/oidc"
)

// TestLogout is oidcc-rp-initiated-logout-certification-test-plan, and what of the back-channel
// plan there is to say.
func TestLogout(t *testing.T) {
	t.Parallel()
	run(t, []module{
		{"oidcc-rp-initiated-logout-discovery-endpoint-verification", logoutDiscovery},
		{"oidcc-rp-initiated-logout", logout},
		{"oidcc-rp-initiated-logout-no-state", logoutNoState},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
			logoutWithoutRedirect("post_logout_redirect_uri", "https://evil.example.com/")},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
			logoutWithoutRedirect("post_logout_redirect_uri", signedOut+"?foo=bar")},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", logoutModifiedHint},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", logoutForeignHint},
		{"oidcc-rp-initiated-logout-no-id-token-hint", logoutNoHint},
		{"oidcc-rp-initiated-logout-no-params", logoutAsks()},
		{"oidcc-rp-initiated-logout-only-state", logoutAsks("state", "x")},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", logoutNoAddress},
		{"oidcc-backchannel-logout-discovery-endpoint-verification", backchannelDiscovery},
		{"oidcc-backchannel-rp-initiated-logout", backchannelRPInitiatedLogout},
	})
}

func (b *browser) logout(pairs ...string) answer {
	b.e.t.Helper()
	return b.follow(b.get(b.e.issuer + "/oauth2/logout?" + changed(url.Values{}, pairs...).Encode()))
}

// silent reports whether prompt=none succeeds: whether a user is signed in.
func (b *browser) silent() bool {
	b.e.t.Helper()
	return b.authorize(b.e.request("prompt", "none")).param("code") != ""
}

func logoutDiscovery(t *testing.T, e *fixture) {
	doc := object(t, e.browser().get(e.issuer+"/.well-known/openid-configuration").body)
	if doc["end_session_endpoint"] != e.issuer+"/oauth2/logout" {
		t.Errorf("end_session_endpoint %v", doc["end_session_endpoint"])
	}
}

func backchannelDiscovery(t *testing.T, e *fixture) {
	doc := object(t, e.browser().get(e.issuer+"/.well-known/openid-configuration").body)
	if doc["backchannel_logout_supported"] != true || doc["backchannel_logout_session_supported"] != true {
		t.Errorf("the document does not announce back-channel logout: %v", doc)
	}
}

func logout(t *testing.T, e *fixture) {
	b := e.browser()
	tok := b.login()
	a := b.logout("id_token_hint", tok.ID, "post_logout_redirect_uri", signedOut, "state", "s&t")
	if a.status != http.StatusSeeOther || a.location.String() != signedOut+"?state=s%26t" {
		t.Fatalf("answer: %d %v", a.status, a.location)
	}
	if b.silent() {
		t.Error("still signed in")
	}
	if a := e.userinfo(tok.Access); a.status != http.StatusUnauthorized {
		t.Errorf("the app's token outlives the sign-out: %d", a.status)
	}
	if got := e.events(oidc.EventAppSignOut); len(got) != 1 || got[0].UserID != e.alice.ID {
		t.Errorf("events: %v", got)
	}
	// Once more, with nobody signed in: nothing to ask.
	if a = b.logout("id_token_hint", tok.ID, "post_logout_redirect_uri", signedOut); a.location == nil ||
		a.location.String() != signedOut {
		t.Errorf("the second time: %d %v", a.status, a.location)
	}
}

func logoutNoState(t *testing.T, e *fixture) {
	b := e.browser()
	tok := b.login()
	if a := b.logout("id_token_hint", tok.ID, "client_id", e.app, "post_logout_redirect_uri",
		signedOut); a.location == nil || a.location.String() != signedOut || b.silent() {
		t.Errorf("answer: %d %v", a.status, a.location)
	}
}

// logoutWithoutRedirect sends a parameter that is not valid. The user has pressed "sign out" in the
// app, and must not stay signed in (grafana/grafana#24643, Kopano-dev/konnect#31). The browser
// continues nowhere.
func logoutWithoutRedirect(name, value string) func(*testing.T, *fixture) {
	return func(t *testing.T, e *fixture) {
		b := e.browser()
		tok := b.login()
		a := b.logout("id_token_hint", tok.ID, "post_logout_redirect_uri", signedOut, "state", "x", name, value)
		if a.page() != "sign-out" || a.location != nil || !b.silent() {
			t.Fatalf("answer: %d %s %v", a.status, a.page(), a.location)
		}
		a = b.confirm(a)
		page := a.shown()
		if a.page() != "signed-out" || a.location != nil || page.Go != "" || page.Refresh != "" || b.silent() {
			t.Errorf("after the confirmation: %d %s %v, signed in: %t", a.status, a.page(), page, b.silent())
		}
	}
}

func logoutModifiedHint(t *testing.T, e *fixture) {
	b := e.browser()
	parts := strings.Split(b.login().ID, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	logoutWithoutRedirect("id_token_hint", none)(t, e)
}

func logoutForeignHint(t *testing.T, e *fixture) {
	// Another provider whose keys are its own.
	stranger := newFixture(t, newMemory(t), e.clients[0].IDTokenAlg, withOwnKeys)
	foreign := stranger.browser().login().ID
	logoutWithoutRedirect("id_token_hint", foreign)(t, e)
}

func logoutNoHint(t *testing.T, e *fixture) {
	b := e.browser()
	b.login()
	a := b.logout("post_logout_redirect_uri", signedOut, "state", "x")
	if a.page() != "sign-out" || a.location != nil || !b.silent() {
		t.Fatalf("answer: %d %s %v", a.status, a.page(), a.location)
	}
	// The address is not verified, so the page has no link to it.
	a = b.confirm(a)
	if a.page() != "signed-out" || a.shown().Go != "" || b.silent() {
		t.Errorf("after the confirmation: %d %s", a.status, a.page())
	}
}

// confirm presses the button of the sign-out page.
func (b *browser) confirm(a answer) answer {
	b.e.t.Helper()
	page := a.shown()
	form := url.Values{}
	for name, value := range page.Fields {
		form.Set(name, value)
	}
	return b.post(b.e.server.URL+page.Action, form)
}

func logoutAsks(pairs ...string) func(*testing.T, *fixture) {
	return func(t *testing.T, e *fixture) {
		b := e.browser()
		b.login()
		a := b.logout(pairs...)
		if a.page() != "sign-out" || !b.silent() {
			t.Fatalf("answer: %d %s; a link alone must not sign anybody out", a.status, a.page())
		}
		if a = b.confirm(a); a.page() != "signed-out" || b.silent() {
			t.Errorf("after the confirmation: %d %s", a.status, a.page())
		}
	}
}

func logoutNoAddress(t *testing.T, e *fixture) {
	b := e.browser()
	tok := b.login()
	if a := b.logout("id_token_hint", tok.ID); a.page() != "signed-out" || b.silent() {
		t.Errorf("answer: %d %s %v", a.status, a.page(), a.location)
	}
}

func TestLogoutOfAnotherUserAsks(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	hint := e.browser().login().ID // alice's
	b := e.browser()
	e.signIn.as(&e.bob)
	b.authorize(e.request())
	a := b.logout("id_token_hint", hint, "post_logout_redirect_uri", signedOut)
	if a.page() != "sign-out" || a.location != nil || !b.silent() {
		t.Fatalf("answer: %d %s", a.status, a.page())
	}
	// The app vouched for the address, so it becomes a link on the page; a redirect would be
	// stopped by form-action.
	a = b.confirm(a)
	if a.page() != "signed-out" || a.location != nil || a.shown().Go != signedOut || b.silent() {
		t.Errorf("after the confirmation: %d %s", a.status, a.page())
	}
}

func TestSignOutWithoutAHintIsNoRedirector(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	a := e.browser().logout("client_id", e.app, "post_logout_redirect_uri", signedOut, "state", "x")
	if page := a.shown(); a.location != nil || page.Go != signedOut+"?state=x" || !strings.Contains(page.Text, "App") {
		t.Errorf("nobody signed in: %d %v %+v", a.status, a.location, page)
	}
	b := e.browser()
	b.login()
	if a = b.logout("client_id", e.app, "post_logout_redirect_uri", signedOut); a.page() != "sign-out" ||
		!strings.Contains(a.shown().Text, "App") {
		t.Fatalf("answer: %d %s", a.status, a.page())
	}
	if a = b.confirm(a); a.location != nil || a.shown().Go != signedOut || b.silent() {
		t.Errorf("after the confirmation: %d %s", a.status, a.page())
	}
}

func TestSignOutForgedByAnotherSite(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	b := e.browser()
	b.login()
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"} {
		r, _ := http.NewRequest("POST", e.issuer+"/oauth2/logout/confirm", nil)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		if a := b.do(r); a.status != http.StatusForbidden || !b.silent() {
			t.Errorf("%s: %s: %d", name, value, a.status)
		}
	}
	// A POST from an app's site is the same request as by GET: without a hint it asks.
	if a := b.follow(b.post(e.issuer+"/oauth2/logout", url.Values{"client_id": {e.app},
		"state": {"x"}})); a.page() != "sign-out" || !b.silent() {
		t.Errorf("POST: %d %s", a.status, a.page())
	}
}

func TestSignOutParametersThatContradict(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	b := e.browser()
	hint := b.login().ID
	for name, query := range map[string]string{
		"a parameter twice":     "state=a&state=b",
		"the wrong way encoded": "state=%zz",
	} {
		if a := b.get(e.issuer + "/oauth2/logout?" + query); a.page() != "problem" ||
			a.status != http.StatusBadRequest || !b.silent() {
			t.Errorf("%s: %d %s", name, a.status, a.page())
		}
	}
	if a := b.get(e.issuer + "/oauth2/logout?state=" + strings.Repeat("a", 9000)); a.page() != "problem" ||
		a.status != http.StatusRequestURITooLong || !b.silent() {
		t.Errorf("a very long parameter: %d %s", a.status, a.page())
	}
	for name, query := range map[string]url.Values{
		"another app's hint":     {"client_id": {e.other}, "id_token_hint": {hint}},
		"an unknown app":         {"client_id": {"nobody"}, "post_logout_redirect_uri": {signedOut}},
		"another app's address":  {"client_id": {e.other}, "post_logout_redirect_uri": {signedOut}},
		"a hint that is nothing": {"client_id": {e.app}, "id_token_hint": {"x"}, "post_logout_redirect_uri": {signedOut}},
		"an unknown parameter":   {"from": {"singlemessage", "singlemessage"}},
	} {
		a := b.get(e.issuer + "/oauth2/logout?" + query.Encode())
		if a.page() != "sign-out" || a.shown().Fields["post_logout_redirect_uri"] != "" || !b.silent() {
			t.Errorf("%s: %d %s", name, a.status, a.page())
		}
	}
}

// The user presses the button again when the store is available. No token of the app may remain
// valid then.
func TestStoreThatFailsDuringSignOutLeavesNoTokenBehind(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	b := e.browser()
	tok := b.login("scope", "openid offline_access")
	page := b.logout("client_id", e.app).shown()
	form := url.Values{}
	for name, value := range page.Fields {
		form.Set(name, value)
	}
	e.store.down.Store(true)
	if a := b.post(e.server.URL+page.Action, form); a.status != http.StatusServiceUnavailable {
		t.Errorf("without a store: %d %s", a.status, a.page())
	}
	e.store.down.Store(false)
	if a := b.post(e.server.URL+page.Action, form); a.page() != "signed-out" {
		t.Errorf("the second try: %d %s", a.status, a.page())
	}
	if a := e.userinfo(tok.Access); a.status != http.StatusUnauthorized {
		t.Errorf("the access token lives: %d", a.status)
	}
	if again := e.refresh(tok.Refresh); again.Error != "invalid_grant" {
		t.Errorf("the refresh token lives: %v", again)
	}
}
