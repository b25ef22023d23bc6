package app_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/wechat/wechattest"
)

// invite stores an invitation and returns its link.
func (w *gatewayFixture) invite(i gateway.Invitation) string {
	w.t.Helper()
	secret, now := gateway.NewID(), w.clock.Now()
	i.ID, i.Hash, i.CreatedAt = gateway.NewID(), gateway.InvitationHash(secret), now
	if i.CreatedBy == "" {
		i.CreatedBy = gateway.ActorCommand
	}
	if i.ExpiresAt.IsZero() {
		i.ExpiresAt = now.Add(time.Hour)
	}
	if err := w.store.CreateInvitation(w.t.Context(), i, gateway.Event{Kind: "invitation_created", At: now}); err != nil {
		w.t.Fatal(err)
	}
	return w.url + "/invite/" + secret
}

// uses returns how often the invitation of a link was used.
func (w *gatewayFixture) uses(link string) int {
	w.t.Helper()
	hash := gateway.InvitationHash(link[strings.LastIndexByte(link, '/')+1:])
	i, _ := w.store.Invitation(w.t.Context(), hash, w.clock.Now())
	return i.Uses
}

// user returns the one user with a status.
func (w *gatewayFixture) user(status gateway.Status) gateway.User {
	w.t.Helper()
	users, err := w.store.Users(w.t.Context(), gateway.UserQuery{Status: status})
	if err != nil || len(users) != 1 {
		w.t.Fatalf("users with status %s: %+v, %v", status, users, err)
	}
	return users[0]
}

// accept opens a link in WeChat, signs in and presses the button.
func (p phone) accept(link string) *wechattest.Page {
	ctx := context.Background()
	page := p.Must(p.Open(ctx, link))
	if strings.Contains(page.Body, `id="go"`) {
		p.Must(p.Follow(ctx, "go"))
	}
	return p.Must(p.Submit(ctx, "接受", nil))
}

// TestInvitationAdmitsTheUserWhoAccepts checks that opening a link uses nothing
// (kanidm/kanidm designs/account_signup_2026: previews and scanners open links), that it works in
// another browser than the administrator's (pocket-id/pocket-id#1216), and that users who have the
// access use up nothing (QuantumNous/new-api#6305).
func TestInvitationAdmitsTheUserWhoAccepts(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	link := w.invite(gateway.Invitation{Kind: gateway.InviteUser, Groups: []string{"staff"}, MaxUses: 2})
	for i := range 10 {
		method := http.MethodGet
		if i%2 == 1 {
			method = http.MethodHead
		}
		r, err := http.NewRequestWithContext(t.Context(), method, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		other, err := fixture.NewBrowser(t, uaDesktop).Send(r)
		if err != nil || other.Status != http.StatusOK {
			t.Fatalf("%s: %d, %v", method, other.Status, err)
		}
		if method == http.MethodGet &&
			(!strings.Contains(other.Body, `class="code"`) || !strings.Contains(other.Body, link)) {
			t.Error("outside WeChat, the page has no QR code and no link to copy")
		}
	}
	if n := w.uses(link); n != 0 {
		t.Fatalf("opening the link used it %d times", n)
	}
	alice := w.phone("alice")
	alice.WantPage(alice.accept(link), "invite_done", 200)
	user := w.user(gateway.Active)
	if !slices.Equal(user.Groups, []string{"staff"}) || user.Admin || w.uses(link) != 1 {
		t.Errorf("user %+v, %d uses", user, w.uses(link))
	}
	// Nobody has asked an invited user for a name. The page does, and the user gives it once.
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "/access/name", url.Values{"name": {"李雷"}})), "continue", 200)
	if u := w.user(gateway.Active); u.RealName != "李雷" {
		t.Errorf("the name is %q", u.RealName)
	}
	alice.Must(alice.SubmitURL(t.Context(), w.url+"/access/name", http.MethodPost, "return=/&name=Mallory"))
	if u := w.user(gateway.Active); u.RealName != "李雷" {
		t.Errorf("an invited user changed the name to %q", u.RealName)
	}
	alice.WantPage(alice.accept(link), "invite_known", 200)
	if n := w.uses(link); n != 1 {
		t.Errorf("%d uses by one user", n)
	}
	fixture.WantAt(t, alice.Must(alice.Open(t.Context(), w.authorize("closed"))), w.app.URL+"/closed")
}

