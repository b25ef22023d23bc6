package admin_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// TestApproveWithOnePress presses the button of one row (girder/girder#1408). The user waits no more,
// and the event names the administrator.
func TestApproveWithOnePress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user("Alice"), f.user("Bob")
	f.wait(alice, "wiki")
	f.wait(bob, "shop")
	page := f.get("/admin/waiting")
	for _, u := range []gateway.User{alice, bob} {
		if tail := u.ID[len(u.ID)-6:]; !strings.Contains(page, tail) {
			t.Errorf("the list lacks the end of the id %s", tail)
		}
	}
	f.done(f.post("/admin/waiting", url.Values{"one": {"approve_all " + alice.ID + " wiki"}}))
	f.done(f.post("/admin/waiting", url.Values{"one": {"approve_app " + bob.ID + " shop"}}))
	if u := f.stored(alice.ID); u.Status != gateway.Active {
		t.Errorf("status %s", u.Status)
	}
	if u := f.stored(bob.ID); u.Status != gateway.Pending || !slices.Equal(u.AllowedApps, []string{"shop"}) {
		t.Errorf("status %s, apps %v", u.Status, u.AllowedApps)
	}
	events := f.events("user_approved")
	if len(events) != 2 || events[0].Actor != f.admin.ID || events[0].RequestID == "" || events[0].Address != "192.0.2.*" {
		t.Errorf("events %+v", events)
	}
}

// TestWaitingNumberOnEveryPage has two users who wait (RocketChat/Rocket.Chat#2266, #9450: nobody saw
// that somebody waited).
func TestWaitingNumberOnEveryPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.crowd()
	for _, path := range f.pages(c.user.ID, c.other.ID, c.invitation.ID) {
		if page := f.get(path); !strings.Contains(page, `<b class="count">2</b>`) {
			t.Errorf("%s lacks the number of users who wait", path)
		}
	}
}

// TestListActionLeavesImpossibleRows approves a blocked and a deleted user among others.
func TestListActionLeavesImpossibleRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, gone := f.user("Alice"), f.user("Bob"), gateway.NewID()
	f.done(f.post("/admin/users/"+bob.ID+"/block", nil))
	res := f.post("/admin/users", url.Values{
		"act": {"approve"}, "sel": {alice.ID, bob.ID, gone}, "groups": {"staff，sales"},
	})
	page := text(res.body)
	if res.status != http.StatusOK || !strings.Contains(page, "Done: 1") ||
		!strings.Contains(page, "Bob …"+bob.ID[20:]+" : The user is blocked") ||
		!strings.Contains(page, "…"+gone[20:]+" : It does not exist") {
		t.Errorf("%d, %.900s", res.status, page)
	}
	if u := f.stored(alice.ID); u.Status != gateway.Active || !slices.Equal(u.Groups, []string{"sales", "staff"}) {
		t.Errorf("Alice: %s, %v", u.Status, u.Groups)
	}
	if u := f.stored(bob.ID); u.Status != gateway.Blocked {
		t.Errorf("Bob: %s", u.Status)
	}
}

// TestRefusedFormKeepsWhatWasTyped sends forms with invalid values. The page names the field, and has
// all typed values.
func TestRefusedFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.crowd()
	user := "/admin/users/" + c.user.ID
	stamp := f.stored(c.user.ID).UpdatedAt.Format(time.RFC3339Nano)
	for _, tt := range []struct {
		path string
		form url.Values
		want []string
	}{
		{"/admin/waiting", url.Values{"act": {"refuse"}, "reason": {"no"}, "groups": {"staff"}},
			[]string{"Select at least one row", ">no</textarea>", `value="staff"`}},
		{"/admin/waiting", url.Values{"act": {"refuse"}, "reason": {strings.Repeat("长", 501)}, "sel": {c.user.ID + " wiki"}},
			[]string{"at most 500 characters", "长长</textarea>", `href="#reason"`, `value="` + c.user.ID + ` wiki" checked`}},
		{"/admin/users", url.Values{"act": {"approve"}, "sel": {c.user.ID}, "groups": {strings.Repeat("g", 65)}},
			[]string{"at most 64 characters", "ggg"}},
		{user + "/edit", url.Values{"stamp": {stamp}, "real_name": {strings.Repeat("n", 101)}, "note": {"my note"}},
			[]string{"at most 100 characters", "my note</textarea>", `href="#real_name"`, `aria-invalid="true"`}},
		{user + "/block", url.Values{"reason": {strings.Repeat("r", 501)}}, []string{"at most 500 characters", "rrr"}},
		{user + "/delete", url.Values{"confirm": {"abc"}}, []string{"The characters differ", `value="abc"`}},
		{"/admin/invitations/new", url.Values{"max_uses": {"many"}, "note": {"for Bob"}, "scope": {"apps"}},
			[]string{"Enter a number", "Select at least one app", `value="for Bob"`, `value="many"`}},
		{"/admin/invitations/new", url.Values{"max_uses": {"1"}, "scope": {"apps"}, "apps": {"nothing"}},
			[]string{"This value is not configured"}},
		{"/admin/api-keys/new", url.Values{"scopes": {"users:read"}, "days": {"30"}},
			[]string{"Enter a value", `value="users:read" checked`}},
	} {
		before := f.snapshot()
		res := f.post(tt.path, tt.form)
		if res.status != http.StatusBadRequest || f.snapshot() != before {
			t.Errorf("%s: %d, or something has changed; %.300s", tt.path, res.status, text(res.body))
		}
		for _, want := range tt.want {
			if !strings.Contains(res.body, want) {
				t.Errorf("%s %v: the page lacks %q", tt.path, tt.form, want)
			}
		}
	}
}

