package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// mixedLoad executes all operations at once on a few users. A store may return any error of package
// gateway but ErrUnavailable. Operations that change many rows lock them in different orders here,
// so a store whose transactions can deadlock fails.
func mixedLoad(t *testing.T, f *fixture) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rounds := 150
	if f.Race {
		rounds = 30
	}
	var users []string
	for i := range 4 {
		users = append(users, f.addUser(fmt.Sprint("o", i)).ID)
	}
	concurrently(12, func(w int) {
		r := rand.New(rand.NewPCG(seed, uint64(w)))
		for i := range rounds {
			if err := f.randomOperation(r, users[r.IntN(len(users))], fmt.Sprint(w, "-", i)); err != nil && !expected(err) {
				t.Errorf("worker %d, round %d: %v", w, i, err)
				return
			}
		}
	})
	for _, id := range users {
		a := f.getUser(id)
		openids := map[string]bool{}
		for _, i := range f.listIdentities(a.ID) {
			if openids[i.AppID] || i.UserID != a.ID {
				t.Errorf("user %s has identity %+v beside another of that appid, or of another user", a.ID, i)
			}
			openids[i.AppID] = true
		}
	}
}

// expected reports whether err is a result that a mixed load may have.
func expected(err error) bool {
	for _, k := range []error{gateway.ErrNotFound, gateway.ErrConflict, gateway.ErrBlocked, gateway.ErrReplay,
		gateway.ErrFull} {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// randomOperation executes one operation of a gateway, chosen by r.
func (f *fixture) randomOperation(r *rand.Rand, user, name string) (err error) {
	switch r.IntN(13) {
	case 0:
		e := []connector{mainConnector, siteConnector, thirdConnector}[r.IntN(3)]
		_, _, err = f.store.RecordSignIn(f.t.Context(),
			e.signIn(after(time.Duration(r.IntN(60))*time.Minute), fmt.Sprint("o", r.IntN(4)),
				[]string{"", "u1", "u2"}[r.IntN(3)]))
	case 1, 2:
		err = f.store.PutSession(f.t.Context(), newSession(user, name), noon)
	case 3, 4:
		if err = f.store.PutCode(f.t.Context(), newCode(user, "wiki", name)); err == nil {
			_, err = f.store.Redeem(f.t.Context(), hash("code "+name), noon, newIssue(name))
		}
	case 5:
		_, err = f.store.Revoke(f.t.Context(), gateway.Revocation{UserID: user}, noon)
	case 6:
		_, err = f.store.DeleteUserSessions(f.t.Context(), user)
	case 7:
		status := []gateway.Status{gateway.Active, gateway.Active, gateway.Blocked}[r.IntN(3)]
		_, err = f.store.UpdateUser(f.t.Context(), user, noon, func(a *gateway.User) error { a.Status = status; return nil })
	case 8:
		_, err = f.store.Sweep(f.t.Context(), after(2*time.Hour), time.Time{}, 5)
	case 9:
		_, err = f.store.PinSubject(f.t.Context(), user, []string{"wiki", "shop"}[r.IntN(2)], name, noon)
	case 10:
		err = f.store.PutTicket(f.t.Context(), newTicket(fmt.Sprint(r.IntN(20))), noon, 15)
	case 11:
		ticket := newTicket(fmt.Sprint(r.IntN(20)))
		if _, err = f.store.ScanTicket(f.t.Context(), ticket.Hash, newApprover(user), noon); err == nil {
			_, err = f.store.AnswerTicket(f.t.Context(), ticket.Hash, user, gateway.TicketApproved, noon)
		}
	case 12:
		ticket := newTicket(fmt.Sprint(r.IntN(20)))
		if _, err = f.store.RedeemTicket(f.t.Context(), ticket.Hash, ticket.Desktop, noon); err != nil && expected(err) {
			err = f.store.CancelTicket(f.t.Context(), ticket.Hash, ticket.Desktop, noon)
		}
	}
	return err
}
