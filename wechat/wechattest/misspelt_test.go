package wechattest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// Old programs write appId. With snsapi_base they work; with snsapi_userinfo, WeChat shows a blank
// page, as reported in w7corp/easywechat#773.
func TestAppIDInAnotherCase(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	for _, tt := range []struct {
		name, scope string
		lax         bool
		redirects   bool
	}{
		{"appId", "snsapi_base", false, true},
		{"APPID", "snsapi_base", false, true},
		{"appId", "snsapi_userinfo", false, false},
		{"appId", "snsapi_userinfo", true, true},
	} {
		s.UpdateQuirks(func(q *wechattest.Quirks) { q.LaxOrder = tt.lax })
		address := strings.Replace(s.authorize(s.oa, tt.scope), "?appid=", "?"+tt.name+"=", 1)
		g := s.get(address, "User-Agent", inWeChat)
		if (g.location != nil) != tt.redirects {
			t.Errorf("%+v: %d to %v", tt, g.status, g.location)
		}
		if !tt.redirects && (g.status != http.StatusOK || g.body != "") {
			t.Errorf("%+v: not a blank page: %d %s", tt, g.status, g.body)
		}
	}
	calls := s.Calls()
	if last := calls[2]; !strings.Contains(last.Answer, "blank page") || !strings.Contains(last.Answer, "lower case") ||
		last.AppID != s.oa.AppID {
		t.Errorf("the log does not explain the blank page: %+v", last)
	}
}

// A misspelt parameter is a missing one at WeChat. The explanation names what the address has.
func TestErrorPageNamesTheMisspeltParameter(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	official, website := s.authorize(s.oa, "snsapi_base"), s.qrConnect()
	for _, tt := range []struct{ page, right, wrong, want string }{
		{official, "appid", "app_id", "10012"},
		{official, "redirect_uri", "redirect_url", "10011"},
		{official, "redirect_uri", "redirectUri", "10011"},
		{official, "scope", "scopes", "10010"},
		{official, "response_type", "responseType", "response_type"},
		{website, "appid", "appId", "Scope"},
		{website, "redirect_uri", "redirect_url", "redirect_uri"},
		{website, "scope", "scopes", "Scope"},
		{website, "response_type", "response-type", "response_type"},
	} {
		address := regexp.MustCompile(`\b`+tt.right+`=`).ReplaceAllString(tt.page, tt.wrong+"=")
		g := s.get(address, "User-Agent", inWeChat, "Accept-Language", "zh-CN")
		if g.location != nil || !strings.Contains(g.body, tt.want) || !strings.Contains(g.body, "写成了 "+tt.wrong) {
			t.Errorf("%s: %d %s", tt.wrong, g.status, g.body)
		}
	}
}

// Widely used clients join the scopes of two kinds of apps; snsapi_login decides
// (aspnet-contrib/AspNet.Security.OAuth.Providers#457, w7corp/easywechat#447).
func TestQRConnectAcceptsScopesBesideSnsapiLogin(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	for scope, accepted := range map[string]bool{
		"snsapi_login,snsapi_userinfo": true, "snsapi_userinfo,snsapi_login": true, "snsapi_login,": true,
		"snsapi_userinfo": false, "snsapi_login snsapi_userinfo": false, "snsapi_login2": false,
	} {
		g := s.get(s.qrConnect("scope", scope), "User-Agent", desktop)
		if (g.location != nil) != accepted {
			t.Errorf("%s: %d to %v", scope, g.status, g.location)
			continue
		}
		if !accepted {
			continue
		}
		if token, _ := s.exchange(s.web, g.location.Query().Get("code")); token.Scope != "snsapi_login" {
			t.Errorf("%s: the token has %+v", scope, token)
		}
	}
}

// Most calls with the interface token are not simulated. They get WeChat's error for an unknown
// path, in the form of the paths below /cgi-bin/ (wechatpy/wechatpy#121).
func TestGlobalTokenCallsGet40066(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	form := regexp.MustCompile(`^\{"errcode":40066,"errmsg":"invalid url rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"\}$`)
	for _, path := range []string{
		"/cgi-bin/clear_quota?grant_type=client_credential&appid=" + s.oa.AppID + "&secret=" + s.oa.Secret,
		"/cgi-bin/user/get?access_token=x&openid=y", "/cgi-bin/ticket/getticket?access_token=x&type=jsapi",
		"/customservice/kfaccount/add?access_token=x", "/card/create?access_token=x",
	} {
		g := s.get(path)
		if g.status != http.StatusOK || !form.MatchString(g.body) ||
			g.header.Get("Content-Type") != "application/json; encoding=utf-8" {
			t.Errorf("%s: %d %v %s", path, g.status, g.header, g.body)
		}
	}
	calls := s.Calls()
	if len(calls) != 5 || calls[0].Errcode != 40066 || strings.Contains(calls[0].Params[2].Value, s.oa.Secret) {
		t.Errorf("the log has %+v", calls)
	}
	s.Fail(wechattest.Fault{Endpoint: "/cgi-bin/token", Body: `{"access_token":"mine","expires_in":7200}`})
	if g := s.get("/cgi-bin/token"); g.body != `{"access_token":"mine","expires_in":7200}` {
		t.Errorf("the fault's body: %s", g.body)
	}
}
