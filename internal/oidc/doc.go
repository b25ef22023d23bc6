// Package oidc lets apps sign people in with OpenID Connect. It is a closed profile: authorization code with PKCE (S256), refresh with rotation,
// discovery, user info, revocation, introspection and sign-out begun by the app. There is no implicit or hybrid flow, no request object, no form_post
// and no dynamic registration; each is refused with the error that its standard names.
//
// The names to know: [Config] and [New] make a [Handler], [Handler.Mount] adds its routes. Apps are [Client] values in a [Registry]. What the package
// needs from its neighbours are three interfaces: [SignIn] (who is this browser), [access.Judge] (may this account use this app) and [Pages].
//
//	GET  /.well-known/openid-configuration   what this provider can do
//	GET  /oauth2/jwks                        the public keys
//	GET  /oauth2/authorize                   with a session: 303 to the app with a code; without: to sign-in, with this address to come back to
//	POST /oauth2/authorize                   303 to the same by GET, since a cross-site POST carries no session cookie
//	POST /oauth2/token                       a code or a refresh token for tokens
//	GET  /oauth2/userinfo   (and POST)       claims about the person
//	POST /oauth2/revoke                      ends a token
//	POST /oauth2/introspect                  says whether a token lives, to the app that it belongs to
//	GET  /oauth2/logout     (and POST)       sign-out begun by an app
//	POST /oauth2/logout/confirm              the answer to our own question
//
// All of them lie under the path of the issuer, and every address that they name is made from the issuer, never from the request's Host.
//
// Chromium stops a form whose answer redirects to an origin that the page's CSP form-action does not name. So our own forms end on a page that goes on
// by link and refresh (sign-out), or are links (the questions at authorize); only an app's own form, under its own CSP, meets a redirect.
//
// The authorize endpoint stores nothing until the person is known: the request is its own address, and the browser that made it carries it through
// sign-in. So a request cannot be completed in another browser, and a flood of them leaves no rows. Codes and tokens are random and are stored as
// hashes; a code opens a family, and every use of a token checks that its family lives. A login costs one signature.
package oidc
