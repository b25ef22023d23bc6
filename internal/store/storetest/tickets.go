package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// many is a limit that no case reaches by accident.
const many = 100000

func newTicket(id string) gateway.Ticket {
	return gateway.Ticket{
		Hash: sum("ticket " + id), Desktop: sum("desktop " + id), App: "wiki", Connector: "main", Browser: "Firefox 验", Place: "上海",
		Number: "42", Others: []string{"17", "93"}, State: gateway.TicketOpen, CreatedAt: noon, ExpiresAt: after(2 * time.Minute), Data: []byte("data of " + id),
	}
}

func phone(user string) gateway.Approver {
	return gateway.Approver{UserID: user, Connector: "main", AppID: "wxmain", OpenID: "o-" + user, AuthTime: noon}
}

// shows stores a ticket.
func (c *cas) shows(id string) gateway.Ticket {
	c.Helper()
	t := newTicket(id)
	c.ok(c.store.PutTicket(c.ctx, t, noon, many))
	return t
}

// held stores a ticket that the account holds, and approved one it said yes to.
func (c *cas) held(id, user string) gateway.Ticket {
	c.Helper()
	return must[gateway.Ticket](c)(c.store.ScanTicket(c.ctx, c.shows(id).Hash, phone(user), noon))
}

func (c *cas) approved(id, user string) gateway.Ticket {
	c.Helper()
	return must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, c.held(id, user).Hash, user, gateway.TicketApproved, noon))
}

// state fails the case unless the ticket is in the state at noon.
func (c *cas) state(t gateway.Ticket, want gateway.TicketState) {
	c.Helper()
	equal(c, "state", must[gateway.Ticket](c)(c.store.Ticket(c.ctx, t.Hash, noon)).State, want)
}

// both returns the store and another handle where there is one.
func (c *cas) both() []gateway.Store {
	c.Helper()
	if s := c.second(); s != nil {
		return []gateway.Store{c.store, s}
	}
	return []gateway.Store{c.store, c.store}
}

func (c *cas) block(user string) {
	c.Helper()
	_, err := c.store.UpdateUser(c.ctx, user, noon, func(a *gateway.User) error { a.Status = gateway.Blocked; return nil })
	c.ok(err)
}

