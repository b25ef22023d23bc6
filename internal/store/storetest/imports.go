package storetest

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func importLine(oldID string, signIn gateway.SignIn) gateway.ImportedUser {
	return gateway.ImportedUser{OldID: oldID, SignIn: signIn}
}

var importCases = []testCase{
	{
		name:   "imported users keep their old ids",
		reason: "the apps' tables refer to them",
		run: func(t *testing.T, f *fixture) {
			known := f.addUser("o1")
			signIn := mainConnector.signIn(after(time.Hour), "o3", "u3")
			signIn.Profile = &gateway.Profile{Nickname: "from the table"}
			users := []gateway.ImportedUser{
				importLine("1", mainConnector.signIn(after(time.Hour), "o1", "")), // known
				importLine("2", mainConnector.signIn(after(time.Hour), "o2", "u2")),
				importLine("2", siteConnector.signIn(after(time.Hour), "s2", "")), // the same user, by the old id
				importLine("3", signIn),
				importLine("3", siteConnector.signIn(after(time.Hour), "s3", "u3")), // by both
				importLine("", mainConnector.signIn(after(time.Hour), "o4", "")),
				importLine("5", mainConnector.signIn(after(time.Hour), "", "u5")),
				importLine("2", mainConnector.signIn(after(time.Hour), "o9", "")),   // a second openid
				importLine("9", mainConnector.signIn(after(time.Hour), "o2", "u2")), // another old id
				importLine("2", mainConnector.signIn(after(time.Hour), "o1", "")),   // two users
			}
			res := f.importUsers(users)
			var problems []int
			for _, problem := range res.Problems {
				problems = append(problems, problem.Index)
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

// drawLines returns users who sign in first, and lines of an import that agree and contradict each
// other and those users in every way: they share few openids, unionids and old ids.
func drawLines(random *rand.Rand) (signIns []gateway.SignIn, lines []gateway.ImportedUser) {
	connectors := []connector{mainConnector, siteConnector, thirdConnector, foreignConnector, ungroupedConnector}
	draw := func(at time.Duration) gateway.SignIn {
		connector := connectors[random.IntN(len(connectors))]
		unionID := ""
		if random.IntN(3) > 0 {
			unionID = fmt.Sprint("u", random.IntN(8))
		}
		signIn := connector.signIn(after(at), fmt.Sprint(connector.name, random.IntN(8)), unionID)
		if random.IntN(3) == 0 {
			signIn.Profile = &gateway.Profile{Nickname: fmt.Sprint("name", random.IntN(100))}
		}
		return signIn
	}
	for i := range 12 {
		signIns = append(signIns, draw(time.Duration(i)*time.Second))
	}
	for i := range 60 {
		lines = append(lines, importLine(fmt.Sprint(random.IntN(14)), draw(time.Hour+time.Duration(i)*time.Second)))
	}
	return signIns, lines
}

var userID = regexp.MustCompile(`[a-z2-7]{26}`)

// importState returns everything that an import changes, with the ids of users left out.
func importState(f *fixture) string {
	var all []string
	for _, user := range f.listUsers(gateway.UserQuery{Limit: 500}) {
		var identities []string
		for _, i := range f.listIdentities(user.ID) {
			i.UserID = ""
			identities = append(identities, fmt.Sprint(i))
		}
		slices.Sort(identities)
		user.ID = ""
		all = append(all, fmt.Sprint(user, identities, len(f.listSubjects(user.ID)), len(f.listSessions(user.ID, noon))))
	}
	slices.Sort(all)
	var events []string
	for _, event := range f.listEvents(gateway.EventQuery{Limit: 500}) {
		event.ID = 0
		events = append(events, fmt.Sprint(event))
	}
	slices.Sort(events)
	return userID.ReplaceAllString(strings.Join(append(all, events...), "\n"), "ID")
}

var importBatchCases = []testCase{
	{
		name:   "a batch does what its lines do one by one",
		reason: "the result must not depend on how a file is cut into batches",
		run: func(t *testing.T, f *fixture) {
			seed := rand.Uint64()
			t.Log("seed", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			for range 5 {
				signIns, lines := drawLines(random)
				batch, single := f.another(), f.another()
				for i, signIn := range signIns {
					for _, f := range []*fixture{batch, single} {
						user := f.recordSignIn(signIn)
						f.pinSubject(user.ID, "wiki", user.ID, signIn.At)
						if i%5 == 0 {
							f.block(user.ID)
						}
					}
				}
				got, want := batch.importUsers(lines), gateway.ImportResult{}
				for i, line := range lines {
					one := single.importUsers([]gateway.ImportedUser{line})
					want.Created, want.Added = want.Created+one.Created, want.Added+one.Added
					want.Updated, want.Unchanged = want.Updated+one.Updated, want.Unchanged+one.Unchanged
					for _, problem := range one.Problems {
						problem.Index = i
						want.Problems = append(want.Problems, problem)
					}
				}
				without := func(res gateway.ImportResult) string { return userID.ReplaceAllString(fmt.Sprintf("%+v", res), "ID") }
				wantEqual(t, "result", without(got), without(want))
				wantEqual(t, "users, identities and events", importState(batch), importState(single))
			}
		},
	},
}

// another returns a fixture with a database of its own.
func (f *fixture) another() *fixture {
	f.t.Helper()
	db := f.New(f.t)
	return &fixture{t: f.t, Subject: f.Subject, db: db, store: db.Open(f.t)}
}
