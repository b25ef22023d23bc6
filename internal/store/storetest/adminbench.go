package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// The benchmark in this file measures what the pages of administrators read, in a large database.

// adminUsers and adminEvents are the sizes of the database of BenchmarkAdministration when
// WEIGATE_BENCH_LINES is 100,000; with another number they are in proportion.
const adminUsers, adminEvents = 100_000, 1_000_000

// adminQueries are the queries of the pages, by name. ids are the ids of all users, the oldest
// first. n differs in each call.
func adminQueries(store gateway.Store, ids []string) map[string]func(ctx context.Context, n int) error {
	search := func(q gateway.UserSearch) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error { _, err := store.SearchUsers(ctx, q); return err }
	}
	return map[string]func(context.Context, int) error{
		"users":                               search(gateway.UserSearch{}),
		"users page in the middle":            search(gateway.UserSearch{After: ids[len(ids)/2]}),
		"users last page":                     search(gateway.UserSearch{After: ids[20]}),
		"users of a large group":              search(gateway.UserSearch{Group: "staff"}),
		"users of a group, last page":         search(gateway.UserSearch{Group: "staff", After: ids[200]}),
		"users of a small group":              search(gateway.UserSearch{Group: "group7"}),
		"users who are administrators":        search(gateway.UserSearch{Admin: true}),
		"users search: family name":           search(gateway.UserSearch{Text: "王"}),
		"users search: one letter":            search(gateway.UserSearch{Text: "s"}),
		"users search: every note":            search(gateway.UserSearch{Text: "二楼"}),
		"users search: every note, last page": search(gateway.UserSearch{Text: "二楼", After: ids[200]}),
		"users search: every note in a group": search(gateway.UserSearch{Text: "floor", Group: "group7"}),
		"users search: rare":                  search(gateway.UserSearch{Text: "分机 3003,"}),
		"users search: nothing":               search(gateway.UserSearch{Text: "nobody has this name"}),
		"users search: wildcards":             search(gateway.UserSearch{Text: "%_%"}),
		"user by openid": func(ctx context.Context, n int) error {
			_, err := store.SearchUsers(ctx, gateway.UserSearch{Text: importedUser(n % len(ids)).OpenID})
			return err
		},
		"users by id": func(ctx context.Context, _ int) error { _, err := store.UsersByID(ctx, ids[:500]); return err },
		"waiting": func(ctx context.Context, _ int) error {
			_, err := store.WaitingUsers(ctx, gateway.WaitingQuery{})
			return err
		},
		"waiting for an app, page in the middle": func(ctx context.Context, _ int) error {
			_, err := store.WaitingUsers(ctx, gateway.WaitingQuery{App: "app3",
				After: after(time.Duration(len(ids)/2) * time.Second), AfterUser: "a", AfterApp: "app3"})
			return err
		},
		"count of waiting": func(ctx context.Context, _ int) error { _, err := store.CountWaiting(ctx, 1000); return err },
		"requests of a user": func(ctx context.Context, n int) error {
			_, err := store.UserRequests(ctx, ids[n%len(ids)])
			return err
		},
		"deliveries": func(ctx context.Context, _ int) error {
			_, err := store.Deliveries(ctx, gateway.DeliveryQuery{})
			return err
		},
		"deliveries of an app": func(ctx context.Context, _ int) error {
			_, err := store.Deliveries(ctx, gateway.DeliveryQuery{Target: "app3", Kind: gateway.DeliverLogout})
			return err
		},
		"deliveries that failed": func(ctx context.Context, _ int) error {
			_, err := store.Deliveries(ctx, gateway.DeliveryQuery{State: gateway.DeliveryFailed})
			return err
		},
		"deliveries to claim": func(ctx context.Context, n int) error {
			_, err := store.ClaimDeliveries(ctx, gateway.DeliverLogout, noon, time.Minute, 20)
			return err
		},
		"statistics of a week": func(ctx context.Context, _ int) error {
			_, err := store.Statistics(ctx, noon.Add(-7*24*time.Hour), noon)
			return err
		},
		"administrators": func(ctx context.Context, _ int) error { _, err := store.CountAdmins(ctx); return err },
		"invitations": func(ctx context.Context, _ int) error {
			_, err := store.Invitations(ctx, gateway.InvitationQuery{})
			return err
		},
		"a change of groups": func(ctx context.Context, n int) error {
			_, err := store.ChangeUser(ctx, changeUser(ids[n%len(ids)], func(u *gateway.User) {
				u.Groups = []string{"staff", fmt.Sprint("n", n)}
			}))
			return err
		},
	}
}

// eventQueries are the queries of the pages of events, as adminQueries.
func eventQueries(store gateway.Store, ids []string) map[string]func(ctx context.Context, n int) error {
	events := func(q gateway.EventQuery) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error { _, err := store.SearchEvents(ctx, q); return err }
	}
	middle := int64(len(ids) * adminEvents / adminUsers / 2) // id of the event in the middle
	return map[string]func(context.Context, int) error{
		"events":                    events(gateway.EventQuery{}),
		"events page in the middle": events(gateway.EventQuery{Before: middle}),
		"events of a user": func(ctx context.Context, n int) error {
			_, err := store.SearchEvents(ctx, gateway.EventQuery{UserID: ids[n%len(ids)]})
			return err
		},
		"events of an administrator":      events(gateway.EventQuery{Actor: "boss"}),
		"events that failed":              events(gateway.EventQuery{Outcome: "!ok"}),
		"events that failed, of an app":   events(gateway.EventQuery{Outcome: "!ok", App: "app3", Kind: "sign_in"}),
		"events of a rare outcome":        events(gateway.EventQuery{Outcome: "odd"}),
		"events of a rare kind":           events(gateway.EventQuery{Kind: "rare"}),
		"events of a rare kind of an app": events(gateway.EventQuery{Kind: "user_changed", App: "app3"}),
		"events of a day half a year ago": events(gateway.EventQuery{Since: noon.Add(-180 * 24 * time.Hour),
			Until: noon.Add(-179 * 24 * time.Hour)}),
		"events of a day, failed": events(gateway.EventQuery{Since: noon.Add(-180 * 24 * time.Hour),
			Until: noon.Add(-179 * 24 * time.Hour), Outcome: "!ok", App: "app3"}),
		"events of an hour without any": events(gateway.EventQuery{Since: after(time.Hour)}),
		"events of a request": func(ctx context.Context, n int) error {
			_, err := store.SearchEvents(ctx, gateway.EventQuery{RequestID: fmt.Sprint("request ", n)})
			return err
		},
		"events for an export": events(gateway.EventQuery{Limit: 500, Before: middle}),
	}
}

// BenchmarkAdministration reports the median time of each query of the pages of administrators,
// with as many users as BenchLines and ten times as many events. It calls filled, unless filled is
// nil, when the database is filled.
func BenchmarkAdministration(b *testing.B, store gateway.Store, fill Fill, filled func()) {
	ids := FillAdministration(b, store, BenchLines(), fill).UserIDs
	slices.Reverse(ids)
	if filled != nil {
		filled()
	}
	queries := adminQueries(store, ids)
	maps.Copy(queries, eventQueries(store, ids))
	names := make([]string, 0, len(queries))
	for name := range queries {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			for n := 0; b.Loop(); n++ {
				began := time.Now()
				wantNoError(b, queries[name](b.Context(), n*7919)) // users of successive calls are far apart
				times = append(times, time.Since(began))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "median-ms")
			b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "max-ms")
			b.ReportMetric(0, "ns/op") // 0 omits it: it would be the mean
		})
	}
}
