package oidc_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/route"
)

// TestConfig is oidcc-config-certification-test-plan. It runs over TLS, since an issuer must be
// https.
func TestConfig(t *testing.T) {
	t.Parallel()
	run(t, []module{{"oidcc-discovery-endpoint-verification", discovery}})
	t.Run("under a path", func(t *testing.T) {
		t.Parallel()
		run(t, []module{{"oidcc-discovery-endpoint-verification", discovery}, {"oidcc-server", server},
			{"oidcc-rp-initiated-logout", logout}}, atPath("/sso/login"))
	})
}

func list(v any) []string {
	var out []string
	values, _ := v.([]any)
	for _, x := range values {
		s, _ := x.(string)
		out = append(out, s)
	}
	return out
}

func discovery(t *testing.T, e *fixture) {
	b := e.browser()
	a := b.get(e.issuer + "/.well-known/openid-configuration")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("answer: %d %s", a.status, a.header.Get("Content-Type"))
	}
	doc := object(t, a.body)
	used := e.clients[0].IDTokenAlg
	algs := []string{"RS256"}
	if used == "ES256" {
		algs = append(algs, used)
	}
	if doc["issuer"] != e.issuer || !strings.HasPrefix(e.issuer, "https://") {
		t.Errorf("issuer %v, want %s", doc["issuer"], e.issuer)
	}
	for name, want := range map[string][]string{
		"response_types_supported":                      {"code"},
		"response_modes_supported":                      {"query", "form_post"},
		"grant_types_supported":                         {"authorization_code", "refresh_token"},
		"subject_types_supported":                       {"public"},
		"id_token_signing_alg_values_supported":         algs, // RS256 always: Discovery, section 3
		"token_endpoint_auth_methods_supported":         {"none", "client_secret_basic", "client_secret_post"},
		"introspection_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":              {"S256"},
		"ui_locales_supported":                          {"en", "zh-CN"},
	} {
		if got := list(doc[name]); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if !slices.Contains(list(doc["scopes_supported"]), "openid") ||
		!slices.Contains(list(doc["claims_supported"]), "sub") {
		t.Errorf("scopes %v, claims %v", doc["scopes_supported"], doc["claims_supported"])
	}
	for name, want := range map[string]bool{"request_uri_parameter_supported": false,
		"request_parameter_supported": false, "claims_parameter_supported": false,
		"authorization_response_iss_parameter_supported": true} {
		if got, said := doc[name].(bool); !said || got != want {
			t.Errorf("%s: %v, want %v, said", name, doc[name], want)
		}
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
		"revocation_endpoint", "introspection_endpoint",
		"end_session_endpoint"} {
		address, _ := doc[name].(string)
		if !strings.HasPrefix(address, e.issuer+"/") {
			t.Errorf("%s: %q is not below the issuer", name, address)
		}
		if a := b.get(address); a.status == http.StatusNotFound {
			t.Errorf("%s does not answer", name)
		}
	}
	// Another Host changes nothing.
	r, _ := http.NewRequest("GET", e.issuer+"/.well-known/openid-configuration", nil)
	r.Host = "evil.example.com"
	r.Header.Set("X-Forwarded-Host", "evil.example.com")
	if other := b.do(r); other.body != a.body {
		t.Errorf("the document follows Host: %s", other.body)
	}
	keySet(t, b.get(doc["jwks_uri"].(string)), used)
}

func keySet(t *testing.T, jwks answer, alg string) {
	t.Helper()
	keys, _ := object(t, jwks.body)["keys"].([]any)
	if len(keys) != 1 {
		t.Errorf("%d keys, want one of the only algorithm that the apps use", len(keys))
	}
	for _, k := range keys {
		jwk := k.(map[string]any)
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if jwk[private] != nil {
				t.Errorf("the key set has the private member %s", private)
			}
		}
		if jwk["kid"] == nil || jwk["use"] != "sig" || jwk["alg"] != alg {
			t.Errorf("key without kid, use or alg: %v", jwk)
		}
	}
}

