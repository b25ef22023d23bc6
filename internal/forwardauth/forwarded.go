package forwardauth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

// forwardedRequest is a browser's request to a site, as the site's proxy describes it to the
// gateway. A site is one host of a protected app, with one scheme.
type forwardedRequest struct {
	site   *site
	target string // path and query as the browser sent them; cleanReturn must check it before a redirect
	method string

	// The proxy is nginx. Its auth_request passes on neither a redirect nor a page to the browser,
	// only the statuses 401 and 403. After such a status, nginx requests pathDenied (error_page), and
	// passes that response on.
	nginx bool
}

var (
	errUntrusted = errors.New("the peer is not among trusted_proxies")
	errHost      = errors.New("no app has this host")
	errOwnHost   = errors.New("the host is the gateway's own: the proxy must send the host of the site")
	errHeaders   = errors.New("the forwarded headers are missing or contradict each other")
)

// parseForwarded reads the original request from the headers of a trusted proxy.
//
// Traefik and Caddy send X-Forwarded-Host, -Proto, -Uri and -Method; nginx sends X-Original-URL and
// X-Original-Method when it is configured as documented. A proxy passes on headers that it does not
// know: a client behind Traefik can send X-Original-URL. If a request has both kinds of headers,
// they must name the same host. Otherwise a client could get the decision for another site.
func (h *Handler) parseForwarded(r *http.Request) (forwardedRequest, error) {
	var req forwardedRequest
	if !h.trusted(r) {
		return req, errUntrusted
	}
	host, hostOK := single(r, "X-Forwarded-Host")
	proto, protoOK := single(r, "X-Forwarded-Proto")
	original, originalOK := single(r, "X-Original-Url")
	if !hostOK || !protoOK || !originalOK || host == "" && original == "" {
		return req, errHeaders
	}
	if original == "" {
		req.target, _ = single(r, "X-Forwarded-Uri")
		req.method, _ = single(r, "X-Forwarded-Method")
	} else {
		originalProto, originalHost, target, found := cutURL(original)
		if !found {
			return req, errHeaders
		}
		if host != "" && !h.sites.find(strings.ToLower(host)).equal(h.sites.find(strings.ToLower(originalHost))) {
			return req, errHeaders
		}
		host, proto = originalHost, originalProto
		req.target, req.nginx = target, true
		req.method, _ = single(r, "X-Original-Method")
	}
	switch req.site = h.site(host, proto); {
	case req.site != nil:
	case strings.EqualFold(host, h.host):
		// A proxy that forwards the request for /verify with the Host of the gateway. With this host,
		// the gateway would be the return address (tinyauthapp/tinyauth#384).
		return req, errOwnHost
	default:
		return req, errHost
	}
	return req, nil
}

// single returns the value of a header, "" if it is missing. ok is false when it occurs several
// times: the client may have added a value.
func single(r *http.Request, name string) (value string, ok bool) {
	switch v := r.Header[name]; len(v) {
	case 0:
		return "", true
	case 1:
		return v[0], true
	}
	return "", false
}

// cutURL splits an address. target is the path with the query, exactly as the client sent it.
func cutURL(address string) (scheme, host, target string, ok bool) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "", "", "", false
	}
	i := strings.IndexAny(rest, "/?#")
	if i < 0 {
		return scheme, rest, "/", true
	}
	return scheme, rest[:i], rest[i:], true
}

// site returns the site of a host and a scheme (proto), or nil if there is none. Hosts are compared
// with their port and without regard to case. A site with the scheme http exists only on loopback,
// or with Config.Insecure.
func (h *Handler) site(host, proto string) *site {
	sites := h.sites.find(strings.ToLower(host))
	plain := proto == "http" || proto == "ws" || proto == "" // "" = the proxy names no scheme
	if plain && sites.http != nil {
		return sites.http
	}
	// If the host has no http site, a request by plain http gets the https site. The browser sends no
	// cookie by http, since the cookie is Secure. So the gateway redirects it to sign in by https.
	return sites.https
}

// trusted reports whether the peer that sent r is one of Config.TrustedProxies.
func (h *Handler) trusted(r *http.Request) bool {
	return route.Contains(h.cfg.TrustedProxies, route.Peer(r))
}

// siteOf returns the site of a request to /.weigate/, or nil. If a trusted proxy sent the request,
// the forwarded headers determine the site. Otherwise the Host header and TLS determine it.
func (h *Handler) siteOf(r *http.Request) *site {
	host, proto := r.Host, ""
	if r.TLS != nil {
		proto = "https"
	}
	if h.trusted(r) {
		forwardedHost, hostOK := single(r, "X-Forwarded-Host")
		forwardedProto, protoOK := single(r, "X-Forwarded-Proto")
		if !hostOK || !protoOK {
			return nil
		}
		if forwardedHost != "" {
			host = forwardedHost
		}
		if forwardedProto != "" {
			proto = forwardedProto
		}
	}
	return h.site(host, proto)
}

// onHost returns a handler that calls f on the hosts of apps; on other hosts it responds with 404.
func (h *Handler) onHost(f func(http.ResponseWriter, *http.Request, *site)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		setHostHeaders(w)
		s := h.siteOf(r)
		if s == nil {
			h.cfg.Site.Show(w, r, web.Page{Kind: web.NotFound})
			return
		}
		f(w, r, s)
	}
}

// setHostHeaders sets the headers of a response on the host of a site. They keep the response out
// of caches, and its address out of the header Referer. setHostHeaders removes
// Strict-Transport-Security, since the host is not the gateway's.
func setHostHeaders(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Del("Strict-Transport-Security")
}
