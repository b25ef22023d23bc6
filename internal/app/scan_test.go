package app_test

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/metrics"
)

var codeLink = regexp.MustCompile(`https?://[a-z0-9.:]+(?:/login)?/scan/[a-z2-7]{26}`)

// code returns the content of the QR code on the page.
func (s *plainBrowser) code() string {
	s.w.t.Helper()
	link := codeLink.FindString(s.body)
	if link == "" {
		s.w.t.Fatalf("no code on the page at %s: %s", s.url, s.body)
	}
	return link
}

// number returns the number on the page, which it shows after a phone has scanned the code.
func (s *plainBrowser) number() string {
	s.w.t.Helper()
	m := regexp.MustCompile(`<span translate="no">(\d\d)</span>`).FindStringSubmatch(s.body)
	if m == nil {
		s.w.t.Fatalf("no number on the page at %s: %s", s.url, s.body)
	}
	return m[1]
}

// next waits, as the page does, until the state on the page has changed.
func (s *plainBrowser) next() string {
	s.w.t.Helper()
	m := regexp.MustCompile(`data-state="([a-z]*)" data-self="([^"]*)" data-poll="([^"]*)"`).FindStringSubmatch(s.body)
	if m == nil {
		s.w.t.Fatalf("the page at %s does not wait: %s", s.url, s.body)
	}
	tab := s.tab()
	tab.url = s.url
	tab.open(html.UnescapeString(m[3]) + "&seen=" + m[1])
	return tab.body
}

// reloaded reloads the page.
func (s *plainBrowser) reloaded() *plainBrowser { s.w.t.Helper(); return s.open(s.url) }

// scans takes the phone to the page that asks for the number.
func (p phone) scans(s *plainBrowser) {
	p.T.Helper()
	p.WantPage(p.Must(p.Open(p.T.Context(), s.code())), "scan_ask", 200)
	p.WantPage(p.Must(p.Submit(p.T.Context(), "continue", nil)), "scan_number", 200)
}

// enters types a number and sends it.
func (p phone) enters(number string) {
	p.T.Helper()
	p.WantPage(p.Must(p.Submit(p.T.Context(), "answer", url.Values{"number": {number}})), "scan_done", 200)
}

// goesOn follows the page with the name of the signed-in user.
func (s *plainBrowser) goesOn() *plainBrowser {
	s.w.t.Helper()
	return s.want("scan_signed_in", 200).press("go")
}

func onBothStores(t *testing.T, test func(t *testing.T, options ...option)) {
	t.Helper()
	for name, options := range map[string][]option{"SQLite": nil, "PostgreSQL": {onPostgres}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, options...)
		})
	}
}

func TestPhoneSignsADesktopIn(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options ...option) {
		m := metrics.New()
		w := newFixture(t, append(options, func(w *gatewayFixture) { w.options.Metrics = m })...)
		w.start() // two replicas, which take turns
		desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("scan_code", 200)
		alice := w.phone("alice")
		alice.scans(desk)
		if got := desk.next(); got != `{"state":"scanned"}`+"\n" {
			t.Errorf("the desktop hears %q", got)
		}
		number := desk.reloaded().want("scan_scanned", 200).number()
		alice.enters(number)
		if got := desk.next(); got != `{"state":"approved"}`+"\n" {
			t.Errorf("the desktop hears %q", got)
		}
		desk.reloaded().goesOn().at(w.app.URL + "/sample")
		tokens := w.redeem("sample", w.app.LastQuery().Get("code"))
		who := w.userinfo(tokens.AccessToken)
		if who["sub"] == nil || w.wechat.Exchanges() != 1 {
			t.Errorf("userinfo %v, %d exchanges", who, w.wechat.Exchanges())
		}
		if e := w.lastSignIn(); e.Method != "scan" || e.Connector != "main" || e.App != "sample" || e.Outcome != "ok" {
			t.Errorf("event %+v", e)
		}
		// The next app lets the desktop in without another code.
		desk.open(w.authorize("second")).at(w.app.URL + "/second")
		if again := w.userinfo(w.redeem("second", w.app.LastQuery().Get("code")).AccessToken); again["sub"] != who["sub"] {
			t.Errorf("another user: %v", again)
		}
		if users, _ := w.users(); len(users) != 1 {
			t.Errorf("users %+v", users)
		}
		scrape := w.scrape(m)
		for _, want := range []string{`weigate_sign_ins_begun_total{method="scan"} 1`,
			`weigate_sign_ins_ended_total{method="scan",outcome="signed_in"} 1`} {
			if !strings.Contains(scrape, want) {
				t.Errorf("no %s", want)
			}
		}
	})
}

