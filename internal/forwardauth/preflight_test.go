package forwardauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/forwardauth"
)

// A browser sends a CORS preflight without cookies (authelia/authelia#648,
// oauth2-proxy/oauth2-proxy#3505). Only the app that allows it lets it pass, without an identity.
func TestPreflightPassesOnlyWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	e := newFixture(t, func(c *forwardauth.Config) { c.Apps[0].Preflight = true })
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	session := "__Host-weigate-auth=" + b.cookies[wiki]["__Host-weigate-auth"]
	preflight := []string{"X-Forwarded-Method", "OPTIONS", "Origin", "https://app.example.com",
		"Access-Control-Request-Method", "PUT", "Accept", "*/*", "Sec-Fetch-Mode", "cors"}
	for _, k := range []struct {
		name, host string
		headers    []string
		status     int
	}{
		{"a preflight", wiki, nil, 200},
		{"behind nginx", wiki, []string{"X-Original-Url", "https://" + wiki + "/api", "X-Original-Method", "OPTIONS",
			"X-Forwarded-Method", ""}, 200},
		{"with a session, still without an identity", wiki, []string{"Cookie", session}, 200},
		{"of an app that does not allow it", "public.example.com", nil, 401},
		{"OPTIONS without Origin", wiki, []string{"Origin", ""}, 401},
		{"OPTIONS without the method that the script will use", wiki, []string{"Access-Control-Request-Method", ""}, 401},
		{"PUT with the headers of a preflight", wiki, []string{"X-Forwarded-Method", "PUT"}, 401},
		{"no method at all", wiki, []string{"X-Forwarded-Method", ""}, 401},
		{"PUT behind Traefik, X-Original-Method added by the client", wiki,
			[]string{"X-Forwarded-Method", "PUT", "X-Original-Url", "https://" + wiki + "/", "X-Original-Method", "OPTIONS"},
			401},
		// Sites with a framework that reads these headers serve the request as the named method.
		{"OPTIONS that overrides the method", wiki, []string{"X-HTTP-Method-Override", "DELETE"}, 401},
		{"the same in two other spellings", wiki, []string{"X-HTTP-Method", "DELETE", "X-Method-Override", "PUT"}, 401},
		{"X-Method-Override only", wiki, []string{"X-Method-Override", "DELETE"}, 401},
		{"a preflight of a request that overrides the method", wiki,
			[]string{"Access-Control-Request-Headers", "x-http-method-override"}, 200},
		{"PUT behind nginx, X-Forwarded-Method added by the client", wiki,
			[]string{"X-Original-Url", "https://" + wiki + "/", "X-Original-Method", "PUT"}, 401},
	} {
		w := e.browser("").verify("https://"+k.host+"/api", append(preflight, k.headers...)...)
		if w.Code != k.status {
			t.Errorf("%s: %d, want %d", k.name, w.Code, k.status)
		}
		nobody(t, w)
		if strings.Contains(w.Header().Get("Cookie"), "weigate") {
			t.Errorf("%s: the site gets %q", k.name, w.Header().Get("Cookie"))
		}
	}
}

// nginx accepts 4 kB of response headers by default. The visitor's own cookies must not count, if
// the proxy removes the gateway's cookies itself (kubernetes/ingress-nginx#2427, vouch/vouch-proxy#426).
func TestSizeOfTheAnswerDoesNotDependOnTheVisitorsCookies(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	session := "__Host-weigate-auth=" + b.cookies[wiki]["__Host-weigate-auth"]
	size := func(query, cookies string) int {
		t.Helper()
		r := b.request(http.MethodGet, "https://"+wiki+"/")
		r.Host, r.URL.Path, r.URL.RawQuery, r.RequestURI = "gateway.internal:8080", "/verify", query, "/verify"
		r.Header.Set("X-Forwarded-Uri", "/")
		r.Header.Set("X-Forwarded-Method", http.MethodGet)
		r.Header.Set("Cookie", cookies)
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, r)
		want(t, "verify with "+query, w, http.StatusOK, "")
		var text strings.Builder
		if err := w.Header().Write(&text); err != nil {
			t.Fatal(err)
		}
		return text.Len()
	}
	large := "visitor=" + strings.Repeat("v", 5000) + "; " + session
	if few, many := size("cookies=stripped", session), size("cookies=stripped", large); few != many || many > 3500 {
		t.Errorf("the header has %d bytes, with 5 kB of cookies %d bytes", few, many)
	}
	if many := size("", large); many < 5000 {
		t.Errorf("without the query, the header has %d bytes and lacks the visitor's cookies", many)
	}
}
