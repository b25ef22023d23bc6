package oidc

import "net/http"

// A program in a browser is a public client. Only the sites of its redirect URIs may call by
// script. No response allows credentials, since nothing here is authenticated by a cookie.

// preflight answers OPTIONS requests and reports whether it did. A preflight names no client, so it
// is allowed for the sites of all public clients; the response to the call itself is readable only
// for the sites of its own client.
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

// allowOrigin lets the site of a public client read the response. Without a client the response has
// only an error or public data, which the sites of all public clients may read.
func (h *Handler) allowOrigin(w http.ResponseWriter, r *http.Request, client *Client) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if client == nil && h.cfg.Clients().origins[origin] || client != nil && client.hasOrigin(origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
	}
}
