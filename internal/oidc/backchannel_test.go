package oidc_test

import (
	"net/url"
	"testing"
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
