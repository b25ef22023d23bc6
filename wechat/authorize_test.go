package wechat_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	const back = "https://www.example.com/wechat/callback"
	const head = "https://open.weixin.qq.com/connect/oauth2/authorize?appid=" + appID + "&redirect_uri="
	const callback = "https%3A%2F%2Fwww.example.com%2Fwechat%2Fcallback"
	cases := map[string]struct {
		request wechat.AuthorizeRequest
		want    string
	}{
		"base is the default": {wechat.AuthorizeRequest{RedirectURI: back, State: "abc"},
			head + callback + "&response_type=code&scope=snsapi_base&state=abc#wechat_redirect"},
		"profile": {wechat.AuthorizeRequest{RedirectURI: back, State: "abc", Scope: wechat.ScopeUserInfo},
			head + callback + "&response_type=code&scope=snsapi_userinfo&state=abc#wechat_redirect"},
		"both switches, after the state": {
			wechat.AuthorizeRequest{
				RedirectURI:   back,
				State:         "abc",
				Scope:         wechat.ScopeUserInfo,
				ForcePopup:    true,
				ForceSnapShot: true,
			},
			head + callback + "&response_type=code&scope=snsapi_userinfo&state=abc" +
				"&forcePopup=true&forceSnapShot=true#wechat_redirect",
		},
		"a query and a fragment of the app": {
			wechat.AuthorizeRequest{RedirectURI: "http://127.0.0.1:8080/cb?next=/a%20b&x=1+2#/route", State: "a"},
			head + "http%3A%2F%2F127.0.0.1%3A8080%2Fcb%3Fnext%3D%2Fa%2520b%26x%3D1%2B2%23%2Froute" +
				"&response_type=code&scope=snsapi_base&state=a#wechat_redirect",
		},
		"a space becomes %20, not +": {wechat.AuthorizeRequest{RedirectURI: "https://a.test/b c", State: "a"},
			head + "https%3A%2F%2Fa.test%2Fb%20c&response_type=code&scope=snsapi_base&state=a#wechat_redirect"},
		"Chinese": {wechat.AuthorizeRequest{RedirectURI: "https://a.test/登录", State: "a"},
			head + "https%3A%2F%2Fa.test%2F%E7%99%BB%E5%BD%95" +
				"&response_type=code&scope=snsapi_base&state=a#wechat_redirect"},
		"parameters that only look like code": {
			wechat.AuthorizeRequest{RedirectURI: "https://a.test/?barcode=1&code2=2&x=code&Code=", State: "a"},
			head + "https%3A%2F%2Fa.test%2F%3Fbarcode%3D1%26code2%3D2%26x%3Dcode%26Code%3D" +
				"&response_type=code&scope=snsapi_base&state=a#wechat_redirect",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := (&wechat.Client{AppID: appID}).AuthorizeURL(c.request)
			if err != nil || got != c.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestQRConnectURL(t *testing.T) {
	t.Parallel()
	const head = "https://open.weixin.qq.com/connect/qrconnect?appid=" + appID +
		"&redirect_uri=https%3A%2F%2Fa.test%2Fcb&response_type=code&scope=snsapi_login&state=s1"
	c := &wechat.Client{AppID: appID}
	for lang, want := range map[string]string{"": "", "cn": "&lang=cn", "en": "&lang=en"} {
		got, err := c.QRConnectURL(wechat.QRConnectRequest{RedirectURI: "https://a.test/cb", State: "s1", Lang: lang})
		if err != nil || got != head+want+"#wechat_redirect" {
			t.Errorf("lang %q: got %s, %v", lang, got, err)
		}
	}
	for _, lang := range []string{"zh_CN", "EN", "en&x=1"} {
		got, err := c.QRConnectURL(wechat.QRConnectRequest{RedirectURI: "https://a.test/cb", State: "s1", Lang: lang})
		if !errors.Is(err, wechat.ErrLang) {
			t.Errorf("lang %q gave %s, %v", lang, got, err)
		}
	}
	got, err := c.QRConnectURL(wechat.QRConnectRequest{RedirectURI: "https://a.test/#/cb", State: "s1"})
	if !errors.Is(err, wechat.ErrRedirectURI) {
		t.Errorf("a fragment gave %s, %v", got, err)
	}
}

// Without these checks WeChat would show an error page, or the URL would have another meaning.
func TestAddressesThatWouldFailOnThePhone(t *testing.T) {
	t.Parallel()
	good := wechat.AuthorizeRequest{RedirectURI: "https://a.test/cb", State: "abc"}
	cases := map[string]struct {
		appID  string
		change func(*wechat.AuthorizeRequest)
		want   error
		says   string
	}{
		"no appid":              {"", nil, wechat.ErrAppID, "empty"},
		"appid with parameters": {"wx1&scope=x", nil, wechat.ErrAppID, "letters and digits"},
		"appid too long":        {strings.Repeat("w", 65), nil, wechat.ErrAppID, "64"},
		"state empty":           {appID, func(r *wechat.AuthorizeRequest) { r.State = "" }, wechat.ErrState, "empty"},
		"state of 129": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.State = strings.Repeat("a", 129) },
			wechat.ErrState,
			"129",
		},
		"state with &": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.State = "a&scope=b" },
			wechat.ErrState,
			"A-Z",
		},
		"state with #":     {appID, func(r *wechat.AuthorizeRequest) { r.State = "a#b" }, wechat.ErrState, "A-Z"},
		"state with _":     {appID, func(r *wechat.AuthorizeRequest) { r.State = "a_b" }, wechat.ErrState, "A-Z"},
		"state in Chinese": {appID, func(r *wechat.AuthorizeRequest) { r.State = "状态" }, wechat.ErrState, "A-Z"},
		"redirect empty": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "" },
			wechat.ErrRedirectURI,
			"empty",
		},
		"redirect relative": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "/callback" },
			wechat.ErrRedirectURI,
			"absolute",
		},
		"redirect without host": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https:///cb" },
			wechat.ErrRedirectURI,
			"absolute",
		},
		"redirect only port": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "http://:80/" },
			wechat.ErrRedirectURI,
			"absolute",
		},
		"redirect schemeless": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "//a.test/cb" },
			wechat.ErrRedirectURI,
			"absolute",
		},
		"redirect bare host": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "a.test/cb" },
			wechat.ErrRedirectURI,
			"absolute",
		},
		"redirect javascript": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "javascript:alert(1)" },
			wechat.ErrRedirectURI,
			"absolute",
		},
		"redirect opaque": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https:a.test" },
			wechat.ErrRedirectURI,
			"absolute",
		},
		"redirect with a user": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https://u@a.test/" },
			wechat.ErrRedirectURI,
			"user",
		},
		"redirect with a line": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https://a.test/\r\nX: y" },
			wechat.ErrRedirectURI,
			"parsed",
		},
		"redirect already coded": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https://a.test/?code=1" },
			wechat.ErrRedirectURI,
			"parameter code",
		},
		"redirect with state": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https://a.test/?x=1&state=" },
			wechat.ErrRedirectURI,
			"parameter state",
		},
		"redirect with c%6fde": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https://a.test/?c%6fde=1" },
			wechat.ErrRedirectURI,
			"parameter code",
		},
		"redirect, bare code": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https://a.test/?code" },
			wechat.ErrRedirectURI,
			"parameter code",
		},
		"redirect broken escape": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.RedirectURI = "https://a.test/?%zz=1" },
			wechat.ErrRedirectURI,
			"escape",
		},
		"scope of websites": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.Scope = wechat.ScopeLogin },
			wechat.ErrScope,
			"QRConnectURL",
		},
		"scope unknown": {
			appID,
			func(r *wechat.AuthorizeRequest) { r.Scope = "snsapi_base,snsapi_userinfo" },
			wechat.ErrScope,
			"snsapi_base or",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good
			if c.change != nil {
				c.change(&r)
			}
			client := &wechat.Client{AppID: c.appID}
			got, err := client.AuthorizeURL(r)
			if got != "" || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, %v", got, err)
			}
			if r.Scope != "" {
				return
			}
			got, err = client.QRConnectURL(wechat.QRConnectRequest{RedirectURI: r.RedirectURI, State: r.State})
			if got != "" || !errors.Is(err, c.want) {
				t.Errorf("QRConnectURL: got %q, %v", got, err)
			}
		})
	}
}

