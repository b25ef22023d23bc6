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

var userCases = []testCase{
	{
		name:   "a second sign-in is the same user",
		reason: "a new user would have lost groups and history",
		run: func(t *testing.T, f *fixture) {
			a := mainConnector.signIn(noon, "o1", "u1")
			a.Profile = &gateway.Profile{Nickname: "小明 🙂", AvatarURL: "https://thirdwx.qlogo.cn/x", Locale: "zh-CN"}
			first, events, err := f.store.RecordSignIn(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if len(events) != 1 || events[0].Kind != gateway.EventUserCreated || events[0].UserID != first.ID {
				t.Fatalf("events of a first sign-in: %+v", events)
			}
			wantEqual(t, "nickname", first.Nickname, "小明 🙂")
			wantEqual(t, "profile time", first.ProfileAt, noon)
			wantEqual(t, "created", first.CreatedAt, noon)
			again, events, err := f.store.RecordSignIn(t.Context(), mainConnector.signIn(after(time.Hour), "o1", "u1"))
			if err != nil {
				t.Fatal(err)
			}
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
		reason: "two requests of one person may be processed in the other order",
		run: func(t *testing.T, f *fixture) {
			a, b := mainConnector.signIn(after(time.Minute), "o1", ""), mainConnector.signIn(noon, "o1", "")
			a.Profile, b.Profile = &gateway.Profile{Nickname: "new"}, &gateway.Profile{Nickname: "old"}
			f.recordSignIn(a)
			wantEqual(t, "nickname", f.recordSignIn(b).Nickname, "new")
		},
	},
	{
		name:   "the same openid at another connector is another user",
		reason: "an openid means nothing without its appid",
		run: func(t *testing.T, f *fixture) {
			a, b := f.recordSignIn(mainConnector.signIn(noon, "o1", "")), f.recordSignIn(foreignConnector.signIn(noon, "o1", ""))
			if a.ID == b.ID {
				t.Fatal("two appids, one user")
			}
		},
	},
	{
		name:   "concurrent sign-ins of one person are one user",
		reason: "WeChat sends callbacks twice, and people tap twice",
		run: func(t *testing.T, f *fixture) {
			var seen counter
			concurrently(f.concurrency(), func(int) {
				user, _, err := f.store.RecordSignIn(t.Context(), mainConnector.signIn(noon, "o1", "u1"))
				seen.add(user.ID + " " + errorName(err))
			})
			if len(seen.counts) != 1 {
				t.Fatalf("users and errors: %v", seen.counts)
			}
			wantEqual(t, "stored users", len(f.listUsers(gateway.UserQuery{})), 1)
		},
	},
	{
		name:   "concurrent sign-ins through several connectors are one user",
		reason: "a second user would have half of the person's rights",
		run: func(t *testing.T, f *fixture) {
			for round := range 5 {
				u := fmt.Sprint("u", round)
				var seen counter
				concurrently(16, func(i int) {
					e := []connector{mainConnector, siteConnector, thirdConnector}[i%3]
					user, _, err := f.store.RecordSignIn(t.Context(), e.signIn(noon, fmt.Sprint("o-", e.name, round), u))
					seen.add(user.ID + " " + errorName(err))
				})
				if len(seen.counts) != 1 {
					t.Fatalf("users and errors: %v", seen.counts)
				}
			}
		},
	},
	{
		name:   "a sign-in without openid or time is rejected",
		reason: "an empty openid would make one user of all people without one",
		run: func(t *testing.T, f *fixture) {
			for _, a := range []gateway.SignIn{
				mainConnector.signIn(noon, "", "u1"),
				mainConnector.signIn(time.Time{}, "o1", ""),
				{},
			} {
				if _, _, err := f.store.RecordSignIn(t.Context(), a); err == nil {
					t.Fatalf("stored %+v", a)
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
		name:   "no concurrent update is lost",
		reason: "an approval must not be lost to a change of groups",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			n := f.concurrency()
			concurrently(n, func(i int) {
				_, err := f.store.UpdateUser(t.Context(), id, noon, func(a *gateway.User) error {
					a.Groups = append(a.Groups, fmt.Sprintf("g%03d", i), "all")
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			user := f.getUser(id)
			wantEqual(t, "groups", len(user.Groups), n+1)
			if !slices.IsSorted(user.Groups) {
				t.Fatalf("groups are not sorted: %v", user.Groups)
			}
		},
	},
	{
		name:   "an update keeps the fixed fields and rejects invalid values",
		reason: "apps store the id in their databases",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			user := f.updateUser(id, after(time.Hour), func(a *gateway.User) error {
				a.ID, a.CreatedAt, a.Admin, a.Locale = "x", time.Time{}, true, "en"
				return nil
			})
			wantEqual(t, "id", user.ID, id)
			wantEqual(t, "created", user.CreatedAt, noon)
			wantEqual(t, "updated", user.UpdatedAt, after(time.Hour))
			wantEqual(t, "admin", user.Admin, true)
			_, err := f.store.UpdateUser(t.Context(), id, noon, func(a *gateway.User) error { a.Status = "odd"; return nil })
			if err == nil || errors.Is(err, gateway.ErrUnavailable) {
				t.Fatalf("an invalid status: %v", err)
			}
			mine := errors.New("mine")
			_, err = f.store.UpdateUser(t.Context(), id, noon, func(a *gateway.User) error { a.Admin = false; return mine })
			if err != mine {
				t.Fatalf("the error of the callback was returned as %v", err)
			}
			wantEqual(t, "admin after an error", f.getUser(id).Admin, true)
		},
	},
	{
		name:   "blocking revokes everything at once",
		reason: "a blocked user must not continue with an old session or token",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			f.addSession(id, "s1")
			f.addGrant(id, "wiki", "g1")
			if err := f.store.PutCode(t.Context(), newCode(id, "wiki", "g2")); err != nil {
				t.Fatal(err)
			}
			f.block(id)
			_, err := f.store.Session(t.Context(), hash("s1"), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, _, err = f.store.Token(t.Context(), hash("access g1"), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.Redeem(t.Context(), hash("code g2"), noon, newIssue("g2"))
			wantError(t, err, gateway.ErrExpired)
			wantError(t, f.store.PutSession(t.Context(), newSession(id, "s2"), noon), gateway.ErrBlocked)
			wantError(t, f.store.PutCode(t.Context(), newCode(id, "wiki", "g3")), gateway.ErrBlocked)
			user, _, err := f.store.RecordSignIn(t.Context(), mainConnector.signIn(after(time.Minute), "o1", ""))
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "status after another sign-in", user.Status, gateway.Blocked)
		},
	},
	{
		name:   "blocking during a sign-in wins",
		reason: "the session would outlive the block",
		run: func(t *testing.T, f *fixture) {
			for round := range 10 {
				id := f.addUser(fmt.Sprint("o", round)).ID
				concurrently(12, func(i int) {
					if i == 5 {
						_, err := f.store.UpdateUser(t.Context(), id, noon, func(a *gateway.User) error {
							a.Status = gateway.Blocked
							return nil
						})
						if err != nil {
							t.Error(err)
						}
						return
					}
					name := fmt.Sprint(round, " ", i)
					if err := f.store.PutSession(t.Context(), newSession(id, name), noon); err != nil &&
						!errors.Is(err, gateway.ErrBlocked) {
						t.Error(err)
					}
					if err := f.store.PutCode(t.Context(), newCode(id, "wiki", name)); err != nil &&
						!errors.Is(err, gateway.ErrBlocked) {
						t.Error(err)
					}
				})
				wantEqual(t, "sessions left", len(f.listSessions(id, noon)), 0)
				wantEqual(t, "grants left", f.revoke(gateway.Revocation{UserID: id}, noon), 0)
			}
		},
	},
	{
		name:   "text from users and apps is stored or cleaned, but causes no error",
		reason: "a nickname or a nonce must not prevent a sign-in",
		run: func(t *testing.T, f *fixture) {
			const odd = "a'\"\\%_\x00\xff\u202e😀\r\n;--"
			a := mainConnector.signIn(noon, "o'1\"", "u'1")
			a.Profile = &gateway.Profile{Nickname: odd, AvatarURL: odd, Locale: odd}
			user := f.recordSignIn(a)
			if !utf8.ValidString(user.Nickname) || !strings.Contains(user.Nickname, "😀") ||
				strings.Contains(user.Nickname, "\x00") {
				t.Fatalf("nickname %q", user.Nickname)
			}
			_, err := f.store.Users(t.Context(), gateway.UserQuery{Text: odd})
			if err != nil {
				t.Fatal(err)
			}
			if err := f.store.AppendEvents(t.Context(),
				gateway.Event{At: noon, Kind: "signin", RequestID: odd, Detail: odd}); err != nil {
				t.Fatal(err)
			}
			code := newCode(user.ID, "wiki", "g1")
			code.Nonce = odd
			if err := f.store.PutCode(t.Context(), code); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "nonce", f.getCode(code.Hash).Nonce, odd)
			_, err = f.store.UpdateUser(t.Context(), user.ID, noon, func(a *gateway.User) error { a.Nickname = odd; return nil })
			if err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name:   "the list of users is paged, newest first, and searched",
		reason: "an administrator searches for one user among thousands",
		run: func(t *testing.T, f *fixture) {
			var want []string
			for i := range 7 {
				// pairs have the same time
				a := mainConnector.signIn(after(time.Duration(i/2)*time.Second), fmt.Sprint("o", i), fmt.Sprint("u", i))
				a.Profile = &gateway.Profile{Nickname: fmt.Sprintf("Name %d 100%%_x", i)}
				if i%3 == 0 {
					a.InitialStatus = gateway.Pending
				}
				want = append(want, f.recordSignIn(a).ID)
			}
			var got []string
			for q := (gateway.UserQuery{Limit: 3}); ; q.After = got[len(got)-1] {
				page := f.listUsers(q)
				for _, a := range page {
					got = append(got, a.ID)
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
			for text, n := range map[string]int{"name 3": 1, "%_X": 7, "o4": 1, "u5": 1, got[0]: 1, "Name_": 0, "o": 0, "": 7} {
				wantEqual(t, "found by "+text, len(f.listUsers(gateway.UserQuery{Text: text})), n)
			}
			wantEqual(t, "pending", len(f.listUsers(gateway.UserQuery{Status: gateway.Pending})), 3)
		},
	},
}
