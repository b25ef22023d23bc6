package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// raceCases test operations of administrators that happen at once. Each operation must be stored
// completely or not at all.
var raceCases = []testCase{
	{
		name:       "five operations on one user at once leave one state",
		reason:     "an approval at the moment of a block or a deletion would let the user in again",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			for round := range 5 {
				n := fmt.Sprint("r", round, " ")
				older := f.recordSignIn(foreignConnector.signIn(after(-time.Hour), n+"older", ""))
				u := f.addPending(n + "o1")
				f.requestAccess(u.ID, "wiki", 0)
				f.addSession(u.ID, n+"s")
				operations := operationsOnUser(t, u.ID, older.ID, n)
				errs := make([]error, len(operations))
				f.concurrently(len(operations), func(i int) { errs[i] = operations[i](stores[(i+round)%2]) })
				for i, err := range errs {
					if !slices.Contains([]string{"ok", "not found", "blocked"}, errorName(err)) {
						t.Fatalf("operation %d: %v", i, err)
					}
				}
				blocked, merged, deleted := errs[2] == nil, errs[3] == nil, errs[4] == nil // as in operationsOnUser
				left, err := f.store.User(t.Context(), u.ID)
				switch {
				case deleted:
					wantError(t, err, gateway.ErrNotFound)
					wantEqual(t, "requests of a deleted user", f.requestStates(u.ID), "")
					_, err = f.store.Identities(t.Context(), u.ID)
					wantError(t, err, gateway.ErrNotFound)
				case err != nil:
					t.Fatal(err)
				case blocked:
					wantEqual(t, "status", left.Status, gateway.Blocked)
				}
				if !deleted && merged {
					wantEqual(t, "user", left.ID, older.ID)
				}
				if blocked || deleted || merged {
					wantEqual(t, "sessions", len(f.listSessions(u.ID, noon)), 0)
				}
				var succeeded int
				for _, err := range errs {
					if err == nil {
						succeeded++
					}
				}
				wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: n + "operation"})), succeeded)
			}
		},
	},
	{
		name:       "two lists of approvals in opposite order are both done",
		reason:     "two administrators who approve the same users would wait for each other, or undo each other's work",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			var users []string
			for i := range 10 {
				u := f.addPending(fmt.Sprint("o", i))
				f.requestAccess(u.ID, "wiki", 0)
				users = append(users, u.ID)
			}
			backward := slices.Clone(users)
			slices.Reverse(backward)
			lists := [][]string{users, backward}
			f.concurrently(2, func(i int) {
				for _, id := range lists[i] {
					_, err := stores[i].DecideAccess(t.Context(), gateway.AccessDecision{UserID: id, State: gateway.RequestApproved,
						Groups: []string{fmt.Sprint("g", i)}, At: noon, Event: gateway.Event{Kind: "approved"}})
					if err != nil {
						t.Error(err)
					}
				}
			})
			for _, id := range users {
				u := f.getUser(id)
				wantEqual(t, "user", fmt.Sprint(u.Status, u.Groups, f.requestStates(id)), "active[g0 g1]wiki approved")
			}
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: "approved"})), 20)
		},
	},
	{
		name:       "two users who are merged into each other at once become one",
		reason:     "each would wait for the other's row, or both would be gone",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			for round := range 5 {
				users := []string{f.addUser(fmt.Sprint("o", round)).ID,
					f.recordSignIn(foreignConnector.signIn(noon, fmt.Sprint("o", round), "")).ID}
				var results counter
				f.concurrently(2, func(i int) {
					_, err := stores[i].MergeUsers(t.Context(), users[i], users[1-i], noon, gateway.Event{Kind: "merged"})
					results.add(errorName(err))
				})
				results.want(t, "merges", map[string]int{"ok": 1, "conflict": 1})
				wantEqual(t, "one user", f.getUser(users[0]).ID, f.getUser(users[1]).ID)
				wantEqual(t, "identities", len(f.listIdentities(users[0])), 2)
			}
		},
	},
	{
		name:       "the last administrator stays, whatever takes rights away at once",
		reason:     "GHSA-rxmp-8h9v-56cx (netbird): two changes at once escaped the rule",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			for round := range 5 {
				n := fmt.Sprint("r", round, " ")
				var admins []string
				for i := range 4 {
					admins = append(admins, f.recordSignIn(foreignConnector.signIn(noon, fmt.Sprint(n, i), "")).ID)
					f.makeAdmin(admins[i])
				}
				plain := f.addUser(n + "plain").ID
				operations := []func(s gateway.Store) error{
					func(s gateway.Store) error {
						_, err := s.ChangeUser(t.Context(), changeUser(admins[0], func(u *gateway.User) { u.Admin = false }))
						return err
					},
					func(s gateway.Store) error {
						_, err := s.ChangeUser(t.Context(), changeUser(admins[1], func(u *gateway.User) { u.Status = gateway.Blocked }))
						return err
					},
					func(s gateway.Store) error { return s.DeleteUser(t.Context(), admins[2], noon, gateway.Event{}) },
					func(s gateway.Store) error {
						_, err := s.MergeUsers(t.Context(), plain, admins[3], noon, gateway.Event{})
						return err
					},
				}
				var results counter
				f.concurrently(len(operations), func(i int) { results.add(errorName(operations[i](stores[(i+round)%2]))) })
				results.want(t, "operations", map[string]int{"ok": 3, "last admin": 1})
				left, err := f.store.CountAdmins(t.Context())
				wantNoError(t, err)
				wantEqual(t, "administrators", left, 1)
				for _, id := range admins {
					if u, err := f.store.User(t.Context(), id); err == nil && u.Admin {
						f.updateUser(u.ID, noon, func(u *gateway.User) error { u.Admin = false; return nil })
					}
				}
			}
		},
	},
}

