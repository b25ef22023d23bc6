// Package relay serves WeChat's protocol for apps that were written for WeChat and will not use
// OpenID Connect: at WeChat's own paths, in WeChat's own format. Such an app changes the host names
// in its code, and its appid and secret to a pair that the gateway assigned.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. For a request at
// an authorize address the handler collects facts, and package admission decides the next step
// (authorize.go).
//
//	GET      /connect/oauth2/authorize    302 to the app with a code, or to sign-in, which returns here
//	GET      /connect/qrconnect           the same for old website code (snsapi_login)
//	GET POST /sns/oauth2/access_token     code → access token, refresh token, openid
//	GET POST /sns/oauth2/refresh_token    refresh token → another access token
//	GET POST /sns/userinfo                access token → nickname and picture
//	GET POST /sns/auth                    is the token valid for this openid
//	GET      /MP_verify_….txt             proves to WeChat who owns the domain; at the root as well
//
// The gateway issues the codes and tokens itself ([gateway.Grants]), and each belongs to one app. The
// openid is the user's real openid at the appid of the app's connector, so that the existing database
// of the app stays valid. The authorize endpoints store nothing in the database until a user with
// access to the app is signed in, and a request completes only in the browser that made it.
//
// An app never receives a code from WeChat: with it, the app could sign in as the user at every other
// app that uses the same appid.
package relay
