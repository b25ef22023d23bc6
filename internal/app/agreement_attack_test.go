package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// The documents change while a page is open. Its user has seen the former documents, and agrees to
// nothing with its form.
func TestFormOfFormerDocumentsDoesNotAgreeToTheNewOnes(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement, version("1"))
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample"))), "agreement", 200)
	w.publishes("2")
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "", ticked())), "agreement", 200)
	w.wantAgreements("[]", "[]")
	alice.tick()
	fixture.WantAt(w.t, alice.Page(), w.app.URL+"/sample")
	w.wantAgreements("[version 2]", "[version: 2]")

	w.publishes("3")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second"))), "agreement_changed", 200)
	w.publishes("4")
	page := alice.WantPage(alice.Must(alice.Submit(t.Context(), "agreement", ticked())), "agreement_changed", 200)
	if strings.Contains(page.Body, "checked") {
		t.Errorf("the box is ticked: %s", page.Body)
	}
	w.wantAgreements("[version 2]", "[version: 2]")
	alice.agreesAgain(w.app.URL + "/second")
	w.wantAgreements("[version 4]", "[version: 4 version: 2]")
}

// A user who did not agree to a new version, and has signed out, still gets their data and deletes
// themselves.
func TestSignedOutUserIsNotLockedInByANewVersion(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement, version("1"))
	alice := w.agreedToFormer("alice")
	signsOut := func() {
		alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200)
		alice.WantPage(alice.Must(alice.Submit(t.Context(), "everywhere", nil)), "ended_all", 200)
	}
	signsOut()
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/my-data")), "data", 200)
	w.wantAgreements("[version 1]", "[version: 1]")
	// The session that needed no agreement opens no app.
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second"))), "agreement_changed", 200)
	signsOut()
	w.clock.Advance(time.Hour)
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/delete-account")), "delete", 200)
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "delete-account", ticked())), "deleted", 200)
	if users, _ := w.users(); len(users) != 0 {
		t.Errorf("users %+v", users)
	}
	// A user without data agrees like any new user.
	bob := w.phone("bob")
	bob.WantPage(bob.Must(bob.Open(t.Context(), w.url+"/my-data")), "agreement", 200)
	w.wantAgreements("[]", "[]")
	bob.tick()
	bob.WantPage(bob.Page(), "data", 200)
}
