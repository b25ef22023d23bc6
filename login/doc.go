// Package login signs users in with WeChat in a net/http program: inside WeChat through an official
// account (服务号), elsewhere by WeChat's QR code through a website app (网站应用). It stores
// their sessions.
//
// The names to know are [New] with its [Config], [Handler.Mount], [Handler.Require] around the
// pages of your program and [Handler.RequireAPI] around its API, and [FromContext] for the
// [Session]. Config.OnSignIn connects users with the program's own records, or refuses them.
// Without Config.Store, sessions are in memory, and a restart signs all users out: package
// login/sqlstore stores them in an SQL database.
//
//	package main
//
//	import (
//		"fmt"
//		"log"
//		"net/http"
//		"os"
//
//		"github.com/weigate/weigate/login"
//		"github.com/weigate/weigate/wechat"
//	)
//
//	func main() {
//		h, err := login.New(login.Config{
//			URL:             "https://app.example.com",
//			Keys:            [][]byte{[]byte(os.Getenv("LOGIN_KEY"))}, // 32 random bytes
//			OfficialAccount: &wechat.Client{AppID: "wx…", Secret: wechat.Secret(os.Getenv("WECHAT_SECRET"))},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		mux := http.NewServeMux()
//		h.Mount(mux)
//		mux.Handle("/private", h.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			s, _ := login.FromContext(r.Context())
//			fmt.Fprintln(w, "hello", s.Subject)
//		})))
//		log.Fatal(http.ListenAndServe(":8080", mux))
//	}
//
// [Handler.RequireProfile] also asks for nickname and avatar (头像昵称). [Handler.Sessions] lists where
// a user is signed in, and [Handler.SignOutUser] signs a user out everywhere.
// [Handler.CreateSession] creates a session for a user who was authenticated by other means.
// Several processes can share a [Store]; login/storetest tests an implementation. The modules
// login/ginlogin and login/echologin have middleware for gin and echo.
//
// # Addresses
//
// All paths are below the path of Config.URL. The callback is the redirect URI at WeChat. A flow is
// one authorization at WeChat in progress. An attempt is one redemption of the code in the
// callback. An outcome is the result of an attempt. The names of pages are values of [PageKind].
//
//	GET  /sign-in?return=/x[&scope=profile]
//	      return address not allowed ──→ page bad_return, nothing starts
//	      no sign-in method for this browser ──→ a page with the link to copy: open_in_wechat,
//	      open_elsewhere or mini_program
//	      otherwise ──→ flow sealed into a cookie, 302 to WeChat
//	GET  /wechat/callback?code=…&state=…
//	      no flow cookie for this state ──→ 303 /sign-in/lost; nothing is sent to WeChat
//	      no code ──→ page denied, with a link that continues
//	      attempt stored ──→ code redeemed, OnSignIn called, session created, outcome stored
//	      another request redeems it ──→ wait for its outcome
//	      outcome signed_in ──→ session cookie, 303 to the return address
//	      outcome code_refused or unknown ──→ start again, twice automatically, then page "again"
//	      outcome snapshot (a virtual user of WeChat's snapshot page 快照页) ──→ 303 /sign-in, which shows
//	          page snapshot once (it explains WeChat's button 使用完整服务), and then starts again
//	      any other outcome ──→ 303 /sign-in/ended, the page for it; the same for each repeat
//	GET  /sign-in/ended      explains why a callback failed, at an address without its code
//	GET  /sign-in/lost       the sign-in has expired, or this browser rejects cookies
//	GET  /sign-in/profile    asks for nickname and avatar; its button is /sign-in?scope=profile
//	POST /sign-in/profile    continues without them, remembered for the session
//	GET  /sign-in/me         200 and the session as JSON, or 401 {"error":"signed_out"}
//	GET  /sign-out           a page with a button
//	POST /sign-out           ends the session and every pending sign-in of this browser, 303; a script
//	                         gets 200 and {"return":"https://…"} instead
//
// A script or program that cannot be served gets JSON instead of a page, with the same status. Its
// member "error" is "signed_out", "profile_required", "unavailable" or the kind of the page. Its
// member "request_id" is also in the header X-Request-Id and in the log.
//
// The program's own sign-out button is a form with method post and action /sign-out. Its field
// "return" is optional. The page with the form must not have the Referrer-Policy "no-referrer".
// Browsers then send "Origin: null". An old browser also sends no Sec-Fetch-Site header, so its
// form is rejected as a form of another site.
//
// # Security
//
//   - A code is redeemed only for the browser that started the sign-in. The flow cookie contains
//     the state and the return address. It is encrypted, bound to its name, HttpOnly and
//     SameSite=Lax. If Config.URL is https and has no path, the cookie has the prefix "__Host-".
//     The state is compared in constant time.
//   - A code is redeemed once. An [Attempt] is stored before the code is sent to WeChat. The
//     attempt has a lease: the time by which its outcome must be stored. When the lease passes
//     without an outcome, the sign-in starts again; the code is never sent a second time. WeChat's
//     browser sometimes opens the callback twice, and sometimes with a second code for the same
//     state (many field reports). The second code is redeemed only if WeChat refused the first
//     code.
//   - A repeated callback never creates a second session, since the session id is derived from a
//     secret in the flow cookie. A repeated callback is accepted for a minute, and only while the
//     session exists. After a sign-out, the back button therefore signs nobody in.
//   - No browser is redirected endlessly. The last character of a state counts the restarts,
//     because WeChat returns the state even when the browser loses its cookies. After two restarts
//     the user sees a page.
//   - Return addresses are checked before the flow starts, and are part of the sealed flow cookie.
//   - On a snapshot page (快照页) WeChat returns a virtual user, who is never signed in.
//   - No log line and no page contains a code, a token or a secret. The URL of the callback
//     contains the code, so no page is shown there: the browser is redirected. Tokens are not
//     stored.
//
// # Limits
//
// The package does not store user records and does not join the openids of a user. It does not use
// WeChat's tokens after the sign-in. It does not support WeCom or mini-programs. It does not limit
// request rates: use a reverse proxy for that.
package login
