package relyingparty_test

import (
	"context"
	"html"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
)

var (
	continueLink = regexp.MustCompile(`id="go" href="([^"]*)"`)
	scanLink     = regexp.MustCompile(`https?://[a-z0-9.:]+/scan/[a-z2-7]{26}`)
	scanNumber   = regexp.MustCompile(`<span translate="no">(\d\d)</span>`)
)

// desktop is a browser on a desktop that follows redirects, and pages that continue automatically.
type desktop struct {
	t       *testing.T
	browser *fixture.Browser
	at      string // the address of the page that is shown
}

func newDesktop(t *testing.T) *desktop {
	t.Helper()
	d := &desktop{t: t, browser: fixture.NewBrowser(t, fixture.AgentDesktop)}
	d.browser.Transport = &http.Transport{DialContext: dialLoopback}
	t.Cleanup(d.browser.CloseIdleConnections)
	return d
}

// dialLoopback connects to names below localhost as browsers do: they do not look these names up.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, _ := net.SplitHostPort(address); strings.HasSuffix(host, ".localhost") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// open opens an address and continues until a page contains wanted. It returns this page.
func (d *desktop) open(to, wanted string) string {
	d.t.Helper()
	for range 10 {
		base, err := url.Parse(d.at)
		if err != nil {
			d.t.Fatal(err)
		}
		next, err := base.Parse(to)
		if err != nil {
			d.t.Fatal(err)
		}
		d.at = next.String()
		res, err := d.browser.Get(d.t.Context(), d.at)
		if err != nil {
			d.t.Fatal(err)
		}
		if to = res.Location; to != "" {
			continue
		}
		if res.Status == http.StatusOK && strings.Contains(res.Body, wanted) {
			return res.Body
		}
		m := continueLink.FindStringSubmatch(res.Body) // a page of status 401 has it too
		if m == nil {
			d.t.Fatalf("%d at %.200s: neither %q nor a link in %.3000s", res.Status, d.at, wanted, res.Body)
		}
		to = html.UnescapeString(m[1])
	}
	d.t.Fatal("endless redirects")
	return ""
}

// scans opens an address, which shows the gateway's QR code. A phone approves. The desktop then shows
// a page that contains wanted.
func (d *desktop) scans(address string, p phone, wanted string) {
	d.t.Helper()
	code := scanLink.FindString(d.open(address, `id="scan_code"`))
	p.Visit(code)
	p.wantPage("scan_ask")
	p.Must(p.Submit(d.t.Context(), "continue", nil))
	waiting := d.at
	number := scanNumber.FindStringSubmatch(d.open(waiting, `id="scan_scanned"`))
	if number == nil {
		d.t.Fatal("the desktop shows no number")
	}
	p.Must(p.Submit(d.t.Context(), "answer", url.Values{"number": {number[1]}}))
	d.open(waiting, wanted)
}

// scansAtWeChat opens an address, which shows WeChat's QR code. A user confirms on a phone. The desktop
// then shows a page that contains wanted.
func (d *desktop) scansAtWeChat(address string, w *gatewayFixture, user, wanted string) {
	d.t.Helper()
	body := d.open(address, "js_qrcode_img")
	for _, code := range w.wechat.QRCodes() {
		if !strings.Contains(body, code.UUID) {
			continue
		}
		p := phone{fixture.Phone{Phone: w.wechat.Phone(user).Tab(), T: d.t}}
		p.Must(p.Scan(d.t.Context(), code.Link))
		p.Must(p.Allow(d.t.Context()))
		d.open(w.wechat.URL+"/connect/simulator/qr?uuid="+code.UUID, wanted)
		return
	}
	d.t.Fatalf("no QR code at %s", d.at)
}
