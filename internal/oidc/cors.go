package oidc

import "net/http"

// A script in a browser is a public client. Only scripts from the origins of its redirect URIs may
// send requests. No response allows credentials, since no endpoint here authenticates by a cookie.

// preflight responds to OPTIONS requests and reports whether it did. A preflight contains no
// client_id, so it is allowed for the origins of all public clients; the response to the request
// itself is readable only for the origins of its client.
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

// allowOrigin allows scripts of a public client to read the response. Without a known client the
// response contains only an error or public data, which scripts of all public clients may read.
func (h *Handler) allowOrigin(w http.ResponseWriter, r *http.Request, client *Client) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if client == nil && h.cfg.Clients().origins[origin] || client != nil && client.hasOrigin(origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
	}
}
