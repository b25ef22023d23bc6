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

// importLine returns one line of an imported user table.
func importLine(oldID string, signIn gateway.SignIn) gateway.ImportedUser {
	return gateway.ImportedUser{OldID: oldID, SignIn: signIn}
}

// importCases test ImportUsers. It imports the user table of a program that was used before the
// gateway. The id of a user in that table is the user's old id.
var importCases = []testCase{
	{
		name:   "a try has the result of the import and changes nothing",
		reason: "the dry run of a move would create users, or promise another result",
		run: func(t *testing.T, f *fixture) {
			known := f.addUser("o1")
			blocked := mainConnector.signIn(noon, "o4", "")
			blocked.InitialStatus = gateway.Blocked // written at once, not at the end
			lines := []gateway.ImportedUser{
				importLine("1", mainConnector.signIn(noon, "o1", "u1")), importLine("2", mainConnector.signIn(noon, "o2", "")),
				importLine("2", siteConnector.signIn(noon, "s2", "")), importLine("9", mainConnector.signIn(noon, "o1", "")),
				importLine("4", blocked),
			}
			events := len(f.listEvents(gateway.EventQuery{}))
			tried, err := f.store.TryImport(t.Context(), lines)
			wantNoError(t, err)
			wantEqual(t, "users after the try", len(f.searchUsers(gateway.UserSearch{})), 1)
			wantEqual(t, "old id after the try", f.getUser(known.ID).OldID, "")
			wantEqual(t, "events after the try", len(f.listEvents(gateway.EventQuery{})), events)
			imported, err := f.store.ImportUsers(t.Context(), lines)
			wantNoError(t, err)
			wantEqual(t, "result of the try", fmt.Sprint(tried.Created, tried.Added, tried.Updated, tried.Unchanged,
				len(tried.Problems)), fmt.Sprint(imported.Created, imported.Added, imported.Updated, imported.Unchanged,
				len(imported.Problems)))
			wantEqual(t, "users after the import", len(f.searchUsers(gateway.UserSearch{})), 3)
		},
	},
	{
		name:   "imported users keep their old ids",
		reason: "the apps' tables refer to them",
		run: func(t *testing.T, f *fixture) {
			known := f.addUser("o1")
			signIn := mainConnector.signIn(after(time.Hour), "o3", "u3")
			signIn.Profile = &gateway.Profile{Nickname: "from the table"}
			users := []gateway.ImportedUser{
				importLine("1", mainConnector.signIn(after(time.Hour), "o1", "")), // a user who has signed in
				importLine("2", mainConnector.signIn(after(time.Hour), "o2", "u2")),
				importLine("2", siteConnector.signIn(after(time.Hour), "s2", "")), // joined by the old id
				importLine("3", signIn),
				importLine("3", siteConnector.signIn(after(time.Hour), "s3", "u3")), // by old id and unionid
				importLine("", mainConnector.signIn(after(time.Hour), "o4", "")),    // no old id
				importLine("5", mainConnector.signIn(after(time.Hour), "", "u5")),   // no openid
				importLine("2", mainConnector.signIn(after(time.Hour), "o9", "")),   // a second openid of the appid
				importLine("9", mainConnector.signIn(after(time.Hour), "o2", "u2")), // a second old id of the user
				importLine("2", mainConnector.signIn(after(time.Hour), "o1", "")),   // old id and openid of two users
			}
			result := f.importUsers(users)
			var problems []int
			for _, problem := range result.Problems {
				problems = append(problems, problem.Index)
			}
			wantCounts(t, result, 2, 2, 1, 0) // created, added, updated, unchanged
			if !slices.Equal(problems, []int{5, 6, 7, 8, 9}) {
				t.Fatalf("lines with problems: %v", problems)
			}
			wantEqual(t, "old id of the user who has signed in", f.getUser(known.ID).OldID, "1")
			found := f.listUsers(gateway.UserQuery{Text: "3"})
			if len(found) != 1 || found[0].Nickname != "from the table" || !found[0].ProfileAt.IsZero() {
				t.Fatalf("old id 3: %+v", found)
			}
			for _, identity := range f.listIdentities(found[0].ID) {
				if !identity.SeenAt.IsZero() {
					t.Fatalf("an imported identity has a time of sign-in: %+v", identity)
				}
			}
			result = f.importUsers(users[:5])
			wantCounts(t, result, 0, 0, 0, 5)
			wantEqual(t, "problems of a repeated import", len(result.Problems), 0)
			signedIn := f.recordSignIn(siteConnector.signIn(after(2*time.Hour), "s2", ""))
			wantEqual(t, "old id after a sign-in", signedIn.OldID, "2")
		},
	},
}

