package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// newCompletion returns the completion of a sign-in, with a new session with the id sessionID. An
// attempt is the right to exchange the code of a sign-in; key and owner are the attempt's.
func newCompletion(signIn gateway.SignIn, key, owner, sessionID string) gateway.Completion {
	session := newSession("", sessionID)
	session.Connector, session.AppID, session.OpenID = signIn.Connector, signIn.AppID, signIn.OpenID
	return gateway.Completion{
		SignIn: signIn, Session: session, AttemptKey: key, Owner: owner, Now: signIn.At,
		Outcome: gateway.Outcome{Kind: "signed_in", At: signIn.At, Text: "done"},
		Refused: gateway.Outcome{Kind: "app_refused", At: signIn.At, Text: "refused"},
		Event:   gateway.Event{Kind: "sign_in", App: "wiki", Connector: signIn.Connector, Method: "wechat", RequestID: "r1"},
	}
}

// beginAttempt begins the attempt with this key and owner at noon. Its lease is 15 seconds.
func (f *fixture) beginAttempt(key, owner string) {
	f.t.Helper()
	f.wantAttemptWon(newAttempt(key, "code", owner, 0), 0)
}

// attemptOutcome returns the stored outcome of an attempt.
func (f *fixture) attemptOutcome(key string) gateway.Outcome {
	f.t.Helper()
	have, won, err := f.store.BeginAttempt(f.t.Context(), newAttempt(key, "code", "reader", 0), noon)
	wantNoError(f.t, err)
	if won {
		f.t.Fatalf("the attempt %q was not stored", key)
	}
	return have.Outcome
}

// wantNothingStored fails the test when a completion that failed has left something behind.
func (f *fixture) wantNothingStored(what string, completion gateway.Completion, users, events int) {
	f.t.Helper()
	wantEqual(f.t, what+": users", len(f.listUsers(gateway.UserQuery{})), users)
	wantEqual(f.t, what+": events", len(f.listEvents(gateway.EventQuery{})), events)
	_, err := f.store.Session(f.t.Context(), completion.Session.Hash, completion.Now)
	wantError(f.t, err, gateway.ErrNotFound)
}

