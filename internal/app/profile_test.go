package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

const withProfile = "openid profile"

func TestProfileIsAskedForByAPageOfOurs(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	alice := w.phone("alice")
	alice.want(alice.on(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
	if w.exchanges() != 1 {
		t.Errorf("%d exchanges before the question", w.exchanges())
	}
	alice.press()
	w.at(alice.on(alice.Allow(t.Context())), w.app.URL+"/sample")
	who := w.userinfo(w.redeem("sample", w.told().Get("code")).AccessToken)
	if who["nickname"] != "Alice" || !strings.HasPrefix(who["picture"].(string), w.world) {
		t.Errorf("userinfo: %v", who)
	}
	// The next app gets them without a question.
	w.at(alice.on(alice.Open(t.Context(), w.authorize("second", "scope", withProfile))), w.app.URL+"/second")
	// Until they are old.
	w.mu.Lock()
	w.skew = 721 * time.Hour
	w.mu.Unlock()
	alice.want(alice.on(alice.Open(t.Context(), w.authorize("second", "scope", withProfile))), "profile", 200)
}

func TestGoOnWithoutAProfile(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	alice := w.phone("alice")
	alice.want(alice.on(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
	page := alice.want(alice.on(alice.Submit(t.Context(), "", nil)), "going_on", 200)
	if page.RefreshURL == "" {
		t.Fatal("the page does not go on by itself")
	}
	w.at(alice.on(alice.FollowRefresh(t.Context())), w.app.URL+"/sample")
	who := w.userinfo(w.redeem("sample", w.told().Get("code")).AccessToken)
	if name, _ := who["name"].(string); who["nickname"] != nil || !strings.HasPrefix(name, "wx-") {
		t.Errorf("userinfo: %v", who)
	}
	// Not asked twice in one session.
	w.at(alice.on(alice.Open(t.Context(), w.authorize("second", "scope", withProfile))), w.app.URL+"/second")
}

func TestPromptNoneShowsNoQuestion(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	alice := w.phone("alice")
	alice.on(alice.Open(t.Context(), w.authorize("sample")))
	w.at(alice.on(alice.Open(t.Context(), w.authorize("second", "scope", withProfile, "prompt", "none"))),
		w.app.URL+"/second")
	if w.told().Get("code") == "" {
		t.Errorf("the app was told %v", w.told())
	}
}

// WeChat vouches for the person, and then cannot say who they are: that is no reason to keep them
// out.
func TestUserInfoFailsAndThePersonIsIn(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	alice := w.phone("alice")
	w.sim.Fail(wechattest.Fault{Endpoint: "/sns/userinfo", Times: -1, Errcode: -1})
	alice.on(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile)))
	alice.press()
	w.at(alice.on(alice.Allow(t.Context())), w.app.URL+"/sample")
	w.sim.ClearFaults()
	// The next session asks again.
	alice.ClearCookies()
	alice.want(alice.on(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
	alice.press()
	w.at(alice.Page(), w.app.URL+"/sample") // WeChat remembers the consent
	if who := w.userinfo(w.redeem("sample", w.told().Get("code")).AccessToken); who["nickname"] != "Alice" {
		t.Errorf("userinfo: %v", who)
	}
}

// A request that wants a fresh sign-in and a profile takes two exchanges; the second must not make
// the app ask for a third.
func TestFreshSignInWithProfileEnds(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	alice := w.phone("alice")
	alice.on(alice.Open(t.Context(), w.authorize("sample")))
	alice.want(alice.on(alice.Open(t.Context(), w.authorize("second", "scope", withProfile, "max_age", "0"))),
		"profile", 200)
	alice.press()
	w.at(alice.on(alice.Allow(t.Context())), w.app.URL+"/second")
	if w.told().Get("code") == "" || w.exchanges() != 3 {
		t.Errorf("the app was told %v after %d exchanges", w.told(), w.exchanges())
	}
}

func TestPromptLoginAsksAtWeChatAgain(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	alice := w.phone("alice")
	alice.on(alice.Open(t.Context(), w.authorize("sample")))
	for range 2 {
		alice.want(alice.on(alice.Open(t.Context(), w.authorize("second", "scope", withProfile, "prompt", "login"))),
			"confirm", 200)
		alice.press()
		w.at(alice.on(alice.Allow(t.Context())), w.app.URL+"/second") // fails when WeChat did not ask
		if w.told().Get("code") == "" {
			t.Errorf("the app was told %v", w.told())
		}
	}
	alice.on(alice.Open(t.Context(), w.authorize("second", "prompt", "login")))
	w.at(alice.on(alice.Follow(t.Context(), "back")), w.app.URL+"/second")
	if w.told().Get("error") != "access_denied" {
		t.Errorf("after cancel the app was told %v", w.told())
	}
}

func TestDenialHasAWayOn(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.sim.UpdateQuirks(func(s *wechattest.Quirks) { s.LegacyDenial = true })
	alice := w.phone("alice")
	alice.on(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile)))
	alice.press()
	alice.want(alice.on(alice.Deny(t.Context())), "denied", 200)
	alice.want(alice.on(alice.Submit(t.Context(), "", nil)), "going_on", 200)
	w.at(alice.on(alice.FollowRefresh(t.Context())), w.app.URL+"/sample")
}

// Who is shown a snapshot page (快照页) is nobody: no account, no session, and a page that explains
// the way on.
func TestSnapshotPeopleNeverArrive(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	alice := w.phone("alice")
	alice.on(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile)))
	if err := w.sim.UpdatePerson("alice", func(p *wechattest.Person) { p.Snapshot = true }); err != nil {
		t.Fatal(err)
	}
	alice.press()
	alice.want(alice.Page(), "snapshot", 200)
	alice.on(alice.UseFullService(t.Context()))
	w.at(alice.on(alice.Allow(t.Context())), w.app.URL+"/sample")
	people, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(people) != 1 || people[0].Nickname != "Alice" {
		t.Errorf("accounts: %+v, %v", people, err)
	}
}

// The simulator's people have nicknames and pictures of every unkind kind.
func TestEverybodyGetsIn(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for _, p := range w.sim.People() {
		if p.Deregistered || p.Frozen || p.Snapshot {
			continue
		}
		phone := w.phone(p.ID)
		phone.want(phone.on(phone.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
		phone.press()
		w.at(phone.on(phone.Allow(t.Context())), w.app.URL+"/sample")
		page := phone.want(phone.on(phone.Open(t.Context(), w.url+"/")), "own", 200)
		if strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "\x00") {
			t.Errorf("%s: the own page is %s", p.ID, page.Body)
		}
	}
}
