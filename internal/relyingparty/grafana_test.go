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

// TestGrafanaConfigurationIsDocumented holds every key and value of examples/grafana against
// Grafana's documentation.
func TestGrafanaConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	known := grafanaKeys()
	conf := ini(t, read(t, filepath.Join("..", "..", "examples", "grafana", "grafana.ini")))
	for section, settings := range conf {
		for key, value := range settings {
			allowed, documented := known[section][key]
			switch {
			case !documented:
				t.Errorf("[%s] has %s, which the documentation does not", section, key)
			case strings.ContainsAny(value, ";#"):
				t.Errorf("[%s] %s: Grafana reads what follows ; or # as a comment", section, key)
			case value == "" || allowed != nil && !slices.Contains(allowed, value):
				t.Errorf("[%s] %s = %q: the documentation allows %v", section, key, value, allowed)
			}
		}
	}
	// the documentation says "Required: Yes"
	for _, required := range []string{"client_id", "client_secret", "auth_url", "token_url", "api_url"} {
		if conf["auth.generic_oauth"][required] == "" {
			t.Errorf("%s is missing", required)
		}
	}
}

// TestGrafanaConfigurationSignsIn signs in with the addresses, scopes and switches in
// examples/grafana, by x/oauth2, which is what Grafana is built on, and looks for each attribute
// that the configuration names in what the gateway tells.
func TestGrafanaConfigurationSignsIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	a := fixture.NewApp(t)
	secret, account := filepath.Join(w.dir, "grafana"), filepath.Join(w.dir, "wechat")
	write(t, secret, clientSecret)
	write(t, account, w.account.Secret)
	examples := filepath.Join("..", "..", "examples", "grafana")
	here := []string{"https://login.example.com", w.front.url, "https://grafana.example.com", a.URL}
	all := ini(t, adapt(t, filepath.Join(examples, "grafana.ini"),
		append(here, "https%3A%2F%2Fgrafana.example.com", strings.NewReplacer(":", "%3A", "/", "%2F").Replace(a.URL))...))
	conf := all["auth.generic_oauth"]
	w.serve(w.adapted(filepath.Join(examples, "weigate.yaml"), "/run/secrets/grafana", secret, "/run/secrets/wechat",
		account, "https://grafana.example.com", a.URL))

	if conf["client_secret"] != "$__file{/run/secrets/grafana}" || conf["use_pkce"] != "true" ||
		conf["use_refresh_token"] != "true" || conf["auth_style"] != "InHeader" {
		t.Fatalf("the test signs in otherwise than the configuration says: %v", conf)
	}
	c := newGoClient(t, w.front.url, conf["client_id"], clientSecret, a)
	c.conf.RedirectURL = all["server"]["root_url"] + "login/generic_oauth" // as Grafana makes it
	c.conf.Scopes = strings.Fields(conf["scopes"])
	if e := c.conf.Endpoint; e.AuthURL != conf["auth_url"] || e.TokenURL != conf["token_url"] ||
		c.provider.UserInfoEndpoint() != conf["api_url"] {
		t.Errorf("the configuration has %s, %s, %s; discovery says %+v, %s", conf["auth_url"], conf["token_url"],
			conf["api_url"], e, c.provider.UserInfoEndpoint())
	}
	c.conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader

	alice := w.phone("alice")
	first := c.begin()
	alice.Visit(first.address)
	alice.wantPage("waiting")
	openID := w.wechat.OpenID(w.account.AppID, "alice")
	run(t, w.weigate("user", "approve", openID))
	run(t, w.weigate("user", "groups", openID, "grafana-admin"))
	alice.Must(alice.Follow(t.Context(), "go"))
	alice.wantPage("profile")
	alice.Must(alice.Follow(t.Context(), "go"))
	page := alice.Must(alice.Allow(t.Context()))
	if !strings.HasPrefix(page.URL, c.conf.RedirectURL) {
		t.Fatalf("the phone is at %s, it came by %v", page.URL, page.Hops)
	}
	token, id := c.finish(first)
	info, _ := c.userinfo(token)
	var claims map[string]any
	if err := info.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"login_attribute_path": "wx-", "name_attribute_path": "Alice",
		"email_attribute_path": id.Subject + "@" + conf["allowed_domains"]} {
		if got, _ := claims[conf[key]].(string); !strings.HasPrefix(got, want) {
			t.Errorf("%s = %s finds %q, want %q", key, conf[key], got, want)
		}
	}
	groups, _ := claims[conf["groups_attribute_path"]].([]any)
	if !slices.Equal(groups, []any{"grafana-admin"}) ||
		!strings.Contains(conf["role_attribute_path"],
			"contains("+conf["groups_attribute_path"]+"[*], 'grafana-admin') && 'Admin'") {
		t.Errorf("groups are %v", claims)
	}
	c.refreshes(token, id)

	// Grafana has no ID token in that address, so the gateway asks, and then offers the way back.
	alice.Visit(conf["signout_redirect_url"])
	alice.wantPage("app_sign_out")
	alice.Must(alice.Submit(t.Context(), "", nil))
	alice.wantPage("app_signed_out")
	if page = alice.Must(alice.Follow(t.Context(), "go")); page.URL != a.URL+"/login" {
		t.Errorf("the way back leads to %s", page.URL)
	}
}
