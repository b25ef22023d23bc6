package scan_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

func TestSignOutIsNotUndoneByARepeat(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	at := desktop.at
	w.approve(desktop.link(), w.phone("alice"))
	before := desktop.twin().cookies
	desktop.open(at).want(web.ScanSignedIn)
	id := desktop.cookies["session"]
	w.people.mu.Lock()
	delete(w.people.sessions, hashOf(id))
	w.people.mu.Unlock()
	desktop.open(at).want(web.Lost)
	// Also with the cookies of before, as a page that a browser restores sends them.
	desktop.cookies = before
	desktop.open(at).want(web.Lost)
	if w.people.made != 1 || desktop.isIn() != "" {
		t.Error("signed in again")
	}
}

func TestKilledReplicaInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name    string
		between func(w *fixture, desktop *browser)
	}{
		{"after the session, before the ticket is taken", func(w *fixture, desktop *browser) {
			w.tickets.broken["RedeemTicket"] = errStore
			desktop.open(desktop.at).want(web.Busy)
			if desktop.isIn() != "" {
				t.Error("a session is out that a repeat would bring back after a sign-out")
			}
			w.state(gateway.TicketApproved)
			w.tickets.mu.Lock()
			delete(w.tickets.broken, "RedeemTicket")
			w.tickets.mu.Unlock()
		}},
		{"after the ticket was taken, before the answer", func(w *fixture, desktop *browser) {
			desktop.twin().open(desktop.at).want(web.ScanSignedIn) // and nothing of it arrives
			w.state(gateway.TicketRedeemed)
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			w.start()
			desktop := w.desktop()
			phone := w.phone("alice")
			phone.replica = 1
			w.approve(desktop.link(), phone)
			k.between(w, desktop)
			desktop.replica = 1
			desktop.open(desktop.at).want(web.ScanSignedIn)
			if desktop.isIn() != "alice" || w.people.made != 1 {
				t.Errorf("signed in as %q, %d sessions", desktop.isIn(), w.people.made)
			}
			if got := w.kinds(); len(got) != 1 {
				t.Errorf("events %v", got)
			}
		})
	}
}

func TestEightRequestsAtOnceAreOneSignIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	w.approve(desktop.link(), w.phone("alice"))
	var all sync.WaitGroup
	for range 8 {
		copied := desktop.twin()
		all.Go(func() {
			if res := copied.send(http.MethodGet, copied.at, nil); res.Code != 200 || copied.isIn() != "alice" {
				t.Errorf("%d, signed in as %q", res.Code, copied.isIn())
			}
		})
	}
	all.Wait()
	if w.people.made != 1 || len(w.kinds()) != 1 {
		t.Errorf("%d sessions, events %v", w.people.made, w.kinds())
	}
	w.watch("begun", "signed_in")
}

func TestTwoPhonesAtOnceOneGetsIt(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	var phones []*browser
	for n := range 8 {
		name := fmt.Sprint("person", n)
		w.people.accounts[name] = gateway.User{ID: name, Status: gateway.Active}
		phones = append(phones, w.phone(name).open(desktop.link()).want(web.ScanAsk))
	}
	var all sync.WaitGroup
	for _, phone := range phones {
		all.Go(func() { phone.press("Continue") })
	}
	all.Wait()
	kinds := map[string]int{}
	for _, phone := range phones {
		kinds[phone.kind()]++
	}
	if kinds["scan_number"] != 1 || kinds["scan_taken"] != 7 {
		t.Errorf("pages %v", kinds)
	}
}

func TestBlockedUserIsRejected(t *testing.T) {
	t.Parallel()
	block := func(w *fixture) {
		w.people.mu.Lock()
		a := w.people.accounts["alice"]
		a.Status = gateway.Blocked
		w.people.accounts["alice"] = a
		w.people.mu.Unlock()
		w.tickets.mu.Lock()
		w.tickets.blocked["alice"] = true
		w.tickets.mu.Unlock()
	}
	t.Run("before holding", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		desktop, phone := w.desktop(), w.phone("alice")
		phone.open(desktop.link()).want(web.ScanAsk)
		w.tickets.mu.Lock()
		w.tickets.blocked["alice"] = true // at the same moment
		w.tickets.mu.Unlock()
		phone.press("Continue").want(web.Blocked)
		w.state(gateway.TicketOpen)
		block(w)
		phone.open("/scan/confirm").goes("https://open.weixin.qq.com/") // where sign-in tells them
	})
	t.Run("after the answer", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		desktop, phone := w.desktop(), w.phone("alice")
		w.approve(desktop.link(), phone)
		block(w)
		desktop.open(desktop.at).want(web.Blocked)
		if desktop.isIn() != "" {
			t.Error("signed in")
		}
		w.watch("begun", "refused")
	})
	t.Run("between the session and the ticket", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		desktop, phone := w.desktop(), w.phone("alice")
		w.approve(desktop.link(), phone)
		w.tickets.hook = func(method string) {
			if method == "RedeemTicket" { // the store refuses what a blocked account had approved
				w.tickets.mu.Lock()
				defer w.tickets.mu.Unlock()
				for hash, row := range w.tickets.rows {
					row.State = gateway.TicketRefused
					w.tickets.rows[hash] = row
				}
			}
		}
		desktop.open(desktop.at).want(web.ScanRefused)
		if desktop.isIn() != "" || len(w.people.sessions) != 1 {
			t.Errorf("signed in as %q; %d sessions", desktop.isIn(), len(w.people.sessions))
		}
	})
}

