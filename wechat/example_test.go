package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// The first address shows nothing to the person and gives the openid.
func ExampleClient_AuthorizeURL() {
	client := &wechat.Client{AppID: "wx0123456789abcdef"}
	address, err := client.AuthorizeURL(wechat.AuthorizeRequest{
		RedirectURI: "https://www.example.com/wechat/callback",
		State:       "k3q7zr5xw2mt6ny4", // random, kept in the person's browser until the callback
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(address)
	// Output:
	// https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef&redirect_uri=https%3A%2F%2Fwww.example.com%2Fwechat%2Fcallback&response_type=code&scope=snsapi_base&state=k3q7zr5xw2mt6ny4#wechat_redirect
}

// With ScopeUserInfo, WeChat asks the person for consent, and the code is good for nickname and picture too.
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
	fmt.Println(address)
	// Output:
	// https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef&redirect_uri=https%3A%2F%2Fwww.example.com%2Fwechat%2Fcallback&response_type=code&scope=snsapi_userinfo&state=k3q7zr5xw2mt6ny4#wechat_redirect
}

// A rule of WeChat's that is broken is an error here, not a page on somebody's phone.
func ExampleClient_AuthorizeURL_refused() {
	client := &wechat.Client{AppID: "wx0123456789abcdef"}
	_, err := client.AuthorizeURL(wechat.AuthorizeRequest{RedirectURI: "/wechat/callback", State: "k3q7zr5xw2mt6ny4"})
	fmt.Println(err)
	fmt.Println(errors.Is(err, wechat.ErrRedirectURI))
	// Output:
	// wechat: redirect_uri refused: it must be absolute: http or https, and a host
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
	fmt.Println(address)
	// Output:
	// https://open.weixin.qq.com/connect/qrconnect?appid=wxfedcba9876543210&redirect_uri=https%3A%2F%2Fwww.example.com%2Fwechat%2Fcallback&response_type=code&scope=snsapi_login&state=k3q7zr5xw2mt6ny4&lang=en#wechat_redirect
}

// A code for an openid. The simulator stands in for WeChat; leave APIURL out for the real one.
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

	// The same callback comes again: somebody pressed "refresh".
	_, err = client.Exchange(context.Background(), code)
	fmt.Println("used:", errors.Is(err, wechat.ErrCodeUsed))
	// Output:
	// xiaoming's openid: true
	// scopes: [snsapi_base]
	// access token: [redacted]
	// used: true
}

// A code for openid, nickname and picture.
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
		fmt.Println("a virtual account: ask the person to press 使用完整服务")
		return
	}
	user, err := client.UserInfo(ctx, token.AccessToken, token.OpenID, wechat.LangZhCN)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("openid:", user.OpenID == token.OpenID)
	fmt.Println("nickname:", user.Nickname)
	fmt.Println("picture:", user.AvatarURL != "")
	// Output:
	// openid: true
	// nickname: 小明
	// picture: true
}

// What to do about an error is its class.
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
	case errors.Is(err, wechat.ErrStartAgain):
		fmt.Println("send the person to AuthorizeURL again")
	case errors.Is(err, wechat.ErrConfiguration):
		fmt.Println("tell an operator:", err)
	default:
		fmt.Println("try again later:", err)
	}
	var e *wechat.Error
	if errors.As(err, &e) {
		fmt.Println("errcode:", e.Code)
	}
	// Output:
	// tell an operator: wechat: access_token: WeChat refuses the AppSecret (errcode 40125, "invalid appsecret"): correct the Client's Secret
	// errcode: 40125
}
