package app_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/session"
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
	w := newFixture(t, withForwardedFor, stoppedClock)
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
// gone (goauthentik/authentik GHSA-rjvp-29xq-f62w). A user who is signed in sends every field to every
// route, first before there is any administrator, and again after the last one was deleted.
func TestNoRequestMakesAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newFixture(t, everyKind, func(w *gatewayFixture) { w.options.Logger = slog.New(slog.DiscardHandler) })
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	user := w.user(gateway.Pending)
	cases := append(routeCases(t, w), routeCase{method: http.MethodPost, path: "/setup"})
	for _, round := range []string{"before the first administrator", "after the last one"} {
		answers := map[int]int{}
		for _, c := range cases {
			// The wildcard is the user's own id in one request, and "made-up" in the others.
			for n, r := range w.adminRequests(c, user.ID, w.formID(alice)) {
				for _, cookie := range alice.Cookies(w.url) {
					r.AddCookie(cookie)
				}
				rec := httptest.NewRecorder()
				w.replicas[0].Handler().ServeHTTP(rec, r)
				answers[rec.Code]++
				u := w.user(gateway.Pending)
				if u.Admin || len(u.Groups)+len(u.AllowedApps)+len(u.RefusedApps) > 0 || u.Note != "" || u.ID != user.ID {
					t.Fatalf("%s: request %d to %s %s changed the user: %+v", round, n, c.method, c.path, u)
				}
			}
			w.clock.Advance(time.Second) // nothing is refused because of the rate
		}
		if n, err := w.store.CountAdmins(t.Context()); err != nil || n != 0 {
			t.Errorf("%s: %d administrators, %v", round, n, err)
		}
		if answers[http.StatusTooManyRequests]*4 > len(cases) || answers[http.StatusForbidden] == 0 {
			t.Errorf("%s: too many requests were refused before their route: %v", round, answers)
		}
		w.deleteLastAdministrator()
	}
}

// formID returns the value of the field session in the user's own forms. After a sign-out it signs the
// user in again.
func (w *gatewayFixture) formID(p phone) string {
	w.t.Helper()
	for range 2 {
		sessions, err := w.store.UserSessions(w.t.Context(), w.user(gateway.Pending).ID, w.clock.Now())
		if err != nil {
			w.t.Fatal(err)
		}
		if len(sessions) > 0 {
			return session.FormID(sessions[0].Hash)
		}
		p.WantPage(p.Must(p.Open(w.t.Context(), w.authorize("closed"))), "waiting", 200)
	}
	w.t.Fatal("the user has no session")
	return ""
}

// adminRequests returns requests to a route that ask for the rights of an administrator: without a
// body, in the query, in a form of the user's own session, and as JSON.
func (w *gatewayFixture) adminRequests(c routeCase, userID, formID string) (all []*http.Request) {
	fields := url.Values{"return": {"/"}, "name": {"李雷"}, "app": {"closed"}, "apps": {"closed"}, "user": {userID},
		"users": {userID}, "id": {userID}, "session": {formID}, "UserID": {userID}, "sel": {userID, userID + " closed"}}
	for _, name := range []string{"admin", "Admin", "is_admin", "status", "Status", "groups", "Groups", "allowed_apps",
		"AllowedApps", "role", "kind", "do", "confirm", "password"} {
		fields.Set(name, "admin")
	}
	methods := []string{c.method}
	if !strings.Contains(c.pattern, " ") {
		methods = append(methods, http.MethodPost)
	}
	for _, method := range methods {
		own := strings.ReplaceAll(c.path, "made-up", userID)
		for _, r := range []*http.Request{
			httptest.NewRequest(method, w.url+c.path, nil),
			httptest.NewRequest(method, w.url+own+"?"+fields.Encode(), nil),
			httptest.NewRequest(method, w.url+own, strings.NewReader(fields.Encode())),
			httptest.NewRequest(method, w.url+own, strings.NewReader(`{"admin":true,"users":["`+userID+`"]}`)),
		} {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if len(all)%4 == 3 {
				r.Header.Set("Content-Type", "application/json")
			}
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.RemoteAddr = "127.0.0.1:1"
			all = append(all, r)
		}
	}
	return all
}

// deleteLastAdministrator makes another user the only administrator, and deletes that user.
func (w *gatewayFixture) deleteLastAdministrator() {
	w.t.Helper()
	ctx := w.t.Context()
	boss, _, err := w.store.RecordSignIn(ctx, gateway.SignIn{Connector: "main", AppID: "wxboss",
		OpenID: "o-boss", At: w.clock.Now(), InitialStatus: gateway.Active})
	for _, admin := range []bool{true, false} {
		if err == nil {
			_, err = w.store.ChangeUser(ctx, gateway.UserChange{ID: boss.ID, Now: w.clock.Now(), AllowNone: true,
				Change: func(u *gateway.User) error { u.Admin = admin; return nil }})
		}
	}
	if err == nil {
		err = w.store.DeleteUser(ctx, boss.ID, w.clock.Now(), gateway.Event{Kind: "user_deleted"})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
