package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// cutCases test searches that stop after a number of rows (MaxRead), and the searches that continue
// them.
var cutCases = []testCase{
	{
		name:   "a cut search of events continues without losing or repeating an event",
		reason: "a search for two conditions must not read a million events for one page",
		run: func(t *testing.T, f *fixture) {
			var stored []gateway.Event
			for i := range 60 {
				stored = append(stored, gateway.Event{
					At: after(time.Duration(i) * time.Minute), Kind: []string{"a", "b"}[i%2], UserID: fmt.Sprint("u", i%4),
					App: fmt.Sprint("app", i%3), Actor: []string{"", "boss"}[i/30], RequestID: fmt.Sprint("r", i%50),
					Outcome: []string{"ok", "ok", "ok", "refused", "failed"}[i%5],
				})
			}
			wantNoError(t, f.store.AppendEvents(t.Context(), stored...))
			cut := 0
			for _, q := range cutEventQueries() {
				want := f.allEvents(q, 0, 0, nil)
				for maxRead, limit := range map[int]int{3: 7, 10: 1, 59: 7} {
					if got := f.allEvents(q, maxRead, limit, &cut); !slices.Equal(got, want) {
						t.Errorf("%+v, at most %d rows and %d events at once: %v, want %v", q, maxRead, limit, got, want)
					}
				}
			}
			if cut < 50 { // otherwise the case tests too little
				t.Errorf("%d searches were cut", cut)
			}
		},
	},
	{
		name:   "pages of the uses of an invitation have each use once, also uses at one time",
		reason: "a link for everybody has thousands of uses, which one page cannot show",
		run: func(t *testing.T, f *fixture) {
			link := newInvitation("many", gateway.InviteUser, 0)
			link.Groups = []string{"guests"} // something new for users who are approved
			f.invite(link)
			var want []string
			for i := range 7 {
				u := f.addUser(fmt.Sprint("o", i))
				_, _, err := f.store.RedeemInvitation(t.Context(), gateway.InvitationRedemption{
					Hash: hash("many"), UserID: u.ID, Now: after(time.Duration(i/3) * time.Minute),
				})
				wantNoError(t, err)
				want = append(want, u.ID)
			}
			var got []string
			for q := (gateway.InvitationUseQuery{ID: "many", Limit: 2}); ; {
				page, err := f.store.InvitationUses(t.Context(), q)
				wantNoError(t, err)
				if len(page) == 0 {
					break
				}
				for _, use := range page {
					got = append(got, use.UserID)
					q.Before, q.BeforeUser = use.At, use.UserID
				}
			}
			wantEqual(t, "latest use", got[0], want[6])
			wantEqual(t, "uses", fmt.Sprint(slices.Sorted(slices.Values(got))), fmt.Sprint(slices.Sorted(slices.Values(want))))
		},
	},
	{
		name:   "a list of users continues after a user who was deleted meanwhile",
		reason: "the next page must not be empty because somebody deleted the last user of this page",
		run: func(t *testing.T, f *fixture) {
			var ids []string
			for i := range 5 {
				ids = append(ids, f.addUser(fmt.Sprint("o", i)).ID)
			}
			page, err := f.store.SearchUsers(t.Context(), gateway.UserSearch{Limit: 2})
			wantNoError(t, err)
			wantNoError(t, f.store.DeleteUser(t.Context(), ids[3], noon, gateway.Event{}))
			for last, want := range map[string][]string{
				page.Positions[1]: {ids[2], ids[1], ids[0]}, ids[4]: {ids[2], ids[1], ids[0]}, ids[3]: nil, ids[0]: nil,
			} {
				next, err := f.store.SearchUsers(t.Context(), gateway.UserSearch{After: last})
				wantNoError(t, err)
				var got []string
				for _, u := range next.Users {
					got = append(got, u.ID)
				}
				if !slices.Equal(got, want) {
					t.Errorf("after %s: %v, want %v", last, got, want)
				}
			}
		},
	},
	{
		name:   "a cut search of users continues without losing or repeating a user",
		reason: "a word that everybody's note has must not make the store read everybody",
		run: func(t *testing.T, f *fixture) {
			for i := range 40 {
				u := f.addUser(fmt.Sprint("o", i))
				_, err := f.store.UpdateUser(t.Context(), u.ID, noon, func(u *gateway.User) error {
					u.Status = []gateway.Status{gateway.Active, gateway.Pending, gateway.Active, gateway.Blocked, gateway.Active}[i%5]
					u.Admin, u.Groups = i%7 == 0, []string{fmt.Sprint("g", i%2), fmt.Sprint("h", i%9)}
					u.Note = fmt.Sprint("second floor ", i%3, " ", i)
					return nil
				})
				wantNoError(t, err)
			}
			cut := 0
			for _, q := range cutUserSearches() {
				want := f.allUsers(q, 0, 0, nil)
				for maxRead, limit := range map[int]int{5: 6, 13: 1, 39: 6} {
					if got := f.allUsers(q, maxRead, limit, &cut); !slices.Equal(got, want) {
						t.Errorf("%+v, at most %d rows and %d users at once: %v, want %v", q, maxRead, limit, got, want)
					}
				}
			}
			if cut < 50 {
				t.Errorf("%d searches were cut", cut)
			}
		},
	},
}

