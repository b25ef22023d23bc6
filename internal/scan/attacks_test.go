package scan_test

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/web"
)

// An attacker sends the code of their own screen to somebody.
func TestCodeForwardedToAVictim(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	attacker := w.desktop()
	attacker.address = "198.51.100.9:1"
	attacker.open("/begin").want(web.ScanCode)
	victim := w.phone("alice")
	page := victim.open(attacker.link()).want(web.ScanAsk)
	page.shows("Notes", "Chrome, Windows", "198.51.100.*", "Different from this phone",
		"Continue only if you started this sign-in yourself")
	if page.isIn() != "alice" || attacker.isIn() != "" {
		t.Error("opening the code signed somebody in")
	}
	victim.press("Continue").want(web.ScanNumber)
	if strings.Contains(victim.page.Body.String(), w.ticket().Number+"<") {
		t.Error("the phone shows the number")
	}
	// The victim sees no number anywhere, and guesses one.
	victim.enter(w.wrongNumber()).want(web.ScanMismatch).shows("Nobody was signed in")
	w.state(gateway.TicketMismatch)
	attacker.open(attacker.at).want(web.ScanWrong)
	// A wrong number ends the ticket: the right number is rejected afterwards.
	victim.visit(http.MethodPost, "/scan/answer", url.Values{"m": {""},
		"number": {w.ticket().Number}}).want(web.ScanMismatch)
	w.state(gateway.TicketMismatch)
	if attacker.isIn() != "" || w.people.made != 0 {
		t.Error("the attacker is signed in")
	}
	if got := w.kinds(); !slices.Equal(got, []string{scan.EventWrong}) {
		t.Errorf("events %v", got)
	}
}

// Only the browser that shows the code is signed in by it, even if an attacker knows the code, the
// address of the page, or both.
func TestOnlyTheBrowserWithTheCookieIsSignedIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	thief := w.browser(uaDesktop).open("/begin").want(web.ScanCode)
	link, at := desktop.link(), desktop.at
	w.tickets.mu.Lock()
	var number string
	for _, row := range w.tickets.rows {
		number = row.Number
	}
	w.tickets.mu.Unlock()
	phone := w.phone("alice")
	phone.open(link).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	for _, row := range w.tickets.all() {
		if row.State == gateway.TicketScanned {
			number = row.Number
		}
	}
	phone.enter(number).want(web.ScanDone)
	for _, address := range []string{at, link, "/scan", strings.Replace(at, "/scan?", "/scan/state?", 1),
		"/scan/confirm"} {
		thief.send(http.MethodGet, address, nil)
	}
	for _, address := range []string{"/scan/renew", "/scan/cancel"} {
		thief.send(http.MethodPost, strings.Replace(at, "/scan?", address+"?", 1), nil)
	}
	if thief.isIn() != "" {
		t.Error("a browser without the cookie is signed in")
	}
	// The cookie of one sign-in is rejected under the name of another.
	from, to := "", ""
	for name := range desktop.cookies {
		from = name
	}
	for name := range thief.cookies {
		to = name
	}
	value := thief.cookies[to]
	thief.cookies[from] = value
	if thief.open(at).want(web.Lost); thief.isIn() != "" {
		t.Error("signed in by another cookie")
	}
	desktop.open(at).want(web.ScanSignedIn)
}

var requestID = regexp.MustCompile(`Request <code[^>]*>[^<]*</code>`)

// An id that was never issued, an expired one and a malformed one get the same response, with the
// same number of reads of the store.
func TestTicketGuessing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	w.pass(3 * time.Minute)
	phone := w.phone("alice")
	ask := func(link string) (answer string, reads int) {
		before := w.tickets.reads
		first := phone.send(http.MethodGet, link, nil)
		second := phone.send(http.MethodGet, first.Header().Get("Location"), nil)
		return fmt.Sprint(first.Code, first.Header().Get("Location"), second.Code,
			requestID.ReplaceAllString(second.Body.String(), "")), w.tickets.reads - before
	}
	expired, n := ask(desktop.link())
	if n != 1 || !strings.Contains(expired, `id="scan_over"`) {
		t.Fatalf("%d looks; %s", n, expired)
	}
	for name, link := range map[string]string{
		"unknown": origin + "/scan/" + strings.Repeat("a", 26), "short": origin + "/scan/x", "long": origin + "/scan/" +
			strings.Repeat("z", 300), "odd": origin + "/scan/%3Cscript%3E",
		"capitals": strings.ToUpper(desktop.link()[len(origin):]),
	} {
		if name == "capitals" {
			link = origin + "/scan/" + strings.ToUpper(idOfLink(desktop.link()))
		}
		if answer, n := ask(link); answer != expired || n != 1 {
			t.Errorf("%s: %d looks; the answer differs: %s", name, n, answer)
		}
	}
}

