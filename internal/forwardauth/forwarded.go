package forwardauth

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/weigate/weigate/internal/web"
)

// forwardedRequest is the request that a proxy asks about.
type forwardedRequest struct {
	site   *site
	target string // path and query, as cleanReturn leaves them
	method string
	nginx  bool // sent by auth_request, which passes on 401 and 403 only
}

var (
	errStranger = errors.New("the peer is not among trusted_proxies")
	errHost     = errors.New("no app has this host")
	errForm     = errors.New("the forwarded headers are missing or contradict each other")
)

// parseForwarded reads the request from the headers of a trusted proxy.
//
// Traefik and Caddy send X-Forwarded-Host, -Proto, -Uri and -Method; nginx sends what it is
// configured to, by custom X-Original-URL and X-Original-Method. Each passes on the other's headers
// when a client makes them up, so where both name a host they must name the same one: else a client
// could get the decision for one site at another.
func (h *Handler) parseForwarded(r *http.Request) (forwardedRequest, error) {
	var q forwardedRequest
	if !h.trusted(r) {
		return q, errStranger
	}
	host, ok := single(r, "X-Forwarded-Host")
	proto, ok2 := single(r, "X-Forwarded-Proto")
	original, ok3 := single(r, "X-Original-Url")
	if !ok || !ok2 || !ok3 || host == "" && original == "" {
		return q, errForm
	}
	if original == "" {
		q.target, _ = single(r, "X-Forwarded-Uri")
		q.method, _ = single(r, "X-Forwarded-Method")
	} else {
		scheme, at, target, found := cutURL(original)
		if !found {
			return q, errForm
		}
		if host != "" && h.names[strings.ToLower(host)] != h.names[strings.ToLower(at)] {
			return q, errForm
		}
		host, proto, q.target, q.nginx = at, scheme, target, true
		q.method, _ = single(r, "X-Original-Method")
	}
	if q.site = h.site(host, proto); q.site == nil {
		return q, errHost
	}
	return q, nil
}

// single returns a header that may occur once. A second one, or a list, was added on the way.
func single(r *http.Request, name string) (string, bool) {
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

// site returns the site of a host: exactly, with its port, in any case; nil when no app has it.
func (h *Handler) site(host, proto string) *site {
	p, found := h.names[host]
	if !found {
		p = h.names[strings.ToLower(host)]
	}
	switch proto {
	case "http", "ws":
		if p.http != nil {
			return p.http
		}
	case "": // no scheme given; plain http exists only on loopback, or with Config.Insecure
		if p.http != nil {
			return p.http
		}
	}
	return p.https // a browser on plain http is redirected to https, where the cookie is
}

func (h *Handler) trusted(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	peer := at.Addr().Unmap()
	for _, p := range h.cfg.TrustedProxies {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}

// hosted returns the site that a request to /.weigate/ is for. The forwarded headers of an
// untrusted peer are not read; its Host is what the browser sent.
func (h *Handler) hosted(r *http.Request) *site {
	host, proto := r.Host, ""
	if r.TLS != nil {
		proto = "https"
	}
	if h.trusted(r) {
		forwarded, ok := single(r, "X-Forwarded-Host")
		by, ok2 := single(r, "X-Forwarded-Proto")
		if !ok || !ok2 {
			return nil
		}
		if forwarded != "" {
			host = forwarded
		}
		if by != "" {
			proto = by
		}
	}
	return h.site(host, proto)
}

// onHost serves f on the hosts of apps, and not found elsewhere.
func (h *Handler) onHost(f func(http.ResponseWriter, *http.Request, *site)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		privately(w)
		s := h.hosted(r)
		if s == nil {
			h.cfg.Site.Show(w, r, web.Page{Kind: web.NotFound})
			return
		}
		f(w, r, s)
	}
}

// privately keeps a response out of caches, and its address out of Referer. The host is not the
// gateway's, so headers for the gateway's whole host are removed.
func privately(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Del("Strict-Transport-Security")
}

// maxReturn keeps a return address, encoded twice on its way, within what sign-in carries.
const maxReturn = 1000

// cleanReturn returns a path of the same host, in the plain spelling that every browser reads
// alike. A path that could be read in two ways becomes "/".
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

const hexDigits = "0123456789ABCDEF"

func escape(out *strings.Builder, c byte) {
	out.WriteByte('%')
	out.WriteByte(hexDigits[c>>4])
	out.WriteByte(hexDigits[c&15])
}
