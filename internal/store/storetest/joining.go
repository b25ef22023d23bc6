package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// kinds lists the kinds of events.
func kinds(events []gateway.Event) (all []string) {
	for _, e := range events {
		all = append(all, e.Kind+" "+e.Outcome)
	}
	slices.Sort(all)
	return all
}

// told arrives and returns the kinds of what it told.
func (c *cas) told(a gateway.SignIn) (gateway.User, []string) {
	c.Helper()
	acc, events, err := c.store.RecordSignIn(c.ctx, a)
	c.ok(err)
	return acc, kinds(events)
}

// two stores two accounts that a later unionid will join: the older came by
// main at noon, the younger by site a minute later.
func (c *cas) two() (older, younger gateway.User) {
	c.Helper()
	return c.arrive(main.at(noon, "o1", "u1")), c.arrive(site.at(after(time.Minute), "s1", ""))
}

var joinChecks = []check{
	{"a new entry with a known unionid is the same person", "people come by phone and by desktop", func(c *cas) {
		a := c.arrive(main.at(noon, "o1", "u1"))
		b, told := c.told(site.at(after(time.Minute), "s1", "u1"))
		equal(c, "account", b.ID, a.ID)
		equal(c, "events", fmt.Sprint(told), "[identity_added ok]")
		equal(c, "identities", len(must[[]gateway.Identity](c)(c.store.Identities(c.ctx, a.ID))), 2)
	}},
	{"unionids mean nothing outside the group", "elsewhere the same text may be another person", func(c *cas) {
		a := c.arrive(main.at(noon, "o1", "u1"))
		for _, e := range []entry{other, lone} {
			if b := c.arrive(e.at(noon, "x1", "u1")); b.ID == a.ID {
				c.Fatalf("joined through %s", e.name)
			}
		}
	}},
	{"a second openid of one appid is not joined", "WeChat contradicts itself; one of the two is somebody else", func(c *cas) {
		a := c.arrive(main.at(noon, "o1", "u1"))
		b, told := c.told(main.at(after(time.Minute), "o2", "u1"))
		if b.ID == a.ID {
			c.Fatal("one account has two openids of one appid")
		}
		equal(c, "events", fmt.Sprint(told), "[join_conflict refused user_created ok]")
		joined := c.arrive(site.at(after(2*time.Minute), "s1", "u1"))
		equal(c, "a third entry joins the older", joined.ID, a.ID)
	}},
	{"a unionid that changes never joins", "an entry may have been moved to another Open Platform account", func(c *cas) {
		a := c.arrive(main.at(noon, "o1", "u1"))
		b := c.arrive(site.at(noon, "s1", "u2"))
		again, told := c.told(main.at(after(time.Minute), "o1", "u2"))
		equal(c, "account", again.ID, a.ID)
		equal(c, "events", fmt.Sprint(told), "[unionid_changed refused]")
		equal(c, "kept unionid", must[[]gateway.Identity](c)(c.store.Identities(c.ctx, a.ID))[0].UnionID, "u1")
		again, _ = c.told(main.at(after(2*time.Minute), "o1", "u2"))
		equal(c, "account after a second try", again.ID, a.ID)
		equal(c, "the other account", must[gateway.User](c)(c.store.User(c.ctx, b.ID)).ID, b.ID)
	}},
	{"two accounts of one person become the older", "apps know the older id longer", func(c *cas) {
		older, younger := c.two()
		c.signIn(older.ID, "old session")
		c.signIn(younger.ID, "young session")
		c.grant(younger.ID, "wiki", "g1")
		acc, told := c.told(site.at(after(time.Hour), "s1", "u1"))
		equal(c, "account", acc.ID, older.ID)
		equal(c, "events", fmt.Sprint(told), "[users_joined ok]")
		equal(c, "the younger id resolves", must[gateway.User](c)(c.store.User(c.ctx, younger.ID)).ID, older.ID)
		equal(c, "identities by the younger id", len(must[[]gateway.Identity](c)(c.store.Identities(c.ctx, younger.ID))), 2)
		_, err := c.store.Session(c.ctx, sum("young session"), noon)
		c.is(err, gateway.ErrNotFound)
		must[gateway.Session](c)(c.store.Session(c.ctx, sum("old session"), noon))
		_, f, err := c.store.Token(c.ctx, sum("access g1"), noon)
		c.ok(err)
		equal(c, "the grant's account", f.UserID, older.ID)
		equal(c, "listed accounts", len(must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{}))), 1)
		c.ok(c.store.PutSession(c.ctx, newSession(younger.ID, "late"), noon))
		equal(c, "a session for the younger id", must[gateway.Session](c)(c.store.Session(c.ctx, sum("late"), noon)).UserID, older.ID)
		c.ok(c.store.PutCode(c.ctx, newCode(younger.ID, "wiki", "late")))
		equal(c, "a code for the younger id", must[gateway.Code](c)(c.store.Code(c.ctx, sum("code late"))).Grant.UserID, older.ID)
		stored := must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{Kind: gateway.EventUsersJoined}))
		equal(c, "stored events", len(stored), 1)
	}},
	{"a chain of joins resolves in one step", "the first id may be in an app since years", func(c *cas) {
		a := c.arrive(main.at(noon, "o1", ""))
		b := c.arrive(site.at(after(time.Minute), "s1", ""))
		d := c.arrive(third.at(after(2*time.Minute), "t1", "u1"))
		c.arrive(site.at(after(3*time.Minute), "s1", "u1"))
		equal(c, "the youngest", must[gateway.User](c)(c.store.User(c.ctx, d.ID)).ID, b.ID)
		c.arrive(main.at(after(4*time.Minute), "o1", "u1"))
		for _, id := range []string{a.ID, b.ID, d.ID} {
			equal(c, "resolved", must[gateway.User](c)(c.store.User(c.ctx, id)).ID, a.ID)
		}
	}},
	{"blocked stays blocked whichever side it was", "a blocked person would come back through another entry", func(c *cas) {
		older, younger := c.two()
		c.signIn(older.ID, "old session")
		c.grant(older.ID, "wiki", "g1")
		_, err := c.store.UpdateUser(c.ctx, younger.ID, noon, func(a *gateway.User) error { a.Status = gateway.Blocked; return nil })
		c.ok(err)
		acc, _ := c.told(site.at(after(time.Hour), "s1", "u1"))
		equal(c, "status", acc.Status, gateway.Blocked)
		_, err = c.store.Session(c.ctx, sum("old session"), noon)
		c.is(err, gateway.ErrNotFound)
		_, _, err = c.store.Token(c.ctx, sum("access g1"), noon)
		c.is(err, gateway.ErrNotFound)
	}},
	{"admin and groups are not gained by joining", "nobody gave them to the account that stays", func(c *cas) {
		older, younger := c.two()
		_, err := c.store.UpdateUser(c.ctx, younger.ID, noon, func(a *gateway.User) error {
			a.Admin, a.Groups = true, []string{"ops"}
			return nil
		})
		c.ok(err)
		acc, told := c.told(site.at(after(time.Hour), "s1", "u1"))
		equal(c, "account", acc.ID, older.ID)
		equal(c, "admin", acc.Admin, false)
		equal(c, "groups", len(acc.Groups), 0)
		equal(c, "events", fmt.Sprint(told), "[users_joined ok users_joined refused users_joined refused]")
	}},
	{"subjects survive joining and the older wins", "an app would take the person for somebody new", func(c *cas) {
		older, younger := c.two()
		for _, p := range []struct{ user, app, sub string }{
			{older.ID, "wiki", older.ID}, {younger.ID, "wiki", younger.ID}, {younger.ID, "shop", younger.ID},
		} {
			must[string](c)(c.store.PinSubject(c.ctx, p.user, p.app, p.sub, noon))
		}
		c.grant(younger.ID, "wiki", "g1")
		c.grant(younger.ID, "shop", "g2")
		_, told := c.told(site.at(after(time.Hour), "s1", "u1"))
		equal(c, "events", fmt.Sprint(told), "[subject_dropped ok users_joined ok]")
		for app, want := range map[string]string{"wiki": older.ID, "shop": younger.ID} {
			equal(c, "sub in "+app, must[string](c)(c.store.PinSubject(c.ctx, younger.ID, app, "new", noon)), want)
			equal(c, "account of the sub", must[string](c)(c.store.SubjectUser(c.ctx, app, want)), older.ID)
		}
		_, err := c.store.SubjectUser(c.ctx, "wiki", younger.ID)
		c.is(err, gateway.ErrNotFound)
		_, _, err = c.store.Token(c.ctx, sum("access g1"), noon)
		c.is(err, gateway.ErrNotFound) // it names a subject that was given up
		_, _, err = c.store.Token(c.ctx, sum("access g2"), noon)
		c.ok(err)
	}},
	{"a join at the moment of a sign-in leaves no session of the younger", "it would be of an account that is no more", func(c *cas) {
		for round := range 5 {
			o, s, u := fmt.Sprint("o", round), fmt.Sprint("s", round), fmt.Sprint("u", round)
			older := c.arrive(main.at(noon, o, u))
			younger := c.arrive(site.at(after(time.Minute), s, ""))
			together(10, func(i int) {
				var err error
				if i == 4 {
					_, _, err = c.store.RecordSignIn(c.ctx, site.at(after(time.Hour), s, u))
				} else {
					err = c.store.PutSession(c.ctx, newSession(younger.ID, fmt.Sprint(round, " ", i)), noon)
				}
				if err != nil {
					c.Error(err)
				}
			})
			for i := range 10 {
				if n, err := c.store.Session(c.ctx, sum(fmt.Sprint(round, " ", i)), noon); err == nil && n.UserID != older.ID {
					c.Fatalf("session of the joined account %s", n.UserID)
				}
			}
		}
	}},
	{"any order of arrivals ends the same", "who becomes whom must not depend on which request was faster", func(c *cas) {
		var handles []People
		for _, s := range c.both() {
			handles = append(handles, s)
		}
		InAnyOrder(c.T, func() []People { return handles })
	}},
	{"many joins at once end in one account", "two replicas may learn the unionid at the same moment", func(c *cas) {
		older, _ := c.two()
		c.arrive(third.at(after(2*time.Minute), "t1", ""))
		together(16, func(i int) {
			a := []gateway.SignIn{main.at(after(time.Hour), "o1", "u1"), site.at(after(time.Hour), "s1", "u1"), third.at(after(time.Hour), "t1", "u1")}[i%3]
			if _, _, err := c.store.RecordSignIn(c.ctx, a); err != nil {
				c.Error(err)
			}
		})
		acc := c.arrive(third.at(after(2*time.Hour), "t1", "u1"))
		equal(c, "account", acc.ID, older.ID)
		equal(c, "identities", len(must[[]gateway.Identity](c)(c.store.Identities(c.ctx, older.ID))), 3)
	}},
}

