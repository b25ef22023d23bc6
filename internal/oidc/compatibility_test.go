package oidc_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/route"
)

// A script in the web view of a phone has an origin with a scheme of its own
// (authgear/authgear-server#3637). Its libraries add headers, such as X-Requested-With.
func TestScriptsFromConfiguredOrigins(t *testing.T) {
	t.Parallel()
	const native, page, website = "capacitor://localhost", "https://page.example.com", "https://app.example.com"
	e := newFixture(t, newMemory(t), "", func(e *fixture, _ *oidc.Config) {
		e.clients[0].Origins = []string{"https://www.example.com"}
		e.clients[2].Origins = []string{native, "http://localhost"}
	})
	ask := func(method, path, origin, headers, token string) answer {
		t.Helper()
		r, err := http.NewRequest(method, e.issuer+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		if headers != "" {
			r.Header.Set("Access-Control-Request-Headers", headers)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return e.browser().do(r)
	}
	for _, tt := range []struct {
		origin, headers, allowed string
		good                     bool
	}{
		{native, "x-requested-with", "x-requested-with", true},
		{native, "authorization,x-requested-with,x-app-version", "authorization,x-requested-with,x-app-version", true},
		{native, "", "Authorization, Content-Type", true},
		{native, "x<script>", "Authorization, Content-Type", true},
		{page, "content-type", "content-type", true},
		{"http://localhost", "x", "x", true}, {"https://www.example.com", "x", "x", true},
		{website, "x-requested-with", "", false}, // of a confidential app, without origins
		{"capacitor://localhost:80", "x", "", false}, {"capacitor://evil", "x", "", false},
		{"CAPACITOR://localhost", "x", "", false}, {"null", "x", "", false}, {"", "x", "", false},
	} {
		for _, path := range []string{"/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke", "/oauth2/jwks"} {
			a := ask("OPTIONS", path, tt.origin, tt.headers, "")
			origin := a.header.Get("Access-Control-Allow-Origin")
			if a.status != http.StatusNoContent || (origin == tt.origin && origin != "") != tt.good ||
				a.header.Get("Access-Control-Allow-Headers") != tt.allowed ||
				!slices.Equal(a.header.Values("Vary"), []string{"Origin", "Access-Control-Request-Headers"}) ||
				a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s from %q with %q: %d %v", path, tt.origin, tt.headers, a.status, a.header)
			}
		}
	}
	token := e.browser().login().Access // of a confidential app
	for origin, good := range map[string]bool{"https://www.example.com": true, native: false, website: false} {
		got := ask("GET", "/oauth2/userinfo", origin, "", token).header.Get("Access-Control-Allow-Origin")
		if (got == origin) != good {
			t.Errorf("userinfo for %s: %q", origin, got)
		}
	}
}

// Argo CD, Kubernetes and others end their session with the ID token (argoproj/argo-cd#12189,
// argoproj/argo-workflows#4027).
func TestIDTokenHasALifetimeOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]oidc.Lifetimes{
		"default":    {Access: 5 * time.Minute, IDToken: time.Hour},
		"configured": {Access: 2 * time.Hour, IDToken: 10 * time.Minute},
	} {
		e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) {
			if name == "configured" {
				c.Lifetimes = want
			}
		}))
		tok := e.browser().login("scope", "openid offline_access")
		for kind, tok := range map[string]tokens{"code": tok, "refresh": e.refresh(tok.Refresh)} {
			_, claims := e.idToken(tok.ID)
			lifetime := time.Duration(claims["exp"].(float64)-claims["iat"].(float64)) * time.Second
			if lifetime != want.IDToken || time.Duration(tok.Expires)*time.Second != want.Access {
				t.Errorf("%s, %s: ID token %v, access token %d s", name, kind, lifetime, tok.Expires)
			}
		}
	}
}

// Kibana before 7.4 starts another sign-in at a callback with iss (elastic/kibana#43258); 3scale makes
// iss a part of the redirect_uri (3scale/porta#3859).
func TestAppThatGetsNoIss(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) { c.OmitIss = true }))
	e.signIn.as(&e.alice)
	for _, more := range [][]string{{}, {"max_age", "x"}} {
		a := e.browser().authorize(e.request(more...))
		if a.location.Query().Has("iss") || a.param("state") != "the state" {
			t.Errorf("%v: %v", more, a.location)
		}
	}
	fields := e.browser().authorize(e.request("response_mode", "form_post")).form(redirectURI)
	if _, found := fields["iss"]; found || fields["code"] == "" {
		t.Errorf("form_post: %v", fields)
	}
	if a := e.browser().authorize(e.request("client_id", e.other)); a.param("iss") != e.issuer {
		t.Errorf("another app: %v", a.location)
	}
}

