package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// agreesAgain checks the box of the page for signed-in users, and arrives at an address.
func (p phone) agreesAgain(address string) {
	p.T.Helper()
	p.WantPage(p.Must(p.Submit(p.T.Context(), "agreement", ticked())), "continue", 200)
	fixture.WantAt(p.T, p.Must(p.FollowRefresh(p.T.Context())), address)
}

// publishes changes the version of the documents.
func (w *gatewayFixture) publishes(version string) {
	w.t.Helper()
	next := *w.config
	next.Site.AgreementVersion = version
	w.config = &next
	for _, r := range w.replicas {
		if err := r.Reload(&next); err != nil {
			w.t.Fatal(err)
		}
	}
}

// agreedToFormer returns the phone of a user who has agreed to the documents, which then change to
// version 2.
func (w *gatewayFixture) agreedToFormer(user string) phone {
	w.t.Helper()
	p := w.phone(user)
	p.Must(p.Open(w.t.Context(), w.authorize("sample")))
	p.tick()
	w.publishes("2")
	return p
}

// agreements returns what each user has agreed to last, as "version @ time", and the details of all
// events about it.
func (w *gatewayFixture) agreements() (users, events []string) {
	w.t.Helper()
	all, _ := w.users()
	for _, u := range all {
		text := "nothing"
		if a := u.Agreement; !a.IsZero() {
			text = "version " + a.Version
			if a.At.IsZero() || a.Hash != gateway.AgreementHash(a.Version, []string{privacy}) ||
				fmt.Sprint(a.Documents) != "["+privacy+"]" {
				w.t.Errorf("the agreement of %s: %+v", u.ID, a)
			}
		}
		users = append(users, text)
	}
	found, err := w.store.Events(w.t.Context(), gateway.EventQuery{Kind: gateway.EventAgreed})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range found {
		version, _, _ := strings.Cut(e.Detail, "; ")
		events = append(events, version)
	}
	return users, events
}

func (w *gatewayFixture) wantAgreements(users, events string) {
	w.t.Helper()
	gotUsers, gotEvents := w.agreements()
	if fmt.Sprint(gotUsers) != users || fmt.Sprint(gotEvents) != events {
		w.t.Errorf("agreements %v, events %v; want %s, %s", gotUsers, gotEvents, users, events)
	}
}

func version(text string) option {
	return func(w *gatewayFixture) { w.config.Site.AgreementVersion = text }
}

func TestLongSessionDoesNotEscapeANewVersion(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options ...option) {
		w := newFixture(t, append(options, withAgreement, version("1"))...)
		alice := w.phone("alice")
		alice.Must(alice.Open(t.Context(), w.authorize("sample")))
		alice.tick()
		fixture.WantAt(w.t, alice.Page(), w.app.URL+"/sample")
		w.wantAgreements("[version 1]", "[version: 1]")

		w.publishes("2")
		alice.Must(alice.Open(t.Context(), w.authorize("second", "prompt", "none")))
		if got := w.app.LastQuery().Get("error"); got != "interaction_required" {
			t.Errorf("prompt=none: %v", w.app.LastQuery())
		}
		page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second"))), "agreement_changed", 200)
		if !strings.Contains(page.Body, `href="`+privacy+`"`) || strings.Contains(page.Body, "checked") {
			t.Errorf("the page: %s", page.Body)
		}
		alice.WantPage(alice.Must(alice.Submit(t.Context(), "agreement", nil)), "agreement_changed", 422)
		w.wantAgreements("[version 1]", "[version: 1]")
		alice.agreesAgain(w.app.URL + "/second")
		w.wantAgreements("[version 2]", "[version: 2 version: 1]")
		if w.wechat.Exchanges() != 1 {
			t.Errorf("%d sign-ins at WeChat", w.wechat.Exchanges())
		}

		// Once is enough: for the session, for the next sign-in, and for the other app.
		fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
		alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200)
		alice.WantPage(alice.Must(alice.Submit(t.Context(), "everywhere", nil)), "ended_all", 200)
		fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second"))), w.app.URL+"/second")
		w.wantAgreements("[version 2]", "[version: 2 version: 1]")
	})
}

