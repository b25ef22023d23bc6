package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// completion returns a sign-in that the owner of an attempt completes at a moment.
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

// begin begins the attempt key for owner at noon; its lease is 15 seconds.
func (c *cas) begin(key, owner string) {
	c.Helper()
	c.claims(attempt(key, "code", owner, 0), 0)
}

// outcome returns what is stored about an attempt.
func (c *cas) outcome(key string) gateway.Outcome {
	c.Helper()
	have, won, err := c.store.BeginAttempt(c.ctx, attempt(key, "code", "reader", 0), noon)
	c.ok(err)
	if won {
		c.Fatalf("the attempt %q was not stored", key)
	}
	return have.Outcome
}

// untouched fails the case when a completion that failed has left something behind.
func (c *cas) untouched(what string, n gateway.Completion, users, events int) {
	c.Helper()
	equal(c, what+": users", len(must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{}))), users)
	equal(c, what+": events", len(must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{}))), events)
	_, err := c.store.Session(c.ctx, n.Session.Hash, n.Now)
	c.is(err, gateway.ErrNotFound)
}

var completionChecks = []check{
	{"a completed sign-in is all there after one call", "the session, the outcome and the event belong to one sign-in", func(c *cas) {
		old := c.signIn(c.person("o0").ID, "previous")
		other := c.signIn(c.person("o9").ID, "another browser")
		c.begin("k", "one")
		n := completion(main.at(after(time.Second), "o1", "u1"), "k", "one", "s1")
		n.Previous = old.Hash
		user, joins, err := c.store.CompleteSignIn(c.ctx, n)
		c.ok(err)
		equal(c, "status", user.Status, gateway.Active)
		equal(c, "events of joining", fmt.Sprint(kinds(joins)), "[user_created ok]")

		stored, who, err := c.store.SessionUser(c.ctx, n.Session.Hash, noon)
		c.ok(err)
		equal(c, "user of the session", who.ID, user.ID)
		equal(c, "openid of the session", stored.OpenID, "o1")
		_, err = c.store.Session(c.ctx, old.Hash, noon)
		c.is(err, gateway.ErrNotFound)
		must[gateway.Session](c)(c.store.Session(c.ctx, other.Hash, noon))
		equal(c, "outcome", c.outcome("k"), n.Outcome)

		events := must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{UserID: user.ID}))
		equal(c, "events", fmt.Sprint(kinds(events)), "[sign_in ok user_created ok]")
		signIn := events[slices.IndexFunc(events, func(e gateway.Event) bool { return e.Kind == "sign_in" })]
		signIn.ID = 0
		equal(c, "event", signIn, gateway.Event{
			At: n.Now, Kind: "sign_in", UserID: user.ID, App: "wiki", Connector: "main", Method: "wechat", Outcome: "ok", RequestID: "r1",
		})
	}},
	{"a sign-in is not completed without its attempt", "another request has answered for it, so a second session would be a replay", func(c *cas) {
		c.begin("mine", "one")
		c.begin("finished", "one")
		c.ok(c.store.FinishAttempt(c.ctx, "finished", "one", gateway.Outcome{Kind: "busy", At: noon}, noon))
		for name, n := range map[string]gateway.Completion{
			"unknown attempt":  completion(main.at(noon, "o1", ""), "unknown", "one", "s1"),
			"another owner":    completion(main.at(noon, "o1", ""), "mine", "two", "s1"),
			"finished attempt": completion(main.at(noon, "o1", ""), "finished", "one", "s1"),
			"lease over":       completion(main.at(after(15*time.Second), "o1", ""), "mine", "one", "s1"),
		} {
			_, _, err := c.store.CompleteSignIn(c.ctx, n)
			if word(err) != "conflict" {
				c.Fatalf("%s: got %v, want ErrConflict", name, err)
			}
			c.untouched(name, n, 0, 0)
		}
		equal(c, "outcome of the finished attempt", c.outcome("finished").Kind, "busy")
		equal(c, "outcome of the other attempt", c.outcome("mine").Kind, "")
	}},
	{"an incomplete completion is refused", "it would store a session without a user, or an attempt without an outcome", func(c *cas) {
		c.begin("k", "one")
		for name, spoil := range map[string]func(*gateway.Completion){
			"no openid":  func(n *gateway.Completion) { n.SignIn.OpenID = "" },
			"no owner":   func(n *gateway.Completion) { n.Owner = "" },
			"no session": func(n *gateway.Completion) { n.Session.Hash = [32]byte{} },
			"no outcome": func(n *gateway.Completion) { n.Outcome.Kind = "" },
			"no refusal": func(n *gateway.Completion) { n.Refused.Kind = "" },
			"no event":   func(n *gateway.Completion) { n.Event.Kind = "" },
			"no time":    func(n *gateway.Completion) { n.Now = time.Time{} },
		} {
			n := completion(main.at(noon, "o1", ""), "k", "one", "s1")
			spoil(&n)
			if _, _, err := c.store.CompleteSignIn(c.ctx, n); err == nil {
				c.Fatalf("%s: stored", name)
			}
		}
		c.untouched("refused", completion(main.at(noon, "o1", ""), "k", "one", "s1"), 0, 0)
		equal(c, "outcome", c.outcome("k").Kind, "")
	}},
	{"a blocked user gets no session", "the attempt must end all the same, or the browser would wait for it", func(c *cas) {
		user := c.person("o1")
		_, err := c.store.UpdateUser(c.ctx, user.ID, noon, func(u *gateway.User) error { u.Status = gateway.Blocked; return nil })
		c.ok(err)
		old := c.signIn(c.person("o2").ID, "previous")
		c.begin("k", "one")
		n := completion(main.at(noon, "o1", ""), "k", "one", "s1")
		n.Previous = old.Hash
		got, _, err := c.store.CompleteSignIn(c.ctx, n)
		c.ok(err)
		equal(c, "user", got.ID, user.ID)
		equal(c, "status", got.Status, gateway.Blocked)
		_, err = c.store.Session(c.ctx, n.Session.Hash, noon)
		c.is(err, gateway.ErrNotFound)
		must[gateway.Session](c)(c.store.Session(c.ctx, old.Hash, noon))
		equal(c, "outcome", c.outcome("k"), n.Refused)
		events := must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{Kind: "sign_in"}))
		equal(c, "events", len(events), 1)
		equal(c, "outcome of the event", events[0].Outcome, "refused")
		equal(c, "detail of the event", events[0].Detail, "the user is blocked")
		equal(c, "user of the event", events[0].UserID, user.ID)
	}},
	{"a session that is live is not replaced", "two browsers would share it", func(c *cas) {
		theirs := c.signIn(c.person("o1").ID, "s1")
		c.begin("k", "one")
		n := completion(site.at(after(time.Second), "s9", ""), "k", "one", "s1")
		_, _, err := c.store.CompleteSignIn(c.ctx, n)
		c.is(err, gateway.ErrConflict)
		equal(c, "user of the session", must[gateway.Session](c)(c.store.Session(c.ctx, theirs.Hash, noon)).UserID, theirs.UserID)
		equal(c, "users", len(must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{}))), 1)
		equal(c, "outcome", c.outcome("k").Kind, "")
		c.ok(c.store.DeleteSession(c.ctx, theirs.Hash))
		_, _, err = c.store.CompleteSignIn(c.ctx, n)
		c.ok(err)
	}},
	{"users are joined by unionid as part of it", "the session must name the user who stays", func(c *cas) {
		older, younger := c.two()
		c.signIn(younger.ID, "young session")
		c.begin("k", "one")
		n := completion(site.at(after(2*time.Second), "s1", "u1"), "k", "one", "s1")
		got, joins, err := c.store.CompleteSignIn(c.ctx, n)
		c.ok(err)
		equal(c, "user", got.ID, older.ID)
		equal(c, "events of joining", fmt.Sprint(kinds(joins)), "[users_joined ok]")
		equal(c, "user of the session", must[gateway.Session](c)(c.store.Session(c.ctx, n.Session.Hash, noon)).UserID, older.ID)
		_, err = c.store.Session(c.ctx, sum("young session"), noon)
		c.is(err, gateway.ErrNotFound)
		equal(c, "the younger id resolves", must[gateway.User](c)(c.store.User(c.ctx, younger.ID)).ID, older.ID)
	}},
	{"joining with a blocked user blocks the sign-in", "a blocked person would come back through another connector", func(c *cas) {
		older, _ := c.two()
		_, err := c.store.UpdateUser(c.ctx, older.ID, noon, func(u *gateway.User) error { u.Status = gateway.Blocked; return nil })
		c.ok(err)
		c.begin("k", "one")
		n := completion(site.at(after(2*time.Second), "s1", "u1"), "k", "one", "s1")
		got, _, err := c.store.CompleteSignIn(c.ctx, n)
		c.ok(err)
		equal(c, "status", got.Status, gateway.Blocked)
		_, err = c.store.Session(c.ctx, n.Session.Hash, noon)
		c.is(err, gateway.ErrNotFound)
		equal(c, "outcome", c.outcome("k"), n.Refused)
	}},
	{"of many completions of one attempt one counts", "a lost answer is sent again, and two sessions would remain", func(c *cas) {
		stores := []gateway.Store{c.store, c.store}
		if s := c.second(); s != nil {
			stores[1] = s
		}
		for round := range 3 {
			key := fmt.Sprint("k", round)
			c.begin(key, "one")
			var seen tally
			together(c.crowd(), func(i int) {
				n := completion(main.at(noon, fmt.Sprint("o", round), ""), key, "one", fmt.Sprint("s", round, " ", i))
				_, _, err := stores[i%2].CompleteSignIn(c.ctx, n)
				seen.add(word(err))
			})
			equal(c, "answers", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "conflict": c.crowd() - 1}))
		}
		for _, u := range must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{})) {
			equal(c, "sessions", len(must[[]gateway.Session](c)(c.store.UserSessions(c.ctx, u.ID, noon))), 1)
		}
		equal(c, "events", len(must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{Kind: "sign_in"}))), 3)
	}},
	{"sign-ins of one person that complete at once are one user", "each browser gets a session of the same user", func(c *cas) {
		n := c.crowd()
		var seen tally
		for i := range n {
			c.begin(fmt.Sprint("k", i), "one")
		}
		together(n, func(i int) {
			e := []entry{main, site, third}[i%3]
			s := e.at(noon, "o-"+e.name, "u1")
			user, _, err := c.store.CompleteSignIn(c.ctx, completion(s, fmt.Sprint("k", i), "one", fmt.Sprint("s", i)))
			seen.add(user.ID + " " + word(err))
		})
		if len(seen.n) != 1 {
			c.Fatalf("users and errors: %v", seen.n)
		}
		users := must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{}))
		equal(c, "users", len(users), 1)
		equal(c, "sessions", len(must[[]gateway.Session](c)(c.store.UserSessions(c.ctx, users[0].ID, noon))), n)
	}},
	{"a completion survives a restart", "the answer that was sent must stay true", func(c *cas) {
		c.begin("k", "one")
		n := completion(main.at(noon, "o1", ""), "k", "one", "s1")
		user, _, err := c.store.CompleteSignIn(c.ctx, n)
		c.ok(err)
		if !c.restart() {
			return
		}
		equal(c, "user", must[gateway.Session](c)(c.store.Session(c.ctx, n.Session.Hash, noon)).UserID, user.ID)
		equal(c, "outcome", c.outcome("k"), n.Outcome)
		_, _, err = c.store.CompleteSignIn(c.ctx, n)
		c.is(err, gateway.ErrConflict)
	}},
}

