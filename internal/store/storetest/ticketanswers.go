package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// ticketAnswerCases test who may answer, cancel and redeem a ticket, which is one sign-in by QR
// code. The desktop shows a number. The approver (the user of the phone) types the number, and the
// answer is approved or, for a wrong number, mismatch; or the approver refuses ("Not me"). The
// desktop cancels or redeems the ticket. To do so it needs the secret in its cookie, and
// Ticket.Desktop is the hash of this secret.
var ticketAnswerCases = []testCase{
	{
		name:       "an answer counts once",
		reason:     "a second tap must not turn a refusal into an approval",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			userID, stranger := f.addUser("o1").ID, f.addUser("o2").ID
			ticket := f.addTicket("t0")
			_, err := f.store.AnswerTicket(t.Context(), ticket.Hash, userID, gateway.TicketApproved, noon)
			wantError(t, err, gateway.ErrConflict) // it was not scanned
			for _, nobody := range []string{"", gateway.NewID()} {
				_, err = f.store.AnswerTicket(t.Context(), ticket.Hash, nobody, gateway.TicketApproved, noon)
				wantError(t, err, gateway.ErrConflict)
			}
			for round := range 3 {
				ticket := f.addScannedTicket(fmt.Sprint("t", round+1), userID)
				_, err := f.store.AnswerTicket(t.Context(), ticket.Hash, stranger, gateway.TicketApproved, noon)
				wantError(t, err, gateway.ErrConflict)
				for _, invalid := range []gateway.TicketState{gateway.TicketRedeemed, gateway.TicketOpen, "", "yes"} {
					if _, err := f.store.AnswerTicket(t.Context(), ticket.Hash, userID, invalid, noon); err == nil {
						t.Fatalf("answered by %q", invalid)
					}
				}
				f.wantTicketState(ticket, gateway.TicketScanned)
				// Half of the requests approve the ticket, half answer that the number is wrong.
				// i%2 selects the handle and i/2%2 the answer, so that both handles send both
				// answers.
				answers := []gateway.TicketState{gateway.TicketApproved, gateway.TicketMismatch}
				var results, states counter
				f.concurrently(f.concurrency(), func(i int) {
					got, err := stores[i%2].AnswerTicket(t.Context(), ticket.Hash, userID, answers[i/2%2], noon)
					results.add(errorName(err))
					states.add(string(got.State))
				})
				results.want(t, "answers", map[string]int{"ok": 1, "conflict": f.concurrency() - 1})
				states.wantOneResult(t, "states returned")
			}
		},
	},
	{
		name:       "a withdrawn approval signs nobody in",
		reason:     "\"Not me\" on the phone must be final",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			userID, stranger := f.addUser("o1").ID, f.addUser("o2").ID
			for round := range 10 {
				ticket := f.addApprovedTicket(fmt.Sprint("t", round), userID)
				_, err := f.store.AnswerTicket(t.Context(), ticket.Hash, stranger, gateway.TicketRefused, noon)
				wantError(t, err, gateway.ErrConflict)
				for _, other := range []gateway.TicketState{gateway.TicketApproved, gateway.TicketMismatch} {
					_, err := f.store.AnswerTicket(t.Context(), ticket.Hash, userID, other, noon)
					wantError(t, err, gateway.ErrConflict)
				}
				var withdrawErr, redeemErr error
				f.concurrently(2, func(i int) {
					if i == 0 {
						_, withdrawErr = stores[0].AnswerTicket(t.Context(), ticket.Hash, userID, gateway.TicketRefused, noon)
						return
					}
					_, redeemErr = stores[1].RedeemTicket(t.Context(), newRedemption(ticket.Hash, ticket.Desktop, noon))
				})
				if (withdrawErr == nil) == (redeemErr == nil) {
					t.Fatalf("withdrawn: %v; redeemed: %v", withdrawErr, redeemErr)
				}
				if withdrawErr == nil {
					f.wantTicketState(ticket, gateway.TicketRefused)
					wantError(t, redeemErr, gateway.ErrConflict)
					continue
				}
				f.wantTicketState(ticket, gateway.TicketRedeemed)
				wantError(t, withdrawErr, gateway.ErrConflict)
			}
		},
	},
	{
		name:       "one of a hundred requests redeems the ticket",
		reason:     "a ticket that is valid twice would sign in anybody with a copy",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			userID := f.addUser("o1").ID
			for round := range 3 {
				ticket := f.addApprovedTicket(fmt.Sprint("t", round), userID)
				var results, tickets counter
				f.concurrently(f.concurrency(), func(i int) {
					got, err := stores[i%2].RedeemTicket(t.Context(), newRedemption(ticket.Hash, ticket.Desktop, noon))
					results.add(errorName(err))
					tickets.add(fmt.Sprint(got.State, got.Approver.UserID))
				})
				results.want(t, "redemptions", map[string]int{"ok": 1, "replay": f.concurrency() - 1})
				redeemed := string(gateway.TicketRedeemed) + userID
				tickets.want(t, "states and users returned", map[string]int{redeemed: f.concurrency()})
			}
		},
	},
	{
		name:   "the id alone can neither redeem nor cancel a ticket",
		reason: "the QR code on the screen contains the id",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			for name, ticket := range map[string]gateway.Ticket{
				"open":     f.addTicket("t1"),
				"scanned":  f.addScannedTicket("t2", userID),
				"approved": f.addApprovedTicket("t3", userID),
			} {
				for _, guess := range [][32]byte{{}, ticket.Hash, hash("desktop t9")} {
					for _, when := range []time.Time{noon, after(time.Hour)} {
						got, err := f.store.RedeemTicket(t.Context(), newRedemption(ticket.Hash, guess, when))
						if !errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrExpired) || got.State != "" {
							t.Fatalf("%s: redeemed with a guess: %+v, %v", name, got, err)
						}
						err = f.store.CancelTicket(t.Context(), ticket.Hash, guess, when)
						if !errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrExpired) {
							t.Fatalf("%s: cancelled with a guess: %v", name, err)
						}
					}
				}
				f.wantTicketState(ticket, ticket.State)
			}
		},
	},
	{
		name:   "a guessed id is not found",
		reason: "guessing must reveal nothing",
		run: func(t *testing.T, f *fixture) {
			userID, guess := f.addUser("o1").ID, hash("guess")
			_, err := f.store.Ticket(t.Context(), guess, noon)
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.ScanTicket(t.Context(), guess, newApprover(userID), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.AnswerTicket(t.Context(), guess, userID, gateway.TicketApproved, noon)
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.RedeemTicket(t.Context(), newRedemption(guess, guess, noon))
			wantError(t, err, gateway.ErrNotFound)
			wantError(t, f.store.CancelTicket(t.Context(), guess, guess, noon), gateway.ErrNotFound)
		},
	},
	{
		name:   "only an approved ticket is redeemed, only one that signed nobody in is cancelled",
		reason: "the desktop must wait for the answer of the phone, and may give up until it is signed in",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			answered := func(answer gateway.TicketState) gateway.Ticket {
				return f.answerTicket(f.addScannedTicket(string(answer), userID).Hash, userID, answer, noon)
			}
			redeemed := f.addApprovedTicket("redeemed", userID)
			f.redeemTicket(redeemed.Hash, redeemed.Desktop, noon)
			cancelled := f.addTicket("cancelled")
			wantNoError(t, f.store.CancelTicket(t.Context(), cancelled.Hash, cancelled.Desktop, noon))
			for _, test := range []struct {
				state          gateway.TicketState
				ticket         gateway.Ticket
				redeem, cancel string // results; redeem "" = not tried, because redeeming would succeed and prevent cancelling
			}{
				{gateway.TicketOpen, f.addTicket("open"), "conflict", "ok"},
				{gateway.TicketScanned, f.addScannedTicket("scanned", userID), "conflict", "ok"},
				{gateway.TicketRefused, answered(gateway.TicketRefused), "conflict", "conflict"},
				{gateway.TicketMismatch, answered(gateway.TicketMismatch), "conflict", "conflict"},
				{gateway.TicketApproved, answered(gateway.TicketApproved), "", "ok"},
				{gateway.TicketRedeemed, redeemed, "replay", "conflict"},
				{gateway.TicketCancelled, cancelled, "conflict", "ok"},
			} {
				if test.redeem != "" {
					got, err := f.store.RedeemTicket(t.Context(), newRedemption(test.ticket.Hash, test.ticket.Desktop, noon))
					wantEqual(t, "redeeming a ticket that is "+string(test.state), errorName(err), test.redeem)
					wantEqual(t, "state returned", got.State, test.state)
				}
				err := f.store.CancelTicket(t.Context(), test.ticket.Hash, test.ticket.Desktop, noon)
				wantEqual(t, "cancelling a ticket that is "+string(test.state), errorName(err), test.cancel)
				if test.cancel == "ok" {
					f.wantTicketState(test.ticket, gateway.TicketCancelled)
					_, err := f.store.ScanTicket(t.Context(), test.ticket.Hash, newApprover(userID), noon)
					wantError(t, err, gateway.ErrConflict)
					_, err = f.store.AnswerTicket(t.Context(), test.ticket.Hash, userID, gateway.TicketApproved, noon)
					wantError(t, err, gateway.ErrConflict)
				}
			}
		},
	},
	{
		name:       "a cancelled ticket stays cancelled, whatever is answered at the same time",
		reason:     "the phone would sign in a desktop that gave up",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			for round := range 10 {
				ticket := f.addScannedTicket(fmt.Sprint("t", round), userID)
				var cancelled, answered counter
				f.concurrently(8, func(i int) {
					if i%2 == 0 {
						cancelled.add(errorName(f.store.CancelTicket(t.Context(), ticket.Hash, ticket.Desktop, noon)))
						return
					}
					_, err := f.store.AnswerTicket(t.Context(), ticket.Hash, userID, gateway.TicketApproved, noon)
					answered.add(errorName(err))
				})
				cancelled.want(t, "cancelled", map[string]int{"ok": 4})
				if answered.counts["ok"] > 1 {
					t.Fatalf("answers %v", answered.counts)
				}
				f.wantTicketState(ticket, gateway.TicketCancelled)
				_, err := f.store.RedeemTicket(t.Context(), newRedemption(ticket.Hash, ticket.Desktop, noon))
				wantError(t, err, gateway.ErrConflict)
			}
		},
	},
}