// A user who does not agree to the new version can sign out, see their data and delete themselves.
func TestRefusalOfANewVersionLeadsOut(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement, version("1"))
	alice := w.agreedToFormer("alice")
	page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second"))), "agreement_changed", 200)
	if !strings.Contains(page.Body, `id="home" href="/"`) {
		t.Errorf("the page: %s", page.Body)
	}
	if page = alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200); !strings.Contains(page.Body,
		`id="agree"`) {
		t.Errorf("the home page: %s", page.Body)
	}
	w.clock.Advance(time.Hour)
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/my-data?sign-in=1")), "data", 200)
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/delete-account")), "delete", 200)
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "delete-account", ticked())), "deleted", 200)
	if users, _ := w.users(); len(users) != 0 {
		t.Errorf("users %+v", users)
	}
}

// In a browser that two users share, the tick of one is not the agreement of the other: the other is
// asked after WeChat has named them, and until then nothing about them is stored.
func TestTickOfOneUserIsNotTheAgreementOfAnother(t *testing.T) {
	t.Parallel()
	w := newFixture(t, onlyWebsite, withAgreement, version("1"))
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("agreement", 200)
	desk.submit("/sign-in/agreement", ticked()).want("continue", 200)
	desk.press("go").confirmed("alice").at(w.app.URL + "/sample")
	desk.open(w.url+"/").submit("/sign-out/everywhere", nil).want("ended_all", 200)

	desk.open(w.authorize("sample")).confirmed("bob").want("agreement", 200)
	if users, _ := w.users(); len(users) != 1 {
		t.Errorf("a user is stored who has not agreed: %+v", users)
	}
	w.wantAgreements("[version 1]", "[version: 1]")
	desk.open(w.url + "/sign-in/me")
	if !strings.Contains(desk.body, "signed_out") {
		t.Errorf("bob is signed in: %s", desk.body)
	}
	// Who does not agree goes; alice is not asked again.
	desk.open(w.authorize("sample")).confirmed("alice").at(w.app.URL + "/sample")
	desk.open(w.url+"/").submit("/sign-out/everywhere", nil).want("ended_all", 200)
	desk.open(w.authorize("sample")).confirmed("bob").want("agreement", 200)
	desk.submit("/sign-in/agreement", ticked()).want("continue", 200)
	desk.press("go").confirmed("bob").at(w.app.URL + "/sample")
	w.wantAgreements("[version 1 version 1]", "[version: 1 version: 1]")
}

// A user ticks the box and leaves at WeChat's page. The next user of the browser has not ticked it.
func TestAbandonedTickIsNotTheAgreementOfTheNextUser(t *testing.T) {
	t.Parallel()
	w := newFixture(t, onlyWebsite, withAgreement, version("1"))
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("agreement", 200)
	desk.submit("/sign-in/agreement", ticked()).want("continue", 200)
	desk.press("go").at(w.wechat.URL)
	desk.open(w.authorize("second")).confirmed("bob").want("agreement", 200)
	w.wantAgreements("[]", "[]")
}

// A form that was made for one user is sent when another has signed in in the same browser.
func TestFormOfOneUserDoesNotAgreeForAnother(t *testing.T) {
	t.Parallel()
	w := newFixture(t, onlyWebsite)
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).confirmed("alice").at(w.app.URL + "/sample")
	withAgreement(w)
	w.publishes("1")
	desk.open(w.authorize("second")).want("agreement_changed", 200)
	tab := *desk
	desk.open(w.url+"/").submit("/sign-out/everywhere", nil).want("ended_all", 200)
	desk.open(w.authorize("second")).want("agreement", 200)
	desk.submit("/sign-in/agreement", ticked()).want("continue", 200).press("go").confirmed("bob")
	w.publishes("2")
	tab.submit("/sign-in/agreement", ticked()).want("agreement_changed", 200)
	w.wantAgreements("[nothing version 1]", "[version: 1]")
}

