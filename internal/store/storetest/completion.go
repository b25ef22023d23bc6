package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// completion returns the completion of a sign-in by the owner of an attempt.
func completion(s gateway.SignIn, key, owner, session string) gateway.Completion {
	n := newSession("", session)
	n.Connector, n.AppID, n.OpenID = s.Connector, s.AppID, s.OpenID
	return gateway.Completion{
		SignIn: s, Session: n, AttemptKey: key, Owner: owner, Now: s.At,
		Outcome: gateway.Outcome{Kind: "signed_in", At: s.At, Text: "done"},
		Refused: gateway.Outcome{Kind: "app_refused", At: s.At, Text: "refused"},
		Event:   gateway.Event{Kind: "sign_in", App: "wiki", Connector: s.Connector, Method: "wechat", RequestID: "r1"},
	}
}

// beginAttempt begins the attempt key for owner at noon; its lease is 15 seconds.
func (f *fixture) beginAttempt(key, owner string) {
	f.t.Helper()
	f.wantAttemptWon(newAttempt(key, "code", owner, 0), 0)
}

// attemptOutcome returns what is stored about an attempt.
func (f *fixture) attemptOutcome(key string) gateway.Outcome {
	f.t.Helper()
	have, won, err := f.store.BeginAttempt(f.t.Context(), newAttempt(key, "code", "reader", 0), noon)
	if err != nil {
		f.t.Fatal(err)
	}
	if won {
		f.t.Fatalf("the attempt %q was not stored", key)
	}
	return have.Outcome
}

// wantNothingStored fails the test when a completion that failed has left something behind.
func (f *fixture) wantNothingStored(what string, n gateway.Completion, users, events int) {
	f.t.Helper()
	wantEqual(f.t, what+": users", len(f.listUsers(gateway.UserQuery{})), users)
	wantEqual(f.t, what+": events", len(f.listEvents(gateway.EventQuery{})), events)
	_, err := f.store.Session(f.t.Context(), n.Session.Hash, n.Now)
	wantError(f.t, err, gateway.ErrNotFound)
}

