package forwardauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

// browser is a browser with cookies by host, which opens pages through a proxy.
type browser struct {
	e       *fixture
	through http.Handler
	cookies map[string]map[string]string // host → name → value
	hops    []string
}

func (e *fixture) browser(gatewayCookie string) *browser {
	b := &browser{e: e, through: e.handler, cookies: map[string]map[string]string{}}
	if gatewayCookie != "" {
		b.put("login.example.com", "__Host-gateway", gatewayCookie)
	}
	return b
}

func (b *browser) put(host, name, value string) {
	if b.cookies[host] == nil {
		b.cookies[host] = map[string]string{}
	}
	b.cookies[host][name] = value
}

// request is what the browser sends to an address, as the proxy in front of us passes it on.
func (b *browser) request(method, address string) *http.Request {
	u, err := url.Parse(address)
	if err != nil {
		b.e.t.Fatal(err)
	}
	r := httptest.NewRequest(method, address, nil)
	r.RemoteAddr = proxyAddr
	r.TLS = nil
	r.Header.Set("X-Forwarded-Host", u.Host)
	r.Header.Set("X-Forwarded-Proto", u.Scheme)
	r.Header.Set("Accept", "text/html")
	var all []string
	for name, value := range b.cookies[u.Hostname()] {
		all = append(all, name+"="+value)
	}
	if len(all) > 0 {
		r.Header.Set("Cookie", strings.Join(all, "; "))
	}
	return r
}

// send sends a request and keeps the cookies of the answer.
func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.through.ServeHTTP(w, r)
	b.checkSizes(r, w)
	u := &url.URL{Host: r.Host}
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies[u.Hostname()], c.Name)
			continue
		}
		b.put(u.Hostname(), c.Name, c.Value)
	}
	return w
}

// checkSizes fails the test if nginx, with its default buffers, would refuse the request or the
// response: 8 kB for a line of a request, and 4 kB for the headers of a response.
func (b *browser) checkSizes(r *http.Request, w *httptest.ResponseRecorder) {
	b.e.t.Helper()
	if n := len("GET  HTTP/1.1\r\n") + len(r.URL.RequestURI()); n > 8<<10 {
		b.e.t.Errorf("a request line of %d bytes: %.100s", n, r.URL)
	}
	var header strings.Builder
	if err := w.Header().Write(&header); err != nil {
		b.e.t.Error(err)
	}
	if header.Len() > 3500 { // net/http adds some
		b.e.t.Errorf("response headers of %d bytes: %.200s", header.Len(), header.String())
	}
}

// open opens an address of the gateway and follows redirects until the response is not a redirect,
// or leads to an address outside the gateway.
func (b *browser) open(address string) *httptest.ResponseRecorder {
	b.e.t.Helper()
	for range 12 {
		b.hops = append(b.hops, address)
		w := b.send(b.request(http.MethodGet, address))
		location := w.Header().Get("Location")
		if location == "" && webtest.Kind(w.Body.String()) == web.Continue { // a redirect to a long address
			location = webtest.Read(b.e.t, w.Body.String()).Refresh
		}
		if location == "" {
			return w
		}
		next, err := url.Parse(location)
		if err != nil {
			b.e.t.Fatal(err)
		}
		from, _ := url.Parse(address)
		address = from.ResolveReference(next).String()
		if path := next.Path; !strings.HasPrefix(path, "/.weigate/") && path != "/forward-auth" &&
			!strings.HasPrefix(path, "/continue/") {
			b.hops = append(b.hops, address)
			return w
		}
	}
	b.e.t.Fatalf("the browser goes in a circle: %v", b.hops)
	return nil
}

// at is where the browser ended.
func (b *browser) at() string { return b.hops[len(b.hops)-1] }

// in signs the browser in on a host.
func (b *browser) in(origin string) *browser {
	b.e.t.Helper()
	w := b.open(origin + "/.weigate/start?return=/page")
	if b.at() != origin+"/page" || w.Code != http.StatusSeeOther {
		b.e.t.Fatalf("the browser is at %v: %d %s", b.hops, w.Code, w.Body)
	}
	return b
}

// verify asks about a page of an address, as Traefik and Caddy do.
func (b *browser) verify(address string, more ...string) *httptest.ResponseRecorder {
	b.e.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.e.t.Fatal(err)
	}
	r := b.request(http.MethodGet, address)
	r.Host, r.URL.Path, r.URL.RawQuery, r.RequestURI = "gateway.internal:8080", "/verify", "", "/verify"
	r.Header.Set("X-Forwarded-Uri", u.RequestURI())
	r.Header.Set("X-Forwarded-Method", http.MethodGet)
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] == "" {
			r.Header.Del(more[i])
			continue
		}
		r.Header.Set(more[i], more[i+1])
	}
	w := httptest.NewRecorder()
	b.through.ServeHTTP(w, r)
	return w
}
