package storetest

import (
	"reflect"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// victim is an administrator with all that there is to take.
type victim struct {
	account  gateway.User
	identity []gateway.Identity
}

func (c *cas) victim() victim {
	c.Helper()
	id := c.arrive(main.at(noon, "victim", "uV")).ID
	a := must[gateway.User](c)(c.store.UpdateUser(c.ctx, id, noon, func(a *gateway.User) error {
		a.Admin, a.Groups, a.Nickname, a.OldID = true, []string{"ops"}, "victim", "7"
		return nil
	}))
	c.signIn(id, "victim's session")
	must[string](c)(c.store.PinSubject(c.ctx, id, "wiki", "victim's sub", noon))
	return victim{a, must[[]gateway.Identity](c)(c.store.Identities(c.ctx, id))}
}

// unharmed fails the case unless everything of the victim's is as it was, and
// theirs alone.
func (c *cas) unharmed(v victim) {
	c.Helper()
	id := v.account.ID
	if a := must[gateway.User](c)(c.store.User(c.ctx, id)); !reflect.DeepEqual(a, v.account) {
		c.Fatalf("the victim's account was %+v\nand is %+v", v.account, a)
	}
	if i := must[[]gateway.Identity](c)(c.store.Identities(c.ctx, id)); !reflect.DeepEqual(i, v.identity) {
		c.Fatalf("the victim's identities were %+v\nand are %+v", v.identity, i)
	}
	must[gateway.Session](c)(c.store.Session(c.ctx, sum("victim's session"), noon))
	equal(c, "the account of the victim's sub", must[string](c)(c.store.SubjectUser(c.ctx, "wiki", "victim's sub")), id)
}

// attack lets the arrivals happen one by one, then all at once and through
// several handles, and fails the case when one gets more than an account of
// the attacker's own.
func (c *cas) attack(v victim, arrivals ...gateway.SignIn) {
	c.Helper()
	gets := func(s gateway.Store, a gateway.SignIn) {
		acc, _, err := s.RecordSignIn(c.ctx, a)
		if err != nil {
			c.Errorf("%s at %s: %v", a.OpenID, a.Connector, err)
		}
		if acc.ID == v.account.ID || acc.Admin || len(acc.Groups) > 0 || acc.Nickname != "" || acc.OldID != "" {
			c.Errorf("%s with unionid %q at %s got %+v", a.OpenID, a.UnionID, a.Connector, acc)
		}
	}
	for _, a := range arrivals {
		gets(c.store, a)
	}
	handles := c.both()
	together(4*len(arrivals), func(i int) { gets(handles[i%2], arrivals[i%len(arrivals)]) })
	if !c.Failed() {
		c.unharmed(v)
	}
}

// What joins by design is what WeChat itself says, first and of an entry of the
// group, where the account has no openid yet. All else is an attack.
var takeoverChecks = []check{
	{"takeover by a forged unionid", "who can make one answer of WeChat's say another unionid would have the account", func(c *cas) {
		v := c.victim()
		c.attack(v,
			main.at(after(time.Minute), "m1", "uM"), main.at(after(time.Hour), "m1", "uV"), // the attacker's own entry, known
			main.at(after(time.Hour), "m2", "uV"),                                        // unknown there, where the victim has an openid
			main.at(after(time.Minute), "m3", ""), main.at(after(time.Hour), "m3", "uV"), // known without a unionid
			site.at(after(time.Minute), "s1", "uM"), site.at(after(time.Hour), "s1", "uV"), // through another entry
			main.at(after(-time.Hour), "m4", ""), main.at(after(time.Hour), "m4", "uV"), // older than the victim, so that it would be the one that stays
		)
	}},
	{"takeover by a forged unionid in an import", "an old user table has what anybody ever typed into it", func(c *cas) {
		v := c.victim()
		mallory := c.arrive(main.at(after(time.Minute), "m1", "uM"))
		must[gateway.ImportResult](c)(c.store.ImportUsers(c.ctx, []gateway.ImportedUser{
			line("8", main.at(after(time.Hour), "m1", "uV")), // known, with another unionid
			line("9", main.at(after(time.Hour), "m2", "uV")), // unknown, beside the victim's openid
			line("7", main.at(after(time.Hour), "m3", "uM")), // by the victim's old id
			line("7", site.at(after(time.Hour), "s1", "uM")), // the same where the victim has no openid, with another unionid
			line("9", site.at(after(time.Hour), "s2", "uV")), // by the unionid, with another old id than the victim's
		}))
		c.unharmed(v)
		equal(c, "the attacker's account", c.arrive(main.at(after(2*time.Hour), "m1", "uV")).ID, mallory.ID)
	}},
	{"takeover by a unionid of another group", "in another Open Platform account the same text is another person's, and an attacker may own one", func(c *cas) {
		v := c.victim()
		lies := lone.at(after(time.Hour), "l2", "uV") // an entry in no group that names the victim's group's appids
		lies.Group = group("ours")
		c.attack(v,
			other.at(after(time.Minute), "x1", "uV"), other.at(after(time.Hour), "x1", "uV"),
			other.at(after(-time.Hour), "x2", "uV"), // older
			lone.at(after(time.Minute), "l1", "uV"), lone.at(after(time.Hour), "l1", "uV"), lies,
		)
		// The foreign accounts with that unionid are no bridge to the victim, either.
		c.attack(v, other.at(after(2*time.Hour), "x3", "uV"), lone.at(after(2*time.Hour), "l1", ""))
	}},
	{"takeover by a changed unionid", "an entry that is moved to another Open Platform account brings other unionids, and one may be the victim's", func(c *cas) {
		v := c.victim()
		a := c.arrive(site.at(after(time.Minute), "s1", "uM"))
		b := c.arrive(third.at(after(2*time.Minute), "t1", "uM"))
		equal(c, "the attacker's two entries are one account", b.ID, a.ID)
		c.attack(v,
			site.at(after(time.Hour), "s1", "uV"), third.at(after(time.Hour), "t1", "uV"),
			site.at(after(2*time.Hour), "s1", ""), site.at(after(3*time.Hour), "s1", "uV"), // forgotten in between
			third.at(after(3*time.Hour), "t1", "uX"), third.at(after(4*time.Hour), "t1", "uV"), // step by step
			site.at(after(5*time.Hour), "s1", "uM"), site.at(after(6*time.Hour), "s1", "uV"),
		)
		var kept []string
		for _, i := range must[[]gateway.Identity](c)(c.store.Identities(c.ctx, a.ID)) {
			kept = append(kept, i.UnionID)
		}
		if !slices.Equal(kept, []string{"uM", "uM"}) {
			c.Fatalf("the attacker's unionids: %q", kept)
		}
		told := must[[]gateway.Event](c)(c.store.Events(c.ctx, gateway.EventQuery{Kind: gateway.EventUnionIDChanged, UserID: a.ID}))
		if len(told) < 5 {
			c.Fatalf("an administrator is told of %d of the changes", len(told))
		}
	}},
	{"a blocked person who tries every entry", "a person who is blocked must find no entry that lets them in", func(c *cas) {
		c.block(c.arrive(main.at(noon, "m1", "uM")).ID)
		c.arrive(third.at(after(time.Minute), "t1", "")) // came before, by an entry that said no unionid
		for _, a := range []gateway.SignIn{
			site.at(after(time.Hour), "s1", "uM"), third.at(after(time.Hour), "t1", "uM"), main.at(after(time.Hour), "m1", "uV"), main.at(after(time.Hour), "m1", ""),
		} {
			equal(c, "status of "+a.OpenID, c.arrive(a).Status, gateway.Blocked)
		}
	}},
}
