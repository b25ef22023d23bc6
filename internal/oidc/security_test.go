package oidc_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/route"
)

func TestTwoSecretsAreGoodDuringARollOver(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	for _, s := range []string{secret, "the next secret"} {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {e.browser().code()},
			"redirect_uri": {redirectURI}}
		if tok := e.tokenAnswer(e.post("/oauth2/token", e.app, s, form)); tok.status != http.StatusOK {
			t.Errorf("secret: %v", tok)
		}
	}
}

func TestSecretIsGoodHoweverTheClientEncodesIt(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	form := url.Values{"token": {"x"}}
	for name, auth := range map[string][2]string{"form-encoded": {url.QueryEscape(e.app), url.QueryEscape(secret)},
		"as it is": {e.app, secret}} {
		r, _ := http.NewRequest("POST", e.issuer+"/oauth2/introspect", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(auth[0], auth[1])
		if a := e.browser().do(r); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestClientThatAuthenticatesInAnUnknownWay(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	tests := []struct {
		name, header string
		form         url.Values
		status       int
	}{
		// oidc-wp/openid-connect-generic#442, zitadel/oidc#830: the same secret in both ways
		{"in two ways alike", basic(e.app, secret), url.Values{"client_id": {e.app}, "client_secret": {secret}}, 200},
		{"in two ways alike, header as it is", "Basic " + base64.StdEncoding.EncodeToString([]byte(e.app+":"+secret)),
			url.Values{"client_secret": {secret}}, 200},
		{"in the form, id in the header", basic(e.app, ""), url.Values{"client_secret": {secret}}, 200},
		{"with two secrets", basic(e.app, secret), url.Values{"client_secret": {"the next secret"}}, 400},
		{"with two secrets, both wrong", basic(e.app, "x"), url.Values{"client_secret": {"y"}}, 400},
		{"with a wrong secret in both ways", basic(e.app, "x"), url.Values{"client_secret": {"x"}}, 401},
		{"as two clients", basic(e.app, secret), url.Values{"client_id": {e.other}}, 400},
		{"named twice alike", basic(e.app, secret), url.Values{"client_id": {e.app}}, 200},
		{"by assertion", "", url.Values{"client_assertion": {"x"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}, 401},
		{"by bearer token", "Bearer x", nil, 401},
		{"basic that is none", "Basic !!", nil, 401},
		{"without its secret", "", url.Values{"client_id": {e.app}}, 401},
		{"with an empty secret", basic(e.app, ""), nil, 401},
	}
	for _, tt := range tests {
		r, _ := http.NewRequest("POST", e.issuer+"/oauth2/introspect",
			strings.NewReader(changed(url.Values{"token": {"x"}}, flat(tt.form)...).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if tt.header != "" {
			r.Header.Set("Authorization", tt.header)
		}
		if a := e.browser().do(r); a.status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.name, a.status, a.body, tt.status)
		}
	}
}

func basic(id, secret string) string {
	r := httptest.NewRequest("POST", "/", nil)
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return r.Header.Get("Authorization")
}

// from sets the client address of a request.
func from(_ *fixture, cfg *oidc.Config) {
	cfg.Address = func(r *http.Request) netip.Addr {
		a, _ := netip.ParseAddr(r.Header.Get("Test-From"))
		return a
	}
}

func TestGuessingAtASecretIsSlowedDown(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", from)
	ask := func(from, id, secret string) int {
		t.Helper()
		r, _ := http.NewRequest("POST", e.issuer+"/oauth2/introspect", strings.NewReader("token=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Test-From", from)
		r.Header.Set("Authorization", basic(id, secret))
		return e.browser().do(r).status
	}
	for range 50 { // success is never counted
		if got := ask("192.0.2.1", e.app, secret); got != http.StatusOK {
			t.Fatalf("a busy app: %d", got)
		}
	}
	for range 20 {
		if got := ask("192.0.2.2", e.app, "wrong"); got != http.StatusUnauthorized {
			t.Fatalf("a wrong secret: %d", got)
		}
	}
	for _, s := range []string{"wrong", secret} { // the answer does not tell whether the guess was right
		if got := ask("192.0.2.2", e.app, s); got != http.StatusTooManyRequests {
			t.Errorf("the guesser: %d", got)
		}
	}
	if got := ask("192.0.2.1", e.app, secret); got != http.StatusOK {
		t.Errorf("the app itself is locked out: %d", got)
	}
	if got := ask("192.0.2.2", e.other, "other's secret"); got != http.StatusOK {
		t.Errorf("another app at the guesser's address is locked out: %d", got)
	}
	e.clock.advance(3 * time.Second)
	if got := ask("192.0.2.2", e.app, secret); got != http.StatusOK {
		t.Errorf("a while later: %d", got)
	}
	for i := range 20 { // one customer has a whole /64
		ask(fmt.Sprintf("2001:db8::%x", i+1), e.app, "wrong")
	}
	if got := ask("2001:db8::ffff", e.app, "wrong"); got != http.StatusTooManyRequests {
		t.Errorf("another address of the guesser's network: %d", got)
	}
	if got := ask("2001:db8:0:1::1", e.app, "wrong"); got != http.StatusUnauthorized {
		t.Errorf("another network: %d", got)
	}
}

// Behind a proxy on the same machine that is not among trusted_proxies, all visitors and all apps
// have the proxy's address.
func TestGuesserBehindAnUnnamedProxyDoesNotLockTheAppOut(t *testing.T) {
	t.Parallel()
	for _, proxy := range []string{"127.0.0.1", "::1"} {
		e := newFixture(t, newMemory(t), "", func(_ *fixture, cfg *oidc.Config) {
			cfg.Address = func(*http.Request) netip.Addr { return netip.MustParseAddr(proxy) }
		})
		for range 30 {
			e.post("/oauth2/introspect", e.app, "wrong", url.Values{"token": {"x"}})
		}
		if a := e.post("/oauth2/introspect", e.app, secret, url.Values{"token": {"x"}}); a.status != http.StatusOK {
			t.Errorf("%s: the app itself: %d %s", proxy, a.status, a.body)
		}
	}
}

func TestRefusedRedirectsNeverLeave(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	e.signIn.as(&e.alice)
	for _, uri := range []string{"//evil.example.com", `\\evil.example.com`, "https:evil.example.com",
		"javascript:alert(1)", "https://app.example.com@evil.example.com/callback",
		redirectURI + "#x", redirectURI + "\r\nSet-Cookie: a=b", "https://app.example.com/callback/../x",
		"HTTPS://app.example.com/callback", "https://app.example.com:443/callback",
		"http://127.0.0.1:1/cb", "http://localhost/cb"} {
		for _, more := range [][]string{{}, {"prompt", "none"}, {"response_type", "token"}, {"scope", ""}} {
			a := e.browser().authorize(e.request(append([]string{"redirect_uri", uri}, more...)...))
			if a.location != nil || a.page() != "problem" {
				t.Errorf("redirect_uri %q %v: %d %v", uri, more, a.status, a.location)
			}
		}
	}
}

// noRows is a store in which nothing may be stored but the users of the environment.
type noRows struct {
	store
	t *testing.T
}

func (n noRows) PutCode(context.Context, gateway.Code) error {
	n.t.Error("a code was stored")
	return nil
}

func (n noRows) PinSubject(context.Context, string, string, string, time.Time) (string, error) {
	n.t.Error("a subject was stored")
	return "", nil
}

func (n noRows) AppendEvents(context.Context, ...gateway.Event) error {
	n.t.Error("an event was stored")
	return nil
}

func TestAnonymousFloodLeavesNoRows(t *testing.T) {
	t.Parallel()
	e := newFixture(t, noRows{newMemory(t), t}, "")
	for range 20 {
		e.browser().authorize(e.request("prompt", "login"))
		e.browser().authorize(e.request("prompt", "none"))
	}
}

func TestResponsesAreNotCachedOrSentAsReferer(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	b := e.browser()
	tok := b.login()
	for name, a := range map[string]answer{
		"authorize": b.authorize(e.request()), "authorize, a page": b.authorize(e.request("client_id", "nobody")),
		"userinfo":        e.userinfo(tok.Access),
		"token, an error": e.post("/oauth2/token", "", "", url.Values{}), "logout": b.logout(),
		"introspect": e.post("/oauth2/introspect", e.app, secret, url.Values{"token": {"x"}}),
	} {
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, a.header.Get("Cache-Control"))
		}
		want := map[string]string{
			"authorize": "no-referrer", "authorize, a page": "no-referrer",
			"logout": "same-origin", // the page has a form: see web.Site.Show
		}[name]
		if got := a.header.Get("Referrer-Policy"); got != want {
			t.Errorf("%s: Referrer-Policy %q, want %q", name, got, want)
		}
	}
}

func TestPlantedSecretsNeverShow(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", func(_ *fixture, cfg *oidc.Config) { cfg.Logger = leaktest.Logger(t) },
		withClient(func(c *oidc.Client) { c.Secrets = []route.SecretHash{route.HashSecret(leaktest.Secret)} }))
	leaktest.Check(t, "client", e.clients[0], &e.clients[0])
	mux := route.NewMux()
	e.handler.Mount(mux)
	h := leaktest.Watch(t, mux)
	send := func(path, auth string, form url.Values) {
		t.Helper()
		r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for range 2 {
		for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/userinfo"} {
			for _, form := range []url.Values{
				{"grant_type": {"authorization_code"}, "code": {leaktest.Mark}, "redirect_uri": {redirectURI},
					"code_verifier": {leaktest.Mark}},
				{"grant_type": {"refresh_token"}, "refresh_token": {leaktest.Mark + "." + leaktest.Mark + "." +
					leaktest.Mark}},
				{"grant_type": {leaktest.Secret}}, {"token": {leaktest.Mark}}, {"access_token": {leaktest.Mark}},
				{leaktest.Secret: {"x", "y"}}, {},
			} {
				send(path, basic(e.app, leaktest.Secret), form)
				send(path, basic(e.app, leaktest.Secret+"x"), form)
				send(path, basic(leaktest.Mark, leaktest.Secret), form)
				send(path+"?client_secret="+leaktest.Secret, "", form)
				send(path, "", changed(url.Values{"client_id": {e.app}, "client_secret": {leaktest.Secret}},
					flat(form)...))
				send(path, "Bearer "+leaktest.Mark, form)
			}
		}
		e.store.down.Store(true) // errors of our own side too
	}
	for _, event := range e.events("") {
		leaktest.Check(t, "event", event)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	big := url.Values{"grant_type": {"authorization_code"}, "code": {strings.Repeat("a", 100<<10)}}
	if tok := e.tokenAnswer(e.post("/oauth2/token", e.app, secret, big)); tok.status != http.StatusBadRequest ||
		tok.Error != "invalid_request" {
		t.Errorf("token: %v", tok)
	}
	if a := e.post("/oauth2/userinfo", "", "", url.Values{"access_token": {strings.Repeat("a",
		100<<10)}}); a.status != http.StatusBadRequest {
		t.Errorf("userinfo: %d", a.status)
	}
	if a := e.browser().get(e.issuer + "/oauth2/authorize?" +
		e.request("state", strings.Repeat("a", 9000)).Encode()); a.page() != "problem" {
		t.Errorf("authorize: %d", a.status)
	}
	if a := e.browser().post(e.issuer+"/oauth2/authorize", e.request("state",
		strings.Repeat("a", 9000))); a.page() != "problem" {
		t.Errorf("POST authorize: %d", a.status)
	}
}

func TestObservationsComeFromSmallSets(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	b := e.browser()
	tok := b.login("scope", "openid offline_access")
	e.refresh(tok.Refresh)
	e.userinfo(tok.Access)
	e.userinfo("x")
	e.post("/oauth2/token", "made-up-"+gateway.NewID(), "x", url.Values{"grant_type": {"made-up-" + gateway.NewID()}})
	b.authorize(e.request("client_id", "made-up"))
	b.authorize(e.request("scope", "made-up"))
	b.logout("id_token_hint", tok.ID)
	e.mu.Lock()
	defer e.mu.Unlock()
	want := []oidc.Observation{
		{Endpoint: "authorize", App: e.app, Outcome: "ok"}, {Endpoint: "token", Grant: "authorization_code", App: e.app,
			Outcome: "ok"},
		{Endpoint: "token", Grant: "refresh_token", App: e.app, Outcome: "ok"},
		{Endpoint: "userinfo", App: e.app, Outcome: "ok"},
		{Endpoint: "userinfo", Outcome: "invalid_token"}, {Endpoint: "token", Outcome: "invalid_client"},
		{Endpoint: "authorize", Outcome: "invalid_client"},
		{Endpoint: "authorize", App: e.app, Outcome: "invalid_scope"}, {Endpoint: "logout", App: e.app, Outcome: "ok"},
	}
	if !slices.Equal(e.observed, want) {
		t.Errorf("observed %+v\nwant     %+v", e.observed, want)
	}
}

// A public app has no secret, so any user could redeem codes of their own without limit.
func TestCodeReplayedAllDayLeavesOneEvent(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	code := e.browser().code()
	for i := range 20 {
		tok := e.redeem(code)
		if want := map[bool]int{true: 200, false: 400}[i == 0]; tok.status != want {
			t.Errorf("redemption %d: %v", i+1, tok)
		}
	}
	if got := e.events(oidc.EventCodeReplayed); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
}