// The phone's user confirms the desktop's sign-in, so the phone's user agrees, before anything else.
func TestPhoneDoesNotConfirmBeforeItsUserAgrees(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement, version("1"))
	alice := w.agreedToFormer("alice")
	desk := w.plainBrowser(uaDesktop).open(w.authorize("second")).want("scan_code", 200)
	alice.WantPage(alice.Must(alice.Open(t.Context(), desk.code())), "agreement_changed", 200)
	alice.agreesAgain(w.url + "/scan/confirm")
	alice.WantPage(alice.Page(), "scan_ask", 200)
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "continue", nil)), "scan_number", 200)
	alice.enters(desk.reloaded().number())
	desk.reloaded().goesOn().at(w.app.URL + "/second")
	w.wantAgreements("[version 2]", "[version: 2 version: 1]")

	// A new user agrees on the phone too. The desktop is not asked, and counts for nobody.
	desk = w.plainBrowser(uaDesktop).open(w.authorize("second")).want("scan_code", 200)
	bob := w.phone("bob")
	bob.WantPage(bob.Must(bob.Open(t.Context(), desk.code())), "agreement", 200)
	w.wantAgreements("[version 2]", "[version: 2 version: 1]")
	bob.tick()
	bob.WantPage(bob.Page(), "scan_ask", 200)
	w.wantAgreements("[version 2 version 2]", "[version: 2 version: 2 version: 1]")
}

func TestSignInByMessageWithAgreement(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true), withAgreement, version("1"))
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("agreement", 200)
	desk.submit("/sign-in/agreement", ticked()).want("continue", 200).press("go").want("chat_number", 200)
	desk.types(w.codeIn(w.sends("alice", desk.shownNumber()))).want("scan_signed_in", 200)
	desk.press("go").at(w.app.URL + "/sample")
	w.wantAgreements("[version 1]", "[version: 1]")
	desk.open(w.url+"/").submit("/sign-out/everywhere", nil).want("ended_all", 200)

	// Another person at this browser.
	if _, err := w.wechat.Follow(t.Context(), "bob", personalID); err != nil {
		t.Fatal(err)
	}
	desk.open(w.authorize("sample")).want("chat_number", 200)
	desk.types(w.codeIn(w.sends("bob", desk.shownNumber()))).want("agreement", 200)
	w.wantAgreements("[version 1]", "[version: 1]")
	desk.submit("/sign-in/agreement", ticked()).want("continue", 200).press("go").want("chat_number", 200)
	desk.types(w.codeIn(w.sends("bob", desk.shownNumber()))).want("scan_signed_in", 200)
	w.wantAgreements("[version 1 version 1]", "[version: 1 version: 1]")
}

// A session on the host of a site does not escape either.
func TestHostSessionDoesNotEscapeANewVersion(t *testing.T) {
	t.Parallel()
	g := behindProxy(t, gateway.AccessSignedIn, withAgreement, version("1"))
	alice := g.phone("alice")
	alice.Must(alice.Open(t.Context(), g.url+"/sign-in?return=/"))
	alice.tick()
	g.enters(alice)
	g.publishes("2")
	g.clock.Advance(time.Minute) // the decision is not cached any more
	alice.WantPage(alice.Must(alice.Open(t.Context(), g.origin+"/page")), "agreement_changed", 200)
	if g.isIn(alice) {
		t.Error("a script of the site is let in")
	}
	alice.agreesAgain(g.origin + "/page")
	if !g.isIn(alice) {
		t.Errorf("alice is at %s: %s", alice.Page().URL, alice.Page().Body)
	}
}