var ticketChecks = []check{
	{"what was put is what comes back, open and nobody's", "the phone would be told of another desktop than the one that asks", func(c *cas) {
		n := newTicket("t1")
		n.State, n.Approver, n.ScannedAt = gateway.TicketApproved, phone("somebody"), noon
		n.CreatedAt = after(123456789 * time.Nanosecond).In(time.FixedZone("x", 3600))
		c.ok(c.store.PutTicket(c.ctx, n, noon, many))
		want := newTicket("t1")
		want.CreatedAt = after(123456 * time.Microsecond)
		got := must[gateway.Ticket](c)(c.store.Ticket(c.ctx, n.Hash, noon))
		if !reflect.DeepEqual(got, want) {
			c.Fatalf("got  %+v\nwant %+v", got, want)
		}
		bare := gateway.Ticket{Hash: sum("x"), Desktop: sum("y"), Number: "1", State: gateway.TicketOpen, CreatedAt: noon, ExpiresAt: after(time.Minute)}
		c.ok(c.store.PutTicket(c.ctx, bare, noon, many))
		if got := must[gateway.Ticket](c)(c.store.Ticket(c.ctx, bare.Hash, noon)); !reflect.DeepEqual(got, bare) {
			c.Fatalf("got  %+v\nwant %+v", got, bare)
		}
	}},
	{"a ticket that is not whole, or taken, is refused", "a code that opens with what everybody sees would sign in everybody", func(c *cas) {
		for name, change := range map[string]func(*gateway.Ticket){
			"no hash": func(t *gateway.Ticket) { t.Hash = [32]byte{} }, "no desktop": func(t *gateway.Ticket) { t.Desktop = [32]byte{} },
			"the id as secret": func(t *gateway.Ticket) { t.Desktop = t.Hash }, "no number": func(t *gateway.Ticket) { t.Number = "" },
			"no end": func(t *gateway.Ticket) { t.ExpiresAt = time.Time{} }, "no beginning": func(t *gateway.Ticket) { t.CreatedAt = time.Time{} },
		} {
			n := newTicket(name)
			change(&n)
			if err := c.store.PutTicket(c.ctx, n, noon, many); err == nil || errors.Is(err, gateway.ErrUnavailable) {
				c.Errorf("%s: %v", name, err)
			}
		}
		if err := c.store.PutTicket(c.ctx, newTicket("t1"), noon, 0); err == nil || errors.Is(err, gateway.ErrFull) {
			c.Errorf("no limit: %v", err)
		}
		first := c.shows("t1")
		late := newTicket("t1")
		late.Desktop, late.ExpiresAt = sum("another"), after(time.Hour)
		c.is(c.store.PutTicket(c.ctx, late, noon, many), gateway.ErrConflict)
		c.is(c.store.PutTicket(c.ctx, late, after(time.Hour), many), gateway.ErrConflict)
		equal(c, "desktop", must[gateway.Ticket](c)(c.store.Ticket(c.ctx, first.Hash, noon)).Desktop, first.Desktop)
	}},
	{"a desktop is signed in by a phone", "the way of everybody who has nothing but an official account", func(c *cas) {
		id := c.person("o1").ID
		t := c.shows("t1")
		got := must[gateway.Ticket](c)(c.store.ScanTicket(c.ctx, t.Hash, phone(id), after(time.Second+time.Nanosecond)))
		want := t
		want.State, want.Approver, want.ScannedAt = gateway.TicketScanned, phone(id), after(time.Second)
		if !reflect.DeepEqual(got, want) {
			c.Fatalf("held: got  %+v\nwant %+v", got, want)
		}
		got = must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, t.Hash, id, gateway.TicketApproved, after(2*time.Second)))
		want.State = gateway.TicketApproved
		if !reflect.DeepEqual(got, want) {
			c.Fatalf("approved: got  %+v\nwant %+v", got, want)
		}
		got = must[gateway.Ticket](c)(c.store.RedeemTicket(c.ctx, t.Hash, t.Desktop, after(3*time.Second)))
		want.State = gateway.TicketRedeemed
		if stored := must[gateway.Ticket](c)(c.store.Ticket(c.ctx, t.Hash, noon)); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(stored, want) {
			c.Fatalf("used: got  %+v\nstored %+v\nwant %+v", got, stored, want)
		}
	}},
	{"of many phones one holds the ticket", "a stranger who photographs the code must not confirm beside its owner", func(c *cas) {
		stores := c.both()
		var people []string
		for i := range 10 {
			people = append(people, c.person(fmt.Sprint("o", i)).ID)
		}
		for round := range 3 {
			t := c.shows(fmt.Sprint("t", round))
			var seen, holders tally
			together(c.crowd(), func(i int) {
				got, err := stores[i%2].ScanTicket(c.ctx, t.Hash, phone(people[i%10]), noon)
				seen.add(word(err))
				holders.add(fmt.Sprint(got.State, " ", got.Approver.UserID))
			})
			n := (c.crowd() + 9) / 10
			if seen.n["ok"] < n-1 || seen.n["ok"] > n || seen.n["ok"]+seen.n["conflict"] != c.crowd() || len(holders.n) != 1 {
				c.Fatalf("answers %v, holders %v", seen.n, holders.n)
			}
		}
	}},
	{"the same phone twice changes nothing", "people scan again when a page loads slowly", func(c *cas) {
		id, stranger := c.person("o1").ID, c.person("o2").ID
		t := c.held("t1", id)
		again := phone(id)
		again.OpenID, again.AuthTime = "another", after(time.Minute)
		got := must[gateway.Ticket](c)(c.store.ScanTicket(c.ctx, t.Hash, again, after(90*time.Second)))
		if !reflect.DeepEqual(got, t) {
			c.Fatalf("got  %+v\nwant %+v", got, t)
		}
		got, err := c.store.ScanTicket(c.ctx, t.Hash, phone(stranger), noon)
		c.is(err, gateway.ErrConflict)
		equal(c, "what a page can say", got.State, gateway.TicketScanned)
		_, err = c.store.ScanTicket(c.ctx, t.Hash, phone(gateway.NewID()), noon)
		c.is(err, gateway.ErrNotFound)
		for i, answer := range []gateway.TicketState{gateway.TicketApproved, gateway.TicketRefused, gateway.TicketMismatch} {
			t := c.held(fmt.Sprint("t1", i), id)
			must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, t.Hash, id, answer, noon))
			got, err = c.store.ScanTicket(c.ctx, t.Hash, phone(id), noon)
			c.is(err, gateway.ErrConflict)
			equal(c, "state of one that was answered", got.State, answer)
		}
	}},
	{"an answer counts once", "a second press must not turn no into yes", func(c *cas) {
		stores := c.both()
		id, stranger := c.person("o1").ID, c.person("o2").ID
		t := c.shows("t0")
		_, err := c.store.AnswerTicket(c.ctx, t.Hash, id, gateway.TicketApproved, noon)
		c.is(err, gateway.ErrConflict) // nobody holds it
		for _, nobody := range []string{"", gateway.NewID()} {
			_, err = c.store.AnswerTicket(c.ctx, t.Hash, nobody, gateway.TicketApproved, noon)
			c.is(err, gateway.ErrConflict)
		}
		for round := range 3 {
			t := c.held(fmt.Sprint("t", round+1), id)
			_, err := c.store.AnswerTicket(c.ctx, t.Hash, stranger, gateway.TicketApproved, noon)
			c.is(err, gateway.ErrConflict)
			for _, odd := range []gateway.TicketState{gateway.TicketRedeemed, gateway.TicketOpen, "", "yes"} {
				if _, err := c.store.AnswerTicket(c.ctx, t.Hash, id, odd, noon); err == nil {
					c.Fatalf("answered by %q", odd)
				}
			}
			c.state(t, gateway.TicketScanned)
			answers := []gateway.TicketState{gateway.TicketApproved, gateway.TicketMismatch}
			var seen, states tally
			together(c.crowd(), func(i int) {
				got, err := stores[i%2].AnswerTicket(c.ctx, t.Hash, id, answers[i/2%2], noon)
				seen.add(word(err))
				states.add(string(got.State))
			})
			equal(c, "answers", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "conflict": c.crowd() - 1}))
			equal(c, "states that were told", len(states.n), 1)
		}
	}},
	{"an approval that is taken back signs nobody in", "who presses \"not me\" on the phone must be sure of it", func(c *cas) {
		stores := c.both()
		id, stranger := c.person("o1").ID, c.person("o2").ID
		for round := range 10 {
			t := c.approved(fmt.Sprint("t", round), id)
			_, err := c.store.AnswerTicket(c.ctx, t.Hash, stranger, gateway.TicketRefused, noon)
			c.is(err, gateway.ErrConflict)
			for _, odd := range []gateway.TicketState{gateway.TicketApproved, gateway.TicketMismatch} {
				_, err := c.store.AnswerTicket(c.ctx, t.Hash, id, odd, noon)
				c.is(err, gateway.ErrConflict)
			}
			var back, take error
			together(2, func(i int) {
				if i == 0 {
					_, back = stores[0].AnswerTicket(c.ctx, t.Hash, id, gateway.TicketRefused, noon)
					return
				}
				_, take = stores[1].RedeemTicket(c.ctx, t.Hash, t.Desktop, noon)
			})
			if (back == nil) == (take == nil) {
				c.Fatalf("taken back: %v; taken: %v", back, take)
			}
			if back == nil {
				c.state(t, gateway.TicketRefused)
				c.is(take, gateway.ErrConflict)
				continue
			}
			c.state(t, gateway.TicketRedeemed)
			c.is(back, gateway.ErrConflict)
		}
	}},
	{"one of a hundred takes the ticket", "a ticket that works twice signs in whoever has a copy", func(c *cas) {
		stores := c.both()
		id := c.person("o1").ID
		for round := range 3 {
			t := c.approved(fmt.Sprint("t", round), id)
			var seen, told tally
			together(c.crowd(), func(i int) {
				got, err := stores[i%2].RedeemTicket(c.ctx, t.Hash, t.Desktop, noon)
				seen.add(word(err))
				told.add(fmt.Sprint(got.State, got.Approver.UserID))
			})
			equal(c, "taken", fmt.Sprint(seen.n), fmt.Sprint(map[string]int{"ok": 1, "replay": c.crowd() - 1}))
			equal(c, "what was told", fmt.Sprint(told.n), fmt.Sprint(map[string]int{"redeemed" + id: c.crowd()}))
		}
	}},
	{"the id alone takes and drops nothing", "everybody who sees the screen has it", func(c *cas) {
		id := c.person("o1").ID
		for name, t := range map[string]gateway.Ticket{"open": c.shows("t1"), "held": c.held("t2", id), "approved": c.approved("t3", id)} {
			for _, guess := range [][32]byte{{}, t.Hash, sum("desktop t9")} {
				for _, when := range []time.Time{noon, after(time.Hour)} {
					got, err := c.store.RedeemTicket(c.ctx, t.Hash, guess, when)
					if !errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrExpired) || got.State != "" {
						c.Fatalf("%s: taken with a guess: %+v, %v", name, got, err)
					}
					err = c.store.CancelTicket(c.ctx, t.Hash, guess, when)
					if !errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrExpired) {
						c.Fatalf("%s: dropped with a guess: %v", name, err)
					}
				}
			}
			c.state(t, t.State)
		}
	}},
	{"a guessed id is nobody's", "guessing must teach nothing", func(c *cas) {
		id, guess := c.person("o1").ID, sum("guess")
		_, err := c.store.Ticket(c.ctx, guess, noon)
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.ScanTicket(c.ctx, guess, phone(id), noon)
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.AnswerTicket(c.ctx, guess, id, gateway.TicketApproved, noon)
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.RedeemTicket(c.ctx, guess, guess, noon)
		c.is(err, gateway.ErrNotFound)
		c.is(c.store.CancelTicket(c.ctx, guess, guess, noon), gateway.ErrNotFound)
	}},
	{"only an approved ticket is taken, only one without an answer is dropped", "a desktop goes on by what the phone said, not before", func(c *cas) {
		id := c.person("o1").ID
		answered := func(name string, s gateway.TicketState) gateway.Ticket {
			return must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, c.held(name, id).Hash, id, s, noon))
		}
		used := c.approved("used", id)
		must[gateway.Ticket](c)(c.store.RedeemTicket(c.ctx, used.Hash, used.Desktop, noon))
		dropped := c.shows("dropped")
		c.ok(c.store.CancelTicket(c.ctx, dropped.Hash, dropped.Desktop, noon))
		for _, k := range []struct {
			name       string
			t          gateway.Ticket
			take, drop string
		}{
			{"open", c.shows("open"), "conflict", "ok"}, {"scanned", c.held("held", id), "conflict", "ok"},
			{"refused", answered("refused", gateway.TicketRefused), "conflict", "conflict"}, {"wrong_number", answered("wrong", gateway.TicketMismatch), "conflict", "conflict"},
			{"approved", answered("approved", gateway.TicketApproved), "", "conflict"}, {"redeemed", used, "replay", "conflict"}, {"cancelled", dropped, "conflict", "ok"},
		} {
			if k.take != "" {
				got, err := c.store.RedeemTicket(c.ctx, k.t.Hash, k.t.Desktop, noon)
				equal(c, "taking one that is "+k.name, word(err)+" "+string(got.State), k.take+" "+k.name)
			}
			equal(c, "dropping one that is "+k.name, word(c.store.CancelTicket(c.ctx, k.t.Hash, k.t.Desktop, noon)), k.drop)
			if k.drop == "ok" {
				c.state(k.t, gateway.TicketCancelled)
				_, err := c.store.ScanTicket(c.ctx, k.t.Hash, phone(id), noon)
				c.is(err, gateway.ErrConflict)
				_, err = c.store.AnswerTicket(c.ctx, k.t.Hash, id, gateway.TicketApproved, noon)
				c.is(err, gateway.ErrConflict)
			}
		}
	}},
	{"a phone that answers while the desktop gives up ends in one of the two", "the phone would say signed in, and the desktop show a new code", func(c *cas) {
		id := c.person("o1").ID
		for round := range 10 {
			t := c.held(fmt.Sprint("t", round), id)
			var seen tally
			together(8, func(i int) {
				if i%2 == 0 {
					seen.add("drop " + word(c.store.CancelTicket(c.ctx, t.Hash, t.Desktop, noon)))
					return
				}
				_, err := c.store.AnswerTicket(c.ctx, t.Hash, id, gateway.TicketApproved, noon)
				seen.add("answer " + word(err))
			})
			want := map[string]int{"drop ok": 4, "answer conflict": 4}
			if must[gateway.Ticket](c)(c.store.Ticket(c.ctx, t.Hash, noon)).State == gateway.TicketApproved {
				want = map[string]int{"drop conflict": 4, "answer ok": 1, "answer conflict": 3}
			}
			equal(c, "answers", fmt.Sprint(seen.n), fmt.Sprint(want))
		}
	}},
	{"a ticket ends on time, and waits a minute for who has begun", "a code in a photo from yesterday must be worth nothing", func(c *cas) {
		id := c.person("o1").ID
		end := 2 * time.Minute
		t := c.shows("t1")
		over := func(what string, at time.Duration) {
			c.Helper()
			got, err := c.store.Ticket(c.ctx, t.Hash, after(at))
			_, hold := c.store.ScanTicket(c.ctx, t.Hash, phone(id), after(at))
			_, answer := c.store.AnswerTicket(c.ctx, t.Hash, id, gateway.TicketApproved, after(at))
			_, take := c.store.RedeemTicket(c.ctx, t.Hash, t.Desktop, after(at))
			drop := c.store.CancelTicket(c.ctx, t.Hash, t.Desktop, after(at))
			states := must[map[[32]byte]gateway.TicketState](c)(c.store.TicketStates(c.ctx, [][32]byte{t.Hash}, after(at)))
			for _, err := range []error{err, hold, answer, take, drop} {
				c.is(err, gateway.ErrExpired)
			}
			equal(c, what+": what comes with it", fmt.Sprint(got.State, len(states)), "0")
		}
		over("open", end)
		held := must[gateway.Ticket](c)(c.store.ScanTicket(c.ctx, t.Hash, phone(id), after(end-time.Microsecond)))
		end = end - time.Microsecond + gateway.TicketMinimum
		equal(c, "end of one that is held", held.ExpiresAt, after(end))
		over("held", end)
		yes := must[gateway.Ticket](c)(c.store.AnswerTicket(c.ctx, t.Hash, id, gateway.TicketApproved, after(end-time.Second)))
		end = end - time.Second + gateway.TicketMinimum
		equal(c, "end of one that is approved", yes.ExpiresAt, after(end))
		over("approved", end)
		must[gateway.Ticket](c)(c.store.RedeemTicket(c.ctx, t.Hash, t.Desktop, after(end-time.Second)))
		over("used", end)
		equal(c, "swept too early", must[int](c)(c.store.Sweep(c.ctx, after(end-time.Second), time.Time{}, 0)), 0)
		equal(c, "swept", must[int](c)(c.store.Sweep(c.ctx, after(end), time.Time{}, 0)), 1)
		_, err := c.store.Ticket(c.ctx, t.Hash, noon)
		c.is(err, gateway.ErrNotFound)
	}},
	{"a thousand desktops are asked about at once", "one question each would be the load of the whole gateway", func(c *cas) {
		id := c.person("o1").ID
		n := 1000
		if c.Race {
			n = 200
		}
		want := map[[32]byte]gateway.TicketState{}
		hashes := make([][32]byte, n)
		together(8, func(w int) {
			for i := w; i < n; i += 8 {
				t := newTicket(fmt.Sprint("t", i))
				hashes[i] = t.Hash
				var err error
				if i%5 != 0 { // a fifth is missing
					if i%5 == 1 { // a fifth is over
						t.ExpiresAt = noon
					}
					err = c.store.PutTicket(c.ctx, t, noon, many)
				}
				if err == nil && i%5 == 2 {
					_, err = c.store.ScanTicket(c.ctx, t.Hash, phone(id), noon)
				}
				if err != nil {
					c.Error(err)
				}
			}
		})
		for i, h := range hashes {
			switch i % 5 {
			case 2:
				want[h] = gateway.TicketScanned
			case 3, 4:
				want[h] = gateway.TicketOpen
			}
		}
		c.shows("another")
		got := must[map[[32]byte]gateway.TicketState](c)(c.store.TicketStates(c.ctx, append(hashes, hashes[2]), noon))
		if !reflect.DeepEqual(got, want) {
			c.Fatalf("%d states, want %d", len(got), len(want))
		}
		none := must[map[[32]byte]gateway.TicketState](c)(c.store.TicketStates(c.ctx, nil, noon))
		if none == nil || len(none) != 0 {
			c.Fatalf("states of nothing: %v", none)
		}
	}},
	{"a ticket survives a restart", "a replica is killed in the middle, and the person still gets in", func(c *cas) {
		id := c.person("o1").ID
		t := c.approved("t1", id)
		if !c.restart() {
			return
		}
		got := must[gateway.Ticket](c)(c.store.RedeemTicket(c.ctx, t.Hash, t.Desktop, noon))
		equal(c, "account", got.Approver.UserID, id)
	}},
	{"no error names the person", "errors go to logs, and an openid is no log's business", func(c *cas) {
		id := c.person("o1").ID
		secret := phone(id)
		secret.OpenID = "o-planted-openid\x00\xff"
		t := c.shows("t1")
		if _, err := c.store.ScanTicket(c.ctx, t.Hash, secret, noon); err != nil {
			notIn(c, err.Error(), "planted")
		}
		c.ok(c.store.Close())
		secret.OpenID = "o-planted-openid"
		_, err := c.store.ScanTicket(c.ctx, t.Hash, secret, noon)
		c.is(err, gateway.ErrUnavailable)
		notIn(c, err.Error(), "planted")
	}},
}
