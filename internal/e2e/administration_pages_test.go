package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// crowd are the users of TestAdministrationPages.
type crowd struct {
	waiting, staff, blocked, refused, second gateway.User
	invitation                               gateway.Invitation
}

// crowd stores users, invitations, keys, events and faults.
func (g *administered) crowd() crowd {
	g.t.Helper()
	var c crowd
	active := func(name, note string, groups ...string) func(*gateway.User) {
		return func(u *gateway.User) { u.Status, u.RealName, u.Note, u.Groups = gateway.Active, name, note, groups }
	}
	c.second = g.user("阿芳", active("Wang Fang", "", "it", "staff"), func(u *gateway.User) { u.Admin = true })
	c.staff = g.user("小明", active("王小明", "Warehouse, since May", "staff", "warehouse"))
	g.user("Li Na", active("李娜", "", "finance"))
	c.blocked = g.user("旧同事", active("Zhao Lei", "Left in October"))
	c.refused = g.user("Someone", func(u *gateway.User) { u.RealName = "Sun Li" })
	c.waiting = g.user("🌊 阿海", func(u *gateway.User) { u.RealName = "Zhang Hai" })
	for _, u := range []gateway.User{g.user("Bob"), c.waiting, g.user("山高水长"), c.refused} {
		g.waits(u, "notes")
	}
	g.waits(c.waiting, "wiki")
	site, _, err := g.store.RecordSignIn(g.t.Context(), gateway.SignIn{
		Connector: "site", AppID: g.website.AppID, OpenID: "o" + gateway.NewID() + "1", At: g.clock.Now(),
		InitialStatus: gateway.Pending,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, by := g.t.Context(), administration.Actor{ID: g.root.ID, Address: "192.0.2.0", RequestID: "K7Q2ZD4MXA"}
	if c.staff, err = g.admin.Merge(ctx, by, c.staff.ID, site.ID); err != nil {
		g.t.Fatal(err)
	}
	g.admin.Refuse(ctx, by, []string{c.refused.ID},
		administration.Refusal{Apps: []string{"notes"}, Reason: "Notes is for the warehouse. Use Mail."})
	g.admin.Block(ctx, by, []string{c.blocked.ID}, "left the company")
	groups := []string{"finance", "staff", "warehouse"}
	if _, err := g.admin.Edit(ctx, by, c.staff.ID, administration.Edit{Groups: &groups}, time.Time{}); err != nil {
		g.t.Fatal(err)
	}
	g.putSession(c.staff, gateway.MethodWeChat)
	g.putSession(c.staff, gateway.MethodScan)
	user := administration.Invite{Kind: gateway.InviteUser, Note: "New colleagues in the warehouse", MaxUses: 20,
		Groups: []string{"staff", "warehouse"}}
	c.invitation, _ = g.invite(user)
	user.Note, user.Apps, user.Groups = "", []string{"notes", "wiki"}, nil
	revoked, _ := g.invite(user)
	if err := g.admin.RevokeInvitation(ctx, by, revoked.ID); err != nil {
		g.t.Fatal(err)
	}
	for _, name := range []string{"HR off-boarding", "Backup of events"} {
		_, _, err := g.admin.CreateAPIKey(ctx, by, administration.NewAPIKey{Name: name, Expires: 90 * 24 * time.Hour,
			Scopes: []string{administration.ScopeUsersRead, administration.ScopeUsersWrite}})
		if err != nil {
			g.t.Fatal(err)
		}
	}
	g.pretend()
	return c
}

// TestAdministrationPages looks at every page of administrators: in English at 1280, in Chinese at 390.
// The pages are many, so neither is looked at in the other width.
func TestAdministrationPages(t *testing.T) {
	t.Parallel()
	g := startAdministered(t)
	c := g.crowd()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			w := open(t, &g.addresses, l)
			w.is(g, g.root, gateway.MethodWeChat)
			w.administrationPages(g, c)
			w.is(g, g.root, gateway.MethodWeChat) // acts of weight need a recent sign-in, also on a slow machine
			w.administrationForms(g, c)
			w.refusedAdministration(g, c)
		})
	}
}

