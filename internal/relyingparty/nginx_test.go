package relyingparty_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat/wechattest"
)

// neighbour is the site at the root of the host: it has cookies of its own, and is an app of the
// gateway below the same host.
type neighbour struct {
	*fixture.App
	mu      sync.Mutex
	paths   []string
	cookies []string // names of cookies that came with requests
}

func (n *neighbour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.paths = append(n.paths, r.URL.Path)
	for _, c := range r.Cookies() {
		n.cookies = append(n.cookies, c.Name)
	}
	n.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "neighbour", Value: "1", Path: "/", Secure: true, HttpOnly: true})
	n.App.ServeHTTP(w, r)
}

// nginx runs nginx with what "weigate proxy nginx" prints for a gateway below /login of another site. It
// returns the address of the host.
func nginx(t *testing.T, site string, gateway string) string {
	t.Helper()
	p := place{address: fixture.Address(t), gateway: gateway, site: site}
	host := "https://" + p.address
	serveNginx(t, printed(t, "nginx", p, host+"/login"), p.address, fixture.Address(t))
	return host
}

// portOf returns the port of an address.
func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// serveNginx runs nginx with the given servers. They listen on the addresses, of which the last is for
// plain HTTP, in place of all addresses of the machine.
func serveNginx(t *testing.T, server string, addresses ...string) {
	t.Helper()
	plain := len(addresses) - 1
	server = replaced(t, server, "listen 80;", "listen "+addresses[plain]+";")
	for _, address := range addresses[:plain] {
		server = replaced(t, server, "listen "+portOf(address)+" ssl;", "listen "+address+" ssl;")
	}
	program, dir := tool(t, "nginx"), t.TempDir()
	write(t, filepath.Join(dir, "nginx.conf"), `daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
`+server+"}\n")
	cmd := command(dir, program, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	inherited := "NGINX=" // the listeners that nginx inherits; the first extra file is 3
	for i, address := range addresses {
		cmd.ExtraFiles = append(cmd.ExtraFiles, listener(t, address))
		inherited += fmt.Sprintf("%d;", 3+i)
	}
	cmd.Env = append(os.Environ(), inherited)
	start(t, cmd, "nginx")
}

// leaves finds addresses on a page that lead out of the path of the gateway.
func leaves(page *wechattest.Page, host string) (out []string) {
	for _, m := range regexp.MustCompile(`(?:href|src|action|url)=["']?([^"'\s>]+)`).FindAllStringSubmatch(page.Body, -1) {
		at := strings.TrimPrefix(strings.ReplaceAll(m[1], "&amp;", "&"), host)
		if strings.HasPrefix(at, "/") && !strings.HasPrefix(at, "/login/") {
			out = append(out, m[1])
		}
	}
	return out
}

// TestGatewayBelowAPathOfAnotherSite puts the gateway below /login/ of a host whose root is another
// site, behind a real nginx with TLS.
func TestGatewayBelowAPathOfAnotherSite(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	n := &neighbour{App: &fixture.App{}}
	behind := httptest.NewServer(n)
	t.Cleanup(behind.Close)
	host := nginx(t, behind.URL, w.front.url)
	n.URL = host
	issuer := host + "/login"
	w.serve(w.config(issuer,
		fmt.Sprintf("  - {id: site, kind: oidc, secret: %q, redirect_uris: [%s/callback], "+
			"post_logout_redirect_uris: [%s/bye], access: signed_in}\n",
			clientSecret, host, host)))

	c := newGoClient(t, issuer, "site", clientSecret, n.App)
	c.conf.Scopes = []string{"openid", "profile"}
	endpointsStayBelow(t, c, issuer)
	alice := w.phone("alice")
	shown := func(page *wechattest.Page, name string) *wechattest.Page {
		t.Helper()
		alice.wantPage(name)
		if !strings.HasPrefix(page.URL, issuer+"/") || len(leaves(page, host)) > 0 {
			t.Errorf("the page %s at %s leads to %v", name, page.URL, leaves(page, host))
		}
		return page
	}

	// First the site alone, which plants a cookie; then a sign-in with as long a state as an app
	// may have.
	alice.Visit(host + "/")
	first := c.begin()
	first.state += strings.Repeat("s", 7000)
	first.address = c.conf.AuthCodeURL(first.state, oauth2.SetAuthURLParam("nonce", first.nonce),
		oauth2.S256ChallengeOption(first.verifier))
	alice.Visit(first.address)
	alice.settle()
	shown(alice.Page(), "profile")
	alice.Must(alice.Follow(t.Context(), "go"))
	alice.Must(alice.Allow(t.Context()))
	alice.settle()
	back := alice.Page()
	if !strings.HasPrefix(back.URL, host+"/callback?") {
		t.Fatalf("the sign-in ends at %s (%d), by %v\n%s", back.URL, back.Status, back.Hops, back.Body)
	}
	token, id := c.finish(first)
	if _, who := c.userinfo(token); who.Nickname != "Alice" || who.Sub != id.Subject || id.Issuer != issuer {
		t.Errorf("userinfo %+v, issuer %s", who, id.Issuer)
	}

	// The person's own page, its sign-out, and the way the app does it.
	page := alice.Visit(issuer) // nginx adds the slash
	if page.URL != issuer+"/" {
		t.Errorf("%s leads to %s", issuer, page.URL)
	}
	shown(page, "own")
	shown(alice.Must(alice.Submit(t.Context(), "sign-out", nil)), "welcome")
	if told := n.silently(c, alice); told.Get("error") != "login_required" {
		t.Errorf("signed out, the app is told %v", told)
	}
	second := c.begin()
	alice.Visit(second.address)
	token, _ = c.finish(second)
	raw, _ := token.Extra("id_token").(string)
	c.signsOut(alice, raw)

	// Only proxies ask /verify: the example answers for it, however the path is written.
	for _, path := range []string{"/login/verify", "/login/verify?a=b", "/login//verify", "/login/%76erify"} {
		if page := alice.Visit(host + path); page.Status != http.StatusNotFound {
			t.Errorf("%s answers %d", path, page.Status)
		}
	}
	w.front.checkPaths(t)

	// What is not the gateway's is the site's, however alike it looks.
	alice.Visit(host + "/loginx")
	alice.Visit(host + "/oauth2/authorize")
	n.check(t)
	w.front.checkCookies(t)
}

// silently asks for a sign-in without a page, and returns what the app was told.
func (n *neighbour) silently(c *goClient, p phone) url.Values {
	p.Visit(c.begin(oauth2.SetAuthURLParam("prompt", "none")).address)
	return n.LastQuery()
}

func endpointsStayBelow(t *testing.T, c *goClient, issuer string) {
	t.Helper()
	var meta map[string]any
	if err := c.provider.Claims(&meta); err != nil {
		t.Fatal(err)
	}
	found := 0
	for name, value := range meta {
		if address, is := value.(string); is && strings.HasPrefix(address, "http") && name != "issuer" {
			found++
			if !strings.HasPrefix(address, issuer+"/") {
				t.Errorf("%s is %s", name, address)
			}
		}
	}
	if found < 7 {
		t.Errorf("discovery names %d addresses", found)
	}
}

// check looks at what reached the site.
func (n *neighbour) check(t *testing.T) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	want := []string{"/", "/callback", "/callback", "/callback", "/bye", "/callback", "/loginx", "/oauth2/authorize"}
	if !slices.Equal(n.paths, want) {
		t.Errorf("the site was asked for %v, want %v", n.paths, want)
	}
	if !slices.Contains(n.cookies, "neighbour") || slices.ContainsFunc(n.cookies, func(name string) bool {
		return name != "neighbour"
	}) {
		t.Errorf("the site was sent the cookies %v", n.cookies)
	}
}

// checkPaths looks at the paths of the requests that came to the gateway.
func (w *frontProxy) checkPaths(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.paths) == 0 {
		t.Error("no path was recorded")
	}
	for _, path := range w.paths {
		if strings.Contains(path, "verify") {
			t.Errorf("a request for %s came to the gateway", path)
		}
	}
}

// checkCookies looks at the cookies that the gateway set.
func (w *frontProxy) checkCookies(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.cookies) < 4 {
		t.Errorf("the gateway set %d cookies", len(w.cookies))
	}
	for _, c := range w.cookies {
		if c.Path != "/login" && c.Path != "/login/" || c.Domain != "" || !c.Secure || !c.HttpOnly ||
			c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Secure-") {
			t.Errorf("cookie %s has path %q, domain %q, secure %v, HttpOnly %v, SameSite %v", c.Name, c.Path, c.Domain, c.Secure,
				c.HttpOnly, c.SameSite)
		}
	}
}
