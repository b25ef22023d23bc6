package storetest

import (
	"fmt"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// How many tickets there may be.
var ticketLimitChecks = []check{
	{"together they do not exceed the limit", "a flood of codes must fill neither the disk nor the memory", func(c *cas) {
		stores := c.both()
		const limit = 10
		var seen tally
		together(c.crowd(), func(i int) {
			seen.add(word(stores[i%2].PutTicket(c.ctx, newTicket(fmt.Sprint("t", i)), noon, limit)))
		})
		equal(c, "put", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": limit, "full": c.crowd() - limit}))
		c.is(c.store.PutTicket(c.ctx, newTicket("late"), after(2*time.Minute-time.Microsecond), limit), gateway.ErrFull)
		late := newTicket("late")
		late.ExpiresAt = after(time.Hour)
		c.ok(c.store.PutTicket(c.ctx, late, after(2*time.Minute), limit))
	}},
	{"far from the limit and near it the count is the same", "the way that is fast must not be the way around the limit", func(c *cas) {
		stores := c.both()
		limit := 320
		if c.Race {
			limit = 280
		}
		together(16, func(w int) {
			for i := w; i < limit-1; i += 16 {
				if err := stores[w%2].PutTicket(c.ctx, newTicket(fmt.Sprint("t", i)), noon, limit); err != nil {
					c.Error(err)
				}
			}
		})
		var seen tally
		together(c.crowd(), func(i int) {
			seen.add(word(stores[i%2].PutTicket(c.ctx, newTicket(fmt.Sprint("late", i)), noon, limit)))
		})
		equal(c, "put", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "full": c.crowd() - 1}))
	}},
	{"the limit counts what nobody answers for", "a busy morning of real people is no flood, and dropping is no way around", func(c *cas) {
		id := c.person("o1").ID
		const limit = 3
		put := func(name string) string { return word(c.store.PutTicket(c.ctx, newTicket(name), noon, limit)) }
		for i, answer := range []gateway.TicketState{gateway.TicketApproved, gateway.TicketRefused, gateway.TicketMismatch, gateway.TicketApproved} {
			t := c.held(fmt.Sprint("answered", i), id)
			must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, t.Hash, id, answer, noon))
			if i == 3 {
				must[gateway.Ticket](c)(c.store.RedeemTicket(c.ctx, t.Hash, t.Desktop, noon))
			}
		}
		equal(c, "first", put("t1"), "ok")
		equal(c, "second", put("t2"), "ok")
		t := newTicket("t2")
		c.ok(c.store.CancelTicket(c.ctx, t.Hash, t.Desktop, noon))
		equal(c, "third", put("t3"), "ok")
		must[gateway.Ticket](c)(c.store.ScanTicket(c.ctx, newTicket("t3").Hash, phone(id), noon))
		equal(c, "fourth", put("t4"), "full")
		must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, newTicket("t3").Hash, id, gateway.TicketRefused, noon))
		equal(c, "after an answer", put("t4"), "ok")
	}},
}
