// Package forwardauth protects sites without a sign-in of their own. The reverse proxy of a site
// sends the gateway a subrequest for every request: nginx auth_request, Traefik forwardAuth, Caddy
// forward_auth. The proxy passes an allowed request to the site, with the user's identity in
// headers.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. A site is one
// host of an [App]. A handoff transfers the user's session from the gateway to a site (handoff.go).
// Before each handoff, package admission decides whether the user may use the app.
//
//	at the gateway
//	     /verify              for proxies only: 200 with the identity, 401 or 302 to sign in, 403 with a
//	                          page, 503 while the store is unavailable
//	GET  /forward-auth        signs the user in, and redirects to the host with a token; the token is
//	                          valid for 30 s, once, in this browser only
//
//	on each host of an app, whose proxy passes /.weigate/ to the gateway
//	GET  /.weigate/start      sets a nonce and redirects to /forward-auth
//	GET  /.weigate/finish     exchanges the token for the host's own session cookie
//	GET  /.weigate/sign-out   a page with a button
//	POST /.weigate/sign-out   ends the session on this host
//	GET  /.weigate/refused    for nginx: the page for a denied request (nginx does not pass on the
//	                          page of /verify)
//
// A user has a separate session on each host: the host session. Its cookie is valid on this host
// only. The store keeps a host session as a grant. As in OAuth, the handoff's token is a code that
// is used once, and /.weigate/finish exchanges it for the host session. The code is bound to a
// nonce in a cookie of the browser.
//
// A host session is no longer accepted when
//
//   - the gateway's session from which it was created has ended,
//   - the user is blocked, or
//   - the app's access rule or sign-in methods exclude the user.
//
// /verify caches its decisions, so a change takes effect after [Config].Cache at the latest.
//
// Forwarded headers are read from trusted proxies only. The identity headers (X-Weigate-…) of a
// request are never read. Every response of /verify sets all identity headers.
//
// The package is not a proxy, and it does not distinguish paths: it protects whole hosts.
package forwardauth
