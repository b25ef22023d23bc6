package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/gateway"
)

// userCases test users and their identities: recording sign-ins, updating, blocking, listing and
// searching users. A connector is an app at WeChat. A user has at most one identity (an openid and
// its unionid) for each connector. Most cases sign in at mainConnector, with the appid "wxmain".
// foreignConnector has another appid.
var userCases = []testCase{
	{
		name:   "a second sign-in is the same user",
		reason: "a new user would have lost groups and history",
		run: func(t *testing.T, f *fixture) {
			signIn := mainConnector.signIn(noon, "o1", "u1")
			signIn.Profile = &gateway.Profile{Nickname: "小明 🙂", AvatarURL: "https://thirdwx.qlogo.cn/x", Locale: "zh-CN"}
			first, events, err := f.store.RecordSignIn(t.Context(), signIn)
			wantNoError(t, err)
			if len(events) != 1 || events[0].Kind != gateway.EventUserCreated || events[0].UserID != first.ID {
				t.Fatalf("events of a first sign-in: %+v", events)
			}
			wantEqual(t, "nickname", first.Nickname, "小明 🙂")
			wantEqual(t, "profile time", first.ProfileAt, noon)
			wantEqual(t, "created", first.CreatedAt, noon)
			again, events, err := f.store.RecordSignIn(t.Context(), mainConnector.signIn(after(time.Hour), "o1", "u1"))
			wantNoError(t, err)
			if len(events) != 0 {
				t.Fatalf("a second sign-in has the events %+v", events)
			}
			wantEqual(t, "id", again.ID, first.ID)
			wantEqual(t, "nickname without a new profile", again.Nickname, "小明 🙂")
			wantEqual(t, "profile time without a new profile", again.ProfileAt, noon)
			ids := f.listIdentities(first.ID)
			if len(ids) != 1 || ids[0].SeenAt != after(time.Hour) || ids[0].CreatedAt != noon || ids[0].UnionID != "u1" {
				t.Fatalf("identities: %+v", ids)
			}
		},
	},
	{
		name:   "a late sign-in does not restore an old profile",
		reason: "two sign-ins of one user may be processed in the opposite order",
		run: func(t *testing.T, f *fixture) {
			newer, older := mainConnector.signIn(after(time.Minute), "o1", ""), mainConnector.signIn(noon, "o1", "")
			newer.Profile, older.Profile = &gateway.Profile{Nickname: "new"}, &gateway.Profile{Nickname: "old"}
			f.recordSignIn(newer)
			wantEqual(t, "nickname", f.recordSignIn(older).Nickname, "new")
		},
	},
	{
		name:   "the same openid at another connector is another user",
		reason: "an openid means nothing without its appid",
		run: func(t *testing.T, f *fixture) {
			first := f.recordSignIn(mainConnector.signIn(noon, "o1", ""))
			second := f.recordSignIn(foreignConnector.signIn(noon, "o1", ""))
			if first.ID == second.ID {
				t.Fatal("two appids, one user")
			}
		},
	},
	{
		name:       "concurrent sign-ins of one person are one user",
		reason:     "WeChat sends callbacks twice, and people tap twice",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			var results counter
			f.concurrently(f.concurrency(), func(int) {
				user, _, err := f.store.RecordSignIn(t.Context(), mainConnector.signIn(noon, "o1", "u1"))
				results.add(user.ID + " " + errorName(err))
			})
			results.wantOneResult(t, "users and errors")
			wantEqual(t, "stored users", len(f.listUsers(gateway.UserQuery{})), 1)
		},
	},
	{
		name:       "concurrent sign-ins through several connectors are one user",
		reason:     "with two users, each would have only some of the groups",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			for round := range 5 {
				unionID := fmt.Sprint("u", round)
				var results counter
				f.concurrently(16, func(i int) {
					c := joinableConnectors[i%3] // of one Open Platform account
					signIn := c.signIn(noon, fmt.Sprint("o-", c.name, round), unionID)
					user, _, err := f.store.RecordSignIn(t.Context(), signIn)
					results.add(user.ID + " " + errorName(err))
				})
				results.wantOneResult(t, "users and errors")
			}
		},
	},
	{
		name:   "a sign-in without openid or time is rejected",
		reason: "all people without an openid would be one user",
		run: func(t *testing.T, f *fixture) {
			for _, signIn := range []gateway.SignIn{
				mainConnector.signIn(noon, "", "u1"),
				mainConnector.signIn(time.Time{}, "o1", ""),
				{},
			} {
				if _, _, err := f.store.RecordSignIn(t.Context(), signIn); err == nil {
					t.Fatalf("stored %+v", signIn)
				}
			}
			wantEqual(t, "users", len(f.listUsers(gateway.UserQuery{})), 0)
		},
	},
	{
		name:   "an unknown user is not found",
		reason: "the caller must distinguish this from an unavailable database",
		run: func(t *testing.T, f *fixture) {
			_, err := f.store.User(t.Context(), gateway.NewID())
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.Identities(t.Context(), gateway.NewID())
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.UpdateUser(t.Context(), gateway.NewID(), noon, func(*gateway.User) error { return nil })
			wantError(t, err, gateway.ErrNotFound)
			if errors.Is(err, gateway.ErrUnavailable) {
				t.Fatal("a missing row is reported as an unavailable store")
			}
		},
	},
	{
		name:       "no concurrent update is lost",
		reason:     "an approval must not be lost to a change of groups",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			updates := f.concurrency()
			f.concurrently(updates, func(i int) {
				_, err := f.store.UpdateUser(t.Context(), userID, noon, func(stored *gateway.User) error {
					stored.Groups = append(stored.Groups, fmt.Sprintf("g%03d", i), "all")
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			user := f.getUser(userID)
			wantEqual(t, "groups", len(user.Groups), updates+1)
			if !slices.IsSorted(user.Groups) {
				t.Fatalf("groups are not sorted: %v", user.Groups)
			}
		},
	},
	{
		name:   "an update keeps the fixed fields and rejects invalid values",
		reason: "apps store the id in their databases",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			user := f.updateUser(userID, after(time.Hour), func(stored *gateway.User) error {
				stored.ID, stored.CreatedAt, stored.Admin, stored.Locale = "x", time.Time{}, true, "en"
				return nil
			})
			wantEqual(t, "id", user.ID, userID)
			wantEqual(t, "created", user.CreatedAt, noon)
			wantEqual(t, "updated", user.UpdatedAt, after(time.Hour))
			wantEqual(t, "admin", user.Admin, true)
			_, err := f.store.UpdateUser(t.Context(), userID, noon, func(stored *gateway.User) error {
				stored.Status = "odd"
				return nil
			})
			if err == nil || errors.Is(err, gateway.ErrUnavailable) {
				t.Fatalf("an invalid status: %v", err)
			}
			ofCallback := errors.New("error of the callback")
			_, err = f.store.UpdateUser(t.Context(), userID, noon, func(stored *gateway.User) error {
				stored.Admin = false
				return ofCallback
			})
			if err != ofCallback {
				t.Fatalf("the error of the callback was returned as %v", err)
			}
			wantEqual(t, "admin after an error", f.getUser(userID).Admin, true)
		},
	},
	{
		name:   "blocking revokes everything at once",
		reason: "a blocked user must not continue with an old session or token",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			f.addSession(userID, "s1")
			f.addGrant(userID, "wiki", "g1")
			wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", "g2")))
			f.block(userID)
			_, err := f.store.Session(t.Context(), hash("s1"), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, _, err = f.store.Token(t.Context(), hash("access g1"), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.Redeem(t.Context(), hash("code g2"), noon, newIssue("g2"))
			wantError(t, err, gateway.ErrExpired)
			wantError(t, f.store.PutSession(t.Context(), newSession(userID, "s2"), noon), gateway.ErrBlocked)
			wantError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", "g3")), gateway.ErrBlocked)
			user, _, err := f.store.RecordSignIn(t.Context(), mainConnector.signIn(after(time.Minute), "o1", ""))
			wantNoError(t, err)
			wantEqual(t, "status after another sign-in", user.Status, gateway.Blocked)
		},
	},
	{
		name:       "blocking during a sign-in wins",
		reason:     "the session would outlive the block",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			for round := range 10 {
				userID := f.addUser(fmt.Sprint("o", round)).ID
				f.concurrently(12, func(i int) {
					if i == 5 {
						_, err := f.store.UpdateUser(t.Context(), userID, noon, func(stored *gateway.User) error {
							stored.Status = gateway.Blocked
							return nil
						})
						if err != nil {
							t.Error(err)
						}
						return
					}
					name := fmt.Sprint(round, " ", i)
					if err := f.store.PutSession(t.Context(), newSession(userID, name), noon); err != nil &&
						!errors.Is(err, gateway.ErrBlocked) {
						t.Error(err)
					}
					if err := f.store.PutCode(t.Context(), newCode(userID, "wiki", name)); err != nil &&
						!errors.Is(err, gateway.ErrBlocked) {
						t.Error(err)
					}
				})
				wantEqual(t, "sessions left", len(f.listSessions(userID, noon)), 0)
				wantEqual(t, "grants left", f.revoke(gateway.Revocation{UserID: userID}, noon), 0)
			}
		},
	},
	{
		name:   "text from users and apps is stored or cleaned, but causes no error",
		reason: "a nickname or a nonce must not prevent a sign-in",
		run: func(t *testing.T, f *fixture) {
			const odd = "a'\"\\%_\x00\xff\u202e😀\r\n;--"
			signIn := mainConnector.signIn(noon, "o'1\"", "u'1")
			signIn.Profile = &gateway.Profile{Nickname: odd, AvatarURL: odd, Locale: odd}
			user := f.recordSignIn(signIn)
			if !utf8.ValidString(user.Nickname) || !strings.Contains(user.Nickname, "😀") ||
				strings.Contains(user.Nickname, "\x00") {
				t.Fatalf("nickname %q", user.Nickname)
			}
			_, err := f.store.Users(t.Context(), gateway.UserQuery{Text: odd})
			wantNoError(t, err)
			wantNoError(t, f.store.AppendEvents(t.Context(),
				gateway.Event{At: noon, Kind: "signin", RequestID: odd, Detail: odd}))
			code := newCode(user.ID, "wiki", "g1")
			code.Nonce = odd
			wantNoError(t, f.store.PutCode(t.Context(), code))
			wantEqual(t, "nonce", f.getCode(code.Hash).Nonce, odd)
			_, err = f.store.UpdateUser(t.Context(), user.ID, noon, func(stored *gateway.User) error {
				stored.Nickname = odd
				return nil
			})
			wantNoError(t, err)
		},
	},
	{
		name:   "the list of users is paged, newest first, and searched",
		reason: "an administrator searches for one user among thousands",
		run: func(t *testing.T, f *fixture) {
			var want []string
			for i := range 7 {
				// each two users have the same time
				signIn := mainConnector.signIn(after(time.Duration(i/2)*time.Second), fmt.Sprint("o", i), fmt.Sprint("u", i))
				signIn.Profile = &gateway.Profile{Nickname: fmt.Sprintf("Name %d 100%%_x", i)}
				if i%3 == 0 {
					signIn.InitialStatus = gateway.Pending
				}
				want = append(want, f.recordSignIn(signIn).ID)
			}
			var got []string
			for query := (gateway.UserQuery{Limit: 3}); ; query.After = got[len(got)-1] {
				page := f.listUsers(query)
				for _, user := range page {
					got = append(got, user.ID)
				}
				if len(page) < 3 {
					break
				}
			}
			slices.Sort(want)
			sorted := slices.Sorted(slices.Values(got))
			if !slices.Equal(sorted, want) {
				t.Fatalf("paging found %d of 7: %v", len(got), got)
			}
			for text, found := range map[string]int{
				// The beginning of a nickname; % and _ are not wildcards.
				"name 3": 1, "NAME": 7, "Name 4 100%_x": 1, "4": 0, "%": 0, "Name_": 0,
				"o4": 1, "o": 0, // a whole openid
				"u5":   1, // a unionid
				got[0]: 1, // an id
				"":     7,
			} {
				wantEqual(t, "found by "+text, len(f.listUsers(gateway.UserQuery{Text: text})), found)
			}
			for id, found := range map[string]int{"o4": 1, "o": 0, "u5": 1, got[0]: 1, "Name 4 100%_x": 0, "": 7} {
				wantEqual(t, "found by the id "+id, len(f.listUsers(gateway.UserQuery{ID: id})), found)
			}
			wantEqual(t, "pending", len(f.listUsers(gateway.UserQuery{Status: gateway.Pending})), 3)
		},
	},
	{
		name:   "newer users do not hide a user whose id they chose as nickname",
		reason: "users choose their nicknames, and an administrator must be able to block the owner",
		run: func(t *testing.T, f *fixture) {
			owner := f.recordSignIn(mainConnector.signIn(noon, "o-owner", "u-owner"))
			const many = 501 // more than a page
			var copies []gateway.ImportedUser
			for i := range many {
				copied := mainConnector.signIn(after(time.Hour), fmt.Sprint("o", i), "")
				copied.Profile = &gateway.Profile{Nickname: "o-owner"}
				copies = append(copies, gateway.ImportedUser{SignIn: copied, OldID: fmt.Sprint("old", i)})
			}
			if _, err := f.store.ImportUsers(t.Context(), copies); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{owner.ID, "o-owner", "u-owner"} {
				found := f.listUsers(gateway.UserQuery{ID: id, Limit: 500})
				if len(found) != 1 || found[0].ID != owner.ID {
					t.Errorf("found by %s: %d users", id, len(found))
				}
			}
			wantEqual(t, "users with an old id", len(f.listUsers(gateway.UserQuery{ID: "old500"})), 1)
			first := f.listUsers(gateway.UserQuery{Text: "O-OWNER", Limit: 500})
			wantEqual(t, "users of a text, up to the limit", len(first), 500)
			rest := f.listUsers(gateway.UserQuery{Text: "o-owner", Limit: 500, After: first[499].ID})
			wantEqual(t, "the other users of a text, with the owner", len(rest), many+1-500)
		},
	},
}