// cutEventQueries returns queries with one, two and several filters, some of which select nothing.
func cutEventQueries() (all []gateway.EventQuery) {
	for _, kind := range []string{"", "a"} {
		for _, app := range []string{"", "app1"} {
			for _, outcome := range []string{"", "ok", "!ok"} {
				for _, actor := range []string{"", "boss"} {
					all = append(all, gateway.EventQuery{Kind: kind, App: app, Outcome: outcome, Actor: actor})
				}
			}
		}
	}
	hour := gateway.EventQuery{Since: after(15 * time.Minute), Until: after(45 * time.Minute)}
	for _, q := range slices.Clone(all[:6]) {
		q.Since, q.Until = hour.Since, hour.Until
		all = append(all, q)
	}
	return append(all, gateway.EventQuery{UserID: "u1", Kind: "b"}, gateway.EventQuery{RequestID: "r7", App: "app1"})
}

// allEvents returns the ids of all events of a query, read page by page. It adds to cut the number
// of searches that stopped after maxRead rows; with cut = nil, such a search fails the test. 0 for
// maxRead or limit = the default.
func (f *fixture) allEvents(q gateway.EventQuery, maxRead, limit int, cut *int) (ids []int64) {
	f.t.Helper()
	q.MaxRead, q.Limit = maxRead, limit
	for range 500 {
		page, err := f.store.SearchEvents(f.t.Context(), q)
		wantNoError(f.t, err)
		for _, e := range page.Events {
			ids = append(ids, e.ID)
			q.Before = e.ID
		}
		switch {
		case page.Cut != 0 && cut == nil:
			f.t.Fatalf("%+v was cut", q)
		case page.Cut != 0 && len(page.Events) >= q.Page():
			f.t.Fatalf("%+v was cut with a full page", q)
		case page.Cut != 0:
			*cut++
			q.Before = page.Cut
		case len(page.Events) < q.Page():
			return ids
		}
	}
	f.t.Fatalf("%+v does not end", q)
	return nil
}

// cutUserSearches returns searches with one, two and several conditions, some of which select
// nobody.
func cutUserSearches() (all []gateway.UserSearch) {
	for _, text := range []string{"", "floor", "s", "nobody"} {
		for _, status := range []gateway.Status{"", gateway.Blocked} {
			for _, group := range []string{"", "g1"} {
				for _, admin := range []bool{false, true} {
					all = append(all, gateway.UserSearch{Text: text, Status: status, Group: group, Admin: admin})
				}
			}
		}
	}
	return all
}

// allUsers returns the ids of all users of a search, as allEvents does for events.
func (f *fixture) allUsers(q gateway.UserSearch, maxRead, limit int, cut *int) (ids []string) {
	f.t.Helper()
	q.MaxRead, q.Limit = maxRead, limit
	for range 500 {
		page, err := f.store.SearchUsers(f.t.Context(), q)
		wantNoError(f.t, err)
		for i, u := range page.Users {
			ids = append(ids, u.ID)
			q.After = page.Positions[i]
		}
		switch {
		case page.Cut != "" && cut == nil:
			f.t.Fatalf("%+v was cut", q)
		case page.Cut != "" && len(page.Users) >= q.Page():
			f.t.Fatalf("%+v was cut with a full page", q)
		case page.Cut != "":
			*cut++
			q.After = page.Cut
		case len(page.Users) < q.Page():
			return ids
		}
	}
	f.t.Fatalf("%+v does not end", q)
	return nil
}
