package app_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/wechat"
)

const (
	shopAppID = "wx00000000000000aa"
	profile   = wechat.ScopeUserInfo
)

// withShop adds an app that was written for WeChat.
func withShop(w *gatewayFixture) {
	w.config.Apps = append(w.config.Apps, config.App{
		App: gateway.App{ID: "shop", Kind: gateway.AppRelay, Name: "The Shop",
			Access: gateway.AccessRule{Rule: gateway.AccessSignedIn}},
		Secrets: []wechat.Secret{appSecret}, AppID: shopAppID, Connector: "main", ReturnURLs: []string{w.app.URL},
	})
	w.config.VerifyFiles = []string{"MP_verify_0123456789abcdef.txt"}
}

// shop is the old code: a client of WeChat's that was given other host names, and another appid
// with its secret.
func (w *gatewayFixture) shop() *wechat.Client {
	return &wechat.Client{AppID: shopAppID, Secret: appSecret, APIURL: w.url, OpenURL: w.url}
}

// shopAddress is the address to which the old program redirects users.
func (w *gatewayFixture) shopAddress(scope wechat.Scope) string {
	w.t.Helper()
	address, err := w.shop().AuthorizeURL(
		wechat.AuthorizeRequest{RedirectURI: w.app.URL + "/shop", Scope: scope, State: "s1"})
	if err != nil {
		w.t.Fatal(err)
	}
	return address
}

