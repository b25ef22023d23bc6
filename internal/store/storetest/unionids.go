package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// unionIDCases test the search for users without a unionid. When an account at WeChat is replaced,
// nothing connects these users with their new openids.
var unionIDCases = []testCase{
	{
		name:   "users without a unionid are found at each appid",
		reason: "an administrator would replace an account, and lose users who were in no list",
		run: func(t *testing.T, f *fixture) {
			f.wantNoUnionID(mainConnector.appid, "[]")
			first := f.addUser("o1")
			second := f.recordSignIn(mainConnector.signIn(noon, "o2", "u2"))
			third := f.addUser("o3")
			site := f.recordSignIn(siteConnector.signIn(noon, "s4", ""))
			f.wantNoUnionID(mainConnector.appid, fmt.Sprint([]string{third.ID, first.ID}))
			f.wantNoUnionID(siteConnector.appid, fmt.Sprint([]string{site.ID}))
			page, err := f.store.SearchUsers(t.Context(), gateway.UserSearch{NoUnionID: mainConnector.appid, Limit: 1})
			wantNoError(t, err)
			wantEqual(t, "page 1", page.Users[0].ID, third.ID)
			page, err = f.store.SearchUsers(t.Context(), gateway.UserSearch{NoUnionID: mainConnector.appid, Limit: 1,
				After: page.Positions[0]})
			wantNoError(t, err)
			wantEqual(t, "page 2", page.Users[0].ID, first.ID)

			// With other conditions.
			f.makeAdmin(third.ID)
			f.makeAdmin(second.ID)
			q := gateway.UserSearch{NoUnionID: mainConnector.appid, Admin: true}
			wantEqual(t, "administrators", len(f.searchUsers(q)), 1)
			q = gateway.UserSearch{NoUnionID: mainConnector.appid, Text: "o2"}
			wantEqual(t, "an openid of another user", len(f.searchUsers(q)), 0)
			q.Text = "o1"
			wantEqual(t, "the openid of such a user", f.searchUsers(q)[0].ID, first.ID)

			// The next sign-in has the unionid.
			f.recordSignIn(mainConnector.signIn(after(time.Hour), "o1", "u1"))
			f.wantNoUnionID(mainConnector.appid, fmt.Sprint([]string{third.ID}))
			f.addUser("o5")
			n, more, err := f.store.CountNoUnionID(t.Context(), mainConnector.appid, 1)
			wantNoError(t, err)
			wantEqual(t, "count up to a limit", fmt.Sprint(n, more), "1 true")
		},
	},
	{
		name:   "a unionid of another appid is enough",
		reason: "users whom a unionid finds again would be asked to move by hand",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addUser("o1"), f.recordSignIn(siteConnector.signIn(after(time.Minute), "s1", "u1"))
			last := f.addUser("o2")
			f.wantNoUnionID(mainConnector.appid, fmt.Sprint([]string{last.ID, older.ID}))
			_, err := f.store.MergeUsers(t.Context(), older.ID, younger.ID, after(time.Hour), gateway.Event{Kind: "merged"})
			wantNoError(t, err)
			f.wantNoUnionID(mainConnector.appid, fmt.Sprint([]string{last.ID}))
			e := gateway.Event{Kind: "unlinked"}
			wantNoError(t, f.store.UnlinkIdentity(t.Context(), older.ID, siteConnector.appid, "s1", after(time.Hour), e))
			f.wantNoUnionID(mainConnector.appid, fmt.Sprint([]string{last.ID, older.ID}))
			wantNoError(t, f.store.DeleteUser(t.Context(), older.ID, after(time.Hour), gateway.Event{Kind: "deleted"}))
			f.wantNoUnionID(mainConnector.appid, fmt.Sprint([]string{last.ID}))
		},
	},
	{
		name:   "merged and imported users are at their place in the list",
		reason: "a page of the list would leave users out",
		run: func(t *testing.T, f *fixture) {
			older := f.recordSignIn(mainConnector.signIn(noon, "o1", ""))
			middle := f.addUser("o2")
			younger := f.recordSignIn(siteConnector.signIn(noon, "s1", ""))
			_, err := f.store.MergeUsers(t.Context(), older.ID, younger.ID, after(time.Hour), gateway.Event{Kind: "merged"})
			wantNoError(t, err)
			f.wantNoUnionID(siteConnector.appid, fmt.Sprint([]string{older.ID}))
			_, err = f.store.ImportUsers(t.Context(), []gateway.ImportedUser{
				importLine("7", mainConnector.signIn(noon, "o7", "")),
				importLine("8", mainConnector.signIn(noon, "o8", "u8")),
				importLine("1", mainConnector.signIn(noon, "o1", "")),
				importLine("2", mainConnector.signIn(noon, "o2", "")),
				importLine("2", siteConnector.signIn(noon, "s2", "")),
			})
			wantNoError(t, err)
			imported := f.searchUsers(gateway.UserSearch{Text: "o7"})[0]
			f.wantNoUnionID(mainConnector.appid, fmt.Sprint([]string{imported.ID, middle.ID, older.ID}))
			f.wantNoUnionID(siteConnector.appid, fmt.Sprint([]string{middle.ID, older.ID}))
		},
	},
}

// wantNoUnionID compares the ids of the users without a unionid with want, the newest first.
func (f *fixture) wantNoUnionID(appID, want string) {
	f.t.Helper()
	ids := []string{}
	for _, u := range f.searchUsers(gateway.UserSearch{NoUnionID: appID}) {
		ids = append(ids, u.ID)
	}
	wantEqual(f.t, "users without a unionid", fmt.Sprint(ids), want)
	n, more, err := f.store.CountNoUnionID(f.t.Context(), appID, 100)
	wantNoError(f.t, err)
	wantEqual(f.t, "count", fmt.Sprint(n, more), fmt.Sprint(len(ids), false))
}
