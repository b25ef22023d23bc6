// Package relay is WeChat for old code: it answers at WeChat's own paths, in WeChat's own form, for apps that were written for WeChat and will never
// speak OpenID Connect. Such an app changes the host names in it, and its appid and secret for a pair of the gateway's making.
//
// The names to know are [New] with its [Config], and [Handler.Mount]. What the package needs of its neighbours is in [session.SignIn], [access.Judge],
// [access.People] and [Pages].
//
//	GET      /connect/oauth2/authorize    the browser; a session, or sign-in first; then 302 to the app with a code
//	GET      /connect/qrconnect           the same for old website code (snsapi_login)
//	GET POST /sns/oauth2/access_token     code → access token, refresh token, openid
//	GET POST /sns/oauth2/refresh_token    refresh token → another access token
//	GET POST /sns/userinfo                access token → nickname and picture
//	GET POST /sns/auth                    is the token good for this openid
//	GET      /MP_verify_….txt             WeChat's proof that a domain is ours; at the root as well
//
// Codes and tokens are the gateway's own ([gateway.Grants]) and bound to the app; the openid is the one that the person has at the app's entry, that is
// at a real appid, so that the app's database stays valid. The authorize endpoints store nothing until a person who may use the app is signed in, and a
// request completes only in the browser that made it.
//
// What it does not do: it hands out no code of WeChat's. Whoever holds a real code of an appid can become that person at every door of that appid.
package relay