// TestAccessPages looks at the pages of invitations, of users who ask for access, and at the user's
// own pages, in the looks of TestAdministrationPages.
func TestAccessPages(t *testing.T) {
	t.Parallel()
	g := startAdministered(t)
	c := g.crowd()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			w := open(t, &g.addresses, l)
			w.invitationPages(g)
			w.invalidInvitations(g, c)
			w.accessPages(g, c)
			w.ownPages(g, c)
		})
	}
}

// administrationPages are those that an address opens.
func (w *window) administrationPages(g *administered, c crowd) {
	w.t.Helper()
	user := "/users/" + c.staff.ID
	for _, page := range []struct{ name, path string }{
		{"overview", ""}, {"waiting", "/waiting"}, {"waiting-none", "/waiting?app=mail"},
		{"users", "/users"}, {"users-found", "/users?q=wang"}, {"users-none", "/users?q=nobody+here"},
		{"user", user}, {"user-waiting", "/users/" + c.waiting.ID}, {"user-blocked", "/users/" + c.blocked.ID},
		{"user-self", "/users/" + g.root.ID},
		{"user-admin", user + "/admin"}, {"user-demote", "/users/" + c.second.ID + "/admin"},
		{"user-merge", user + "/merge"}, {"user-merge-found", user + "/merge?other=" + c.waiting.ID},
		{"user-move", user + "/move"}, {"user-delete", user + "/delete"},
		{"invitations", "/invitations"}, {"invite", "/invitations/new"}, {"invite-admin", "/invitations/new-admin"},
		{"invitation", "/invitations/" + c.invitation.ID},
		{"apps", "/apps"}, {"app", "/apps/notes"}, {"app-proxy", "/apps/wiki"}, {"app-relay", "/apps/closed"},
		{"events", "/events"}, {"events-filtered", "/events?kind=user_edited&user=" + c.staff.ID},
		{"events-none", "/events?kind=user_deleted"}, {"events-export", "/events/export?kind=user_edited"},
		{"users-export", "/users/export"},
		{"health", "/health"}, {"notifications", "/notifications"},
		{"api-keys", "/api-keys"}, {"api-key-new", "/api-keys/new"},
	} {
		if status := w.visit(g.gateway + "/admin" + page.path); status != http.StatusOK {
			w.t.Errorf("%s has status %d", page.path, status)
		}
		w.see("admin-" + page.name)
	}
}

// administrationForms are the pages that a form leads to.
func (w *window) administrationForms(g *administered, c crowd) {
	w.t.Helper()
	w.visit(g.gateway + "/admin/users/" + c.staff.ID)
	w.do("opening the section", chromedp.Click(chromedp.CSS("#identities>summary")))
	w.press(`a[href*="/unlink?"]`)
	w.see("admin-user-unlink")
	w.visit(g.gateway + "/admin/users/" + c.waiting.ID + "/move")
	w.press("main form .button")
	w.see("admin-link-move")
	w.visit(g.gateway + "/admin/invitations/new")
	w.press("main form button.button")
	w.see("admin-link-user")
	w.visit(g.gateway + "/admin/invitations/new-admin")
	w.press("main form button.button")
	w.see("admin-link-admin")
	w.visit(g.gateway + "/admin/invitations/new")
	w.do("choosing some apps", chromedp.Click(chromedp.CSS(`input[name=scope][value=apps]`)))
	w.presses("main form button.button", http.StatusBadRequest)
	w.see("admin-invite-wrong")
	w.visit(g.gateway + "/admin/api-keys/new")
	// Without this, the browser itself rejects the form: the name is required.
	eval[string](w, `(() => { document.querySelector("main form").noValidate = true; return "" })()`)
	w.presses("main form button.button", http.StatusBadRequest)
	w.see("admin-api-key-wrong")
	w.visit(g.gateway + "/admin/api-keys/new?name=Backup&scopes=users:read")
	w.press("main form button.button")
	w.see("admin-api-key-shown")

	// Some rows are impossible: the others are done.
	w.visit(g.gateway + "/admin/users")
	for _, u := range []gateway.User{c.staff, c.blocked} {
		w.do("selecting a row", chromedp.Click(chromedp.CSS(`input[name=sel][value="`+u.ID+`"]`)))
	}
	w.press("button[value=approve]")
	w.see("admin-users-left")
	// Another administrator has changed the user meanwhile.
	w.visit(g.gateway + "/admin/users/" + c.staff.ID)
	w.do("opening the form", chromedp.Click(chromedp.CSS("#edit>summary")))
	w.do("typing", chromedp.SetValue(chromedp.CSS("#real_name"), "Wang Xiaoming"))
	g.change(c.staff.ID, func(u *gateway.User) { u.Note = "Warehouse, since " + w.look.lang })
	w.presses(`form[action$="/edit"] button.button`, http.StatusConflict)
	w.see("admin-user-conflict")
}