func TestTicketReplay(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	link := desktop.link()
	phone.open(link).want(web.ScanAsk)
	ask := phone.page
	phone.press("Continue").want(web.ScanNumber)
	number := w.ticket().Number
	form := *phone
	phone.enter(number).want(web.ScanDone)
	desktop.open(desktop.at).want(web.ScanSignedIn)
	// Every form of the phone is sent again.
	form.enter(number).want(web.ScanDone)
	form.page = ask
	form.press("Continue").want(web.ScanDone)
	form.page = ask
	form.press("Decline").want(web.ScanDone)
	w.state(gateway.TicketRedeemed)
	// A repeated request of the desktop continues, and creates no second session.
	desktop.open(desktop.at).goes(backTo)
	desktop.open(desktop.at).goes(backTo)
	if w.people.made != 1 {
		t.Errorf("%d sessions", w.people.made)
	}
	if n := len(w.kinds()); n != 1 {
		t.Errorf("events %v", w.kinds())
	}
	// Another code of this desktop is another sign-in.
	other := w.desktop()
	if other.open(other.at).want(web.ScanCode); other.isIn() != "" {
		t.Error("signed in by an old answer")
	}
	w.watch("begun", "signed_in", "begun")
}

// An attacker photographs the code on another screen, and scans it before the user does.
func TestAttackersPhoneScansFirst(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, stranger, owner := w.desktop(), w.phone("bob"), w.phone("alice")
	link := desktop.link()
	stranger.open(link).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	owner.open(link).want(web.ScanTaken).shows("get a new code")
	desktop.open(desktop.at).want(web.ScanScanned).shows("If it was not yours")
	number := w.ticket().Number
	desktop.press("Not me").want(web.ScanCode)
	stranger.enter(number).want(web.ScanOver)
	for _, row := range w.tickets.all() {
		if row.State == gateway.TicketApproved {
			t.Error("the stranger's answer counted")
		}
	}
	fresh := desktop.link()
	if fresh == link {
		t.Fatal("the new code is the stranger's")
	}
	owner.open(fresh).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	for _, row := range w.tickets.all() {
		if row.State == gateway.TicketScanned {
			owner.enter(row.Number).want(web.ScanDone)
		}
	}
	desktop.open(desktop.at).want(web.ScanSignedIn)
	if desktop.isIn() != "alice" {
		t.Errorf("signed in as %q", desktop.isIn())
	}
}

var linkLike = regexp.MustCompile(`(?:href|src|action|data-self|data-poll|data-renew)="([^"#]+)"|url=([^"]+)"`)

// A crawler, a link preview and a prefetch fetch every link of a page, with the cookies of the
// browser in which they run.
func TestCrawlerThatFetchesEveryLinkChangesNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	crawl := func(b *browser) {
		t.Helper()
		before := w.tickets.all()
		events := len(w.kinds())
		for _, who := range []*browser{w.browser("Mozilla/5.0 (compatible; Baiduspider/2.0)"), w.browser(uaPhone), b} {
			for _, m := range linkLike.FindAllStringSubmatch(b.page.Body.String()+` href="`+b.at+`"`, -1) {
				address := html.UnescapeString(m[1] + m[2])
				if !strings.HasPrefix(strings.TrimPrefix(address, origin), "/scan") ||
					strings.HasPrefix(address, "/scan/state") {
					continue
				}
				for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
					who.twin().send(method, address, nil)
				}
			}
		}
		if after := w.tickets.all(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("on page %q: the tickets were %v and are %v", b.kind(), before, after)
		}
		if len(w.kinds()) != events || w.people.made != 0 {
			t.Errorf("on page %q: something happened: %v", b.kind(), w.kinds())
		}
	}
	desktop := w.desktop()
	link := desktop.link()
	crawl(desktop)
	phone := w.phone("alice")
	phone.open(link).want(web.ScanAsk)
	crawl(phone)
	crawl(desktop)
	crawl(w.browser(uaSafari).open(link).want(web.ScanHere))
	phone.press("Continue").want(web.ScanNumber)
	crawl(phone)
	crawl(desktop.open(desktop.at).want(web.ScanScanned))
	phone.press("Decline").want(web.ScanDeclined)
	crawl(phone)
	crawl(desktop.open(desktop.at).want(web.ScanRefused))
	// A visitor without cookies makes no row at all.
	for range 20 {
		w.browser(uaDesktop).send(http.MethodGet, "/begin", nil)
	}
	if n := len(w.tickets.all()); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
}

