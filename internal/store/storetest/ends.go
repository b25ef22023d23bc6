package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// addAppSession signs a user in at an app with back-channel logout, from the session with this
// name. The store records this as an app session, and must send the app a logout token when the
// session ends.
func (f *fixture) addAppSession(userID, session, app string) {
	f.t.Helper()
	code := newCode(userID, app, session+" "+app)
	code.Grant.Session, code.LogoutSessionID = hash(session), "sid-"+session
	wantNoError(f.t, f.store.PutCode(f.t.Context(), code))
	f.redeemCode(code.Hash, noon, newIssue(session+" "+app))
}

// logouts returns the sessions and apps of the logout deliveries of sessions whose names begin with
// n, sorted and without n: "s1 wiki, s2 chat".
func (f *fixture) logouts(n string) string {
	f.t.Helper()
	deliveries, err := f.store.Deliveries(f.t.Context(), gateway.DeliveryQuery{Kind: gateway.DeliverLogout, Limit: 500})
	wantNoError(f.t, err)
	var all []string
	for _, d := range deliveries {
		if d.State != gateway.DeliveryWaiting || !strings.HasPrefix(d.Subject, "sub-") || d.UserID == "" ||
			d.CreatedAt.IsZero() {
			f.t.Fatalf("delivery %+v", d)
		}
		if session, found := strings.CutPrefix(d.SessionID, "sid-"+n); found {
			all = append(all, session+" "+d.Target)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// sessionEnds are all ways in which a session, or the access to an app, ends. From session s1 the
// user is signed in to wiki and chat, and from session s2 to wiki. end executes one of these ways.
// told lists the logout tokens that have to be sent afterwards. n is a prefix of all names, which
// is different for each way.
var sessionEnds = []struct {
	name string
	end  func(f *fixture, user gateway.User, n string) error
	told string
}{
	{"the user signs out", func(f *fixture, u gateway.User, n string) error {
		return f.store.DeleteSession(f.t.Context(), hash(n+"s1"), noon)
	}, "s1 chat, s1 wiki"},
	{"the user signs out everywhere", func(f *fixture, u gateway.User, n string) error {
		_, err := f.store.DeleteUserSessions(f.t.Context(), u.ID, noon)
		return err
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"an administrator ends one session", func(f *fixture, u gateway.User, n string) error {
		_, err := f.store.EndSessions(f.t.Context(), gateway.SessionsEnd{UserID: u.ID, Session: hash(n + "s2"), Now: noon})
		return err
	}, "s2 wiki"},
	{"an administrator ends all sessions", func(f *fixture, u gateway.User, n string) error {
		_, err := f.store.EndSessions(f.t.Context(), gateway.SessionsEnd{UserID: u.ID, Now: noon})
		return err
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"block", func(f *fixture, u gateway.User, n string) error {
		f.block(u.ID)
		return nil
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"block by an administrator", func(f *fixture, u gateway.User, n string) error {
		_, err := f.store.ChangeUser(f.t.Context(), changeUser(u.ID, func(u *gateway.User) { u.Status = gateway.Blocked }))
		return err
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"deletion", func(f *fixture, u gateway.User, n string) error {
		return f.store.DeleteUser(f.t.Context(), u.ID, noon, gateway.Event{Kind: "user_deleted"})
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"an app is refused", func(f *fixture, u gateway.User, n string) error {
		_, err := f.store.DecideAccess(f.t.Context(), gateway.AccessDecision{UserID: u.ID, Apps: []string{"wiki"},
			State: gateway.RequestRefused, At: noon})
		return err
	}, "s1 wiki, s2 wiki"},
	{"the approval is taken back", func(f *fixture, u gateway.User, n string) error {
		_, err := f.store.ChangeUser(f.t.Context(), changeUser(u.ID, func(u *gateway.User) { u.Status = gateway.Pending }))
		return err
	}, "s1 wiki, s2 wiki"}, // chat stays: it is in AllowedApps
	{"an approval for one app is taken back", func(f *fixture, u gateway.User, n string) error {
		f.updateUser(u.ID, noon, func(u *gateway.User) error { u.AllowedApps = nil; return nil })
		return nil
	}, "s1 chat"},
	{"a group is taken away", func(f *fixture, u gateway.User, n string) error {
		f.updateUser(u.ID, noon, func(u *gateway.User) error { u.Groups = nil; return nil })
		return nil
	}, "s1 wiki, s2 wiki"},
	{"the session expires and a sweep finds it", func(f *fixture, u gateway.User, n string) error {
		f.sweep(after(time.Hour), time.Time{}, 0)
		return nil
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"a refresh token is used twice", func(f *fixture, u gateway.User, n string) error {
		_, err := f.store.Rotate(f.t.Context(), gateway.Rotation{Grant: "grant-" + n + "s1 wiki", Presented: hash("stolen"),
			Next: hash("next"), Now: noon})
		wantError(f.t, err, gateway.ErrReplay)
		return nil
	}, "s1 wiki"},
	{"the user is joined into an older one", func(f *fixture, u gateway.User, n string) error {
		older := siteConnector.signIn(after(-time.Hour), n+"older", n+"u1")
		f.recordSignIn(older)
		f.recordSignIn(mainConnector.signIn(after(time.Minute), n+"o1", n+"u1"))
		return nil
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"the user is merged into another", func(f *fixture, u gateway.User, n string) error {
		older := f.recordSignIn(siteConnector.signIn(noon, n+"older", ""))
		_, err := f.store.MergeUsers(f.t.Context(), older.ID, u.ID, noon, gateway.Event{Kind: "merged"})
		return err
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"another is merged into the user", func(f *fixture, u gateway.User, n string) error {
		younger := f.recordSignIn(siteConnector.signIn(noon, n+"younger", ""))
		_, err := f.store.MergeUsers(f.t.Context(), u.ID, younger.ID, noon, gateway.Event{Kind: "merged"})
		return err
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"the identity of a session is unlinked", func(f *fixture, u gateway.User, n string) error {
		f.recordSignIn(siteConnector.signIn(after(time.Minute), n+"other", n+"u1"))
		f.recordSignIn(mainConnector.signIn(after(time.Minute), n+"o1", n+"u1"))
		return f.store.UnlinkIdentity(f.t.Context(), u.ID, "wxmain", n+"o1", noon, gateway.Event{Kind: "unlinked"})
	}, "s1 chat, s1 wiki"},
	{"the user moves to another WeChat account", func(f *fixture, u gateway.User, n string) error {
		i := newInvitation(n+"move", gateway.InviteMove, 1)
		i.UserID = u.ID
		f.invite(i)
		_, _, err := f.redeem(n+"move", f.addUser(n+"new").ID)
		return err
	}, "s1 chat, s1 wiki, s2 wiki"},
	{"another user signs in with the same browser", func(f *fixture, u gateway.User, n string) error {
		f.beginAttempt(n+"k", "one")
		c := newCompletion(mainConnector.signIn(noon, n+"somebody", ""), n+"k", "one", n+"s3")
		c.Previous = hash(n + "s1")
		_, _, err := f.store.CompleteSignIn(f.t.Context(), c)
		return err
	}, "s1 chat, s1 wiki"},
	{"the user signs in again with the same browser", func(f *fixture, u gateway.User, n string) error {
		f.beginAttempt(n+"k", "one")
		c := newCompletion(mainConnector.signIn(noon, n+"o1", ""), n+"k", "one", n+"s3")
		c.Session.First, c.Previous = [32]byte{}, hash(n+"s1")
		_, _, err := f.store.CompleteSignIn(f.t.Context(), c)
		return err
	}, ""}, // the session is renewed
	{"the user signs in again and then out", func(f *fixture, u gateway.User, n string) error {
		f.beginAttempt(n+"k", "one")
		c := newCompletion(mainConnector.signIn(noon, n+"o1", ""), n+"k", "one", n+"s3")
		c.Session.First, c.Previous = [32]byte{}, hash(n+"s1")
		if _, _, err := f.store.CompleteSignIn(f.t.Context(), c); err != nil {
			return err
		}
		return f.store.DeleteSession(f.t.Context(), hash(n+"s3"), noon)
	}, "s1 chat, s1 wiki"},
	{"nothing that takes access away", func(f *fixture, u gateway.User, n string) error {
		f.updateUser(u.ID, noon, func(u *gateway.User) error { u.Note, u.Groups = "x", append(u.Groups, "more"); return nil })
		return nil
	}, ""},
}

// sessionEndCases test that the apps get logout tokens when a session ends.
var sessionEndCases = []testCase{
	{
		name:   "every end of a session queues the logout tokens in the same transaction",
		reason: "sebadob/rauthy#1031: one way to end a session sent no logout tokens; goauthentik/authentik#25826",
		run: func(t *testing.T, f *fixture) {
			for i, c := range sessionEnds {
				n := fmt.Sprint("n", i, "-")
				user := f.addUser(n + "o1")
				f.updateUser(user.ID, noon, func(u *gateway.User) error {
					u.Groups, u.AllowedApps = []string{"staff"}, []string{"chat"}
					return nil
				})
				s1 := newSession(user.ID, n+"s1")
				s1.OpenID = n + "o1"
				wantNoError(t, f.store.PutSession(t.Context(), s1, noon))
				f.addSession(user.ID, n+"s2")
				f.addAppSession(user.ID, n+"s1", "wiki")
				f.addAppSession(user.ID, n+"s1", "chat")
				f.addAppSession(user.ID, n+"s2", "wiki")
				other := f.addUser(n + "bystander")
				wantNoError(t, f.store.PutSession(t.Context(), newLongSession(other.ID, n+"bystander"), noon))
				f.addAppSession(other.ID, n+"bystander", "wiki")
				if err := c.end(f, user, n); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				if got := f.logouts(n); got != c.told {
					t.Errorf("%s told %q, want %q", c.name, got, c.told)
				}
				left, err := f.store.UserAppSessions(t.Context(), user.ID)
				wantNoError(t, err)
				told := len(strings.FieldsFunc(c.told, func(r rune) bool { return r == ',' }))
				if len(left) != 3-told {
					t.Errorf("%s left %d app sessions and told %d", c.name, len(left), told)
				}
			}
		},
	},
}
