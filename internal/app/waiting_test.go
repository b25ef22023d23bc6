package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
)

// TestWaitingUserGivesANameAndIsRefused checks the whole way of a user who waits: the request is
// recorded and announced once, what was typed is kept when the name is rejected, only administrators
// change the name after the approval, and a refused user reads why (voidauth/voidauth#66).
func TestWaitingUserGivesANameAndIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var notices []gateway.Notice
	w.notify = func(n gateway.Notice) { notices = append(notices, n) }
	alice, ctx := w.phone("alice"), t.Context()
	for range 3 {
		alice.WantPage(alice.Must(alice.Open(ctx, w.authorize("closed"))), "waiting", 200)
	}
	waiting, err := w.store.WaitingUsers(ctx, gateway.WaitingQuery{})
	if err != nil || len(waiting) != 1 || waiting[0].Request.App != "closed" || waiting[0].Request.Method != "wechat" {
		t.Fatalf("waiting: %+v, %v", waiting, err)
	}
	if len(notices) != 1 || notices[0].Kind != gateway.NoticeWaiting || notices[0].App != "Closed" {
		t.Errorf("notices: %+v", notices)
	}
	long := strings.Repeat("长", 101)
	page := alice.Must(alice.Submit(ctx, "/access/name", url.Values{"name": {long}}))
	alice.WantPage(page, "your_name", http.StatusUnprocessableEntity)
	if !strings.Contains(page.Body, `value="`+long+`"`) || !strings.Contains(page.Body, "100") {
		t.Error("what was typed is lost, or the page does not name the problem")
	}
	alice.WantPage(alice.giveName(" 李\u202e\x00雷 "), "waiting", 200)
	user := w.user(gateway.Pending)
	if user.RealName != "李雷" {
		t.Errorf("the name is %q", user.RealName)
	}
	if _, err := w.store.DecideAccess(ctx, gateway.AccessDecision{
		UserID: user.ID, Apps: []string{"closed"}, State: gateway.RequestRefused, Reason: "请先 <b>联系</b> 人事",
		At: w.clock.Now(), By: gateway.ActorCommand,
	}); err != nil {
		t.Fatal(err)
	}
	page = alice.WantPage(alice.Must(alice.FollowRefresh(ctx)), "access_refused", http.StatusForbidden)
	if !strings.Contains(page.Body, "请先 &lt;b&gt;联系&lt;/b&gt; 人事") {
		t.Error("the page does not show the reason")
	}
	if _, err := w.store.DecideAccess(ctx, gateway.AccessDecision{
		UserID: user.ID, State: gateway.RequestApproved, At: w.clock.Now(), By: gateway.ActorCommand,
	}); err != nil {
		t.Fatal(err)
	}
	alice.Must(alice.SubmitURL(ctx, w.url+"/access/name", http.MethodPost, "return=/&name=Mallory"))
	if u := w.user(gateway.Active); u.RealName != "李雷" {
		t.Errorf("an approved user changed the name to %q", u.RealName)
	}
}

// TestNameFormReturnsToTheGatewayOnly has the addresses that browsers parse differently
// (gitea CVE-2026-25779, miniflux CVE-2025-67713, openrun CVE-2026-55252).
func TestNameFormReturnsToTheGatewayOnly(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	for _, to := range []string{"//evil.example", `/\evil.example`, `\\evil.example`, "/%09/evil.example",
		"https:evil.example", "https://evil.example", "https://ok@evil.example", "javascript:alert(1)", "/\n/evil.example",
		"/\t/evil.example", "／／evil.example", ""} {
		fields := url.Values{"name": {"李雷"}, "return": {to}, "app": {"closed"}}.Encode()
		for _, path := range []string{"/access/name", "/access/ask"} {
			page, err := alice.SubmitURL(t.Context(), w.url+path, http.MethodPost, fields)
			if err != nil || fixture.PageName(page) != "bad_return" || page.RefreshURL != "" {
				t.Errorf("%s, return %q: page %s, refresh %q, %v", path, to, fixture.PageName(page), page.RefreshURL, err)
			}
		}
	}
	if u := w.user(gateway.Pending); u.RealName != "" {
		t.Errorf("a form with a bad return address stored the name %q", u.RealName)
	}
}

// TestListedAppHasAButtonThatAsks checks that users without a place on the list of an app can ask for
// access, and that an administrator's decision counts.
func TestListedAppHasAButtonThatAsks(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(w *gatewayFixture) {
		w.config.Apps[2].Access = gateway.AccessRule{Rule: gateway.AccessListed, Groups: []string{"staff"}}
	})
	alice, ctx := w.phone("alice"), t.Context()
	alice.WantPage(alice.Must(alice.Open(ctx, w.authorize("closed"))), "refused", http.StatusForbidden)
	if n, err := w.store.CountWaiting(ctx, 10); err != nil || n != 0 {
		t.Fatalf("%d wait before the user asks, %v", n, err)
	}
	alice.Must(alice.Submit(ctx, "/access/ask", nil))
	alice.WantPage(alice.Must(alice.FollowRefresh(ctx)), "waiting", 200)
	alice.WantPage(alice.giveName("李雷"), "waiting", 200)
	if _, err := w.store.DecideAccess(ctx, gateway.AccessDecision{
		UserID: w.user(gateway.Pending).ID, Apps: []string{"closed"}, State: gateway.RequestApproved, At: w.clock.Now(),
		By: gateway.ActorCommand,
	}); err != nil {
		t.Fatal(err)
	}
	fixture.WantAt(t, alice.Must(alice.FollowRefresh(ctx)), w.app.URL+"/closed")
	change := func(id string, change func(*gateway.User)) {
		t.Helper()
		_, err := w.store.UpdateUser(ctx, id, w.clock.Now(), func(u *gateway.User) error { change(u); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	change(w.user(gateway.Pending).ID, func(u *gateway.User) { u.AllowedApps = nil })
	if got := w.get("/access/state?app=closed", alice.Cookies(w.url)); !strings.Contains(got, "decided") {
		t.Errorf("the state of an approval that was taken back: %s", got)
	}
	bob := w.phone("bob") // refused without a request
	bob.WantPage(bob.Must(bob.Open(ctx, w.authorize("closed"))), "refused", http.StatusForbidden)
	users, _ := w.users()
	change(users[1].ID, func(u *gateway.User) { u.RefusedApps = []string{"closed"} })
	bob.Must(bob.Submit(ctx, "/access/ask", nil))
	if n, err := w.store.CountWaiting(ctx, 10); err != nil || n != 0 {
		t.Errorf("a refused user asked again: %d wait, %v", n, err)
	}
}
