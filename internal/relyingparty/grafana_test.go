package relyingparty_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/weigate/weigate/internal/fixture"
)

// grafanaKeys are the settings that Grafana's documentation lists, by section, with the values it
// allows where it names them. Sources, read in November 2026: "Configure Generic OAuth
// authentication", section "Configuration options", for auth.generic_oauth; "Configure Grafana",
// section "[server]", for root_url. An empty list allows any value.
func grafanaKeys() map[string]map[string][]string {
	yes := []string{"true", "false"}
	return map[string]map[string][]string{
		"server": {"root_url": nil},
		"auth.generic_oauth": {
			"enabled": yes, "name": nil, "icon": nil, "client_id": nil, "client_secret": nil, "auth_url": nil, "token_url": nil,
			"api_url":    nil,
			"auth_style": {"AutoDetect", "InParams", "InHeader"}, "scopes": nil, "empty_scopes": yes, "allow_sign_up": yes,
			"auto_login":   yes,
			"login_prompt": {"login", "consent", "select_account"}, "id_token_attribute_name": nil, "login_attribute_path": nil,
			"name_attribute_path":  nil,
			"email_attribute_path": nil, "email_attribute_name": nil, "role_attribute_path": nil, "role_attribute_strict": yes,
			"skip_org_role_sync": yes,
			"org_attribute_path": nil, "org_mapping": nil, "allow_assign_grafana_admin": yes, "groups_attribute_path": nil,
			"allowed_groups":        nil,
			"allowed_organizations": nil, "allowed_domains": nil, "team_ids": nil, "team_ids_attribute_path": nil,
			"teams_url":                nil,
			"tls_skip_verify_insecure": yes, "tls_client_cert": nil, "tls_client_key": nil, "tls_client_ca": nil,
			"use_pkce": yes, "use_refresh_token": yes,
			"signout_redirect_url": nil,
		},
	}
}

// ini reads a file in Grafana's form: sections, keys, values, and lines of comment.
func ini(t *testing.T, text string) map[string]map[string]string {
	t.Helper()
	out, section := map[string]map[string]string{}, ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		key, value, pair := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
			out[section] = map[string]string{}
		case pair && section != "":
			key = strings.TrimSpace(key)
			if _, twice := out[section][key]; twice {
				t.Errorf("line %d: %s a second time", i+1, key)
			}
			out[section][key] = strings.TrimSpace(value)
		default:
			t.Errorf("line %d: %q is no setting", i+1, line)
		}
	}
	return out
}

// TestGrafanaConfigurationIsDocumented compares every key and value of the page for Grafana with
// Grafana's documentation.
func TestGrafanaConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	known := grafanaKeys()
	conf := ini(t, documented(t, filepath.Join(clientPages, "grafana.md"), "[auth.generic_oauth]"))
	for section, settings := range conf {
		for key, value := range settings {
			allowed, documented := known[section][key]
			switch {
			case !documented:
				t.Errorf("[%s] has %s, which the documentation does not", section, key)
			case strings.ContainsAny(value, ";#"):
				t.Errorf("[%s] %s: Grafana reads the text after ; or # as a comment", section, key)
			case value == "" || allowed != nil && !slices.Contains(allowed, value):
				t.Errorf("[%s] %s = %q: the documentation allows %v", section, key, value, allowed)
			}
		}
	}
	// The documentation marks these as required.
	for _, required := range []string{"client_id", "client_secret", "auth_url", "token_url", "api_url"} {
		if conf["auth.generic_oauth"][required] == "" {
			t.Errorf("%s is missing", required)
		}
	}
}

// testGrafana signs in with the addresses, scopes and switches of the page by x/oauth2, the library
// of Grafana. Each attribute that the settings name has to be in userinfo.
func testGrafana(t *testing.T, f *clientsFixture) {
	f.both(t, "grafana", func(a *clientApp) clientUser {
		all := ini(a.t, a.pageBlock("[auth.generic_oauth]"))
		conf := all["auth.generic_oauth"]
		if conf["client_id"] != a.name || conf["client_secret"] != "$__file{/run/secrets/app}" ||
			conf["use_pkce"] != "true" || conf["use_refresh_token"] != "true" || conf["auth_style"] != "InHeader" {
			a.t.Fatalf("the test signs in with other settings than %v", conf)
		}
		app := fixture.NewApp(a.t)
		a.front.forwardTo(a.t, app.URL)
		c := newGoClient(a.t, f.front.url, a.id, clientSecret, app)
		if e := c.conf.Endpoint; e.AuthURL != conf["auth_url"] || e.TokenURL != conf["token_url"] ||
			c.provider.UserInfoEndpoint() != conf["api_url"] {
			a.t.Errorf("the page has %s, %s, %s; discovery has %+v, %s", conf["auth_url"], conf["token_url"], conf["api_url"],
				e, c.provider.UserInfoEndpoint())
		}
		c.conf.RedirectURL = all["server"]["root_url"] + "login/generic_oauth" // as Grafana makes it
		c.conf.Scopes, c.conf.Endpoint.AuthStyle = strings.Fields(conf["scopes"]), oauth2.AuthStyleInHeader
		u, token, id := a.signInBy(c)
		a.grafanaAttributes(c, token, conf)
		c.refreshes(token, id)

		// Grafana adds the ID token to an address with post_logout_redirect_uri.
		raw, _ := token.Extra("id_token").(string)
		address := strings.Replace(conf["signout_redirect_url"], "client_id="+a.name, "client_id="+a.id, 1)
		if page := a.phone.Visit(address + "&id_token_hint=" + raw); page.URL != a.front.url+"/login" {
			a.t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
		}
		return u
	})
}

// grafanaAttributes checks the claims that the settings of Grafana name.
func (a *clientApp) grafanaAttributes(c *goClient, token *oauth2.Token, conf map[string]string) {
	a.t.Helper()
	info, who := c.userinfo(token)
	var claims map[string]any
	if err := info.Claims(&claims); err != nil {
		a.t.Fatal(err)
	}
	for key, want := range map[string]string{"login_attribute_path": "wx-", "name_attribute_path": nickname(a.name),
		"email_attribute_path": who.Sub + "@" + conf["allowed_domains"]} {
		if got, _ := claims[conf[key]].(string); !strings.HasPrefix(got, want) {
			a.t.Errorf("%s = %s finds %q, want %q", key, conf[key], got, want)
		}
	}
	groups, _ := claims[conf["groups_attribute_path"]].([]any)
	if !slices.Equal(groups, []any{a.adminGroup()}) || !strings.Contains(conf["role_attribute_path"],
		"contains("+conf["groups_attribute_path"]+"[*], '"+a.adminGroup()+"') && 'Admin'") {
		a.t.Errorf("groups are %v, the roles %s", claims, conf["role_attribute_path"])
	}
}