// While the page on the phone is open, its user is joined to an older user.
func TestUserJoinedDuringTheScan(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("bob")
	phone.open(desktop.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	w.tickets.mu.Lock()
	w.tickets.joined["bob"] = "alice"
	for hash, row := range w.tickets.rows {
		row.Approver.UserID = "alice"
		w.tickets.rows[hash] = row
	}
	w.tickets.mu.Unlock()
	number := w.ticket().Number
	// Joining two users ends the sessions of the newer one, so the phone signs in again, as the
	// older one.
	delete(phone.cookies, "session")
	phone.enter(number).want(web.Continue)
	phone.open("/scan/confirm").comeBack("alice").want(web.ScanNumber).enter(number).want(web.ScanDone)
	desktop.open(desktop.at).want(web.ScanSignedIn)
	if desktop.isIn() != "alice" {
		t.Errorf("signed in as %q", desktop.isIn())
	}
}

// A phone has two codes open, one after the other; the older page is still there in another window.
func TestOlderPageConfirmsNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first, phone := w.desktop(), w.phone("alice")
	phone.open(first.link()).want(web.ScanAsk)
	older := *phone
	second := w.browser(uaDesktop)
	second.address = "198.51.100.1:1"
	second.open("/begin").want(web.ScanCode)
	phone.open(second.link()).want(web.ScanAsk)
	older.cookies = phone.cookies // one phone, one set of cookies
	older.press("Continue").want(web.ScanAsk).shows("198.51.100.*")
	for _, row := range w.tickets.all() {
		if row.State != gateway.TicketOpen {
			t.Errorf("a press on the older page did something: %s", row.State)
		}
	}
}

// A phone that was itself signed in by scan cannot approve a sign-in.
func TestSessionByScanConfirmsNoOther(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	w.approve(desktop.link(), w.phone("alice"))
	desktop.open(desktop.at).want(web.ScanSignedIn)
	other := w.browser(uaDesktop).open("/begin").want(web.ScanCode)
	desktop.agent = uaPhone
	desktop.open(other.link()).goes("https://open.weixin.qq.com/")
}

func TestAnswerThatIsNoneOfTheNumbersIsNoAnswer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	phone.open(desktop.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
	mark := inputTag.FindStringSubmatch(phone.page.Body.String())[2]
	for _, form := range []url.Values{{"m": {mark}}, {"m": {mark}, "number": {"7"}}, {"m": {mark}, "number": {"100"}},
		{"number": {w.ticket().Number}}, {"m": {"x"}, "refuse": {"1"}}} {
		phone.visit(http.MethodPost, "/scan/answer", form).want(web.ScanNumber)
	}
	w.state(gateway.TicketScanned)
}

// The right number is rejected from a phone that has not pressed "Continue" before.
func TestNumberWithoutHoldingIsNoAnswer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	phone.open(desktop.link()).want(web.ScanAsk)
	mark := inputTag.FindStringSubmatch(phone.page.Body.String())[2]
	phone.visit(http.MethodPost, "/scan/answer", url.Values{"m": {mark},
		"number": {w.ticket().Number}}).want(web.ScanAsk)
	w.state(gateway.TicketOpen)
}

func TestBrowserWithoutCookiesSeesWhy(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	b := w.browser(uaDesktop)
	res := b.send(http.MethodGet, "/begin", nil)
	b.cookies = map[string]string{}
	b.open(res.Header().Get("Location")).want(web.Lost)
	if n := len(w.tickets.all()); n != 0 {
		t.Errorf("%d tickets", n)
	}
	w.phone("alice").open("/scan/confirm").want(web.ScanNone)
}
