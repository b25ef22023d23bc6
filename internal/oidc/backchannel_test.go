package oidc_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/oidc"
)

// Every ID token has sid (ADMIN-FIELD D3): the same one in a session, also after a refresh and at a
// second sign-in, and another one in each app and in each browser. Receivers that know only sid find
// the session by it (oauth2-proxy/oauth2-proxy#3445, nextcloud/user_oidc#1183).
func TestSessionIDInEveryIDToken(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	sid := func(token string) string {
		t.Helper()
		_, claims := e.idToken(token)
		out, _ := claims["sid"].(string)
		return out
	}
	b := e.browser()
	first := b.login("scope", "openid offline_access")
	want := sid(first.ID)
	if len(want) != 22 {
		t.Fatalf("sid %q", want)
	}
	again := e.refresh(first.Refresh)
	for name, token := range map[string]string{
		"after a refresh": again.ID, "after another refresh": e.refresh(again.Refresh).ID,
		"at a silent sign-in": b.login("prompt", "none").ID,
	} {
		if got := sid(token); got != want {
			t.Errorf("%s: sid %q, want %q", name, got, want)
		}
	}
	if other := sid(e.browser().login().ID); other == "" || other == want {
		t.Errorf("in another browser: %q", other)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {b.code("client_id", e.other)},
		"redirect_uri": {redirectURI}}
	other := e.tokenAnswer(e.post("/oauth2/token", e.other, "other's secret", form))
	if got := sid(other.ID); got == "" || got == want {
		t.Errorf("in another app: %q: two apps could compare their users", got)
	}
}

// backchannelRPInitiatedLogout signs out by an app with back-channel logout. The user's browser does not
// wait for the app, and the app receives a token with the sub and sid of its ID token.
func backchannelRPInitiatedLogout(t *testing.T, e *fixture) {
	app := &e.clients[0]
	r := e.newReceiver(app.IDTokenAlg)
	r.app = app.ID
	e = newFixture(t, e.store.store, app.IDTokenAlg, func(n *fixture, _ *oidc.Config) { // the same apps and users
		e.clients[0].BackchannelLogoutURI = r.server.URL + "/backchannel-logout?provider=1"
		n.clients, n.app, n.alice, n.bob = e.clients, e.app, e.alice, e.bob
	})
	r.issuer, r.keySet, r.now = e.issuer, e.keySet, e.clock.now
	b := e.browser()
	tok := b.login()
	_, claims := e.idToken(tok.ID)
	other := e.browser() // another browser of the same user stays signed in
	other.login()

	a := b.logout("id_token_hint", tok.ID, "post_logout_redirect_uri", signedOut, "state", "x")
	if a.location == nil || a.location.String() != signedOut+"?state=x" || b.silent() || !other.silent() {
		t.Errorf("sign-out: %d %v", a.status, a.location)
	}
	if r.requests != 0 {
		t.Error("the browser waited for the app")
	}
	if n := e.deliver(r); n != 1 || len(r.accepted) != 1 {
		t.Fatalf("%d deliveries, %d accepted", n, len(r.accepted))
	}
	if got := r.accepted[0]; got["sub"] != claims["sub"] || got["sid"] != claims["sid"] {
		t.Errorf("the logout token has %v, the ID token had %v", got, claims)
	}
	if n := e.deliver(r); n != 0 {
		t.Errorf("%d deliveries more", n)
	}
}

// deliver sends the logout tokens that wait for the receiver's app, and returns their number.
func (e *fixture) deliver(r *receiver) (sent int) {
	e.t.Helper()
	registry, err := oidc.NewRegistry(e.clients)
	if err != nil {
		e.t.Fatal(err)
	}
	sender := e.senderOf(registry, r.config())
	waiting, err := e.store.Deliveries(e.t.Context(), gateway.DeliveryQuery{Target: r.app, State: gateway.DeliveryWaiting})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, d := range waiting { // the store is shared by parallel tests, so none is claimed
		if err := sender.Send(e.t.Context(), d); err != nil {
			e.t.Error(err)
			continue
		}
		sent++
		d.State = gateway.DeliverySent
		if err := e.store.FinishDelivery(e.t.Context(), d); err != nil {
			e.t.Error(err)
		}
	}
	return sent
}

// A logout token is signed by the same keys as an ID token, and must not work as one, nor as an access
// token (OpenLiberty/open-liberty#27288; ADMIN-FIELD D6). Package forwardauth verifies its own type.
func TestLogoutTokenIsNeitherIDTokenNorAccessToken(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) {
		c.BackchannelLogoutURI = "https://app.example.com/logout"
	}))
	b := e.browser()
	tok := b.login()
	r := e.newReceiver(keys.RS256)
	_, claims := e.idToken(tok.ID)
	registry, err := oidc.NewRegistry([]oidc.Client{{App: gateway.App{ID: e.app}, Public: true,
		RedirectURIs: []string{redirectURI}, BackchannelLogoutURI: r.server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	var token string
	r.server.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		token = q.PostFormValue("logout_token")
	})
	delivery := gateway.Delivery{Target: e.app, Subject: claims["sub"].(string), SessionID: claims["sid"].(string)}
	if err := e.senderOf(registry, r.config()).Send(t.Context(), delivery); err != nil || token == "" {
		t.Fatal(err)
	}
	if a := e.userinfo(token); a.status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", a.status)
	}
	a := e.post("/oauth2/introspect", e.app, secret, url.Values{"token": {token}})
	if object(t, a.body)["active"] != false {
		t.Errorf("introspection: %s", a.body)
	}
	if again := e.refresh(token); again.Error != "invalid_grant" {
		t.Errorf("refresh: %v", again)
	}
	if a := b.authorize(e.request("prompt", "none", "id_token_hint", token)); a.param("error") != "login_required" {
		t.Errorf("id_token_hint at authorize: %v", a.location)
	}
	a = b.logout("id_token_hint", token, "post_logout_redirect_uri", signedOut)
	if a.page() != "sign-out" || !b.silent() {
		t.Errorf("id_token_hint at logout: %d %s", a.status, a.page())
	}
	if _, err := e.cfg.Keys.Verify(t.Context(), keys.TypeAssertion, token); !errors.Is(err, keys.ErrToken) {
		t.Errorf("as an assertion of forward auth: %v", err)
	}
}
