package relay_test

import (
	"strings"
	"testing"
)

// Old code sends the parameter appid as appId. With snsapi_base this works at WeChat, and here
// (w7corp/easywechat#773).
func TestMisspeltAppIDWithBaseScope(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"appId", "AppID"} {
		g := newFixture(t)
		if got := g.location(g.authorize("snsapi_base", "appid", "-", name, appID).Header()); got != callback+
			"?code=CODE&state=s1" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Widely used clients request two scopes at qrconnect: snsapi_login decides
// (aspnet-contrib/AspNet.Security.OAuth.Providers#457, w7corp/easywechat#447).
func TestTwoScopesAtQRConnect(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"snsapi_login,snsapi_userinfo", "snsapi_userinfo,snsapi_login",
		"snsapi_login,snsapi_base,"} {
		g := newFixture(t)
		w := g.get("/connect/qrconnect", "appid", appID, "redirect_uri", callback, "response_type", "code", "scope", scope,
			"state", "s1")
		if got := g.location(w.Header()); got != callback+"?code=CODE&state=s1" {
			t.Fatalf("%s: %s", scope, got)
		}
		code, _, _ := strings.Cut(strings.TrimPrefix(w.Header().Get("Location"), callback+"?code="), "&")
		if a := g.redeem(code); a.Scope != "snsapi_login" {
			t.Errorf("%s: %s", scope, a.raw)
		}
	}
}
