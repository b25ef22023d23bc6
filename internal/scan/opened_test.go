package scan_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

var openedTag = regexp.MustCompile(`data-opened="([^"]*)" data-ticket="([^"]*)"`)

// reportsOpened sends what the script of the phone's page sends, and returns the status.
func (b *browser) reportsOpened() int {
	b.w.t.Helper()
	found := openedTag.FindStringSubmatch(b.page.Body.String())
	if found == nil {
		b.w.t.Fatalf("the page %q does not report that it was opened", b.kind())
	}
	return b.send(http.MethodPost, html.UnescapeString(found[1]), url.Values{"m": {html.UnescapeString(found[2])}}).Code
}

// WeChat's own page shows 扫描成功 when a phone has scanned its QR code.
func TestDesktopShowsThatItsCodeWasScanned(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	phone.open(desktop.link()).want(web.ScanAsk)
	if status := phone.reportsOpened(); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
	w.state(gateway.TicketOpened)
	desktop.open(desktop.at).want(web.ScanOpened).shows("Scanned", "Tap Continue in WeChat on your phone.",
		"Get a new code", "Cancel")
	if text := desktop.text(); strings.Contains(text, w.ticket().Number) || strings.Contains(text, "Alice") {
		t.Errorf("the desktop shows the number or the user: %s", text)
	}
	phone.press("Continue").want(web.ScanNumber)
	desktop.open(desktop.at).want(web.ScanScanned)
	phone.enter(w.ticket().Number).want(web.ScanDone)

	// On a phone, the page with the link and the number stays.
	copying := w.browser(uaSafari).open("/begin").want(web.ScanCopy)
	w.phone("bob").open(copying.link()).want(web.ScanAsk).reportsOpened()
	copying.open(copying.at).want(web.ScanCopy).shows(w.ticket().Number)
	if !strings.Contains(copying.page.Body.String(), `data-state="opened"`) {
		t.Error("the page does not wait for the next state")
	}
}

func TestOpenedCodeCanBeRefusedAndReplaced(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	phone.open(desktop.link()).want(web.ScanAsk).reportsOpened()
	phone.press("Decline").want(web.ScanDeclined)
	desktop.open(desktop.at).want(web.ScanRefused)
	other := w.desktop()
	phone.open(other.link()).want(web.ScanAsk).reportsOpened()
	other.open(other.at).want(web.ScanOpened).press("Get a new code").want(web.ScanCode)
	phone.open("/scan/confirm").want(web.ScanOver)
}

// A crawler, a stranger or an attacker with the link must not change what the desktop shows, and
// a user who opens the code must not take it from another.
func TestOpeningGivesNothingToAStranger(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	phone := w.phone("alice").open(desktop.link()).want(web.ScanAsk)
	form := url.Values{"m": {openedTag.FindStringSubmatch(phone.page.Body.String())[2]}}
	phone.send(http.MethodGet, "/scan/opened?"+form.Encode(), nil)
	w.browser(uaPhone).send(http.MethodPost, "/scan/opened", form) // without the cookie of the code
	anonymous := w.phone("")
	anonymous.open(desktop.link())
	anonymous.send(http.MethodPost, "/scan/opened", form) // without a session
	phone.send(http.MethodPost, "/scan/opened", url.Values{"m": {"of another code"}})
	w.state(gateway.TicketOpen)

	phone.reportsOpened()
	w.state(gateway.TicketOpened)
	if approver := w.ticket().Approver.UserID; approver != "" {
		t.Errorf("%s became the approver by opening the code", approver)
	}
	w.approve(desktop.link(), w.phone("bob"))
	phone.open("/scan/confirm").want(web.ScanUsed)
	phone.send(http.MethodPost, "/scan/opened", form) // too late: nothing changes
	w.state(gateway.TicketApproved)
	desktop.open(desktop.at).want(web.ScanSignedIn).shows("Bob")
}
