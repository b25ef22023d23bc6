// Package demo is the sample apps of "weigate demo": the smallest web apps that are worth
// looking at, made as anybody would make them.
//
// [New] returns them as one handler. They are meant to be read. app.go is an app on package
// login: everything that concerns WeChat in it is a login.Config and three calls of
// Handler.Start. client.go and relying.go are three apps, Notes, Photos and Board, that know
// nothing of WeChat: they sign people in by OpenID Connect at the gateway. proxy.go and wiki.go
// are a reverse proxy that asks the gateway about every request, and the site behind it. shop.go
// is an old app with WeChat's calls in it, whose host names lead to the gateway's relay.
//
//	GET  /                             the tour: what this is and what to press
//	GET  /sample/                      the app on login; who is signed in
//	GET  /base                         begin by snsapi_base
//	GET  /profile                      begin by snsapi_userinfo
//	GET  /qr                           begin by the QR code of a website app
//	     /sign-in …                    package login: see its route table
//	GET  /notes/                       Notes; /photos/ and /board/ have the same addresses
//	GET  /notes/sign-in                to the gateway
//	GET  /notes/callback               back from it
//	POST /notes/sign-out               out of Notes
//	POST /notes/sign-out-of-weigate    out of the gateway too
//	GET  /demo.css, .svg               style and icon, on every host
//
//	wiki.localhost
//	GET  /, /page                      the wiki, for whom the gateway lets in
//	     /.weigate/…                   the gateway's
//
//	shop.localhost
//	GET  /                             the old app; who is signed in
//	GET  /sign-in                      to the authorize page
//	GET  /callback                     back from it
//	POST /sign-out
//
// It knows WeChat and the gateway by address only, and keeps everything in memory. It is no
// template for a production app: the apps have one page each and no data of their own.
package demo
