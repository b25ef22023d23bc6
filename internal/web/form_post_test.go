package web_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

// The policy of the page allows the form, and no other target.
func TestFormPostMayGoToTheAppOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for address, source := range map[string]string{
		"https://app.example.com/signin-oidc":          "https://app.example.com/signin-oidc",
		"https://app.example.com:8443/a/b?x=1&y=2":     "https://app.example.com:8443/a/b",
		"https://app.example.com/a;b,c%3Bd":            "https://app.example.com/a%3Bb%2Cc%3Bd",
		"http://localhost:8085/auth/callback":          "http://localhost:8085/auth/callback",
		"http://[::1]:8085/cb":                         "http:", // a policy cannot name an IPv6 address
		"https://app.example.com;script-src'/x":        "https:",
		"https://app.example.com":                      "https://app.example.com",
		"com.example.app:/callback":                    "'none'",
		"javascript:alert(1)":                          "'none'",
		"https://app.example.com/%E6%96%87?'unsafe'":   "https://app.example.com/%E6%96%87",
		"https://app.example.com/x?;script-src *":      "https://app.example.com/x",
		"https://app.example.com/x y; script-src *; z": "https://app.example.com/x%20y%3B%20script-src%20%2A%3B%20z",
	} {
		w := show(s, lang.English, web.Page{Kind: web.FormPost, App: "App",
			Post: &web.AppForm{Address: address, Redirects: []string{"https://www.example.com", "com.example.app:/"}}})
		policy := w.Header().Get("Content-Security-Policy")
		want := "; form-action 'self' " + source + " https://www.example.com 'none'; base-uri 'none'; frame-ancestors 'none'"
		if !strings.HasSuffix(policy, want) || !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
			t.Errorf("%s: %s", address, policy)
		}
		if w.Header().Get("Referrer-Policy") != "strict-origin" {
			t.Errorf("Referrer-Policy %s", w.Header().Get("Referrer-Policy"))
		}
	}
}

func TestFormPostKeepsHostileTextInItsFields(t *testing.T) {
	t.Parallel()
	fields := map[string]string{"state": hostile, "code": "abc", hostile: "x"}
	body := show(newSite(t), lang.English, web.Page{Kind: web.FormPost, App: hostile,
		Post: &web.AppForm{Address: "https://app.example.com/cb?a=1&b=%22", Fields: fields}}).Body.String()
	page := webtest.Read(t, body)
	if page.Action != "https://app.example.com/cb?a=1&b=%22" || len(page.Fields) != len(fields) {
		t.Errorf("form to %s with %v", page.Action, page.Fields)
	}
	if n := strings.Count(body, "<script"); n != 1 {
		t.Errorf("%d scripts in %s", n, body)
	}
	bad := show(newSite(t), lang.English, web.Page{Kind: web.FormPost, App: "App",
		Post: &web.AppForm{Address: "javascript:alert(1)"}}).Body.String()
	if strings.Contains(bad, "javascript:") {
		t.Errorf("a form that runs code: %s", bad)
	}
}
