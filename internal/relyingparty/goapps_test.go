package relyingparty_test

import (
	"crypto/rand"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/markbates/goth"
	"github.com/markbates/goth/providers/openidConnect"
	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/fixture"
)

// giteaFlags are the flags in cmd/admin_auth_oauth.go of Gitea.
func giteaFlags() []string {
	return strings.Fields("name provider key secret auto-discover-url use-custom-urls custom-tenant-id custom-auth-url " +
		"custom-token-url custom-profile-url custom-email-url icon-url skip-local-2fa scopes required-claim-name " +
		"required-claim-value group-claim-name admin-group restricted-group group-team-map group-team-map-removal")
}

// testGitea signs in with the page's flags of "gitea admin auth add-oauth", by Gitea's library, goth,
// as services/auth/source/oauth2/providers_openid.go of Gitea uses it: without PKCE and nonce.
func testGitea(t *testing.T, f *clientsFixture) {
	f.both(t, "gitea", func(a *clientApp) clientUser {
		conf := ini(a.t, a.pageBlock("[oauth2_client]"))
		flags := map[string][]string{}
		flag := regexp.MustCompile(`--([a-z-]+) ("[^"]*"|\S+)`)
		for _, m := range flag.FindAllStringSubmatch(a.pageBlock("add-oauth"), -1) {
			if !slices.Contains(giteaFlags(), m[1]) {
				a.t.Errorf("gitea admin auth add-oauth has no flag --%s", m[1])
			}
			flags[m[1]] = append(flags[m[1]], m[2])
		}
		if !slices.Equal(flags["key"], []string{a.name}) || flags["provider"][0] != "openidConnect" {
			a.t.Fatalf("the flags are %v", flags)
		}
		app := fixture.NewApp(a.t)
		a.front.forwardTo(a.t, app.URL)
		callback := conf["server"]["ROOT_URL"] + "user/oauth2/" + flags["name"][0] + "/callback"
		provider, err := openidConnect.New(a.id, clientSecret, callback, flags["auto-discover-url"][0], flags["scopes"]...)
		if err != nil {
			a.t.Fatal(err)
		}
		user := a.gothSignIn(provider, app, callback)
		name, _ := user.RawData[conf["oauth2_client"]["USERNAME"]].(string)
		groups, _ := user.RawData[flags["group-claim-name"][0]].([]any)
		if !regexp.MustCompile(`^wx-[a-z2-7]{10}$`).MatchString(name) || user.Name != nickname(a.name) ||
			user.Email != user.UserID+"@people.example.com" || !slices.Equal(groups, []any{flags["admin-group"][0]}) {
			a.t.Errorf("Gitea gets %+v", user)
		}

		// Gitea sends no ID token (go-gitea/gitea#36724), so the gateway asks.
		a.phone.Visit(provider.OpenIDConfig.EndSessionEndpoint + "?" + encoded("+", "client_id", a.id,
			"post_logout_redirect_uri", conf["server"]["ROOT_URL"]))
		a.phone.wantPage("app_sign_out")
		a.phone.Must(a.phone.Submit(a.t.Context(), "", nil))
		a.phone.wantPage("app_signed_out")
		if page := a.phone.Must(a.phone.Follow(a.t.Context(), "go")); page.URL != conf["server"]["ROOT_URL"] {
			a.t.Errorf("after sign-out the browser is at %s", page.URL)
		}
		return clientUser{Sub: user.UserID, Name: user.Name}
	})
}

// gothSignIn signs in as the library goth does.
func (a *clientApp) gothSignIn(provider *openidConnect.Provider, app *fixture.App, callback string) goth.User {
	a.t.Helper()
	state := rand.Text()
	session, err := provider.BeginAuth(state)
	if err != nil {
		a.t.Fatal(err)
	}
	address, err := session.GetAuthURL()
	if err != nil {
		a.t.Fatal(err)
	}
	page := a.complete(a.phone.Visit(address))
	answer := app.LastQuery()
	if !strings.HasPrefix(page.URL, callback+"?") || answer.Get("state") != state {
		a.t.Fatalf("the browser is at %s: %s", page.URL, page.Body)
	}
	if _, err := session.Authorize(provider, answer); err != nil {
		a.t.Fatalf("exchange: %v", err)
	}
	user, err := provider.FetchUser(session)
	if err != nil {
		a.t.Fatalf("user: %v", err)
	}
	return user
}

