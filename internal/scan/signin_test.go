package scan_test

import (
	"bytes"
	"image/png"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/web"
)

func TestDesktopIsSignedInByAPhone(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	if strings.Contains(desktop.text(), w.ticket().Number) {
		t.Error("the number is shown before a phone has scanned the code, so a copy of the page contains both")
	}
	w.pass(12 * time.Second)
	phone := w.phone("")
	phone.open(desktop.link()).comeBack("alice").want(web.ScanAsk)
	phone.shows("Sign in to Notes on another device?", "Alice", "App Notes", "Browser Chrome, Windows",
		"IP address 203.0.113.*", "Network Same as this phone", "Started 12 seconds ago")
	w.state(gateway.TicketOpen)
	phone.press("Continue").want(web.ScanNumber)
	w.state(gateway.TicketScanned)
	desktop.open(desktop.at).want(web.ScanScanned).shows(w.ticket().Number)
	phone.enter(w.ticket().Number).want(web.ScanDone).shows("Notes", "Chrome, Windows", "203.0.113.*")
	if desktop.isIn() != "" {
		t.Error("signed in before the desktop came for it")
	}
	desktop.open(desktop.at).want(web.ScanSignedIn).shows("Alice", "You are signed in")
	if desktop.isIn() != "alice" || !strings.Contains(desktop.page.Body.String(),
		`content="2;url=`+strings.ReplaceAll(backTo, "&", "&amp;")+`"`) {
		t.Errorf("signed in as %q, page %s", desktop.isIn(), desktop.page.Body)
	}
	s := w.people.sessions[hashOf(desktop.cookies["session"])]
	if s.Method != scan.Method || s.Connector != "main" || s.AppID != "wx1" || s.OpenID != "o-alice" ||
		s.LoginRequestID != "REQUEST1" ||
		!s.AuthTime.Equal(w.now()) {
		t.Errorf("session %+v", s)
	}
	if got := w.kinds(); !slices.Equal(got, []string{"sign_in"}) {
		t.Errorf("events %v", got)
	}
	w.watch("begun", "signed_in")
	w.state(gateway.TicketRedeemed)
}

func TestPagesSpeakChinese(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.browser(uaDesktop)
	desktop.lang = "zh-CN"
	desktop.open("/begin").want(web.ScanCode).shows("微信扫码登录")
	phone := w.phone("alice")
	phone.lang = "zh-CN"
	phone.open(desktop.link()).want(web.ScanAsk).shows("在另一台设备上登录“Notes”？", "与此手机相同", "刚刚")
	phone.press("继续").want(web.ScanNumber).press("拒绝").want(web.ScanDeclined)
	// The app's wish for a language counts for the desktop, wherever its page leads.
	other := w.browser(uaDesktop).open("/begin?ui_locales=zh-CN").shows("微信扫码登录")
	other.press("取消").want(web.Continue)
	if !strings.Contains(other.page.Body.String(), `lang="zh-CN"`) {
		t.Error("the page after a press is in another language")
	}
}

func TestCodeIsReadable(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	link := desktop.link()
	if !strings.Contains(desktop.page.Body.String(), `<svg class="code"`) ||
		!strings.Contains(desktop.page.Body.String(), `<a href="`+link+`"`) {
		t.Errorf("no code, or no link for those who do not see it: %s", desktop.page.Body)
	}
	res := desktop.send(http.MethodGet, strings.Replace(desktop.at, "/scan?", "/scan/code.png?", 1), nil)
	picture, err := png.Decode(bytes.NewReader(res.Body.Bytes()))
	if err != nil || res.Header().Get("Content-Type") != "image/png" ||
		res.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%v, %v", res.Header(), err)
	}
	if got, err := go_qr.Decode(picture); err != nil || got != link {
		t.Errorf("the picture says %q (%v), want %q", got, err, link)
	}
	res = desktop.send(http.MethodGet, strings.Replace(desktop.at, "/scan?", "/scan/code.svg?", 1), nil)
	if res.Header().Get("Content-Type") != "image/svg+xml" || !strings.Contains(res.Body.String(), "<svg") {
		t.Errorf("%d %v", res.Code, res.Header())
	}
	// A picture belongs to a browser, and makes no ticket.
	stranger := w.browser(uaDesktop)
	if res := stranger.send(http.MethodGet, strings.Replace(desktop.at, "/scan?", "/scan/code.png?", 1),
		nil); res.Code != 404 {
		t.Errorf("another browser gets the picture: %d", res.Code)
	}
	if n := len(w.tickets.all()); n != 1 {
		t.Errorf("%d tickets", n)
	}
}

