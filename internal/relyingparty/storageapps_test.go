package relyingparty_test

import (
	"crypto/rand"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/weigate/weigate/internal/fixture"
)

// idTokenClaims are the claims that Harbor and MinIO read from the ID token.
type idTokenClaims struct {
	Name, Email string
	Username    string `json:"preferred_username"`
	Groups      []string
}

// signInWithoutNonce signs in by go-oidc and x/oauth2, as Harbor and MinIO's console do: without a nonce,
// and the console without PKCE.
func (a *clientApp) signInWithoutNonce(c *goClient, pkce bool) (*oauth2.Token, *oidc.IDToken, idTokenClaims) {
	a.t.Helper()
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	var begin, end []oauth2.AuthCodeOption
	if pkce {
		begin, end = append(begin, oauth2.S256ChallengeOption(verifier)), append(end, oauth2.VerifierOption(verifier))
	}
	page := a.complete(a.phone.Visit(c.conf.AuthCodeURL(state, begin...)))
	answer := c.app.LastQuery()
	if !strings.HasPrefix(page.URL, c.conf.RedirectURL+"?") || answer.Get("state") != state {
		a.t.Fatalf("the browser is at %s: %s", page.URL, page.Body)
	}
	token, err := c.conf.Exchange(a.t.Context(), answer.Get("code"), end...)
	if err != nil {
		a.t.Fatalf("exchange: %v", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := c.provider.Verifier(&oidc.Config{ClientID: a.id}).Verify(a.t.Context(), raw)
	if err != nil {
		a.t.Fatalf("ID token: %v", err)
	}
	var claims idTokenClaims
	if err := id.Claims(&claims); err != nil {
		a.t.Fatal(err)
	}
	if claims.Name != nickname(a.name) || !slices.Equal(claims.Groups, []string{a.adminGroup()}) ||
		!regexp.MustCompile(`^wx-[a-z2-7]{10}$`).MatchString(claims.Username) {
		a.t.Errorf("the ID token has %+v", claims)
	}
	return token, id, claims
}

// testHarbor signs in with the page's settings, by Harbor's libraries.
func testHarbor(t *testing.T, f *clientsFixture) {
	f.both(t, "harbor", func(a *clientApp) clientUser {
		var conf map[string]any // keys of Configurations in api/v2.0/swagger.yaml of Harbor 2.16
		if err := json.Unmarshal([]byte(a.pageBlock("oidc_endpoint")), &conf); err != nil {
			a.t.Fatal(err)
		}
		text := func(key string) string { value, _ := conf[key].(string); return value }
		wanted := map[string]string{
			"auth_mode": "oidc_auth", "oidc_client_id": a.name, "oidc_endpoint": f.front.url,
			"oidc_user_claim": "preferred_username", "oidc_groups_claim": "groups", "oidc_admin_group": a.adminGroup(),
		}
		for key, want := range wanted {
			if text(key) != want {
				a.t.Errorf("%s is %q, want %q", key, text(key), want)
			}
		}
		app := fixture.NewApp(a.t)
		a.front.forwardTo(a.t, app.URL)
		c := newGoClient(a.t, text("oidc_endpoint"), a.id, clientSecret, app)
		c.conf.RedirectURL, c.conf.Scopes = a.front.url+"/c/oidc/callback", strings.Split(text("oidc_scope"), ",")
		token, id, claims := a.signInWithoutNonce(c, true)
		if claims.Email != id.Subject+"@people.example.com" {
			a.t.Errorf("the email address is %q", claims.Email) // Harbor needs a different one for each user
		}
		c.refreshes(token, id) // the CLI secret depends on it

		raw, _ := token.Extra("id_token").(string)
		back := a.front.url + "/account/sign-in"
		page := a.phone.Visit(f.front.url + "/oauth2/logout?" + url.Values{"id_token_hint": {raw},
			"post_logout_redirect_uri": {back}}.Encode())
		if page.URL != back {
			a.t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
		}
		return clientUser{Sub: id.Subject, Name: claims.Name}
	})
}

// testMinIO signs in with the page's settings as MinIO's console does.
func testMinIO(t *testing.T, f *clientsFixture) {
	f.both(t, "minio", func(a *clientApp) clientUser {
		conf := map[string]string{}
		variable := regexp.MustCompile(`(?m)^MINIO_(\w+)="([^"]*)"$`)
		for _, m := range variable.FindAllStringSubmatch(a.pageBlock("MINIO_IDENTITY_OPENID_CLIENT_ID"), -1) {
			conf[strings.TrimPrefix(m[1], "IDENTITY_OPENID_")] = m[2]
		}
		issuer, found := strings.CutSuffix(conf["CONFIG_URL"], "/.well-known/openid-configuration")
		if !found || conf["CLIENT_ID"] != a.name || conf["CLAIM_NAME"] != "groups" {
			a.t.Fatalf("the settings are %v", conf)
		}
		app := fixture.NewApp(a.t)
		a.front.forwardTo(a.t, app.URL)
		c := newGoClient(a.t, issuer, a.id, clientSecret, app)
		// The console adds the scope openid, also if it is there.
		c.conf.Scopes = append(strings.Split(conf["SCOPES"], ","), "openid")
		c.conf.RedirectURL = conf["BROWSER_REDIRECT_URL"] + "/oauth_callback"
		token, id, claims := a.signInWithoutNonce(c, false)
		// The server gives keys for the rest of the access token's lifetime, and for 15 minutes at least
		// (MinExpiration in internal/config/constants.go of MinIO). minio/minio#16672.
		if time.Until(token.Expiry) < 15*time.Minute || time.Until(id.Expiry) < 15*time.Minute {
			a.t.Errorf("the tokens expire at %s and %s", token.Expiry, id.Expiry)
		}
		return clientUser{Sub: id.Subject, Name: claims.Name}
	})
}
