package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// ScopeBase is the default: WeChat shows no page and grants the openid.
func ExampleClient_AuthorizeURL() {
	client := &wechat.Client{AppID: "wx0123456789abcdef"}
	address, err := client.AuthorizeURL(wechat.AuthorizeRequest{
		RedirectURI: "https://www.example.com/wechat/callback",
		State:       "k3q7zr5xw2mt6ny4", // random, kept in a cookie until the callback
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.ReplaceAll(address, "&", "\n  &"))
	// Output:
	// https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef
	//   &redirect_uri=https%3A%2F%2Fwww.example.com%2Fwechat%2Fcallback
	//   &response_type=code
	//   &scope=snsapi_base
	//   &state=k3q7zr5xw2mt6ny4#wechat_redirect
}

// With ScopeUserInfo, WeChat asks the user for consent and also grants nickname and avatar.
func ExampleClient_AuthorizeURL_profile() {
	client := &wechat.Client{AppID: "wx0123456789abcdef"}
	address, err := client.AuthorizeURL(wechat.AuthorizeRequest{
		RedirectURI: "https://www.example.com/wechat/callback",
		State:       "k3q7zr5xw2mt6ny4",
		Scope:       wechat.ScopeUserInfo,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.ReplaceAll(address, "&", "\n  &"))
	// Output:
	// https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef
	//   &redirect_uri=https%3A%2F%2Fwww.example.com%2Fwechat%2Fcallback
	//   &response_type=code
	//   &scope=snsapi_userinfo
	//   &state=k3q7zr5xw2mt6ny4#wechat_redirect
}

// A parameter that WeChat would reject is an error.
func ExampleClient_AuthorizeURL_invalid() {
	client := &wechat.Client{AppID: "wx0123456789abcdef"}
	_, err := client.AuthorizeURL(wechat.AuthorizeRequest{RedirectURI: "/wechat/callback", State: "k3q7zr5xw2mt6ny4"})
	fmt.Println(err)
	fmt.Println(errors.Is(err, wechat.ErrRedirectURI))
	// Output:
	// wechat: invalid redirect_uri: must be absolute, with http or https and a host
	// true
}

func ExampleClient_QRConnectURL() {
	client := &wechat.Client{AppID: "wxfedcba9876543210"}
	address, err := client.QRConnectURL(wechat.QRConnectRequest{
		RedirectURI: "https://www.example.com/wechat/callback",
		State:       "k3q7zr5xw2mt6ny4",
		Lang:        "en",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.ReplaceAll(address, "&", "\n  &"))
	// Output:
	// https://open.weixin.qq.com/connect/qrconnect?appid=wxfedcba9876543210
	//   &redirect_uri=https%3A%2F%2Fwww.example.com%2Fwechat%2Fcallback
	//   &response_type=code
	//   &scope=snsapi_login
	//   &state=k3q7zr5xw2mt6ny4
	//   &lang=en#wechat_redirect
}

// Exchange a code for an openid. The simulator replaces WeChat here; leave APIURL empty for WeChat.
func ExampleClient_Exchange() {
	sim, err := wechattest.New(wechattest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	app := sim.Apps()[0]
	code, err := sim.Code(app.AppID, "xiaoming", "snsapi_base") // in a callback: r.FormValue("code")
	if err != nil {
		fmt.Println(err)
		return
	}

	client := &wechat.Client{AppID: app.AppID, Secret: wechat.Secret(app.Secret), APIURL: server.URL}
	token, err := client.Exchange(context.Background(), code)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("xiaoming's openid:", token.OpenID == sim.OpenID(app.AppID, "xiaoming"))
	fmt.Println("scopes:", token.Scopes)
	fmt.Println("access token:", token.AccessToken)

	// The same callback again: the user has reloaded the page.
	_, err = client.Exchange(context.Background(), code)
	fmt.Println("used:", errors.Is(err, wechat.ErrCodeUsed))
	// Output:
	// xiaoming's openid: true
	// scopes: [snsapi_base]
	// access token: [redacted]
	// used: true
}

// Exchange a code for openid, nickname and avatar.
func ExampleClient_UserInfo() {
	sim, err := wechattest.New(wechattest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	app := sim.Apps()[0]
	code, err := sim.Code(app.AppID, "xiaoming", "snsapi_userinfo")
	if err != nil {
		fmt.Println(err)
		return
	}

	client := &wechat.Client{AppID: app.AppID, Secret: wechat.Secret(app.Secret), APIURL: server.URL}
	ctx := context.Background()
	token, err := client.Exchange(ctx, code)
	if err != nil {
		fmt.Println(err)
		return
	}
	if token.SnapshotUser {
		fmt.Println("a virtual user: ask the user to press 使用完整服务")
		return
	}
	user, err := client.UserInfo(ctx, token.AccessToken, token.OpenID, wechat.LangZhCN)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("openid:", user.OpenID == token.OpenID)
	fmt.Println("nickname:", user.Nickname)
	fmt.Println("avatar:", user.AvatarURL != "")
	// Output:
	// openid: true
	// nickname: 小明
	// avatar: true
}

// The class of an error decides what to do.
func ExampleError() {
	sim, err := wechattest.New(wechattest.Config{Quirks: wechattest.Quirks{Suffix: wechattest.SuffixNone}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(sim)
	defer server.Close()

	client := &wechat.Client{AppID: sim.Apps()[0].AppID, Secret: "not the secret", APIURL: server.URL}
	_, err = client.Exchange(context.Background(), "081zeCl93yctHa1G081zeCl93yctHa1G")
	switch {
	case errors.Is(err, wechat.ErrReauthorize):
		fmt.Println("redirect the user to AuthorizeURL again")
	case errors.Is(err, wechat.ErrConfiguration):
		fmt.Println("tell an administrator")
	default:
		fmt.Println("try again later")
	}
	var e *wechat.Error
	if errors.As(err, &e) {
		fmt.Println("errcode:", e.Code)
		fmt.Println(strings.ReplaceAll(e.Error(), "; ", ";\n  "))
	}
	// Output:
	// tell an administrator
	// errcode: 40125
	// wechat: access_token: WeChat rejected the AppSecret (errcode 40125, "invalid appsecret");
	//   correct the Client's Secret
}