func TestRefusedOnThePhone(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"first", "second"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			desktop, phone := w.desktop(), w.phone("alice")
			link := desktop.link()
			phone.open(link).want(web.ScanAsk)
			if page == "second" {
				phone.press("Continue").want(web.ScanNumber)
			}
			phone.press("Decline").want(web.ScanDeclined)
			w.state(gateway.TicketRefused)
			desktop.open(desktop.at).want(web.ScanRefused)
			phone.open(phone.at).want(web.ScanDeclined)
			w.phone("bob").open(link).want(web.ScanUsed)
			desktop.press("Get a new code").want(web.ScanCode)
			w.approve(desktop.link(), phone)
			desktop.open(desktop.at).want(web.ScanSignedIn)
			if got := w.kinds(); !slices.Equal(got, []string{scan.EventRefuse, "sign_in"}) {
				t.Errorf("events %v", got)
			}
			w.watch("begun", "denied", "signed_in")
		})
	}
}

func TestCodeExpiresAndIsRenewed(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	first := desktop.link()
	desktop.open(desktop.at).want(web.ScanCode)
	if desktop.link() != first {
		t.Error("a reload shows another code")
	}
	w.pass(2 * time.Minute)
	phone.open(first).want(web.ScanOver)
	desktop.open(desktop.at).want(web.ScanExpired).press("Get a new code").want(web.ScanCode)
	if desktop.link() == first {
		t.Error("the new code is the old one")
	}
	// The page renews its code automatically for ten minutes after the last activity of the user.
	for n := range 5 {
		w.pass(2 * time.Minute)
		desktop.open(desktop.at)
		if desktop.kind() != string(web.ScanExpired) {
			if n < 4 {
				t.Fatalf("after %d renewals the page is %q", n, desktop.kind())
			}
			break
		}
		desktop.visit(http.MethodPost, renewing(desktop), url.Values{"auto": {"1"}}).want(web.ScanCode)
	}
	desktop.want(web.ScanInactive)
	if renewing(desktop) != "" {
		t.Error("the page would go on by itself")
	}
	before := len(w.tickets.all())
	desktop.visit(http.MethodPost, strings.Replace(desktop.at, "/scan?", "/scan/renew?", 1),
		url.Values{"auto": {"1"}}).want(web.ScanInactive)
	if n := len(w.tickets.all()); n != before {
		t.Error("a page that nobody sits before has made a code")
	}
	desktop.press("Get a new code").want(web.ScanCode)
	w.approve(desktop.link(), phone)
	desktop.open(desktop.at).want(web.ScanSignedIn)
	w.watch("begun", "signed_in")
}

// renewing is where the page's script asks for a new code; "" = it does not.
func renewing(b *browser) string {
	_, rest, _ := strings.Cut(b.page.Body.String(), `data-renew="`)
	address, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(address, "&amp;", "&")
}

func TestScriptRenewsNothingThatIsGood(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	link := desktop.link()
	desktop.visit(http.MethodPost, strings.Replace(desktop.at, "/scan?", "/scan/renew?", 1),
		url.Values{"auto": {"1"}}).want(web.ScanCode)
	if desktop.link() != link {
		t.Error("the code changed under a phone that may be reading it")
	}
}

func TestSecondPhoneAndSamePhoneTwice(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, alice, bob := w.desktop(), w.phone("alice"), w.phone("bob")
	link := desktop.link()
	bob.open(link).want(web.ScanAsk)
	alice.open(link).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	// The second phone, wherever it stands.
	bob.press("Continue").want(web.ScanTaken)
	bob.open(link).want(web.ScanTaken)
	// The same phone, and another phone of the same user, continue where they were.
	alice.open(link).want(web.ScanNumber)
	w.phone("alice").open(link).want(web.ScanNumber)
	alice.enter(w.ticket().Number).want(web.ScanDone)
	alice.open(link).want(web.ScanDone)
	bob.open(link).want(web.ScanUsed)
	desktop.open(desktop.at).want(web.ScanSignedIn).shows("Alice")
	alice.open(link).want(web.ScanDone)
	bob.open(link).want(web.ScanUsed)
	w.phone("").open(link).want(web.ScanUsed)
}

