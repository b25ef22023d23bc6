package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// withSharedUnionID puts the account with message push into the open_platform of the other connectors.
func withSharedUnionID(w *gatewayFixture) {
	withPush(wechattest.OfficialAccount, false)(w)
	last := &w.config.WeChat[len(w.config.WeChat)-1]
	last.OpenPlatform = w.config.WeChat[0].OpenPlatform
	platform := w.wechat.Apps()[0].OpenPlatform
	if err := w.wechat.UpdateApp(personalID, func(a *wechattest.App) { a.OpenPlatform = platform }); err != nil {
		w.t.Fatal(err)
	}
	w.config.Apps[0].Methods = []string{gateway.MethodMessage}
	w.sendUnionIDs()
}

// userInfos counts the calls for the unionid of a follower.
func (w *gatewayFixture) userInfos() (n int) {
	for _, call := range w.wechat.Calls() {
		if strings.HasPrefix(call.Endpoint, "/cgi-bin/user/info") {
			n++
		}
	}
	return n
}

// A user who is blocked at one account cannot come back by a message to another account of the same owner:
// the unionid shows who it is. WeChat is asked for it after a right code only, so wrong codes cause no
// calls.
func TestBlockedUserReturnsByAMessageToAnotherAccount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withSharedUnionID)
	alice := w.phone("alice")
	w.config.Apps[1].Methods = nil
	alice.Must(alice.Open(t.Context(), w.authorize("second")))
	users, _ := w.users()
	if len(users) != 1 {
		t.Fatalf("%d users", len(users))
	}
	w.setStatus(users[0].ID, gateway.Blocked)
	desk := w.plainBrowser(uaDesktop)
	code := w.codeIn(w.sends("alice", desk.open(w.authorize("sample")).shownNumber()))
	desk.types(wrongCode(code)).want("chat_wrong", http.StatusOK)
	if n := w.userInfos(); n != 0 {
		t.Errorf("a wrong code caused %d calls", n)
	}
	desk.submit("/chat/renew", nil)
	desk.types(w.codeIn(w.sends("alice", desk.shownNumber()))).want("blocked", http.StatusForbidden)
	if users, _ := w.users(); len(users) != 1 || w.userInfos() == 0 {
		t.Errorf("%d users, %d calls for the unionid", len(users), w.userInfos())
	}
	// Without the unionid, nobody is signed in.
	if err := w.wechat.SetFollows(personalID, "xiaoming", true); err != nil {
		t.Fatal(err)
	}
	other := w.plainBrowser(uaDesktop)
	code = w.codeIn(w.sends("xiaoming", other.open(w.authorize("sample")).shownNumber()))
	if err := w.wechat.SetFollows(personalID, "xiaoming", false); err != nil { // user/info has no unionid then
		t.Fatal(err)
	}
	other.types(code)
	if users, _ := w.users(); len(users) != 1 || strings.Contains(other.body, "scan_signed_in") {
		t.Errorf("signed in without a unionid: %d users, %s", len(users), other.body)
	}
}

// An app that accepts sign-in in WeChat only is not reached with a session by message. A second sign-in
// in a browser ends the session that the browser had before.
func TestSessionByMessageIsNoOther(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, false), func(w *gatewayFixture) {
		w.config.Apps[0].Methods, w.config.Apps[1].Methods = []string{gateway.MethodMessage}, []string{gateway.MethodWeChat}
	})
	desk := w.plainBrowser(uaDesktop)
	desk.open(w.authorize("sample"))
	desk.types(w.codeIn(w.sends("alice", desk.shownNumber()))).want("scan_signed_in", http.StatusOK)
	if desk.open(w.authorize("second")); strings.HasPrefix(desk.url, w.app.URL) && strings.Contains(desk.url, "code=") {
		t.Errorf("the app was reached: %s", desk.url)
	}
	desk.open(w.authorize("sample", "prompt", "login")).press("go")
	desk.types(w.codeIn(w.sends("xiaoming", desk.shownNumber()))).want("scan_signed_in", http.StatusOK)
	users, identities := w.users()
	for i, user := range users {
		sessions, err := w.store.UserSessions(t.Context(), user.ID, w.clock.Now())
		want := 1
		if identities[i][0].OpenID == w.wechat.OpenID(personalID, "alice") {
			want = 0
		}
		if err != nil || len(sessions) != want {
			t.Errorf("%d sessions, want %d, %v", len(sessions), want, err)
		}
	}
}