// wantCounts fails the test unless an import created users, added identities to users, updated
// users, and left users unchanged as often as given.
func wantCounts(t *testing.T, result gateway.ImportResult, created, added, updated, unchanged int) {
	t.Helper()
	wantEqual(t, "created", result.Created, created)
	wantEqual(t, "added", result.Added, added)
	wantEqual(t, "updated", result.Updated, updated)
	wantEqual(t, "unchanged", result.Unchanged, unchanged)
}

// drawLines returns random sign-ins and random lines of a user table. There are only a few
// different openids, unionids and old ids. So lines often agree with, or contradict, other lines
// and the sign-ins.
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

// generatedID matches the id of a user, which is random.
var generatedID = regexp.MustCompile(`[a-z2-7]{26}`)

// withoutIDs returns the text without the ids of users.
func withoutIDs(text string) string { return generatedID.ReplaceAllString(text, "ID") }

// importState returns everything that an import changes, without the ids of users.
func importState(f *fixture) string {
	var all []string
	for _, user := range f.listUsers(gateway.UserQuery{Limit: 500}) {
		var identities []string
		for _, identity := range f.listIdentities(user.ID) {
			identities = append(identities, withoutIDs(fmt.Sprint(identity)))
		}
		slices.Sort(identities)
		subjects := len(f.listSubjects(user.ID))
		sessions := len(f.listSessions(user.ID, noon))
		all = append(all, withoutIDs(fmt.Sprint(user, identities, subjects, sessions)))
	}
	slices.Sort(all)
	var events []string
	for _, event := range f.listEvents(gateway.EventQuery{Limit: 500}) {
		event.ID = 0
		events = append(events, withoutIDs(fmt.Sprint(event)))
	}
	slices.Sort(events)
	return strings.Join(append(all, events...), "\n")
}

// importBatchCases test that importing many lines in one call has the result of importing each line
// in a call of its own.
var importBatchCases = []testCase{
	{
		name:   "a batch does what its lines do one by one",
		reason: "the result must not depend on how a file is cut into batches",
		run: func(t *testing.T, f *fixture) {
			seed := rand.Uint64()
			t.Log("seed", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			rounds := 5
			if f.Race {
				rounds = 2
			}
			for range rounds {
				signIns, lines := drawLines(random)
				batch, single := f.withNewDatabase(), f.withNewDatabase()
				for i, signIn := range signIns {
					for _, each := range []*fixture{batch, single} {
						user := each.recordSignIn(signIn)
						each.pinSubject(user.ID, "wiki", user.ID, signIn.At)
						if i%5 == 0 {
							each.block(user.ID)
						}
					}
				}
				got := batch.importUsers(lines)
				var want gateway.ImportResult // the sum of the results of single lines
				for i, line := range lines {
					one := single.importUsers([]gateway.ImportedUser{line})
					want.Created, want.Added = want.Created+one.Created, want.Added+one.Added
					want.Updated, want.Unchanged = want.Updated+one.Updated, want.Unchanged+one.Unchanged
					for _, problem := range one.Problems {
						problem.Index = i
						want.Problems = append(want.Problems, problem)
					}
				}
				wantEqual(t, "result", withoutIDs(fmt.Sprintf("%+v", got)), withoutIDs(fmt.Sprintf("%+v", want)))
				wantEqual(t, "users, identities and events", importState(batch), importState(single))
			}
		},
	},
}

// withNewDatabase returns a fixture with a database of its own.
func (f *fixture) withNewDatabase() *fixture {
	f.t.Helper()
	db := f.New(f.t)
	return &fixture{t: f.t, Subject: f.Subject, concurrent: f.concurrent, db: db, store: db.Open(f.t)}
}
