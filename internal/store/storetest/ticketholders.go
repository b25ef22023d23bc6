package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// What becomes of a ticket when its holder's account is joined or blocked.
var ticketHolderChecks = []check{
	{"a ticket follows its account into a join", "WeChat may tell the unionid while the phone shows the question", func(c *cas) {
		older, younger := c.two()
		stranger := c.person("o9").ID
		held, approved := c.held("t1", younger.ID), c.approved("t2", younger.ID)
		c.told(site.at(after(time.Hour), "s1", "u1"))
		equal(c, "holder", must[gateway.Ticket](c)(c.store.Ticket(c.ctx, held.Hash, noon)).Approver.UserID, older.ID)
		must[gateway.Ticket](c)(c.store.ScanTicket(c.ctx, held.Hash, phone(younger.ID), noon))
		must[gateway.Ticket](c)(c.store.ScanTicket(c.ctx, held.Hash, phone(older.ID), noon))
		_, err := c.store.ScanTicket(c.ctx, held.Hash, phone(stranger), noon)
		c.is(err, gateway.ErrConflict)
		got := must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, held.Hash, younger.ID, gateway.TicketApproved, noon))
		equal(c, "who is signed in", got.Approver.UserID, older.ID)
		equal(c, "by an approval from before", must[gateway.Ticket](c)(c.store.RedeemTicket(c.ctx, approved.Hash, approved.Desktop, noon)).Approver.UserID, older.ID)
		late := c.held("t3", younger.ID)
		equal(c, "a hold for the younger id", late.Approver.UserID, older.ID)
	}},
	{"a join at the moment of an answer loses neither", "the person would see an error and scan again", func(c *cas) {
		for round := range 5 {
			o, s, u := fmt.Sprint("o", round), fmt.Sprint("s", round), fmt.Sprint("u", round)
			older := c.arrive(main.at(noon, o, u))
			younger := c.arrive(site.at(after(time.Minute), s, ""))
			var tickets []gateway.Ticket
			for i := range 10 {
				tickets = append(tickets, c.held(fmt.Sprint(round, " ", i), younger.ID))
			}
			together(11, func(i int) {
				var err error
				if i == 10 {
					_, _, err = c.store.RecordSignIn(c.ctx, site.at(after(time.Hour), s, u))
				} else {
					_, err = c.store.AnswerTicket(c.ctx, tickets[i].Hash, younger.ID, gateway.TicketApproved, noon)
				}
				if err != nil {
					c.Errorf("%d: %v", i, err)
				}
			})
			for _, t := range tickets {
				got := must[gateway.Ticket](c)(c.store.RedeemTicket(c.ctx, t.Hash, t.Desktop, noon))
				equal(c, "who is signed in", got.Approver.UserID, older.ID)
			}
		}
	}},
	{"blocking refuses what the account holds", "a blocked person must not bring in a desktop, nor one that waits", func(c *cas) {
		id, other := c.person("o1").ID, c.person("o2").ID
		held, yes, no, open, theirs := c.held("t1", id), c.approved("t2", id), c.held("t3", id), c.shows("t4"), c.held("t5", other)
		must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, no.Hash, id, gateway.TicketMismatch, noon))
		c.block(id)
		c.state(held, gateway.TicketRefused)
		c.state(yes, gateway.TicketRefused)
		c.state(no, gateway.TicketMismatch)
		c.state(open, gateway.TicketOpen)
		c.state(theirs, gateway.TicketScanned)
		_, err := c.store.RedeemTicket(c.ctx, yes.Hash, yes.Desktop, noon)
		c.is(err, gateway.ErrConflict)
		_, err = c.store.AnswerTicket(c.ctx, held.Hash, id, gateway.TicketApproved, noon)
		c.is(err, gateway.ErrConflict)
		_, err = c.store.ScanTicket(c.ctx, open.Hash, phone(id), noon)
		c.is(err, gateway.ErrBlocked)
		c.state(open, gateway.TicketOpen)
	}},
	{"a join with a blocked account refuses the tickets of both", "the block of one half is the block of the person", func(c *cas) {
		older, younger := c.two()
		a, b := c.approved("t1", older.ID), c.held("t2", older.ID)
		c.block(younger.ID)
		c.told(site.at(after(time.Hour), "s1", "u1"))
		c.state(a, gateway.TicketRefused)
		c.state(b, gateway.TicketRefused)
	}},
	{"blocking at the moment of a scan wins", "the desktop would be signed in after the block", func(c *cas) {
		for round := range 5 {
			id := c.person(fmt.Sprint("o", round)).ID
			var tickets []gateway.Ticket
			for i := range 12 {
				name := fmt.Sprint(round, " ", i)
				tickets = append(tickets, []func() gateway.Ticket{
					func() gateway.Ticket { return c.shows(name) },
					func() gateway.Ticket { return c.held(name, id) },
					func() gateway.Ticket { return c.approved(name, id) },
				}[i%3]())
			}
			together(len(tickets)+1, func(i int) {
				var err error
				switch {
				case i == len(tickets):
					_, err = c.store.UpdateUser(c.ctx, id, noon, func(a *gateway.User) error { a.Status = gateway.Blocked; return nil })
				case i%3 == 0:
					_, err = c.store.ScanTicket(c.ctx, tickets[i].Hash, phone(id), noon)
				case i%3 == 1:
					_, err = c.store.AnswerTicket(c.ctx, tickets[i].Hash, id, gateway.TicketApproved, noon)
				default:
					_, err = c.store.RedeemTicket(c.ctx, tickets[i].Hash, tickets[i].Desktop, noon)
				}
				if err != nil && !errors.Is(err, gateway.ErrBlocked) && !errors.Is(err, gateway.ErrConflict) {
					c.Error(err)
				}
			})
			for i, t := range tickets {
				got := must[gateway.Ticket](c)(c.store.Ticket(c.ctx, t.Hash, noon))
				if got.State == gateway.TicketScanned || got.State == gateway.TicketApproved {
					c.Fatalf("ticket %d is %s for a blocked account", i, got.State)
				}
			}
		}
	}},
}
