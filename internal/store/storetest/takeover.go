package storetest

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// victim is a user with everything that an attacker would want: an administrator, in a group, known
// to an app by a subject, and with the old id "7" of an imported table. Its openid at mainConnector
// is "victim" and its unionid "uV"; the attacker's unionid is "uM".
type victim struct {
	user       gateway.User
	identities []gateway.Identity
}

func (f *fixture) addVictim() victim {
	f.t.Helper()
	userID := f.recordSignIn(mainConnector.signIn(noon, "victim", "uV")).ID
	user := f.updateUser(userID, noon, func(stored *gateway.User) error {
		stored.Admin, stored.Groups, stored.Nickname, stored.OldID = true, []string{"ops"}, "victim", "7"
		return nil
	})
	f.addSession(userID, "victim's session")
	f.pinSubject(userID, "wiki", "victim's sub", noon)
	return victim{user, f.listIdentities(userID)}
}

// wantUnharmed fails the test unless the victim's user, identities, session and subject are
// unchanged.
func (f *fixture) wantUnharmed(victim victim) {
	f.t.Helper()
	userID := victim.user.ID
	if user := f.getUser(userID); !reflect.DeepEqual(user, victim.user) {
		f.t.Fatalf("the victim's user was %+v\nand is %+v", victim.user, user)
	}
	if identities := f.listIdentities(userID); !reflect.DeepEqual(identities, victim.identities) {
		f.t.Fatalf("the victim's identities were %+v\nand are %+v", victim.identities, identities)
	}
	f.getSession(hash("victim's session"), noon)
	wantEqual(f.t, "the user of the victim's sub", f.subjectUser("wiki", "victim's sub"), userID)
}

// attack records the sign-ins one by one, then all at once through two handles on the database. It
// fails the test when one of them gets the victim's user or its rights.
func (f *fixture) attack(victim victim, signIns ...gateway.SignIn) {
	f.t.Helper()
	signInAsAttacker := func(store gateway.Store, signIn gateway.SignIn) {
		user, _, err := store.RecordSignIn(f.t.Context(), signIn)
		if err != nil {
			f.t.Errorf("%s at %s: %v", signIn.OpenID, signIn.Connector, err)
		}
		if user.ID == victim.user.ID || user.Admin || len(user.Groups) > 0 || user.Nickname != "" || user.OldID != "" {
			f.t.Errorf("%s with unionid %q at %s got %+v", signIn.OpenID, signIn.UnionID, signIn.Connector, user)
		}
	}
	for _, signIn := range signIns {
		signInAsAttacker(f.store, signIn)
	}
	handles := f.handles()
	f.concurrently(4*len(signIns), func(i int) { signInAsAttacker(handles[i%2], signIns[i%len(signIns)]) })
	if !f.t.Failed() {
		f.wantUnharmed(victim)
	}
}

