// Package oidc is an OpenID provider for apps. It implements a closed profile: authorization code
// with PKCE (S256), refresh with rotation, discovery, user info, revocation, introspection and
// sign-out by the app. There is no implicit or hybrid flow, no request object, no form_post and no
// dynamic registration; each is rejected with the error that its standard names.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. Apps are
// [Client] values in a [Registry]. An authorize request becomes facts for package admission
// (authorize.go), whose decision the handler answers with a code, a page or a sign-in.
//
//	GET  /.well-known/openid-configuration   provider metadata
//	GET  /oauth2/jwks                        the public keys
//	GET  /oauth2/authorize                   303 to the app with a code, or to sign-in, which returns here
//	POST /oauth2/authorize                   303 to the same by GET, since a cross-site POST has no session cookie
//	POST /oauth2/token                       exchanges a code or a refresh token for tokens
//	GET  /oauth2/userinfo   (and POST)       claims about the user
//	POST /oauth2/revoke                      revokes a token
//	POST /oauth2/introspect                  reports whether a token is active, to the app that it was issued to
//	GET  /oauth2/logout     (and POST)       sign-out by an app
//	POST /oauth2/logout/confirm              confirms a sign-out
//
// All of them lie under the path of the issuer, and every address that they return is made from the
// issuer, never from the request's Host.
//
// Chromium blocks a form whose response redirects to an origin that the CSP form-action of the page
// does not list. So the sign-out form ends on a page that continues by a link and a refresh, and
// the buttons on the pages of the authorize endpoint are links.
//
// The authorize endpoint stores nothing until the user is signed in: the address of the request is
// the return address of the sign-in. So a request cannot be completed in another browser, and a
// flood of requests adds no rows. Codes and tokens are random and are stored
// as hashes. A code opens a grant, and every use of a token checks that its grant is live. A login
// costs one signature.
package oidc