// "Not me", pressed on the phone, ends the desktop's session and what apps were given by it; the
// phone stays signed in.
func TestNotMeOnThePhoneEndsTheDesktopsSession(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options ...option) {
		w := newFixture(t, options...)
		desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("sample")), w.phone("alice")
		alice.scans(desk)
		alice.enters(desk.reloaded().number())
		desk.reloaded().goesOn().at(w.app.URL + "/sample")
		access := w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken
		alice.WantPage(alice.Must(alice.Submit(t.Context(), "undo", nil)), "scan_undone", 200)
		if who := w.userinfo(access); who["sub"] != nil {
			t.Errorf("the app still learns %v", who)
		}
		desk.open(w.url+"/").want("welcome", 200)
		alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200)
	})
}

func TestSignOutAfterAScanIsFinal(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options ...option) {
		w := newFixture(t, options...)
		desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("sample")), w.phone("alice")
		waiting := desk.url
		alice.scans(desk)
		alice.enters(desk.reloaded().number())
		desk.reloaded().goesOn()
		// back, while the session lives: on to the app, or through it to us again
		desk.open(waiting).at(w.app.URL + "/sample")
		desk.open(w.url+"/sign-out").submit("/sign-out", nil)
		desk.open(waiting).want("lost", 400)
		desk.open(w.url+"/").want("welcome", 200)
	})
}

func TestBlockedWhileThePhoneHoldsTheTicket(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"scanned", "approved"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			onBothStores(t, func(t *testing.T, options ...option) {
				w := newFixture(t, options...)
				desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("sample")), w.phone("alice")
				alice.scans(desk)
				number := desk.reloaded().number()
				if moment == "approved" {
					alice.enters(number)
				}
				w.set(gateway.Blocked)
				desk.reloaded().want("scan_refused", 200)
				if moment == "scanned" {
					page := alice.Must(alice.Submit(t.Context(), "answer", url.Values{"number": {number}}))
					if fixture.PageName(page) != "scan_used" {
						t.Errorf("the phone shows %q", fixture.PageName(page))
					}
				}
				desk.open(w.url+"/").want("welcome", 200)
			})
		})
	}
}

// The requirements of the app apply to the sign-in of the phone: reauthentication with WeChat's
// consent page, and the openid of the connector that identifies users to the app.
func TestLoginRequestAppliesToThePhone(t *testing.T) {
	t.Parallel()
	t.Run("prompt=login", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		alice := w.phone("alice")
		// the phone is signed in already
		alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/sign-in?return=/")), "own", 200)
		before := w.wechat.Exchanges()
		desk := w.plainBrowser(uaDesktop).open(w.authorize("sample", "prompt", "login")).want("scan_code", 200)
		alice.Must(alice.Open(t.Context(), desk.code()))
		alice.WantPage(alice.Must(alice.Allow(t.Context())), "scan_ask", 200) // WeChat's consent page came first
		if w.wechat.Exchanges() != before+1 {
			t.Errorf("%d exchanges", w.wechat.Exchanges()-before)
		}
		alice.WantPage(alice.Must(alice.Submit(t.Context(), "continue", nil)), "scan_number", 200)
		alice.enters(desk.reloaded().number())
		desk.reloaded().goesOn().at(w.app.URL + "/sample")
	})
	t.Run("max_age", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		alice := w.phone("alice")
		alice.Must(alice.Open(t.Context(), w.url+"/sign-in?return=/"))
		w.clock.Advance(time.Hour)
		before := w.wechat.Exchanges()
		desk := w.plainBrowser(uaDesktop).open(w.authorize("sample", "max_age", "60")).want("scan_code", 200)
		alice.scans(desk)
		alice.enters(desk.reloaded().number())
		desk.reloaded().goesOn().at(w.app.URL + "/sample")
		if w.wechat.Exchanges() != before+1 {
			t.Errorf("%d exchanges: an old session of the phone was enough", w.wechat.Exchanges()-before)
		}
	})
	t.Run("connector", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, twoConnectors)
		alice := w.phone("alice")
		alice.Must(alice.Open(t.Context(), w.url+"/sign-in?return=/")) // through the first entry
		desk := w.plainBrowser(uaDesktop).open(w.authorize("legacy")).want("scan_code", 200)
		alice.scans(desk)
		alice.enters(desk.reloaded().number())
		desk.reloaded().goesOn().at(w.app.URL + "/legacy")
		if e := w.lastSignIn(); e.Method != "scan" || e.Connector == "main" {
			t.Errorf("event %+v", e)
		}
	})
}

