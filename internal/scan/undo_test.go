package scan_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/web"
)

// The attacker gets the victim to approve, and then to open any other link of a code in WeChat,
// which replaces the phone's cookie. "Not me" still works, on the page that is open and on the page
// of the user's browsers, before and after the attacker's desktop came for the session.
func TestNotMeCannotBeTakenAwayByAnotherCode(t *testing.T) {
	t.Parallel()
	for _, redeemed := range []bool{false, true} {
		for _, link := range []string{"/scan/" + strings.Repeat("a", 26), "/scan/x"} {
			w := newFixture(t)
			attacker, victim := w.desktop(), w.phone("alice")
			w.approve(attacker.link(), victim)
			page := victim.page
			if redeemed {
				attacker.open(attacker.at).want(web.ScanSignedIn)
			}
			victim.open(link).want(web.ScanOver)
			victim.page = page
			victim.press("Not me").want(web.ScanUndone)
			attacker.open(attacker.at)
			if attacker.isIn() != "" || len(w.kinds()) == 0 || w.kinds()[len(w.kinds())-1] != scan.EventUndo {
				t.Errorf("redeemed %v, %s: the attacker is signed in as %q, events %v", redeemed, link, attacker.isIn(),
					w.kinds())
			}
		}
	}
}

// "Not me" of one user ends nothing of another, whatever the form says.
func TestNotMeForAnotherUsersSignIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, alice, bob := w.desktop(), w.phone("alice"), w.phone("bob")
	w.approve(desktop.link(), alice)
	bob.page = alice.page
	bob.press("Not me")
	desktop.open(desktop.at).want(web.ScanSignedIn)
	bob.page = alice.page
	bob.press("Not me")
	if desktop.isIn() != "alice" {
		t.Error("another user ended the session")
	}
	nobody := w.phone("")
	nobody.page = alice.page
	nobody.press("Not me").want(web.PleaseSignIn)
}

// Two requests of the desktop arrive at the same time, and "not me" comes in between: the request
// that is late finds the ticket redeemed, and stores no session again.
func TestNotMeBetweenTwoRequestsOfTheDesktop(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	w.approve(desktop.link(), phone)
	late, depth := desktop.twin(), 0
	w.tickets.hook = func(method string) {
		if method != "RedeemTicket" {
			return
		}
		if depth++; depth == 1 { // the late request has read the approved ticket
			desktop.open(desktop.at).want(web.ScanSignedIn)
			phone.press("Not me").want(web.ScanUndone)
		}
	}
	late.open(late.at)
	if late.isIn() != "" || desktop.isIn() != "" || w.people.made != 1 {
		t.Errorf("signed in as %q and %q, %d sessions were stored", late.isIn(), desktop.isIn(), w.people.made)
	}
}