// TestStalePageOverwritesNothing sends a form after another administrator has changed the user. The
// page shows the present values beside the typed ones.
func TestStalePageOverwritesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user("Alice")
	page := f.get("/admin/users/" + alice.ID)
	_, stamp, _ := strings.Cut(page, `name="stamp" value="`)
	stamp, _, _ = strings.Cut(stamp, `"`)
	form := func(note string) url.Values { return url.Values{"stamp": {stamp}, "note": {note}, "groups": {""}} }
	f.now = f.now.Add(time.Minute)
	f.done(f.post("/admin/users/"+alice.ID+"/edit", form("of the first")))
	f.now = f.now.Add(time.Minute)
	res := f.post("/admin/users/"+alice.ID+"/edit", form("of the second"))
	if res.status != http.StatusConflict || !strings.Contains(res.body, "of the second</textarea>") ||
		!strings.Contains(text(res.body), "Note of the first") {
		t.Errorf("%d, %.600s", res.status, text(res.body))
	}
	if u := f.stored(alice.ID); u.Note != "of the first" {
		t.Errorf("note %q", u.Note)
	}
}

// TestEditChangesItsFieldsOnly sends every field of a user to the form (h44z/wg-portal CVE-2026-27899,
// memos CVE-2023-4697, goauthentik/authentik CVE-2024-37905: rights and owners set by a general
// update).
func TestEditChangesItsFieldsOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user("Alice")
	f.done(f.post("/admin/users/"+alice.ID+"/edit", url.Values{
		"stamp": {alice.UpdatedAt.Format(time.RFC3339Nano)}, "real_name": {"Alice Li"}, "note": {"n"}, "groups": {"staff"},
		"admin": {"1"}, "Admin": {"true"}, "status": {"active"}, "id": {f.admin.ID}, "ID": {f.admin.ID}, "nickname": {"x"},
		"old_id": {"x"}, "user_id": {f.admin.ID}, "openid": {"x"}, "allowed_apps": {"shop"}, "app shop": {""},
	}))
	u := f.stored(alice.ID)
	want := alice
	want.RealName, want.Note, want.Groups, want.UpdatedAt = "Alice Li", "n", []string{"staff"}, u.UpdatedAt
	if fmt.Sprint(u) != fmt.Sprint(want) {
		t.Errorf("stored %+v\nwant   %+v", u, want)
	}
	if root := f.stored(f.admin.ID); fmt.Sprint(root) != fmt.Sprint(f.admin) {
		t.Errorf("the administrator has changed: %+v", root)
	}
}

// TestEditKeepsDecisionsThatTheFormDoesNotHave sends a form that was shown before the app was
// configured. The decision of another administrator about this app stays.
func TestEditKeepsDecisionsThatTheFormDoesNotHave(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user("Alice", func(u *gateway.User) { u.RefusedApps = []string{"shop"} })
	f.done(f.post("/admin/users/"+alice.ID+"/edit", url.Values{
		"stamp": {alice.UpdatedAt.Format(time.RFC3339Nano)}, "note": {"n"}, "app wiki": {"allowed"},
	}))
	if u := f.stored(alice.ID); fmt.Sprint(u.AllowedApps, u.RefusedApps) != "[wiki] [shop]" {
		t.Errorf("allowed %v, refused %v", u.AllowedApps, u.RefusedApps)
	}
}