func TestClosedDesktop(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	phone.open(desktop.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	number := w.ticket().Number
	desktop.press("Cancel").want(web.Continue)
	if !strings.Contains(desktop.page.Body.String(), "cancel=1") {
		t.Errorf("the app does not hear of it: %s", desktop.page.Body)
	}
	w.state(gateway.TicketCancelled)
	phone.enter(number).want(web.ScanOver)
	desktop.open(desktop.at).want(web.Lost)
	// The gateway's own page has nobody to tell.
	own := w.desktop("own")
	own.press("Cancel").want(web.ScanCancelled)
	if n := len(own.cookies); n != 0 {
		t.Errorf("%d cookies are left", n)
	}
}

func TestPhoneOutsideWeChatCopiesTheLink(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	phone := w.browser(uaSafari).open("/begin").want(web.ScanCopy)
	link := phone.link()
	// In WeChat the page is out of sight, so it shows the number from the start.
	phone.shows(w.ticket().Number, link, "Copy link")
	if !strings.Contains(phone.page.Body.String(), `<img class="code" src="/scan/code.png?d=`) {
		t.Errorf("no picture to press long on: %s", phone.page.Body)
	}
	inWeChat := w.phone("alice")
	w.approve(link, inWeChat)
	inWeChat.shows("Safari, iPhone")
	phone.open(phone.at).want(web.ScanSignedIn)
	if phone.isIn() != "alice" {
		t.Errorf("signed in as %q", phone.isIn())
	}
	// Outside WeChat, the link leads to the page that explains how to open it in WeChat.
	w.browser(uaSafari).open(link).want(web.ScanHere).shows(link)
}

func TestNotMe(t *testing.T) {
	t.Parallel()
	for name, undo := range map[string]func(desktop, phone *browser){
		"on the phone":   func(_, phone *browser) { phone.open("/scan/confirm").want(web.ScanDone).press("Not me") },
		"on the desktop": func(desktop, _ *browser) { desktop.press("Not me") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			desktop, phone := w.desktop(), w.phone("alice")
			w.approve(desktop.link(), phone)
			desktop.open(desktop.at).want(web.ScanSignedIn)
			at := desktop.at
			w.pass(5 * time.Minute) // the ticket itself is long forgotten
			undo(desktop, phone)
			if desktop.isIn() != "" {
				t.Error("the desktop is still signed in")
			}
			if phone.isIn() != "alice" {
				t.Error("the phone was signed out too")
			}
			desktop.open(at).want(web.Lost)
			if desktop.isIn() != "" {
				t.Error("a reload signs the desktop in again")
			}
			if got := w.kinds(); !slices.Equal(got, []string{"sign_in", scan.EventUndo}) {
				t.Errorf("events %v", got)
			}
		})
	}
}

func TestNotMeBeforeTheDesktopCameForIt(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	w.approve(desktop.link(), phone).press("Not me").want(web.ScanUndone)
	desktop.open(desktop.at).want(web.ScanRefused)
	if desktop.isIn() != "" || w.people.made != 0 {
		t.Error("the desktop got in")
	}
	phone.open("/scan/confirm").want(web.ScanDeclined)
}

// The phone's "not me" comes after the desktop has read the approved ticket, before or after the
// ticket is redeemed.
func TestNotMeWhileTheDesktopIsSignedIn(t *testing.T) {
	t.Parallel()
	for moment, want := range map[string]struct {
		page web.Kind
		made int
	}{"RedeemTicket": {web.ScanRefused, 0}, "ResumeSession": {web.Lost, 1}} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			desktop, phone := w.desktop(), w.phone("alice")
			w.approve(desktop.link(), phone)
			pressed := false
			undo := func(method string) {
				if method == moment && !pressed {
					pressed = true
					phone.press("Not me").want(web.ScanUndone)
				}
			}
			w.tickets.hook, w.people.hook = undo, undo
			desktop.open(desktop.at).want(want.page)
			desktop.open(desktop.at).want(want.page)
			if desktop.isIn() != "" || w.people.made != want.made {
				t.Errorf("signed in as %q; %d sessions were made", desktop.isIn(), w.people.made)
			}
		})
	}
}

func TestCancelAtTheMomentOfTheAnswerSignsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	w.approve(desktop.link(), phone)
	desktop.press("Cancel").want(web.Continue) // its page is older than the answer
	w.state(gateway.TicketCancelled)
	desktop.open(desktop.at).want(web.Lost)
	if desktop.isIn() != "" {
		t.Error("signed in after a cancel")
	}
}

func TestOwnPageIsNamedByTheSite(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop("own")
	phone := w.phone("alice")
	phone.open(desktop.link()).want(web.ScanAsk).shows("Sign in to Example Login on another device?",
		"App Example Login")
	w.approve(desktop.link(), phone)
	desktop.open(desktop.at).want(web.ScanSignedIn)
}

func TestUnderAPath(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(c *scan.Config) { c.URL = origin + "/login" })
	desktop := w.desktop()
	if !strings.HasPrefix(desktop.link(), origin+"/login/scan/") {
		t.Fatalf("link %s", desktop.link())
	}
	for name := range desktop.cookies {
		if !strings.HasPrefix(name, "__Secure-weigate-d-") {
			t.Errorf("cookie %s", name)
		}
	}
	w.approve(desktop.link(), w.phone("alice"))
	desktop.open(desktop.at).want(web.ScanSignedIn)
}

func TestPageWithoutScriptLoadsItself(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	if !strings.Contains(desktop.page.Body.String(), `<noscript><meta http-equiv="refresh" content="4;url=/scan?d=`) {
		t.Errorf("no refresh: %s", desktop.page.Body)
	}
}
