package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

const withProfile = "openid profile"

func TestProfileIsAskedForByAPageOfOurs(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
	if w.wechat.Exchanges() != 1 {
		t.Errorf("%d exchanges before the question", w.wechat.Exchanges())
	}
	alice.Press()
	fixture.WantAt(w.t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/sample")
	who := w.userinfo(w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken)
	if who["nickname"] != "Alice" || !strings.HasPrefix(who["picture"].(string), w.wechat.URL) {
		t.Errorf("userinfo: %v", who)
	}
	// The next app gets them without a question.
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second", "scope", withProfile))),
		w.app.URL+"/second")
	// Until they are old.
	w.clock.Set(721 * time.Hour)
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second", "scope", withProfile))), "profile", 200)
}

func TestGoOnWithoutAProfile(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
	page := alice.WantPage(alice.Must(alice.Submit(t.Context(), "", nil)), "continue", 200)
	if page.RefreshURL == "" {
		t.Fatal("the page does not continue automatically")
	}
	fixture.WantAt(w.t, alice.Must(alice.FollowRefresh(t.Context())), w.app.URL+"/sample")
	who := w.userinfo(w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken)
	if name, _ := who["name"].(string); who["nickname"] != nil || !strings.HasPrefix(name, "wx-") {
		t.Errorf("userinfo: %v", who)
	}
	// Not asked twice in one session.
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second", "scope", withProfile))),
		w.app.URL+"/second")
}

func TestPromptNoneShowsNoQuestion(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second", "scope", withProfile, "prompt", "none"))),
		w.app.URL+"/second")
	if w.app.LastQuery().Get("code") == "" {
		t.Errorf("the app received %v", w.app.LastQuery())
	}
}

// WeChat authenticates the user, and then its userinfo request fails. The user is signed in all the
// same.
func TestUserIsSignedInWhenUserInfoFails(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	w.wechat.Fail(wechattest.Fault{Endpoint: "/sns/userinfo", Times: -1, Errcode: -1})
	alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile)))
	alice.Press()
	fixture.WantAt(w.t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/sample")
	w.wechat.ClearFaults()
	// The next session asks again.
	alice.ClearCookies()
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
	alice.Press()
	fixture.WantAt(w.t, alice.Page(), w.app.URL+"/sample") // WeChat remembers the consent
	if who := w.userinfo(w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken); who["nickname"] != "Alice" {
		t.Errorf("userinfo: %v", who)
	}
}

// A request that requires reauthentication and the profile takes two exchanges; after the second
// the app must not ask for a third.
func TestFreshSignInWithProfileEnds(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second", "scope", withProfile, "max_age", "0"))),
		"profile", 200)
	alice.Press()
	fixture.WantAt(w.t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/second")
	if w.app.LastQuery().Get("code") == "" || w.wechat.Exchanges() != 3 {
		t.Errorf("the app received %v after %d exchanges", w.app.LastQuery(), w.wechat.Exchanges())
	}
}

func TestPromptLoginAsksAtWeChatAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	for range 2 {
		alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second", "scope", withProfile, "prompt", "login"))),
			"confirm", 200)
		alice.Press()
		fixture.WantAt(w.t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/second") // fails when WeChat did not ask
		if w.app.LastQuery().Get("code") == "" {
			t.Errorf("the app received %v", w.app.LastQuery())
		}
	}
	alice.Must(alice.Open(t.Context(), w.authorize("second", "prompt", "login")))
	fixture.WantAt(w.t, alice.Must(alice.Follow(t.Context(), "back")), w.app.URL+"/second")
	if w.app.LastQuery().Get("error") != "access_denied" {
		t.Errorf("after cancel the app received %v", w.app.LastQuery())
	}
}

func TestDenialHasAWayOn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.wechat.UpdateQuirks(func(s *wechattest.Quirks) { s.LegacyDenial = true })
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile)))
	alice.Press()
	alice.WantPage(alice.Must(alice.Deny(t.Context())), "denied", 200)
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "", nil)), "continue", 200)
	fixture.WantAt(w.t, alice.Must(alice.FollowRefresh(t.Context())), w.app.URL+"/sample")
}

// A snapshot user (快照页) is not recorded: no user, no session, and a page that explains how to
// continue.
func TestSnapshotUsersAreNotRecorded(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile)))
	if err := w.wechat.UpdatePerson("alice", func(p *wechattest.Person) { p.Snapshot = true }); err != nil {
		t.Fatal(err)
	}
	alice.Press()
	alice.WantPage(alice.Page(), "snapshot", 200)
	alice.Must(alice.UseFullService(t.Context()))
	fixture.WantAt(w.t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/sample")
	users, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(users) != 1 || users[0].Nickname != "Alice" {
		t.Errorf("users: %+v, %v", users, err)
	}
}

// The users of the simulator have nicknames and pictures that are hard to handle.
func TestEverybodyGetsIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, p := range w.wechat.People() {
		if p.Deregistered || p.Frozen || p.Snapshot {
			continue
		}
		phone := w.phone(p.ID)
		phone.WantPage(phone.Must(phone.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
		phone.Press()
		fixture.WantAt(w.t, phone.Must(phone.Allow(t.Context())), w.app.URL+"/sample")
		page := phone.WantPage(phone.Must(phone.Open(t.Context(), w.url+"/")), "own", 200)
		if strings.Count(page.Body, "<script") != 1 || strings.Contains(page.Body, "\x00") {
			t.Errorf("%s: the own page is %s", p.ID, page.Body)
		}
	}
}
