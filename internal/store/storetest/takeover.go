package storetest

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// victim is an administrator with all that there is to take.
type victim struct {
	account  gateway.User
	identity []gateway.Identity
}

func (f *fixture) addVictim() victim {
	f.t.Helper()
	id := f.recordSignIn(mainConnector.signIn(noon, "victim", "uV")).ID
	a := f.updateUser(id, noon, func(a *gateway.User) error {
		a.Admin, a.Groups, a.Nickname, a.OldID = true, []string{"ops"}, "victim", "7"
		return nil
	})
	f.addSession(id, "victim's session")
	f.pinSubject(id, "wiki", "victim's sub", noon)
	return victim{a, f.listIdentities(id)}
}

// unharmed fails the case unless everything of the victim's is as it was, and
// theirs alone.
func (f *fixture) wantUnharmed(v victim) {
	f.t.Helper()
	id := v.account.ID
	if a := f.getUser(id); !reflect.DeepEqual(a, v.account) {
		f.t.Fatalf("the victim's account was %+v\nand is %+v", v.account, a)
	}
	if i := f.listIdentities(id); !reflect.DeepEqual(i, v.identity) {
		f.t.Fatalf("the victim's identities were %+v\nand are %+v", v.identity, i)
	}
	f.getSession(hash("victim's session"), noon)
	wantEqual(f.t, "the account of the victim's sub", f.subjectUser("wiki", "victim's sub"), id)
}

// attack lets the arrivals happen one by one, then all at once and through
// several handles, and fails the case when one gets more than an account of
// the attacker's own.
func (f *fixture) attack(v victim, arrivals ...gateway.SignIn) {
	f.t.Helper()
	gets := func(s gateway.Store, a gateway.SignIn) {
		acc, _, err := s.RecordSignIn(f.t.Context(), a)
		if err != nil {
			f.t.Errorf("%s at %s: %v", a.OpenID, a.Connector, err)
		}
		if acc.ID == v.account.ID || acc.Admin || len(acc.Groups) > 0 || acc.Nickname != "" || acc.OldID != "" {
			f.t.Errorf("%s with unionid %q at %s got %+v", a.OpenID, a.UnionID, a.Connector, acc)
		}
	}
	for _, a := range arrivals {
		gets(f.store, a)
	}
	handles := f.handles()
	concurrently(4*len(arrivals), func(i int) { gets(handles[i%2], arrivals[i%len(arrivals)]) })
	if !f.t.Failed() {
		f.wantUnharmed(v)
	}
}

