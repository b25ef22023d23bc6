package signin_test

import (
	"net/url"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// The tests of this file are about browsers that several users share, one after the other.

const tickCookie = "__Host-weigate-b"

// A blocked user ticks the box, and is refused. The tick is theirs: the next user of the browser has
// not agreed.
func TestTickOfABlockedUserIsNotTheAgreementOfTheNextUser(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withWeChat(&fakeWeChat{}), agreement)
	mallory := r.user("mallory")
	if _, err := r.store.UpdateUser(t.Context(), mallory, r.now(), func(u *gateway.User) error {
		u.Status = gateway.Blocked
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v := r.visitor(uaWeChat)
	v.ticks("/app?x=1")
	if page := v.follow(v.get(v.atWeChat("/app?x=1", code("mallory")))); page.kind() != "blocked" {
		t.Fatalf("page: %s", page.body)
	}
	page := v.follow(v.get(v.atWeChat("/app?x=1", code("bob"))))
	users, err := r.store.Users(t.Context(), gateway.UserQuery{})
	if page.kind() != "agreement" || err != nil || len(users) != 1 {
		t.Errorf("page %s; users %+v, %v", page.kind(), users, err)
	}
}

// A user ticks the box in two tabs, and signs in with one tick. The other tick must not wait for the
// next user.
func TestTickOfAnotherTabEndsWithTheSignIn(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withWeChat(&fakeWeChat{}), agreement)
	v := r.visitor(uaWeChat)
	v.ticks("/app?x=1")
	callback := v.atWeChat("/app?x=1", code("alice"))
	if page := v.post("/sign-in/agreement", url.Values{"return": {"/app?x=2"}, "agree": {"1"},
		"version": {presentVersion()}}); page.kind() != "continue" || v.cookies[tickCookie] == nil {
		t.Fatalf("no second tick: %s", page.body)
	}
	v.get(callback)
	if _, signedIn := v.session(); !signedIn || v.cookies[tickCookie] != nil {
		t.Errorf("signed in: %v; tick %v", signedIn, v.cookies[tickCookie])
	}
}

// A user ticks the box, and another user of the browser signs out: the tick is of an unknown user.
func TestSignOutEndsATick(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withWeChat(&fakeWeChat{}), agreement)
	v := r.visitor(uaWeChat)
	v.ticks("/app?x=1")
	v.post("/sign-out", url.Values{"return": {"/"}})
	if v.cookies[tickCookie] != nil {
		t.Error("the tick is kept")
	}
	v.wantNotStored("bob")
}

// A user ticks the box for WeChat's QR code, and then signs in by scan, where the phone asks.
func TestScanEndsATick(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withSite, withScan, agreement)
	v := r.visitor(uaDesktop)
	if page := v.follow(v.get("/sign-in?return=/app&method=website")); page.kind() != "agreement" {
		t.Fatalf("page %s, to %s", page.body, page.location)
	}
	v.post("/sign-in/agreement", url.Values{"return": {"/app"}, "agree": {"1"}, "version": {presentVersion()}})
	if v.cookies[tickCookie] == nil {
		t.Fatal("no tick")
	}
	if got := r.method(v.follow(v.get("/sign-in?return=/app&method=scan"))); got != "scan" {
		t.Fatalf("method %q", got)
	}
	if v.cookies[tickCookie] != nil {
		t.Error("the tick is kept")
	}
}

// The documents change while a user is at WeChat: the tick was for the former ones.
func TestTickForFormerDocumentsIsNotAnAgreement(t *testing.T) {
	t.Parallel()
	r := newFixture(t, agreement)
	for version, want := range map[string]bool{presentVersion(): true, "former": false} {
		rule := r.h.AgreementRule(&session.Tick{Version: version, At: r.now().Unix()}, false)
		if rule.Required == "" || (rule.Given != nil) != want {
			t.Errorf("version %s: %+v", version, rule)
		}
	}
}
