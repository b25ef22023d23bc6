package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// codeWithPinnedSubject returns a code without a subject (sub claim). PutCode then sets the pinned
// subject: the subject that the app received for this user before.
func codeWithPinnedSubject(userID, app, name string) gateway.Code {
	code := newCode(userID, app, name)
	code.Grant.Subject = ""
	return code
}

// grantCases test authorization codes, the grants that they begin, and access tokens.
// newCode(userID, app, "g1") is a code stored under hash("code g1"), with the grant "grant-g1"; it
// expires a minute after noon, and belongs to no session. newIssue("g1") has the access token
// "access g1", valid for 5 minutes, and a refresh token valid for 720 hours. newRotation("g1", 1,
// d) replaces the first refresh token of the grant at noon plus d.
var grantCases = []testCase{
	{
		name:   "a stored value is returned unchanged",
		reason: "a client, a redirect URI or a challenge that is lost could not be checked at the redemption",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			want := newCode(userID, "wiki", "g1")
			want.Grant.Session = hash("session g1")
			wantNoError(t, f.store.PutCode(t.Context(), want))
			for range 2 {
				got := f.getCode(want.Hash)
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("got  %+v\nwant %+v", got, want)
				}
			}
			grant := f.getGrant("grant-g1")
			if !reflect.DeepEqual(grant, want.Grant) {
				t.Fatalf("grant %+v", grant)
			}
			wantError(t, f.store.PutCode(t.Context(), want), gateway.ErrConflict)
			_, err := f.store.Code(t.Context(), hash("none"))
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.Grant(t.Context(), "none")
			wantError(t, err, gateway.ErrNotFound)
			wantError(t, f.store.PutCode(t.Context(), newCode(gateway.NewID(), "wiki", "g3")), gateway.ErrNotFound)
		},
	},
	{
		name:   "a code is dead when its session has ended, was replaced by another user's, or the user was blocked",
		reason: "somebody who copied the code could redeem it for a minute after the sign-out",
		run: func(t *testing.T, f *fixture) {
			for i, test := range []struct {
				name string
				end  func(u gateway.User, s gateway.Session) error
				want string
			}{
				{"nothing", func(gateway.User, gateway.Session) error { return nil }, "ok"},
				{"signed in again", func(u gateway.User, s gateway.Session) error {
					renewed := newSession(u.ID, "renewed")
					renewed.First = s.Hash
					if err := f.store.PutSession(t.Context(), renewed, noon); err != nil {
						return err
					}
					return f.store.DeleteSession(t.Context(), s.Hash, noon)
				}, "ok"},
				{"signed out", func(_ gateway.User, s gateway.Session) error {
					return f.store.DeleteSession(t.Context(), s.Hash, noon)
				}, "expired"},
				{"signed out everywhere", func(u gateway.User, _ gateway.Session) error {
					_, err := f.store.DeleteUserSessions(t.Context(), u.ID, noon)
					return err
				}, "expired"},
				{"ended by an administrator", func(u gateway.User, s gateway.Session) error {
					_, err := f.store.EndSessions(t.Context(),
						gateway.SessionsEnd{UserID: u.ID, Session: s.Hash, Now: noon})
					return err
				}, "expired"},
				{"blocked", func(u gateway.User, _ gateway.Session) error { f.block(u.ID); return nil }, "expired"},
				{"deleted", func(u gateway.User, _ gateway.Session) error {
					return f.store.DeleteUser(t.Context(), u.ID, noon, gateway.Event{})
				}, "not found"},
			} {
				name := fmt.Sprint("g", i)
				user := f.addUser("o" + name)
				code := newCode(user.ID, "wiki", name)
				code.Grant.Session = f.addSession(user.ID, "session "+name).Hash
				wantNoError(t, f.store.PutCode(t.Context(), code))
				wantNoError(t, test.end(user, f.getSession(code.Grant.Session, noon)))
				_, err := f.store.Redeem(t.Context(), code.Hash, noon, newIssue(name))
				wantEqual(t, test.name, errorName(err), test.want)
				_, _, err = f.store.Token(t.Context(), hash("access "+name), noon)
				wantEqual(t, "token, "+test.name, err == nil, test.want == "ok")
			}
		},
	},
	{
		name:   "a code without a subject gets the pinned subject",
		reason: "the app must get the subject by which it knows the user, also after a join",
		run: func(t *testing.T, f *fixture) {
			user := f.addUser("o1")
			wantError(t, f.store.PutCode(t.Context(), codeWithPinnedSubject(user.ID, "wiki", "g1")), gateway.ErrNotFound)
			_, err := f.store.Code(t.Context(), hash("code g1"))
			wantError(t, err, gateway.ErrNotFound)
			for _, app := range []string{"wiki", "shop"} {
				f.pinSubject(user.ID, app, "as "+app, noon)
			}
			wantNoError(t, f.store.PutCode(t.Context(), codeWithPinnedSubject(user.ID, "wiki", "g1")))
			wantEqual(t, "subject", f.getCode(hash("code g1")).Grant.Subject, "as wiki")
			wantError(t, f.store.PutCode(t.Context(), codeWithPinnedSubject(user.ID, "wiki", "g1")), gateway.ErrConflict)
			wantError(t, f.store.PutCode(t.Context(), codeWithPinnedSubject(gateway.NewID(), "wiki", "g2")), gateway.ErrNotFound)

			f.block(user.ID)
			wantError(t, f.store.PutCode(t.Context(), codeWithPinnedSubject(user.ID, "wiki", "g3")), gateway.ErrBlocked)

			older := f.recordSignIn(mainConnector.signIn(noon, "o2", "u2"))
			younger := f.recordSignIn(siteConnector.signIn(after(time.Minute), "s2", ""))
			f.pinSubject(younger.ID, "notes", "as notes", noon)
			wantEqual(t, "joined", f.recordSignIn(siteConnector.signIn(after(time.Hour), "s2", "u2")).ID, older.ID)
			wantNoError(t, f.store.PutCode(t.Context(), codeWithPinnedSubject(younger.ID, "notes", "g4")))
			grant := f.getCode(hash("code g4")).Grant
			wantEqual(t, "user and subject", grant.UserID+" "+grant.Subject, older.ID+" as notes")
		},
	},
	{
		name:       "one of a hundred requests redeems a code, and the replay revokes its tokens",
		reason:     "a stolen code must not sign in two browsers",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			userID := f.addUser("o1").ID
			for round := range 3 {
				name := fmt.Sprint("g", round)
				wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", name)))
				var results counter
				f.concurrently(f.concurrency(), func(i int) {
					issue := newIssue(name)
					issue.Access.Hash = hash(fmt.Sprint("access ", name, i))
					grant, err := stores[i%2].Redeem(t.Context(), hash("code "+name), noon, issue)
					results.add(errorName(err))
					if grant.ID != "grant-"+name {
						t.Errorf("grant with the result %q: %q", errorName(err), grant.ID)
					}
				})
				results.want(t, "redemptions", map[string]int{"ok": 1, "replay": f.concurrency() - 1})
				for i := range f.concurrency() {
					_, _, err := f.store.Token(t.Context(), hash(fmt.Sprint("access ", name, i)), noon)
					wantError(t, err, gateway.ErrNotFound)
				}
			}
		},
	},
	{
		name:       "a tolerated replay leaves the first tokens valid",
		reason:     "WeChat sends callbacks twice at once, so a replay at a relay app is not an attack",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			wantNoError(t, f.store.PutCode(t.Context(), newCode(f.addUser("o1").ID, "shop", "g1")))
			var results counter
			f.concurrently(f.concurrency(), func(i int) {
				issue := newIssue("g1")
				issue.Access.Hash, issue.ReplayTolerated = hash(fmt.Sprint("access g1", i)), true
				grant, err := stores[i%2].Redeem(t.Context(), hash("code g1"), noon, issue)
				results.add(errorName(err))
				if grant.ID != "grant-g1" || !grant.RevokedAt.IsZero() {
					t.Errorf("grant with the result %q: %q, revoked at %v", errorName(err), grant.ID, grant.RevokedAt)
				}
			})
			results.want(t, "redemptions", map[string]int{"ok": 1, "replay": f.concurrency() - 1})
			validTokens := 0
			for i := range f.concurrency() {
				if _, _, err := f.store.Token(t.Context(), hash(fmt.Sprint("access g1", i)), noon); err == nil {
					validTokens++
				}
			}
			wantEqual(t, "valid tokens", validTokens, 1)
			_, err := f.store.Redeem(t.Context(), hash("code g1"), after(time.Second), newIssue("g2"))
			wantError(t, err, gateway.ErrReplay)
			wantEqual(t, "revoked by a replay that is not tolerated", f.getGrant("grant-g1").RevokedAt, after(time.Second))
		},
	},
	{
		name:   "a redeemed code gives its tokens",
		reason: "the redemption and the tokens are one transaction, so that a crash loses neither",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			grant := f.addGrant(userID, "wiki", "g1")
			wantEqual(t, "counter", grant.Counter, 1)
			wantEqual(t, "end", grant.ExpiresAt, after(720*time.Hour))
			token, tokenGrant, err := f.store.Token(t.Context(), hash("access g1"), after(5*time.Minute-time.Microsecond))
			wantNoError(t, err)
			if !reflect.DeepEqual(grant, tokenGrant) {
				t.Fatalf("grant of the redemption %+v\ngrant of the token %+v", grant, tokenGrant)
			}
			wantEqual(t, "token", fmt.Sprint(token.Grant, token.CreatedAt, token.ExpiresAt),
				fmt.Sprint("grant-g1", noon, after(5*time.Minute)))
			_, _, err = f.store.Token(t.Context(), hash("access g1"), after(5*time.Minute))
			wantError(t, err, gateway.ErrExpired)
			wantEqual(t, "redeemed at", f.getCode(hash("code g1")).RedeemedAt, noon)
			grant, err = f.store.Redeem(t.Context(), hash("code g1"), after(time.Second), newIssue("again"))
			wantError(t, err, gateway.ErrReplay)
			wantEqual(t, "revoked", grant.RevokedAt, after(time.Second))
			_, _, err = f.store.Token(t.Context(), hash("access g1"), after(time.Second))
			wantError(t, err, gateway.ErrNotFound)
			_, _, err = f.store.Token(t.Context(), hash("access again"), after(time.Second))
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.Rotate(t.Context(), newRotation("g1", 1, time.Second))
			wantError(t, err, gateway.ErrExpired)
		},
	},
	{
		name:   "a grant without refresh tokens ends with its access token",
		reason: "unusable rows would stay for weeks",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", "g1")))
			issue := newIssue("g1")
			issue.Refresh, issue.GrantExpires = [32]byte{}, time.Time{}
			grant := f.redeemCode(hash("code g1"), noon, issue)
			wantEqual(t, "end and counter", fmt.Sprint(grant.ExpiresAt, grant.Counter), fmt.Sprint(after(5*time.Minute), 0))
			var noToken [32]byte // the zero hash, as in a grant without a refresh token
			_, err := f.store.Rotate(t.Context(), gateway.Rotation{
				Grant: "grant-g1", Presented: noToken, Next: hash("n"), Access: newIssue("x").Access, Now: noon,
			})
			wantError(t, err, gateway.ErrReplay)
		},
	},
	{
		name:   "a sweep deletes only expired grants",
		reason: "an app would lose its users, or the table would grow forever",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			f.addGrant(userID, "wiki", "long") // its refresh tokens expire in a month
			wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", "short")))
			wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", "never redeemed")))
			issue := newIssue("short")
			issue.Refresh, issue.GrantExpires = [32]byte{}, time.Time{}
			f.redeemCode(hash("code short"), noon, issue)
			for _, test := range []struct {
				at   time.Duration
				left string
			}{
				{time.Minute, "[long short]"}, {5*time.Minute - time.Microsecond, "[long short]"}, {5 * time.Minute, "[long]"},
				{720*time.Hour - time.Microsecond, "[long]"}, {720 * time.Hour, "[]"},
			} {
				for swept := 1; swept > 0; {
					swept = f.sweep(after(test.at), time.Time{}, 1)
				}
				var left []string
				for _, name := range []string{"long", "never redeemed", "short"} {
					if _, err := f.store.Grant(t.Context(), "grant-"+name); err == nil {
						left = append(left, name)
					}
				}
				wantEqual(t, "left after "+test.at.String(), fmt.Sprint(left), test.left)
			}
		},
	},
	{
		name:   "an expired code is rejected",
		reason: "codes remain in logs and browser histories",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", "g1")))
			_, err := f.store.Redeem(t.Context(), hash("code g1"), after(time.Minute), newIssue("g1"))
			wantError(t, err, gateway.ErrExpired)
			wantEqual(t, "redeemed at", f.getCode(hash("code g1")).RedeemedAt, time.Time{})
			_, err = f.store.Redeem(t.Context(), hash("none"), noon, newIssue("g1"))
			wantError(t, err, gateway.ErrNotFound)
			wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", "g2")))
			f.revoke(gateway.Revocation{Grant: "grant-g2"}, noon)
			_, err = f.store.Redeem(t.Context(), hash("code g2"), noon, newIssue("g2"))
			wantError(t, err, gateway.ErrExpired)
		},
	},
	{
		name:   "a user's grants are summed up for each app",
		reason: "users see where they signed in to, and whether the app can still read their data",
		run: func(t *testing.T, f *fixture) {
			user, other := f.addUser("o1"), f.addUser("o2")
			for _, name := range []string{"g1", "g2"} {
				f.addGrant(user.ID, "wiki", name)
			}
			f.addGrant(user.ID, "shop", "g3")
			f.addGrant(other.ID, "notes", "g4")
			_, err := f.store.Revoke(t.Context(), gateway.Revocation{UserID: user.ID, App: "shop"}, noon)
			wantNoError(t, err)
			for at, live := range map[time.Duration]int{0: 2, 2000 * time.Hour: 0} {
				got, err := f.store.UserGrants(t.Context(), user.ID, after(at))
				wantNoError(t, err)
				wantEqual(t, "grants", fmt.Sprint(got), fmt.Sprint([]gateway.AppGrants{
					{App: "shop", LastAt: noon}, {App: "wiki", LastAt: noon, Live: live}}))
			}
			none, err := f.store.UserGrants(t.Context(), gateway.NewID(), noon)
			wantNoError(t, err)
			wantEqual(t, "grants of nobody", len(none), 0)
		},
	},
	{
		name:   "a revocation revokes only what it names",
		reason: "a sign-out at one app must not affect other apps",
		run: func(t *testing.T, f *fixture) {
			userA, userB := f.addUser("o1").ID, f.addUser("o2").ID
			revokedNames := func(round string) (names []string) {
				for _, name := range []string{"a shop", "a wiki", "b wiki"} {
					_, _, err := f.store.Token(t.Context(), hash("access "+name+round), noon)
					if errors.Is(err, gateway.ErrNotFound) {
						names = append(names, name)
					}
				}
				return names
			}
			for i, test := range []struct {
				revocation gateway.Revocation
				count      int    // how many grants and tokens are revoked, including those of earlier rounds
				revoked    string // grants of this round whose token is revoked
			}{
				{gateway.Revocation{Grant: "grant-a wiki0"}, 1, "[a wiki]"},
				{gateway.Revocation{UserID: userA}, 3, "[a shop a wiki]"}, // and "a shop" of round 0
				{gateway.Revocation{UserID: userA, App: "wiki"}, 1, "[a wiki]"},
				{gateway.Revocation{Session: hash("session b wiki3")}, 1, "[b wiki]"},
				{gateway.Revocation{Token: hash("access a shop4")}, 1, "[a shop]"},
				{gateway.Revocation{Grant: "grant-a wiki5", App: "shop"}, 0, "[]"},
				{gateway.Revocation{UserID: gateway.NewID()}, 0, "[]"},
				{gateway.Revocation{Grant: "none"}, 0, "[]"},
				{gateway.Revocation{Token: hash("none")}, 0, "[]"},
			} {
				round := fmt.Sprint(i)
				f.addGrant(userA, "wiki", "a wiki"+round)
				f.addGrant(userA, "shop", "a shop"+round)
				f.addSession(userB, "session b wiki"+round)
				code := newCode(userB, "wiki", "b wiki"+round)
				code.Grant.Session = hash("session b wiki" + round)
				wantNoError(t, f.store.PutCode(t.Context(), code))
				f.redeemCode(code.Hash, noon, newIssue("b wiki"+round))
				wantEqual(t, "revoked in round "+round, f.revoke(test.revocation, noon), test.count)
				wantEqual(t, "revoked grants of round "+round, fmt.Sprint(revokedNames(round)), test.revoked)
				wantEqual(t, "revoked again in round "+round, f.revoke(test.revocation, noon), 0)
			}
			if _, err := f.store.Revoke(t.Context(), gateway.Revocation{App: "wiki"}, noon); err == nil {
				t.Fatal("a revocation without a user, grant, session or token was executed")
			}
			f.getGrant("grant-a shop4")
			_, err := f.store.Rotate(t.Context(), newRotation("a shop4", 1, 0)) // only that token was revoked
			wantNoError(t, err)
		},
	},
}
