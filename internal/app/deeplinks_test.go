package app_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// localhost reaches the hosts below localhost on this machine, as browsers do.
var localhost = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}}

// A deep link of a site behind a reverse proxy comes back with the same bytes, by every method, with a
// session and without one (authelia/authelia#939, elastic/kibana#8359).
func TestDeepLinkOfASiteComesBackByEveryMethod(t *testing.T) {
	t.Parallel()
	for name, signIn := range map[string]func(g *guarded, link string) func(link string) string{
		"wechat": func(g *guarded, link string) func(string) string {
			alice := g.phone("alice")
			open := func(link string) string { return alice.settle(alice.Visit(g.origin + link)).URL }
			open(link)
			return func(link string) string {
				alice.Visit(g.origin + "/.weigate/sign-out")
				alice.Must(alice.Submit(g.t.Context(), "", nil))
				return open(link)
			}
		},
		"scan": func(g *guarded, link string) func(string) string {
			desk, alice := g.plainBrowser(uaDesktop), g.phone("alice")
			desk.open(g.origin+link).settle().want("scan_code", 200)
			alice.scans(desk)
			alice.enters(desk.reloaded().number())
			return g.afterwards(desk.reloaded().goesOn())
		},
		"website": func(g *guarded, link string) func(string) string {
			desk := g.plainBrowser(uaDesktop).open(g.origin + link).settle()
			return g.afterwards(desk.confirmed("alice"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options []option
			if name == "website" {
				options = append(options, withWebsite)
			}
			g := behindProxy(t, gateway.AccessSignedIn, options...)
			for _, size := range []int{900, 1250, 1500, 4000, 8000} {
				// No parentheses: the link of a page that continues automatically encodes them.
				link := "/app?_g=" + strings.Repeat("%E9%A1%B5&b=", size/12-1)
				link += strings.Repeat("x", size-len(link))
				if name != "website" && size == 900 {
					g.enters(g.phone("alice")) // she is asked for her nickname once
				}
				if got := signIn(g, link)(link); got != g.origin+link {
					t.Errorf("%d bytes: the browser is at %.200s", size, got)
				}
			}
		})
	}
}

// afterwards settles a desktop browser that was signed in. The function that it returns signs the
// browser out of the host, opens a link of the host, and returns where the browser is then.
func (g *guarded) afterwards(desk *plainBrowser) func(link string) string {
	g.t.Helper()
	desk.settle().at(g.origin + "/app?")
	return func(link string) string {
		desk.open(g.origin+"/.weigate/sign-out").submit("/.weigate/sign-out", url.Values{})
		return desk.open(g.origin + link).settle().url
	}
}
