package app_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// sendUnionIDs makes WeChat return the unionid with snsapi_base too, as in some captures. Without
// it, first sign-ins at connectors that share an Open Platform account need consent:
// TestBlockedUserReturnsByAnotherOfficialAccount and others in consent_test.go are about that.
func (w *gatewayFixture) sendUnionIDs() {
	w.wechat.UpdateQuirks(func(q *wechattest.Quirks) { q.BaseUnionID = true })
}

// twoConnectors adds a second official account, whose openid is the subject of one app.
func twoConnectors(w *gatewayFixture) {
	w.sendUnionIDs()
	second := w.config.WeChat[0]
	second.Name, second.AppID = "second", "wx00000000000000b2"
	w.config.WeChat = append(w.config.WeChat, second)
	legacy := w.client("legacy", gateway.AccessSignedIn)
	legacy.Subject = "openid:second"
	w.config.Apps = append(w.config.Apps, legacy)
}

func TestAppWithSubjectsOfAnotherOfficialAccount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, twoConnectors)
	alice := w.phone("alice")
	w.signInWithProfile(alice, "sample")
	page := alice.Must(alice.Open(t.Context(), w.authorize("legacy", "scope", withProfile)))
	fixture.WantAt(w.t, page, w.app.URL+"/legacy")
	through := false
	for _, hop := range page.Hops {
		through = through || strings.HasPrefix(hop.From, w.url+"/wechat/callback/second?")
	}
	want := w.wechat.OpenID("wx00000000000000b2", "alice")
	if who := w.userinfo(w.redeem("legacy", w.app.LastQuery().Get("code")).AccessToken); who["sub"] != want || !through {
		t.Errorf("sub %v, want %v; the way was %v", who["sub"], want, page.Hops)
	}
	// WeChat sent the unionid both times, so both identities belong to one user, whose profile is known.
	users, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(users) != 1 {
		t.Fatalf("users %+v, %v", users, err)
	}
	identities, err := w.store.Identities(t.Context(), users[0].ID)
	if err != nil || len(identities) != 2 || identities[0].Connector != "main" || identities[1].Connector != "second" {
		t.Errorf("identities %+v, %v", identities, err)
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200)
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
}

// signInWithProfile signs in with the profile page and WeChat's consent page.
func (w *gatewayFixture) signInWithProfile(p phone, app string) {
	w.t.Helper()
	p.WantPage(p.Must(p.Open(w.t.Context(), w.authorize(app, "scope", withProfile))), "profile", 200)
	p.Press()
	fixture.WantAt(w.t, p.Must(p.Allow(w.t.Context())), w.app.URL+"/"+app)
}

// Connectors that are not in one group: the same unionid joins no users.
func TestEntriesOfDifferentGroupsDoNotJoin(t *testing.T) {
	t.Parallel()
	w := newFixture(t, twoConnectors, func(w *gatewayFixture) { w.config.WeChat[1].OpenPlatform = "" })
	alice := w.phone("alice")
	w.signInWithProfile(alice, "sample")
	w.signInWithProfile(alice, "legacy")
	users, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(users) != 2 {
		t.Errorf("users %+v, %v", users, err)
	}
}
