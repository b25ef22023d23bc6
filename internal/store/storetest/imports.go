package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func importLine(oldID string, a gateway.SignIn) gateway.ImportedUser {
	return gateway.ImportedUser{OldID: oldID, SignIn: a}
}

var importCases = []testCase{
	{
		name:   "imported users keep their old ids",
		reason: "the apps' tables refer to them",
		run: func(t *testing.T, f *fixture) {
			known := f.addUser("o1")
			a := mainConnector.signIn(after(time.Hour), "o3", "u3")
			a.Profile = &gateway.Profile{Nickname: "from the table"}
			users := []gateway.ImportedUser{
				importLine("1", mainConnector.signIn(after(time.Hour), "o1", "")), // known
				importLine("2", mainConnector.signIn(after(time.Hour), "o2", "u2")),
				importLine("2", siteConnector.signIn(after(time.Hour), "s2", "")), // the same user, by the old id
				importLine("3", a),
				importLine("3", siteConnector.signIn(after(time.Hour), "s3", "u3")), // by both
				importLine("", mainConnector.signIn(after(time.Hour), "o4", "")),
				importLine("5", mainConnector.signIn(after(time.Hour), "", "u5")),
				importLine("2", mainConnector.signIn(after(time.Hour), "o9", "")),   // a second openid
				importLine("9", mainConnector.signIn(after(time.Hour), "o2", "u2")), // another old id
				importLine("2", mainConnector.signIn(after(time.Hour), "o1", "")),   // two users
			}
			res := f.importUsers(users)
			var problems []int
			for _, p := range res.Problems {
				problems = append(problems, p.Index)
			}
			wantEqual(t, "result", fmt.Sprint(res.Created, res.Added, res.Updated, res.Unchanged, problems),
				"2 2 1 0 [5 6 7 8 9]")
			wantEqual(t, "the known one", f.getUser(known.ID).OldID, "1")
			found := f.listUsers(gateway.UserQuery{Text: "3"})
			if len(found) != 1 || found[0].Nickname != "from the table" || !found[0].ProfileAt.IsZero() {
				t.Fatalf("old id 3: %+v", found)
			}
			for _, i := range f.listIdentities(found[0].ID) {
				if !i.SeenAt.IsZero() {
					t.Fatalf("an imported identity has a time of sign-in: %+v", i)
				}
			}
			res = f.importUsers(users[:5])
			wantEqual(t, "the same again", fmt.Sprint(res.Created, res.Added, res.Updated, res.Unchanged, len(res.Problems)),
				"0 0 0 5 0")
			wantEqual(t, "old id after a sign-in", f.recordSignIn(siteConnector.signIn(after(2*time.Hour), "s2", "")).OldID, "2")
		},
	},
}
