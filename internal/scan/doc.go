// Package scan signs a desktop in with a phone, for which an official account (服务号) is enough: the
// desktop shows a QR code of the gateway, and the phone scans it in WeChat, signs in there first, and
// confirms.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. Sign-in calls
// [Handler.Begin] for a browser that cannot reach WeChat.
//
//	desktop, identified by a sealed cookie (which sign-in: ?d)
//	GET  /scan             the code; or the number and the user whose phone scanned it; or the result.
//	                       Once approved: creates the session, then redeems the ticket
//	GET  /scan/state       responds when the ticket has another state than ?seen, or after 25 seconds
//	GET  /scan/code.png    this browser's code as a picture, to be saved (also code.svg)
//	POST /scan/renew       a new code
//	POST /scan/cancel      cancels; after signing in: "not me", which ends the session
//
//	phone, identified by a sealed cookie and its session
//	GET  /scan/{ticket}    the link in the code: in WeChat it goes into the cookie and leads to
//	                       /scan/confirm, elsewhere the page explains how to open it in WeChat
//	GET  /scan/confirm     which app asks, from where; then three numbers; then the result
//	POST /scan/continue        "Continue": binds the ticket to this user
//	POST /scan/answer      the number, or a refusal
//	POST /scan/undo        "not me": ends the session of the desktop
//
// A ticket's id is not a secret: everybody who sees the code can read it. Only the browser with the
// secret in its cookie is signed in, and only after a signed-in phone has chosen the number that
// this browser shows. No address alone grants access, and a GET by a phone changes nothing.
//
// A process may be killed at any moment. The session is created first, under an id derived from the
// browser's cookie, and only then is the ticket redeemed: a repeated request creates the same
// session. Once the ticket is redeemed, a repeated request continues only while that session is
// live, so a sign-out is not undone.
//
// The number does not stop an attacker who tells it to the user by telephone at the same time. So
// the pages explain what the user confirms, and an app may exclude this sign-in method.
package scan
