package relyingparty_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

// guarded is a site behind a real proxy with forward auth, and the gateway that the proxy asks.
type guarded struct {
	*gatewayFixture
	t      *testing.T
	site   *upstream
	origin string // https://wiki.localhost:PORT
	host   string
	port   string
	client *http.Client

	gatewayURL string
	open       *httptest.Server // the proxy of another site, at open.localhost, where everybody may be who is signed in
}

const verifyCache = time.Second

func guard(t *testing.T, kind proxied) *guarded {
	t.Helper()
	w := newFixture(t)
	w.front.limitHeaders()
	g := &guarded{gatewayFixture: w, t: t, site: newUpstream(t)}
	address := fixture.Address(t)
	_, g.port, _ = net.SplitHostPort(address)
	g.host = "wiki.localhost:" + g.port
	g.origin = "https://" + g.host
	g.open = g.otherProxy()
	secret := filepath.Join(w.dir, "wechat.secret")
	write(t, secret, leaktest.Secret)
	example := map[string]string{"nginx": "nginx-auth"}[kind.name]
	if example == "" {
		example = kind.name
	}
	w.serve(w.adapted(filepath.Join("..", "..", "examples", example, "weigate.yaml"), "hosts: [wiki.example.com]",
		"hosts: ["+g.host+"]\n    preflight: true",
		"/run/secrets/wechat", secret, "\napps:\n", g.websiteConnector()+"\napps:\n",
		"verify_cache: 5s", "verify_cache: "+verifyCache.String()) +
		"\n  - {id: open, kind: forward_auth, name: Open, hosts: [" + g.openHost() + "], access: signed_in}\n" +
		g.wildcardApps())
	g.gatewayURL = w.gateway.await(`(?s)listens on +(http://\S+).*Ctrl-C stops it`)[1]
	kind.run(t, place{address: address, host: g.host, gateway: g.gatewayURL, site: g.site.url})
	g.client = &http.Client{
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+g.port)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return g
}

// otherProxy serves the gateway's side of a site that is nobody's business here, but for who has a
// session on it.
func (g *guarded) otherProxy() *httptest.Server {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		g.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/.weigate/") {
			fmt.Fprint(w, "open")
			return
		}
		r.Header.Set("X-Forwarded-Proto", "https")
		httputil.NewSingleHostReverseProxy(parsed(g.t, g.gatewayURL)).ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	g.t.Cleanup(server.Close)
	return server
}

func (g *guarded) openHost() string {
	_, port, _ := net.SplitHostPort(g.open.Listener.Addr().String())
	return "open.localhost:" + port
}

// answer is the response to a request.
type answer struct {
	status  int
	header  http.Header
	body    string
	headers http.Header // what the site was sent; nil = it was not reached
}

// ask sends a request to the host with a phone's cookies (nil = nobody's), and headers.
func (g *guarded) ask(p *phone, method, path string, headers ...string) answer {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.origin+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	if p != nil {
		for _, c := range p.Cookies(g.origin + "/") {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		r.AddCookie(&http.Cookie{Name: "theme", Value: "dark"})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]} // as it is spelt
	}
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	out := answer{status: res.StatusCode, header: res.Header, body: string(body)}
	var told struct{ Headers http.Header }
	if res.StatusCode == http.StatusOK && json.Unmarshal(body, &told) == nil {
		out.headers = told.Headers
	}
	return out
}

// signedIn opens a page as somebody who is signed out, and comes back to it.
func (g *guarded) signedIn(person string) phone {
	g.t.Helper()
	p := g.phone(person)
	page := p.Visit(g.origin + "/page?x=1&y=%2F")
	p.wantPage("waiting") // access: approved
	g.approve(page)
	p.Must(p.Follow(g.t.Context(), "go"))
	p.wantPage("profile")
	p.Must(p.Follow(g.t.Context(), "go"))
	page = p.Must(p.Allow(g.t.Context()))
	if page.URL != g.origin+"/page?x=1&y=%2F" || !strings.Contains(page.Body, `"path":"/page?x=1\u0026y=%2F"`) {
		g.t.Fatalf("the phone shows %d at %s, by %v\n%s", page.Status, page.URL, page.Hops, page.Body)
	}
	return p
}

