package oidc

import (
	"net/http"
	"regexp"
	"slices"
)

// This file allows scripts of other origins to read responses (CORS). No response allows
// credentials, since no endpoint for scripts uses a cookie.

// preflight reports whether r is an OPTIONS request, and responds to it. A browser sends this
// request before a cross-origin request of a script. The origins of all clients are allowed.
// allowOrigin later checks the origin against the client, because a preflight does not contain the
// client_id.
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request, methods string) bool {
	if r.Method != http.MethodOptions {
		return false
	}
	header := w.Header()
	header.Add("Vary", "Origin")
	header.Add("Vary", "Access-Control-Request-Headers")
	if origin := r.Header.Get("Origin"); h.cfg.Clients().origins[origin] {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Methods", methods)
		header.Set("Access-Control-Allow-Headers", requestedHeaders(r))
		header.Set("Access-Control-Max-Age", "600")
	}
	header.Set("Allow", methods+", OPTIONS")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// headerNames matches a list of names of headers (RFC 9110, section 5.1).
var headerNames = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~, -]+$")

// requestedHeaders returns the names of the headers that a script wants to send. All of them
// are allowed. Libraries of apps add headers such as X-Requested-With, and the endpoints read only
// Authorization and Content-Type.
func requestedHeaders(r *http.Request) string {
	if names := r.Header.Get("Access-Control-Request-Headers"); headerNames.MatchString(names) {
		return names
	}
	return "Authorization, Content-Type"
}

// allowOrigin allows scripts of a client to read the response. A response without a client (nil)
// contains only an error or public data. Scripts of all clients may read it.
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

// hasOrigin reports whether a script from this origin may read responses to the client.
func (c *Client) hasOrigin(origin string) bool { return slices.Contains(c.scriptOrigins(), origin) }

// scriptOrigins returns the origins from which scripts may read responses to the client. They are
// Client.Origins, and for a public client also the origins of its redirect URIs. A confidential
// client sends its requests from a server: in a script, its secret would be public.
func (c *Client) scriptOrigins() []string {
	origins := slices.Clone(c.Origins)
	if !c.Public {
		return origins
	}
	for _, uri := range c.RedirectURIs {
		if o := originOf(uri); o != "" {
			origins = append(origins, o)
		}
	}
	return origins
}
