package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/web"
)

// TestTokens is what happens to tokens after the sign-in, on every store.
func TestTokens(t *testing.T) {
	t.Parallel()
	run(t, []module{
		{"code redeemed by eight at once", codeRace},
		{"refresh token sent twice within the grace", refreshTwice},
		{"refresh token sent by eight at once", refreshRace},
		{"refresh token stolen and used later", refreshStolen},
		{"refresh token made up", refreshMadeUp},
		{"refresh after the access was taken away", refreshNotAllowed},
		{"refresh token that nobody used for too long", refreshExpired},
		{"refresh with other scopes", refreshScopes},
		{"blocked account", blockedAccount},
		{"revocation", revocation},
		{"introspection", introspection},
		{"database down", databaseDown},
	})
}

// each calls f eight times at once.
func each(f func(i int)) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func codeRace(t *testing.T, e *fixture) {
	code := e.browser().code()
	var got [8]tokens
	each(func(i int) { got[i] = e.redeem(code) })
	won := 0
	for _, tok := range got {
		switch {
		case tok.status == http.StatusOK:
			won++
		case tok.Error != "invalid_grant":
			t.Errorf("answer: %+v", tok)
		}
	}
	if won != 1 {
		t.Errorf("the code was good %d times", won)
	}
}

func refreshTwice(t *testing.T, e *fixture) {
	first := e.browser().login("scope", "openid offline_access")
	second := e.refresh(first.Refresh)
	e.clock.advance(29 * time.Second)
	again := e.refresh(first.Refresh) // the first answer was lost
	if again.status != http.StatusOK || again.Refresh != second.Refresh || again.Access == second.Access {
		t.Fatalf("within the grace: %+v, want the same successor and another access token", again)
	}
	for _, tok := range []tokens{second, again} {
		if a := e.userinfo(tok.Access); a.status != http.StatusOK {
			t.Errorf("access token: %d", a.status)
		}
	}
	if third := e.refresh(again.Refresh); third.status != http.StatusOK {
		t.Errorf("the successor: %+v", third)
	}
}

func refreshRace(t *testing.T, e *fixture) {
	first := e.browser().login("scope", "openid offline_access")
	var got [8]tokens
	each(func(i int) { got[i] = e.refresh(first.Refresh) })
	for _, tok := range got {
		if tok.status != http.StatusOK || tok.Refresh != got[0].Refresh || tok.Refresh == first.Refresh {
			t.Errorf("answer: %d %s, want one successor for all", tok.status, tok.Error)
		}
	}
}

func refreshStolen(t *testing.T, e *fixture) {
	first := e.browser().login("scope", "openid offline_access")
	second := e.refresh(first.Refresh)
	e.clock.advance(31 * time.Second)
	if thief := e.refresh(first.Refresh); thief.Error != "invalid_grant" {
		t.Errorf("after the grace: %+v", thief)
	}
	if a := e.userinfo(second.Access); a.status != http.StatusUnauthorized {
		t.Errorf("the access token lives: %d", a.status)
	}
	if owner := e.refresh(second.Refresh); owner.Error != "invalid_grant" {
		t.Errorf("the family lives: %+v", owner)
	}
	if got := e.events(oidc.EventRefreshReplayed); len(got) != 1 || got[0].UserID != e.alice.ID {
		t.Errorf("events: %v", got)
	}
}

func refreshMadeUp(t *testing.T, e *fixture) {
	first := e.browser().login("scope", "openid offline_access")
	parts := strings.Split(first.Refresh, ".")
	for _, made := range []string{
		parts[0] + ".2." + parts[2], parts[0] + ".1." + strings.Repeat("A", 43), parts[0] + ".0." + parts[2], parts[0] +
			".01." + parts[2],
		parts[0] + ".-1." + parts[2], parts[0] + "..", "..", "x", strings.Repeat("x", 5000), first.Refresh + "x",
		first.Access,
	} {
		if tok := e.refresh(made); tok.status != http.StatusBadRequest || tok.Error != "invalid_grant" {
			t.Errorf("%.20s…: %+v", made, tok)
		}
	}
	if tok := e.refresh(first.Refresh); tok.status != http.StatusOK {
		t.Errorf("texts that somebody made up ended the family: %+v", tok)
	}
}