// approve does what an administrator does with the id that the waiting person tells them.
func (g *guarded) approve(page *wechattest.Page) {
	g.t.Helper()
	_, rest, found := strings.Cut(page.Body, `<code id="user-id" translate="no">`)
	id, _, _ := strings.Cut(rest, "<")
	if !found || id == "" {
		g.t.Fatalf("the page shows no account:\n%s", page.Body)
	}
	run(g.t, g.weigate("user", "approve", id))
}

// TestProxyProtectsASite takes each proxy, with the configuration in examples, through signing in,
// being somebody, and being nobody.
func TestProxyProtectsASite(t *testing.T) {
	t.Parallel()
	for _, kind := range proxies {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			g := guard(t, kind)
			g.programsHear401()
			g.preflightPasses()
			alice := g.signedIn("alice")
			for _, c := range alice.Cookies(g.origin + "/") {
				if c.Name != "__Host-weigate-auth" {
					t.Errorf("cookie %s is left on the host", c.Name)
				}
			}
			id := g.siteIsTold(&alice)
			g.noPathLeadsAround()
			g.noOtherNameLeadsIn()
			g.signsOutAndInAgain(alice)
			g.deepLinksComeBack(alice)
			if kind.name != "traefik" {
				g.wildcardHosts(alice)
			}
			g.blockedWithinTheCache(alice, id)
		})
	}
}

func (g *guarded) programsHear401() {
	g.t.Helper()
	for name, headers := range map[string][]string{
		"API call": {"Accept", "application/json"},
		"WebSocket": {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key",
			"x3JJHMbDL1EzLkh9GBhXDw==", "Accept", "*/*"},
		"fetch": {"Accept", "*/*", "Sec-Fetch-Mode", "cors"},
	} {
		if got := g.ask(nil, http.MethodGet, "/api", headers...); got.status != http.StatusUnauthorized ||
			got.header.Get("Location") != "" || !strings.Contains(got.body, "not_signed_in") {
			g.t.Errorf("%s: %d %v %s", name, got.status, got.header, got.body)
		}
	}
	got := g.ask(nil, http.MethodGet, "/page", "Accept", "text/html")
	if at := got.header.Get("Location"); got.status != http.StatusFound ||
		at != g.origin+"/.weigate/start?return="+url.QueryEscape("/page") {
		g.t.Errorf("a page: %d, to %q", got.status, at)
	}
	if got := g.ask(nil, http.MethodGet, "/.weigate/verify", "X-Original-Url", g.origin+"/"); got.status == http.StatusOK {
		g.t.Errorf("the question of the proxy can be asked from outside: %d %v", got.status, got.header)
	}
	if reached := g.site.reached(); len(reached) > 0 {
		g.t.Errorf("the site was asked for %v", reached)
	}
}

