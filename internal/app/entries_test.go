package app_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// twoEntries adds a second official account, by whose openid one app knows people.
func twoEntries(w *town) {
	second := w.config.WeChat[0]
	second.Name, second.AppID = "second", "wx00000000000000b2"
	w.config.WeChat = append(w.config.WeChat, second)
	legacy := w.client("legacy", gateway.AccessSignedIn)
	legacy.Subject = "openid:second"
	w.config.Apps = append(w.config.Apps, legacy)
}

func TestAppThatKnowsPeopleByAnotherOfficialAccount(t *testing.T) {
	t.Parallel()
	w := newTown(t, twoEntries)
	alice := w.phone("alice")
	w.signInWithProfile(alice, "sample")
	alice.on(alice.Open(t.Context(), w.authorize("legacy", "scope", withProfile)))
	page := alice.want(alice.Page(), "profile", 200)
	through := false
	for _, hop := range page.Hops {
		through = through || strings.HasPrefix(hop.From, w.url+"/wechat/callback/second?")
	}
	alice.press()
	w.at(alice.on(alice.Allow(t.Context())), w.app.URL+"/legacy")
	want := w.sim.OpenID("wx00000000000000b2", "alice")
	if who := w.userinfo(w.redeem("legacy", w.told().Get("code")).AccessToken); who["sub"] != want || !through {
		t.Errorf("sub %v, want %v; the way was %v", who["sub"], want, page.Hops)
	}
	// With the profile WeChat told the unionid both times, so it is one person.
	people, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(people) != 1 {
		t.Fatalf("accounts %+v, %v", people, err)
	}
	identities, err := w.store.Identities(t.Context(), people[0].ID)
	if err != nil || len(identities) != 2 || identities[0].Connector != "main" || identities[1].Connector != "second" {
		t.Errorf("identities %+v, %v", identities, err)
	}
	alice.want(alice.on(alice.Open(t.Context(), w.url+"/")), "own", 200)
	w.at(alice.on(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
}

// signInWithProfile goes through the question and WeChat's consent.
func (w *town) signInWithProfile(p phone, app string) {
	w.t.Helper()
	p.want(p.on(p.Open(w.t.Context(), w.authorize(app, "scope", withProfile))), "profile", 200)
	p.press()
	w.at(p.on(p.Allow(w.t.Context())), w.app.URL+"/"+app)
}

// Entries that are not in one group are strangers: the same unionid joins nobody.
func TestEntriesOfDifferentGroupsDoNotJoin(t *testing.T) {
	t.Parallel()
	w := newTown(t, twoEntries, func(w *town) { w.config.WeChat[1].OpenPlatform = "" })
	alice := w.phone("alice")
	w.signInWithProfile(alice, "sample")
	w.signInWithProfile(alice, "legacy")
	people, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(people) != 2 {
		t.Errorf("accounts %+v, %v", people, err)
	}
}
