package app_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
)

func TestSignInThroughOpenIDConnect(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	told := w.app.LastQuery()
	if told.Get("state") != "state-of-the-app" || told.Get("iss") != w.url || told.Get("code") == "" {
		t.Fatalf("the app received %v", told)
	}
	got := w.redeem("sample", told.Get("code"))
	if got.IDToken == "" || got.AccessToken == "" {
		t.Fatalf("tokens: %+v", got)
	}
	who := w.userinfo(got.AccessToken)
	sub, _ := who["sub"].(string)
	user, err := w.store.User(t.Context(), sub)
	if err != nil || user.Status != gateway.Pending {
		t.Fatalf("userinfo %v; account %+v, %v", who, user, err)
	}
	identities, err := w.store.Identities(t.Context(), sub)
	if err != nil || len(identities) != 1 || identities[0].OpenID != w.wechat.OpenID(w.config.WeChat[0].AppID, "alice") ||
		identities[0].Connector != "main" {
		t.Fatalf("identities %+v, %v", identities, err)
	}

	// A second app, without WeChat and without a page.
	page := alice.Must(alice.Open(t.Context(), w.authorize("second")))
	fixture.WantAt(w.t, page, w.app.URL+"/second")
	if len(page.Hops) != 1 || w.wechat.Exchanges() != 1 {
		t.Errorf("the second app took the redirects %v and %d exchanges", page.Hops, w.wechat.Exchanges())
	}
	if got := w.userinfo(w.redeem("second", w.app.LastQuery().Get("code")).AccessToken); got["sub"] != sub {
		t.Errorf("the second app knows %v, the first %s", got["sub"], sub)
	}
	events, err := w.store.Events(t.Context(), gateway.EventQuery{Kind: "sign_in"})
	if err != nil || len(events) != 1 || events[0].UserID != sub || events[0].App != "sample" ||
		events[0].Method != "wechat" || events[0].RequestID == "" {
		t.Errorf("events %+v, %v", events, err)
	}
	for _, e := range events {
		if strings.Contains(e.Detail, identities[0].OpenID) {
			t.Errorf("an event holds an openid: %+v", e)
		}
	}
}
