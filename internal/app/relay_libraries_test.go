package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
)

// library is a library of a language whose packages the tests cannot install. The requests are those
// that its public source builds: see docs/en/relay.md.
type library struct {
	name      string
	authorize func(base, appID, callback string) string
	header    http.Header // of its calls
	refreshes bool        // it also refreshes and checks tokens
}

// The sources: overtrue/socialite, src/Providers/WeChat.php, which EasyWeChat 5 and 6 use, with
// Guzzle's headers; and WxMpApiUrl.java of binarywang/WxJava, with those of Apache HttpClient.
var libraries = []library{
	{
		name: "EasyWeChat",
		authorize: func(base, appID, callback string) string {
			return base + "/connect/oauth2/authorize?appid=" + appID + "&redirect_uri=" + url.QueryEscape(callback) +
				"&response_type=code&scope=snsapi_userinfo&state=0123456789abcdef0123456789abcdef&connect_redirect=1" +
				"#wechat_redirect"
		},
		header: http.Header{"Accept": {"application/json"}, "User-Agent": {"GuzzleHttp/7"}},
	},
	{
		name: "WxJava",
		authorize: func(base, appID, callback string) string {
			return fmt.Sprintf("%s/connect/oauth2/authorize?appid=%s&redirect_uri=%s&response_type=code&scope=%s&state=%s"+
				"&connect_redirect=1#wechat_redirect", base, appID, url.QueryEscape(callback), "snsapi_userinfo", "")
		},
		header: http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"gzip,deflate"},
			"User-Agent": {"Apache-HttpClient/4.5.13 (Java/17)"}, "Connection": {"Keep-Alive"}},
		refreshes: true,
	},
}

func TestOldLibrariesByTheirRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	for _, lib := range libraries {
		call := func(path string, pairs ...string) (got map[string]any) {
			t.Helper()
			for i := 1; i < len(pairs); i += 2 {
				pairs[i] = url.QueryEscape(pairs[i])
			}
			text := ""
			for i := 0; i+1 < len(pairs); i += 2 {
				text += "&" + pairs[i] + "=" + pairs[i+1]
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path+"?"+strings.TrimPrefix(text, "&"), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = lib.header
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || json.Unmarshal(body, &got) != nil {
				t.Fatalf("%s %s: %v, %q", lib.name, path, err, body)
			}
			return got
		}
		alice := w.phone("alice")
		page := alice.Must(alice.Open(t.Context(), lib.authorize(w.url, shopAppID, w.app.URL+"/shop?from=a b")))
		if fixture.PageName(page) == "profile" {
			alice.Press()
			page = alice.Must(alice.Allow(t.Context()))
		}
		if !strings.HasPrefix(page.URL, w.app.URL+"/shop?from=a") {
			t.Fatalf("%s: the phone is at %s", lib.name, page.URL)
		}
		token := call("/sns/oauth2/access_token", "appid", shopAppID, "secret", appSecret, "code",
			w.app.LastQuery().Get("code"), "grant_type", "authorization_code")
		openID, access := fmt.Sprint(token["openid"]), fmt.Sprint(token["access_token"])
		if want := w.wechat.OpenID(w.config.WeChat[0].AppID, "alice"); openID != want {
			t.Fatalf("%s: token %v", lib.name, token)
		}
		user := call("/sns/userinfo", "access_token", access, "openid", openID, "lang", "zh_CN")
		if user["nickname"] != "Alice" {
			t.Errorf("%s: user %v", lib.name, user)
		}
		if !lib.refreshes {
			continue
		}
		next := call("/sns/oauth2/refresh_token", "appid", shopAppID, "grant_type", "refresh_token", "refresh_token",
			fmt.Sprint(token["refresh_token"]))
		if checked := call("/sns/auth", "access_token", fmt.Sprint(next["access_token"]), "openid", openID); fmt.Sprint(
			checked["errcode"]) != "0" {
			t.Errorf("%s: refreshed %v, checked %v", lib.name, next, checked)
		}
		if global := call("/cgi-bin/token", "grant_type", "client_credential", "appid", shopAppID, "secret",
			appSecret); fmt.Sprint(global["errcode"]) != "40066" {
			t.Errorf("%s: a call with the global token: %v", lib.name, global)
		}
	}
}
