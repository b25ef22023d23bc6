// Package demo contains the sample apps of "weigate demo". They are small and meant to be read.
//
// [New] returns all of them as one handler:
//   - sample.go is an app on package login: one login.Config, and calls of Handler.Start and
//     Handler.Session.
//   - client.go and relying_party.go are three apps, Notes, Photos and Board, that sign users in at
//     the gateway with OpenID Connect. They contain nothing about WeChat.
//   - proxy.go is a reverse proxy that checks every request with the gateway, and wiki.go the site
//     behind it.
//   - shop.go is an app with WeChat's own calls, whose host names point to the gateway's relay.
//
// The routes:
//
//	GET  /                             tour: what each app is, and what to try
//	GET  /sample/                      the app on package login
//	GET  /base                         starts a sign-in with snsapi_base
//	GET  /profile                      starts a sign-in with snsapi_userinfo
//	GET  /qr                           starts a sign-in with a website app's QR code
//	     /sign-in …                    package login: see its route table
//	GET  /notes/                       Notes; /photos/ and /board/ have the same routes
//	GET  /notes/sign-in                redirects to the gateway
//	GET  /notes/callback               redirect URI
//	POST /notes/sign-out               ends the session of Notes
//	POST /notes/sign-out-of-weigate    ends the session of the gateway too
//	GET  /demo.css, /demo.svg          style and icon, on every host
//
//	wiki.localhost
//	GET  /, /page                      the wiki, for requests that the gateway allows
//	     /.weigate/…                   passed on to the gateway
//
//	shop.localhost
//	GET  /                             the shop
//	GET  /sign-in                      redirects to the relay's authorize page
//	GET  /callback                     redirect URI
//	POST /sign-out
//
// Sessions are kept in memory. The apps are not a template for production: use your language's
// OpenID Connect library instead of relying_party.go.
package demo