func TestDesktopSecretIsNotTheTicketID(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	row, id := w.ticket(), idOfLink(desktop.link())
	if row.Hash == row.Desktop || string(row.Data) == "" || strings.Contains(string(row.Data), id) {
		t.Errorf("ticket %+v", row)
	}
	// An attacker who has read the code and the whole database cannot redeem the ticket with what
	// they contain.
	w.approve(desktop.link(), w.phone("alice"))
	for _, guess := range [][32]byte{row.Hash, hashOf(id), {}} {
		if _, err := w.tickets.RedeemTicket(t.Context(),
			gateway.Redemption{Hash: row.Hash, Desktop: guess, Now: w.now()}); !errors.Is(err,
			gateway.ErrNotFound) {
			t.Errorf("taken by a guess: %v", err)
		}
	}
	desktop.open(desktop.at).want(web.ScanSignedIn)
}

func TestTicketIDIsInNoLogNoAddressAndNoOtherBrowsersPage(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	link, id := desktop.link(), idOfLink(desktop.link())
	phone := w.phone("")
	seen := func(where, text string) {
		t.Helper()
		if strings.Contains(text, id) {
			t.Errorf("%s has the ticket's id: %s", where, text)
		}
	}
	look := func(b *browser) {
		t.Helper()
		seen("the page "+b.kind(), b.page.Body.String())
		seen("a header", fmt.Sprint(b.page.Header()))
		seen("the address", b.at)
		if got := b.page.Header().Get("Referrer-Policy"); got != "no-referrer" && got != "same-origin" {
			t.Errorf("page %q has the Referrer-Policy %q", b.kind(), got)
		}
	}
	first := phone.send(http.MethodGet, link, nil)
	seen("the answer to the code", first.Body.String()+fmt.Sprint(first.Header()))
	phone.open(link)
	seen("the way to WeChat", fmt.Sprint(w.people.loginRequests))
	phone.comeBack("alice").want(web.ScanAsk)
	look(phone)
	look(phone.press("Continue").want(web.ScanNumber))
	look(phone.enter(w.ticket().Number).want(web.ScanDone))
	look(desktop.open(desktop.at).want(web.ScanSignedIn))
	// The page outside WeChat has to contain the link, and sends no Referer.
	elsewhere := w.browser(uaSafari).open(link).want(web.ScanHere)
	if got := elsewhere.page.Header().Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy %q", got)
	}
	// The store is unavailable or the request fails: no log message contains the id of a ticket.
	w.tickets.broken["Ticket"] = errStore
	other := w.phone("bob")
	other.open(link).want(web.Busy)
	look(other)
	seen("an event", fmt.Sprint(w.people.events))
	seen("the log", w.log.String())
	if !strings.Contains(w.log.String(), "request failed") {
		t.Errorf("the failure is not in the log: %s", w.log)
	}
	leaktest.Check(t, "events", w.people.events)
}

// Sign-ins that a phone has scanned are not disturbed by a flood, and new desktops get a code.
func TestFloodOfTicketsStopsNobody(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(c *scan.Config) { c.TicketLimits = gateway.TicketLimits{Total: 3, PerNetwork: 3} })
	desktop, phone := w.desktop(), w.phone("alice")
	phone.open(desktop.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	number := w.ticket().Number
	replaced := w.desktop()
	for range 20 {
		w.browser(uaDesktop).open("/begin").want(web.ScanCode)
	}
	if n := len(w.tickets.all()); n != 3 {
		t.Errorf("%d tickets", n)
	}
	// The page of a desktop whose ticket was replaced gets a new code without the user.
	replaced.open(replaced.at).want(web.ScanExpired)
	replaced.visit(http.MethodPost, renewing(replaced), url.Values{"auto": {"1"}}).want(web.ScanCode)
	phone.enter(number).want(web.ScanDone)
	desktop.open(desktop.at).want(web.ScanSignedIn)
	// Phones have scanned as many as there may be: only then a desktop has to wait.
	for _, user := range []string{"bob", "carol", "dave"} {
		w.people.accounts[user] = gateway.User{ID: user, Status: gateway.Active}
		w.phone(user).open(w.desktop().link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	}
	late := w.browser(uaDesktop).open("/begin").want(web.Busy)
	if late.page.Code != 503 || late.page.Header().Get("Retry-After") == "" ||
		!strings.Contains(w.log.String(), "ticket limit reached") {
		t.Errorf("%d %v, log %s", late.page.Code, late.page.Header(), w.log)
	}
}