func line(oldID string, a gateway.SignIn) gateway.ImportedUser {
	return gateway.ImportedUser{OldID: oldID, SignIn: a}
}

var importChecks = []check{
	{"people keep their old ids", "the apps' tables name them", func(c *cas) {
		known := c.person("o1")
		a := main.at(after(time.Hour), "o3", "u3")
		a.Profile = &gateway.Profile{Nickname: "from the table"}
		people := []gateway.ImportedUser{
			line("1", main.at(after(time.Hour), "o1", "")), // known
			line("2", main.at(after(time.Hour), "o2", "u2")),
			line("2", site.at(after(time.Hour), "s2", "")), // the same person, by the old id
			line("3", a),
			line("3", site.at(after(time.Hour), "s3", "u3")), // by both
			line("", main.at(after(time.Hour), "o4", "")),
			line("5", main.at(after(time.Hour), "", "u5")),
			line("2", main.at(after(time.Hour), "o9", "")),   // a second openid
			line("9", main.at(after(time.Hour), "o2", "u2")), // another old id
			line("2", main.at(after(time.Hour), "o1", "")),   // two accounts
		}
		res := must[gateway.ImportResult](c)(c.store.ImportUsers(c.ctx, people))
		var problems []int
		for _, p := range res.Problems {
			problems = append(problems, p.Index)
		}
		equal(c, "result", fmt.Sprint(res.Created, res.Added, res.Updated, res.Unchanged, problems), "2 2 1 0 [5 6 7 8 9]")
		equal(c, "the known one", must[gateway.User](c)(c.store.User(c.ctx, known.ID)).OldID, "1")
		found := must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{Text: "3"}))
		if len(found) != 1 || found[0].Nickname != "from the table" || !found[0].ProfileAt.IsZero() {
			c.Fatalf("old id 3: %+v", found)
		}
		for _, i := range must[[]gateway.Identity](c)(c.store.Identities(c.ctx, found[0].ID)) {
			if !i.SeenAt.IsZero() {
				c.Fatalf("an imported person counts as seen: %+v", i)
			}
		}
		res = must[gateway.ImportResult](c)(c.store.ImportUsers(c.ctx, people[:5]))
		equal(c, "the same again", fmt.Sprint(res.Created, res.Added, res.Updated, res.Unchanged, len(res.Problems)), "0 0 0 5 0")
		equal(c, "who arrives is the imported one", c.arrive(site.at(after(2*time.Hour), "s2", "")).OldID, "2")
	}},
}