// siteIsTold looks at what the site is sent for a visitor who sends made-up headers along.
func (g *guarded) siteIsTold(p *phone) (account string) {
	g.t.Helper()
	got := g.ask(p, http.MethodGet, "/page", "Accept", "text/html", "X-Weigate-User", "root", "X-Weigate-Groups", "admins",
		"X-Weigate-Name", "root", "X-Weigate-Unionid", "u",
		"X_weigate_user", "root", "x_weigate_user", "root", "X-WEIGATE-USER", "root", "x-weigate-groups", "admins",
		"X-Weigate-Admin", "1",
		"X-Forwarded-Host", "elsewhere.example", "X-Forwarded-Uri", "/other")
	if got.headers == nil {
		g.t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	for name := range got.headers {
		if strings.Contains(strings.ToLower(name), "weigate_") || strings.Contains(strings.ToLower(name), "_weigate") {
			g.t.Errorf("the site is sent %s", name)
		}
	}
	h := got.headers
	appid := g.account.AppID
	for name, want := range map[string]string{"X-Weigate-Name": "Alice",
		"X-Weigate-Openid": g.wechat.OpenID(appid, "alice"), "X-Weigate-Groups": "", "Cookie": "theme=dark"} {
		if got := strings.Join(h[name], ","); got != want {
			g.t.Errorf("the site is told %s %q, want %q", name, got, want)
		}
	}
	if id := h.Get("X-Weigate-User"); len(h["X-Weigate-User"]) != 1 || len(id) != 26 ||
		strings.Count(h.Get("X-Weigate-Assertion"), ".") != 2 {
		g.t.Errorf("the site is told %v", h)
	}
	for _, c := range p.Cookies(g.origin + "/") { // the visitor's only cookie
		if got := g.ask(p, http.MethodGet, "/page", "Cookie", c.Name+"="+c.Value); got.headers == nil ||
			got.headers.Get("Cookie") != "" || got.headers["X-Weigate-Cookie"] != nil {
			g.t.Errorf("the site is sent a key to itself: %v", got.headers)
		}
	}
	// A visitor's own cookies of 5 kB, around the gateway's, behind a proxy with default buffers
	// (kubernetes/ingress-nginx#2427).
	for _, c := range p.Cookies(g.origin + "/") {
		first, second := "a="+strings.Repeat("1", 2500), "b="+strings.Repeat("2", 2500)
		own := c.Name + "=" + c.Value + "; __Host-weigate-auth-nonce=x"
		for _, cookies := range []string{first + "; " + own + "; " + second, own + "; " + first + "; " + second,
			first + "; " + second + "; " + own} {
			if got := g.ask(p, http.MethodGet, "/page", "Cookie", cookies); got.headers == nil ||
				got.headers.Get("Cookie") != first+"; "+second {
				g.t.Errorf("with large cookies: %d, the site is sent %d bytes", got.status, len(got.headers.Get("Cookie")))
			}
		}
	}
	if got := g.ask(p, http.MethodPost, "/form"); got.headers == nil {
		g.t.Errorf("a form: %d %s", got.status, got.body)
	}
	g.site.reached()
	return h.Get("X-Weigate-User")
}

// noPathLeadsAround sends paths as no browser writes them, with nobody's cookies. None of them
// reaches the site.
func (g *guarded) noPathLeadsAround() {
	g.t.Helper()
	for _, path := range []string{
		"/.weigate/../page", "/.weigate/start/../../page", "/.weigate/%2e%2e/page", "/.weigate/..%2fpage",
		"/.weigate/..%5cpage", `/.weigate/..\page`, "//.weigate/../page",
		"/.weigate;/page", "/.weigate/;/../page", "/.weigate/start;x/../../page", "/.weigate%2f..%2fpage",
		"/%2eweigate/../page", "/.WEIGATE/../page", "/.weigate/./../page",
		"/page/.weigate/start", "/page?/.weigate/start", "/page#/.weigate/start", "/.weigate/refused/../../page",
		"/.weigate/verify/../../page", "/verify", "//page", "/./page",
		"https://" + g.host + "/page", "http://elsewhere.example/.weigate/start", "/page%00/.weigate/", "/.weigate\t/page",
	} {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+g.port, &tls.Config{ServerName: "wiki.localhost"})
		if err != nil {
			g.t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nConnection: close\r\n\r\n", path, g.host)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			if res.StatusCode == http.StatusOK && res.Header.Get("Content-Type") == "application/json" {
				g.t.Errorf("%s is answered by the site", path)
			}
			if to := res.Header.Get("Location"); strings.Contains(to, "elsewhere") {
				g.t.Errorf("%s leads to %s", path, to)
			}
			res.Body.Close()
		}
		conn.Close()
	}
	if reached := g.site.reached(); len(reached) > 0 {
		g.t.Errorf("the site was asked for %v", reached)
	}
}

