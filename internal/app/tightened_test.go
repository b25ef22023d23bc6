package app_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat"
)

// granted is what apps of every kind have received for one user.
type granted struct {
	oidcCode  string // not redeemed
	oidc      tokens
	relayCode string // not redeemed
	relay     *wechat.Token
}

// grantAll signs alice in at apps of every kind: sample (OpenID Connect), shop (relay) and wiki
// (forward auth).
func (g *guarded) grantAll(alice phone) (out granted) {
	g.t.Helper()
	alice.Must(alice.Open(g.t.Context(), g.url+"/sign-in?return=/"))
	g.update(func(u *gateway.User) { u.Status, u.Groups = gateway.Active, []string{"staff"} })
	g.enters(alice)
	code := func(address string) string {
		alice.Must(alice.Open(g.t.Context(), address))
		return g.app.LastQuery().Get("code")
	}
	authorize := g.authorize("sample", "scope", "openid wechat offline_access")
	out.oidc, out.oidcCode = g.redeem("sample", code(authorize)), code(authorize)
	var err error
	if out.relay, err = g.shop().Exchange(g.t.Context(), code(g.shopAddress(profile))); err != nil {
		g.t.Fatal(err)
	}
	out.relayCode = code(g.shopAddress(profile))
	return out
}

// update changes the one user.
func (g *guarded) update(change func(*gateway.User)) {
	g.t.Helper()
	users, err := g.store.Users(g.t.Context(), gateway.UserQuery{})
	if err == nil && len(users) == 1 {
		_, err = g.store.UpdateUser(g.t.Context(), users[0].ID, g.clock.Now(), func(u *gateway.User) error {
			change(u)
			return nil
		})
	}
	if err != nil || len(users) != 1 {
		g.t.Fatalf("users %+v, %v", users, err)
	}
}

// reload applies the configuration with every app changed.
func (g *guarded) reload(change func(*config.App)) {
	g.t.Helper()
	next := *g.config
	next.Apps = slices.Clone(next.Apps)
	for i := range next.Apps {
		change(&next.Apps[i])
	}
	if err := g.replicas[0].Reload(&next); err != nil {
		g.t.Fatal(err)
	}
}

// token sends a request of the sample app with its secret.
func (g *guarded) token(path string, form url.Values) (out map[string]any) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("sample", url.QueryEscape(appSecret))
	g.json(r, &out)
	return out
}

// uses returns every use of what was granted, by name, and whether it succeeds.
func (g *guarded) uses(alice phone, have granted) map[string]func() bool {
	ctx := g.t.Context()
	silent := func(address string) bool {
		alice.Must(alice.Open(ctx, address))
		return g.app.LastQuery().Get("code") != ""
	}
	return map[string]func() bool{
		"userinfo": func() bool { return g.userinfo(have.oidc.AccessToken)["sub"] != nil },
		"introspection": func() bool {
			return g.token("/oauth2/introspect", url.Values{"token": {have.oidc.AccessToken}})["active"] == true
		},
		"introspection of the refresh token": func() bool {
			return g.token("/oauth2/introspect", url.Values{"token": {have.oidc.RefreshToken}})["active"] == true
		},
		"refresh": func() bool {
			return g.token("/oauth2/token", url.Values{"grant_type": {"refresh_token"},
				"refresh_token": {have.oidc.RefreshToken}})["access_token"] != nil
		},
		"redemption": func() bool { return g.redeem("sample", have.oidcCode).AccessToken != "" },
		"authorize":  func() bool { return silent(g.authorize("sample", "prompt", "none")) },
		"relay user info": func() bool {
			_, err := g.shop().UserInfo(ctx, have.relay.AccessToken, have.relay.OpenID, "")
			return err == nil
		},
		"relay check": func() bool {
			var answer struct{ Errcode int }
			body := g.get("/sns/auth?"+url.Values{"access_token": {string(have.relay.AccessToken)},
				"openid": {have.relay.OpenID}}.Encode(), nil)
			return json.Unmarshal([]byte(body), &answer) == nil && answer.Errcode == 0
		},
		"relay refresh": func() bool {
			_, err := g.shop().Refresh(ctx, have.relay.RefreshToken)
			return err == nil
		},
		"relay redemption": func() bool {
			_, err := g.shop().Exchange(ctx, have.relayCode)
			return err == nil
		},
		"verify": func() bool { return g.isIn(alice) },
	}
}