var subjectChecks = []check{
	{"the first issue wins", "an app that meets another sub makes a new user", func(c *cas) {
		id := c.person("o1").ID
		var seen tally
		together(c.crowd(), func(i int) {
			sub, err := c.store.PinSubject(c.ctx, id, "wiki", fmt.Sprint("candidate ", i), noon)
			if err != nil {
				c.Error(err)
			}
			seen.add(sub)
		})
		if len(seen.n) != 1 {
			c.Fatalf("subjects given out: %v", seen.n)
		}
		equal(c, "another app has its own", must[string](c)(c.store.PinSubject(c.ctx, id, "shop", "mine", noon)), "mine")
		pins := must[[]gateway.Pin](c)(c.store.UserSubjects(c.ctx, id))
		if len(pins) != 2 || pins[0].App != "shop" || pins[0].UserID != id || pins[0].CreatedAt != noon {
			c.Fatalf("pins: %+v", pins)
		}
	}},
	{"a subject is of one account", "two people would be one user of the app", func(c *cas) {
		a, b := c.person("o1").ID, c.person("o2").ID
		must[string](c)(c.store.PinSubject(c.ctx, a, "wiki", "same", noon))
		_, err := c.store.PinSubject(c.ctx, b, "wiki", "same", noon)
		c.is(err, gateway.ErrConflict)
		equal(c, "in another app it may", must[string](c)(c.store.PinSubject(c.ctx, b, "shop", "same", noon)), "same")
		_, err = c.store.PinSubject(c.ctx, gateway.NewID(), "wiki", "x", noon)
		c.is(err, gateway.ErrNotFound)
		if _, err := c.store.PinSubject(c.ctx, a, "shop", "", noon); err == nil {
			c.Fatal("an empty subject was pinned")
		}
		equal(c, "pins of nobody", len(must[[]gateway.Pin](c)(c.store.UserSubjects(c.ctx, gateway.NewID()))), 0)
	}},
}
