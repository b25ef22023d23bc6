package admin_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
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

// TestConfirmationsNameStoredUsersOnly opens addresses that no act of the administrator has made: a
// link must not make the page show a text of its own.
func TestConfirmationsNameStoredUsersOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, user := range []string{"Mallory", gateway.NewID(), "%3Cb%3E", "command"} {
		page := text(f.get("/admin/waiting?user=" + user + "&done=approve&n=1"))
		if !strings.Contains(page, "Approved: 1") || strings.Contains(page, "Approved: 1:") {
			t.Errorf("%s: %.600s", user, page)
		}
	}
}
