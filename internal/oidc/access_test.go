package oidc_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/web"
)

// TestPeople is who may use an app, and how the app knows them, on every store.
func TestPeople(t *testing.T) {
	t.Parallel()
	run(t, []module{
		{"single sign-on to a second app", singleSignOn},
		{"waiting for approval", waiting},
		{"refused by the access rule", refusedByRule},
		{"access rules unknown", rulesUnknown},
		{"every claim", everyClaim},
		{"account without a profile", noProfile},
		{"subject stays when its kind is changed", subjectStays},
	})
	t.Run("subject openid", func(t *testing.T) {
		t.Parallel()
		run(t, []module{{"of this entry", subjectOpenID}},
			withClient(func(c *oidc.Client) { c.Subject = "openid:main" }))
		run(t, []module{{"of an entry that the person never used", subjectMissing(web.NoOpenID)}},
			withClient(func(c *oidc.Client) { c.Subject = "openid:shop" }))
	})
	t.Run("subject unionid", func(t *testing.T) {
		t.Parallel()
		run(t, []module{{"known", subjectUnionID}, {"not known", subjectNoUnionID},
			{"taken by another account", subjectTaken}},
			withClient(func(c *oidc.Client) { c.Subject = access.SubjectUnionID }))
	})
	t.Run("claims in the ID token", func(t *testing.T) {
		t.Parallel()
		run(t, []module{{"when the app is configured so", claimsInIDToken}},
			withClient(func(c *oidc.Client) { c.IDTokenClaims = true }))
	})
	t.Run("methods", func(t *testing.T) {
		t.Parallel()
		run(t, []module{{"a method that the app does not accept", otherMethod}},
			withClient(func(c *oidc.Client) { c.Methods = []string{"wechat"} }))
	})
}

func singleSignOn(t *testing.T, e *fixture) {
	b := e.browser()
	b.login()
	a := b.authorize(e.request("client_id", e.other))
	if a.param("code") == "" || e.signIn.count() != 1 {
		t.Errorf("%d sign-ins for two apps; %v", e.signIn.count(), a.location)
	}
}

func waiting(t *testing.T, e *fixture) {
	e.access.set(access.Pending, nil)
	e.signIn.as(&e.alice)
	b := e.browser()
	a := b.authorize(e.request())
	page := a.shown()
	if a.page() != "waiting" || !strings.Contains(page.Text, "App") || !strings.Contains(page.Text, e.alice.ID) {
		t.Fatalf("answer: %d %s %v", a.status, a.page(), a.location)
	}
	if a = b.authorize(e.request("prompt", "none")); a.param("error") != "interaction_required" {
		t.Errorf("prompt=none: %v", a.location)
	}
	if a = b.follow(b.get(e.server.URL + page.Back)); a.param("error") != "access_denied" {
		t.Errorf("cancel: %v", a.location)
	}
	e.access.set(access.Allowed, nil)
	if a = b.follow(b.get(e.server.URL + page.Go)); a.param("code") == "" || a.param("state") != "the state" ||
		e.signIn.count() != 1 {
		t.Errorf("approved: %d %v", a.status, a.location)
	}
	// Another user who opens the address of the waiting user is decided on separately.
	e.signIn.as(nil)
	if a = e.browser().get(e.server.URL + page.Go); a.param("code") != "" {
		t.Errorf("the address alone admits users: %v", a.location)
	}
}

func refusedByRule(t *testing.T, e *fixture) {
	e.access.set(access.Denied, nil)
	e.signIn.as(&e.alice)
	b := e.browser()
	a := b.authorize(e.request())
	page := a.shown()
	if a.status != http.StatusForbidden || page.Kind != web.Refused || !strings.Contains(page.Text, "App") ||
		!strings.HasPrefix(page.Back, redirectURI+"?") ||
		!strings.Contains(page.Back, "error=access_denied") {
		t.Errorf("answer: %d %+v", a.status, page)
	}
	if a = b.authorize(e.request("prompt", "none")); a.param("error") != "interaction_required" {
		t.Errorf("prompt=none: %v", a.location)
	}
}

