// Package wechat is a client for WeChat's web login (网页授权, OAuth 2.0 with WeChat's own
// parameters). It builds the two addresses that send a browser to WeChat, and makes the calls that
// turn the code of the callback into an openid, a nickname and an avatar.
//
//	client := &wechat.Client{AppID: "wx0123456789abcdef", Secret: secret}
//
//	// 1. Redirect the browser to WeChat. Keep state for this browser, in a cookie for example.
//	address, err := client.AuthorizeURL(wechat.AuthorizeRequest{
//		RedirectURI: "https://app.example.com/callback",
//		State:       state,
//		Scope:       wechat.ScopeUserInfo,
//	})
//
//	// 2. In the callback, compare the state, then exchange the code.
//	token, err := client.Exchange(ctx, r.FormValue("code"))
//	if errors.Is(err, wechat.ErrReauthorize) {
//		// Redirect to WeChat again.
//	}
//
//	// 3. Fetch the profile. The openid alone needs ScopeBase and no third step.
//	info, err := client.UserInfo(ctx, token.AccessToken, token.OpenID, wechat.LangZhCN)
//
// The names you need:
//
//   - [Client] is one app at WeChat. AppID and Secret are required; other fields may stay empty.
//   - [Client.AuthorizeURL] starts sign-in inside WeChat, with an official account (公众号).
//   - [Client.QRConnectURL] starts sign-in on a desktop, with a website app (网站应用).
//   - [Client.Exchange] returns a [Token], [Client.UserInfo] a [UserInfo].
//   - [Error] is the error of every call. Test its class with errors.Is: [ErrReauthorize],
//     [ErrTokenExpired], [ErrRateLimited], [ErrTemporary], [ErrConfiguration], [ErrUserRestricted].
//
// # What it does not do
//
// It keeps no session and does not compare the state of the callback; package login does both. It
// does not call the APIs of the global access_token, third-party platforms, mini-programs or WeCom
// (企业微信). If the first request of an exchange may have spent the code, it is not sent again.
//
// # Concurrency
//
// A Client is safe for concurrent use. Each call returns a new Token or UserInfo. The package
// imports the standard library only.
//
// # Secrets
//
// The app secret, codes and tokens never become part of an error, and a [Secret] prints as
// "[redacted]". WeChat requires them in the query of the request, so an http.RoundTripper of your
// own that logs URLs would log them.
package wechat