// operationsOnUser returns operations of administrators on a user: approve, refuse, block, merge
// into older, and delete, in this order. Their events have the kind n + "operation".
func operationsOnUser(t *testing.T, userID, older, n string) []func(gateway.Store) error {
	e := gateway.Event{Kind: n + "operation"}
	decide := func(state gateway.RequestState) func(gateway.Store) error {
		return func(s gateway.Store) error {
			_, err := s.DecideAccess(t.Context(), gateway.AccessDecision{UserID: userID, State: state, At: noon, Event: e})
			return err
		}
	}
	return []func(gateway.Store) error{
		decide(gateway.RequestApproved),
		decide(gateway.RequestRefused),
		func(s gateway.Store) error {
			c := changeUser(userID, func(u *gateway.User) { u.Status = gateway.Blocked })
			c.Event = e
			_, err := s.ChangeUser(t.Context(), c)
			return err
		},
		func(s gateway.Store) error {
			_, err := s.MergeUsers(t.Context(), older, userID, noon, e)
			return err
		},
		func(s gateway.Store) error { return s.DeleteUser(t.Context(), userID, noon, e) },
	}
}

// CheckFailedRedemption tests that no use of an invitation is counted when the store fails during
// the redemption (ChronoAIProject/NyxID#214, DeliciousBuding/new-api#165). exec runs a statement on
// the database of the store.
func CheckFailedRedemption(t *testing.T, store gateway.Store, exec func(statement string)) {
	f := &fixture{t: t, store: store}
	i := newInvitation("link", gateway.InviteUser, 1)
	i.Groups = []string{"staff"}
	f.invite(i)
	f.invite(newInvitation("admin link", gateway.InviteAdmin, 1))
	u := f.addPending("o1")
	f.requestAccess(u.ID, "wiki", 0)
	withoutWeChat := func() error {
		session := newSession("", "s1")
		_, _, err := store.RedeemInvitation(t.Context(), gateway.InvitationRedemption{Hash: hash("admin link"), Now: noon,
			WithoutWeChat: &session, Event: gateway.Event{Kind: "invitation_used"}})
		return err
	}
	redeem := func() error { _, _, err := f.redeem("link", u.ID); return err }
	for _, c := range []struct {
		table string // not there during the redemption
		call  func() error
	}{
		{"access_requests", redeem},        // before the user is approved
		{"events", redeem},                 // after the user is approved and the use is counted
		{"sessions", withoutWeChat},        // after there is an administrator
		{"invitation_uses", withoutWeChat}, // after the use is counted
		{"events", withoutWeChat},
	} {
		exec("ALTER TABLE " + c.table + " RENAME TO not_there")
		err := c.call()
		exec("ALTER TABLE not_there RENAME TO " + c.table)
		if err == nil || errors.Is(err, gateway.ErrExpired) || errors.Is(err, gateway.ErrNotFound) {
			t.Fatalf("without the table %s: error %v", c.table, err)
		}
		f.wantUses("link", 0)
		f.wantUses("admin link", 0)
		stored := f.getUser(u.ID)
		wantEqual(t, "user", fmt.Sprint(stored.Status, stored.Groups, f.requestStates(u.ID)), "pending[]wiki waiting")
		wantEqual(t, "users", len(f.searchUsers(gateway.UserSearch{})), 1)
		_, err = store.Session(t.Context(), hash("s1"), noon)
		wantError(t, err, gateway.ErrNotFound)
	}
	wantNoError(t, redeem())
	wantNoError(t, withoutWeChat())
	f.wantUses("link", 1)
	f.wantUses("admin link", 1)
	wantEqual(t, "status", f.getUser(u.ID).Status, gateway.Active)
}