func TestBasesOfOne_sOwn(t *testing.T) {
	t.Parallel()
	for _, open := range []string{"http://127.0.0.1:8090", "http://127.0.0.1:8090/", "https://login.example.com/wx/"} {
		c := &wechat.Client{AppID: appID, OpenURL: open}
		got, err := c.AuthorizeURL(wechat.AuthorizeRequest{RedirectURI: "https://a.test/", State: "s"})
		if err != nil || !strings.HasPrefix(got, strings.TrimRight(open, "/")+"/connect/oauth2/authorize?appid=") {
			t.Errorf("%s gave %s, %v", open, got, err)
		}
	}
	for _, bad := range []string{
		"open.weixin.qq.com", "ftp://a.test", "https://", "https://a.test/?x=1", "https://a.test/?",
		"https://a.test/#", "https://a.test/#x",
		"https://user:" + leaktest.Secret + "@a.test/", "https://a.test/\x7f" + leaktest.Secret, ":" + leaktest.Secret,
	} {
		c := &wechat.Client{AppID: appID, Secret: "x", OpenURL: bad, APIURL: bad}
		_, err := c.AuthorizeURL(wechat.AuthorizeRequest{RedirectURI: "https://a.test/", State: "s"})
		if !errors.Is(err, wechat.ErrConfiguration) || !strings.Contains(err.Error(), "OpenURL") {
			t.Errorf("OpenURL %q: %v", bad, err)
		} else {
			leaktest.Check(t, "the error about OpenURL", err)
		}
		for _, call := range calls {
			err := call.call(t.Context(), c)
			if !errors.Is(err, wechat.ErrConfiguration) || !strings.Contains(err.Error(), "APIURL") {
				t.Errorf("%s, APIURL %q: %v", call.name, bad, err)
			}
			leaktest.Check(t, "the error about APIURL", err)
		}
	}
}

// Every URL parses back to the parameters that it was built from.
func checkAddress(t *testing.T, got string, r wechat.AuthorizeRequest) {
	t.Helper()
	u, err := url.Parse(got)
	if err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	want := url.Values{
		"appid":         {appID},
		"redirect_uri":  {r.RedirectURI},
		"response_type": {"code"},
		"state":         {r.State},
		"scope":         {"snsapi_base"},
	}
	if r.Scope != "" {
		want.Set("scope", string(r.Scope))
	}
	if r.ForcePopup {
		want.Set("forcePopup", "true")
	}
	if r.ForceSnapShot {
		want.Set("forceSnapShot", "true")
	}
	if q.Encode() != want.Encode() || u.Fragment != "wechat_redirect" || u.Host != "open.weixin.qq.com" ||
		strings.Count(got, "#") != 1 {
		t.Errorf("%q reads as %v, fragment %q", got, q, u.Fragment)
	}
}
