// Package oidc is an OpenID provider for apps. It implements a part of the standards:
// authorization code with PKCE (S256), the response modes query and form_post, refresh with
// rotation, discovery, user info, revocation, introspection and sign-out by the app. There is no
// implicit or hybrid flow, no request object and no dynamic registration. Each of these is rejected
// with the error code of its specification.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. Apps are
// [Client] values in a [Registry]. For each authorize request the handler collects facts about
// the request and the session (authorize.go). From them, package admission decides the next step:
// issue a code, show a page or start a sign-in.
//
//	GET  /.well-known/openid-configuration   provider metadata
//	GET  /oauth2/jwks                        the public keys
//	GET  /oauth2/authorize                   303 or a form to the app with a code, or 303 to sign-in, which
//	                                         returns here
//	POST /oauth2/authorize                   303 to the same request by GET
//	POST /oauth2/token                       exchanges a code or a refresh token for tokens
//	GET  /oauth2/userinfo   (and POST)       claims about the user
//	POST /oauth2/revoke                      revokes a token
//	POST /oauth2/introspect                  reports whether a token is active, to the app that it was issued to
//	GET  /oauth2/logout     (and POST)       sign-out by an app
//	POST /oauth2/logout/confirm              confirms a sign-out
//
// The paths are relative to the path of the issuer. Every URL in a response is made from the
// issuer, never from the Host header of the request.
//
// The pages send a Content-Security-Policy with form-action, a list of origins. Chromium blocks a
// form whose response redirects to an origin outside the list, such as an app. Therefore the
// buttons on the pages of the authorize endpoint are links. The sign-out form leads to another
// page, and that page continues to the app by a link and a refresh. The page for form_post has a
// policy of its own: it lists the redirect URI, and the origins to which the app may redirect.
//
// While the user signs in, an encrypted cookie of the browser contains the URL of the authorize
// request. At the end, the sign-in redirects to this URL. A URL that is too long for a cookie is
// stored in the database instead (package savedrequest, which bounds the number of rows). The
// authorize endpoint stores nothing else until the user is signed in. So a request cannot be
// completed in another browser, and a flood of requests cannot fill the database.
//
// Access tokens and codes are random, and the database has only their hashes. Each code belongs
// to a grant: the authorization of one app by one user. Every use of a token checks that its
// grant is neither expired nor revoked.
package oidc
