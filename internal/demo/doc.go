// Package demo is the sample app of "weigate demo": the smallest web app that is worth
// looking at, made with package login as anybody would make one.
//
// [New] returns it as a handler. It is meant to be read: app.go is the whole of the app, and
// everything that concerns WeChat in it is a login.Config and three calls of Handler.Start.
//
//	GET  /                  signed out: what this is and what to press; signed in: who you are
//	GET  /base              begin by snsapi_base
//	GET  /profile           begin by snsapi_userinfo
//	GET  /qr                begin by the QR code of a website app
//	     /sign-in …         package login: see its route table
//	GET  /demo.css, .svg    style and icon
//
// It knows WeChat by address only, and keeps everything in memory. It is no template for a
// production app: it has one page and no data of its own.
package demo
