// Package signin is the WeChat leg of the gateway: people sign in through WeChat, become accounts, and have sessions. It is built on package login,
// whose claims it keeps in the gateway's store, so a callback may be repeated, also at another replica.
//
// The names to know are [New] with its [Config], [Handler.Mount], and what the features ask: [Handler.Session] (who is this browser), [Handler.Begin]
// (get one signed in), [Handler.AskProfile] (nickname and picture), [Handler.Establish] (another way has signed one in) and [Handler.End] (sign out).
//
// Which door (登录方式) a browser goes through:
//
//	in WeChat                   wechat, through an official account; when the app does not take it: a page that says to open another browser
//	elsewhere                   scan or website, as configured and as the app takes; the person chooses where there are both
//	a phone outside WeChat      scan; without it, a page with the link for WeChat
//
//	GET  /                      the person's own page, or the way in
//	GET  /sign-in?return=/x     begins; for an app's request: back to that request, which begins with its own demands
//	     …&method=scan|website    remembered for that request, for some minutes; choose forgets it
//	GET  /wechat/callback       and /wechat/callback/ENTRY for each entry but the first: code exchanged, account found or made, session, 303 to the return address
//	POST /sign-in/agreement     the box was ticked: remembered in the browser, and on to where the sign-in begins
//	GET  /sign-in/profile       asks for nickname and picture (头像昵称)
//	POST /sign-in/profile       "go on without", remembered for the session; goes on by link and refresh
//	GET  /sign-out              a page with a button
//	POST /sign-out              ends the session here
//	POST /sign-out/everywhere   ends every session of the account, and what apps were given
//	GET  /sign-in/me            who is signed in, as JSON
//
// When WeChat fails to tell nickname and picture after it has vouched for the person, they are signed in with what is known, and are asked again in
// their next session. Virtual people of snapshot pages (快照页) never arrive. WeChat's tokens are not kept.
//
// What it does not do: it does not decide who may use which app, and it knows no OpenID Connect.
package signin
