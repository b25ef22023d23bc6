package oidc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

// form returns the fields of a form that the browser sends to the app. It fails unless the page
// keeps them from everybody else.
func (a answer) form(address string) map[string]string {
	a.t.Helper()
	page := a.shown()
	policy := a.header.Get("Content-Security-Policy")
	if a.status != http.StatusOK || page.Kind != web.FormPost || page.Action != address || a.location != nil {
		a.t.Fatalf("no form to %s: %d %s %s", address, a.status, page.Kind, page.Action)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "strict-origin" ||
		!strings.Contains(policy, "; form-action 'self' "+address) || !strings.Contains(policy, "frame-ancestors 'none'") {
		a.t.Errorf("headers: %v", a.header)
	}
	return page.Fields
}

// ASP.NET Core requests form_post by default, with 2 kB of state and more (H2CK/oidc#667,
// dotnet/aspnetcore#5113).
func TestFormPostSendsTheResponseAsAForm(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	for name, state := range map[string]string{
		"short": "the state", "2 kB": strings.Repeat("CfDJ8-_", 300), "7 kB": strings.Repeat("CfDJ8-_", 1000),
		"empty": "", "hostile": `"><script>alert(1)</script>`, "none": "-",
	} {
		b := e.browser()
		b.login()
		fields := b.authorize(e.request("response_mode", "form_post", "state", state)).form(redirectURI)
		sent, hasState := fields["state"]
		if hasState != (state != "-") || hasState && sent != state || fields["iss"] != e.issuer || fields["error"] != "" {
			t.Errorf("state %s: fields %v", name, fields)
		}
		if tok := e.redeem(fields["code"]); tok.status != http.StatusOK {
			t.Errorf("state %s: %v", name, tok)
		}
	}
	// The mode survives the sign-in.
	e.signIn.as(&e.bob)
	fields := e.browser().authorize(e.request("response_mode", "form_post")).form(redirectURI)
	if tok := e.redeem(fields["code"]); tok.status != http.StatusOK {
		t.Errorf("signed out: %v", tok)
	}
}

func TestFormPostSendsErrorsToo(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	e.signIn.as(&e.alice)
	for want, more := range map[string][]string{
		"invalid_request": {"max_age", "x"}, "invalid_scope": {"scope", "profile"}, "login_required": {"prompt", "none"},
		"unsupported_response_type": {"response_type", "token"}, "access_denied": {"weigate_cancel", "1"},
	} {
		q := e.request(append([]string{"response_mode", "form_post"}, more...)...)
		fields := e.browser().authorize(q).form(redirectURI)
		if fields["error"] != want || fields["error_description"] == "" || fields["state"] != "the state" ||
			fields["iss"] != e.issuer || fields["code"] != "" {
			t.Errorf("%s: %v", want, fields)
		}
	}
	// The button of an error page cannot be a form to the app, so it cancels the request.
	e.access.set(access.Denied, nil)
	b := e.browser()
	a := b.authorize(e.request("response_mode", "form_post"))
	if a.page() != "problem" || a.shown().Kind != web.Refused || a.shown().Home != "" {
		t.Fatalf("a user whom the rules deny: %d %s", a.status, a.page())
	}
	if fields := b.get(e.server.URL + a.shown().Back).form(redirectURI); fields["error"] != "access_denied" {
		t.Errorf("back to the app: %v", fields)
	}
}

// A refused redirect URI gets no form either: the user would send the parameters to any site.
func TestFormPostToAnAddressThatIsNotRegistered(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	e.signIn.as(&e.alice)
	for _, more := range [][]string{{}, {"max_age", "x"}, {"prompt", "none"}} {
		q := e.request(append([]string{"response_mode", "form_post", "redirect_uri", "https://evil.example/"}, more...)...)
		if a := e.browser().authorize(q); a.page() != "problem" || strings.Contains(a.body, "evil.example") {
			t.Errorf("%v: %d %s", more, a.status, a.page())
		}
	}
}

func TestResponseModesOfAnApp(t *testing.T) {
	t.Parallel()
	const native = "com.example.app:/callback"
	newApp := func(id string, modes ...string) oidc.Client {
		return oidc.Client{App: gateway.App{ID: id, Name: id}, Secrets: []route.SecretHash{route.HashSecret(secret)},
			RedirectURIs: []string{redirectURI, native}, ResponseModes: modes}
	}
	e := newFixture(t, newMemory(t), "", func(e *fixture, _ *oidc.Config) {
		e.clients = append(e.clients, newApp("query-only", "query"), newApp("form-only", "form_post"),
			newApp("form-first", "form_post", "query"))
	})
	e.signIn.as(&e.alice)
	tests := []struct {
		app, mode, redirectURI string
		form                   bool
		problem                string
	}{
		{e.app, "-", redirectURI, false, ""},
		{e.app, "query", redirectURI, false, ""},
		{e.app, "form_post", redirectURI, true, ""},
		{e.app, "fragment", redirectURI, false, "response_mode must be query or form_post"},
		{e.app, "query form_post", redirectURI, false, "response_mode must be query or form_post"},
		{"query-only", "form_post", redirectURI, false, "response_mode must be query"},
		{"form-only", "-", redirectURI, true, ""},
		{"form-only", "query", redirectURI, true, "response_mode must be form_post"},
		{"form-first", "-", redirectURI, true, ""},
		{"form-first", "query", redirectURI, false, ""},
		{"form-first", "form_post", native, false, "response_mode form_post requires a redirect_uri with http or https"},
	}
	for _, tt := range tests {
		a := e.browser().authorize(e.request("client_id", tt.app, "response_mode", tt.mode, "redirect_uri", tt.redirectURI))
		parameter := a.param
		if tt.form {
			fields := a.form(redirectURI)
			parameter = func(name string) string { return fields[name] }
		}
		if parameter("error_description") != tt.problem || (parameter("code") != "") != (tt.problem == "") {
			t.Errorf("%s, response_mode %s: %d %v", tt.app, tt.mode, a.status, a.location)
		}
	}
	for _, modes := range [][]string{{"query"}, {"form_post"}} {
		e := newFixture(t, newMemory(t), "", func(e *fixture, _ *oidc.Config) {
			for i := range e.clients {
				e.clients[i].ResponseModes = modes
			}
		})
		doc := object(t, e.browser().get(e.issuer+"/.well-known/openid-configuration").body)
		if got := list(doc["response_modes_supported"]); !slices.Equal(got, modes) {
			t.Errorf("discovery: %v, want %v", got, modes)
		}
	}
}
