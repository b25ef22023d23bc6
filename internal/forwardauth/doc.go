// Package forwardauth protects sites without a sign-in of their own: their reverse proxy sends the
// gateway a subrequest for every request (nginx auth_request, Traefik forwardAuth, Caddy forward_auth) and
// passes the user's identity to the site.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. The sites are
// [App] values. A handoff becomes facts for package admission (handoff.go).
//
//	at the gateway
//	     /verify              for proxies only: 200 with the identity, 401 or 302 to sign in, 403 with a
//	                          page, 503 while the store is unavailable
//	GET  /forward-auth        signs the user in, and redirects to the host with a token (30 s, once, for
//	                          this browser)
//
//	on each host of an app, whose proxy passes /.weigate/ to the gateway
//	GET  /.weigate/start      sets a nonce and redirects to /forward-auth
//	GET  /.weigate/finish     exchanges the token for the host's own session cookie
//	GET  /.weigate/sign-out   a page with a button
//	POST /.weigate/sign-out   ends the session on this host
//	GET  /.weigate/refused    the page for a denied request, for nginx, which does not pass on the
//	                          responses of /verify
//
// Each host has a session of its own, the host session, whose cookie is valid for no other host. It
// is stored as a grant, which a one-time code creates. The code is bound to a nonce in a cookie of
// the browser. The host session ends with the gateway's session from which it was created; a blocked
// user or a changed access rule ends it too. /verify responds from a bounded cache, so that this
// takes effect within [Config].Cache in every process.
//
// Forwarded headers are read from trusted proxies only. The identity headers (X-Weigate-…) of a
// request are never read; every response has all of them.
//
// The package is not a proxy, and it does not distinguish paths: it protects whole hosts.
package forwardauth
