package forwardauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/weigate/weigate/internal/web"
)

// forwardedRequest is the original request of a browser, for which a proxy requests a decision.
type forwardedRequest struct {
	site   *site
	target string // path and query, as the browser sent them; see cleanReturn
	method string
	nginx  bool // sent by auth_request, which passes on 401 and 403 only
}

var (
	errUntrusted = errors.New("the peer is not among trusted_proxies")
	errHost      = errors.New("no app has this host")
	errHeaders   = errors.New("the forwarded headers are missing or contradict each other")
)

// parseForwarded reads the original request from the headers of a trusted proxy.
//
// Traefik and Caddy send X-Forwarded-Host, -Proto, -Uri and -Method; nginx sends X-Original-URL and
// X-Original-Method when it is configured as documented. A proxy of one kind passes on the headers
// of the other kind if a client sends them. So when both contain a host, they must belong to the
// same app: otherwise a client could get the decision for another site.
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
		if host != "" && h.byHost[strings.ToLower(host)] != h.byHost[strings.ToLower(originalHost)] {
			return req, errHeaders
		}
		host, proto = originalHost, originalProto
		req.target, req.nginx = target, true
		req.method, _ = single(r, "X-Original-Method")
	}
	if req.site = h.site(host, proto); req.site == nil {
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

// cutURL splits an address; its path stays as the client sent it.
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

// site returns the site of a host and a scheme (proto), or nil when no app has the host. A site is one
// host of an app with one scheme. Hosts are compared with their port and without regard to case. An
// app has a host on plain http only on loopback, or with Config.Insecure.
func (h *Handler) site(host, proto string) *site {
	sites, found := h.byHost[host] // browsers send the host in lower case, so this saves the conversion
	if !found {
		sites = h.byHost[strings.ToLower(host)]
	}
	plain := proto == "http" || proto == "ws" || proto == ""
	if plain && sites.http != nil {
		return sites.http
	}
	return sites.https // also for plain http: the browser is then redirected to https, where the cookie is
}

// trusted reports whether the peer that sent r is one of Config.TrustedProxies.
func (h *Handler) trusted(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	peer := remote.Addr().Unmap()
	for _, p := range h.cfg.TrustedProxies {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}

// siteOf returns the site of a request to /.weigate/, or nil. The forwarded headers are read from a
// trusted proxy only; of any other peer the Host header is used.
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
		setPrivateOnHost(w)
		s := h.siteOf(r)
		if s == nil {
			h.cfg.Site.Show(w, r, web.Page{Kind: web.NotFound})
			return
		}
		f(w, r, s)
	}
}

// setPrivateOnHost keeps a response out of caches, and its address out of the header Referer. It
// also removes Strict-Transport-Security, since the host is not the gateway's.
func setPrivateOnHost(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Del("Strict-Transport-Security")
}

// maxReturn is the greatest length of a return path, in bytes. The return address of a sign-in may
// have session.MaxReturn bytes, and contains this path percent-encoded, which makes it longer.
// beginSignIn replaces a path that is too long even so by "/".
const maxReturn = 1000

// cleanReturn returns a path of the same host in a form that all browsers parse alike. A path that
// some of them parse differently becomes "/".
func cleanReturn(target string) string {
	target, _, _ = strings.Cut(target, "#")
	if !strings.HasPrefix(target, "/") || len(target) > maxReturn {
		return "/"
	}
	var out strings.Builder
	for _, c := range []byte(target) {
		switch {
		case c <= ' ' || c == 0x7f || c == '\\':
			return "/"
		case c > 0x7f || c == '"' || c == '<' || c == '>':
			escape(&out, c)
		default:
			out.WriteByte(c)
		}
	}
	clean := "/" + strings.TrimLeft(out.String(), "/") // never "//host"
	u, err := url.ParseRequestURI(clean)
	if err != nil || len(clean) > maxReturn || strings.ContainsAny(u.Path, "\\\x00\r\n") {
		return "/"
	}
	if at := path.Clean(u.Path) + "/"; strings.HasPrefix(at, hostPrefix) {
		return "/" // the gateway's own addresses are not return addresses
	}
	return clean
}

// escape writes a byte percent-encoded.
func escape(out *strings.Builder, c byte) { fmt.Fprintf(out, "%%%02X", c) }