// unpinned returns a code whose subject is to be pinned.
func unpinned(user, id, candidate string) gateway.Code {
	code := newCode(user, "wiki", id)
	code.Grant.Subject, code.PinSubject = "", candidate
	return code
}

var codePinChecks = []check{
	{"a first code pins the subject", "the app knows the user by it from then on", func(c *cas) {
		user := c.person("o1").ID
		c.ok(c.store.PutCode(c.ctx, unpinned(user, "g1", "sub-1")))
		code := must[gateway.Code](c)(c.store.Code(c.ctx, sum("code g1")))
		equal(c, "subject", code.Grant.Subject, "sub-1")
		equal(c, "pin field of a stored code", code.PinSubject, "")
		equal(c, "user by subject", must[string](c)(c.store.SubjectUser(c.ctx, "wiki", "sub-1")), user)
		pins := must[[]gateway.Pin](c)(c.store.UserSubjects(c.ctx, user))
		equal(c, "pins", fmt.Sprint(pins), fmt.Sprint([]gateway.Pin{{UserID: user, App: "wiki", Subject: "sub-1", CreatedAt: noon}}))
	}},
	{"a pinned subject stays", "the first one that the app was told counts", func(c *cas) {
		user := c.person("o1").ID
		must[string](c)(c.store.PinSubject(c.ctx, user, "wiki", "first", noon))
		c.ok(c.store.PutCode(c.ctx, unpinned(user, "g1", "second")))
		equal(c, "subject", must[gateway.Code](c)(c.store.Code(c.ctx, sum("code g1"))).Grant.Subject, "first")
		given := newCode(user, "wiki", "g2")
		given.PinSubject = "third"
		c.ok(c.store.PutCode(c.ctx, given))
		equal(c, "a given subject", must[gateway.Code](c)(c.store.Code(c.ctx, sum("code g2"))).Grant.Subject, given.Grant.Subject)
		equal(c, "pins", len(must[[]gateway.Pin](c)(c.store.UserSubjects(c.ctx, user))), 1)
	}},
	{"a subject of another user is not pinned", "the app would take one person for another", func(c *cas) {
		theirs, mine := c.person("o1").ID, c.person("o2").ID
		must[string](c)(c.store.PinSubject(c.ctx, theirs, "wiki", "sub-1", noon))
		c.is(c.store.PutCode(c.ctx, unpinned(mine, "g1", "sub-1")), gateway.ErrConflict)
		_, err := c.store.Code(c.ctx, sum("code g1"))
		c.is(err, gateway.ErrNotFound)
		equal(c, "pins", len(must[[]gateway.Pin](c)(c.store.UserSubjects(c.ctx, mine))), 0)
		equal(c, "user by subject", must[string](c)(c.store.SubjectUser(c.ctx, "wiki", "sub-1")), theirs)
	}},
	{"nothing is pinned for a code that is not stored", "the pin and the code are one transaction", func(c *cas) {
		user := c.person("o1").ID
		c.is(c.store.PutCode(c.ctx, unpinned(user, "g1", "")), gateway.ErrNotFound)
		c.is(c.store.PutCode(c.ctx, unpinned(gateway.NewID(), "g1", "sub-1")), gateway.ErrNotFound)
		c.ok(c.store.PutCode(c.ctx, newCode(user, "wiki", "g1")))
		c.is(c.store.PutCode(c.ctx, unpinned(user, "g1", "sub-1")), gateway.ErrConflict)
		equal(c, "pins", len(must[[]gateway.Pin](c)(c.store.UserSubjects(c.ctx, user))), 0)
		_, err := c.store.UpdateUser(c.ctx, user, noon, func(u *gateway.User) error { u.Status = gateway.Blocked; return nil })
		c.ok(err)
		c.is(c.store.PutCode(c.ctx, unpinned(user, "g2", "sub-1")), gateway.ErrBlocked)
		equal(c, "pins of a blocked user", len(must[[]gateway.Pin](c)(c.store.UserSubjects(c.ctx, user))), 0)
	}},
	{"a joined user's code pins for the one who stays", "the younger id is still in a session or a link", func(c *cas) {
		older, younger := c.two()
		c.arrive(site.at(after(time.Hour), "s1", "u1"))
		c.ok(c.store.PutCode(c.ctx, unpinned(younger.ID, "g1", "sub-1")))
		equal(c, "user by subject", must[string](c)(c.store.SubjectUser(c.ctx, "wiki", "sub-1")), older.ID)
	}},
	{"first codes at once agree on one subject", "tokens of one user must not name two subjects", func(c *cas) {
		user, n := c.person("o1").ID, c.crowd()
		var seen tally
		together(n, func(i int) {
			id := fmt.Sprint("g", i)
			if err := c.store.PutCode(c.ctx, unpinned(user, id, fmt.Sprint("sub-", i))); err != nil {
				c.Error(err)
				return
			}
			code, err := c.store.Code(c.ctx, sum("code "+id))
			seen.add(code.Grant.Subject + " " + word(err))
		})
		if len(seen.n) != 1 {
			c.Fatalf("subjects and errors: %v", seen.n)
		}
	}},
}
