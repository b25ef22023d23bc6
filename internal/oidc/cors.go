package oidc

import (
	"net/http"
	"slices"
)

// This file allows scripts of other origins to read responses (CORS). No response allows
// credentials, since no endpoint for scripts uses a cookie.

// preflight reports whether r is an OPTIONS request, and responds to it. A browser sends this
// request before a cross-origin request of a script. A script is a public client, so the
// origins of all public clients are allowed. allowOrigin later checks the origin against the
// client, because a preflight does not contain the client_id.
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request, methods string) bool {
	if r.Method != http.MethodOptions {
		return false
	}
	header := w.Header()
	header.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); h.cfg.Clients().origins[origin] {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Methods", methods)
		header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		header.Set("Access-Control-Max-Age", "600")
	}
	header.Set("Allow", methods+", OPTIONS")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// allowOrigin allows scripts of a public client to read the response. A response without a
// client (nil) contains only an error or public data. Scripts of all public clients may read it.
func (h *Handler) allowOrigin(w http.ResponseWriter, r *http.Request, client *Client) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	allowed := false
	if client == nil {
		allowed = h.cfg.Clients().origins[origin]
	} else {
		allowed = client.hasOrigin(origin)
	}
	if allowed {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
	}
}

// hasOrigin reports whether a script from this origin may read responses to the client. Only a
// public client has scripts, and one of its redirect URIs must have this origin.
func (c *Client) hasOrigin(origin string) bool {
	return c.Public && slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return originOf(uri) == origin })
}
