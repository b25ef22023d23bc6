package relyingparty_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/weigate/weigate/wechat/wechattest"
)

// outlineVariables are the variables of OpenID Connect in plugins/oidc/server/env.ts of Outline 1.9.1, and
// those of its address.
func outlineVariables() map[string]bool {
	known := map[string]bool{"URL": true, "FORCE_HTTPS": true}
	for name := range strings.FieldsSeq("CLIENT_ID CLIENT_SECRET ISSUER_URL DISPLAY_NAME AUTH_URI TOKEN_URI " +
		"USERINFO_URI USERNAME_CLAIM SCOPES DISABLE_REDIRECT LOGOUT_URI") {
		known["OIDC_"+name] = true
	}
	return known
}

// outlineModule returns a module with the environment of the page for Outline.
func (a *clientApp) outlineModule() string {
	a.t.Helper()
	env, known := map[string]string{}, outlineVariables()
	for line := range strings.Lines(a.pageBlock("OIDC_ISSUER_URL")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if !known[key] {
			a.t.Errorf("Outline has no variable %s", key)
		}
		env[key] = value
	}
	if env["OIDC_CLIENT_ID"] != a.name {
		a.t.Fatalf("the environment is %v", env)
	}
	env["OIDC_CLIENT_ID"], env["OIDC_CLIENT_SECRET"] = a.id, clientSecret
	return "export const outline = " + a.json(env)
}

// immichKeys are the keys of oauth in server/src/config.ts of Immich.
func immichKeys() map[string]bool {
	known := map[string]bool{}
	for name := range strings.FieldsSeq("autoLaunch autoRegister buttonText clientId clientSecret defaultStorageQuota " +
		"enabled issuerUrl mobileOverrideEnabled mobileRedirectUri scope signingAlgorithm profileSigningAlgorithm " +
		"tokenEndpointAuthMethod timeout storageLabelClaim storageQuotaClaim roleClaim") {
		known[name] = true
	}
	return known
}

// immichModule returns a module with the settings of the page for Immich, and the address of Immich.
func (a *clientApp) immichModule() string {
	a.t.Helper()
	var conf struct{ OAuth map[string]any }
	if err := json.Unmarshal([]byte(a.pageBlock(`"oauth": {`)), &conf); err != nil {
		a.t.Fatal(err)
	}
	known := immichKeys()
	for key := range conf.OAuth {
		if !known[key] {
			a.t.Errorf("Immich has no key %s", key)
		}
	}
	if conf.OAuth["clientId"] != a.name || conf.OAuth["signingAlgorithm"] != "RS256" {
		a.t.Fatalf("the settings are %v", conf.OAuth)
	}
	conf.OAuth["clientId"], conf.OAuth["clientSecret"], conf.OAuth["signingAlgorithm"] = a.id, clientSecret, a.alg
	return "export const immich = " + a.json(conf.OAuth) + "\nexport const url = " + a.json(a.front.url)
}

func (a *clientApp) json(value any) string {
	a.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// wantSyntheticUser fails the test unless the app learned the user's name, user name and address.
func (a *clientApp) wantSyntheticUser(got nodeAnswer) clientUser {
	a.t.Helper()
	username, _ := got.UserInfo["preferred_username"].(string)
	if got.Error != "" || got.Sub == "" || got.Name != nickname(a.name) ||
		got.UserInfo["email"] != got.Sub+"@people.example.com" ||
		!regexp.MustCompile(`^wx-[a-z2-7]{10}$`).MatchString(username) {
		a.t.Fatalf("the app learned %+v", got)
	}
	return got.clientUser
}

// outline signs in and out as Outline does.
func outline(a *clientApp) clientUser {
	a.wantNoForgedSignIn("/auth/oidc.callback")
	u := a.wantSyntheticUser(a.phone.nodeAnswer(a.complete(a.phone.Visit(a.front.url + "/auth/oidc"))))
	page := a.phone.Visit(a.front.url + "/auth/oidc.logout")
	if strings.TrimSuffix(page.URL, "/") != a.front.url || !a.phone.nodeAnswer(page).Bye {
		a.t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
	}
	return u
}

// immich signs in as Immich does, in a browser and at the address of its app. The app's address has a
// scheme of its own, so the user confirms.
func immich(a *clientApp) clientUser {
	a.wantNoForgedSignIn("/auth/login")
	u := a.wantSyntheticUser(a.phone.nodeAnswer(a.complete(a.phone.Visit(a.front.url + "/"))))
	a.phone.Visit(a.front.url + "/mobile")
	a.phone.wantPage("consent")
	_, err := a.phone.Follow(a.t.Context(), "go")
	var failed *wechattest.PhoneError // the simulated phone has no other apps
	opened := a.f.front.lastLocation()
	if !errors.As(err, &failed) || failed.Reason != "scheme" ||
		!strings.HasPrefix(opened, "app.immich:///oauth-callback?") {
		a.t.Fatalf("the phone opens %s: %v", opened, err)
	}
	page := a.phone.Visit(a.front.url + "/finish?url=" + url.QueryEscape(opened))
	if mobile := a.wantSyntheticUser(a.phone.nodeAnswer(page)); mobile != u {
		a.t.Errorf("the app on the phone has the user %v, the browser %v", mobile, u)
	}
	return u
}
