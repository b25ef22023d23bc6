package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// ticketApproverCases test what happens to a ticket when its approver is joined with another user,
// or is blocked. A ticket is one sign-in by QR code. The approver is the user of the phone that
// scanned the QR code.
var ticketApproverCases = []testCase{
	{
		name:   "a join moves the tickets of the joined user",
		reason: "another sign-in may bring the unionid while the phone asks for the answer",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			stranger := f.addUser("o9").ID
			scanned, approved := f.addScannedTicket("t1", younger.ID), f.addApprovedTicket("t2", younger.ID)
			f.recordSignInEvents(siteConnector.signIn(after(time.Hour), "s1", "u1"))
			wantEqual(t, "approver after the join", f.getTicket(scanned.Hash, noon).Approver.UserID, older.ID)
			f.scanTicket(scanned.Hash, newApprover(younger.ID), noon)
			f.scanTicket(scanned.Hash, newApprover(older.ID), noon)
			_, err := f.store.ScanTicket(t.Context(), scanned.Hash, newApprover(stranger), noon)
			wantError(t, err, gateway.ErrConflict)
			got := f.answerTicket(scanned.Hash, younger.ID, gateway.TicketApproved, noon)
			wantEqual(t, "user who is signed in", got.Approver.UserID, older.ID)
			wantEqual(t, "user of an earlier approval", f.redeemTicket(approved.Hash, approved.Desktop, noon).Approver.UserID,
				older.ID)
			late := f.addScannedTicket("t3", younger.ID)
			wantEqual(t, "approver of a scan by the younger id", late.Approver.UserID, older.ID)
		},
	},
	{
		name:       "a join and an answer at the same time both succeed",
		reason:     "the user would see an error and scan again",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			for round := range 5 {
				mainOpenID, siteOpenID, unionID := fmt.Sprint("o", round), fmt.Sprint("s", round), fmt.Sprint("u", round)
				older := f.recordSignIn(mainConnector.signIn(noon, mainOpenID, unionID))
				younger := f.recordSignIn(siteConnector.signIn(after(time.Minute), siteOpenID, ""))
				var tickets []gateway.Ticket
				for i := range 10 {
					tickets = append(tickets, f.addScannedTicket(fmt.Sprint(round, " ", i), younger.ID))
				}
				f.concurrently(11, func(i int) {
					var err error
					if i == 10 {
						_, _, err = f.store.RecordSignIn(t.Context(), siteConnector.signIn(after(time.Hour), siteOpenID, unionID))
					} else {
						_, err = f.store.AnswerTicket(t.Context(), tickets[i].Hash, younger.ID, gateway.TicketApproved, noon)
					}
					if err != nil {
						t.Errorf("%d: %v", i, err)
					}
				})
				for _, ticket := range tickets {
					got := f.redeemTicket(ticket.Hash, ticket.Desktop, noon)
					wantEqual(t, "user who is signed in", got.Approver.UserID, older.ID)
				}
			}
		},
	},
	{
		name:   "blocking refuses the tickets of the user",
		reason: "a blocked user must not sign in a desktop, not even a desktop that waits already",
		run: func(t *testing.T, f *fixture) {
			userID, other := f.addUser("o1").ID, f.addUser("o2").ID
			scanned, approved := f.addScannedTicket("t1", userID), f.addApprovedTicket("t2", userID)
			mismatch, open := f.addScannedTicket("t3", userID), f.addTicket("t4")
			ofOther := f.addScannedTicket("t5", other)
			f.answerTicket(mismatch.Hash, userID, gateway.TicketMismatch, noon)
			f.block(userID)
			f.wantTicketState(scanned, gateway.TicketRefused)
			f.wantTicketState(approved, gateway.TicketRefused)
			f.wantTicketState(mismatch, gateway.TicketMismatch)
			f.wantTicketState(open, gateway.TicketOpen)
			f.wantTicketState(ofOther, gateway.TicketScanned)
			_, err := f.store.RedeemTicket(t.Context(), newRedemption(approved.Hash, approved.Desktop, noon))
			wantError(t, err, gateway.ErrConflict)
			_, err = f.store.AnswerTicket(t.Context(), scanned.Hash, userID, gateway.TicketApproved, noon)
			wantError(t, err, gateway.ErrConflict)
			_, err = f.store.ScanTicket(t.Context(), open.Hash, newApprover(userID), noon)
			wantError(t, err, gateway.ErrBlocked)
			f.wantTicketState(open, gateway.TicketOpen)
		},
	},
	{
		name:   "a join with a blocked user refuses the tickets of both",
		reason: "both users are the same person, who is blocked",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			approved, scanned := f.addApprovedTicket("t1", older.ID), f.addScannedTicket("t2", older.ID)
			f.block(younger.ID)
			f.recordSignInEvents(siteConnector.signIn(after(time.Hour), "s1", "u1"))
			f.wantTicketState(approved, gateway.TicketRefused)
			f.wantTicketState(scanned, gateway.TicketRefused)
		},
	},
	{
		name:       "blocking during a scan wins",
		reason:     "the desktop would be signed in after the block",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			for round := range 5 {
				userID := f.addUser(fmt.Sprint("o", round)).ID
				var tickets []gateway.Ticket
				for i := range 12 {
					name := fmt.Sprint(round, " ", i)
					switch i % 3 {
					case 0:
						tickets = append(tickets, f.addTicket(name))
					case 1:
						tickets = append(tickets, f.addScannedTicket(name, userID))
					case 2:
						tickets = append(tickets, f.addApprovedTicket(name, userID))
					}
				}
				f.concurrently(len(tickets)+1, func(i int) {
					var err error
					switch {
					case i == len(tickets):
						_, err = f.store.UpdateUser(t.Context(), userID, noon, func(stored *gateway.User) error {
							stored.Status = gateway.Blocked
							return nil
						})
					case i%3 == 0:
						_, err = f.store.ScanTicket(t.Context(), tickets[i].Hash, newApprover(userID), noon)
					case i%3 == 1:
						_, err = f.store.AnswerTicket(t.Context(), tickets[i].Hash, userID, gateway.TicketApproved, noon)
					default:
						_, err = f.store.RedeemTicket(t.Context(), newRedemption(tickets[i].Hash, tickets[i].Desktop, noon))
					}
					if err != nil && !errors.Is(err, gateway.ErrBlocked) && !errors.Is(err, gateway.ErrConflict) {
						t.Error(err)
					}
				})
				for i, ticket := range tickets {
					got := f.getTicket(ticket.Hash, noon)
					if got.State == gateway.TicketScanned || got.State == gateway.TicketApproved {
						t.Fatalf("ticket %d is %s for a blocked user", i, got.State)
					}
				}
			}
		},
	},
}
