package app_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
)

// TestRefusedUserStaysRefusedByAnInvitation: a link must not undo what an administrator has decided about
// this user. The user reads why, and the link is not used up.
func TestRefusedUserStaysRefusedByAnInvitation(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	if _, err := w.store.DecideAccess(t.Context(), gateway.AccessDecision{UserID: w.user(gateway.Pending).ID,
		State: gateway.RequestRefused, Apps: []string{"closed"}, At: w.clock.Now(), By: gateway.ActorCommand}); err != nil {
		t.Fatal(err)
	}
	link := w.invite(gateway.Invitation{Kind: gateway.InviteUser, Apps: []string{"closed"}, Groups: []string{"staff"}})
	alice.WantPage(alice.accept(link), "invite_refused", http.StatusForbidden)
	if u := w.user(gateway.Pending); w.uses(link) != 0 || len(u.Groups)+len(u.AllowedApps) > 0 {
		t.Errorf("%+v, %d uses", u, w.uses(link))
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "access_refused", http.StatusForbidden)
	alice.WantPage(alice.accept(w.invite(gateway.Invitation{Kind: gateway.InviteUser})), "invite_partly", 200)
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "access_refused", http.StatusForbidden)
	events, err := w.store.Events(t.Context(), gateway.EventQuery{Kind: gateway.EventInvitationRefused})
	if err != nil || len(events) != 1 || events[0].RequestID == "" {
		t.Errorf("events %+v, %v", events, err)
	}
}

// TestWrongInvitationsOfOthersDoNotRefuseARightOne: many users share the address of a mobile network.
// Somebody's wrong secrets reach limit.WrongInvitations, and the colleague's link still opens. Requests
// of a loopback address are not counted, so they come through a proxy here.
func TestWrongInvitationsOfOthersDoNotRefuseARightOne(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withForwardedFor)
	link := w.invite(gateway.Invitation{Kind: gateway.InviteUser})
	get := func(address, from string) int {
		r := httptest.NewRequest(http.MethodGet, address, nil)
		r.Header.Set("X-Forwarded-For", from)
		r.RemoteAddr = "127.0.0.1:1"
		rec := httptest.NewRecorder()
		w.replicas[0].Handler().ServeHTTP(rec, r)
		return rec.Code
	}
	wrong := w.url + "/invite/" + gateway.NewID()
	for n := range limit.WrongInvitations.Burst {
		if got := get(wrong, "203.0.113.7"); got != http.StatusNotFound {
			t.Fatalf("wrong secret %d: status %d", n+1, got)
		}
	}
	for _, c := range []struct {
		address, from string
		want          int
	}{
		{wrong, "203.0.113.7", http.StatusTooManyRequests}, {link, "203.0.113.7", http.StatusOK},
		{wrong, "203.0.113.8", http.StatusNotFound},
	} {
		if got := get(c.address, c.from); got != c.want {
			t.Errorf("from %s: status %d, want %d", c.from, got, c.want)
		}
	}
}

// TestNoRequestMakesAnAdministrator: installers that anybody can open made attackers administrators
// (nginx-ui CVE-2026-42221), and so did a set-up that opened again after the last administrator was
// gone (goauthentik/authentik GHSA-rjvp-29xq-f62w). Every route of the gateway gets every field.
func TestNoRequestMakesAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	fields := url.Values{}
	for _, name := range []string{"admin", "Admin", "status", "Status", "groups", "Groups", "allowed_apps", "AllowedApps",
		"role", "user", "UserID", "id", "kind", "do"} {
		fields.Set(name, "admin")
	}
	fields.Set("return", "/")
	fields.Set("name", "李雷")
	fields.Set("app", "closed")
	for _, path := range []string{"/access/name", "/access/ask", "/invite/" + gateway.NewID(), "/sign-in/profile",
		"/sign-in/agreement", "/sign-out/browser", "/admin/users", "/admin/waiting", "/setup", "/"} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			address := w.url + path
			if method == http.MethodGet {
				address += "?" + fields.Encode()
			}
			_, _ = alice.SubmitURL(t.Context(), address, method, fields.Encode()) // most of them are refused
		}
		u := w.user(gateway.Pending)
		if u.Admin || u.Status != gateway.Pending || len(u.Groups)+len(u.AllowedApps)+len(u.RefusedApps) > 0 || u.Note != "" {
			t.Fatalf("%s changed the user: %+v", path, u)
		}
	}
	if n, err := w.store.CountAdmins(t.Context()); err != nil || n != 0 {
		t.Errorf("%d administrators, %v", n, err)
	}
}
