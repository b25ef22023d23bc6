package relyingparty_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"golang.org/x/oauth2"
)

// nextcloudOptions are options of "occ user_oidc:provider" in lib/Command/UpsertProvider.php of
// nextcloud/user_oidc 8.10.1, without the mappings that the page cannot need.
func nextcloudOptions() []string {
	return strings.Fields("clientid clientsecret clientsecret-file clientsecret-env discoveryuri endsessionendpointuri " +
		"postlogouturi scope unique-uid check-bearer bearer-provisioning send-id-token-hint mapping-display-name " +
		"mapping-email mapping-quota mapping-uid mapping-avatar mapping-groups extra-claims group-provisioning " +
		"group-whitelist-regex group-restrict-login-to-whitelist resolve-nested-claims")
}

// nextcloud is LoginController of nextcloud/user_oidc, version 8. It requests claims one by one, which the
// gateway ignores. It adds the parameters of sign-out to the address without encoding.
func nextcloud(a *clientApp) capturedClient {
	set := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+)=("[^"]*"|\S+)`).
		FindAllStringSubmatch(a.pageBlock("user_oidc:provider"), -1) {
		if !slices.Contains(nextcloudOptions(), m[1]) {
			a.t.Errorf("user_oidc has no option --%s", m[1])
		}
		set[m[1]] = strings.Trim(m[2], `"`)
	}
	if set["clientid"] != a.name || set["discoveryuri"] != a.f.front.url+"/.well-known/openid-configuration" ||
		set["unique-uid"] != "0" || set["send-id-token-hint"] != "1" ||
		!regexp.MustCompile(strings.Trim(set["group-whitelist-regex"], "/")).MatchString(a.adminGroup()) {
		a.t.Fatalf("the options are %v", set)
	}
	c := capturedClient{redirectURI: a.front.url + "/apps/user_oidc/code", state: strings.Repeat("S4", 16),
		nonce: strings.Repeat("N7", 16), verifier: strings.Repeat("aZ7q", 32)}
	const claims = `{"email":null,"name":null,"quota":null,"groups":null,"preferred_username":{"essential":true}}`
	c.authorize = encoded("+", "client_id", a.id, "response_type", "code", "scope", set["scope"], "redirect_uri",
		c.redirectURI, "claims", `{"id_token":`+claims+`,"userinfo":`+claims+`}`, "state", c.state, "nonce", c.nonce,
		"code_challenge", oauth2.S256ChallengeFromVerifier(c.verifier), "code_challenge_method", "S256")
	c.token = func(code string) (string, http.Header) {
		return encoded("+", "code", code, "redirect_uri", c.redirectURI, "grant_type", "authorization_code",
			"code_verifier", c.verifier, "client_id", a.id, "client_secret", clientSecret), form()
	}
	c.signOut = func(idToken string) string {
		return "post_logout_redirect_uri=" + a.front.url + "/&client_id=" + a.id + "&id_token_hint=" + idToken
	}
	c.idToken = func(claims map[string]any) {
		username, _ := claims[set["mapping-uid"]].(string)
		groups, _ := claims[set["mapping-groups"]].([]any)
		if !strings.HasPrefix(username, "wx-") || claims[set["mapping-display-name"]] != nickname(a.name) ||
			claims[set["mapping-avatar"]] == nil || !slices.Equal(groups, []any{a.adminGroup()}) {
			a.t.Errorf("the ID token has %v", claims)
		}
	}
	return c
}

// jenkinsKeys are the keys of jenkins.securityRealm.oic in docs/configuration/README.md and in the
// constructor of OicSecurityRealm of jenkinsci/oic-auth-plugin, version 4.
func jenkinsKeys() []string {
	return strings.Fields("serverConfiguration clientId clientSecret userNameField groupsFieldName fullNameFieldName " +
		"emailFieldName logoutFromOpenidProvider rootURLFromRequest sendScopesInTokenRequest postLogoutRedirectUrl " +
		"allowTokenAccessWithoutOicSession disableSslVerification tokenFieldToCheckKey tokenFieldToCheckValue " +
		"tokenExpirationCheckDisabled userIdStrategy groupIdStrategy properties")
}

// jenkinsConfig is the part of Jenkins' configuration as code that the test reads.
type jenkinsConfig struct {
	Unclassified struct {
		Location struct {
			URL string `yaml:"url"`
		} `yaml:"location"`
	} `yaml:"unclassified"`
	Jenkins struct {
		SecurityRealm struct {
			OIC map[string]any `yaml:"oic"`
		} `yaml:"securityRealm"`
	} `yaml:"jenkins"`
}

// jenkins is the plugin oic-auth of Jenkins with pac4j 6: OidcRedirectionActionBuilder, and the requests of
// Nimbus. It authenticates by client_secret_basic, since the discovery document lists it first.
func jenkins(a *clientApp) capturedClient {
	var conf jenkinsConfig
	if err := yaml.Unmarshal([]byte(a.pageBlock("wellKnownOpenIDConfigurationUrl")), &conf); err != nil {
		a.t.Fatal(err)
	}
	set := conf.Jenkins.SecurityRealm.OIC
	for key := range set {
		if !slices.Contains(jenkinsKeys(), key) {
			a.t.Errorf("oic-auth has no key %s", key)
		}
	}
	server, _ := set["serverConfiguration"].(map[string]any)
	wellKnown, _ := server["wellKnown"].(map[string]any)
	properties, _ := set["properties"].([]any)
	scope, _ := wellKnown["scopesOverride"].(string)
	if set["clientId"] != a.name || !slices.Contains(properties, any("pkce")) || set["groupsFieldName"] != "groups" ||
		wellKnown["wellKnownOpenIDConfigurationUrl"] != a.f.front.url+"/.well-known/openid-configuration" {
		a.t.Fatalf("the settings are %v", set)
	}
	c := capturedClient{redirectURI: conf.Unclassified.Location.URL + "securityRealm/finishLogin", state: "f0a1b2c3d4",
		nonce: encrypted(32), verifier: oauth2.GenerateVerifier(), accept: "application/json"}
	c.authorize = encoded("+", "scope", scope, "response_type", "code", "redirect_uri", c.redirectURI, "state", c.state,
		"nonce", c.nonce, "client_id", a.id, "code_challenge_method", "S256", "code_challenge",
		oauth2.S256ChallengeFromVerifier(c.verifier))
	c.token = func(code string) (string, http.Header) {
		return encoded("+", "grant_type", "authorization_code", "code", code, "redirect_uri", c.redirectURI, "code_verifier",
			c.verifier), form("Authorization", basic(a))
	}
	c.refresh = func(token string) (string, http.Header) {
		return encoded("+", "grant_type", "refresh_token", "refresh_token", token), form("Authorization", basic(a))
	}
	back, _ := set["postLogoutRedirectUrl"].(string)
	c.signOut = func(idToken string) string {
		return encoded("+", "id_token_hint", idToken, "state", c.state, "post_logout_redirect_uri", back)
	}
	return c
}

// testNextcloud and testJenkins send the requests that these apps build from the settings of their pages.
func testNextcloud(t *testing.T, f *clientsFixture) {
	f.both(t, "nextcloud", func(a *clientApp) clientUser { return a.signInAs(nextcloud(a)) })
}

func testJenkins(t *testing.T, f *clientsFixture) {
	f.both(t, "jenkins", func(a *clientApp) clientUser { return a.signInAs(jenkins(a)) })
}