// argoCDConfig has the keys of OIDCConfig in util/settings/settings.go of Argo CD 3.6 that the page uses.
type argoCDConfig struct {
	Name         string   `yaml:"name"`
	Issuer       string   `yaml:"issuer"`
	ClientID     string   `yaml:"clientID"`
	ClientSecret string   `yaml:"clientSecret"`
	CLIClientID  string   `yaml:"cliClientID"`
	Scopes       []string `yaml:"requestedScopes"`
	PKCE         bool     `yaml:"enablePKCEAuthentication"`
	Threshold    string   `yaml:"refreshTokenThreshold"`
	LogoutURL    string   `yaml:"logoutURL"`
}

// argoCD returns the settings of the page: the address of Argo CD, and its OpenID Connect client. A
// key that Argo CD does not have is an error.
func (a *clientApp) argoCD() (address string, conf argoCDConfig) {
	a.t.Helper()
	var cm struct{ Data map[string]string }
	err := yaml.Unmarshal([]byte(a.pageBlock("oidc.config: |")), &cm)
	var keys map[string]any
	if err == nil {
		err = yaml.Unmarshal([]byte(cm.Data["oidc.config"]), &keys)
	}
	if err == nil {
		err = yaml.Unmarshal([]byte(cm.Data["oidc.config"]), &conf)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	if len(keys) != reflect.TypeFor[argoCDConfig]().NumField() {
		a.t.Errorf("oidc.config has a key that Argo CD does not have: %v", keys)
	}
	threshold, err := time.ParseDuration(conf.Threshold)
	if err != nil || threshold >= 15*time.Minute || !conf.PKCE || !slices.Contains(conf.Scopes, "offline_access") {
		a.t.Errorf("the settings are %+v", conf)
	}
	return cm.Data["url"], conf
}

// testArgoCD signs in to Argo CD's pages and command line by its libraries. The ID token is the session,
// so it has to have the groups, also after a renewal.
func testArgoCD(t *testing.T, f *clientsFixture) {
	f.both(t, "argocd", func(a *clientApp) clientUser {
		address, conf := a.argoCD()
		if conf.ClientID != a.name || !strings.HasPrefix(conf.ClientSecret, "$") {
			a.t.Fatalf("the settings are %+v", conf)
		}
		app := fixture.NewApp(a.t)
		a.front.forwardTo(a.t, app.URL)
		u, raw := a.argoCDSignIn(conf, app, address+"/auth/callback", clientSecret)
		logout := strings.NewReplacer("{{token}}", raw, "{{logoutRedirectURL}}", address).Replace(conf.LogoutURL)
		if page := a.phone.Visit(logout); strings.TrimSuffix(page.URL, "/") != address {
			a.t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
		}
		return u
	})
	f.both(t, "argocd-cli", func(a *clientApp) clientUser {
		_, conf := a.argoCD()
		if conf.CLIClientID != a.name {
			a.t.Fatalf("the settings are %+v", conf)
		}
		app := loopbackApp(a.t, "localhost")
		u, _ := a.argoCDSignIn(conf, app, app.URL+"/auth/callback", "")
		return u
	})
}

// argoCDSignIn signs in and renews the ID token. It returns the new one.
func (a *clientApp) argoCDSignIn(conf argoCDConfig, app *fixture.App, redirectURI, secret string) (clientUser,
	string) {
	a.t.Helper()
	c := newGoClient(a.t, conf.Issuer, a.id, secret, app)
	c.conf.Scopes, c.conf.RedirectURL = conf.Scopes, redirectURI
	u, token, id := a.signInBy(c)
	c.refreshes(token, id)
	raw, _ := token.Extra("id_token").(string)
	renewed, err := c.provider.Verifier(&oidc.Config{ClientID: a.id}).Verify(a.t.Context(), raw)
	if err != nil {
		a.t.Fatalf("the renewed ID token: %v", err)
	}
	var claims struct{ Groups []string }
	if err := renewed.Claims(&claims); err != nil || !slices.Equal(claims.Groups, []string{a.adminGroup()}) {
		a.t.Errorf("the ID token has the groups %v (%v)", claims.Groups, err)
	}
	return u, raw
}