// presses is press for a page with another status than 200.
func (w *window) presses(selector string, status int64) {
	w.t.Helper()
	if got := w.press(selector); got != status {
		w.t.Errorf("after %s: status %d, want %d", selector, got, status)
	}
}

// refusedAdministration are the pages of those who may not enter, or not do all.
func (w *window) refusedAdministration(g *administered, c crowd) {
	w.t.Helper()
	refused := func(path string, status int64, name string) {
		w.t.Helper()
		if got := w.visit(g.gateway + "/admin" + path); got != status {
			w.t.Errorf("%s has status %d, want %d", path, got, status)
		}
		w.see("admin-" + name)
	}
	refused("/users/"+gateway.NewID(), http.StatusNotFound, "not-found")
	w.is(g, c.waiting, gateway.MethodWeChat)
	refused("", http.StatusForbidden, "not-for-users")
	w.is(g, g.root, gateway.MethodScan)
	refused("", http.StatusForbidden, "not-by-scan")

	// The way in without WeChat.
	_, link := g.invite(administration.Invite{Kind: gateway.InviteAdmin, UserID: g.root.ID})
	other := openBoth(w.t, &g.addresses, w.look)
	other.visit(link)
	other.see("invite-admin-outside")
	other.press(`form button.link`)
	if !strings.HasSuffix(other.at(), "/admin") {
		w.t.Errorf("after sign-in by a link the window is at %s", other.at())
	}
	other.see("admin-by-link")
	if status := other.visit(g.gateway + "/admin/api-keys/new"); status != http.StatusForbidden {
		w.t.Errorf("a session of a link makes API keys: %d", status)
	}
	other.see("admin-not-by-link")
}

// invitationPages are those of invitations that can be used.
func (w *window) invitationPages(g *administered) {
	w.t.Helper()
	_, link := g.invite(administration.Invite{Kind: gateway.InviteUser, MaxUses: 5, Groups: []string{"staff"}})
	w.visit(link)
	w.see("invite-outside")
	w.isBrowser(wechatAgent)
	w.visit(link)
	w.see("invite")
	newcomer := g.user("小李")
	w.is(g, newcomer, gateway.MethodWeChat)
	w.visit(link)
	w.see("invite-accept")
	w.press("form .button")
	w.see("invite-done")
	w.visit(link)
	w.press("form .button")
	w.see("invite-known")

	_, link = g.invite(administration.Invite{Kind: gateway.InviteAdmin})
	w.is(g, newcomer, gateway.MethodScan)
	w.visit(link)
	w.see("invite-method")
	w.is(g, newcomer, gateway.MethodWeChat)
	w.visit(link)
	w.see("invite-admin")
	w.press("form .button")
	w.see("invite-admin-done")

	_, link = g.invite(administration.Invite{Kind: gateway.InviteMove, UserID: g.user("旧手机").ID})
	w.is(g, g.user("新手机"), gateway.MethodWeChat)
	w.visit(link)
	w.see("invite-move")
	w.press("form .button")
	w.see("invite-move-done")
}

