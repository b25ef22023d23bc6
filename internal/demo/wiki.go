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

// fact is one row of a page: the name of a header or setting, and its value. The name is not
// translated.
type fact struct{ Name, Value string }

// wiki returns a website without a sign-in of its own. It trusts the identity headers of a request
// (X-Weigate-…). That is safe, because all requests come from the proxy below.
func (a *app) wiki() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.wikiPage)
	mux.HandleFunc("GET /page", a.wikiPage)
	a.mountAssets(mux)
	mux.HandleFunc("/", a.notFound)
	return mux
}

// wikiPage shows the identity headers. Their values are percent-encoded, because headers are ASCII.
func (a *app) wikiPage(w http.ResponseWriter, r *http.Request) {
	p := page{Heading: "wiki", Inner: r.URL.Path != "/"}
	for _, name := range []string{
		"X-Weigate-User", "X-Weigate-Name", "X-Weigate-Openid", "X-Weigate-Unionid",
		"X-Weigate-Groups", "X-Weigate-Assertion",
	} {
		value := r.Header.Get(name)
		if text, err := url.PathUnescape(value); err == nil {
			value = text
		}
		if name == "X-Weigate-Assertion" && len(value) > 12 {
			value = value[:12] + "…" // a JWT, too long to read
		}
		p.Facts = append(p.Facts, fact{name, value})
	}
	a.show(w, r, http.StatusOK, "wiki", p)
}

// proxy is the reverse proxy in front of the wiki. Like nginx (auth_request), Traefik (forwardAuth)
// and Caddy (forward_auth), it checks every request with the gateway's /verify. It forwards an
// allowed request with the user's identity headers. For a request that is not allowed, it returns
// the response of /verify.
type proxy struct {
	gateway string       // URL of the gateway
	host    string       // host that browsers use, as in wiki.localhost:8080
	site    http.Handler // the wiki
	log     *slog.Logger

	client       *http.Client
	gatewayProxy *httputil.ReverseProxy // serves /.weigate/…, which belongs to the gateway on every host
}

func newProxy(gateway, address string, site http.Handler, log *slog.Logger) (*proxy, error) {
	to, err := url.Parse(gateway)
	if err != nil {
		return nil, fmt.Errorf("demo: gateway URL: %w", err)
	}
	p := &proxy{gateway: gateway, host: Host(address), site: site, log: log}
	p.client = &http.Client{
		Timeout: 10 * time.Second,
		// A redirect of /verify is for the browser, so the proxy does not follow it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.gatewayProxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			p.setForwarded(r.Out.Header, r.In)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { p.fail(w, r, err) },
	}
	return p, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/.weigate/") {
		p.gatewayProxy.ServeHTTP(w, r)
		return
	}
	verified, err := p.verify(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer verified.Body.Close()
	if verified.StatusCode != http.StatusOK {
		// The response is a redirect to the sign-in, or a page that gives the reason.
		for name, values := range verified.Header {
			if !isIdentity(name) {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(verified.StatusCode)
		_, _ = io.Copy(w, verified.Body) // an error here means that the browser has closed the connection
		return
	}
	allowed := r.Clone(r.Context())
	for name := range allowed.Header {
		if isIdentity(name) {
			allowed.Header.Del(name) // forged: only the gateway sets identity headers
		}
	}
	for name, values := range verified.Header {
		// The response of /verify has a header Cookie: the cookies of the request without the
		// gateway's. The wiki must not receive the gateway's cookies.
		if isIdentity(name) || name == "Cookie" {
			allowed.Header[name] = values
		}
	}
	p.site.ServeHTTP(w, allowed)
}

// isIdentity reports whether a header is one of the gateway's identity headers.
func isIdentity(name string) bool {
	return strings.HasPrefix(http.CanonicalHeaderKey(name), "X-Weigate-")
}

// verify sends a request to the gateway's /verify and returns the response. It passes on the
// headers that /verify reads. Accept, X-Requested-With and Sec-Fetch-… show /verify whether the
// request loads a page. /verify redirects to the sign-in only for a page.
func (p *proxy) verify(r *http.Request) (*http.Response, error) {
	check, err := http.NewRequestWithContext(r.Context(), http.MethodGet, p.gateway+"/verify", nil)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{
		"Accept", "Accept-Language", "Cookie", "User-Agent", "X-Requested-With",
		"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site",
	} {
		if values := r.Header.Values(name); len(values) > 0 {
			check.Header[name] = values
		}
	}
	p.setForwarded(check.Header, r)
	return p.client.Do(check)
}

// setForwarded sets the X-Forwarded headers. They describe the original request to the gateway.
// Values from the browser may be forged, so they are overwritten or deleted.
func (p *proxy) setForwarded(h http.Header, r *http.Request) {
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

func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, context.Canceled) {
		p.log.ErrorContext(r.Context(), "forward auth failed", "error", err)
	}
	http.Error(w, http.StatusText(http.StatusBadGateway), http.StatusBadGateway)
}