// TestInvalidInvitationsSayWhy checks the pages of links that cannot be used. The rows that have
// expired are still stored (goauthentik/authentik CVE-2025-64708: expired invitations worked until
// the cleaning job came).
func TestInvalidInvitationsSayWhy(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	admin := w.invite(gateway.Invitation{Kind: gateway.InviteAdmin, MaxUses: 1})
	alice.WantPage(alice.accept(admin), "invite_admin_done", 200)
	maker := w.user(gateway.Active)
	user := gateway.Invitation{Kind: gateway.InviteUser, MaxUses: 1}
	expired := w.invite(gateway.Invitation{Kind: gateway.InviteUser, ExpiresAt: w.clock.Now().Add(time.Minute)})
	used, void := w.invite(user), w.invite(gateway.Invitation{Kind: gateway.InviteUser, CreatedBy: maker.ID})
	bob := w.phone("bob")
	bob.WantPage(bob.accept(void), "invite_done", 200)
	carol := w.phone("xiaoming")
	carol.WantPage(carol.accept(used), "invite_done", 200)
	if _, err := w.store.UpdateUser(t.Context(), maker.ID, w.clock.Now(), func(u *gateway.User) error {
		u.Admin = false
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(2 * time.Minute)
	dave := w.plainBrowser(uaDesktop)
	for _, k := range []struct {
		link, kind string
		status     int
	}{
		{expired, "invite_expired", http.StatusGone},
		{used, "invite_used", http.StatusGone},
		{void, "invite_void", http.StatusGone},
		{admin, "invite_used", http.StatusGone},
		{w.url + "/invite/" + gateway.NewID(), "invite_unknown", http.StatusNotFound},
		{w.url + "/invite/x", "invite_unknown", http.StatusNotFound},
		{expired[:len(expired)-1], "invite_unknown", http.StatusNotFound}, // zitadel/zitadel CVE-2026-27840: cut tokens
	} {
		dave.open(k.link).want(k.kind, k.status)
		if strings.Contains(dave.body, `action="/invite/`) {
			t.Errorf("%s: the page has a button", k.kind)
		}
	}
}

// TestBlockedUserStaysBlockedByAnInvitation: signing in again unblocked the account in Gitea
// (CVE-2026-58422).
func TestBlockedUserStaysBlockedByAnInvitation(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	w.set(gateway.Blocked)
	link := w.invite(gateway.Invitation{Kind: gateway.InviteUser})
	alice.Must(alice.Open(t.Context(), link))
	alice.WantPage(alice.Must(alice.Follow(t.Context(), "go")), "blocked", http.StatusForbidden)
	if u := w.user(gateway.Blocked); w.uses(link) != 0 || u.Status != gateway.Blocked {
		t.Errorf("%+v, %d uses", u, w.uses(link))
	}
}

// TestInvitationIsPressedByTheUserWhomThePageNames: an attacker who signs the browser in as another
// user between the page and the press must not use the link up (login CSRF).
func TestInvitationIsPressedByTheUserWhomThePageNames(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	link := w.invite(gateway.Invitation{Kind: gateway.InviteUser, MaxUses: 1})
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), link))
	alice.Must(alice.Follow(t.Context(), "go"))
	for _, fields := range []string{"do=accept", "do=accept&session=" + session.FormID([32]byte{1}), "",
		"do=without_wechat", "do=accept&admin=true&kind=admin&groups=root&UserID=x"} {
		alice.Must(alice.SubmitURL(t.Context(), link, http.MethodPost, fields))
	}
	if u := w.user(gateway.Pending); w.uses(link) != 0 || u.Admin || len(u.Groups) > 0 {
		t.Errorf("%+v, %d uses", u, w.uses(link))
	}
}