func refreshNotAllowed(t *testing.T, e *fixture) {
	first := e.browser().login("scope", "openid offline_access")
	for _, d := range []access.Decision{access.Denied, access.Pending} {
		e.access.set(d, nil)
		if tok := e.refresh(first.Refresh); tok.Error != "invalid_grant" {
			t.Errorf("decision %v: %+v", d, tok)
		}
	}
	e.access.set(access.Denied, errDown)
	if tok := e.refresh(first.Refresh); tok.status != http.StatusServiceUnavailable {
		t.Errorf("access rules unknown: %+v", tok)
	}
	e.access.set(access.Allowed, nil)
	if tok := e.refresh(first.Refresh); tok.status != http.StatusOK {
		t.Errorf("let in again: %+v", tok)
	}
}

func refreshExpired(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid offline_access")
	for range 3 { // each use moves the end
		e.clock.advance(719 * time.Hour)
		if tok = e.refresh(tok.Refresh); tok.status != http.StatusOK {
			t.Fatalf("answer: %+v", tok)
		}
	}
	e.clock.advance(720*time.Hour + time.Second)
	if tok = e.refresh(tok.Refresh); tok.Error != "invalid_grant" {
		t.Errorf("answer: %+v", tok)
	}
}

func refreshScopes(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid offline_access profile")
	if more := e.refresh(tok.Refresh, "scope", "openid email"); more.Error != "invalid_scope" {
		t.Errorf("more: %+v", more)
	}
	// A request for fewer scopes is not stored; the response contains the scopes of the token.
	if fewer := e.refresh(tok.Refresh, "scope", "openid"); fewer.status != http.StatusOK ||
		fewer.Scope != "openid offline_access profile" {
		t.Errorf("fewer: %+v", fewer)
	}
}