// TestAdministratorsKeepThemselves blocks, demotes, merges and deletes the own user (Pocket ID 1.7,
// sebadob/rauthy#1066).
func TestAdministratorsKeepThemselves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.user("Other", func(u *gateway.User) { u.Admin, u.Status = true, gateway.Active })
	own := "/admin/users/" + f.admin.ID
	for path, form := range map[string]url.Values{
		own + "/block": {}, own + "/admin": {"act": {"demote"}}, own + "/merge": {"other": {other.ID}},
		"/admin/users/" + other.ID + "/merge": {"other": {f.admin.ID}},
		own + "/delete":                       {"confirm": {f.admin.ID[20:]}},
	} {
		res := f.post(path, form)
		if res.status != http.StatusConflict || !strings.Contains(res.body, "You cannot do this to yourself") {
			t.Errorf("%s: %d, %.300s", path, res.status, text(res.body))
		}
	}
	res := f.post("/admin/users", url.Values{"act": {"block"}, "sel": {f.admin.ID}})
	if !strings.Contains(res.body, "You cannot do this to yourself") {
		t.Errorf("in a list: %d, %.300s", res.status, text(res.body))
	}
	if u := f.stored(f.admin.ID); !u.Admin || u.Status != gateway.Active {
		t.Errorf("the administrator: %+v", u)
	}
}

// TestTwoAdministratorsDemoteEachOther at once. One of them stays (netbirdio/netbird
// GHSA-rxmp-8h9v-56cx: a race between two changes of roles).
func TestTwoAdministratorsDemoteEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.user("Other", func(u *gateway.User) { u.Admin, u.Status = true, gateway.Active })
	f.browser("other", other, gateway.MethodWeChat, 0)
	var group sync.WaitGroup
	for browser, target := range map[string]string{"admin": other.ID, "other": f.admin.ID} {
		group.Go(func() {
			f.postAs(browser, "/admin/users/"+target+"/admin", url.Values{"act": {"demote"}})
		})
	}
	group.Wait()
	admins, err := f.store.CountAdmins(t.Context())
	if err != nil || admins != 1 {
		t.Errorf("%d administrators, %v", admins, err)
	}
	if events := f.events("admin_revoked"); len(events) != 1 {
		t.Errorf("%d events", len(events))
	}
}

// TestBlockIsOnePress blocks a user with the reason. All sessions end, and there is one event for each
// user (authentik: account lockdown).
func TestBlockIsOnePress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user("Alice"), f.user("Bob")
	for _, u := range []gateway.User{alice, bob} {
		f.putSession(u, "phone of "+u.ID, "WeChat, iOS")
	}
	f.done(f.post("/admin/users", url.Values{"act": {"block"}, "sel": {alice.ID, bob.ID}, "reason": {"phones stolen"}}))
	for _, u := range []gateway.User{alice, bob} {
		sessions, err := f.store.UserSessions(t.Context(), u.ID, f.now)
		if err != nil || len(sessions) != 0 || f.stored(u.ID).Status != gateway.Blocked {
			t.Errorf("%s: %d sessions, %v", u.Nickname, len(sessions), err)
		}
	}
	events := f.events("user_blocked")
	if len(events) != 2 || !strings.Contains(events[0].Detail, "phones stolen") {
		t.Errorf("events %+v", events)
	}
}

// putSession stores a session of a user.
func (f *fixture) putSession(u gateway.User, name, browser string) {
	f.t.Helper()
	err := f.store.PutSession(f.t.Context(), gateway.Session{
		Hash: session.Hash(name), UserID: u.ID, Connector: "main", AppID: "wxa", OpenID: "o", Method: gateway.MethodWeChat,
		AuthTime: f.now, CreatedAt: f.now, SeenAt: f.now, ExpiresAt: f.now.Add(time.Hour),
		Data: session.Data{Browser: browser}.Bytes(),
	}, f.now)
	if err != nil {
		f.t.Fatal(err)
	}
}

// TestEndOneSession ends one of two sessions. The session of another user is not found through this
// user (grafana CVE-2024-10452), and a session that has ended is not an error (Pocket ID 2.13).
func TestEndOneSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user("Alice"), f.user("Bob")
	f.putSession(alice, "phone", "WeChat, iOS")
	f.putSession(alice, "laptop", "Chrome, Windows")
	f.putSession(bob, "tablet", "Safari, iPadOS")
	page := text(f.get("/admin/users/" + alice.ID))
	if !strings.Contains(page, "WeChat, iOS") || !strings.Contains(page, "Chrome, Windows") {
		t.Errorf("page %.900s", page)
	}
	end := "/admin/users/" + alice.ID + "/end-session"
	for _, name := range []string{"phone", "phone", "tablet", "nothing"} {
		f.done(f.post(end, url.Values{"session": {session.FormID(session.Hash(name))}}))
	}
	for u, want := range map[string]int{alice.ID: 1, bob.ID: 1} {
		if sessions, err := f.store.UserSessions(t.Context(), u, f.now); err != nil || len(sessions) != want {
			t.Errorf("%s has %d sessions, %v", u, len(sessions), err)
		}
	}
}

