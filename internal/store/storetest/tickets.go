package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// noLimit are limits on tickets that no case reaches by accident.
var noLimit = gateway.TicketLimits{Total: 100_000, PerNetwork: 100_000}

// newRedemption returns the redemption of a ticket: the sign-in of its desktop. Each ticket has a
// session of its own.
func newRedemption(ticket, desktop [32]byte, now time.Time) gateway.Redemption {
	return gateway.Redemption{
		Hash: ticket, Desktop: desktop, Session: newSession("ignored", fmt.Sprintf("of ticket %x", ticket)),
		Event: gateway.Event{At: now, Kind: "sign_in", Method: "scan", Outcome: "ok"}, Now: now,
	}
}

// newTicket returns an open ticket, which expires two minutes after noon.
func newTicket(name string) gateway.Ticket {
	return gateway.Ticket{
		Hash: hash("ticket " + name), Desktop: hash("desktop " + name), App: "wiki", Connector: "main", Browser: "Firefox 验",
		MaskedIP: "203.0.113.*", Network: "network of the desktop", Number: "42", State: gateway.TicketOpen, CreatedAt: noon,
		ExpiresAt: after(2 * time.Minute), Data: []byte("data of " + name),
	}
}

// newApprover returns the user as the approver of a ticket: the user of a phone, who signed in at
// noon.
func newApprover(userID string) gateway.Approver {
	return gateway.Approver{UserID: userID, Connector: "main", AppID: "wxmain", OpenID: "o-" + userID, AuthTime: noon}
}

// addTicket stores an open ticket.
func (f *fixture) addTicket(name string) gateway.Ticket {
	f.t.Helper()
	ticket := newTicket(name)
	wantNoError(f.t, f.store.PutTicket(f.t.Context(), ticket, noon, noLimit))
	return ticket
}

// addScannedTicket stores a ticket that the user has scanned.
func (f *fixture) addScannedTicket(name, userID string) gateway.Ticket {
	f.t.Helper()
	return f.scanTicket(f.addTicket(name).Hash, newApprover(userID), noon)
}

// addApprovedTicket stores a ticket that the user has approved.
func (f *fixture) addApprovedTicket(name, userID string) gateway.Ticket {
	f.t.Helper()
	return f.answerTicket(f.addScannedTicket(name, userID).Hash, userID, gateway.TicketApproved, noon)
}

// wantTicketState fails the test unless the ticket has the state at noon.
func (f *fixture) wantTicketState(ticket gateway.Ticket, want gateway.TicketState) {
	f.t.Helper()
	wantEqual(f.t, "state", f.getTicket(ticket.Hash, noon).State, want)
}

// wantNoOpenID fails the test when the error contains an openid with the text "planted".
func wantNoOpenID(t *testing.T, err error) {
	t.Helper()
	if strings.Contains(err.Error(), "planted") {
		t.Fatalf("the error %q has the openid", err)
	}
}