// Nickname and picture are asked for on the phone, which can reach WeChat's consent page, before it
// confirms.
func TestProfileIsAskedForOnThePhone(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("sample", "scope", withProfile)), w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), desk.code())), "scan_ask", 200)
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "continue", nil)), "profile", 200)
	alice.Press()
	alice.WantPage(alice.Must(alice.Allow(t.Context())), "scan_number", 200)
	alice.enters(desk.reloaded().want("scan_scanned", 200).number())
	if !strings.Contains(desk.reloaded().want("scan_signed_in", 200).body, "Alice") {
		t.Error("the desktop does not show who is signed in")
	}
	desk.goesOn().at(w.app.URL + "/sample")
	if who := w.userinfo(w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken); who["nickname"] != "Alice" {
		t.Errorf("userinfo %v", who)
	}
	// "Continue without" is a valid choice too.
	other := w.plainBrowser(uaDesktop).open(w.authorize("sample", "scope", withProfile))
	bob := w.phone("bob")
	bob.WantPage(bob.Must(bob.Open(t.Context(), other.code())), "scan_ask", 200)
	bob.WantPage(bob.Must(bob.Submit(t.Context(), "continue", nil)), "profile", 200)
	bob.WantPage(bob.Must(bob.Submit(t.Context(), "", nil)), "continue", 200)
	bob.WantPage(bob.Must(bob.FollowRefresh(t.Context())), "scan_number", 200)
	bob.enters(other.reloaded().number())
	other.reloaded().goesOn().at(w.app.URL + "/sample")
}

// An app may exclude the method scan; then no desktop gets a code for it.
func TestAppExcludesScan(t *testing.T) {
	t.Parallel()
	w := newFixture(t, methods(t, "wechat"))
	w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("open_in_wechat", 200)
	// A desktop that came in by it for another app is not let in either.
	desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("second")), w.phone("alice")
	alice.scans(desk)
	alice.enters(desk.reloaded().number())
	desk.reloaded().goesOn().at(w.app.URL + "/second")
	if desk.open(w.authorize("sample")); strings.HasPrefix(desk.url, w.app.URL) {
		t.Errorf("a user signed in by a method that the app does not allow: %s", desk.url)
	}
}

// A page of another site cannot confirm a scan for a user, and cannot cancel one.
func TestPhonePagePostedFromAnotherSite(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("sample")), w.phone("alice")
	alice.scans(desk)
	number := desk.reloaded().number()
	mark := regexp.MustCompile(`name="m" value="([^"]*)"`).FindStringSubmatch(alice.Page().Body)[1]
	for _, path := range []string{"/scan/continue", "/scan/answer", "/scan/undo", "/scan/renew?d=x", "/scan/cancel?d=x"} {
		for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+path,
				strings.NewReader(url.Values{"m": {mark}, "number": {number}}.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("User-Agent", alice.UserAgent())
			r.Header.Set(header, value)
			for _, c := range alice.Cookies(w.url) {
				r.AddCookie(c)
			}
			if body := w.body(r); !strings.Contains(body, "foreign_form") {
				t.Errorf("%s: %s", path, body)
			}
		}
	}
	desk.reloaded().want("scan_scanned", 200)
}

func TestScanPagesCannotBeFramed(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample"))
	for _, address := range []string{desk.url, desk.code(), w.url + "/scan/confirm", w.url + "/scan"} {
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
			res.Header.Get("X-Frame-Options") != "DENY" ||
			res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", address, res.Header)
		}
	}
}

// The ids of tickets are in no metric, no event and no log, also when somebody asks for nonsense,
// too often, or from another site.
func TestTicketIsInNoMetricEventOrLog(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	log := &fixture.Buffer{}
	w := newFixture(t, func(w *gatewayFixture) {
		w.options.Metrics, w.options.Logger = m, slog.New(slog.NewTextHandler(log, nil))
	})
	desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("sample")), w.phone("alice")
	link := desk.code()
	id := link[strings.LastIndex(link, "/")+1:]
	alice.scans(desk)
	alice.enters(desk.reloaded().number())
	desk.reloaded().goesOn()
	events, err := w.store.Events(t.Context(), gateway.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://evil.example")
	w.body(r)
	if text := w.scrape(m) + fmt.Sprint(events) + log.String(); strings.Contains(text, id) ||
		!strings.Contains(text, `route="/scan/{ticket}"`) {
		t.Errorf("metrics and events: %s", text)
	}
	if hops := fmt.Sprint(alice.Page().Hops, alice.Page().URL); strings.Contains(hops, id) {
		t.Errorf("the phone stands on an address with the ticket: %s", hops)
	}
}

// A gateway that is told to stop does not wait for the desktops that wait.
func TestDrainAnswersThoseWhoWait(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample"))
	heard := make(chan string)
	go func() { heard <- desk.next() }()
	time.AfterFunc(100*time.Millisecond, w.replicas[0].Drain)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case got := <-heard:
		if got != `{"state":"open"}`+"\n" {
			t.Errorf("heard %q", got)
		}
	case <-ctx.Done():
		t.Error("still waiting")
	}
	w.replicas[0].Drain() // a second time does nothing
}