// TestInvitationIsShownOnce makes an invitation. The link is on this page only, and the list has the
// users who used it, and when (ChronoAIProject/NyxID#214).
func TestInvitationIsShownOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	res := f.post("/admin/invitations/new", url.Values{
		"note": {"new colleagues"}, "hours": {"168"}, "max_uses": {"3"}, "scope": {"apps"}, "apps": {"wiki"},
		"groups": {"staff"},
	})
	_, secret, _ := strings.Cut(res.body, gatewayURL+"/invite/")
	secret, _, _ = strings.Cut(secret, "<")
	if res.status != http.StatusOK || len(secret) != 26 || !strings.Contains(res.body, `class="code"`) ||
		!strings.Contains(res.body, "6 Dec 2026, 12:30 (UTC)") {
		t.Fatalf("%d, secret %q, %.600s", res.status, secret, text(res.body))
	}
	alice := f.user("Alice")
	_, used, err := f.store.RedeemInvitation(t.Context(), gateway.InvitationRedemption{
		Hash: gateway.InvitationHash(secret), UserID: alice.ID, Now: f.now.Add(time.Hour),
		Event: gateway.Event{Kind: "invitation_used", Outcome: "ok"},
	})
	if err != nil || !used {
		t.Fatal(used, err)
	}
	list := f.get("/admin/invitations")
	invitations, err := f.store.Invitations(t.Context(), gateway.InvitationQuery{})
	if err != nil || len(invitations) != 1 {
		t.Fatal(len(invitations), err)
	}
	page := f.get("/admin/invitations/" + invitations[0].ID)
	if !strings.Contains(text(page), "Alice …"+alice.ID[20:]+" 29 Nov 2026, 13:30") {
		t.Errorf("page %.900s", text(page))
	}
	for _, body := range []string{list, page, f.get("/admin/events"), f.get("/admin")} {
		if strings.Contains(body, secret) {
			t.Error("another page has the secret")
		}
	}
	f.done(f.post("/admin/invitations/"+invitations[0].ID+"/revoke", nil))
	if !strings.Contains(text(f.get("/admin/invitations")), "Revoked") {
		t.Error("the list does not show that it is revoked")
	}
}

// TestExports downloads both formats. A formula in a nickname or a note does not run in a spreadsheet
// program (elunez/eladmin#863, jowilf/starlette-admin#838), and Excel reads Chinese.
func TestExports(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := f.user("=cmd|'/c calc'!A1", func(u *gateway.User) { u.Note = "＝1+1，财务" })
	res := f.post("/admin/users/export", url.Values{"format": {"csv"}, "status": {"pending"}})
	if res.status != http.StatusOK || !strings.HasPrefix(res.body, "\ufeffid,") ||
		!strings.Contains(res.header.Get("Content-Disposition"), `attachment; filename="weigate-users-20261129-1230.csv"`) {
		t.Fatalf("%d %q %.100q", res.status, res.header, res.body)
	}
	rows, err := csv.NewReader(strings.NewReader(res.body)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatal(len(rows), err)
	}
	for _, cell := range rows[1] {
		if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "＝") {
			t.Errorf("cell %q", cell)
		}
	}
	if strings.Contains(res.body, "openid-") || strings.Contains(res.body, "union-") {
		t.Error("the export has an openid or unionid")
	}
	lines := f.post("/admin/users/export", url.Values{"format": {"jsonl"}, "q": {u.ID}})
	if !strings.Contains(lines.body, `"note":"＝1+1，财务"`) || strings.Count(lines.body, "\n") != 1 {
		t.Errorf("JSON lines %q", lines.body)
	}
	if events := f.events("exported"); len(events) != 2 || events[0].Actor != f.admin.ID {
		t.Errorf("events %+v", events)
	}
	if bad := f.post("/admin/users/export", url.Values{"format": {"xlsx"}}); bad.status != http.StatusBadRequest {
		t.Errorf("another format: %d", bad.status)
	}
	// Inside WeChat, downloads do not work. The page explains it, and has a link for another browser.
	f.agent = "Mozilla/5.0 (iPhone) MicroMessenger/8.0.44"
	inside := f.get("/admin/events/export?kind=sign_in")
	f.agent = "Mozilla/5.0 (Windows NT 10.0) Chrome/130.0"
	outside := f.get("/admin/events/export?kind=sign_in")
	const link, hint = gatewayURL + "/admin/events/export?kind=sign_in", "WeChat cannot save files"
	if !strings.Contains(inside, link) || !strings.Contains(inside, hint) || strings.Contains(outside, hint) {
		t.Errorf("inside %.600s", text(inside))
	}
}
