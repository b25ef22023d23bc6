package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// mixedLoad is the case that searches for deadlocks. Many goroutines execute random operations on a
// few users. The operations lock rows in different orders. A store that cannot resolve the
// deadlocks returns ErrUnavailable, and fails the case. The errors that isExpected lists are
// allowed.
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
	f.concurrently(12, func(worker int) {
		random := rand.New(rand.NewPCG(seed, uint64(worker)))
		for i := range rounds {
			userID := users[random.IntN(len(users))]
			err := f.randomOperation(random, userID, fmt.Sprint(worker, "-", i))
			if err != nil && !isExpected(err) {
				t.Errorf("worker %d, round %d: %v", worker, i, err)
				return
			}
		}
	})
	for _, userID := range users {
		user := f.getUser(userID)
		seenAppIDs := map[string]bool{}
		for _, identity := range f.listIdentities(user.ID) {
			if seenAppIDs[identity.AppID] || identity.UserID != user.ID {
				t.Errorf("user %s has the identity %+v of another user, or two of one appid", user.ID, identity)
			}
			seenAppIDs[identity.AppID] = true
		}
	}
}

// isExpected reports whether err can occur in a mixed load.
func isExpected(err error) bool {
	for _, allowed := range []error{gateway.ErrNotFound, gateway.ErrConflict, gateway.ErrBlocked, gateway.ErrReplay,
		gateway.ErrFull} {
		if errors.Is(err, allowed) {
			return true
		}
	}
	return false
}

// randomOperation executes one operation of the store, chosen at random.
func (f *fixture) randomOperation(random *rand.Rand, userID, name string) (err error) {
	switch random.IntN(13) {
	case 0:
		at := after(time.Duration(random.IntN(60)) * time.Minute)
		openid := fmt.Sprint("o", random.IntN(4))
		unionid := []string{"", "u1", "u2"}[random.IntN(3)]
		_, _, err = f.store.RecordSignIn(f.t.Context(), joinableConnectors[random.IntN(3)].signIn(at, openid, unionid))
	case 1, 2:
		err = f.store.PutSession(f.t.Context(), newSession(userID, name), noon)
	case 3, 4:
		if err = f.store.PutCode(f.t.Context(), newCode(userID, "wiki", name)); err == nil {
			_, err = f.store.Redeem(f.t.Context(), hash("code "+name), noon, newIssue(name))
		}
	case 5:
		_, err = f.store.Revoke(f.t.Context(), gateway.Revocation{UserID: userID}, noon)
	case 6:
		_, err = f.store.DeleteUserSessions(f.t.Context(), userID, noon)
	case 7:
		status := []gateway.Status{gateway.Active, gateway.Active, gateway.Blocked}[random.IntN(3)]
		_, err = f.store.UpdateUser(f.t.Context(), userID, noon, func(stored *gateway.User) error {
			stored.Status = status
			return nil
		})
	case 8:
		_, err = f.store.Sweep(f.t.Context(), after(2*time.Hour), time.Time{}, 5)
	case 9:
		_, err = f.store.PinSubject(f.t.Context(), userID, []string{"wiki", "shop"}[random.IntN(2)], name, noon)
	case 10:
		limits := gateway.TicketLimits{Total: 15, PerNetwork: 10} // both below the 20 tickets, so both are reached
		err = f.store.PutTicket(f.t.Context(), newTicket(fmt.Sprint(random.IntN(20))), noon, limits)
	case 11:
		ticket := newTicket(fmt.Sprint(random.IntN(20)))
		if _, err = f.store.ScanTicket(f.t.Context(), ticket.Hash, newApprover(userID), noon); err == nil {
			_, err = f.store.AnswerTicket(f.t.Context(), ticket.Hash, userID, gateway.TicketApproved, noon)
		}
	case 12:
		ticket := newTicket(fmt.Sprint(random.IntN(20)))
		_, err = f.store.RedeemTicket(f.t.Context(), newRedemption(ticket.Hash, ticket.Desktop, noon))
		if err != nil && isExpected(err) { // the ticket is not approved: the desktop gives up
			err = f.store.CancelTicket(f.t.Context(), ticket.Hash, ticket.Desktop, noon)
		}
	}
	return err
}