// noOtherNameLeadsIn has somebody who may use another site ask for this one under the other's name,
// with the other's cookie. A proxy that tells the gateway the name that the visitor gave gets an
// answer for the other site.
func (g *guarded) noOtherNameLeadsIn() {
	g.t.Helper()
	bob, other := g.phone("bob"), g.openHost()
	if page := bob.signIn("https://" + other + "/.weigate/start?return=%2Fin"); page.Body != "open" {
		g.t.Fatalf("the phone is at %s: %s", page.URL, page.Body)
	}
	var cookie string
	for _, c := range bob.Cookies("https://" + other + "/") {
		cookie += c.Name + "=" + c.Value + "; "
	}
	if !strings.Contains(cookie, "__Host-weigate-auth=") {
		g.t.Fatalf("cookies of the other site: %s", cookie)
	}
	ask := func(line, host, more string) {
		g.t.Helper()
		conn, err := tls.Dial("tcp", "127.0.0.1:"+g.port, &tls.Config{ServerName: "wiki.localhost"})
		if err != nil {
			g.t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%sAccept: text/html\r\nCookie: %s\r\nConnection: close\r\n\r\n",
			line, host, more, cookie)
		_, _ = io.Copy(io.Discard, conn) // whatever the answer is: the site must not have been asked
		if reached := g.site.reached(); len(reached) > 0 {
			g.t.Errorf("%q, Host %s, %q: the site was asked for %v", line, host, more, reached)
		}
	}
	ask("/page", other, "")
	ask("https://"+g.host+"/page", other, "")
	ask("https://"+other+"/page", g.host, "")
	ask("/page", g.host, "Host: "+other+"\r\n")
	ask("/page", g.host, "X-Forwarded-Host: "+other+"\r\n")
	ask("/page", g.host, "X-Original-URL: https://"+other+"/page\r\n")
	ask("/page", g.host, "X-Original-URL: https://"+other+"/page\r\nX-Forwarded-Host: "+other+"\r\n")
}

func (g *guarded) signsOutAndInAgain(p phone) {
	g.t.Helper()
	p.Visit(g.origin + "/.weigate/sign-out")
	p.wantPage("host_sign_out")
	p.Must(p.Submit(g.t.Context(), "", nil))
	p.wantPage("host_signed_out")
	if got := g.ask(&p, http.MethodGet, "/page", "Accept", "application/json"); got.status != http.StatusUnauthorized {
		g.t.Errorf("signed out of the host: %d %s", got.status, got.body)
	}
	// The gateway still knows them.
	if page := p.Visit(g.origin + "/again"); page.URL != g.origin+"/again" || page.Status != http.StatusOK {
		g.t.Errorf("the phone is at %s, %d, by %v", page.URL, page.Status, page.Hops)
	}
	g.site.reached()
}

// blockedWithinTheCache blocks a person who is signed in, and counts the seconds.
func (g *guarded) blockedWithinTheCache(p phone, account string) {
	g.t.Helper()
	if got := g.ask(&p, http.MethodGet, "/page", "Accept", "text/html"); got.headers == nil {
		g.t.Fatalf("before the block: %d %s", got.status, got.body)
	}
	run(g.t, g.weigate("user", "block", account))
	began := time.Now()
	for {
		sent := time.Now() // a request before the cache expired may get the old response
		got := g.ask(&p, http.MethodGet, "/page", "Accept", "text/html")
		if got.status == http.StatusForbidden && strings.Contains(got.body, ` id="blocked"`) {
			break
		}
		if got.headers == nil || sent.Sub(began) > verifyCache {
			g.t.Fatalf("%s after the block: %d %s", sent.Sub(began), got.status, got.body)
		}
	}
	if got := g.ask(&p, http.MethodGet, "/api", "Accept", "application/json"); got.status != http.StatusForbidden ||
		!strings.Contains(got.body, `"blocked"`) {
		g.t.Errorf("a program of somebody who is blocked: %d %s", got.status, got.body)
	}
}
