// Package relay serves WeChat's protocol for apps that were written for WeChat and will not use
// OpenID Connect: at WeChat's own paths, in WeChat's own format. Such an app changes the host names
// in its code, and its appid and secret to a pair that the gateway assigned.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. A request at
// an authorize address becomes facts for package admission (authorize.go).
//
//	GET      /connect/oauth2/authorize    302 to the app with a code, or to sign-in, which returns here
//	GET      /connect/qrconnect           the same for old website code (snsapi_login)
//	GET POST /sns/oauth2/access_token     code → access token, refresh token, openid
//	GET POST /sns/oauth2/refresh_token    refresh token → another access token
//	GET POST /sns/userinfo                access token → nickname and picture
//	GET POST /sns/auth                    is the token valid for this openid
//	GET      /MP_verify_….txt             proves to WeChat who owns the domain; at the root as well
//
// Codes and tokens are those of the gateway ([gateway.Grants]) and bound to the app. The openid is
// that of the user at the app's connector, which is a real appid, so that the app's database stays
// valid. The authorize endpoints store nothing until a user with access to the app is signed in,
// and a request completes only in the browser that made it.
//
// The package passes no code of WeChat's to an app: with a real code of an appid, an app could sign
// in as that user everywhere that appid is used.
package relay