// What joins by design is what WeChat itself says, first and of an entry of the
// group, where the account has no openid yet. All else is an attack.
var takeoverCases = []testCase{
	{
		name:   "takeover by a forged unionid",
		reason: "an attacker who can change one response of WeChat would get the user",
		run: func(t *testing.T, f *fixture) {
			v := f.addVictim()
			f.attack(v,
				mainConnector.signIn(after(time.Minute), "m1", "uM"), mainConnector.signIn(after(time.Hour), "m1", "uV"), // the attacker's own entry, known
				mainConnector.signIn(after(time.Hour), "m2", "uV"),                                                     // unknown there, where the victim has an openid
				mainConnector.signIn(after(time.Minute), "m3", ""), mainConnector.signIn(after(time.Hour), "m3", "uV"), // known without a unionid
				siteConnector.signIn(after(time.Minute), "s1", "uM"), siteConnector.signIn(after(time.Hour), "s1", "uV"), // through another entry
				mainConnector.signIn(after(-time.Hour), "m4", ""), mainConnector.signIn(after(time.Hour), "m4", "uV"), // older than the victim, so that it would be the one that stays
			)
		},
	},
	{
		name:   "takeover by a forged unionid in an import",
		reason: "an old user table can contain anything",
		run: func(t *testing.T, f *fixture) {
			v := f.addVictim()
			mallory := f.recordSignIn(mainConnector.signIn(after(time.Minute), "m1", "uM"))
			f.importUsers([]gateway.ImportedUser{
				importLine("8", mainConnector.signIn(after(time.Hour), "m1", "uV")), // known, with another unionid
				importLine("9", mainConnector.signIn(after(time.Hour), "m2", "uV")), // unknown, beside the victim's openid
				importLine("7", mainConnector.signIn(after(time.Hour), "m3", "uM")), // by the victim's old id
				importLine("7", siteConnector.signIn(after(time.Hour), "s1", "uM")), // the same where the victim has no openid, with another unionid
				importLine("9", siteConnector.signIn(after(time.Hour), "s2", "uV")), // by the unionid, with another old id than the victim's
			})
			f.wantUnharmed(v)
			wantEqual(t, "the attacker's account", f.recordSignIn(mainConnector.signIn(after(2*time.Hour), "m1", "uV")).ID, mallory.ID)
		},
	},
	{
		name:   "takeover by a unionid of another group",
		reason: "in another Open Platform account the same text is another person's, and an attacker may own one",
		run: func(t *testing.T, f *fixture) {
			v := f.addVictim()
			lies := ungroupedConnector.signIn(after(time.Hour), "l2", "uV") // an entry in no group that names the victim's group's appids
			lies.Group = appidsOf("ours")
			f.attack(v,
				foreignConnector.signIn(after(time.Minute), "x1", "uV"), foreignConnector.signIn(after(time.Hour), "x1", "uV"),
				foreignConnector.signIn(after(-time.Hour), "x2", "uV"), // older
				ungroupedConnector.signIn(after(time.Minute), "l1", "uV"), ungroupedConnector.signIn(after(time.Hour), "l1", "uV"), lies,
			)
			// The foreign accounts with that unionid are no bridge to the victim, either.
			f.attack(v, foreignConnector.signIn(after(2*time.Hour), "x3", "uV"), ungroupedConnector.signIn(after(2*time.Hour), "l1", ""))
		},
	},
	{
		name:   "takeover by a changed unionid",
		reason: "a connector that moves to another Open Platform account brings other unionids, and one may be the victim's",
		run: func(t *testing.T, f *fixture) {
			v := f.addVictim()
			a := f.recordSignIn(siteConnector.signIn(after(time.Minute), "s1", "uM"))
			b := f.recordSignIn(thirdConnector.signIn(after(2*time.Minute), "t1", "uM"))
			wantEqual(t, "the attacker's two entries are one account", b.ID, a.ID)
			f.attack(v,
				siteConnector.signIn(after(time.Hour), "s1", "uV"), thirdConnector.signIn(after(time.Hour), "t1", "uV"),
				siteConnector.signIn(after(2*time.Hour), "s1", ""), siteConnector.signIn(after(3*time.Hour), "s1", "uV"), // forgotten in between
				thirdConnector.signIn(after(3*time.Hour), "t1", "uX"), thirdConnector.signIn(after(4*time.Hour), "t1", "uV"), // step by step
				siteConnector.signIn(after(5*time.Hour), "s1", "uM"), siteConnector.signIn(after(6*time.Hour), "s1", "uV"),
			)
			var kept []string
			for _, i := range f.listIdentities(a.ID) {
				kept = append(kept, i.UnionID)
			}
			if !slices.Equal(kept, []string{"uM", "uM"}) {
				t.Fatalf("the attacker's unionids: %q", kept)
			}
			told := f.listEvents(gateway.EventQuery{Kind: gateway.EventUnionIDChanged, UserID: a.ID})
			if len(told) < 5 {
				t.Fatalf("an administrator is told of %d of the changes", len(told))
			}
		},
	},
	{
		name:   "a blocked person at every connector",
		reason: "no connector may let a blocked person in",
		run: func(t *testing.T, f *fixture) {
			f.block(f.recordSignIn(mainConnector.signIn(noon, "m1", "uM")).ID)
			f.recordSignIn(thirdConnector.signIn(after(time.Minute), "t1", "")) // came before, by an entry that said no unionid
			for _, a := range []gateway.SignIn{
				siteConnector.signIn(after(time.Hour), "s1", "uM"), thirdConnector.signIn(after(time.Hour), "t1", "uM"), mainConnector.signIn(after(time.Hour), "m1", "uV"), mainConnector.signIn(after(time.Hour), "m1", ""),
			} {
				wantEqual(t, "status of "+a.OpenID, f.recordSignIn(a).Status, gateway.Blocked)
			}
		},
	},
}
