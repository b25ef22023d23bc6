// Package wechattest simulates WeChat's web login for tests, and for development without a verified
// account.
//
// The simulator is as strict as WeChat: a program that works with the simulator works with WeChat.
// Behaviour that WeChat does not document can be changed. A failed run can be repeated with its
// seed. The package is written from WeChat's documents and from field reports. It shares no code
// with package wechat or another client.
//
// Every client that reaches the simulator can sign in as any person (a simulated WeChat user), so
// serve it on loopback only. Its state is in memory. The last section lists what it does not
// simulate.
//
// A test needs [New], which returns a [Server]: the http.Handler of all of WeChat's hosts.
// [Server.Code] and [Server.Authorize] return a code without a browser. [Server.Phone] returns a
// [Phone], a small browser that acts as WeChat on a person's phone. [Server.AddPerson] and
// [Server.AddApp] add people and apps. [Server.UpdateQuirks] changes undocumented behaviour,
// [Server.Fail] makes requests fail, [Server.Advance] moves the clock, [Server.Calls] returns the
// log, and [Server.Reset] returns to the start.
//
//	func TestSignIn(t *testing.T) {
//		sim, err := wechattest.New(wechattest.Config{})
//		if err != nil {
//			t.Fatal(err)
//		}
//		server := httptest.NewServer(sim)
//		defer server.Close()
//		app := startApp(t, sim.Apps()[0], server.URL) // your program, with WeChat at server.URL
//
//		phone := sim.Phone("alice")
//		if _, err := phone.Open(t.Context(), app.URL+"/sign-in"); err != nil {
//			t.Fatal(err)
//		}
//		page, err := phone.Allow(t.Context()) // on WeChat's consent page
//		if err != nil || page.Status != http.StatusOK {
//			t.Errorf("signed in: %v, %v", page, err)
//		}
//	}
//
// # Routes
//
//	open.weixin.qq.com
//	    GET       /connect/oauth2/authorize         official accounts: redirect, consent or error page
//	    GET POST  /connect/oauth2/authorize_reply   the buttons of the consent page
//	    GET       /connect/qrconnect                website apps: the page with the QR code
//	    GET       /connect/qrcode/{uuid}            its image (SVG here, JPEG at WeChat)
//	    GET       /connect/confirm                  the page that the QR code links to
//	    POST      /connect/confirm_reply            the buttons of that page
//	lp.open.weixin.qq.com
//	    GET       /connect/l/qrconnect              the long poll of the QR page
//	res.wx.qq.com
//	    GET       /connect/zh_CN/htmledition/js/wxLogin.js   a small version of the embedding script
//	thirdwx.qlogo.cn
//	    GET       /mmopen/vi_32/{name}/{size}       pictures of people
//	api.weixin.qq.com
//	    GET POST  /sns/oauth2/access_token          exchanges a code
//	    GET POST  /sns/oauth2/refresh_token
//	    GET POST  /sns/userinfo                     nickname and picture
//	    GET POST  /sns/auth                         checks a token
//	    GET       /cgi-bin/token                    interface token; each call ends the former token
//	    POST      /cgi-bin/stable_token             the other kind of interface token
//	    POST      /cgi-bin/qrcode/create            QR code with a scene
//	    GET       /cgi-bin/showqrcode               its image
//	    GET       /cgi-bin/user/info                a follower, without nickname and picture
//	    GET       /cgi-bin/getcallbackip            addresses of pushes
//	    any       /sns/…, /cgi-bin/…, /card/… …     error 40066 (invalid url)
//
// Every path is served on every accepted host name, so a client needs only one address:
//
//	http://127.0.0.1:8090/connect/oauth2/authorize?...    http://127.0.0.1:8090/sns/userinfo?...
//
// Paths under /connect/simulator/ are not WeChat's: files of the pages, the choice of a person, and
// the QR page for browsers without JavaScript. A [Phone] identifies its person by the parameters
// uin and key, as WeChat's client does. In any other browser a page asks once for the person to
// sign in as.
//
// # Message push
//
// An account with [App.Push] receives what people do in the chat: [Server.SendText] and the methods
// for other messages, [Server.Follow], [Server.Unfollow], [Server.PressMenu] and [Server.ScanQR].
// Each returns a [Delivery] with the requests and the reply, or why the person sees the failure
// line. [Server.Chat] returns the chat. [Server.ChangeAuthorization] pushes a withdrawn consent.
// [Server.SceneCodes] returns the QR codes that accounts have made. [Server.AttackPush] sends a
// forged push. [Server.CheckPush] makes the GET request that enables push. The quirks with Push in
// their name change retries, delay and order.
//
// # Strictness
//
// By default the server checks the order of the authorize parameters, the callback domain and the
// browser. It does not notify the app when the person refuses. Each new sign-in invalidates the
// person's older tokens. [Quirks] has a field for each behaviour that WeChat's documents leave
// open. The zero value of a field is the behaviour that field reports describe.
//
// The Host of a request must be a loopback name, an IP address, a name of WeChat, the host of
// [Config.OpenURL] or one of [Config.Hosts]. Other requests are answered with 421. This is the
// defence against DNS rebinding: a website that resolves its own name to 127.0.0.1 cannot reach a
// simulator on a developer's machine.
//
// # What it does not simulate
//
//   - Mini-programs (/sns/jscode2session), third-party platforms (component endpoints), WeCom,
//     payment.
//   - Other calls with the interface token than those above: they get 40066. A [Fault] with a Body
//     can replace one of them. There are no customer-service messages and no menu API.
//   - Pushes in JSON, and the rule that a push address has port 80 or 443.
//   - The sign-in with snsapi_userinfo but without a consent page, for followers who open the app
//     from the account's menu. The simulator shows the consent page.
//   - Desktop quick login, and the styles of wxLogin.js except the plain one.
//   - Error 43003 for plain http: on loopback, plain http must work.
//   - The rule that the callback domain of an official account must be a registered domain:
//     loopback names and addresses are accepted too.
//   - JPEG as the format of the QR code, and the wording and design of WeChat's pages. (WeChat does
//     not document the pages.)
//   - Rate limits other than the quota of 50,000 calls per minute, and the quotas of calls with the
//     interface token.
package wechattest
