package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// deliveryCases test deliveries (the logout tokens and notices that have to be sent to other
// servers), app sessions and statistics. An app session records that a user signed in from a
// session to an app with back-channel logout; when the session ends, it becomes a delivery.
var deliveryCases = []testCase{
	{
		name:   "an app session is stored once, only of a session that lives",
		reason: "an app that is signed in after the sign-out would never get a logout token",
		run: func(t *testing.T, f *fixture) {
			u := f.addUser("o1")
			f.addSession(u.ID, "s1")
			f.addAppSession(u.ID, "s1", "wiki")
			for i := range 3 {
				code := newCode(u.ID, "wiki", fmt.Sprint("again", i))
				code.Grant.Session, code.LogoutSessionID = hash("s1"), "sid-s1"
				wantNoError(t, f.store.PutCode(t.Context(), code))
			}
			found, err := f.store.UserAppSessions(t.Context(), u.ID)
			wantNoError(t, err)
			if len(found) != 1 || found[0].App != "wiki" || found[0].SessionID != "sid-s1" || found[0].Session != hash("s1") ||
				found[0].Subject != "sub-"+u.ID {
				t.Fatalf("app sessions %+v", found)
			}
			code := newCode(u.ID, "wiki", "late")
			code.Grant.Session, code.LogoutSessionID = hash("ended"), "sid"
			wantError(t, f.store.PutCode(t.Context(), code), gateway.ErrNotFound)
			_, err = f.store.Code(t.Context(), code.Hash)
			wantError(t, err, gateway.ErrNotFound)
			plain := newCode(u.ID, "wiki", "plain")
			plain.Grant.Session = hash("ended")
			wantNoError(t, f.store.PutCode(t.Context(), plain))
		},
	},
	{
		name:       "every app that gets a code during a sign-out gets a logout token",
		reason:     "the sign-out would miss an app whose code is stored at the same time",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			u := f.addUser("o1")
			stores := f.handles()
			var stored counter
			for round := range 10 {
				name := fmt.Sprint("s", round)
				f.addSession(u.ID, name)
				f.concurrently(4, func(i int) {
					if i == 0 {
						if err := stores[1].DeleteSession(t.Context(), hash(name), noon); err != nil {
							t.Error(err)
						}
						return
					}
					code := newCode(u.ID, fmt.Sprint("app", i), fmt.Sprint(name, i))
					code.Grant.Session, code.LogoutSessionID = hash(name), "sid-"+name
					stored.add(errorName(stores[i%2].PutCode(t.Context(), code)))
				})
			}
			logouts, err := f.store.Deliveries(t.Context(), gateway.DeliveryQuery{Limit: 500})
			wantNoError(t, err)
			wantEqual(t, "logout tokens", len(logouts), stored.counts["ok"])
			left, err := f.store.UserAppSessions(t.Context(), u.ID)
			wantNoError(t, err)
			wantEqual(t, "left", len(left), 0)
		},
	},
	{
		name:       "many workers claim each delivery once, the earliest first",
		reason:     "an app would get every logout token several times",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			var all []gateway.Delivery
			for i := range 60 {
				all = append(all, gateway.Delivery{Kind: gateway.DeliverNotification, Target: "bot", Payload: []byte{byte(i)},
					CreatedAt: noon, NextAt: after(time.Duration(-i) * time.Second)})
			}
			all = append(all, gateway.Delivery{Kind: gateway.DeliverNotification, NextAt: after(time.Second), CreatedAt: noon})
			wantNoError(t, f.store.AddDeliveries(t.Context(), all...))
			wantNoError(t, f.store.AddDeliveries(t.Context()))
			first, err := f.store.ClaimDeliveries(t.Context(), gateway.DeliverNotification, noon, time.Minute, 2)
			wantNoError(t, err)
			if len(first) != 2 || first[0].Payload[0] != 59 || first[0].Attempts != 1 || first[0].NextAt != after(time.Minute) ||
				first[0].State != gateway.DeliveryWaiting {
				t.Fatalf("claimed %+v", first)
			}
			stores, claims := f.handles(), counter{}
			f.concurrently(16, func(i int) { // 58 of the 60 due deliveries are not claimed yet
				for {
					got, err := stores[i%2].ClaimDeliveries(t.Context(), gateway.DeliverNotification, noon, time.Minute, 5)
					if err != nil {
						t.Error(err)
					}
					if len(got) == 0 && len(claims.all()) >= 58 || err != nil {
						return
					}
					for _, d := range got {
						claims.add(fmt.Sprint(d.ID))
					}
				}
			})
			wantEqual(t, "claimed", len(claims.all()), 58)
			for id, times := range claims.all() {
				wantEqual(t, "claims of "+id, times, 1)
			}
			again, err := f.store.ClaimDeliveries(t.Context(), gateway.DeliverNotification, after(time.Minute), time.Minute,
				1<<31)
			wantNoError(t, err)
			wantEqual(t, "after the lease", len(again), 61)
			none, err := f.store.ClaimDeliveries(t.Context(), gateway.DeliverLogout, after(time.Hour), time.Minute, 0)
			wantNoError(t, err)
			wantEqual(t, "of another kind", len(none), 0)
		},
	},
	{
		name:   "a delivery is finished by its last claim, and retried by an administrator",
		reason: "a slow worker would overwrite the result of the next worker",
		run: func(t *testing.T, f *fixture) {
			u := f.addUser("o1")
			wantNoError(t, f.store.AddDeliveries(t.Context(), gateway.Delivery{Kind: gateway.DeliverLogout, Target: "wiki",
				UserID: u.ID, Subject: "sub", SessionID: "sid", CreatedAt: noon, NextAt: noon}))
			claim := func(at time.Time) gateway.Delivery {
				got, err := f.store.ClaimDeliveries(t.Context(), gateway.DeliverLogout, at, time.Minute, 1)
				wantNoError(t, err)
				return got[0]
			}
			slow := claim(noon)
			next := claim(after(time.Minute))
			slow.State, next.State, next.LastError = gateway.DeliverySent, gateway.DeliveryFailed, "the app answered 500"
			wantError(t, f.store.FinishDelivery(t.Context(), slow, gateway.Event{At: noon, Kind: "sent"}), gateway.ErrConflict)
			wantError(t, f.store.RetryDelivery(t.Context(), next.ID, noon, gateway.Event{}), gateway.ErrNotFound)
			wantNoError(t, f.store.FinishDelivery(t.Context(), next, gateway.Event{At: noon, Kind: "failed"}))
			for q, want := range map[gateway.DeliveryQuery]int{{}: 1, {Kind: gateway.DeliverLogout}: 1, {Target: "wiki"}: 1,
				{UserID: u.ID}: 1, {State: gateway.DeliveryFailed}: 1, {State: gateway.DeliverySent}: 0, {Target: "chat"}: 0,
				{UserID: u.ID, State: gateway.DeliveryFailed, Target: "wiki", Kind: gateway.DeliverLogout}: 1, {Before: next.ID}: 0,
				{UserID: u.ID, Kind: gateway.DeliverNotification}: 0, {Limit: -1 << 31}: 1, {Limit: 1 << 31}: 1} {
				found, err := f.store.Deliveries(t.Context(), q)
				wantNoError(t, err)
				wantEqual(t, fmt.Sprintf("found by %+v", q), len(found), want)
			}
			e := gateway.Event{At: noon, Kind: "retried"}
			wantNoError(t, f.store.RetryDelivery(t.Context(), next.ID, after(time.Hour), e))
			again := claim(after(time.Hour))
			wantEqual(t, "attempts", again.Attempts, 1)
			wantEqual(t, "last error", again.LastError, "the app answered 500")
			wantEqual(t, "claims", again.Subject+" "+again.SessionID, "sub sid")
			again.State = gateway.DeliverySent
			wantNoError(t, f.store.FinishDelivery(t.Context(), again))
			sent, err := f.store.Deliveries(t.Context(), gateway.DeliveryQuery{})
			wantNoError(t, err)
			wantEqual(t, "claims of what is sent", sent[0].Subject+sent[0].SessionID, "")
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{})), 3)
			wantEqual(t, "swept early", f.sweep(after(30*24*time.Hour-time.Second), time.Time{}, 0), 0)
			wantEqual(t, "swept", f.sweep(after(30*24*time.Hour), time.Time{}, 0), 1)
			wantNoError(t, f.store.AddDeliveries(t.Context(), gateway.Delivery{Kind: gateway.DeliverLogout, NextAt: noon}))
			if id := claim(noon).ID; id <= next.ID {
				t.Fatalf("the id %d was given twice", id)
			}
		},
	},
	{
		name:   "a process that is killed before it sends a logout token loses none",
		reason: "the app would keep the user signed in",
		run: func(t *testing.T, f *fixture) {
			u := f.addUser("o1")
			for _, session := range []string{"s1", "s2"} {
				f.addSession(u.ID, session)
				f.addAppSession(u.ID, session, "wiki")
				wantNoError(t, f.store.DeleteSession(t.Context(), hash(session), noon))
			}
			claim := func(at time.Time, limit int) []gateway.Delivery {
				got, err := f.store.ClaimDeliveries(t.Context(), gateway.DeliverLogout, at, time.Minute, limit)
				wantNoError(t, err)
				return got
			}
			wantEqual(t, "claimed by the process that is killed", len(claim(noon, 1)), 1)
			if !f.reopen() {
				return
			}
			wantEqual(t, "not claimed before", len(claim(noon, 10)), 1)
			wantEqual(t, "during the lease", len(claim(after(59*time.Second), 10)), 0)
			again := claim(after(time.Minute), 10)
			wantEqual(t, "after the lease", len(again), 2)
			for _, d := range again {
				wantEqual(t, "attempts", d.Attempts, 2)
				d.State = gateway.DeliverySent
				wantNoError(t, f.store.FinishDelivery(t.Context(), d))
			}
			wantEqual(t, "sent", len(claim(after(time.Hour), 10)), 0)
		},
	},
	{
		name:   "a delivery that waits is made due, unless it was tried",
		reason: "a notice about a waiting user waits a minute for the user's name, and is due when the name is given",
		run: func(t *testing.T, f *fixture) {
			add := func(kind gateway.DeliveryKind, user string, at time.Time) {
				wantNoError(t, f.store.AddDeliveries(t.Context(), gateway.Delivery{Kind: kind, Target: "bot", UserID: user,
					CreatedAt: noon, NextAt: at}))
			}
			add(gateway.DeliverNotification, "u1", after(-time.Second))
			claimed, err := f.store.ClaimDeliveries(t.Context(), gateway.DeliverNotification, noon, time.Hour, 9)
			wantNoError(t, err)
			wantEqual(t, "tried", len(claimed), 1)
			add(gateway.DeliverNotification, "u1", after(time.Minute))
			add(gateway.DeliverNotification, "u2", after(time.Minute))
			add(gateway.DeliverNotification, "", after(time.Minute))
			add(gateway.DeliverLogout, "u1", after(time.Minute))
			for user, want := range map[string]int{"u1": 1, "": 0, "u3": 0} {
				n, err := f.store.HastenDeliveries(t.Context(), gateway.DeliverNotification, user, noon)
				wantNoError(t, err)
				wantEqual(t, "hastened of "+user, n, want)
			}
			claimed, err = f.store.ClaimDeliveries(t.Context(), gateway.DeliverNotification, noon, time.Hour, 9)
			wantNoError(t, err)
			if len(claimed) != 1 || claimed[0].UserID != "u1" {
				t.Fatalf("due: %+v", claimed)
			}
		},
	},
	{
		name:       "counts of several processes add up, and problems keep their latest occurrence",
		reason:     "the charts that administrators see would be wrong",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			f.concurrently(8, func(i int) {
				counts := []gateway.Statistic{{Hour: noon, Name: "a", Label: "x", Count: 1},
					{Hour: noon, Name: "b", Label: "x", Count: 2}, {Hour: noon, Name: "a", Label: "x", Count: 1}}
				if i%2 == 0 {
					slices.Reverse(counts)
				}
				at := after(time.Duration(i) * time.Second)
				problems := []gateway.Problem{{Source: "wechat:main", Code: "40164", FirstAt: at, LastAt: at, Count: 1,
					RequestID: fmt.Sprint("r", i), Detail: fmt.Sprint("d", i)}}
				if err := stores[i%2].AddStatistics(t.Context(), counts, problems); err != nil {
					t.Error(err)
				}
			})
			wantNoError(t, f.store.AddStatistics(t.Context(), nil, nil))
			got, err := f.store.Statistics(t.Context(), noon, after(time.Hour))
			wantNoError(t, err)
			wantEqual(t, "counts", fmt.Sprint(len(got), got[0].Count, got[1].Count, got[0].Hour == noon), "2 16 16 true")
			none, err := f.store.Statistics(t.Context(), after(-time.Hour), noon)
			wantNoError(t, err)
			wantEqual(t, "of another hour", len(none), 0)
			problems, err := f.store.Problems(t.Context(), noon)
			wantNoError(t, err)
			if p := problems[0]; len(problems) != 1 || p.Count != 8 || p.RequestID != "r7" || p.Detail != "d7" ||
				p.LastAt != after(7*time.Second) {
				t.Fatalf("problems %+v", problems)
			}
			problems, err = f.store.Problems(t.Context(), after(8*time.Second))
			wantNoError(t, err)
			wantEqual(t, "older problems", len(problems), 0)
			for name, text := range hostileTexts() {
				err := f.store.AddStatistics(t.Context(), []gateway.Statistic{{Hour: noon, Name: text, Label: text, Count: 1}},
					[]gateway.Problem{{Source: text, Code: text, FirstAt: noon, LastAt: noon, RequestID: text, Detail: text}})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			wantEqual(t, "swept", f.sweep(after(31*24*time.Hour), time.Time{}, 0), 1+len(hostileTexts()))
			wantEqual(t, "swept", f.sweep(after(401*24*time.Hour), time.Time{}, 0), 2+len(hostileTexts()))
		},
	},
}

// all returns how often each result occurred.
func (c *counter) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	copied := map[string]int{}
	for k, v := range c.counts {
		copied[k] = v
	}
	return copied
}
