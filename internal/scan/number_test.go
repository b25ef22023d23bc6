package scan_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/web"
)

var numberForm = regexp.MustCompile(`(?s)<form class="answer" method="post" action="([^"]*)">(.*?)</form>`)

// enter types a number into the phone's page and sends it.
func (b *browser) enter(number string) *browser {
	b.w.t.Helper()
	form := numberForm.FindStringSubmatch(b.page.Body.String())
	if form == nil {
		b.w.t.Fatalf("page %q has no field for a number: %s", b.kind(), b.page.Body)
	}
	fields := url.Values{"number": {number}}
	for _, in := range inputTag.FindAllStringSubmatch(form[2], -1) {
		fields.Set(html.UnescapeString(in[1]), html.UnescapeString(in[2]))
	}
	return b.visit(http.MethodPost, html.UnescapeString(form[1]), fields)
}

// wrongNumber is another number than the newest ticket's.
func (w *fixture) wrongNumber() string {
	if w.ticket().Number == "42" {
		return "43"
	}
	return "42"
}

// A victim opens codes of an attacker again and again, sees no number on any screen, and guesses.
// Each code takes one guess, and after three the victim has to wait.
func TestBlindGuessesOfTheNumberAreFew(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(c *scan.Config) { c.Limits = limit.NewLimiter(nil) })
	victim := w.phone("alice")
	guesses := 0
	for range 20 {
		attacker := w.desktop()
		victim.open(attacker.link())
		if victim.kind() == string(web.ScanPaused) {
			break
		}
		victim.want(web.ScanAsk).press("Continue").want(web.ScanNumber)
		field := victim.twin()
		field.page = victim.page
		victim.enter(w.wrongNumber()).want(web.ScanMismatch)
		field.enter(w.ticket().Number).want(web.ScanMismatch) // too late
		guesses++
	}
	if guesses != limit.WrongNumberPerUser.Burst || w.people.made != 0 {
		t.Errorf("%d guesses, %d sessions", guesses, w.people.made)
	}
	if victim.want(web.ScanPaused).page.Code != http.StatusTooManyRequests {
		t.Errorf("status %d", victim.page.Code)
	}
	// A page that was open before is paused too, also for the right number.
	w.pass(11 * time.Minute)
	attacker := w.desktop()
	victim.open(attacker.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	open := victim.twin()
	open.page = victim.page
	number := w.ticket().Number
	victim.enter(w.wrongNumber()).want(web.ScanMismatch)
	open.enter(number).want(web.ScanMismatch)
	other := w.desktop()
	victim.open(other.link()).want(web.ScanPaused)
	// Others are not affected, and the victim is not for long.
	w.approve(w.desktop().link(), w.phone("bob"))
	w.pass(11 * time.Minute)
	w.approve(w.desktop().link(), victim)
}

// One more attack on the memory of a user: two codes are opened side by side, and both pages wait
// for the number when the last wrong one has been counted.
func TestPausedUserIsNotAnsweredOnAnOlderPage(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(c *scan.Config) { c.Limits = limit.NewLimiter(nil) })
	victim := w.phone("alice")
	first := w.desktop()
	victim.open(first.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	waits, number := victim.twin(), w.ticket().Number
	waits.page = victim.page
	for range limit.WrongNumberPerUser.Burst {
		victim.open(w.desktop().link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
		victim.enter(w.wrongNumber()).want(web.ScanMismatch)
	}
	waits.enter(number).want(web.ScanPaused)
	if first.open(first.at).want(web.ScanScanned); first.isIn() != "" {
		t.Error("signed in by an answer of a paused user")
	}
}

// The attacker's screen shows who opened the code only when the number was right: the name of the
// person behind a chat account is worth something too.
func TestDesktopLearnsTheNameOnlyAfterTheNumber(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	phone.open(desktop.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	hides := func(kind web.Kind) {
		t.Helper()
		body := desktop.open(desktop.at).want(kind).page.Body.String()
		if strings.Contains(body, "Alice") || strings.Contains(body, "qlogo.cn/alice") {
			t.Errorf("page %s names the user: %s", kind, desktop.text())
		}
	}
	hides(web.ScanScanned)
	phone.enter(w.wrongNumber()).want(web.ScanMismatch)
	hides(web.ScanWrong)
	other := w.desktop()
	w.approve(other.link(), phone)
	other.open(other.at).want(web.ScanSignedIn).shows("Alice")
}
