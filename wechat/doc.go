// Package wechat is a client of WeChat's web login: the two addresses that send a person to WeChat, and the four calls that turn
// the code they come back with into an openid, a nickname and a picture.
//
// Start with these names:
//
//   - [Client] is one app at WeChat: an AppID, a Secret, and optional fields whose zero values work.
//   - [Client.AuthorizeURL] builds the address for a person inside WeChat (an official account, 服务号 or 测试号);
//     [Client.QRConnectURL] builds the one for a desktop browser (a website app, 网站应用).
//   - [Client.Exchange] trades the code for a [Token]: the openid, the scopes, and whether WeChat showed the snapshot page (快照页).
//   - [Client.UserInfo] trades the token for a [UserInfo]: nickname and picture (头像昵称).
//   - [Error] is every failure of a call. Ask errors.Is for its class: [ErrReauthorize], [ErrTokenExpired], [ErrRateLimited], [ErrTemporary],
//     [ErrConfiguration] or [ErrUserRestricted].
//
// The package holds no state about people. Every result is a value of its own, so one Client serves any number of people at once.
// It imports only the standard library.
//
// What it does not do: it keeps no session and does not check the state that comes back (package login does both), it does not
// speak to the global access_token, to third-party platforms, to mini-programs or to WeCom (企业微信), and it does not send an
// exchange again when the first may have spent the code.
//
// # Secrets
//
// The app secret, codes and tokens never become part of an error, and the type [Secret] prints as "[redacted]". They do travel in
// the query of the request, as WeChat wants it: a RoundTripper of your own that logs addresses would log them.
package wechat