var completionCases = []testCase{
	{
		name:   "a completed sign-in is all there after one call",
		reason: "the session, the outcome and the event belong to one sign-in",
		run: func(t *testing.T, f *fixture) {
			old := f.addSession(f.addUser("o0").ID, "previous")
			other := f.addSession(f.addUser("o9").ID, "another browser")
			f.beginAttempt("k", "one")
			n := completion(mainConnector.signIn(after(time.Second), "o1", "u1"), "k", "one", "s1")
			n.Previous = old.Hash
			user, joins, err := f.store.CompleteSignIn(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "status", user.Status, gateway.Active)
			wantEqual(t, "events of joining", fmt.Sprint(kinds(joins)), "[user_created ok]")

			stored, who, err := f.store.SessionUser(t.Context(), n.Session.Hash, noon)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "user of the session", who.ID, user.ID)
			wantEqual(t, "openid of the session", stored.OpenID, "o1")
			_, err = f.store.Session(t.Context(), old.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			f.getSession(other.Hash, noon)
			wantEqual(t, "outcome", f.attemptOutcome("k"), n.Outcome)

			events := f.listEvents(gateway.EventQuery{UserID: user.ID})
			wantEqual(t, "events", fmt.Sprint(kinds(events)), "[sign_in ok user_created ok]")
			signIn := events[slices.IndexFunc(events, func(e gateway.Event) bool { return e.Kind == "sign_in" })]
			signIn.ID = 0
			wantEqual(t, "event", signIn, gateway.Event{
				At: n.Now, Kind: "sign_in", UserID: user.ID, App: "wiki", Connector: "main", Method: "wechat", Outcome: "ok",
				RequestID: "r1",
			})
		},
	},
	{
		name:   "a sign-in is not completed without its attempt",
		reason: "another request has answered for it, so a second session would be a replay",
		run: func(t *testing.T, f *fixture) {
			f.beginAttempt("mine", "one")
			f.beginAttempt("finished", "one")
			if err := f.store.FinishAttempt(t.Context(), "finished", "one", gateway.Outcome{Kind: "busy", At: noon},
				noon); err != nil {
				t.Fatal(err)
			}
			for name, n := range map[string]gateway.Completion{
				"unknown attempt":  completion(mainConnector.signIn(noon, "o1", ""), "unknown", "one", "s1"),
				"another owner":    completion(mainConnector.signIn(noon, "o1", ""), "mine", "two", "s1"),
				"finished attempt": completion(mainConnector.signIn(noon, "o1", ""), "finished", "one", "s1"),
				"lease over":       completion(mainConnector.signIn(after(15*time.Second), "o1", ""), "mine", "one", "s1"),
			} {
				_, _, err := f.store.CompleteSignIn(t.Context(), n)
				if errorName(err) != "conflict" {
					t.Fatalf("%s: got %v, want ErrConflict", name, err)
				}
				f.wantNothingStored(name, n, 0, 0)
			}
			wantEqual(t, "outcome of the finished attempt", f.attemptOutcome("finished").Kind, "busy")
			wantEqual(t, "outcome of the other attempt", f.attemptOutcome("mine").Kind, "")
		},
	},
	{
		name:   "an incomplete completion is refused",
		reason: "it would store a session without a user, or an attempt without an outcome",
		run: func(t *testing.T, f *fixture) {
			f.beginAttempt("k", "one")
			for name, spoil := range map[string]func(*gateway.Completion){
				"no openid":  func(n *gateway.Completion) { n.SignIn.OpenID = "" },
				"no owner":   func(n *gateway.Completion) { n.Owner = "" },
				"no session": func(n *gateway.Completion) { n.Session.Hash = [32]byte{} },
				"no outcome": func(n *gateway.Completion) { n.Outcome.Kind = "" },
				"no refusal": func(n *gateway.Completion) { n.Refused.Kind = "" },
				"no event":   func(n *gateway.Completion) { n.Event.Kind = "" },
				"no time":    func(n *gateway.Completion) { n.Now = time.Time{} },
			} {
				n := completion(mainConnector.signIn(noon, "o1", ""), "k", "one", "s1")
				spoil(&n)
				if _, _, err := f.store.CompleteSignIn(t.Context(), n); err == nil {
					t.Fatalf("%s: stored", name)
				}
			}
			f.wantNothingStored("refused", completion(mainConnector.signIn(noon, "o1", ""), "k", "one", "s1"), 0, 0)
			wantEqual(t, "outcome", f.attemptOutcome("k").Kind, "")
		},
	},
	{
		name:   "a blocked user gets no session",
		reason: "the attempt must end all the same, or the browser would wait for it",
		run: func(t *testing.T, f *fixture) {
			user := f.addUser("o1")
			_, err := f.store.UpdateUser(t.Context(), user.ID, noon, func(u *gateway.User) error {
				u.Status = gateway.Blocked
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			old := f.addSession(f.addUser("o2").ID, "previous")
			f.beginAttempt("k", "one")
			n := completion(mainConnector.signIn(noon, "o1", ""), "k", "one", "s1")
			n.Previous = old.Hash
			got, _, err := f.store.CompleteSignIn(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "user", got.ID, user.ID)
			wantEqual(t, "status", got.Status, gateway.Blocked)
			_, err = f.store.Session(t.Context(), n.Session.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			f.getSession(old.Hash, noon)
			wantEqual(t, "outcome", f.attemptOutcome("k"), n.Refused)
			events := f.listEvents(gateway.EventQuery{Kind: "sign_in"})
			wantEqual(t, "events", len(events), 1)
			wantEqual(t, "outcome of the event", events[0].Outcome, "refused")
			wantEqual(t, "detail of the event", events[0].Detail, "the user is blocked")
			wantEqual(t, "user of the event", events[0].UserID, user.ID)
		},
	},
	{
		name:   "a session that is live is not replaced",
		reason: "two browsers would share it",
		run: func(t *testing.T, f *fixture) {
			theirs := f.addSession(f.addUser("o1").ID, "s1")
			f.beginAttempt("k", "one")
			n := completion(siteConnector.signIn(after(time.Second), "s9", ""), "k", "one", "s1")
			_, _, err := f.store.CompleteSignIn(t.Context(), n)
			wantError(t, err, gateway.ErrConflict)
			wantEqual(t, "user of the session", f.getSession(theirs.Hash, noon).UserID, theirs.UserID)
			wantEqual(t, "users", len(f.listUsers(gateway.UserQuery{})), 1)
			wantEqual(t, "outcome", f.attemptOutcome("k").Kind, "")
			if err := f.store.DeleteSession(t.Context(), theirs.Hash); err != nil {
				t.Fatal(err)
			}
			_, _, err = f.store.CompleteSignIn(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name:   "users are joined by unionid as part of it",
		reason: "the session must name the user who stays",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			f.addSession(younger.ID, "young session")
			f.beginAttempt("k", "one")
			n := completion(siteConnector.signIn(after(2*time.Second), "s1", "u1"), "k", "one", "s1")
			got, joins, err := f.store.CompleteSignIn(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "user", got.ID, older.ID)
			wantEqual(t, "events of joining", fmt.Sprint(kinds(joins)), "[users_joined ok]")
			wantEqual(t, "user of the session", f.getSession(n.Session.Hash, noon).UserID, older.ID)
			_, err = f.store.Session(t.Context(), hash("young session"), noon)
			wantError(t, err, gateway.ErrNotFound)
			wantEqual(t, "the younger id resolves", f.getUser(younger.ID).ID, older.ID)
		},
	},
	{
		name:   "joining with a blocked user blocks the sign-in",
		reason: "a blocked person would come back through another connector",
		run: func(t *testing.T, f *fixture) {
			older, _ := f.addTwoUsers()
			_, err := f.store.UpdateUser(t.Context(), older.ID, noon, func(u *gateway.User) error {
				u.Status = gateway.Blocked
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			f.beginAttempt("k", "one")
			n := completion(siteConnector.signIn(after(2*time.Second), "s1", "u1"), "k", "one", "s1")
			got, _, err := f.store.CompleteSignIn(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "status", got.Status, gateway.Blocked)
			_, err = f.store.Session(t.Context(), n.Session.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			wantEqual(t, "outcome", f.attemptOutcome("k"), n.Refused)
		},
	},
	{
		name:   "of many completions of one attempt one counts",
		reason: "a lost answer is sent again, and two sessions would remain",
		run: func(t *testing.T, f *fixture) {
			stores := []gateway.Store{f.store, f.store}
			if s := f.secondHandle(); s != nil {
				stores[1] = s
			}
			for round := range 3 {
				key := fmt.Sprint("k", round)
				f.beginAttempt(key, "one")
				var seen counter
				concurrently(f.concurrency(), func(i int) {
					n := completion(mainConnector.signIn(noon, fmt.Sprint("o", round), ""), key, "one", fmt.Sprint("s", round, " ", i))
					_, _, err := stores[i%2].CompleteSignIn(t.Context(), n)
					seen.add(errorName(err))
				})
				wantEqual(t, "answers", fmt.Sprint(seen.counts),
					fmt.Sprint(map[string]int{"ok": 1, "conflict": f.concurrency() - 1}))
			}
			for _, u := range f.listUsers(gateway.UserQuery{}) {
				wantEqual(t, "sessions", len(f.listSessions(u.ID, noon)), 1)
			}
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: "sign_in"})), 3)
		},
	},
	{
		name:   "sign-ins of one person that complete at once are one user",
		reason: "each browser gets a session of the same user",
		run: func(t *testing.T, f *fixture) {
			n := f.concurrency()
			var seen counter
			for i := range n {
				f.beginAttempt(fmt.Sprint("k", i), "one")
			}
			concurrently(n, func(i int) {
				e := []connector{mainConnector, siteConnector, thirdConnector}[i%3]
				s := e.signIn(noon, "o-"+e.name, "u1")
				user, _, err := f.store.CompleteSignIn(t.Context(), completion(s, fmt.Sprint("k", i), "one", fmt.Sprint("s", i)))
				seen.add(user.ID + " " + errorName(err))
			})
			if len(seen.counts) != 1 {
				t.Fatalf("users and errors: %v", seen.counts)
			}
			users := f.listUsers(gateway.UserQuery{})
			wantEqual(t, "users", len(users), 1)
			wantEqual(t, "sessions", len(f.listSessions(users[0].ID, noon)), n)
		},
	},
	{
		name:   "a completion survives a restart",
		reason: "the answer that was sent must stay true",
		run: func(t *testing.T, f *fixture) {
			f.beginAttempt("k", "one")
			n := completion(mainConnector.signIn(noon, "o1", ""), "k", "one", "s1")
			user, _, err := f.store.CompleteSignIn(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			if !f.reopen() {
				return
			}
			wantEqual(t, "user", f.getSession(n.Session.Hash, noon).UserID, user.ID)
			wantEqual(t, "outcome", f.attemptOutcome("k"), n.Outcome)
			_, _, err = f.store.CompleteSignIn(t.Context(), n)
			wantError(t, err, gateway.ErrConflict)
		},
	},
}
