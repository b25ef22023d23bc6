package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// proxy is the reverse proxy in front of the wiki. It does what nginx (auth_request), Traefik (forwardAuth) and Caddy (forward_auth) do: it asks the
// gateway about every request, passes on only those that the gateway lets through, and tells the site behind it who is there.
type proxy struct {
	gateway string // address of the gateway
	host    string // that browsers use, as in wiki.localhost:8080
	site    http.Handler
	log     *slog.Logger

	client *http.Client
	own    *httputil.ReverseProxy // for /.weigate/…, which is the gateway's on every host
}

func newProxy(gateway, address string, site http.Handler, log *slog.Logger) (*proxy, error) {
	to, err := url.Parse(gateway)
	if err != nil {
		return nil, fmt.Errorf("demo: the address of the gateway: %w", err)
	}
	p := &proxy{gateway: gateway, host: Host(address), site: site, log: log}
	p.client = &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.own = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			p.forwarded(r.Out.Header, r.In)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { p.broken(w, r, err) },
	}
	return p, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/.weigate/") {
		p.own.ServeHTTP(w, r)
		return
	}
	answer, err := p.ask(r)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		// Not let in: the browser gets what the gateway says, a redirect to sign in or a page with the reason.
		for name, values := range answer.Header {
			if !isIdentity(name) {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body) // the browser is gone, or has all of it
		return
	}
	inside := r.Clone(r.Context())
	for name := range inside.Header {
		if isIdentity(name) {
			inside.Header.Del(name) // a visitor's own claim
		}
	}
	for name, values := range answer.Header {
		if isIdentity(name) || name == "Cookie" { // the visitor's cookies without the gateway's
			inside.Header[name] = values
		}
	}
	p.site.ServeHTTP(w, inside)
}

func isIdentity(name string) bool {
	return strings.HasPrefix(http.CanonicalHeaderKey(name), "X-Weigate-")
}

// ask asks the gateway about a request.
func (p *proxy) ask(r *http.Request) (*http.Response, error) {
	q, err := http.NewRequestWithContext(r.Context(), http.MethodGet, p.gateway+"/verify", nil)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Accept", "Accept-Language", "Cookie", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "User-Agent", "X-Requested-With"} {
		if values := r.Header.Values(name); len(values) > 0 {
			q.Header[name] = values
		}
	}
	p.forwarded(q.Header, r)
	return p.client.Do(q)
}

// forwarded says in a proxy's words what was asked, and by whom. What the visitor sent under these names counts for nothing.
func (p *proxy) forwarded(h http.Header, r *http.Request) {
	h.Set("X-Forwarded-Method", r.Method)
	h.Set("X-Forwarded-Proto", "http")
	h.Set("X-Forwarded-Host", p.host)
	h.Set("X-Forwarded-Uri", r.URL.RequestURI())
	h.Del("X-Forwarded-For")
	h.Del("Forwarded")
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		h.Set("X-Forwarded-For", peer.Addr().Unmap().String())
	}
}

func (p *proxy) broken(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, context.Canceled) {
		p.log.ErrorContext(r.Context(), "proxy", "error", err)
	}
	http.Error(w, http.StatusText(http.StatusBadGateway), http.StatusBadGateway)
}
