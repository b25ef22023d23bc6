// Package wechat is a client for WeChat's web login (网页授权, OAuth 2.0 with WeChat's own parameters).
// It builds the two URLs at which a browser starts sign-in at WeChat. It exchanges the code of the
// callback for an openid, and fetches the nickname and the avatar.
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
//   - [Client] is one app at WeChat. Set AppID and Secret; the other fields are optional.
//   - [Client.AuthorizeURL] starts sign-in inside WeChat, with an official account (公众号).
//   - [Client.QRConnectURL] starts sign-in on a desktop, with a website app (网站应用).
//   - [Client.Exchange] returns a [Token], [Client.UserInfo] a [UserInfo].
//   - [StableToken] makes the calls of an official account itself: QR codes with a parameter, and
//     whether a user follows the account.
//   - [Error] is the error of every call. Test its class with errors.Is: [ErrReauthorize],
//     [ErrTokenExpired], [ErrRateLimited], [ErrTemporary], [ErrConfiguration], [ErrUserRestricted].
//
// # What it does not do
//
// The package keeps no session and does not compare the state of the callback; package login does
// both. It does not receive what WeChat pushes to an account; package push does. It has no calls
// for third-party platforms, mini-programs or WeCom (企业微信). It never sends a code a second time
// when WeChat may have accepted the first request.
//
// # Concurrency
//
// A Client is safe for concurrent use. Each call returns a new Token or UserInfo. The package
// imports the standard library only.
//
// # Secrets
//
// Errors never contain the app secret, a code or a token, and a [Secret] prints as "[redacted]".
// The URLs of the requests contain all three, because WeChat requires them in the query. So do not
// log URLs in an http.RoundTripper of your own.
package wechat
