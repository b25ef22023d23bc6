package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// presentVersion returns the version in the forms and cookies of the fixture's agreement.
func presentVersion() string {
	return gateway.AgreementHash("1", []string{"https://www.example.com/privacy"})[:12]
}

// ticks ticks the box of the agreement page that is shown at an address.
func (v *visitor) ticks(address string) {
	v.r.t.Helper()
	if page := v.get(address); page.kind() != "agreement" {
		v.r.t.Fatalf("no agreement page: %s", page.body)
	}
	if page := v.post("/sign-in/agreement", url.Values{"return": {address}, "agree": {"1"},
		"version": {presentVersion()}}); page.kind() != "continue" {
		v.r.t.Fatalf("not accepted: %s", page.body)
	}
}

// remembers gives the browser the cookie of a browser in which somebody has agreed before.
func (v *visitor) remembers() {
	v.keep(&http.Response{Header: http.Header{"Set-Cookie": {"__Host-weigate-a=" + presentVersion() +
		".X; Path=/; Secure"}}})
}

// wantNotStored completes a sign-in and checks that the user is asked, and not stored.
func (v *visitor) wantNotStored(user string) {
	v.r.t.Helper()
	page := v.follow(v.get(v.atWeChat("/app?x=1", code(user))))
	users, err := v.r.store.Users(v.r.t.Context(), gateway.UserQuery{})
	if page.kind() != "agreement" || err != nil || len(users) != 0 {
		v.r.t.Errorf("page %s; users %+v, %v", page.kind(), users, err)
	}
	if _, signedIn := v.session(); signedIn {
		v.r.t.Error("the user is signed in")
	}
}

func TestForgedTickIsNotAnAgreement(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"text": `{"v":"1","t":4000000000}`, "empty": "", "of another gateway": strings.Repeat("A", 80),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, withWeChat(&fakeWeChat{}), agreement)
			v := r.visitor(uaWeChat)
			v.remembers()
			v.cookies["__Host-weigate-b"] = &http.Cookie{Name: "__Host-weigate-b", Value: value}
			v.wantNotStored("alice")
		})
	}
}

// A tick of yesterday is not for the sign-in of today.
func TestOldTickIsNotAnAgreement(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withWeChat(&fakeWeChat{}), agreement)
	v := r.visitor(uaWeChat)
	v.ticks("/app?x=1")
	r.later(24 * time.Hour)
	v.wantNotStored("alice")
}

// The user declines at WeChat, and tries again: the tick is still for this user's sign-in.
func TestTickSurvivesAFailedSignIn(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withWeChat(&fakeWeChat{}), agreement)
	v := r.visitor(uaWeChat)
	v.ticks("/app?x=1")
	callback, err := url.Parse(v.atWeChat("/app?x=1", ""))
	if err != nil {
		t.Fatal(err)
	}
	// WeChat sends no code when the user declines.
	if page := v.get(callback.Path + "?state=" + callback.Query().Get("state")); page.kind() != "denied" {
		t.Fatalf("page: %s", page.body)
	}
	v.get(v.atWeChat("/app?x=1", code("alice")))
	b, signedIn := v.session()
	if want := r.now().Truncate(time.Second); !signedIn || !b.User.Agreement.At.Equal(want) {
		t.Errorf("agreement %+v, signed in: %v", b.User.Agreement, signedIn)
	}
}

// The address of a page after a failed sign-in contains data of that sign-in. Opened by another user,
// it brings no tick along.
func TestLinkOfAnAttackerBringsNoTick(t *testing.T) {
	t.Parallel()
	w := &fakeWeChat{noUnionID: true} // the sign-in needs WeChat's consent page
	r := newFixture(t, withSite, withWeChat(w), agreement)
	attacker := r.visitor(uaWeChat)
	attacker.ticks("/app?x=1")
	failed := attacker.get(attacker.atWeChat("/app?x=1", code("mallory")))
	page := attacker.follow(failed)
	if page.kind() != "wechat_consent" {
		t.Fatalf("page: %s", page.body)
	}
	victim := r.visitor(uaWeChat)
	victim.remembers()
	victim.get(strings.TrimPrefix(failed.location, "https://login.example.com"))
	callback := victim.atWeChat(page.link("go"), code("alice-profile"))
	w.mu.Lock()
	w.noUnionID, w.profile = false, true
	w.mu.Unlock()
	answer := victim.follow(victim.get(callback))
	users, err := r.store.Users(t.Context(), gateway.UserQuery{})
	if answer.kind() != "agreement" || err != nil || len(users) != 0 {
		t.Errorf("page %s: users %+v, %v", answer.kind(), users, err)
	}
}
