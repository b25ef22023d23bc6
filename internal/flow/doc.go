// Package flow runs one authorization at WeChat: it sends a browser there, reads the callback,
// redeems the code once, and answers repeated callbacks from the outcome of the first.
//
// The names to know are [New] with its [Config], and the methods of [Engine] in the order of a
// sign-in: [Engine.Prepare], [Engine.Start] and [Engine.Callback]. Each returns a [Result]: what to
// answer, and the cookies to set with the answer. The package writes no response, has no pages and
// stores no sessions. The two packages that use it do: login for a program's own sessions,
// internal/signin for the gateway's. They pass a [Complete] function to Callback, which records the
// user and the session.
//
// What the package guarantees:
//
//   - A code is redeemed only for the browser that started the flow. The flow travels in a cookie
//     of that browser, which is encrypted and bound to its name; the state in it is compared in
//     constant time.
//   - A code is redeemed once. An [Attempt] is stored before the code is sent to WeChat. An attempt
//     whose lease passed without an outcome is a flow that starts again, never a second redemption.
//     WeChat does call twice, sometimes with two codes for one state (many field reports): the
//     second code counts only when WeChat refused the first.
//   - However often a callback is repeated, it is one session, since [Flow.SessionID] is derived
//     from a secret in the cookie.
//   - No browser is sent to WeChat endlessly: the last character of the state counts the restarts
//     (WeChat returns it even where cookies are lost), and a cookie counts sign-ins that succeeded
//     within a minute.
package flow