// enter signs a user in at the shop, and returns what the shop then received.
func (w *gatewayFixture) enter(p phone, scope wechat.Scope) *wechat.Token {
	w.t.Helper()
	page := p.Must(p.Open(w.t.Context(), w.shopAddress(scope)))
	if fixture.PageName(page) == "profile" {
		if page = p.Press(); !strings.HasPrefix(page.URL, w.app.URL) { // WeChat asks the first time
			p.Must(p.Allow(w.t.Context()))
		}
	}
	fixture.WantAt(w.t, p.Page(), w.app.URL+"/shop")
	if w.app.LastQuery().Get("state") != "s1" {
		w.t.Errorf("the shop was told %v", w.app.LastQuery())
	}
	token, err := w.shop().Exchange(w.t.Context(), w.app.LastQuery().Get("code"))
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// errcode is what WeChat, or who stands in for it, said; 0 when it said nothing.
func errcode(err error) int {
	var e *wechat.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestOldCodeSignsInByChangingHostNames(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	alice := w.phone("alice")
	realAppID := w.config.WeChat[0].AppID
	base := w.enter(alice, wechat.ScopeBase)
	if base.OpenID != w.wechat.OpenID(realAppID, "alice") || base.UnionID != "" || len(alice.Page().Hops) != 4 {
		t.Errorf("openid %s, unionid %q, by %v", base.OpenID, base.UnionID, alice.Page().Hops)
	}
	if _, err := w.shop().UserInfo(t.Context(), base.AccessToken, base.OpenID, ""); errcode(err) != 48001 {
		t.Errorf("user info with a base token: %v", err)
	}
	token := w.enter(alice, profile)
	who, err := w.shop().UserInfo(t.Context(), token.AccessToken, token.OpenID, wechat.LangZhCN)
	if err != nil || who.Nickname != "Alice" || who.OpenID != base.OpenID ||
		who.UnionID != w.wechat.UnionID(realAppID, "alice") || token.UnionID != who.UnionID {
		t.Errorf("%+v, %+v, %v", who, token, err)
	}
	w.clock.Set(3 * time.Hour)
	if err := w.shop().CheckToken(t.Context(), token.AccessToken, token.OpenID); errcode(err) != 42001 {
		t.Errorf("three hours later: %v", err)
	}
	fresh, err := w.shop().Refresh(t.Context(), token.RefreshToken)
	if err != nil || fresh.OpenID != token.OpenID || fresh.RefreshToken != token.RefreshToken {
		t.Fatalf("%+v, %v", fresh, err)
	}
	if err := w.shop().CheckToken(t.Context(), fresh.AccessToken, fresh.OpenID); err != nil {
		t.Error(err)
	}
	// WeChat's own code went to the gateway alone.
	for _, c := range w.wechat.Calls() {
		if c.Endpoint == "/sns/oauth2/access_token" && c.AppID != realAppID {
			t.Errorf("a code was redeemed for %q", c.AppID)
		}
	}
}

func TestOldCodeAndOpenIDConnectShareASession(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	fixture.WantAt(w.t, alice.Page(), w.app.URL+"/sample")
	w.enter(alice, wechat.ScopeBase)
	if w.wechat.Exchanges() != 1 {
		t.Errorf("%d exchanges at WeChat", w.wechat.Exchanges())
	}
}

// Two replicas take turns: what one hands out, the other one takes.
func TestOldCodeOverTwoReplicas(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	w.start()
	alice := w.phone("alice")
	for range 2 {
		token := w.enter(alice, profile)
		for range 2 {
			fresh, err := w.shop().Refresh(t.Context(), token.RefreshToken)
			if err == nil {
				_, err = w.shop().UserInfo(t.Context(), fresh.AccessToken, fresh.OpenID, "")
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// A code is good where it was made for, and nowhere else.
func TestCodesOfOldCodeAndOfOpenIDConnectAreNotMixed(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	code := w.app.LastQuery().Get("code")
	if _, err := w.shop().Exchange(t.Context(), code); errcode(err) != 40029 {
		t.Errorf("a code of OpenID Connect at WeChat's address: %v", err)
	}
	sample := w.redeem("sample", code)
	if sample.AccessToken == "" {
		t.Errorf("and then: %+v", sample)
	}
	if err := w.shop().CheckToken(t.Context(), wechat.Secret("61_"+sample.AccessToken), "o"); errcode(err) != 40001 {
		t.Errorf("an access token of OpenID Connect: %v", err)
	}
	alice.Must(alice.Open(t.Context(), w.shopAddress(wechat.ScopeBase)))
	code = w.app.LastQuery().Get("code")
	for _, id := range []string{"sample", "shop"} {
		if got := w.redeem(id, code); got.Error == "" || got.AccessToken != "" {
			t.Errorf("a code of WeChat's form at the token endpoint, for %s: %+v", id, got)
		}
	}
	token, err := w.shop().Exchange(t.Context(), code)
	if err != nil {
		t.Fatalf("and then: %v", err)
	}
	if who := w.userinfo(string(token.AccessToken)); who["sub"] != nil {
		t.Errorf("its token at the userinfo endpoint: %v", who)
	}
}

// An app may be made one of another kind. What it was given before is good for nothing then.
func TestGrantsOfAnAppThatWasOldCodeBefore(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	users, _ := w.users()
	now := w.clock.Now()
	sum := sha256.Sum256([]byte(verifier))
	code := func(name string) gateway.Code {
		c := gateway.Code{Hash: sha256.Sum256([]byte(name)), ExpiresAt: now.Add(time.Minute), RedirectURI: w.app.URL +
			"/sample",
			Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
			Grant: gateway.Grant{ID: gateway.NewID(), App: "sample", UserID: users[0].ID, Subject: "o",
				Scopes: []string{"snsapi_userinfo"}, CreatedAt: now, ExpiresAt: now.Add(time.Minute)}}
		if err := w.store.PutCode(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := code("first")
	if got := w.redeem("sample", "first"); got.Error != "invalid_grant" {
		t.Errorf("%+v", got)
	}
	if c, err := w.store.Code(t.Context(), first.Hash); err != nil || !c.RedeemedAt.IsZero() {
		t.Errorf("it was taken: %+v, %v", c, err)
	}
	access := gateway.Token{Hash: sha256.Sum256([]byte("token")), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	if _, err := w.store.Redeem(t.Context(), code("second").Hash, now, gateway.TokenIssue{Access: access}); err != nil {
		t.Fatal(err)
	}
	if who := w.userinfo("token"); who["sub"] != nil {
		t.Errorf("%v", who)
	}
}

func TestBlockAndSignOutEverywhereEndWhatOldCodeHas(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*gatewayFixture, phone){
		"block": func(w *gatewayFixture, _ phone) {
			users, err := w.store.Users(t.Context(), gateway.UserQuery{})
			if err == nil {
				_, err = w.store.UpdateUser(t.Context(), users[0].ID, w.clock.Now(), func(a *gateway.User) error {
					a.Status = gateway.Blocked
					return nil
				})
			}
			if err != nil {
				t.Error(err)
			}
		},
		"sign-out everywhere": func(w *gatewayFixture, p phone) {
			p.Must(p.Open(t.Context(), w.url+"/"))
			p.Must(p.Submit(t.Context(), "在所有设备上退出登录", nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, withShop)
			alice := w.phone("alice")
			token := w.enter(alice, profile)
			end(w, alice)
			if _, err := w.shop().UserInfo(t.Context(), token.AccessToken, token.OpenID, ""); errcode(err) != 42001 {
				t.Errorf("user info: %v", err)
			}
			if _, err := w.shop().Refresh(t.Context(), token.RefreshToken); errcode(err) != 40030 {
				t.Errorf("refresh: %v", err)
			}
		})
	}
}

// Signing out in one browser ends that session; what the shop has is the shop's, as at WeChat.
func TestSignOutHereLeavesOldCodeItsTokens(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	alice := w.phone("alice")
	token := w.enter(alice, wechat.ScopeBase)
	alice.Must(alice.Open(t.Context(), w.url+"/"))
	alice.Must(alice.Submit(t.Context(), "退出此浏览器", nil))
	if err := w.shop().CheckToken(t.Context(), token.AccessToken, token.OpenID); err != nil {
		t.Error(err)
	}
}

func TestOldCodeOfAnotherOfficialAccount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, twoConnectors, withShop, func(w *gatewayFixture) {
		w.config.Apps[len(w.config.Apps)-1].Connector = "second"
	})
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample"))) // through the first account
	if token := w.enter(alice, wechat.ScopeBase); token.OpenID != w.wechat.OpenID("wx00000000000000b2", "alice") {
		t.Errorf("%+v", token)
	}
}

func TestOldCodeBelowAPath(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop, func(w *gatewayFixture) { w.url += "/login" })
	token := w.enter(w.phone("alice"), profile)
	if _, err := w.shop().UserInfo(t.Context(), token.AccessToken, token.OpenID, ""); err != nil {
		t.Error(err)
	}
	for _, address := range []string{w.url, strings.TrimSuffix(w.url, "/login")} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/MP_verify_0123456789abcdef.txt", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.body(r); got != "0123456789abcdef" {
			t.Errorf("%s: %q", address, got)
		}
	}
}

// Pages say in words what is wrong, and lead nowhere else.
func TestPagesOfOldCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	alice := w.phone("alice")
	good, _, _ := strings.Cut(w.shopAddress(wechat.ScopeBase), "#")
	for _, k := range []struct{ kind, old, replacement string }{
		{"unknown_app", shopAppID, "wx00000000000000bb"},
		{"redirect_uri", url.QueryEscape(w.app.URL), url.QueryEscape("https://evil.example.net")},
		{"redirect_uri", url.QueryEscape(w.app.URL), url.QueryEscape("javascript:alert(1)")},
		{"scope", "snsapi_base", "snsapi_login"},
		{"state", "state=s1", "state=" + strings.Repeat("s", 129)},
	} {
		for _, lang := range []string{"en", "zh-CN"} {
			alice.SetLanguage(lang)
			page := alice.WantPage(alice.Must(alice.Open(t.Context(), strings.Replace(good, k.old, k.replacement, 1))), k.kind,
				400)
			if len(page.Hops) > 0 || strings.Contains(page.Body, "evil.example") ||
				!strings.Contains(page.Body, `lang="`+lang+`"`) {
				t.Errorf("%s in %s: %v\n%s", k.kind, lang, page.Hops, page.Body)
			}
		}
	}
}

// WeChat's protocol has the secret, the code and the tokens in the address: nothing that this
// writes may hold addresses.
func TestNothingSecretOfOldCodeIsLoggedCountedOrRecorded(t *testing.T) {
	t.Parallel()
	var log fixture.Buffer
	m := metrics.New()
	w := newFixture(t, withShop, func(w *gatewayFixture) {
		w.options.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
		w.options.Metrics = m
	})
	alice := w.phone("alice")
	token := w.enter(alice, profile)
	code := w.app.LastQuery().Get("code")
	secrets := map[string]string{"code": code, "access token": string(token.AccessToken),
		"refresh token": string(token.RefreshToken), "openid": token.OpenID,
		"unionid": token.UnionID, "secret": url.QueryEscape(appSecret), "the secret as it is": appSecret}
	// The bad ways: everything once more, with something wrong about it, and with the store away.
	wrong := w.shop()
	wrong.AppID = "wx00000000000000bb"
	for range 2 {
		for _, c := range []*wechat.Client{w.shop(), wrong} {
			_, err := c.Exchange(t.Context(), code)
			_, err2 := c.Refresh(t.Context(), token.RefreshToken)
			_, err3 := c.UserInfo(t.Context(), token.AccessToken, token.OpenID+"x", "")
			if err == nil || err3 == nil {
				t.Errorf("%v, %v, %v", err, err2, err3)
			}
		}
		alice.Must(alice.Open(t.Context(), w.shopAddress(wechat.ScopeBase)+"x"))
		w.store.Close()
	}
	events, err := w.store.Events(t.Context(), gateway.EventQuery{})
	record := fmt.Sprintf("%+v %v", events, err)
	counted := w.scrape(m)
	if !strings.Contains(log.String(), "relay request rejected") || !strings.Contains(log.String(), "relay call failed") ||
		!strings.Contains(counted, "relay_answers_total") {
		t.Fatalf("%s\n%s", log.String(), counted)
	}
	for what, secret := range secrets {
		for where, text := range map[string]string{"log": log.String(), "events": record, "metrics": counted} {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("%s is in the %s", what, where)
			}
		}
	}
}
