package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// total returns limits for cases that reach only the total, and never the limit of one network.
func total(n int) gateway.TicketLimits { return gateway.TicketLimits{Total: n, PerNetwork: n + 1000} }

// newTicketFrom returns ticket n of a network. Tickets with greater numbers expire later, so they
// count as newer.
func newTicketFrom(network string, n int) gateway.Ticket {
	ticket := newTicket(fmt.Sprint(network, " ", n))
	ticket.Network, ticket.ExpiresAt = network, ticket.ExpiresAt.Add(time.Duration(n)*time.Microsecond)
	return ticket
}

// remaining returns how many of the tickets still exist.
func (f *fixture) remaining(tickets []gateway.Ticket) int {
	f.t.Helper()
	var hashes [][32]byte
	for _, ticket := range tickets {
		hashes = append(hashes, ticket.Hash)
	}
	return len(f.ticketStates(hashes, noon))
}

// ticketLimitCases test the limits on the number of unanswered tickets. A ticket is one sign-in by
// QR code. The caller passes the limits to PutTicket.
var ticketLimitCases = []testCase{
	{
		name:       "concurrent requests do not exceed the limit",
		reason:     "a flood of codes must fill neither the disk nor the memory",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores, userID := f.handles(), f.addUser("o1").ID
			const limit = 10
			tickets := make([]gateway.Ticket, f.concurrency())
			f.concurrently(f.concurrency(), func(i int) {
				tickets[i] = newTicketFrom("flood", i)
				if err := stores[i%2].PutTicket(t.Context(), tickets[i], noon, total(limit)); err != nil {
					t.Error(err)
				}
			})
			wantEqual(t, "tickets", f.remaining(tickets), limit)
			for _, ticket := range tickets {
				if f.remaining([]gateway.Ticket{ticket}) == 1 {
					f.scanTicket(ticket.Hash, newApprover(userID), noon)
				}
			}
			wantError(t, f.store.PutTicket(t.Context(), newTicket("late"), noon, total(limit)), gateway.ErrFull)
			wantEqual(t, "tickets that were scanned", f.remaining(tickets), limit)
			late := newTicket("late")
			late.ExpiresAt = after(time.Hour)
			wantNoError(t, f.store.PutTicket(t.Context(), late, after(3*time.Minute), total(limit)))
		},
	},
	{
		name:       "the store counts exactly near the limit, though fast far from it",
		reason:     "the fast way of counting must not allow more tickets than the limit",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			limit := 320 // PostgreSQL counts without a lock until 256 tickets are left: test both ways of counting
			if f.Race {
				limit = 280
			}
			tickets := make([]gateway.Ticket, limit-1+f.concurrency())
			for i := range tickets {
				tickets[i] = newTicketFrom("flood", i)
			}
			put := func(i int) {
				if err := stores[i%2].PutTicket(t.Context(), tickets[i], noon, total(limit)); err != nil {
					t.Error(err)
				}
			}
			f.concurrently(16, func(worker int) {
				for i := worker; i < limit-1; i += 16 {
					put(i)
				}
			})
			wantEqual(t, "tickets below the limit", f.remaining(tickets), limit-1)
			f.concurrently(f.concurrency(), func(i int) { put(limit - 1 + i) })
			if n := f.remaining(tickets); n > limit || n < limit-total(limit).Excess() {
				t.Errorf("%d tickets, want about %d", n, limit)
			}
		},
	},
	{
		name:   "the limit counts unanswered tickets only",
		reason: "many real sign-ins must not reach the limit, and cancelling must not avoid it",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			limits := total(3)
			var answered []gateway.Ticket
			for i, answer := range []gateway.TicketState{
				gateway.TicketApproved, gateway.TicketRefused, gateway.TicketMismatch, gateway.TicketApproved,
			} {
				ticket := f.addScannedTicket(fmt.Sprint("answered", i), userID)
				f.answerTicket(ticket.Hash, userID, answer, noon)
				if i == 3 {
					f.redeemTicket(ticket.Hash, ticket.Desktop, noon)
				}
				answered = append(answered, ticket)
			}
			scanned, cancelled, open := newTicketFrom("n", 1), newTicketFrom("n", 2), newTicketFrom("n", 3)
			for _, ticket := range []gateway.Ticket{scanned, cancelled, open} {
				wantNoError(t, f.store.PutTicket(t.Context(), ticket, noon, limits))
			}
			f.scanTicket(scanned.Hash, newApprover(userID), noon)
			wantNoError(t, f.store.CancelTicket(t.Context(), cancelled.Hash, cancelled.Desktop, noon))
			wantNoError(t, f.store.PutTicket(t.Context(), newTicketFrom("n", 4), noon, limits))
			wantEqual(t, "cancelled tickets", f.remaining([]gateway.Ticket{cancelled}), 0)
			wantEqual(t, "other tickets", f.remaining([]gateway.Ticket{scanned, open, newTicketFrom("n", 4)}), 3)
			wantEqual(t, "answered tickets", f.remaining(answered), 4)
		},
	},
	{
		name:   "a flood from twenty networks leaves the tickets of others",
		reason: "a few rented addresses would keep every desktop from signing in",
		run: func(t *testing.T, f *fixture) {
			limits := gateway.TicketLimits{Total: 128, PerNetwork: 1000}
			honest := []gateway.Ticket{newTicketFrom("honest", 0), newTicketFrom("honest", 1)}
			unknown := newTicketFrom("", 2) // the address of the desktop is not known
			for _, ticket := range append(honest, unknown) {
				wantNoError(t, f.store.PutTicket(t.Context(), ticket, noon, limits))
			}
			var flood []gateway.Ticket
			for i := range 400 {
				ticket := newTicketFrom(fmt.Sprint("flood ", i%20), i)
				wantNoError(t, f.store.PutTicket(t.Context(), ticket, noon, limits))
				flood = append(flood, ticket)
				if n := f.remaining(append(flood, append(honest, unknown)...)); n > limits.Total {
					t.Fatalf("%d tickets", n)
				}
			}
			wantEqual(t, "tickets of others", f.remaining(append(honest, unknown)), 3)
			late := newTicketFrom("another", 0)
			wantNoError(t, f.store.PutTicket(t.Context(), late, noon, limits))
			wantEqual(t, "a late ticket", f.remaining([]gateway.Ticket{late}), 1)
			// About 124 tickets of the flood remain: the newest of each of the 20 networks, about
			// equally many of each network.
			for network := range 20 {
				var ofNetwork []gateway.Ticket
				for i := network; i < len(flood); i += 20 {
					ofNetwork = append(ofNetwork, flood[i])
				}
				if n := f.remaining(ofNetwork); n < 5 || n > 8 || f.remaining(ofNetwork[len(ofNetwork)-n:]) != n {
					t.Errorf("network %d has %d tickets, not the newest or not its share", network, n)
				}
			}
		},
	},
	{
		name:   "a network above its limit replaces its own tickets",
		reason: "one network would fill the disk, or none of its users could sign in",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			limits := gateway.TicketLimits{Total: 1000, PerNetwork: 16}
			other, scanned := newTicketFrom("other", 0), newTicketFrom("flood", 0)
			wantNoError(t, f.store.PutTicket(t.Context(), other, noon, limits))
			wantNoError(t, f.store.PutTicket(t.Context(), scanned, noon, limits))
			f.scanTicket(scanned.Hash, newApprover(userID), noon)
			var flood []gateway.Ticket
			for i := 1; i <= 100; i++ {
				flood = append(flood, newTicketFrom("flood", i))
				wantNoError(t, f.store.PutTicket(t.Context(), flood[i-1], noon, limits))
				if n := f.remaining(flood); n > limits.PerNetwork {
					t.Fatalf("%d tickets of one network", n)
				}
			}
			wantEqual(t, "the newest", f.remaining(flood[len(flood)-limits.KeepOfNetwork():]), limits.KeepOfNetwork())
			wantEqual(t, "others", f.remaining([]gateway.Ticket{other, scanned}), 2)
		},
	},
}