// takeoverCases test that an attacker cannot become another user by a forged unionid. A sign-in
// joins the user who has its unionid only under three conditions. The signing-in identity had no
// other unionid before. Its connector is in the open_platform group of that user's identity. That
// user has no openid at the connector. Each sign-in below violates one condition. mainConnector,
// siteConnector and thirdConnector are in the victim's group, foreignConnector is in another group,
// and ungroupedConnector in none.
var takeoverCases = []testCase{
	{
		name:       "takeover by a forged unionid",
		reason:     "an attacker who can change one response of WeChat would sign in as the victim",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			victim := f.addVictim()
			f.attack(victim,
				// the attacker's own identity at a known connector
				mainConnector.signIn(after(time.Minute), "m1", "uM"), mainConnector.signIn(after(time.Hour), "m1", "uV"),
				// unknown at the connector where the victim has an openid
				mainConnector.signIn(after(time.Hour), "m2", "uV"),
				// known without a unionid
				mainConnector.signIn(after(time.Minute), "m3", ""), mainConnector.signIn(after(time.Hour), "m3", "uV"),
				// at another connector
				siteConnector.signIn(after(time.Minute), "s1", "uM"), siteConnector.signIn(after(time.Hour), "s1", "uV"),
				// older than the victim, so that a join would keep the attacker
				mainConnector.signIn(after(-time.Hour), "m4", ""), mainConnector.signIn(after(time.Hour), "m4", "uV"),
			)
		},
	},
	{
		name:   "takeover by a forged unionid in an import",
		reason: "an old user table can contain anything",
		run: func(t *testing.T, f *fixture) {
			victim := f.addVictim()
			attacker := f.recordSignIn(mainConnector.signIn(after(time.Minute), "m1", "uM"))
			f.importUsers([]gateway.ImportedUser{
				importLine("8", mainConnector.signIn(after(time.Hour), "m1", "uV")), // known, with another unionid
				importLine("9", mainConnector.signIn(after(time.Hour), "m2", "uV")), // unknown, beside the victim's openid
				importLine("7", mainConnector.signIn(after(time.Hour), "m3", "uM")), // with the victim's old id
				// where the victim has no openid, with another unionid
				importLine("7", siteConnector.signIn(after(time.Hour), "s1", "uM")),
				// by the unionid, with another old id than the victim's
				importLine("9", siteConnector.signIn(after(time.Hour), "s2", "uV")),
			})
			f.wantUnharmed(victim)
			wantEqual(t, "the attacker's user", f.recordSignIn(mainConnector.signIn(after(2*time.Hour), "m1", "uV")).ID,
				attacker.ID)
		},
	},
	{
		name:       "takeover by a unionid of another group",
		reason:     "in another Open Platform account the same text is another person's, and an attacker may own one",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			victim := f.addVictim()
			// outside any group, but with the appids of the victim's group
			withVictimsAppIDs := ungroupedConnector.signIn(after(time.Hour), "l2", "uV")
			withVictimsAppIDs.GroupAppIDs = appidsOf("group 1")
			f.attack(victim,
				foreignConnector.signIn(after(time.Minute), "x1", "uV"), foreignConnector.signIn(after(time.Hour), "x1", "uV"),
				foreignConnector.signIn(after(-time.Hour), "x2", "uV"), // older
				ungroupedConnector.signIn(after(time.Minute), "l1", "uV"),
				ungroupedConnector.signIn(after(time.Hour), "l1", "uV"), withVictimsAppIDs,
			)
			// Users in another group have the victim's unionid now. They do not lead to the victim
			// either.
			f.attack(victim, foreignConnector.signIn(after(2*time.Hour), "x3", "uV"),
				ungroupedConnector.signIn(after(2*time.Hour), "l1", ""))
		},
	},
	{
		name:       "takeover by a changed unionid",
		reason:     "a connector that moves to another Open Platform account brings other unionids, maybe the victim's",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			victim := f.addVictim()
			user := f.recordSignIn(siteConnector.signIn(after(time.Minute), "s1", "uM"))
			other := f.recordSignIn(thirdConnector.signIn(after(2*time.Minute), "t1", "uM"))
			wantEqual(t, "the attacker's two identities are one user", other.ID, user.ID)
			f.attack(victim,
				siteConnector.signIn(after(time.Hour), "s1", "uV"), thirdConnector.signIn(after(time.Hour), "t1", "uV"),
				// without a unionid in between
				siteConnector.signIn(after(2*time.Hour), "s1", ""), siteConnector.signIn(after(3*time.Hour), "s1", "uV"),
				// with another unionid in between
				thirdConnector.signIn(after(3*time.Hour), "t1", "uX"), thirdConnector.signIn(after(4*time.Hour), "t1", "uV"),
				siteConnector.signIn(after(5*time.Hour), "s1", "uM"), siteConnector.signIn(after(6*time.Hour), "s1", "uV"),
			)
			var kept []string
			for _, identity := range f.listIdentities(user.ID) {
				kept = append(kept, identity.UnionID)
			}
			if !slices.Equal(kept, []string{"uM", "uM"}) {
				t.Fatalf("the attacker's unionids: %q", kept)
			}
			events := f.listEvents(gateway.EventQuery{Kind: gateway.EventUnionIDChanged, UserID: user.ID})
			if len(events) < 5 { // the concurrent sign-ins add more
				t.Fatalf("an administrator sees %d of the changes", len(events))
			}
		},
	},
	{
		name:   "a blocked person at every connector",
		reason: "no connector may let a blocked person in",
		run: func(t *testing.T, f *fixture) {
			f.block(f.recordSignIn(mainConnector.signIn(noon, "m1", "uM")).ID)
			f.recordSignIn(thirdConnector.signIn(after(time.Minute), "t1", "")) // signed in before, without a unionid
			for _, signIn := range []gateway.SignIn{
				siteConnector.signIn(after(time.Hour), "s1", "uM"), thirdConnector.signIn(after(time.Hour), "t1", "uM"),
				mainConnector.signIn(after(time.Hour), "m1", "uV"), mainConnector.signIn(after(time.Hour), "m1", ""),
			} {
				wantEqual(t, "status of "+signIn.OpenID, f.recordSignIn(signIn).Status, gateway.Blocked)
			}
		},
	},
}
