package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// TestBlockClosesEverythingAtOnce blocks a user who has a session, a code and tokens. All are invalid
// in the same moment, and a later sign-in does not open the user again (nginx-ui CVE-2026-33031,
// Vikunja CVE-2026-33668, Pocket ID CVE-2026-43983, Gitea CVE-2026-58422).
func TestBlockClosesEverythingAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	u := f.user("oLeaver")
	session := gateway.Session{
		Hash: [32]byte{1}, UserID: u.ID, Connector: "main", AppID: wechatApp, OpenID: "oLeaver", Method: "wechat",
		AuthTime:  f.now(),
		CreatedAt: f.now(), SeenAt: f.now(), ExpiresAt: f.now().Add(time.Hour),
	}
	if err := f.store.PutSession(ctx, session, f.now()); err != nil {
		t.Fatal(err)
	}
	for i := byte(1); i <= 2; i++ { // the second code is not redeemed
		err := f.store.PutCode(ctx, gateway.Code{
			Hash: [32]byte{i}, ExpiresAt: f.now().Add(time.Minute), RedirectURI: "https://wiki.example.com/callback",
			Grant: gateway.Grant{
				ID: fmt.Sprint("grant", i), App: "wiki", UserID: u.ID, Subject: u.ID, Session: session.Hash, AuthTime: f.now(),
				Connector: "main", AppID: wechatApp, OpenID: "oLeaver", CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Hour),
			},
			PinSubject: u.ID,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	access := gateway.Token{Hash: [32]byte{7}, CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Hour)}
	_, err := f.store.Redeem(ctx, [32]byte{1}, f.now(), gateway.TokenIssue{
		Access: access, Refresh: [32]byte{8}, GrantExpires: f.now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	key := f.key("users:write", "events:read")
	out := decode[Outcomes](t, f.call(key, http.MethodPost, "/users/block", Block{Users: []string{u.ID},
		Reason: "left\nus"}))
	if out.Done != 1 || out.Outcomes[0].Status != "blocked" {
		t.Errorf("%+v", out)
	}
	if _, err := f.store.Session(ctx, session.Hash, f.now()); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("session: %v", err)
	}
	if _, _, err := f.store.Token(ctx, access.Hash, f.now()); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("access token: %v", err)
	}
	if _, err := f.store.Redeem(ctx, [32]byte{2}, f.now(), gateway.TokenIssue{Access: gateway.Token{
		Hash: [32]byte{9}, ExpiresAt: f.now().Add(time.Hour),
	}}); err == nil {
		t.Error("the code was redeemed")
	}
	rotation := gateway.Rotation{
		Grant: "grant1", Presented: [32]byte{8}, Next: [32]byte{10}, Access: gateway.Token{Hash: [32]byte{11},
			ExpiresAt: f.now().Add(time.Hour)},
		Now: f.now(),
	}
	if _, err := f.store.Rotate(ctx, rotation); err == nil {
		t.Error("the refresh token was redeemed")
	}
	if again := f.user("oLeaver"); again.ID != u.ID || again.Status != gateway.Blocked {
		t.Errorf("after a new sign-in, the user is %s", again.Status)
	}
	events := decode[EventPage](t, f.call(key, http.MethodGet, "/events?kind=user_blocked&user="+u.ID, nil)).Events
	if len(events) != 1 || !strings.HasPrefix(events[0].Actor, gateway.ActorKeyPrefix) || events[0].RequestID == "" ||
		events[0].Address != "203.0.113.*" || events[0].Detail != "reason: left us" {
		t.Errorf("%+v", events)
	}
	out = decode[Outcomes](t, f.call(key, http.MethodPost, "/users/block", Block{Users: []string{u.ID}}))
	if out.Done != 1 {
		t.Errorf("blocked again: %+v", out)
	}
}