// invalidInvitations are the pages of invitations that cannot be used.
func (w *window) invalidInvitations(g *administered, c crowd) {
	w.t.Helper()
	ctx, by := w.t.Context(), administration.Actor{ID: g.root.ID}
	store := func(kind string, change func(*gateway.Invitation)) {
		w.t.Helper()
		secret, now := gateway.NewID(), g.clock.Now()
		i := gateway.Invitation{ID: gateway.NewID(), Hash: gateway.InvitationHash(secret), Kind: gateway.InviteUser,
			CreatedBy: g.root.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour), MaxUses: 1}
		change(&i)
		event := gateway.Event{At: now, Kind: administration.EventInvitationCreated, Actor: i.CreatedBy}
		if err := g.store.CreateInvitation(ctx, i, event); err != nil {
			w.t.Fatal(err)
		}
		if kind == "revoked" {
			if err := g.admin.RevokeInvitation(ctx, by, i.ID); err != nil {
				w.t.Fatal(err)
			}
		}
		if status := w.visit(g.gateway + "/invite/" + secret); status != http.StatusGone {
			w.t.Errorf("an invitation that is %s has status %d", kind, status)
		}
		if !w.has("main#invite_" + kind) {
			w.t.Errorf("an invitation that is %s shows %s", kind, w.text("main"))
		}
		w.see("invite-" + kind)
	}
	store("expired", func(i *gateway.Invitation) { i.ExpiresAt = i.CreatedAt })
	store("revoked", func(*gateway.Invitation) {})
	store("void", func(i *gateway.Invitation) { i.CreatedBy = c.staff.ID })
	w.visit(g.gateway + "/invite/" + gateway.NewID())
	w.see("invite-unknown")
	_, link := g.invite(administration.Invite{Kind: gateway.InviteUser, MaxUses: 1})
	w.isBrowser(wechatAgent)
	for range 2 {
		w.is(g, g.user("小赵"), gateway.MethodWeChat)
		w.visit(link)
		if w.has("form .button") {
			w.press("form .button")
		}
	}
	w.see("invite-used")
}

// accessPages are those of users who want to use an app.
func (w *window) accessPages(g *administered, c crowd) {
	w.t.Helper()
	w.is(g, g.user("小周"), gateway.MethodWeChat)
	w.visit(g.authorizeAt("notes"))
	w.waits("main#waiting #name")
	w.see("waiting")
	w.do("typing only a space", chromedp.SetValue(chromedp.CSS("#name"), " "))
	w.press("form.give button")
	w.waits("main#your_name")
	w.see("waiting-wrong-name")
	w.do("typing a name", chromedp.SetValue(chromedp.CSS("#name"), "周芷若"))
	w.press("form.give button")
	w.waits("main#waiting b bdi")
	w.see("waiting-named")
	w.visit(g.authorizeAt("mail"))
	w.waits("main#refused")
	w.see("access-ask")
	w.press("form .button")
	w.waits("main#waiting")
	w.see("access-asked")
	w.is(g, c.refused, gateway.MethodWeChat)
	w.visit(g.authorizeAt("notes"))
	w.waits("main#access_refused")
	w.see("access-refused")
}

// ownPages are those of a user's own data.
func (w *window) ownPages(g *administered, c crowd) {
	w.t.Helper()
	for _, page := range []struct {
		name, path string
		user       gateway.User
		method     string
	}{
		{"portal", "/", c.staff, gateway.MethodWeChat}, {"portal-waiting", "/", c.waiting, gateway.MethodWeChat},
		{"portal-refused", "/", c.refused, gateway.MethodWeChat}, {"portal-admin", "/", g.root, gateway.MethodWeChat},
		{"portal-by-link", "/", g.root, gateway.MethodLink},
		{"my-data", "/my-data", c.staff, gateway.MethodWeChat},
		{"delete-account", "/delete-account", c.staff, gateway.MethodWeChat},
	} {
		w.is(g, page.user, page.method)
		if status := w.visit(g.gateway + page.path); status != http.StatusOK {
			w.t.Errorf("%s has status %d", page.name, status)
		}
		w.see(page.name)
	}
}
