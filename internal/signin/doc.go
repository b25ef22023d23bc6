// Package signin signs users in at WeChat for the gateway: it sends browsers to WeChat, records users
// and creates sessions. It uses package flow for the authorization at WeChat, so a callback may be
// repeated, and another replica may serve it.
//
// The names to know are [New] with its [Config], [Handler.Mount], and what the features call:
// [Handler.Session] (who is this browser), [Handler.Begin] (sign in), [Handler.AskProfile]
// (nickname and avatar), [Handler.CreateSession] (a user was authenticated by other means) and
// [Handler.End] (sign out).
//
// Which sign-in method (登录方式) a browser gets:
//
//	in WeChat                   wechat, through an official account; else a page that says to open another browser
//	elsewhere                   scan or website, as the app accepts; the user chooses where there are both
//	a phone outside WeChat      scan; without it, a page with the link for WeChat
//
// Its addresses:
//
//	GET  /                      the user's own page, or a button that signs in
//	GET  /sign-in?return=/x     starts a sign-in
//	     …&method=scan|website    remembers the method for some minutes, then starts; choose forgets it
//	     ?method=…&restart=…      the same, and then starts the app's request from the beginning
//	GET  /wechat/callback       code redeemed, user recorded, session created, 303 to the return address;
//	                            also /wechat/callback/CONNECTOR for each connector but the first
//	GET  /sign-in/lost          a callback that belongs to no sign-in of this browser
//	GET  /sign-in/ended         a callback that failed
//	POST /sign-in/agreement     remembers in the browser that the user agreed, then starts the sign-in
//	GET  /sign-in/profile       asks for nickname and avatar (头像昵称)
//	POST /sign-in/profile       "continue without", remembered for the session
//	GET  /sign-out              a page with a button
//	POST /sign-out              ends the session of this browser
//	POST /sign-out/everywhere   ends every session of the user, and revokes the grants of apps
//	GET  /sign-in/me            who is signed in, as JSON
//
// When WeChat does not return nickname and avatar although the user agreed, the user is signed in
// without them, and is asked again in the next session. Virtual users of snapshot pages (快照页)
// are never signed in. WeChat's tokens are not stored.
//
// The package does not decide who may use which app, and contains nothing of OpenID Connect.
package signin
