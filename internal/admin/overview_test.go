package admin_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// TestOverviewButtons presses the buttons of the rows on /admin, as a browser does: with the name and the
// value that the page has.
func TestOverviewButtons(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user("Alice"), f.user("Bob")
	f.wait(alice, "wiki")
	f.wait(bob, "shop")
	page := f.get("/admin")
	press := func(value string) response {
		t.Helper()
		if !strings.Contains(page, `name="one" value="`+value+`"`) {
			t.Fatalf("the page has no button %s", value)
		}
		res := f.post("/admin/waiting", url.Values{"one": {value}})
		f.done(res)
		return res
	}
	res := press("approve_all " + alice.ID + " wiki")
	if u := f.stored(alice.ID); u.Status != gateway.Active {
		t.Errorf("Alice: %s", u.Status)
	}
	if notice := f.get(res.header.Get("Location")); !strings.Contains(text(notice), "Approved: 1: Alice") {
		t.Errorf("the confirmation does not name the user: %.600s", text(notice))
	}
	press("approve_app " + bob.ID + " shop")
	if u := f.stored(bob.ID); u.Status != gateway.Pending || !slices.Equal(u.AllowedApps, []string{"shop"}) {
		t.Errorf("Bob: %s, apps %v", u.Status, u.AllowedApps)
	}
	if page := f.get("/admin"); strings.Contains(page, `name="one"`) {
		t.Error("users who are approved still wait on the overview")
	}
}

// TestLinkConfirmsNothing opens addresses that no act of the administrator has made. A user who waits
// sends a link with the user's own id, so that the administrator takes the user for approved.
func TestLinkConfirmsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mallory, alice := f.user("all users, at 09:12"), f.user("Alice")
	f.wait(mallory, "wiki")
	f.wait(alice, "wiki")
	res := f.post("/admin/waiting", url.Values{"one": {"approve_all " + alice.ID + " wiki"}})
	f.done(res)
	if page := text(f.get(res.location)); !strings.Contains(page, "Approved: 1: Alice") {
		t.Errorf("the page of the act: %.600s", page)
	}
	other := f.user("Other", func(u *gateway.User) { u.Admin, u.Status = true, gateway.Active })
	f.browser("other", other, gateway.MethodWeChat, 0)
	if page := text(f.do("other", res.location, nil).body); strings.Contains(page, "Approved") {
		t.Errorf("the page of another administrator: %.600s", page)
	}
	for _, address := range []string{
		"/admin/waiting?user=" + mallory.ID + "&done=approve&n=1", "/admin/waiting?done=approve&n=1",
		"/admin/users/" + mallory.ID + "?done=sign_in&n=0",
		strings.Replace(res.location, alice.ID, mallory.ID, 1), strings.Replace(res.location, "n=1", "n=2", 1),
	} {
		page := text(f.get(address))
		if strings.Contains(page, "Approved") || strings.Contains(page, "You are signed in again") {
			t.Errorf("%s: %.600s", address, page)
		}
	}
	f.now = f.now.Add(web.ConfirmationTime + time.Second)
	if page := text(f.get(res.location)); strings.Contains(page, "Approved") {
		t.Errorf("a minute later: %.600s", page)
	}
}
