// Package portal serves the user's own pages: the home page of the gateway.
//
// The home page has the apps that the user may open now, the apps for which the user waits, the
// user's sessions, the apps that the user has signed in to, and the user's recent sign-ins. An
// official account's menu in WeChat can lead to it. [New] makes a [Handler].
//
// Its addresses:
//
//	GET  /                      the home page, or a button that signs in
//	GET  /app-icon/ICON         the picture of an app
//	POST /sign-out/everywhere   ends every session of the user, and revokes the grants of apps
//	POST /sign-out/others       the same for every session but the one of this browser
//	POST /sign-out/browser      the same for one session
//	POST /withdraw              revokes the user's grants of one app
//	GET  /my-data               what the gateway has about the user, and a button
//	POST /my-data               downloads it as JSON
//	GET  /delete-account        what a deletion deletes, and a form
//	POST /delete-account        deletes the user
//
// What the package guarantees:
//
//   - A page has the data of the signed-in user only. Every change is for the user of the session; no
//     field of a form can name another user.
//   - An app that the user may not use is not shown and not counted, unless the user has requested it.
//   - GET changes nothing.
//   - A deletion needs a sign-in at WeChat in this browser, at most ten minutes old. A session that an
//     administrator's link created neither downloads nor deletes.
//   - The number of queries does not grow with the number of apps.
package portal