// TestAdminLinkWithoutWeChat: of 50 requests at once, one gets a session (Pocket ID 2.12, a race in
// the first set-up). The session is refused by every app, also when it is the only one, and it ends
// after an hour (pocket-id/pocket-id GHSA-hp74-gm6m-2qm5).
func TestAdminLinkWithoutWeChat(t *testing.T) {
	t.Parallel()
	w := newFixture(t, everyKind)
	var notices []gateway.Notice
	var mu sync.Mutex
	w.notify = func(n gateway.Notice) {
		mu.Lock()
		defer mu.Unlock()
		notices = append(notices, n)
	}
	link := w.invite(gateway.Invitation{Kind: gateway.InviteAdmin, MaxUses: 1})
	var group sync.WaitGroup
	signedIn := make(chan *http.Cookie, 50)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for range 50 {
		group.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, strings.NewReader("do=without_wechat"))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			response, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			for _, c := range response.Cookies() {
				signedIn <- c
			}
		})
	}
	group.Wait()
	close(signedIn)
	if len(signedIn) != 1 || len(notices) != 1 || notices[0].Kind != gateway.NoticeAdminLink {
		t.Fatalf("%d sessions, notices %+v", len(signedIn), notices)
	}
	cookie := <-signedIn
	admin := w.user(gateway.Active)
	sessions, err := w.store.UserSessions(t.Context(), admin.ID, w.clock.Now())
	if err != nil || len(sessions) != 1 || sessions[0].Method != gateway.MethodLink || !admin.Admin ||
		sessions[0].ExpiresAt.After(w.clock.Now().Add(session.LinkMax)) {
		t.Fatalf("admin %+v, sessions %+v, %v", admin, sessions, err)
	}
	get := func(address string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(cookie)
		r.Header.Set("Accept", "text/html")
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode >= 300 && response.StatusCode < 400 {
			return response.Header.Get("Location")
		}
		m := regexp.MustCompile(`<main [^>]*id="([^"]+)"`).FindStringSubmatch(w.read(response))
		if m == nil {
			return ""
		}
		return m[1]
	}
	for app, address := range w.appsOfEveryKind() {
		if got := get(address); got != "wrong_method" {
			t.Errorf("the app %s responds %q to a session of a link", app, got)
		}
	}
	if got := get(w.url + "/"); got != "own" {
		t.Errorf("the home page is %q", got)
	}
	w.clock.Advance(session.LinkMax)
	if got := get(w.url + "/"); got != "welcome" {
		t.Errorf("after an hour, the home page is %q", got)
	}
}

// appsOfEveryKind returns addresses at which apps ask the gateway for a user. The fixture has everyKind.
func (w *gatewayFixture) appsOfEveryKind() map[string]string {
	handoff := url.Values{"to": {"http://wiki.localhost:8099"}, "challenge": {strings.Repeat("A", 43)}, "return": {"/"}}
	return map[string]string{
		"sample": w.authorize("sample"), "closed": w.authorize("closed"), "relay": w.shopAddress("snsapi_base"),
		"relay with a profile": w.shopAddress("snsapi_userinfo"), "forward auth": w.url + "/forward-auth?" + handoff.Encode(),
	}
}

// TestAdminLinkOfAUserWithoutWeChat: the link of "weigate admin invite --user" is the way back in for
// an administrator whose account at WeChat is lost. It signs in as this user, once.
func TestAdminLinkOfAUserWithoutWeChat(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	user := w.user(gateway.Pending)
	link := w.invite(gateway.Invitation{Kind: gateway.InviteAdmin, MaxUses: 1, UserID: user.ID})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for try := range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, strings.NewReader("do=without_wechat"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for _, c := range alice.Cookies(w.url) { // this session ends
			r.AddCookie(c)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if signedIn := response.StatusCode == http.StatusSeeOther; signedIn != (try == 0) {
			t.Errorf("use %d: status %d", try+1, response.StatusCode)
		}
	}
	admin := w.user(gateway.Active)
	sessions, err := w.store.UserSessions(t.Context(), user.ID, w.clock.Now())
	linked := slices.ContainsFunc(sessions, func(s gateway.Session) bool { return s.Method == gateway.MethodLink })
	if err != nil || admin.ID != user.ID || !admin.Admin || !linked || len(sessions) != 1 {
		t.Errorf("administrator %+v, sessions %+v, %v", admin, sessions, err)
	}
}
