package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// eventKinds returns the kind and the outcome of each event, sorted.
func eventKinds(events []gateway.Event) (all []string) {
	for _, event := range events {
		all = append(all, event.Kind+" "+event.Outcome)
	}
	slices.Sort(all)
	return all
}

// recordSignInEvents records a sign-in and returns the kinds of its events.
func (f *fixture) recordSignInEvents(signIn gateway.SignIn) (gateway.User, []string) {
	f.t.Helper()
	user, events, err := f.store.RecordSignIn(f.t.Context(), signIn)
	wantNoError(f.t, err)
	return user, eventKinds(events)
}

// addTwoUsers stores two users that a later unionid joins: the older signed in at the main
// connector at noon, the younger at the site connector a minute later.
func (f *fixture) addTwoUsers() (older, younger gateway.User) {
	f.t.Helper()
	older = f.recordSignIn(mainConnector.signIn(noon, "o1", "u1"))
	younger = f.recordSignIn(siteConnector.signIn(after(time.Minute), "s1", ""))
	return older, younger
}

// joinCases test that users are joined by unionid. WeChat gives a person a different openid for
// each appid, but one unionid in all apps of one Open Platform account. mainConnector,
// siteConnector and thirdConnector are in one account, foreignConnector is in another account, and
// ungroupedConnector in none. When a sign-in shows that two users are one person, the younger user
// is joined into the older. From then on the younger id resolves to the older user.
var joinCases = []testCase{
	{
		name:   "a new connector with a known unionid is the same user",
		reason: "people sign in on the phone and on the desktop",
		run: func(t *testing.T, f *fixture) {
			user := f.recordSignIn(mainConnector.signIn(noon, "o1", "u1"))
			other, events := f.recordSignInEvents(siteConnector.signIn(after(time.Minute), "s1", "u1"))
			wantEqual(t, "user", other.ID, user.ID)
			wantEqual(t, "events", fmt.Sprint(events), "[identity_added ok]")
			wantEqual(t, "identities", len(f.listIdentities(user.ID)), 2)
		},
	},
	{
		name:   "unionids mean nothing outside the group",
		reason: "in another Open Platform account the same unionid may be another person's",
		run: func(t *testing.T, f *fixture) {
			user := f.recordSignIn(mainConnector.signIn(noon, "o1", "u1"))
			for _, connector := range []connector{foreignConnector, ungroupedConnector} {
				if other := f.recordSignIn(connector.signIn(noon, "x1", "u1")); other.ID == user.ID {
					t.Fatalf("joined through %s", connector.name)
				}
			}
		},
	},
	{
		name:   "a second openid of one appid is not joined",
		reason: "WeChat contradicts itself; one of the two openids is another person's",
		run: func(t *testing.T, f *fixture) {
			user := f.recordSignIn(mainConnector.signIn(noon, "o1", "u1"))
			second, events := f.recordSignInEvents(mainConnector.signIn(after(time.Minute), "o2", "u1"))
			if second.ID == user.ID {
				t.Fatal("one user has two openids of one appid")
			}
			wantEqual(t, "events", fmt.Sprint(events), "[join_conflict refused user_created ok]")
			joined := f.recordSignIn(siteConnector.signIn(after(2*time.Minute), "s1", "u1"))
			wantEqual(t, "a third connector joins the older", joined.ID, user.ID)
		},
	},
	{
		name:   "a unionid that changes never joins",
		reason: "a connector may have been moved to another Open Platform account",
		run: func(t *testing.T, f *fixture) {
			user := f.recordSignIn(mainConnector.signIn(noon, "o1", "u1"))
			other := f.recordSignIn(siteConnector.signIn(noon, "s1", "u2"))
			again, events := f.recordSignInEvents(mainConnector.signIn(after(time.Minute), "o1", "u2"))
			wantEqual(t, "user", again.ID, user.ID)
			wantEqual(t, "events", fmt.Sprint(events), "[unionid_changed refused]")
			wantEqual(t, "kept unionid", f.listIdentities(user.ID)[0].UnionID, "u1")
			again, _ = f.recordSignInEvents(mainConnector.signIn(after(2*time.Minute), "o1", "u2"))
			wantEqual(t, "user after a second try", again.ID, user.ID)
			wantEqual(t, "the other user", f.getUser(other.ID).ID, other.ID)
		},
	},
	{
		name:   "two users of one person are joined into the older",
		reason: "apps have known the older id for longer",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			f.addSession(older.ID, "old session")
			f.addSession(younger.ID, "young session")
			f.addGrant(younger.ID, "wiki", "g1")
			user, events := f.recordSignInEvents(siteConnector.signIn(after(time.Hour), "s1", "u1"))
			wantEqual(t, "user", user.ID, older.ID)
			wantEqual(t, "events", fmt.Sprint(events), "[users_joined ok]")
			wantEqual(t, "user by the younger id", f.getUser(younger.ID).ID, older.ID)
			wantEqual(t, "identities by the younger id", len(f.listIdentities(younger.ID)), 2)
			_, err := f.store.Session(t.Context(), hash("young session"), noon)
			wantError(t, err, gateway.ErrNotFound)
			f.getSession(hash("old session"), noon)
			_, grant, err := f.store.Token(t.Context(), hash("access g1"), noon)
			wantNoError(t, err)
			wantEqual(t, "the grant's user", grant.UserID, older.ID)
			wantEqual(t, "listed users", len(f.listUsers(gateway.UserQuery{})), 1)
			wantNoError(t, f.store.PutSession(t.Context(), newSession(younger.ID, "late"), noon))
			wantEqual(t, "a session for the younger id", f.getSession(hash("late"), noon).UserID, older.ID)
			wantNoError(t, f.store.PutCode(t.Context(), newCode(younger.ID, "wiki", "late")))
			wantEqual(t, "a code for the younger id", f.getCode(hash("code late")).Grant.UserID, older.ID)
			stored := f.listEvents(gateway.EventQuery{Kind: gateway.EventUsersJoined})
			wantEqual(t, "stored events", len(stored), 1)
		},
	},
	{
		name:   "a chain of joins resolves in one step",
		reason: "an app may have stored the first id years ago",
		run: func(t *testing.T, f *fixture) {
			first := f.recordSignIn(mainConnector.signIn(noon, "o1", ""))
			second := f.recordSignIn(siteConnector.signIn(after(time.Minute), "s1", ""))
			third := f.recordSignIn(thirdConnector.signIn(after(2*time.Minute), "t1", "u1"))
			f.recordSignIn(siteConnector.signIn(after(3*time.Minute), "s1", "u1"))
			wantEqual(t, "the youngest", f.getUser(third.ID).ID, second.ID)
			f.recordSignIn(mainConnector.signIn(after(4*time.Minute), "o1", "u1"))
			for _, userID := range []string{first.ID, second.ID, third.ID} {
				wantEqual(t, "resolved", f.getUser(userID).ID, first.ID)
			}
		},
	},
	{
		name:   "a join with a blocked user is blocked",
		reason: "a blocked person would sign in through another connector",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			f.addSession(older.ID, "old session")
			f.addGrant(older.ID, "wiki", "g1")
			f.block(younger.ID)
			user, _ := f.recordSignInEvents(siteConnector.signIn(after(time.Hour), "s1", "u1"))
			wantEqual(t, "status", user.Status, gateway.Blocked)
			_, err := f.store.Session(t.Context(), hash("old session"), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, _, err = f.store.Token(t.Context(), hash("access g1"), noon)
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:   "a join grants neither admin nor groups",
		reason: "nobody gave them to the older user, which remains",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			_, err := f.store.UpdateUser(t.Context(), younger.ID, noon, func(stored *gateway.User) error {
				stored.Admin, stored.Groups = true, []string{"ops"}
				return nil
			})
			wantNoError(t, err)
			user, events := f.recordSignInEvents(siteConnector.signIn(after(time.Hour), "s1", "u1"))
			wantEqual(t, "user", user.ID, older.ID)
			wantEqual(t, "admin", user.Admin, false)
			wantEqual(t, "groups", len(user.Groups), 0)
			wantEqual(t, "events", fmt.Sprint(events), "[users_joined ok users_joined refused users_joined refused]")
		},
	},
	{
		name:   "a join keeps the subjects, and the older user's where both have one",
		reason: "an app that gets a new subject creates a second user",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			for _, pin := range []struct{ user, app, sub string }{
				{older.ID, "wiki", older.ID}, {younger.ID, "wiki", younger.ID}, {younger.ID, "shop", younger.ID},
			} {
				f.pinSubject(pin.user, pin.app, pin.sub, noon) // all pinned at one time: then the older user's subject stays
			}
			f.addGrant(younger.ID, "wiki", "g1")
			f.addGrant(younger.ID, "shop", "g2")
			_, events := f.recordSignInEvents(siteConnector.signIn(after(time.Hour), "s1", "u1"))
			wantEqual(t, "events", fmt.Sprint(events), "[subject_dropped ok users_joined ok]")
			for app, want := range map[string]string{"wiki": older.ID, "shop": younger.ID} {
				wantEqual(t, "sub in "+app, f.pinSubject(younger.ID, app, "new", noon), want)
				wantEqual(t, "user of the sub", f.subjectUser(app, want), older.ID)
			}
			_, err := f.store.SubjectUser(t.Context(), "wiki", younger.ID)
			wantError(t, err, gateway.ErrNotFound)
			_, _, err = f.store.Token(t.Context(), hash("access g1"), noon)
			wantError(t, err, gateway.ErrNotFound) // its subject was dropped by the join
			_, _, err = f.store.Token(t.Context(), hash("access g2"), noon)
			wantNoError(t, err)
		},
	},
	{
		name:       "a join during a sign-in leaves no session of the younger user",
		reason:     "the session would belong to a user that no longer exists",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			for round := range 5 {
				mainOpenID, siteOpenID, unionID := fmt.Sprint("o", round), fmt.Sprint("s", round), fmt.Sprint("u", round)
				older := f.recordSignIn(mainConnector.signIn(noon, mainOpenID, unionID))
				younger := f.recordSignIn(siteConnector.signIn(after(time.Minute), siteOpenID, ""))
				f.concurrently(10, func(i int) {
					var err error
					if i == 4 {
						_, _, err = f.store.RecordSignIn(t.Context(), siteConnector.signIn(after(time.Hour), siteOpenID, unionID))
					} else {
						err = f.store.PutSession(t.Context(), newSession(younger.ID, fmt.Sprint(round, " ", i)), noon)
					}
					if err != nil {
						t.Error(err)
					}
				})
				for i := range 10 {
					if session, err := f.store.Session(t.Context(), hash(fmt.Sprint(round, " ", i)), noon); err == nil &&
						session.UserID != older.ID {
						t.Fatalf("session of the joined user %s", session.UserID)
					}
				}
			}
		},
	},
	{
		name:       "any order of sign-ins ends in the same users",
		reason:     "the result of a join must not depend on the order of requests",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			limit := int64(0)
			if f.SingleHandle || f.Race {
				limit = 25 // enough: a database in a file runs the same statements without this limit
			}
			var handles []UserStore
			for _, store := range f.handles() {
				handles = append(handles, store)
			}
			CheckAnyOrder(t, limit, func() []UserStore { return handles })
		},
	},
	{
		name:       "many joins at once end in one user",
		reason:     "two replicas may get the unionid from WeChat at the same moment",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			older, _ := f.addTwoUsers()
			f.recordSignIn(thirdConnector.signIn(after(2*time.Minute), "t1", ""))
			f.concurrently(16, func(i int) {
				signIn := []gateway.SignIn{
					mainConnector.signIn(after(time.Hour), "o1", "u1"),
					siteConnector.signIn(after(time.Hour), "s1", "u1"),
					thirdConnector.signIn(after(time.Hour), "t1", "u1"),
				}[i%3]
				if _, _, err := f.store.RecordSignIn(t.Context(), signIn); err != nil {
					t.Error(err)
				}
			})
			user := f.recordSignIn(thirdConnector.signIn(after(2*time.Hour), "t1", "u1"))
			wantEqual(t, "user", user.ID, older.ID)
			wantEqual(t, "identities", len(f.listIdentities(older.ID)), 3)
		},
	},
}
