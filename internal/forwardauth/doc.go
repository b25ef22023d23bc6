// Package forwardauth protects sites that know nothing of signing in: their reverse proxy asks the gateway about every request (nginx auth_request,
// Traefik forwardAuth, Caddy forward_auth) and tells the site who is there.
//
// The names to know: [Config] and [New] make a [Handler], [Handler.Mount] adds its routes. The sites are [App] values. What the package needs from its
// neighbours are small interfaces: [session.SignIn], [Sessions], [access.Judge], [access.People] and [Pages].
//
//	at the gateway's own address
//	     /verify                   for proxies only: 200 with who it is, 401 or 302 to sign in, 403 with words for people, 503 while the store is away
//	GET  /forward-auth             signs the person in, and hands them over to the site's host with a token (30 s, once, for this browser)
//
//	on each host of an app, whose proxy sends /.weigate/ to us
//	GET  /.weigate/start           sets a nonce and goes to /forward-auth
//	GET  /.weigate/finish          the token becomes the host's own session cookie; 303 to where the person was
//	GET  /.weigate/sign-out        a page with a button
//	POST /.weigate/sign-out        ends the session on this host
//	GET  /.weigate/refused         in words, why /verify said no: for nginx, which does not pass its answers on
//
// Each host has a session of its own and a cookie that counts nowhere else, never one for a parent domain. The session is a grant of the gateway's, made
// by a code that is bound to the nonce of the browser; it lives as long as the gateway's session from which it came, so that signing out there, a block
// or a changed rule ends it too. /verify answers from a bounded cache, so that takes effect within [Config].Cache on every replica.
//
// Forwarded headers are read from trusted proxies only. The identity headers (X-Weigate-…) of a request are never read; all of them are on every answer.
//
// What it does not do: it is no proxy, and it knows no paths: a host is protected whole.
package forwardauth