func blockedAccount(t *testing.T, e *fixture) {
	b := e.browser()
	tok := b.login("scope", "openid offline_access")
	code := b.code()
	if _, err := e.store.UpdateUser(t.Context(), e.alice.ID, e.clock.now(), func(a *gateway.User) error {
		a.Status = gateway.Blocked
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if a := e.userinfo(tok.Access); a.status != http.StatusUnauthorized {
		t.Errorf("access token: %d", a.status)
	}
	if again := e.refresh(tok.Refresh); again.Error != "invalid_grant" {
		t.Errorf("refresh token: %+v", again)
	}
	if late := e.redeem(code); late.Error != "invalid_grant" {
		t.Errorf("code: %+v", late)
	}
	// A session that a cache still knows gets no code.
	if a := b.authorize(e.request()); a.page() != "problem" || a.shown().Kind != web.Refused {
		t.Errorf("authorize: %d %v", a.status, a.location)
	}
}

func revocation(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid offline_access")
	post := func(id, secret, token string) int {
		t.Helper()
		return e.post("/oauth2/revoke", id, secret, url.Values{"token": {token},
			"token_type_hint": {"whatever"}}).status
	}
	for name, token := range map[string]string{"access": tok.Access, "refresh": tok.Refresh, "made up": "x"} {
		if status := post(e.other, "other's secret", token); status != http.StatusOK {
			t.Errorf("another client, %s token: %d", name, status)
		}
	}
	if a := e.userinfo(tok.Access); a.status != http.StatusOK {
		t.Fatalf("another client revoked the token: %d", a.status)
	}
	if a := e.post("/oauth2/revoke", e.app, secret, url.Values{}); a.status != http.StatusBadRequest {
		t.Errorf("no token: %d", a.status)
	}
	if status := post(e.app, secret, tok.Access); status != http.StatusOK ||
		e.userinfo(tok.Access).status != http.StatusUnauthorized {
		t.Errorf("access token: %d, and it lives", status)
	}
	again := e.refresh(tok.Refresh)
	if again.status != http.StatusOK {
		t.Fatalf("the refresh token died with an access token: %+v", again)
	}
	if status := post(e.app, secret, again.Refresh); status != http.StatusOK ||
		e.userinfo(again.Access).status != http.StatusUnauthorized {
		t.Errorf("refresh token: %d, and its access token lives", status)
	}
	if status := post(e.app, secret, again.Refresh); status != http.StatusOK {
		t.Errorf("twice: %d", status)
	}
}

func introspection(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid offline_access")
	ask := func(id, secret, token string) map[string]any {
		t.Helper()
		a := e.post("/oauth2/introspect", id, secret, url.Values{"token": {token}})
		if a.status != http.StatusOK {
			t.Fatalf("answer: %d %s", a.status, a.body)
		}
		return object(t, a.body)
	}
	if got := ask(e.app, secret, tok.Access); got["active"] != true || got["sub"] != e.alice.ID ||
		got["client_id"] != e.app || got["token_type"] != "Bearer" ||
		got["scope"] != "openid offline_access" || got["exp"] != float64(e.clock.now().Add(5*time.Minute).Unix()) {
		t.Errorf("access token: %v", got)
	}
	if got := ask(e.app, secret, tok.Refresh); got["active"] != true || got["token_type"] != nil {
		t.Errorf("refresh token: %v", got)
	}
	for name, got := range map[string]map[string]any{"another client's": ask(e.other, "other's secret", tok.Access),
		"made up": ask(e.app, secret, "x")} {
		if got["active"] != false || len(got) != 1 {
			t.Errorf("%s token: %v, want active false and nothing else", name, got)
		}
	}
	e.refresh(tok.Refresh)
	if got := ask(e.app, secret, tok.Refresh); got["active"] != false {
		t.Errorf("a refresh token with a successor: %v", got)
	}
	if a := e.post("/oauth2/introspect", "", "", url.Values{"token": {tok.Access},
		"client_id": {e.spa}}); a.status != http.StatusUnauthorized {
		t.Errorf("a public client: %d", a.status)
	}
}

func databaseDown(t *testing.T, e *fixture) {
	b := e.browser()
	tok := b.login("scope", "openid offline_access")
	code := b.code()
	e.store.down.Store(true)
	if got := e.redeem(code); got.status != http.StatusServiceUnavailable || got.Error != "temporarily_unavailable" {
		t.Errorf("code: %+v", got)
	}
	if got := e.refresh(tok.Refresh); got.status != http.StatusServiceUnavailable {
		t.Errorf("refresh: %+v", got)
	}
	if a := e.post("/oauth2/revoke", e.app, secret,
		url.Values{"token": {tok.Access}}); a.status != http.StatusServiceUnavailable {
		t.Errorf("revoke: %d", a.status)
	}
	if a := b.authorize(e.request()); a.page() != "problem" || a.status != http.StatusServiceUnavailable ||
		a.header.Get("Retry-After") == "" {
		t.Errorf("authorize: %d %v", a.status, a.location)
	}
	if a := b.authorize(e.request("prompt", "none")); a.param("error") != "temporarily_unavailable" {
		t.Errorf("authorize, prompt=none: %d %v", a.status, a.location)
	}
	if a := b.logout("id_token_hint", tok.ID); a.status != http.StatusServiceUnavailable || a.page() != "problem" {
		t.Errorf("logout: %d", a.status)
	}
	if a := b.get(e.issuer + "/oauth2/jwks"); a.status != http.StatusOK {
		t.Errorf("jwks: %d", a.status)
	}
	e.store.down.Store(false)
	if got := e.redeem(code); got.status != http.StatusOK {
		t.Errorf("the code was lost: %+v", got)
	}
	if got := e.refresh(tok.Refresh); got.status != http.StatusOK {
		t.Errorf("the refresh token was lost: %+v", got)
	}
}

func TestRefreshTokensSurviveTheRotationOfTheMasterKey(t *testing.T) {
	t.Parallel()
	old, fresh := []byte(strings.Repeat("m", 32)), []byte(strings.Repeat("n", 32))
	s := newMemory(t)
	e := newFixture(t, s, "")
	tok := e.browser().login("scope", "openid offline_access")
	both, err := keys.NewSealer(fresh, old)
	if err != nil {
		t.Fatal(err)
	}
	after := newFixture(t, s, "", func(n *fixture, cfg *oidc.Config) {
		cfg.Sealer = both
		n.clients, n.app, n.clock = e.clients, e.app, e.clock
		cfg.Now = e.clock.now
	})
	second := after.refresh(tok.Refresh)
	if second.status != http.StatusOK {
		t.Fatalf("after the rotation: %+v", second)
	}
	// A replica that has not restarted yet has the new key as its second key. Here it does not have
	// the key at all, against the documentation.
	if again := after.refresh(tok.Refresh); again.status != http.StatusOK || again.Refresh != second.Refresh {
		t.Errorf("within the grace: %+v", again)
	}
	if third := after.refresh(second.Refresh); third.status != http.StatusOK {
		t.Errorf("the successor: %+v", third)
	}
}
