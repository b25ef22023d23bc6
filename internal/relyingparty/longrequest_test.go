package relyingparty_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
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
			address, socket := inherited(t)
			run(t, place{address: address, socket: socket, gateway: w.front.url})
			host := "https://" + address
			w.serve(w.config(host, fmt.Sprintf("  - {id: site, kind: oidc, secret: %q, "+
				"redirect_uris: [%s/callback], access: signed_in}\n", clientSecret, app.URL)))
			c := newGoClient(t, host, "site", clientSecret, app)
			c.conf.Scopes = []string{"openid"}
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
				scanWith(t, byScan.address, w.phone("bob"))
				c.finish(byScan)
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

var (
	continueLink = regexp.MustCompile(`id="go" href="([^"]*)"`)
	scanLink     = regexp.MustCompile(`https://[a-z0-9.:]+/scan/[a-z2-7]{26}`)
	scanNumber   = regexp.MustCompile(`<span translate="no">(\d\d)</span>`)
)

// scanWith signs a desktop in: it opens an address, shows a QR code, and a phone approves.
func scanWith(t *testing.T, address string, p phone) {
	t.Helper()
	desktop := fixture.NewBrowser(t, fixture.AgentDesktop)
	// open requests an address and follows redirects and pages that continue automatically, until a
	// page of kind wanted is shown, or the app.
	at := address
	open := func(to, wanted string) string {
		t.Helper()
		for range 10 {
			base, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			next, err := base.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			at = next.String()
			res, err := desktop.Get(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case res.Location != "":
				to = res.Location
			case res.Status != http.StatusOK:
				t.Fatalf("%d at %.200s: %.500s", res.Status, at, res.Body)
			case strings.Contains(res.Body, wanted):
				return res.Body
			default:
				m := continueLink.FindStringSubmatch(res.Body)
				if m == nil {
					t.Fatalf("%.200s shows neither %q nor a link: %.3000s", at, wanted, res.Body)
				}
				to = html.UnescapeString(m[1])
			}
		}
		t.Fatal("endless redirects")
		return ""
	}
	code := scanLink.FindString(open(address, `id="scan_code"`))
	p.Visit(code)
	p.wantPage("scan_ask")
	p.Must(p.Submit(t.Context(), "continue", nil))
	waiting := at
	number := scanNumber.FindStringSubmatch(open(waiting, `id="scan_scanned"`))
	if number == nil {
		t.Fatal("the desktop shows no number")
	}
	p.Must(p.Submit(t.Context(), "answer", url.Values{"number": {number[1]}}))
	open(waiting, "<h1>the app</h1>")
}