// ticketCases test tickets. A ticket is one sign-in by QR code. The desktop shows a QR code with
// the id of the ticket. The desktop's cookie has a secret, and Ticket.Desktop is the hash of this
// secret. The user of the phone that scans the QR code becomes the approver, and answers. Then the
// desktop redeems the approved ticket for a session.
var ticketCases = []testCase{
	{
		name:   "a new ticket is returned as stored, open and without approver",
		reason: "the phone must show the desktop that asks",
		run: func(t *testing.T, f *fixture) {
			ticket := newTicket("t1")
			ticket.State, ticket.Approver, ticket.ScannedAt = gateway.TicketApproved, newApprover("another user"), noon
			// Times are stored in microseconds and returned in UTC.
			ticket.CreatedAt = after(123456789 * time.Nanosecond).In(time.FixedZone("x", 3600))
			wantNoError(t, f.store.PutTicket(t.Context(), ticket, noon, noLimit))
			want := newTicket("t1")
			want.CreatedAt = after(123456 * time.Microsecond)
			got := f.getTicket(ticket.Hash, noon)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got  %+v\nwant %+v", got, want)
			}
			minimal := gateway.Ticket{
				Hash: hash("x"), Desktop: hash("y"), Number: "1", State: gateway.TicketOpen, CreatedAt: noon,
				ExpiresAt: after(time.Minute),
			}
			wantNoError(t, f.store.PutTicket(t.Context(), minimal, noon, noLimit))
			if got := f.getTicket(minimal.Hash, noon); !reflect.DeepEqual(got, minimal) {
				t.Fatalf("got  %+v\nwant %+v", got, minimal)
			}
		},
	},
	{
		name:   "a ticket that a phone has opened can still be scanned, replaced and cancelled",
		reason: "the desktop shows 扫描成功 before the user has decided; this state must change nothing else",
		run: func(t *testing.T, f *fixture) {
			user := f.addUser("o1").ID
			open := func(ticket gateway.Ticket) gateway.Ticket {
				t.Helper()
				wantNoError(t, f.store.OpenTicket(t.Context(), ticket.Hash, noon))
				return f.getTicket(ticket.Hash, noon)
			}
			opened := open(f.addTicket("t1"))
			want := newTicket("t1")
			want.State, want.ExpiresAt = gateway.TicketOpened, after(gateway.TicketOpenedMinimum)
			if !reflect.DeepEqual(opened, want) {
				t.Fatalf("got  %+v\nwant %+v", opened, want)
			}
			wantEqual(t, "state when opened again", open(opened).State, gateway.TicketOpened)
			f.scanTicket(opened.Hash, newApprover(user), noon)
			wantEqual(t, "state of a scanned ticket", open(opened).State, gateway.TicketScanned)
			cancelled := open(f.addTicket("t2"))
			wantNoError(t, f.store.CancelTicket(t.Context(), cancelled.Hash, cancelled.Desktop, noon))
			wantEqual(t, "state of a cancelled ticket", open(cancelled).State, gateway.TicketCancelled)
			wantError(t, f.store.OpenTicket(t.Context(), hash("none"), noon), gateway.ErrNotFound)
			wantError(t, f.store.OpenTicket(t.Context(), f.addTicket("t3").Hash, after(time.Hour)), gateway.ErrExpired)

			limits := gateway.TicketLimits{Total: 100_000, PerNetwork: 1}
			replaced := newTicket("t4")
			replaced.Network = "another network"
			wantNoError(t, f.store.PutTicket(t.Context(), replaced, noon, limits))
			open(replaced)
			next := newTicket("t5")
			next.Network = replaced.Network
			wantNoError(t, f.store.PutTicket(t.Context(), next, noon, limits))
			_, err := f.store.Ticket(t.Context(), replaced.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:   "an incomplete or duplicate ticket is rejected",
		reason: "a ticket that the visible id redeems would sign in everybody who sees it",
		run: func(t *testing.T, f *fixture) {
			for name, change := range map[string]func(*gateway.Ticket){
				"no hash":          func(t *gateway.Ticket) { t.Hash = [32]byte{} },
				"no desktop":       func(t *gateway.Ticket) { t.Desktop = [32]byte{} },
				"the id as secret": func(t *gateway.Ticket) { t.Desktop = t.Hash },
				"no number":        func(t *gateway.Ticket) { t.Number = "" },
				"no expiry":        func(t *gateway.Ticket) { t.ExpiresAt = time.Time{} },
				"no creation time": func(t *gateway.Ticket) { t.CreatedAt = time.Time{} },
			} {
				ticket := newTicket(name)
				change(&ticket)
				err := f.store.PutTicket(t.Context(), ticket, noon, noLimit)
				if err == nil || errors.Is(err, gateway.ErrUnavailable) {
					t.Errorf("%s: %v", name, err)
				}
			}
			err := f.store.PutTicket(t.Context(), newTicket("t1"), noon, gateway.TicketLimits{Total: 1})
			if err == nil || errors.Is(err, gateway.ErrFull) {
				t.Errorf("no limit: %v", err)
			}
			first := f.addTicket("t1")
			late := newTicket("t1")
			late.Desktop, late.ExpiresAt = hash("another"), after(time.Hour)
			wantError(t, f.store.PutTicket(t.Context(), late, noon, noLimit), gateway.ErrConflict)
			wantError(t, f.store.PutTicket(t.Context(), late, after(time.Hour), noLimit), gateway.ErrConflict)
			wantEqual(t, "desktop", f.getTicket(first.Hash, noon).Desktop, first.Desktop)
		},
	},
	{
		name:   "a desktop is signed in by a phone",
		reason: "this is the only sign-in on desktops for a gateway that has only an official account",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			ticket := f.addTicket("t1")
			got := f.scanTicket(ticket.Hash, newApprover(userID), after(time.Second+time.Nanosecond))
			want := ticket
			want.State, want.Approver, want.ScannedAt = gateway.TicketScanned, newApprover(userID), after(time.Second)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("scanned: got  %+v\nwant %+v", got, want)
			}
			got = f.answerTicket(ticket.Hash, userID, gateway.TicketApproved, after(2*time.Second))
			want.State = gateway.TicketApproved
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("approved: got  %+v\nwant %+v", got, want)
			}
			got = f.redeemTicket(ticket.Hash, ticket.Desktop, after(3*time.Second))
			want.State = gateway.TicketRedeemed
			if stored := f.getTicket(ticket.Hash, noon); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(stored, want) {
				t.Fatalf("redeemed: got  %+v\nstored %+v\nwant %+v", got, stored, want)
			}
		},
	},
	{
		name:       "one of many phones becomes the approver",
		reason:     "a stranger who photographs the code must not approve too",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			var users []string
			for i := range 10 {
				users = append(users, f.addUser(fmt.Sprint("o", i)).ID)
			}
			for round := range 3 {
				ticket := f.addTicket(fmt.Sprint("t", round))
				var results, approvers counter
				f.concurrently(f.concurrency(), func(i int) {
					got, err := stores[i%2].ScanTicket(t.Context(), ticket.Hash, newApprover(users[i%10]), noon)
					results.add(errorName(err))
					approvers.add(fmt.Sprint(got.State, " ", got.Approver.UserID))
				})
				// Each user scans about concurrency/10 times, and all scans of the approver succeed.
				approvers.wantOneResult(t, "approvers")
				most := (f.concurrency() + 9) / 10
				succeeded, rejected := results.counts["ok"], results.counts["conflict"]
				if succeeded < most-1 || succeeded > most || succeeded+rejected != f.concurrency() {
					t.Fatalf("results: %v", results.counts)
				}
			}
		},
	},
	{
		name:   "the same phone twice changes nothing",
		reason: "users scan again when a page loads slowly",
		run: func(t *testing.T, f *fixture) {
			userID, stranger := f.addUser("o1").ID, f.addUser("o2").ID
			ticket := f.addScannedTicket("t1", userID)
			again := newApprover(userID)
			again.OpenID, again.AuthTime = "another", after(time.Minute)
			got := f.scanTicket(ticket.Hash, again, after(90*time.Second))
			if !reflect.DeepEqual(got, ticket) {
				t.Fatalf("got  %+v\nwant %+v", got, ticket)
			}
			got, err := f.store.ScanTicket(t.Context(), ticket.Hash, newApprover(stranger), noon)
			wantError(t, err, gateway.ErrConflict)
			wantEqual(t, "state returned with the error", got.State, gateway.TicketScanned)
			_, err = f.store.ScanTicket(t.Context(), ticket.Hash, newApprover(gateway.NewID()), noon)
			wantError(t, err, gateway.ErrNotFound)
			for i, answer := range []gateway.TicketState{gateway.TicketApproved, gateway.TicketRefused, gateway.TicketMismatch} {
				ticket := f.addScannedTicket(fmt.Sprint("t1", i), userID)
				f.answerTicket(ticket.Hash, userID, answer, noon)
				got, err = f.store.ScanTicket(t.Context(), ticket.Hash, newApprover(userID), noon)
				wantError(t, err, gateway.ErrConflict)
				wantEqual(t, "state of an answered ticket", got.State, answer)
			}
		},
	},
	{
		name:   "a ticket expires on time, with a minute left after each step",
		reason: "a code in yesterday's photo must be invalid",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			end := 2 * time.Minute // when the ticket expires, after noon
			ticket := f.addTicket("t1")
			wantExpired := func(what string, at time.Duration) {
				t.Helper()
				got, err := f.store.Ticket(t.Context(), ticket.Hash, after(at))
				_, scanErr := f.store.ScanTicket(t.Context(), ticket.Hash, newApprover(userID), after(at))
				_, answerErr := f.store.AnswerTicket(t.Context(), ticket.Hash, userID, gateway.TicketApproved, after(at))
				_, redeemErr := f.store.RedeemTicket(t.Context(), newRedemption(ticket.Hash, ticket.Desktop, after(at)))
				cancelErr := f.store.CancelTicket(t.Context(), ticket.Hash, ticket.Desktop, after(at))
				states := f.ticketStates([][32]byte{ticket.Hash}, after(at))
				for _, err := range []error{err, scanErr, answerErr, redeemErr, cancelErr} {
					wantError(t, err, gateway.ErrExpired)
				}
				wantEqual(t, what+": state and states", fmt.Sprint(got.State, len(states)), "0")
			}
			wantExpired("open", end)
			wantNoError(t, f.store.OpenTicket(t.Context(), ticket.Hash, after(end-time.Second)))
			end = end - time.Second + gateway.TicketOpenedMinimum
			wantNoError(t, f.store.OpenTicket(t.Context(), ticket.Hash, after(end-time.Second))) // extends nothing
			wantExpired("opened", end)
			scanned := f.scanTicket(ticket.Hash, newApprover(userID), after(end-time.Microsecond))
			end = end - time.Microsecond + gateway.TicketMinimum
			wantEqual(t, "end of a scanned ticket", scanned.ExpiresAt, after(end))
			wantExpired("scanned", end)
			approved := f.answerTicket(ticket.Hash, userID, gateway.TicketApproved, after(end-time.Second))
			end = end - time.Second + gateway.TicketMinimum
			wantEqual(t, "end of an approved ticket", approved.ExpiresAt, after(end))
			wantExpired("approved", end)
			f.redeemTicket(ticket.Hash, ticket.Desktop, after(end-time.Second))
			wantExpired("redeemed", end)
			wantEqual(t, "swept too early", f.sweep(after(end-time.Second), time.Time{}, 0), 0)
			wantEqual(t, "swept", f.sweep(after(end), time.Time{}, 0), 1)
			_, err := f.store.Ticket(t.Context(), ticket.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:       "one call returns the states of a thousand tickets",
		reason:     "desktops poll the state, and one query for each would be most of the gateway's load",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			tickets := 1000
			if f.Race {
				tickets = 200
			}
			hashes := make([][32]byte, tickets)
			f.concurrently(8, func(worker int) {
				for i := worker; i < tickets; i += 8 {
					ticket := newTicket(fmt.Sprint("t", i))
					hashes[i] = ticket.Hash
					var err error
					if i%5 != 0 { // a fifth is missing
						if i%5 == 1 { // a fifth is expired
							ticket.ExpiresAt = noon
						}
						err = f.store.PutTicket(t.Context(), ticket, noon, noLimit)
					}
					if err == nil && i%5 == 2 {
						_, err = f.store.ScanTicket(t.Context(), ticket.Hash, newApprover(userID), noon)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
			want := map[[32]byte]gateway.TicketState{}
			for i, ticketHash := range hashes {
				switch i % 5 {
				case 2:
					want[ticketHash] = gateway.TicketScanned
				case 3, 4:
					want[ticketHash] = gateway.TicketOpen
				}
			}
			f.addTicket("another")
			got := f.ticketStates(append(hashes, hashes[2]), noon)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%d states, want %d", len(got), len(want))
			}
			none := f.ticketStates(nil, noon)
			if none == nil || len(none) != 0 {
				t.Fatalf("states of nothing: %v", none)
			}
		},
	},
	{
		name:   "a ticket survives a restart",
		reason: "a user must get in although a replica is killed in between",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			ticket := f.addApprovedTicket("t1", userID)
			if !f.reopen() {
				return
			}
			got := f.redeemTicket(ticket.Hash, ticket.Desktop, noon)
			wantEqual(t, "user", got.Approver.UserID, userID)
		},
	},
	{
		name:   "no error contains an openid",
		reason: "errors are logged, and an openid must not be",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			secret := newApprover(userID)
			secret.OpenID = "o-planted-openid\x00\xff"
			ticket := f.addTicket("t1")
			if _, err := f.store.ScanTicket(t.Context(), ticket.Hash, secret, noon); err != nil {
				wantNoOpenID(t, err)
			}
			wantNoError(t, f.store.Close())
			secret.OpenID = "o-planted-openid"
			_, err := f.store.ScanTicket(t.Context(), ticket.Hash, secret, noon)
			wantError(t, err, gateway.ErrUnavailable)
			wantNoOpenID(t, err)
		},
	},
}
