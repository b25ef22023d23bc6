package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// bustle lets everything happen at once to a few people: a store may answer
// anything that the vocabulary has, but never that it is unavailable. What
// changes many rows at once meets in different orders here.
func bustle(c *cas) {
	seed := rand.Uint64()
	c.Logf("seed %d", seed)
	rounds := 150
	if c.Race {
		rounds = 30
	}
	var people []string
	for i := range 4 {
		people = append(people, c.person(fmt.Sprint("o", i)).ID)
	}
	together(12, func(w int) {
		r := rand.New(rand.NewPCG(seed, uint64(w)))
		for i := range rounds {
			if err := c.anything(r, people[r.IntN(len(people))], fmt.Sprint(w, "-", i)); err != nil && !known(err) {
				c.Errorf("worker %d, round %d: %v", w, i, err)
				return
			}
		}
	})
	for _, id := range people {
		a := must[gateway.User](c)(c.store.User(c.ctx, id))
		openids := map[string]bool{}
		for _, i := range must[[]gateway.Identity](c)(c.store.Identities(c.ctx, a.ID)) {
			if openids[i.AppID] || i.UserID != a.ID {
				c.Errorf("account %s has identity %+v beside another of that appid, or of another account", a.ID, i)
			}
			openids[i.AppID] = true
		}
	}
}

// known reports whether the vocabulary has err.
func known(err error) bool {
	for _, k := range []error{gateway.ErrNotFound, gateway.ErrConflict, gateway.ErrBlocked, gateway.ErrReplay, gateway.ErrFull} {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// anything does one thing, by chance, that a gateway does.
func (c *cas) anything(r *rand.Rand, person, name string) (err error) {
	switch r.IntN(13) {
	case 0:
		e := []entry{main, site, third}[r.IntN(3)]
		_, _, err = c.store.RecordSignIn(c.ctx, e.at(after(time.Duration(r.IntN(60))*time.Minute), fmt.Sprint("o", r.IntN(4)), []string{"", "u1", "u2"}[r.IntN(3)]))
	case 1, 2:
		err = c.store.PutSession(c.ctx, newSession(person, name), noon)
	case 3, 4:
		if err = c.store.PutCode(c.ctx, newCode(person, "wiki", name)); err == nil {
			_, err = c.store.Redeem(c.ctx, sum("code "+name), noon, newIssue(name))
		}
	case 5:
		_, err = c.store.Revoke(c.ctx, gateway.Revocation{UserID: person}, noon)
	case 6:
		_, err = c.store.DeleteUserSessions(c.ctx, person)
	case 7:
		status := []gateway.Status{gateway.Active, gateway.Active, gateway.Blocked}[r.IntN(3)]
		_, err = c.store.UpdateUser(c.ctx, person, noon, func(a *gateway.User) error { a.Status = status; return nil })
	case 8:
		_, err = c.store.Sweep(c.ctx, after(2*time.Hour), time.Time{}, 5)
	case 9:
		_, err = c.store.PinSubject(c.ctx, person, []string{"wiki", "shop"}[r.IntN(2)], name, noon)
	case 10:
		err = c.store.PutTicket(c.ctx, newTicket(fmt.Sprint(r.IntN(20))), noon, 15)
	case 11:
		t := newTicket(fmt.Sprint(r.IntN(20)))
		if _, err = c.store.ScanTicket(c.ctx, t.Hash, phone(person), noon); err == nil {
			_, err = c.store.AnswerTicket(c.ctx, t.Hash, person, gateway.TicketApproved, noon)
		}
	case 12:
		t := newTicket(fmt.Sprint(r.IntN(20)))
		if _, err = c.store.RedeemTicket(c.ctx, t.Hash, t.Desktop, noon); err != nil && known(err) {
			err = c.store.CancelTicket(c.ctx, t.Hash, t.Desktop, noon)
		}
	}
	return err
}