func rulesUnknown(t *testing.T, e *fixture) {
	e.signIn.as(&e.alice)
	silent := e.browser()
	silent.login()
	for _, tt := range []struct {
		err    error
		status int
		reason web.Kind
		code   string
	}{
		{errDown, http.StatusServiceUnavailable, web.Busy, "temporarily_unavailable"},
		{errBoom, http.StatusInternalServerError, web.Fault, "server_error"},
	} {
		e.access.set(access.Denied, tt.err)
		a := e.browser().authorize(e.request())
		if page := a.shown(); a.status != tt.status || page.Kind != tt.reason ||
			strings.Contains(a.body, tt.err.Error()) {
			t.Errorf("%v: %d %+v", tt.err, a.status, page)
		}
		// A page in a hidden frame would leave the app waiting.
		if a = silent.authorize(e.request("prompt", "none")); a.param("error") != tt.code {
			t.Errorf("%v, prompt=none: %d %v", tt.err, a.status, a.location)
		}
	}
	e.signIn.mu.Lock()
	e.signIn.down = true
	e.signIn.mu.Unlock()
	if a := e.browser().authorize(e.request()); a.status != http.StatusServiceUnavailable {
		t.Errorf("sessions unknown: %d", a.status)
	}
	if a := e.browser().logout(); a.status != http.StatusServiceUnavailable {
		t.Errorf("logout, sessions unknown: %d", a.status)
	}
}

