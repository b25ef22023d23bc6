// Package wechattest is WeChat's web login as an http.Handler that runs on your machine: for tests, and for developing without a
// verified account. It is an independent reading of WeChat's documents and of field reports: it shares nothing with any client.
//
// Four names are enough: [New] makes a [Server] from a [Config]; the Server is the handler for both of WeChat's hosts; a Phone, from
// [Server.Phone], is the WeChat of one person, with cookies of its own; [Server.Code] gives a code without any browser, for unit tests.
// [Server.Switch] changes what WeChat leaves open, [Server.Fail] injects faults, [Server.Advance] moves the clock, [Server.Calls] tells
// what was asked and answered. [Server.Control] is a page for people: their phones, the switches, a live log, and the same as JSON for scripts. An
// [Authority] lets clients that cannot be told another host speak TLS with it under WeChat's names.
//
//	open.weixin.qq.com     GET      /connect/oauth2/authorize          official accounts: silent redirect, consent page, or error page
//	                       GET POST /connect/oauth2/authorize_reply    what the person pressed on the consent page
//	                       GET      /connect/qrconnect                 website apps: the page with the QR code
//	                       GET      /connect/qrcode/{uuid}             its picture (SVG here, JPEG at WeChat)
//	                       GET      /connect/confirm                   what the QR code says: the phone's confirm page
//	                       POST     /connect/confirm_reply             what the person pressed there
//	lp.open.weixin.qq.com  GET      /connect/l/qrconnect               the long poll of the QR page
//	res.wx.qq.com          GET      /connect/zh_CN/htmledition/js/wxLogin.js   a small stand-in for the embedding script
//	thirdwx.qlogo.cn       GET      /mmopen/vi_32/{name}/{size}        pictures of the people
//	api.weixin.qq.com      GET POST /sns/oauth2/access_token           a code for an openid
//	                       GET POST /sns/oauth2/refresh_token
//	                       GET POST /sns/userinfo                      nickname and picture
//	                       GET POST /sns/auth                          is this token good
//
// Every path answers on every host name that the server accepts, so one plain address is enough:
//
//	http://127.0.0.1:8090/connect/oauth2/authorize?...    http://127.0.0.1:8090/sns/userinfo?...
//
// The simulator's own paths are under /connect/simulator/: files of the pages, the choice of a person, and the QR page again for browsers without JavaScript.
// A phone tells who it is by the parameters uin and key that WeChat's client appends to an address; a browser that is no phone is asked once.
//
// The server is strict and unkind by default: it checks the order of the authorize parameters, the callback domain, the browser; it says
// nothing to the app when a person refuses; it kills older tokens at each new sign-in. Everything that WeChat's documents leave open is a
// field of [Switches], whose zero value is what the field reports say.
//
// A host name that is not loopback, not an IP address, not WeChat's and not in [Config.Hosts] or [Config.OpenURL] is refused with 421. So a web page on
// the internet that points its own name at 127.0.0.1 (DNS rebinding) cannot talk to a simulator on a developer's machine.
//
// # What it does not imitate
//
//   - Mini-programs (/sns/jscode2session), the third-party platform (component) endpoints, WeCom, the global access_token, payment.
//   - The silent snsapi_userinfo of a follower who comes from the account's own menu: the consent page is shown.
//   - Desktop quick login, and every look of wxLogin.js but the plain one.
//   - Error 43003 for plain http: the point of the simulator is that plain http on loopback works.
//   - WeChat's rule that an official account needs a registered domain: a loopback name or address is accepted as well.
//   - JPEG as the format of the QR code, and the exact words and looks of WeChat's pages, which are not documented.
//   - Limits other than the quota of 50 000 calls a minute; nothing is kept when the process ends.
package wechattest
