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

// drawLines returns users who sign in first, and lines of an import that agree and contradict each
// other and those users in every way: they share few openids, unionids and old ids.
func drawLines(r *rand.Rand) (signIns []gateway.SignIn, lines []gateway.ImportedUser) {
	connectors := []connector{mainConnector, siteConnector, thirdConnector, foreignConnector, ungroupedConnector}
	draw := func(at time.Duration) gateway.SignIn {
		c := connectors[r.IntN(len(connectors))]
		unionID := ""
		if r.IntN(3) > 0 {
			unionID = fmt.Sprint("u", r.IntN(8))
		}
		s := c.signIn(after(at), fmt.Sprint(c.name, r.IntN(8)), unionID)
		if r.IntN(3) == 0 {
			s.Profile = &gateway.Profile{Nickname: fmt.Sprint("name", r.IntN(100))}
		}
		return s
	}
	for i := range 12 {
		signIns = append(signIns, draw(time.Duration(i)*time.Second))
	}
	for i := range 60 {
		lines = append(lines, importLine(fmt.Sprint(r.IntN(14)), draw(time.Hour+time.Duration(i)*time.Second)))
	}
	return signIns, lines
}

var userID = regexp.MustCompile(`[a-z2-7]{26}`)

// importState returns everything that an import changes, with the ids of users left out.
func importState(f *fixture) string {
	var all []string
	for _, u := range f.listUsers(gateway.UserQuery{Limit: 500}) {
		var identities []string
		for _, i := range f.listIdentities(u.ID) {
			i.UserID = ""
			identities = append(identities, fmt.Sprint(i))
		}
		slices.Sort(identities)
		u.ID = ""
		all = append(all, fmt.Sprint(u, identities, len(f.listSubjects(u.ID)), len(f.listSessions(u.ID, noon))))
	}
	slices.Sort(all)
	var events []string
	for _, e := range f.listEvents(gateway.EventQuery{Limit: 500}) {
		e.ID = 0
		events = append(events, fmt.Sprint(e))
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
			r := rand.New(rand.NewPCG(seed, 1))
			for range 5 {
				signIns, lines := drawLines(r)
				batch, single := f.another(), f.another()
				for i, s := range signIns {
					for _, f := range []*fixture{batch, single} {
						u := f.recordSignIn(s)
						f.pinSubject(u.ID, "wiki", u.ID, s.At)
						if i%5 == 0 {
							f.block(u.ID)
						}
					}
				}
				got, want := batch.importUsers(lines), gateway.ImportResult{}
				for i, line := range lines {
					one := single.importUsers([]gateway.ImportedUser{line})
					want.Created, want.Added = want.Created+one.Created, want.Added+one.Added
					want.Updated, want.Unchanged = want.Updated+one.Updated, want.Unchanged+one.Unchanged
					for _, p := range one.Problems {
						p.Index = i
						want.Problems = append(want.Problems, p)
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