// TestListReportsRowsThatWereLeft: the rows that can be done are done; the status shows a program
// whether all were.
func TestListReportsRowsThatWereLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.user("oA"), f.user("oB")
	key := f.key(administration.Scopes()...)
	w := f.call(key, http.MethodPost, "/users/block", Block{Users: []string{"unknown", a.ID, "oA", "\x00"}})
	w.want(t, "some are left", http.StatusMultiStatus, "")
	out := decode[Outcomes](t, w)
	codes := fmt.Sprint(out.Done, out.Left)
	for _, each := range out.Outcomes {
		codes += " " + each.Code
	}
	if codes != "1 3 not_found  not_found not_found" {
		t.Errorf("%s: %+v", codes, out)
	}
	approve := Approval{Users: []string{a.ID}}
	w = f.call(key, http.MethodPost, "/waiting/approve", approve)
	w.want(t, "approve a blocked user", http.StatusConflict, "user_blocked")
	if len(w.problem.Outcomes) != 1 {
		t.Errorf("%+v", w.problem)
	}
	approve.Users = append(approve.Users, b.ID)
	f.call(key, http.MethodPost, "/waiting/approve", approve).want(t, "approve both", http.StatusMultiStatus, "")
	approve.Users = []string{b.ID}
	for range 2 {
		f.call(key, http.MethodPost, "/waiting/approve", approve).want(t, "approve again", http.StatusOK, "")
		f.call(key, http.MethodPost, "/users/unblock", Users{Users: []string{a.ID}}).want(t, "unblock again", http.StatusOK,
			"")
		f.call(key, http.MethodPost, "/users/sign-out", Users{Users: []string{a.ID}}).want(t, "sign out", http.StatusOK, "")
	}
	f.call(key, http.MethodPost, "/waiting/approve", Approval{Users: []string{b.ID, a.ID}, Apps: []string{"none"}}).
		want(t, "an unknown app", http.StatusBadRequest, "invalid_value")
}

// TestStaleChange: of two programs that have read one user, the second is told. A proxy may have made
// the ETag a weak one.
func TestStaleChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := f.user("oUser")
	key := f.key("users:read", "users:write")
	w := f.call(key, http.MethodGet, "/users/"+u.ID, nil)
	tag := w.Header().Get("ETag")
	f.pass(time.Second)
	path := "/users/" + u.ID
	w = f.call(key, http.MethodPatch, path, object{"groups": []string{"staff"}}, "If-Match", "W/"+tag)
	w.want(t, "first", http.StatusOK, "")
	if next := w.Header().Get("ETag"); next == tag || next == "" {
		t.Errorf("ETag %s, then %s", tag, next)
	}
	f.call(key, http.MethodPatch, path, object{"groups": []string{}}, "If-Match", tag).
		want(t, "second", http.StatusPreconditionFailed, "stale")
	f.call(key, http.MethodPatch, path, object{"groups": []string{}}, "If-Match", `"another"`).
		want(t, "an ETag that is not ours", http.StatusPreconditionFailed, "stale")
	have := decode[UserDetails](t, f.call(key, http.MethodGet, path, nil)).User
	if !slices.Equal(have.Groups, []string{"staff"}) || have.Nickname != "oUser" {
		t.Errorf("%+v", have)
	}
	f.call(key, http.MethodPatch, path, object{"note": "<b>\u202e"}, "If-Match", "*").want(t, "any", http.StatusOK, "")
	f.call(key, http.MethodPatch, path, object{"real_name": strings.Repeat("李", 101)}).
		want(t, "a long name", http.StatusBadRequest, "invalid_value")
	f.call(key, http.MethodPatch, path, object{"groups": []string{"a,b"}}).
		want(t, "a group with a comma", http.StatusBadRequest, "invalid_value")
	f.call(key, http.MethodPatch, "/users/unknown", object{"note": "x"}).want(t, "nobody", http.StatusNotFound,
		"not_found")
}

