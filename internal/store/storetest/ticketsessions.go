package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// ticketSessionCases test the desktop's session. RedeemTicket stores it when it redeems a ticket,
// which is one sign-in by QR code.
var ticketSessionCases = []testCase{
	{
		name:   "a redeemed ticket has stored its session and its event",
		reason: "a process that is killed in between would leave a session that nobody can end, or none",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			ticket := f.addApprovedTicket("t1", userID)
			redemption := newRedemption(ticket.Hash, ticket.Desktop, noon)
			if _, err := f.store.RedeemTicket(t.Context(), redemption); err != nil {
				t.Fatal(err)
			}
			got, err := f.store.Session(t.Context(), redemption.Session.Hash, noon)
			wantNoError(t, err)
			wantEqual(t, "user of the session", got.UserID, userID)
			events, err := f.store.Events(t.Context(), gateway.EventQuery{Kind: "sign_in"})
			wantNoError(t, err)
			if len(events) != 1 || events[0].UserID != userID || events[0].Method != "scan" {
				t.Errorf("events %+v", events)
			}
		},
	},
	{
		name:   "an approved ticket is refused when its approver signs out everywhere",
		reason: "a desktop of an attacker would get its session after the victim has ended all",
		run: func(t *testing.T, f *fixture) {
			for i, end := range []func(userID string) error{
				func(userID string) error {
					_, err := f.store.DeleteUserSessions(t.Context(), userID, noon)
					return err
				},
				func(userID string) error {
					_, err := f.store.EndSessions(t.Context(), gateway.SessionsEnd{UserID: userID, Now: noon})
					return err
				},
			} {
				name := fmt.Sprint("t", i)
				userID := f.addUser("o" + name).ID
				ticket := f.addApprovedTicket(name, userID)
				wantNoError(t, end(userID))
				redemption := newRedemption(ticket.Hash, ticket.Desktop, noon)
				if _, err := f.store.RedeemTicket(t.Context(), redemption); err == nil {
					t.Error("the ticket was redeemed after the sign-out")
				}
				_, err := f.store.Session(t.Context(), redemption.Session.Hash, noon)
				wantError(t, err, gateway.ErrNotFound)
			}
		},
	},
	{
		name:       "a session that was ended is not stored again",
		reason:     "a second request of the desktop would undo \"Not me\"",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			userID := f.addUser("o1").ID
			for round := range 5 {
				ticket := f.addApprovedTicket(fmt.Sprint("t", round), userID)
				redemption := newRedemption(ticket.Hash, ticket.Desktop, noon)
				// One request redeems the ticket and deletes the session at once. The other
				// requests arrive before or after the deletion, and must not store the session
				// again.
				f.concurrently(f.concurrency(), func(i int) {
					_, err := stores[i%2].RedeemTicket(t.Context(), redemption)
					if err == nil {
						err = stores[i%2].DeleteSession(t.Context(), redemption.Session.Hash, noon)
					} else if errorName(err) == "replay" {
						err = nil
					}
					if err != nil {
						t.Error(err)
					}
				})
				_, err := f.store.Session(t.Context(), redemption.Session.Hash, noon)
				wantError(t, err, gateway.ErrNotFound)
			}
		},
	},
	{
		name:       "a session exists exactly when the ticket was redeemed",
		reason:     "\"Not me\" and \"Cancel\" must leave no session behind",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			userID := f.addUser("o1").ID
			for round := range 12 {
				ticket := f.addApprovedTicket(fmt.Sprint("t", round), userID)
				redemption := newRedemption(ticket.Hash, ticket.Desktop, noon)
				f.concurrently(3, func(i int) {
					var err error
					switch {
					case i > 0:
						_, err = stores[i%2].RedeemTicket(t.Context(), redemption)
					case round%3 == 0:
						_, err = stores[0].AnswerTicket(t.Context(), ticket.Hash, userID, gateway.TicketRefused, noon)
					case round%3 == 1:
						err = stores[0].CancelTicket(t.Context(), ticket.Hash, ticket.Desktop, noon)
					default:
						_, err = stores[0].UpdateUser(t.Context(), userID, noon, func(user *gateway.User) error {
							user.Status = gateway.Blocked
							return nil
						})
					}
					if name := errorName(err); name != "ok" && name != "conflict" && name != "replay" && name != "blocked" {
						t.Error(err)
					}
				})
				state := f.getTicket(ticket.Hash, noon).State
				_, err := f.store.Session(t.Context(), redemption.Session.Hash, noon)
				want := "not found"
				if state == gateway.TicketRedeemed && round%3 != 2 { // in that round the block deletes the session
					want = "ok"
				}
				wantEqual(t, fmt.Sprint("session of a ticket that is ", state), errorName(err), want)
				_, err = f.store.UpdateUser(t.Context(), userID, noon, func(user *gateway.User) error {
					user.Status = gateway.Active
					return nil
				})
				wantNoError(t, err)
			}
		},
	},
	{
		name:   "a user's approved tickets are listed until they are redeemed, withdrawn or expired",
		reason: "\"Not me\" must work although the phone has opened another code since",
		run: func(t *testing.T, f *fixture) {
			userID, other := f.addUser("o1").ID, f.addUser("o2").ID
			list := func(id string, at time.Duration) string {
				tickets, err := f.store.ApprovedTickets(t.Context(), id, after(at))
				wantNoError(t, err)
				names := ""
				for _, ticket := range tickets {
					names += string(ticket.Data) + ";"
				}
				return names
			}
			first, second := f.addApprovedTicket("1", userID), f.addApprovedTicket("2", userID)
			f.addApprovedTicket("3", other)
			f.addScannedTicket("4", userID)
			withdrawn := f.addApprovedTicket("5", userID)
			f.answerTicket(withdrawn.Hash, userID, gateway.TicketRefused, noon)
			if got := list(userID, 0); got != "data of 1;data of 2;" && got != "data of 2;data of 1;" {
				t.Errorf("approved: %s", got)
			}
			f.redeemTicket(first.Hash, first.Desktop, noon)
			wantEqual(t, "after one was redeemed", list(userID, 0), "data of 2;")
			wantEqual(t, "when it has expired", list(userID, second.ExpiresAt.Sub(noon)), "")
			wantEqual(t, "of nobody", list("", 0)+list(gateway.NewID(), 0), "")
		},
	},
}