// completionCases test CompleteSignIn, which stores everything about a sign-in in one transaction:
// the user, the session, the outcome of the attempt and the event.
var completionCases = []testCase{
	{
		name:   "one call stores the whole sign-in",
		reason: "the session, the outcome and the event belong to one sign-in",
		run: func(t *testing.T, f *fixture) {
			old := f.addSession(f.addUser("o0").ID, "previous")
			other := f.addSession(f.addUser("o9").ID, "another browser")
			f.beginAttempt("k", "one")
			completion := newCompletion(mainConnector.signIn(after(time.Second), "o1", "u1"), "k", "one", "s1")
			completion.Previous = old.Hash
			user, events, err := f.store.CompleteSignIn(t.Context(), completion)
			wantNoError(t, err)
			wantEqual(t, "status", user.Status, gateway.Active)
			wantEqual(t, "events of users", fmt.Sprint(eventKinds(events)), "[user_created ok]")

			session, sessionUser, err := f.store.SessionUser(t.Context(), completion.Session.Hash, noon)
			wantNoError(t, err)
			wantEqual(t, "user of the session", sessionUser.ID, user.ID)
			wantEqual(t, "openid of the session", session.OpenID, "o1")
			_, err = f.store.Session(t.Context(), old.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			f.getSession(other.Hash, noon)
			wantEqual(t, "outcome", f.attemptOutcome("k"), completion.Outcome)

			stored := f.listEvents(gateway.EventQuery{UserID: user.ID})
			wantEqual(t, "events", fmt.Sprint(eventKinds(stored)), "[sign_in ok user_created ok]")
			signIn := stored[slices.IndexFunc(stored, func(event gateway.Event) bool { return event.Kind == "sign_in" })]
			signIn.ID = 0
			wantEqual(t, "event", signIn, gateway.Event{
				At: completion.Now, Kind: "sign_in", UserID: user.ID, App: "wiki", Connector: "main", Method: "wechat",
				Outcome: "ok", RequestID: "r1",
			})
		},
	},
	{
		name:   "a user who signs in again renews the session",
		reason: "apps must not notice it: their tokens and the claim sid refer to the first session, so First stays the same",
		run: func(t *testing.T, f *fixture) {
			for i, c := range []struct {
				previous, session, openID string
				want                      [32]byte // First
			}{
				{"", "s0", "o1", hash("s0")},
				{"s0", "s1", "o1", hash("s0")},
				{"s1", "s2", "o1", hash("s0")},
				{"s1", "s3", "o1", hash("s3")}, // the previous session has ended
				{"s2", "s4", "o2", hash("s4")}, // another user takes the browser over
			} {
				key := fmt.Sprint("k", i)
				f.beginAttempt(key, "one")
				completion := newCompletion(mainConnector.signIn(noon, c.openID, ""), key, "one", c.session)
				completion.Session.First = [32]byte{}
				if c.previous != "" {
					completion.Previous = hash(c.previous)
				}
				_, _, err := f.store.CompleteSignIn(t.Context(), completion)
				wantNoError(t, err)
				wantEqual(t, c.session, f.getSession(hash(c.session), noon).First, c.want)
			}
		},
	},
	{
		name:   "a sign-in is not completed without its attempt",
		reason: "another request has redeemed the code, so a second session would be a replay",
		run: func(t *testing.T, f *fixture) {
			f.beginAttempt("mine", "one")
			f.beginAttempt("finished", "one")
			wantNoError(t, f.store.FinishAttempt(t.Context(), "finished", "one", gateway.Outcome{Kind: "busy", At: noon},
				noon))
			for name, completion := range map[string]gateway.Completion{
				"unknown attempt":  newCompletion(mainConnector.signIn(noon, "o1", ""), "unknown", "one", "s1"),
				"another owner":    newCompletion(mainConnector.signIn(noon, "o1", ""), "mine", "two", "s1"),
				"finished attempt": newCompletion(mainConnector.signIn(noon, "o1", ""), "finished", "one", "s1"),
				"expired lease":    newCompletion(mainConnector.signIn(after(15*time.Second), "o1", ""), "mine", "one", "s1"),
			} {
				_, _, err := f.store.CompleteSignIn(t.Context(), completion)
				if errorName(err) != "conflict" {
					t.Fatalf("%s: got %v, want ErrConflict", name, err)
				}
				f.wantNothingStored(name, completion, 0, 0)
			}
			wantEqual(t, "outcome of the finished attempt", f.attemptOutcome("finished").Kind, "busy")
			wantEqual(t, "outcome of the other attempt", f.attemptOutcome("mine").Kind, "")
		},
	},
	{
		name:   "an incomplete completion is refused",
		reason: "the store would contain a session without a user, or an attempt without an outcome",
		run: func(t *testing.T, f *fixture) {
			f.beginAttempt("k", "one")
			for name, spoil := range map[string]func(*gateway.Completion){
				"no openid":  func(completion *gateway.Completion) { completion.SignIn.OpenID = "" },
				"no owner":   func(completion *gateway.Completion) { completion.Owner = "" },
				"no session": func(completion *gateway.Completion) { completion.Session.Hash = [32]byte{} },
				"no outcome": func(completion *gateway.Completion) { completion.Outcome.Kind = "" },
				"no refusal": func(completion *gateway.Completion) { completion.Refused.Kind = "" },
				"no event":   func(completion *gateway.Completion) { completion.Event.Kind = "" },
				"no time":    func(completion *gateway.Completion) { completion.Now = time.Time{} },
			} {
				completion := newCompletion(mainConnector.signIn(noon, "o1", ""), "k", "one", "s1")
				spoil(&completion)
				if _, _, err := f.store.CompleteSignIn(t.Context(), completion); err == nil {
					t.Fatalf("%s: stored", name)
				}
			}
			f.wantNothingStored("refused", newCompletion(mainConnector.signIn(noon, "o1", ""), "k", "one", "s1"), 0, 0)
			wantEqual(t, "outcome", f.attemptOutcome("k").Kind, "")
		},
	},
	{
		name:   "a blocked user gets no session",
		reason: "the attempt must end nevertheless, or the browser would wait for its outcome",
		run: func(t *testing.T, f *fixture) {
			user := f.addUser("o1")
			f.block(user.ID)
			old := f.addSession(f.addUser("o2").ID, "previous")
			f.beginAttempt("k", "one")
			completion := newCompletion(mainConnector.signIn(noon, "o1", ""), "k", "one", "s1")
			completion.Previous = old.Hash
			got, _, err := f.store.CompleteSignIn(t.Context(), completion)
			wantNoError(t, err)
			wantEqual(t, "user", got.ID, user.ID)
			wantEqual(t, "status", got.Status, gateway.Blocked)
			_, err = f.store.Session(t.Context(), completion.Session.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			f.getSession(old.Hash, noon)
			wantEqual(t, "outcome", f.attemptOutcome("k"), completion.Refused)
			events := f.listEvents(gateway.EventQuery{Kind: "sign_in"})
			wantEqual(t, "events", len(events), 1)
			wantEqual(t, "outcome of the event", events[0].Outcome, "refused")
			wantEqual(t, "detail of the event", events[0].Detail, "the user is blocked")
			wantEqual(t, "user of the event", events[0].UserID, user.ID)
		},
	},
	{
		name:   "a session that is live is not replaced",
		reason: "two browsers would share one session",
		run: func(t *testing.T, f *fixture) {
			theirs := f.addSession(f.addUser("o1").ID, "s1")
			f.beginAttempt("k", "one")
			completion := newCompletion(siteConnector.signIn(after(time.Second), "s9", ""), "k", "one", "s1")
			_, _, err := f.store.CompleteSignIn(t.Context(), completion)
			wantError(t, err, gateway.ErrConflict)
			wantEqual(t, "user of the session", f.getSession(theirs.Hash, noon).UserID, theirs.UserID)
			wantEqual(t, "users", len(f.listUsers(gateway.UserQuery{})), 1)
			wantEqual(t, "outcome", f.attemptOutcome("k").Kind, "")
			wantNoError(t, f.store.DeleteSession(t.Context(), theirs.Hash, noon))
			_, _, err = f.store.CompleteSignIn(t.Context(), completion)
			wantNoError(t, err)
		},
	},
	{
		name:   "a completion joins users by unionid",
		reason: "the session must belong to the older user, which remains",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers() // older has the unionid u1, younger the openid s1 and no unionid
			f.addSession(younger.ID, "young session")
			f.beginAttempt("k", "one")
			completion := newCompletion(siteConnector.signIn(after(2*time.Second), "s1", "u1"), "k", "one", "s1")
			got, events, err := f.store.CompleteSignIn(t.Context(), completion)
			wantNoError(t, err)
			wantEqual(t, "user", got.ID, older.ID)
			wantEqual(t, "events of users", fmt.Sprint(eventKinds(events)), "[users_joined ok]")
			wantEqual(t, "user of the session", f.getSession(completion.Session.Hash, noon).UserID, older.ID)
			_, err = f.store.Session(t.Context(), hash("young session"), noon)
			wantError(t, err, gateway.ErrNotFound)
			wantEqual(t, "the younger id resolves", f.getUser(younger.ID).ID, older.ID)
		},
	},
	{
		name:   "joining with a blocked user blocks the sign-in",
		reason: "a blocked person would sign in through another connector",
		run: func(t *testing.T, f *fixture) {
			older, _ := f.addTwoUsers()
			f.block(older.ID)
			f.beginAttempt("k", "one")
			completion := newCompletion(siteConnector.signIn(after(2*time.Second), "s1", "u1"), "k", "one", "s1")
			got, _, err := f.store.CompleteSignIn(t.Context(), completion)
			wantNoError(t, err)
			wantEqual(t, "status", got.Status, gateway.Blocked)
			_, err = f.store.Session(t.Context(), completion.Session.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			wantEqual(t, "outcome", f.attemptOutcome("k"), completion.Refused)
		},
	},
	{
		name:       "one of many completions of an attempt succeeds",
		reason:     "a request whose response was lost is repeated, and two sessions would remain",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			for round := range 3 {
				key := fmt.Sprint("k", round)
				f.beginAttempt(key, "one")
				var results counter
				f.concurrently(f.concurrency(), func(i int) {
					signIn := mainConnector.signIn(noon, fmt.Sprint("o", round), "")
					completion := newCompletion(signIn, key, "one", fmt.Sprint("s", round, " ", i))
					_, _, err := stores[i%2].CompleteSignIn(t.Context(), completion)
					results.add(errorName(err))
				})
				results.want(t, "answers", map[string]int{"ok": 1, "conflict": f.concurrency() - 1})
			}
			for _, user := range f.listUsers(gateway.UserQuery{}) {
				wantEqual(t, "sessions", len(f.listSessions(user.ID, noon)), 1)
			}
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: "sign_in"})), 3)
		},
	},
	{
		name:       "sign-ins of one person that complete at once are one user",
		reason:     "each browser gets a session of the same user",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			requests := f.concurrency()
			var results counter
			for i := range requests {
				f.beginAttempt(fmt.Sprint("k", i), "one")
			}
			f.concurrently(requests, func(i int) {
				c := joinableConnectors[i%3] // of one Open Platform account
				signIn := c.signIn(noon, "o-"+c.name, "u1")
				completion := newCompletion(signIn, fmt.Sprint("k", i), "one", fmt.Sprint("s", i))
				user, _, err := f.store.CompleteSignIn(t.Context(), completion)
				results.add(user.ID + " " + errorName(err))
			})
			results.wantOneResult(t, "users and errors")
			users := f.listUsers(gateway.UserQuery{})
			wantEqual(t, "users", len(users), 1)
			wantEqual(t, "sessions", len(f.listSessions(users[0].ID, noon)), requests)
		},
	},
	{
		name:   "a completion survives a restart",
		reason: "a user who was told to be signed in must be signed in after the restart",
		run: func(t *testing.T, f *fixture) {
			f.beginAttempt("k", "one")
			completion := newCompletion(mainConnector.signIn(noon, "o1", ""), "k", "one", "s1")
			user, _, err := f.store.CompleteSignIn(t.Context(), completion)
			wantNoError(t, err)
			if !f.reopen() {
				return
			}
			wantEqual(t, "user", f.getSession(completion.Session.Hash, noon).UserID, user.ID)
			wantEqual(t, "outcome", f.attemptOutcome("k"), completion.Outcome)
			_, _, err = f.store.CompleteSignIn(t.Context(), completion)
			wantError(t, err, gateway.ErrConflict)
		},
	},
	{
		name:   "an identity without a unionid is refused where the unionid is required",
		reason: "a blocked user would get a new user through a second official account",
		run: func(t *testing.T, f *fixture) {
			known := f.recordSignIn(mainConnector.signIn(noon, "o1", "u1")).ID
			withoutUnionID := f.addUser("o2").ID
			for i, c := range []struct {
				signIn gateway.SignIn
				userID string // "" = refused
			}{
				{siteConnector.signIn(noon, "new", ""), ""},
				{mainConnector.signIn(noon, "o2", ""), ""}, // the user exists, but its unionid is unknown
				{mainConnector.signIn(noon, "o1", ""), known},
				{siteConnector.signIn(noon, "new", "u1"), known},
				{mainConnector.signIn(noon, "o2", "u2"), withoutUnionID},
				{mainConnector.signIn(noon, "o2", ""), withoutUnionID},
			} {
				name := fmt.Sprint("sign-in ", i)
				f.beginAttempt(name, "one")
				completion := newCompletion(c.signIn, name, "one", name)
				completion.SignIn.UnionIDRequired = true
				events := len(f.listEvents(gateway.EventQuery{}))
				user, _, err := f.store.CompleteSignIn(t.Context(), completion)
				if c.userID != "" {
					wantNoError(t, err)
					wantEqual(t, name, user.ID, c.userID)
					continue
				}
				wantError(t, err, gateway.ErrUnionIDRequired)
				f.wantNothingStored(name, completion, 2, events)
				wantEqual(t, name+": outcome", f.attemptOutcome(name), gateway.Outcome{})
			}
		},
	},
	{
		name:   "no user is created where only known users may sign in",
		reason: "the gateway sets KnownOnly when one network has created too many users",
		run: func(t *testing.T, f *fixture) {
			known := f.recordSignIn(mainConnector.signIn(noon, "o1", "u1")).ID
			for name, c := range map[string]struct {
				signIn gateway.SignIn
				err    error
			}{
				"new":                {mainConnector.signIn(noon, "o2", "u2"), gateway.ErrFull},
				"known by openid":    {mainConnector.signIn(noon, "o1", ""), nil},
				"known by unionid":   {siteConnector.signIn(noon, "o3", "u1"), nil},
				"of another account": {foreignConnector.signIn(noon, "o4", "u1"), gateway.ErrFull},
			} {
				c.signIn.KnownOnly = true
				user, _, err := f.store.RecordSignIn(t.Context(), c.signIn)
				if !errors.Is(err, c.err) || err == nil && user.ID != known {
					t.Errorf("%s: user %q, %v", name, user.ID, err)
				}
			}
			wantEqual(t, "users", len(f.listUsers(gateway.UserQuery{})), 1)
		},
	},
}
