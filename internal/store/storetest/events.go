package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// eventCases test the audit log that administrators read.
var eventCases = []testCase{
	{
		name:   "events are listed newest first, filtered and in pages",
		reason: "an administrator searches for the failures of one user",
		run: func(t *testing.T, f *fixture) {
			for i := range 10 {
				e := gateway.Event{
					At: after(time.Duration(i) * time.Minute), Kind: []string{"signin", "token"}[i%2], UserID: fmt.Sprint("a", i%3),
					App:       fmt.Sprint("app", i%2),
					Connector: "main", Method: "wechat", Outcome: "ok", RequestID: fmt.Sprint("r", i), Detail: "细节",
				}
				wantNoError(t, f.store.AppendEvents(t.Context(), e))
			}
			wantNoError(t, f.store.AppendEvents(t.Context()))
			first := f.listEvents(gateway.EventQuery{Limit: 4})
			wantEqual(t, "page 1", first[0].RequestID+first[3].RequestID, "r9r6")
			if e := first[0]; e.At != after(9*time.Minute) || e.Kind != "token" || e.UserID != "a0" || e.App != "app1" ||
				e.Connector != "main" || e.Method != "wechat" || e.Outcome != "ok" || e.Detail != "细节" || e.ID <= first[1].ID {
				t.Fatalf("event %+v", e)
			}
			next := f.listEvents(gateway.EventQuery{Before: first[3].ID})
			wantEqual(t, "page 2", fmt.Sprint(len(next), " ", next[0].RequestID), "6 r5")
			for _, search := range []struct {
				query gateway.EventQuery
				found int
			}{
				{gateway.EventQuery{UserID: "a0"}, 4},
				{gateway.EventQuery{Kind: "signin"}, 5},
				{gateway.EventQuery{App: "app1", UserID: "a1"}, 2},
				{gateway.EventQuery{App: "app1"}, 5},
				{gateway.EventQuery{Since: after(7 * time.Minute)}, 3},
			} {
				wantEqual(t, fmt.Sprintf("found by %+v", search.query), len(f.listEvents(search.query)), search.found)
			}
			for _, limit := range extremes {
				wantEqual(t, fmt.Sprint("limit ", limit), len(f.listEvents(gateway.EventQuery{Limit: limit})), 10)
			}
			wantEqual(t, "swept", f.sweep(noon, after(5*time.Minute), 3), 3)
			wantEqual(t, "swept", f.sweep(noon, after(5*time.Minute), 3), 2)
			wantEqual(t, "left", len(f.listEvents(gateway.EventQuery{})), 5)
		},
	},
	{
		name:   "events are found by actor, outcome, request and time, alone and together",
		reason: "pocket-id 1.16: a filter of the audit log did nothing",
		run: func(t *testing.T, f *fixture) {
			for i := range 12 {
				e := gateway.Event{
					At: after(time.Duration(i) * time.Minute), Kind: []string{"signin", "token"}[i%2], UserID: fmt.Sprint("u", i%3),
					App: fmt.Sprint("app", i%2), Actor: []string{"", "boss", gateway.ActorCommand}[i%3], Address: "192.0.2.0",
					Outcome: []string{"ok", "ok", "refused", "failed"}[i%4], RequestID: fmt.Sprint("r", i),
				}
				wantNoError(t, f.store.AppendEvents(t.Context(), e))
			}
			ids := func(q gateway.EventQuery) string {
				var all []string
				for _, e := range f.listEvents(q) {
					all = append(all, e.RequestID[1:])
				}
				return strings.Join(all, " ")
			}
			for _, search := range []struct {
				query gateway.EventQuery
				found string
			}{
				{gateway.EventQuery{Actor: "boss"}, "10 7 4 1"},
				{gateway.EventQuery{Actor: gateway.ActorCommand, Kind: "token"}, "11 5"},
				{gateway.EventQuery{Outcome: "refused"}, "10 6 2"},
				{gateway.EventQuery{Outcome: "!ok"}, "11 10 7 6 3 2"},
				{gateway.EventQuery{Outcome: "!ok", UserID: "u0"}, "6 3"},
				{gateway.EventQuery{Outcome: "ok", App: "app0", Kind: "signin"}, "8 4 0"},
				{gateway.EventQuery{Outcome: "refused", App: "app0", Kind: "signin", Actor: "boss"}, "10"},
				{gateway.EventQuery{RequestID: "r7"}, "7"},
				{gateway.EventQuery{RequestID: "r7", UserID: "u0"}, ""},
				{gateway.EventQuery{Since: after(3 * time.Minute), Until: after(6 * time.Minute)}, "5 4 3"},
				{gateway.EventQuery{Since: after(3 * time.Minute), Until: after(9 * time.Minute), Outcome: "!ok"}, "7 6 3"},
				{gateway.EventQuery{Until: noon}, ""},
				{gateway.EventQuery{Since: after(time.Hour)}, ""},
				{gateway.EventQuery{Outcome: "' OR ''='"}, ""},
			} {
				if got := ids(search.query); got != search.found {
					t.Errorf("%+v found %q, want %q", search.query, got, search.found)
				}
			}
			e := f.listEvents(gateway.EventQuery{RequestID: "r1"})[0]
			wantEqual(t, "actor and address", e.Actor+" "+e.Address, "boss 192.0.2.0")
		},
	},
	{
		name:   "an event that is stored late is found by its time",
		reason: "the clocks of two replicas differ",
		run: func(t *testing.T, f *fixture) {
			for _, minute := range []time.Duration{5, 1, 9, 3} {
				wantNoError(t, f.store.AppendEvents(t.Context(), gateway.Event{At: after(minute * time.Minute), Kind: "late"}))
			}
			wantEqual(t, "before", len(f.listEvents(gateway.EventQuery{Until: after(4 * time.Minute)})), 2)
			wantEqual(t, "since", len(f.listEvents(gateway.EventQuery{Since: after(4 * time.Minute)})), 2)
		},
	},
	{
		name:   "no text fails an event or a sign-in",
		reason: "pocket-id/pocket-id#695, logto CHANGELOG c98403862a: the log's insert failed, so nobody could sign in",
		run: func(t *testing.T, f *fixture) {
			for name, text := range hostileTexts() {
				e := gateway.Event{At: noon, Kind: text, UserID: text, App: text, Connector: text, Method: text, Outcome: text,
					RequestID: text, Detail: text, Actor: text, Address: text}
				if err := f.store.AppendEvents(t.Context(), e); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				q := gateway.EventQuery{Kind: text, UserID: text, App: text, Outcome: text, RequestID: text, Actor: text}
				if found, err := f.store.Events(t.Context(), q); err != nil || len(found) == 0 {
					t.Errorf("%s: found %d events, %v", name, len(found), err)
				}
				signIn := mainConnector.signIn(noon, "o-"+name, "")
				signIn.Profile = &gateway.Profile{Nickname: text, AvatarURL: text, Locale: text}
				attempt := newAttempt("k "+name, "code", "one", 0)
				f.wantAttemptWon(attempt, 0)
				c := newCompletion(signIn, "k "+name, "one", "s "+name)
				c.Event.RequestID, c.Event.Address, c.Event.App = text, text, text
				user, _, err := f.store.CompleteSignIn(t.Context(), c)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				change := changeUser(user.ID, func(u *gateway.User) {
					u.RealName, u.Note, u.Groups, u.AllowedApps, u.RefusedApps = text, text, []string{text}, []string{text},
						[]string{text + "2"}
				})
				change.Event.Detail = text
				if _, err := f.store.ChangeUser(t.Context(), change); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				_, _, err = f.store.RequestAccess(t.Context(), gateway.AccessRequest{UserID: user.ID, App: text, Method: text,
					RequestedAt: noon})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				d := gateway.AccessDecision{UserID: user.ID, Apps: []string{text}, State: gateway.RequestRefused,
					Reason: text, By: text}
				if _, err := f.store.DecideAccess(t.Context(), d); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				for _, q := range []gateway.UserSearch{{Text: text}, {Group: text}} {
					if _, err := f.store.SearchUsers(t.Context(), q); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		},
	},
}

// hostileTexts returns texts that a database may reject, by name. A column with an index keeps 500
// bytes; in "half a character", this limit is inside of the last character.
func hostileTexts() map[string]string {
	random := make([]byte, 0, 64_000) // PostgreSQL's indexes compress a text that repeats
	for i := 0; len(random) < 64_000; i++ {
		h := hash(fmt.Sprint(i))
		random = fmt.Appendf(random, "%x", h)
	}
	return map[string]string{
		"zero byte": "a\x00b", "invalid": "a\xff\xfe\xc3", "long": string(random), "long han": strings.Repeat("李", 22_000),
		"half a character": strings.Repeat("x", 499) + "李", "surrogate": "\xed\xa0\x80", "quote": `'"); DROP TABLE users; --`,
	}
}