func TestMethodsThatAreNotServed(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	for path, methods := range map[string]string{
		"/.well-known/openid-configuration": "GET", "/oauth2/jwks": "GET", "/oauth2/authorize": "GET, POST",
		"/oauth2/token":    "POST",
		"/oauth2/userinfo": "GET, POST", "/oauth2/revoke": "POST", "/oauth2/introspect": "POST",
		"/oauth2/logout": "GET, POST", "/oauth2/logout/confirm": "POST",
	} {
		r, _ := http.NewRequest("DELETE", e.issuer+path, nil)
		if a := e.browser().do(r); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != methods {
			t.Errorf("DELETE %s: %d, Allow %q, want %q", path, a.status, a.header.Get("Allow"), methods)
		}
	}
	mux := route.NewMux()
	e.handler.Mount(mux)
	for path, want := range map[string]route.Policy{
		"/.well-known/openid-configuration": route.LimitedApp,
		"/oauth2/jwks":                      route.LimitedApp,
		"/oauth2/authorize":                 route.CrossSitePost | route.LimitedSignedIn,
		"/oauth2/token":                     route.CrossSitePost | route.LimitedApp,
		"/oauth2/userinfo":                  route.CrossSitePost | route.LimitedApp,
		"/oauth2/revoke":                    route.CrossSitePost | route.LimitedApp,
		"/oauth2/introspect":                route.CrossSitePost | route.LimitedApp,
		"/oauth2/logout":                    route.CrossSitePost | route.Limited,
		"/oauth2/logout/confirm":            route.Limited,
	} {
		r, _ := http.NewRequest("POST", e.issuer+path, nil)
		if got := mux.Policy(r); got != want {
			t.Errorf("%s: policy %b, want %b", path, got, want)
		}
	}
}

func TestScriptsOfOtherSitesAreKeptOut(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	const page, foreign = "https://page.example.com", "https://evil.example.com"
	call := func(method, path, origin string, form url.Values, headers ...string) answer {
		t.Helper()
		r, _ := http.NewRequest(method, e.issuer+path, strings.NewReader(form.Encode()))
		r.Header.Set("Origin", origin)
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return e.browser().do(r)
	}
	allowed := func(a answer) string { return a.header.Get("Access-Control-Allow-Origin") }
	code := e.browser().code("client_id", e.spa, "redirect_uri", page+"/", "code_challenge", challenge,
		"code_challenge_method", "S256")
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {page + "/"},
		"client_id": {e.spa}, "code_verifier": {verifier}}
	a := call("POST", "/oauth2/token", page, form)
	if a.status != http.StatusOK || allowed(a) != page {
		t.Errorf("the page's own site: %d, allowed %q", a.status, allowed(a))
	}
	spaToken := "Bearer " + e.tokenAnswer(a).Access
	appToken := "Bearer " + e.browser().login().Access
	tests := []struct {
		name string
		a    answer
		want string
	}{
		{"discovery, the page", call("GET", "/.well-known/openid-configuration", page, nil), page},
		{"discovery, another site", call("GET", "/.well-known/openid-configuration", foreign, nil), ""},
		{"discovery, a confidential app's site", call("GET", "/.well-known/openid-configuration",
			"https://app.example.com", nil), ""},
		{"jwks, the page", call("GET", "/oauth2/jwks", page, nil), page},
		{"jwks, another site", call("GET", "/oauth2/jwks", foreign, nil), ""},
		{"preflight, the page", call("OPTIONS", "/oauth2/token", page, nil), page},
		{"preflight, another site", call("OPTIONS", "/oauth2/token", foreign, nil), ""},
		{"token, another site", call("POST", "/oauth2/token", foreign, form), ""},
		{"userinfo, the page", call("GET", "/oauth2/userinfo", page, nil, "Authorization", spaToken), page},
		{"userinfo, another site", call("GET", "/oauth2/userinfo", foreign, nil, "Authorization", spaToken), ""},
		{"userinfo, the page with a confidential app's token",
			call("GET", "/oauth2/userinfo", page, nil, "Authorization", appToken), ""},
		{"userinfo, a dead token", call("GET", "/oauth2/userinfo", page, nil, "Authorization", "Bearer dead"), page},
		{"authorize is not for scripts", call("GET", "/oauth2/authorize?"+e.request().Encode(), page, nil), ""},
	}
	for _, tt := range tests {
		if allowed(tt.a) != tt.want {
			t.Errorf("%s: allowed %q, want %q", tt.name, allowed(tt.a), tt.want)
		}
		if tt.a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", tt.name)
		}
		if !strings.HasPrefix(tt.name, "authorize") && !slices.Contains(tt.a.header.Values("Vary"), "Origin") {
			t.Errorf("%s: no Vary: Origin", tt.name)
		}
	}
}
