package relyingparty_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/weigate/weigate/internal/fixture"
)

// A state of up to 7,000 bytes comes back through nginx and Caddy with the documented configuration,
// which leaves all buffers at their defaults: 8 kB for a request line and for each header of a
// request, 4 kB for all headers of a response (aws-amplify/amplify-js#4998,
// openiddict/openiddict-core#1301).
func TestLongStateThroughProxiesWithDefaultBuffers(t *testing.T) {
	t.Parallel()
	for name, run := range ownHostProxies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			app := fixture.NewApp(t)
			address := fixture.Address(t)
			run(t, place{address: address, gateway: w.front.url})
			host := "https://" + address
			const oidcApp = "  - {id: %s, kind: oidc, secret: %q, redirect_uris: [%s/callback], access: signed_in, " +
				"methods: [%s]}\n"
			config := w.config(host, fmt.Sprintf(oidcApp, "site", clientSecret, app.URL, "wechat, scan")+
				fmt.Sprintf(oidcApp, "desk", clientSecret, app.URL, "website"))
			w.serve(replaced(t, config, "\napps:\n", w.websiteConnector()+"\napps:\n"))
			c := newGoClient(t, host, "site", clientSecret, app)
			c.conf.Scopes = []string{"openid"}
			desk := newGoClient(t, host, "desk", clientSecret, app)
			desk.conf.Scopes = []string{"openid"}
			for _, size := range []int{300, 900, 1000, 1100, 2000, 7000} {
				first, alice := c.beginWithState(size), w.phone("alice")
				alice.ClearCookies()
				alice.Visit(first.address)
				alice.settle()
				c.finish(first)
				again := c.beginWithState(size) // signed in
				alice.Visit(again.address)
				alice.settle()
				c.finish(again)

				byScan := c.beginWithState(size)
				newDesktop(t).scans(byScan.address, w.phone("bob"), "<h1>the app</h1>")
				c.finish(byScan)
				byWebsite, screen := desk.beginWithState(size), newDesktop(t)
				screen.scansAtWeChat(byWebsite.address, w, "xiaoming", "<h1>the app</h1>")
				desk.finish(byWebsite)
				byWebsite = desk.beginWithState(size) // signed in
				screen.open(byWebsite.address, "<h1>the app</h1>")
				desk.finish(byWebsite)
			}
		})
	}
}

// beginWithState begins a sign-in whose state has n bytes.
func (c *goClient) beginWithState(n int) request {
	r := c.begin()
	r.state += strings.Repeat("s-_9", n/4)
	r.address = c.conf.AuthCodeURL(r.state, oauth2.SetAuthURLParam("nonce", r.nonce),
		oauth2.S256ChallengeOption(r.verifier))
	return r
}

// settle follows the pages that continue automatically.
func (p phone) settle() {
	p.T.Helper()
	for fixture.PageName(p.Page()) == "continue" {
		p.Must(p.FollowRefresh(p.T.Context()))
	}
}
