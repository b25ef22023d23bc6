package relyingparty_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/weigate/weigate/internal/fixture"
)

const clientSecret = "client-secret:100%25+more&than/sixteen=characters"

// goClient is an app on go-oidc and x/oauth2.
type goClient struct {
	t        *testing.T
	provider *oidc.Provider
	conf     oauth2.Config
	app      *fixture.App
}

func newGoClient(t *testing.T, issuer, id, secret string, a *fixture.App) *goClient {
	t.Helper()
	p, err := oidc.NewProvider(t.Context(), issuer)
	if err != nil {
		t.Fatalf("discovery: %v", err)
	}
	return &goClient{t: t, provider: p, app: a, conf: oauth2.Config{
		ClientID: id, ClientSecret: secret, Endpoint: p.Endpoint(), RedirectURL: a.URL + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", "groups", "wechat", oidc.ScopeOfflineAccess},
	}}
}

// request is one sign-in of the app.
type request struct{ state, nonce, verifier, address string }

func (c *goClient) begin(more ...oauth2.AuthCodeOption) request {
	r := request{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	r.address = c.conf.AuthCodeURL(r.state, append(more, oidc.Nonce(r.nonce), oauth2.S256ChallengeOption(r.verifier))...)
	return r
}

// finish does what the app does when the person is back.
func (c *goClient) finish(r request) (*oauth2.Token, *oidc.IDToken) {
	c.t.Helper()
	told := c.app.LastQuery()
	if told.Get("state") != r.state || told.Get("code") == "" {
		c.t.Fatalf("the app was told %v", told)
	}
	token, err := c.conf.Exchange(c.t.Context(), told.Get("code"), oauth2.VerifierOption(r.verifier))
	if err != nil {
		c.t.Fatalf("exchange: %v", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := c.provider.Verifier(&oidc.Config{ClientID: c.conf.ClientID}).Verify(c.t.Context(), raw)
	if err != nil {
		c.t.Fatalf("ID token: %v", err)
	}
	if id.Nonce != r.nonce {
		c.t.Errorf("nonce %q, want %q", id.Nonce, r.nonce)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		c.t.Errorf("at_hash: %v", err)
	}
	return token, id
}

// person is what userinfo tells.
type person struct {
	Sub      string   `json:"sub"`
	Name     string   `json:"name"`
	Nickname string   `json:"nickname"`
	Picture  string   `json:"picture"`
	Username string   `json:"preferred_username"`
	Groups   []string `json:"groups"`
	OpenID   string   `json:"openid"`
	UnionID  string   `json:"unionid"`
}

func (c *goClient) userinfo(token *oauth2.Token) (*oidc.UserInfo, person) {
	c.t.Helper()
	info, err := c.provider.UserInfo(c.t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		c.t.Fatalf("userinfo: %v", err)
	}
	var who person
	if err := info.Claims(&who); err != nil {
		c.t.Fatal(err)
	}
	return info, who
}

// TestGoClientSignsIn: go-oidc and x/oauth2, confidential and public, both algorithms.
func TestGoClientSignsIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	a := fixture.NewApp(t)
	const more = "name: A Go app, redirect_uris: [%[1]s/callback], post_logout_redirect_uris: [%[1]s/bye], " +
		"access: signed_in, email: {policy: synthetic, domain: people.example.com}"
	w.serve(w.config(w.front.url, fmt.Sprintf("  - {id: rs, kind: oidc, secret: %[2]q, id_token_alg: RS256, "+more+"}\n"+
		"  - {id: es, kind: oidc, secret: %[2]q, id_token_alg: ES256, id_token_claims: true, "+more+"}\n"+
		"  - {id: public, kind: oidc, public: true, "+more+"}\n", a.URL, clientSecret)))
	for _, tt := range []struct {
		id, secret, alg string
		style           oauth2.AuthStyle
	}{
		{"rs", clientSecret, oidc.RS256, oauth2.AuthStyleInHeader},
		{"es", clientSecret, oidc.ES256, oauth2.AuthStyleInParams},
		{"public", "", oidc.RS256, oauth2.AuthStyleAutoDetect},
	} {
		t.Run(tt.id, func(t *testing.T) {
			alice := w.phone("alice")
			alice.ClearCookies()
			c := newGoClient(t, w.front.url, tt.id, tt.secret, a)
			c.conf.Endpoint.AuthStyle = tt.style
			first := c.begin()
			c.visit(alice, first.address)
			if tt.id == "rs" { // nobody knows her profile yet
				alice.wantPage("profile")
				alice.Must(alice.Follow(t.Context(), "go"))
				alice.Must(alice.Allow(t.Context()))
			}
			if iss := a.LastQuery().Get("iss"); iss != w.front.url {
				t.Errorf("iss %q at the callback (RFC 9207)", iss)
			}
			token, id := c.finish(first)
			raw, _ := token.Extra("id_token").(string)
			c.knowsAlice(w, token, id)
			c.refreshes(token, id)
			c.codeWorksOnce(alice)
			c.signsOut(alice, raw)
		})
	}
}

// knowsAlice checks the claims that the app gets.
func (c *goClient) knowsAlice(w *gatewayFixture, token *oauth2.Token, id *oidc.IDToken) {
	c.t.Helper()
	info, who := c.userinfo(token)
	if who.Sub != id.Subject || who.Name != "Alice" || who.Nickname != "Alice" ||
		!strings.HasPrefix(who.Username, "wx-") || !strings.HasPrefix(who.Picture, w.wechat.URL) ||
		who.Groups == nil {
		c.t.Errorf("userinfo %+v for %s", who, id.Subject)
	}
	if info.Email != id.Subject+"@people.example.com" || info.EmailVerified {
		c.t.Errorf("email %q, verified %v", info.Email, info.EmailVerified)
	}
	if who.OpenID != w.wechat.OpenID(w.account.AppID, "alice") || who.UnionID == "" {
		c.t.Errorf("openid %q, unionid %q", who.OpenID, who.UnionID)
	}
	var claims struct {
		Name     string `json:"name"`
		AuthTime int64  `json:"auth_time"`
	}
	if err := id.Claims(&claims); err != nil {
		c.t.Fatal(err)
	}
	if age := time.Since(time.Unix(claims.AuthTime, 0)); age < -time.Minute || age > patience {
		c.t.Errorf("auth_time is %s ago", age)
	}
	if inToken := claims.Name != ""; inToken != (c.conf.ClientID == "es") {
		c.t.Errorf("the ID token has the name %q", claims.Name)
	}
}

// refreshes lets x/oauth2 find the access token expired.
func (c *goClient) refreshes(token *oauth2.Token, id *oidc.IDToken) {
	c.t.Helper()
	if token.RefreshToken == "" {
		c.t.Fatal("no refresh token")
	}
	old := *token
	old.Expiry = time.Now().Add(-time.Minute)
	next, err := c.conf.TokenSource(c.t.Context(), &old).Token()
	if err != nil {
		c.t.Fatalf("refresh: %v", err)
	}
	if next.AccessToken == token.AccessToken || next.RefreshToken == token.RefreshToken {
		c.t.Error("refreshing changed nothing")
	}
	if _, who := c.userinfo(next); who.Sub != id.Subject {
		c.t.Errorf("after refreshing sub is %q, was %q", who.Sub, id.Subject)
	}
	*token = *next
}

// codeWorksOnce sends a code twice. x/oauth2 reads the refusal, and what the first exchange gave is
// dead.
// visit opens an authorize request. The redirect URI of the public client is not https, so the user
// confirms each time (RFC 8252, section 8.6).
func (c *goClient) visit(p phone, address string) {
	c.t.Helper()
	p.Visit(address)
	if c.conf.ClientSecret == "" {
		p.wantPage("consent")
		p.Must(p.Follow(c.t.Context(), "go"))
	}
}

func (c *goClient) codeWorksOnce(p phone) {
	c.t.Helper()
	again := c.begin()
	c.visit(p, again.address)
	token, _ := c.finish(again)
	c.userinfo(token)
	_, err := c.conf.Exchange(c.t.Context(), c.app.LastQuery().Get("code"), oauth2.VerifierOption(again.verifier))
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		c.t.Errorf("the second exchange: %v", err)
	}
	if _, err := c.provider.UserInfo(c.t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		c.t.Error("after the replay the tokens of the first exchange still work")
	}
}

func (c *goClient) signsOut(p phone, raw string) {
	c.t.Helper()
	var meta struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := c.provider.Claims(&meta); err != nil || meta.EndSession == "" {
		c.t.Fatalf("end_session_endpoint %q, %v", meta.EndSession, err)
	}
	bye := c.app.URL + "/bye"
	page := p.Visit(meta.EndSession + "?" +
		url.Values{"id_token_hint": {raw}, "post_logout_redirect_uri": {bye}, "state": {"so long"}}.Encode())
	if !strings.HasPrefix(page.URL, bye) || c.app.LastQuery().Get("state") != "so long" {
		c.t.Fatalf("after signing out the phone is at %s", page.URL)
	}
	p.Visit(c.begin(oauth2.SetAuthURLParam("prompt", "none")).address)
	if told := c.app.LastQuery(); told.Get("error") != "login_required" {
		c.t.Errorf("after signing out the app is told %v", told)
	}
}
