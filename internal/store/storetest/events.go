package storetest

import (
	"fmt"
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
			wantEqual(t, "swept", f.sweep(noon, after(5*time.Minute), 3), 3)
			wantEqual(t, "swept", f.sweep(noon, after(5*time.Minute), 3), 2)
			wantEqual(t, "left", len(f.listEvents(gateway.EventQuery{})), 5)
		},
	},
}