func everyClaim(t *testing.T, e *fixture) {
	if _, err := e.store.UpdateUser(t.Context(), e.alice.ID, e.clock.now(), func(a *gateway.User) error {
		a.Groups = []string{"admins", "staff"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	identities, err := e.store.Identities(t.Context(), e.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	tok := e.browser().login("scope", "openid profile email groups wechat")
	got := e.claims(tok.Access)
	want := map[string]any{"sub": e.alice.ID, "name": "Alice 小明", "nickname": "Alice 小明", "picture": e.alice.AvatarURL,
		"locale":     "zh-CN",
		"updated_at": float64(e.clock.now().Unix()), "email": e.alice.ID + "@people.example.com",
		"email_verified": false,
		"appid":          identities[0].AppID, "openid": identities[0].OpenID, "unionid": identities[0].UnionID}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %v, want %v", name, got[name], value)
		}
	}
	if groups := list(got["groups"]); len(groups) != 2 || groups[0] != "admins" {
		t.Errorf("groups: %v", groups)
	}
	name, _ := got["preferred_username"].(string)
	if len(name) != 13 || !strings.HasPrefix(name, "wx-") || strings.Contains(e.alice.ID, name[3:]) {
		t.Errorf("preferred_username %q", name)
	}
	if _, claims := e.idToken(tok.ID); claims["name"] != nil || claims["email"] != nil || claims["openid"] != nil {
		t.Errorf("the ID token tells more than it should: %v", claims)
	}
}

func noProfile(t *testing.T, e *fixture) {
	if _, err := e.store.UpdateUser(t.Context(), e.alice.ID, e.clock.now(), func(a *gateway.User) error {
		a.Nickname, a.AvatarURL, a.Locale, a.ProfileAt = "", "", "", time.Time{}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	got := e.claims(e.browser().login("scope", "openid profile groups").Access)
	if got["name"] != got["preferred_username"] || got["nickname"] != nil || got["picture"] != nil ||
		got["locale"] != nil {
		t.Errorf("claims: %v", got)
	}
	if groups, ok := got["groups"].([]any); !ok || len(groups) != 0 {
		t.Errorf("groups: %v, want an empty list", got["groups"])
	}
}

func subjectStays(t *testing.T, e *fixture) {
	_, before := e.idToken(e.browser().login().ID)
	again := newFixture(t, e.store.store, e.clients[0].IDTokenAlg,
		withClient(func(c *oidc.Client) { c.Subject = "openid:main" }), func(n *fixture, _ *oidc.Config) {
			n.clients[0].ID, n.app, n.alice = e.app, e.app, e.alice
		})
	if _, after := again.idToken(again.browser().login().ID); after["sub"] != before["sub"] {
		t.Errorf("sub was %v, is %v", before["sub"], after["sub"])
	}
	// Even if the user has no id of the new kind.
	third := newFixture(t, e.store.store, e.clients[0].IDTokenAlg,
		withClient(func(c *oidc.Client) { c.Subject = "openid:shop" }), func(n *fixture, _ *oidc.Config) {
			n.clients[0].ID, n.app, n.alice = e.app, e.app, e.alice
		})
	if _, after := third.idToken(third.browser().login().ID); after["sub"] != before["sub"] {
		t.Errorf("sub was %v, is %v", before["sub"], after["sub"])
	}
}

func subjectOpenID(t *testing.T, e *fixture) {
	identities, err := e.store.Identities(t.Context(), e.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	tok := e.browser().login("scope", "openid email")
	if _, claims := e.idToken(tok.ID); claims["sub"] != identities[0].OpenID {
		t.Errorf("sub %v", claims["sub"])
	}
	if got := e.claims(tok.Access); got["email"] != identities[0].OpenID+"@people.example.com" {
		t.Errorf("email %v", got["email"])
	}
}

func subjectUnionID(t *testing.T, e *fixture) {
	identities, err := e.store.Identities(t.Context(), e.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, claims := e.idToken(e.browser().login().ID); claims["sub"] != identities[0].UnionID {
		t.Errorf("sub %v", claims["sub"])
	}
}

func subjectNoUnionID(t *testing.T, e *fixture) {
	a, _, err := e.store.RecordSignIn(t.Context(), gateway.SignIn{Connector: "main", AppID: "wx0000000000000001",
		OpenID: "o" + gateway.NewID(), At: e.clock.now(),
		InitialStatus: gateway.Active, Profile: &gateway.Profile{Nickname: "Carol"}})
	if err != nil {
		t.Fatal(err)
	}
	e.alice = a
	subjectMissing(web.NoUnionID)(t, e)
}

func subjectMissing(reason web.Kind) func(*testing.T, *fixture) {
	return func(t *testing.T, e *fixture) {
		e.signIn.as(&e.alice)
		b := e.browser()
		a := b.authorize(e.request())
		if page := a.shown(); a.page() != "problem" || page.Kind != reason || page.Back == "" {
			t.Errorf("answer: %d %+v %v", a.status, page, a.location)
		}
		if a = b.authorize(e.request("prompt", "none")); a.param("error") != "interaction_required" {
			t.Errorf("prompt=none: %v", a.location)
		}
	}
}

// subjectTaken: WeChat sent the same unionid for two users whose connectors are not in one group,
// so they are two users.
func subjectTaken(t *testing.T, e *fixture) {
	e.browser().login()
	identities, err := e.store.Identities(t.Context(), e.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.bob, _, err = e.store.RecordSignIn(t.Context(), gateway.SignIn{Connector: "shop", AppID: "wx0000000000000002",
		OpenID: "o" + gateway.NewID(), At: e.clock.now(),
		UnionID: identities[0].UnionID, InitialStatus: gateway.Active, Profile: &gateway.Profile{Nickname: "Bob"}})
	if err != nil || e.bob.ID == e.alice.ID {
		t.Fatalf("account %v, %v", e.bob, err)
	}
	e.signIn.as(&e.bob)
	a := e.browser().authorize(e.request())
	if page := a.shown(); a.status != http.StatusConflict || page.Kind != web.SubjectTaken {
		t.Errorf("answer: %d %+v %v", a.status, page, a.location)
	}
}

// moreIdentities is a store in which every user has more identities.
type moreIdentities struct {
	store
	more []gateway.Identity
}

func (m *moreIdentities) Identities(ctx context.Context, id string) ([]gateway.Identity, error) {
	all, err := m.store.Identities(ctx, id)
	return append(all, m.more...), err
}

func TestUnionIDIsThatOfTheEntryOfTheSignIn(t *testing.T) {
	t.Parallel()
	m := &moreIdentities{store: newMemory(t)}
	e := newFixture(t, m, "")
	all, err := m.store.Identities(t.Context(), e.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	own := all[0]
	older, newer := own, own
	older.AppID, older.Connector, older.UnionID = "wx0000000000000003", "older", "u-of-another-platform"
	newer.AppID, newer.Connector, newer.UnionID = "wx0000000000000004", "newer", "u-of-a-third-platform"
	m.more = []gateway.Identity{older, newer}
	if got := e.claims(e.browser().login("scope", "openid wechat").Access); got["unionid"] != own.UnionID ||
		got["appid"] != own.AppID {
		t.Errorf("claims: %v, want unionid %s", got, own.UnionID)
	}
}

func TestAppThatWasTakenOutOfTheConfiguration(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	e := newFixture(t, m, "")
	tok := e.browser().login("scope", "openid offline_access")
	without := newFixture(t, m, "", func(n *fixture, cfg *oidc.Config) { cfg.Now = e.clock.now })
	if a := without.userinfo(tok.Access); a.status != http.StatusUnauthorized ||
		object(t, a.body)["error"] != "invalid_token" {
		t.Errorf("userinfo: %d %s", a.status, a.body)
	}
	b := without.browser()
	b.login()
	if a := b.logout("id_token_hint", tok.ID); a.page() != "sign-out" || !b.silent() {
		t.Errorf("logout: %d %s", a.status, a.page())
	}
}

func claimsInIDToken(t *testing.T, e *fixture) {
	tok := e.browser().login("scope", "openid profile email offline_access")
	_, claims := e.idToken(tok.ID)
	if claims["name"] != "Alice 小明" || claims["email"] == nil || claims["sub"] != e.alice.ID ||
		claims["openid"] != nil {
		t.Errorf("claims: %v", claims)
	}
	if _, claims = e.idToken(e.refresh(tok.Refresh).ID); claims["name"] != "Alice 小明" {
		t.Errorf("after a refresh: %v", claims)
	}
}

func otherMethod(t *testing.T, e *fixture) {
	b := e.browser()
	e.signIn.as(&e.alice)
	e.signIn.method = "scan"
	if a := b.authorize(e.request("client_id", e.other)); a.param("code") == "" {
		t.Fatalf("the other app rejects a sign-in method: %v", a.location)
	}
	if a := b.authorize(e.request("prompt", "none")); a.param("error") != "login_required" {
		t.Errorf("prompt=none: %v", a.location)
	}
	// A page explains why the user has to sign in again, and its button starts that sign-in.
	before := e.signIn.count()
	a := b.authorize(e.request())
	page := a.shown()
	if page.Kind != web.WrongMethod || page.Go == "" || page.Back == "" || e.signIn.count() != before {
		t.Fatalf("answer: %d %+v %v", a.status, page, a.location)
	}
	// After another sign-in by the same method the page is shown again, and no redirect repeats.
	a = b.follow(b.get(e.server.URL + page.Go))
	if page := a.shown(); page.Kind != web.WrongMethod || e.signIn.count() != before+1 ||
		!e.signIn.lastLoginRequest().Reauthenticate {
		t.Errorf("answer: %d %+v %v, %d sign-ins", a.status, page, a.location, e.signIn.count()-before)
	}
	e.signIn.method = "wechat"
	if a = b.follow(b.get(e.server.URL + page.Go)); a.param("code") == "" {
		t.Errorf("by the accepted method: %d %v", a.status, a.location)
	}
}