// An administrator takes something away from a user or an app. Whatever the apps had received before
// must not work any more, at any endpoint, for any kind of app.
func TestWhatWasGrantedBeforeDoesNotOutliveTheRule(t *testing.T) {
	t.Parallel()
	rule := func(r gateway.AccessRule) func(*config.App) { return func(a *config.App) { a.Access = r } }
	listed := rule(gateway.AccessRule{Rule: gateway.AccessListed, Groups: []string{"staff"}})
	for name, c := range map[string]struct {
		before func(*config.App) // the apps when alice signs in
		change func(*guarded)    // nil = control: everything works
	}{
		"nothing changed": {listed, nil},
		"the user is blocked": {listed, func(g *guarded) {
			g.update(func(u *gateway.User) { u.Status = gateway.Blocked })
		}},
		"the user is blocked and unblocked": {listed, func(g *guarded) {
			g.update(func(u *gateway.User) { u.Status = gateway.Blocked })
			g.update(func(u *gateway.User) { u.Status = gateway.Active })
		}},
		"the approval is taken back": {rule(gateway.AccessRule{Rule: gateway.AccessApproved}), func(g *guarded) {
			g.update(func(u *gateway.User) { u.Status = gateway.Pending })
		}},
		"the apps are refused": {listed, func(g *guarded) {
			g.update(func(u *gateway.User) { u.RefusedApps = []string{"sample", "shop", "wiki"} })
		}},
		"apps for all users are refused to one": {rule(gateway.AccessRule{Rule: gateway.AccessSignedIn}),
			func(g *guarded) {
				g.update(func(u *gateway.User) { u.RefusedApps = []string{"sample", "shop", "wiki"} })
			}},
		"the user is deleted": {listed, func(g *guarded) {
			users, err := g.store.Users(g.t.Context(), gateway.UserQuery{})
			if err == nil {
				err = g.store.DeleteUser(g.t.Context(), users[0].ID, g.clock.Now(), gateway.Event{Kind: "user_deleted"})
			}
			if err != nil {
				g.t.Error(err)
			}
		}},
		"the group is taken back": {listed, func(g *guarded) {
			g.update(func(u *gateway.User) { u.Groups = nil })
		}},
		"the rule is tightened": {listed, func(g *guarded) {
			g.reload(rule(gateway.AccessRule{Rule: gateway.AccessListed, Groups: []string{"admins"}}))
		}},
		"the method is excluded": {listed, func(g *guarded) {
			g.reload(func(a *config.App) { a.Methods = []string{"scan"} })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothStores(t, func(t *testing.T, options ...option) {
				g := behindProxy(t, gateway.AccessSignedIn, append(options, withShop, func(w *gatewayFixture) {
					for i := range w.config.Apps {
						c.before(&w.config.Apps[i])
					}
				})...)
				alice := g.phone("alice")
				have := g.grantAll(alice)
				if c.change != nil {
					c.change(g)
					g.clock.Advance(g.config.VerifyCache + time.Second)
				}
				uses := g.uses(alice, have)
				for _, use := range slices.Sorted(maps.Keys(uses)) { // introspection before refresh
					if got, want := uses[use](), c.change == nil; got != want {
						t.Errorf("%s works: %t", use, got)
					}
				}
			})
		})
	}
}

// The connector gets another appid. Apps that know users by its openids must not get one of the
// former appid as one of the new.
func TestOpenIDOfTheFormerAppIDIsNotToldAsOneOfTheNew(t *testing.T) {
	t.Parallel()
	g := behindProxy(t, gateway.AccessSignedIn, withShop)
	alice := g.phone("alice")
	have := g.grantAll(alice)
	former := g.userinfo(have.oidc.AccessToken)
	if former["openid"] != g.wechat.OpenID(g.config.WeChat[0].AppID, "alice") {
		t.Fatalf("before: %v", former)
	}
	next := *g.config
	next.WeChat = slices.Clone(next.WeChat)
	next.WeChat[0].AppID = "wx00000000000000b2"
	if err := g.replicas[0].Reload(&next); err != nil {
		t.Fatal(err)
	}
	uses := g.uses(alice, have)
	for _, use := range []string{"relay user info", "relay check", "relay refresh", "relay redemption", "verify",
		"authorize"} {
		if uses[use]() {
			t.Errorf("%s works, with the openid of the former appid", use)
		}
	}
	if now := g.userinfo(have.oidc.AccessToken); now["sub"] != former["sub"] || now["openid"] != nil ||
		now["appid"] != nil {
		t.Errorf("userinfo: %v", now)
	}
	alice.Must(alice.Open(t.Context(), g.shopAddress(wechat.ScopeBase)))
	token, err := g.shop().Exchange(t.Context(), g.app.LastQuery().Get("code"))
	if err != nil || token.OpenID != g.wechat.OpenID("wx00000000000000b2", "alice") {
		t.Errorf("after a new sign-in the shop gets %+v, %v", token, err)
	}
}
