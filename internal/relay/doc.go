// Package relay serves WeChat's protocol to apps that were written for WeChat and will not use
// OpenID Connect. It has WeChat's own paths and formats. To move an app to the gateway, replace
// three things in its settings: WeChat's host names by the gateway's, and the appid and secret by a
// pair that the gateway assigned.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. For a request
// at an authorize address the handler collects facts about the request and the session
// (authorize.go). From them, package admission decides the next step.
//
//	GET      /connect/oauth2/authorize    302 to the app with a code, or to sign-in, which returns here
//	GET      /connect/qrconnect           the same for websites written for snsapi_login
//	GET POST /sns/oauth2/access_token     code → access token, refresh token, openid
//	GET POST /sns/oauth2/refresh_token    refresh token → another access token
//	GET POST /sns/userinfo                access token → nickname and picture
//	GET POST /sns/auth                    is the token valid for this openid
//	         /cgi-bin/… and others        not served: calls with the global access token get errcode 40066
//	GET      /MP_verify_….txt             proves to WeChat who owns the domain; also at the root of the host
//
// The gateway issues the codes and tokens itself ([gateway.Grants]). Each code and token belongs to
// one app.
// An app has a connector: an official account or website app at WeChat. The app receives the
// openids of its connector, so the openids in the app's existing database stay valid.
//
// While the user signs in, a cookie contains the authorize request. A request that is too long for a
// cookie is stored in the database instead (package savedrequest). The authorize endpoints store
// nothing else until a user with access to the app is signed in. A request completes only in the
// browser that made it.
//
// An app never receives a code from WeChat. Apps with the same connector share its appid at WeChat:
// with a code from WeChat, one of them could sign in as the user at each of the others.
package relay