// oauth2-proxy rejects false (oauth2-proxy/oauth2-proxy#1712). Grist and Headscale require true
// (gristlabs/grist-core#808, juanfont/headscale#2860).
func TestEmailVerifiedIsWhatTheAppNeeds(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]any{"": false, oidc.EmailVerifiedFalse: false, oidc.EmailVerifiedTrue: true,
		oidc.EmailVerifiedOmit: nil} {
		e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) {
			c.EmailVerified, c.IDTokenClaims = value, true
		}))
		tok := e.browser().login("scope", "openid email")
		_, inToken := e.idToken(tok.ID)
		for where, claims := range map[string]map[string]any{"userinfo": e.claims(tok.Access), "ID token": inToken} {
			got, found := claims["email_verified"]
			if got != want || found != (want != nil) || claims["email"] != e.alice.ID+"@people.example.com" {
				t.Errorf("%q, %s: %v", value, where, claims)
			}
		}
	}
}

// MISP reads roles only (NUKIB/misp#72), and the names are fixed in other apps too.
func TestFurtherClaims(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) {
		c.IDTokenClaims = true
		c.Claims = map[string]string{"roles": "groups", "uid": "sub", "name": "preferred_username",
			"display_name": "name", "https://example.com/openid": "openid"}
	}))
	groups := []string{"admins", "staff"}
	if _, err := e.store.UpdateUser(t.Context(), e.alice.ID, e.clock.now(), func(u *gateway.User) error {
		u.Groups = groups
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	tok := e.browser().login("scope", "openid profile groups")
	_, inToken := e.idToken(tok.ID)
	for where, claims := range map[string]map[string]any{"userinfo": e.claims(tok.Access), "ID token": inToken} {
		if !slices.Equal(list(claims["roles"]), groups) || claims["uid"] != claims["sub"] || claims["sub"] != e.alice.ID ||
			claims["display_name"] != "Alice 小明" || claims["name"] != claims["preferred_username"] {
			t.Errorf("%s: %v", where, claims)
		}
		if _, found := claims["https://example.com/openid"]; found {
			t.Errorf("%s has the openid without the scope wechat: %v", where, claims)
		}
	}
	doc := object(t, e.browser().get(e.issuer+"/.well-known/openid-configuration").body)
	for _, name := range []string{"roles", "uid", "display_name", "https://example.com/openid"} {
		if !slices.Contains(list(doc["claims_supported"]), name) {
			t.Errorf("discovery lacks %s: %v", name, doc["claims_supported"])
		}
	}
}

func TestFurtherClaimCannotReplaceOneOfTheProtocol(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sub", "iss", "aud", "exp", "nonce", "auth_time", "at_hash", "email_verified"} {
		_, err := oidc.NewRegistry([]oidc.Client{{App: gateway.App{ID: "a"}, Secrets: []route.SecretHash{{1}},
			RedirectURIs: []string{redirectURI}, Claims: map[string]string{name: "nickname"}}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPKCEThatAnAppRequires(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) { c.RequirePKCE = true }))
	e.signIn.as(&e.alice)
	if a := e.browser().authorize(e.request()); a.param("error") != "invalid_request" ||
		!strings.Contains(a.param("error_description"), "PKCE") {
		t.Errorf("without PKCE: %v", a.location)
	}
	code := e.browser().code("code_challenge", challenge, "code_challenge_method", "S256")
	if tok := e.redeem(code, "code_verifier", verifier); tok.status != http.StatusOK {
		t.Errorf("with PKCE: %v", tok)
	}
}

// Clients that know only RSA reject a set with another key (nextcloud/user_oidc#1231,
// envoyproxy/envoy#9426).
func TestKeySetHasOnlyTheAlgorithmsInUse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		apps, want []string
	}{
		{[]string{"", "RS256"}, []string{"RS256"}}, // without the ES256 key of forward auth's assertions
		{[]string{"ES256"}, []string{"ES256"}},
		{[]string{"ES256", "RS256"}, []string{"RS256", "ES256"}},
		{nil, []string{"RS256"}},
	} {
		e := newFixture(t, newMemory(t), "", func(e *fixture, _ *oidc.Config) {
			app := e.clients[0]
			e.clients = nil
			for i, alg := range tt.apps {
				app.ID, app.IDTokenAlg = app.ID+string(rune('a'+i)), alg
				e.clients = append(e.clients, app)
			}
		})
		var algs []string
		for _, key := range e.keySet().Keys {
			algs = append(algs, key.Algorithm)
		}
		if !slices.Equal(algs, tt.want) {
			t.Errorf("apps with %q: keys of %q, want %q", tt.apps, algs, tt.want)
		}
	}
}

// RFC 6750 allows one way. Clients that send the token in both are served if it is the same.
func TestAccessTokenInTwoWays(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	token := e.browser().login().Access
	for inBody, status := range map[string]int{token: http.StatusOK, "another": http.StatusBadRequest} {
		r, err := http.NewRequest("POST", e.issuer+"/oauth2/userinfo",
			strings.NewReader(url.Values{"access_token": {inBody}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if a := e.browser().do(r); a.status != status {
			t.Errorf("status %d, want %d", a.status, status)
		}
	}
}
