package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Cases about the limit on the number of tickets.
var ticketLimitCases = []testCase{
	{
		name:   "concurrent requests do not exceed the limit",
		reason: "a flood of codes must fill neither the disk nor the memory",
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			const limit = 10
			var seen counter
			concurrently(f.concurrency(), func(i int) {
				seen.add(errorName(stores[i%2].PutTicket(t.Context(), newTicket(fmt.Sprint("t", i)), noon, limit)))
			})
			wantEqual(t, "put", fmt.Sprint(seen.counts),
				fmt.Sprint(map[string]int{"ok": limit, "full": f.concurrency() - limit}))
			wantError(t, f.store.PutTicket(t.Context(), newTicket("late"), after(2*time.Minute-time.Microsecond), limit),
				gateway.ErrFull)
			late := newTicket("late")
			late.ExpiresAt = after(time.Hour)
			if err := f.store.PutTicket(t.Context(), late, after(2*time.Minute), limit); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name:   "the fast count far from the limit is exact near it",
		reason: "the fast count must not allow more than the limit",
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			limit := 320
			if f.Race {
				limit = 280
			}
			concurrently(16, func(w int) {
				for i := w; i < limit-1; i += 16 {
					if err := stores[w%2].PutTicket(t.Context(), newTicket(fmt.Sprint("t", i)), noon, limit); err != nil {
						t.Error(err)
					}
				}
			})
			var seen counter
			concurrently(f.concurrency(), func(i int) {
				seen.add(errorName(stores[i%2].PutTicket(t.Context(), newTicket(fmt.Sprint("late", i)), noon, limit)))
			})
			wantEqual(t, "put", fmt.Sprint(seen.counts), fmt.Sprint(map[string]int{"ok": 1, "full": f.concurrency() - 1}))
		},
	},
	{
		name:   "the limit counts unanswered tickets only",
		reason: "many real sign-ins must not reach the limit, and cancelling must not avoid it",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			const limit = 3
			put := func(name string) string {
				return errorName(f.store.PutTicket(t.Context(), newTicket(name), noon, limit))
			}
			for i, answer := range []gateway.TicketState{
				gateway.TicketApproved, gateway.TicketRefused, gateway.TicketMismatch, gateway.TicketApproved,
			} {
				ticket := f.addScannedTicket(fmt.Sprint("answered", i), id)
				f.answerTicket(ticket.Hash, id, answer, noon)
				if i == 3 {
					f.redeemTicket(ticket.Hash, ticket.Desktop, noon)
				}
			}
			wantEqual(t, "first", put("t1"), "ok")
			wantEqual(t, "second", put("t2"), "ok")
			ticket := newTicket("t2")
			if err := f.store.CancelTicket(t.Context(), ticket.Hash, ticket.Desktop, noon); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "third", put("t3"), "ok")
			f.scanTicket(newTicket("t3").Hash, newApprover(id), noon)
			wantEqual(t, "fourth", put("t4"), "full")
			f.answerTicket(newTicket("t3").Hash, id, gateway.TicketRefused, noon)
			wantEqual(t, "after an answer", put("t4"), "ok")
		},
	},
}
