// Package scan signs a desktop in with a phone, for which an official account (服务号) is enough: the desktop shows a QR code of ours, the phone opens it in
// WeChat, is signed in there first, and answers.
//
// The names to know are [New] with its [Config], [Handler.Mount], and [Handler.Begin], which sign-in calls for a browser that cannot reach WeChat. What
// the package wants of its neighbours is in [SignIn] and [Sessions].
//
//	desktop, keyed by a sealed cookie (which sign-in, named by ?d)
//	GET  /scan                the code; whose phone has it, and the number; or how it ended. Approved: session, then the ticket is taken
//	GET  /scan/state          answers when the ticket has another state than ?seen, or after 25 seconds
//	GET  /scan/code.png       this browser's code as a picture, to be saved (also code.svg)
//	POST /scan/renew          a new code
//	POST /scan/cancel         gives up; after signing in: "not me", which ends the session that was made
//
//	phone, keyed by a sealed cookie and its session
//	GET  /scan/{ticket}       what the code holds: in WeChat into the cookie and on to /scan/confirm, elsewhere how to open it in WeChat
//	GET  /scan/confirm        who asks, from where; then three numbers; then how it ended
//	POST /scan/hold           "continue": the ticket is this account's
//	POST /scan/answer         the number, or a refusal
//	POST /scan/undo           "not me": ends the session that was made on the desktop
//
// A ticket's id is in the code for everybody to see and gives nobody anything: only the browser that holds the secret in its cookie is signed in, and
// only when a signed-in phone has chosen the number that this browser shows. No address here is a capability, and a GET of a phone changes nothing.
//
// A replica may be killed at any moment. The session is made first, under an id that is derived from the browser's cookie, and only then is the ticket
// taken: a repeat makes the same session. Once the ticket was taken a repeat goes on only while that session lives, so a sign-out is not undone.
//
// What it does not do: the number does not stop somebody who relays it live to the person on the telephone; the pages say what is asked, and an app may
// leave this door out of its doors.
package scan
