package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/wechat/wechattest"
)

// opensDeletion opens the page on which users delete themselves, and begins the sign-in for it. It
// returns the answer of the account to the number.
func (s *plainBrowser) opensDeletion(person string) (reply string) {
	s.w.t.Helper()
	s.open(s.w.url+"/delete-account").want("delete", http.StatusOK)
	s.open(s.w.url+"/delete-account?sign-in=1").want("chat_number", http.StatusOK)
	return s.w.sends(person, s.shownNumber())
}

// Where users sign in in a chat only, they confirm the deletion of their account there.
func TestDeletionOfAUserOfAPersonalAccount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	desk := w.plainBrowser(uaDesktop).signsInByMessage("alice", w.authorize("sample"))
	reply := desk.opensDeletion("alice")
	first, _, _ := strings.Cut(reply, "\n")
	for _, want := range []string{"wants to delete your account at Weigate", "tell this code to nobody"} {
		if !strings.Contains(first, want) {
			t.Errorf("the account answers %q", reply)
		}
	}
	desk.types(w.codeIn(reply)).want("scan_signed_in", http.StatusOK)
	desk.open(desk.link("go")).want("delete", http.StatusOK)
	if users, _ := w.users(); len(users) != 1 { // the page still asks
		t.Fatalf("%d users", len(users))
	}
	desk.submit("/delete-account", nil).want("delete", http.StatusUnprocessableEntity) // without the tick
	desk.submit("/delete-account", url.Values{"agree": {"1"}}).want("deleted", http.StatusOK)
	if users, _ := w.users(); len(users) != 0 {
		t.Errorf("%d users", len(users))
	}
}

// A number that an attacker gives to a victim signs the attacker in at most. It does not delete: the
// victim has not read that the account will be deleted.
func TestRelayedNumberDoesNotDelete(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	attacker := w.plainBrowser(uaDesktop).signsInByMessage("alice", w.authorize("sample"))
	tries := func(why string) {
		t.Helper()
		attacker.open(w.url+"/delete-account").want("delete", http.StatusOK)
		if strings.Contains(attacker.body, `name="agree"`) {
			t.Errorf("%s: the page has the form", why)
		}
		users, _ := w.users()
		sessions, err := w.store.UserSessions(t.Context(), users[0].ID, w.clock.Now())
		if err != nil || len(sessions) == 0 {
			t.Fatalf("%d sessions, %v", len(sessions), err)
		}
		for _, each := range sessions {
			form := url.Values{"agree": {"1"}, "session": {session.FormID(each.Hash)}}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/delete-account",
				strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			attacker.send(r)
		}
		if users, _ := w.users(); len(users) != 1 {
			t.Fatalf("%s: the account is deleted", why)
		}
	}
	tries("a fresh sign-in to an app")

	// A sign-in to the own pages does not name a deletion either.
	visitor := w.plainBrowser(uaDesktop)
	visitor.open(w.url+"/delete-account").want("chat_number", http.StatusOK)
	reply := w.sends("alice", visitor.shownNumber())
	if strings.Contains(reply, "delete") {
		t.Errorf("the account answers %q", reply)
	}
	attacker = visitor
	attacker.types(w.codeIn(reply)).want("scan_signed_in", http.StatusOK)
	tries("a sign-in that the page of the deletion requires")

	// The victim reads what happens, and declines.
	attacker.opensDeletion("alice")
	w.sends("alice", "0")
	attacker.reloaded().want("chat_refused", http.StatusOK)
	tries("declined in the chat")

	// A confirmation is valid for some minutes only.
	code := w.codeIn(attacker.opensDeletion("alice"))
	attacker.types(code).want("scan_signed_in", http.StatusOK)
	w.clock.Advance(time.Hour)
	tries("an hour later")
}

// An account with web sign-in is deleted after a sign-in at WeChat only.
func TestDeletionWithWebSignInNeedsIt(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.OfficialAccount, true))
	w.config.Apps[0].Methods = []string{gateway.MethodMessage}
	w.replicas = nil
	w.start()
	desk := w.plainBrowser(uaDesktop).signsInByMessage("alice", w.authorize("sample"))
	desk.open(w.url+"/delete-account").want("delete", http.StatusOK)
	desk.open(w.url+"/delete-account?sign-in=1").want("open_in_wechat", http.StatusOK)
}
