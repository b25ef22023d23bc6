package forwardauth_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
)

// withWildcard adds an app with all hosts below apps.example.com and below example.com.
func withWildcard(c *forwardauth.Config) {
	c.OtherHosts = []string{"grafana.example.com"}
	c.Apps = append(c.Apps, forwardauth.App{
		App:   gateway.App{ID: "many", Kind: gateway.AppForwardAuth, Name: "Many"},
		Hosts: []string{"*.apps.example.com", "*.example.com", "*.lab.example.com:8443", "*.lab.localhost:8082"},
	})
}

// A wildcard stands for one label, and never for a host that belongs to something else.
func TestWildcardMatchesOneLabelOfNobodyElse(t *testing.T) {
	t.Parallel()
	e := newFixture(t, withWildcard)
	for _, k := range []struct {
		name, host string
		matches    bool
	}{
		{"one label", "notes.apps.example.com", true},
		{"with the default port", "notes.apps.example.com:443", true},
		{"in capitals", "Notes.apps.example.com", true},
		{"with its port", "a.lab.example.com:8443", true},
		{"underscore", "my_app.apps.example.com", true},
		{"two labels", "a.notes.apps.example.com", false},
		{"no label", "apps.example.com.", false},
		{"an empty label", ".apps.example.com", false},
		{"another port", "notes.apps.example.com:8443", false},
		{"port 80 of https hosts", "notes.apps.example.com:80", false},
		{"the gateway's own host", "login.example.com", false},
		{"the gateway's own host with a port", "login.example.com:443", false},
		{"the host of an OpenID Connect app", "grafana.example.com", false},
		{"another port of a host that an app lists", "docs.example.com", false},
		{"a dot at the end", "notes.apps.example.com.", false},
		{"userinfo", "x@notes.apps.example.com", false},
		{"an asterisk", "*.apps.example.com", false},
		{"a label that is none", "-.apps.example.com", false},
		{"a space", "a b.apps.example.com", false},
		{"a suffix only", "notesapps.example.org", false},
	} {
		w := e.browser("").verify("https://"+wiki+"/page", "X-Forwarded-Host", k.host)
		location := w.Header().Get("Location")
		if got := w.Code == http.StatusFound; got != k.matches {
			t.Errorf("%s: %d to %q", k.name, w.Code, location)
		}
		if !k.matches && w.Code != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", k.name, w.Code)
		}
	}
	// The host that another app lists belongs to that app.
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki).in("https://notes.apps.example.com").in("http://x.lab.localhost:8082")
	for host, app := range map[string]string{wiki: `"aud":"wiki"`, "notes.apps.example.com": `"aud":"many"`} {
		w := b.verify("https://" + host + "/")
		want(t, host, w, http.StatusOK, "")
		if got := payload(t, w); !strings.Contains(got, app) {
			t.Errorf("%s: %s", host, got)
		}
	}
}

// The hosts of a wildcard are sites of their own: the cookie of one is worthless at another.
func TestCookieOfOneHostOfAWildcardAtAnother(t *testing.T) {
	t.Parallel()
	e := newFixture(t, withWildcard)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://a.apps.example.com")
	own := "__Host-weigate-auth=" + b.cookies["a.apps.example.com"]["__Host-weigate-auth"]
	want(t, "its own host", b.verify("https://a.apps.example.com/", "Cookie", own), http.StatusOK, "")
	want(t, "another host", b.verify("https://b.apps.example.com/", "Cookie", own), http.StatusFound, "")
	// Two headers of one host agree, two of two hosts do not.
	want(t, "the same host twice", b.verify("https://a.apps.example.com/", "X-Original-Url",
		"https://a.apps.example.com/"), http.StatusOK, "")
	want(t, "two hosts", b.verify("https://a.apps.example.com/", "X-Original-Url", "https://b.apps.example.com/"),
		http.StatusForbidden, "bad_request")
	w := b.send(b.request(http.MethodPost, "https://a.apps.example.com/.weigate/sign-out"))
	want(t, "sign-out", w, http.StatusOK, "host_signed_out")
	want(t, "after sign-out", b.verify("https://a.apps.example.com/", "Cookie", own), http.StatusFound, "")
}

// An attacker sends a user to the gateway with the origin of a host that the wildcard must not have.
// The gateway makes no token for it.
func TestTokenForAHostThatAWildcardMustNotHave(t *testing.T) {
	t.Parallel()
	e := newFixture(t, withWildcard)
	_, cookie := e.person("alice")
	for _, to := range []string{"https://login.example.com", "https://grafana.example.com", "https://docs.example.com",
		"https://a.b.apps.example.com", "https://x@a.apps.example.com", "http://a.apps.example.com",
		"https://a.apps.example.com:443", "https://A.apps.example.com", "https://a.apps.example.com/", "a.apps.example.com",
		"//a.apps.example.com", "https://%61.apps.example.com"} {
		b := e.browser(cookie)
		w := b.send(b.request(http.MethodGet, gatewayURL+"/forward-auth?"+url.Values{"to": {to},
			"challenge": {strings.Repeat("A", 43)}, "return": {"/"}}.Encode()))
		want(t, to, w, http.StatusBadRequest, "unknown_host")
	}
}

func TestWildcardsOfTwoApps(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	for _, hosts := range [][]string{{"*"}, {"*."}, {"*apps.example.com"}, {"a.*.example.com"}, {"*.*.example.com"},
		{"*.Apps.example.com"}, {"*.apps.example.com", "*.apps.example.com"},
		{"*.apps.example.com", "*.apps.example.com:443"}} {
		cfg := e.config
		cfg.Apps = []forwardauth.App{{App: gateway.App{ID: "wiki"}, Hosts: hosts}}
		if _, err := forwardauth.New(cfg); err == nil {
			t.Errorf("hosts %q are taken", hosts)
		}
	}
}

func payload(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	parts := strings.Split(w.Header().Get("X-Weigate-Assertion"), ".")
	if len(parts) != 3 {
		t.Fatalf("assertion %v", parts)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