// TestPages reads every list in pages of two: each row appears once, in order, and the last page has
// no next.
func TestPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.key(administration.Scopes()...)
	for i := range 5 {
		u := f.user(fmt.Sprint("oUser", i))
		_, _, err := f.store.RequestAccess(t.Context(), gateway.AccessRequest{UserID: u.ID, App: "wiki",
			RequestedAt: f.now()})
		if err != nil {
			t.Fatal(err)
		}
		err = f.store.AddDeliveries(t.Context(), gateway.Delivery{
			Kind: gateway.DeliverNotification, Target: "chat", CreatedAt: f.now(), NextAt: f.now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		f.call(key, http.MethodPost, "/invitations", NewInvitation{Kind: "user"}).want(t, "invite", http.StatusCreated, "")
	}
	// One more than needed for the events: each invitation and the key is one.
	for path, want := range map[string]int{
		"/users": 5, "/waiting": 5, "/invitations": 5, "/deliveries": 5, "/events?kind=invitation_created": 5,
		"/users?status=pending": 5, "/waiting?app=wiki": 5, "/waiting?app=other": 0, "/deliveries?state=failed": 0,
	} {
		var rows []string
		pages, after := 0, ""
		for {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			var page map[string]json.RawMessage
			w := f.call(key, http.MethodGet, path+separator+"limit=2"+after, nil)
			page = decode[map[string]json.RawMessage](t, w)
			pages++
			for name, value := range page {
				if name == "next" {
					continue
				}
				var some []json.RawMessage
				if err := json.Unmarshal(value, &some); err != nil || some == nil {
					t.Fatalf("%s: %s: %v", path, value, err)
				}
				for _, row := range some {
					rows = append(rows, string(row))
				}
			}
			var next string
			if page["next"] == nil {
				break
			}
			if err := json.Unmarshal(page["next"], &next); err != nil || pages > 5 {
				t.Fatalf("%s: next %s after %d pages: %v", path, page["next"], pages, err)
			}
			after = "&after=" + next
		}
		distinct := slices.Compact(slices.Sorted(slices.Values(rows)))
		if len(rows) != want || len(distinct) != want || pages != max(1, (want+1)/2) {
			t.Errorf("%s: %d rows, %d distinct, in %d pages", path, len(rows), len(distinct), pages)
		}
	}
}

// TestInvitations makes, reads and revokes an invitation. Its link is in one answer only.
func TestInvitations(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.key("invitations:read", "invitations:write")
	w := f.call(key, http.MethodPost, "/invitations", NewInvitation{
		Kind: "user", Apps: []string{"wiki"}, Groups: []string{"staff"}, Note: "for bob", ExpiresIn: 3600, MaxUses: 3,
	})
	made := decode[CreatedInvitation](t, w)
	secret, found := strings.CutPrefix(made.Link, "https://auth.example.com/invite/")
	if !found || len(secret) != 26 || !made.Invitation.ExpiresAt.Equal(f.now().Add(time.Hour)) {
		t.Errorf("%+v", made)
	}
	path := "/invitations/" + made.Invitation.ID
	for _, each := range []string{path, "/invitations"} {
		if w := f.call(key, http.MethodGet, each, nil); strings.Contains(w.Body.String(), secret) || w.Code != http.StatusOK {
			t.Errorf("%s: %d, contains the secret of the link: %v", each, w.Code, strings.Contains(w.Body.String(), secret))
		}
	}
	for range 2 {
		f.call(key, http.MethodDelete, path, nil).want(t, "revoke", http.StatusNoContent, "")
	}
	if d := decode[InvitationDetails](t, f.call(key, http.MethodGet, path, nil)); d.Invitation.RevokedAt.IsZero() ||
		len(d.Uses) != 0 {
		t.Errorf("%+v", d)
	}
	f.call(key, http.MethodGet, "/invitations/unknown", nil).want(t, "unknown", http.StatusNotFound, "not_found")
	f.call(key, http.MethodDelete, "/invitations/unknown", nil).want(t, "unknown", http.StatusNotFound, "not_found")
	for _, in := range []NewInvitation{
		{Kind: "move"}, {Kind: "other"}, {Kind: "user", UserID: "x"}, {Kind: "user", Apps: []string{"none"}},
		{Kind: "user", ExpiresIn: 1}, {Kind: "user", MaxUses: -1},
	} {
		w := f.call(key, http.MethodPost, "/invitations", in)
		w.want(t, fmt.Sprintf("%+v", in), http.StatusBadRequest, "invalid_value")
		if len(w.problem.Errors) != 1 || w.problem.Errors[0].Message == "" {
			t.Errorf("%+v: %+v", in, w.problem)
		}
	}
}

// TestExports checks both formats, and that an error before the first row is a problem.
func TestExports(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("=1+1")
	key := f.key("users:read", "events:read")
	w := f.call(key, http.MethodGet, "/users/export?format=csv", nil)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") ||
		!strings.Contains(w.Body.String(), "'=1+1") || !strings.Contains(w.Header().Get("Content-Disposition"), "users.csv") {
		t.Errorf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
	w = f.call(key, http.MethodGet, "/events/export?format=jsonl&kind=exported", nil)
	var e Event
	first, _, _ := strings.Cut(w.Body.String(), "\n")
	if err := json.Unmarshal([]byte(first), &e); err != nil || e.Kind != "exported" ||
		w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%v %+v: %s", err, e, w.Body)
	}
	f.call(key, http.MethodGet, "/users/export", nil).want(t, "no format", http.StatusBadRequest, "invalid_value")
	f.call(key, http.MethodGet, "/users/export?format=xml", nil).want(t, "xml", http.StatusBadRequest, "invalid_value")
	f.call(key, http.MethodGet, "/events/export?format=csv&since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", nil).
		want(t, "a period that ends before it begins", http.StatusBadRequest, "invalid_value")
}

// TestStoreFails: the answer says whose side it is, without the text of the store.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.key("users:read")
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	w := f.call(key, http.MethodGet, "/users", nil)
	text := strings.ReplaceAll(w.Body.String(), w.problem.RequestID, "") // random, and may have these letters
	if w.Code < http.StatusInternalServerError || w.problem.Side != sideGateway || strings.Contains(text, "sql") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
