// Package login signs people in with WeChat in a net/http app.
//
//	h, err := login.New(login.Config{
//		URL:             "https://app.example.com",
//		Keys:            [][]byte{key}, // 32 random bytes, kept
//		OfficialAccount: &wechat.Client{AppID: "wx…", Secret: "…"},
//	})
//	mux.Handle("/sign-in", h)
//	mux.Handle("/sign-in/", h)
//	mux.Handle("/wechat/callback", h)
//	mux.Handle("/sign-out", h)
//	mux.Handle("/private", h.Require(private)) // there: s, _ := login.FromContext(r.Context())
//
// The names to know are [New] with its [Config], [Handler.Require] and
// [Handler.RequireProfile] around the app's pages, and [FromContext] for the
// [Session]. Config.OnSignIn connects people with the app's own records, or
// turns them away. Several processes share a [Store]; login/storetest checks one.
// [Handler.Establish] makes a session for whom another way has signed in.
//
// # What happens
//
// All paths are below the path of Config.URL. GET changes nothing but the
// sign-in itself.
//
//	GET  /sign-in?return=/x[&scope=profile]
//	      return address on the list? ── no ──→ page bad_return, nothing begins
//	      flow sealed into a cookie ──→ 302 to WeChat (official account in WeChat, website app elsewhere)
//	      no door for this browser ──→ page open_in_wechat or open_elsewhere, with the link to copy
//	GET  /wechat/callback?code=…&state=…
//	      no flow cookie for this state ──→ 303 /sign-in/lost; nothing is sent to WeChat
//	      no code ──→ page denied, with a way on
//	      claim on the flow taken ──→ code exchanged, OnSignIn asked, session made, outcome written
//	      claim held by another request ──→ wait for its outcome
//	      outcome signed in ──→ session cookie, 303 to the return address
//	      outcome code refused, or never known ──→ from the start, twice by itself, then page again
//	      outcome snapshot ──→ 303 /sign-in, which explains 使用完整服务 once and then begins again
//	      any other outcome ──→ 303 /sign-in/ended, which is its page; the same for each repeat
//	GET  /sign-in/ended      says why a callback came to nothing, at an address without its code
//	GET  /sign-in/lost       says "this sign-in is over", or "this browser keeps no cookies"
//	GET  /sign-in/profile    asks for nickname and avatar; its button is /sign-in?scope=profile
//	POST /sign-in/profile    "go on without", remembered for the session
//	GET  /sign-in/me         200 and the session as JSON, or 401 {"error":"signed_out"}
//	GET  /sign-out           a page with a button
//	POST /sign-out           ends the session and every pending sign-in of this browser, 303
//
// The app's own sign-out button is a form: method post, action /sign-out, with a
// field "return" if need be. A page with such a form must not have the
// Referrer-Policy "no-referrer": browsers then send "Origin: null" along, and
// those without Sec-Fetch-Site look like another site.
//
// # What it holds on to
//
//   - A code is exchanged only for the browser that began the flow. The flow
//     cookie is encrypted, bound to its name, HttpOnly, SameSite=Lax and "__Host-";
//     the state in it is compared in constant time.
//   - A code is exchanged once. The claim precedes the exchange, in the store; a
//     claim whose lease ran out is a sign-in that starts again, never a second
//     exchange. WeChat does call twice, sometimes with two codes for one state
//     (many field reports): the second code counts only when WeChat refused the
//     first.
//   - However often a callback is repeated, it is one session, since its id is
//     derived from a secret in the flow cookie. Repeats count for a minute, and
//     only while the session lives: after signing out, "back" signs nobody in.
//   - Nothing goes round for ever. A state's last character counts the rounds
//     (it survives where cookies do not), and a third one is a page.
//   - Return addresses are checked before the flow begins and travel sealed.
//   - A person of a snapshot page (快照页) is virtual and never signed in.
//   - Codes, tokens and secrets are in no log line, page, or address that stays
//     in the address bar. Tokens are not kept.
//
// # What it does not do
//
// It does not keep accounts, or join a person's openids into one; it does not
// use WeChat's tokens after the sign-in, serve WeCom or mini-programs, or renew
// a consent in the background. It does not limit rates: put that in front.
package login
