package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// newInvitation returns an invitation that is found by hash(id) and expires an hour after noon.
func newInvitation(id string, kind gateway.InvitationKind, maxUses int) gateway.Invitation {
	return gateway.Invitation{ID: id, Hash: hash(id), Kind: kind, CreatedBy: gateway.ActorCommand, CreatedAt: noon,
		ExpiresAt: after(time.Hour), MaxUses: maxUses}
}

// invite stores an invitation.
func (f *fixture) invite(i gateway.Invitation) {
	f.t.Helper()
	wantNoError(f.t, f.store.CreateInvitation(f.t.Context(), i, gateway.Event{At: noon, Kind: "invited"}))
}

// redeem uses the invitation with an id as this user. It returns the user afterwards, whether a use
// was counted, and the error.
func (f *fixture) redeem(id, userID string) (gateway.User, bool, error) {
	return f.store.RedeemInvitation(f.t.Context(), gateway.InvitationRedemption{Hash: hash(id), UserID: userID, Now: noon,
		Event: gateway.Event{Kind: "invitation_used"}})
}

// wantUses fails the test unless this many uses of the invitation are counted and listed.
func (f *fixture) wantUses(id string, want int) {
	f.t.Helper()
	i, err := f.store.InvitationByID(f.t.Context(), id)
	wantNoError(f.t, err)
	uses, err := f.store.InvitationUses(f.t.Context(), gateway.InvitationUseQuery{ID: id})
	wantNoError(f.t, err)
	if i.Uses != want || len(uses) != want {
		f.t.Fatalf("%d uses are counted and %d listed, want %d", i.Uses, len(uses), want)
	}
}

// invitationCases test invitations: links that give users access to apps or administrator rights,
// or move a user to another WeChat account.
var invitationCases = []testCase{
	{
		name:       "fifty users at once use a link that has three uses three times",
		reason:     "pretalx/pretalx#2393, azrtydxb/kryton#8: a link was used more often than allowed",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			i := newInvitation("link", gateway.InviteUser, 3)
			i.Groups = []string{"guests"}
			f.invite(i)
			var users []string
			for n := range 50 {
				users = append(users, f.addPending(fmt.Sprint("o", n)).ID)
			}
			stores, results := f.handles(), counter{}
			f.concurrently(50, func(n int) {
				_, used, err := stores[n%2].RedeemInvitation(t.Context(), gateway.InvitationRedemption{Hash: hash("link"),
					UserID: users[n], Now: noon, Event: gateway.Event{Kind: "invitation_used"}})
				results.add(fmt.Sprint(used, " ", errorName(err)))
			})
			results.want(t, "uses", map[string]int{"true ok": 3, "false expired": 47})
			f.wantUses("link", 3)
			wantEqual(t, "approved", len(f.searchUsers(gateway.UserSearch{Status: gateway.Active, Group: "guests"})), 3)
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: "invitation_used"})), 3)
		},
	},
	{
		name:       "a link for one administrator makes one, when fifty browsers use it at once",
		reason:     "nginx-ui CVE-2026-42221: the first visitor, or the fastest, became administrator",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			f.invite(newInvitation("link", gateway.InviteAdmin, 1))
			stores, results := f.handles(), counter{}
			f.concurrently(50, func(n int) {
				r := gateway.InvitationRedemption{Hash: hash("link"), Now: noon, Event: gateway.Event{Kind: "invitation_used"}}
				if n%2 == 0 {
					user, _, err := f.store.RecordSignIn(t.Context(), mainConnector.signIn(noon, fmt.Sprint("o", n), ""))
					if err != nil {
						t.Error(err)
					}
					r.UserID = user.ID
				} else {
					session := newSession("", fmt.Sprint("s", n))
					session.Method = gateway.MethodLink
					r.WithoutWeChat = &session
				}
				_, used, err := stores[n/2%2].RedeemInvitation(t.Context(), r) // both kinds of use through both handles
				results.add(fmt.Sprint(used, " ", errorName(err)))
			})
			results.want(t, "uses", map[string]int{"true ok": 1, "false expired": 49})
			wantEqual(t, "administrators", len(f.searchUsers(gateway.UserSearch{Admin: true})), 1)
		},
	},
	{
		name:   "a link that cannot be used is refused at its use, with every reason",
		reason: "authentik CVE-2025-64708: expired links worked until a cleanup ran; ToolJet/ToolJet#16229",
		run: func(t *testing.T, f *fixture) {
			boss, other := f.addUser("boss"), f.addUser("other")
			f.makeAdmin(boss.ID)
			f.makeAdmin(other.ID)
			for id, by := range map[string]string{"by boss": boss.ID, "by key": gateway.ActorKeyPrefix + "k1", "by nobody": "x",
				"expired": "command", "revoked": "command", "good": "command"} {
				i := newInvitation(id, gateway.InviteUser, 0)
				i.CreatedBy = by
				if id == "expired" {
					i.ExpiresAt = noon
				}
				f.invite(i)
			}
			wantNoError(t, f.store.RevokeInvitation(t.Context(), "revoked", noon, gateway.Event{At: noon, Kind: "revoked"}))
			wantNoError(t, f.store.RevokeInvitation(t.Context(), "revoked", noon, gateway.Event{At: noon, Kind: "revoked"}))
			wantError(t, f.store.RevokeInvitation(t.Context(), "no", noon, gateway.Event{}), gateway.ErrNotFound)
			usable := func(id string) string {
				i, err := f.store.Invitation(t.Context(), hash(id), noon)
				if err == nil || errorName(err) == "expired" {
					wantEqual(t, "invitation", i.ID, id)
				}
				if _, used, redeemErr := f.redeem(id, f.addPending("p "+id+gateway.NewID()).ID); used != (err == nil) ||
					errorName(redeemErr) != errorName(err) {
					t.Fatalf("%s: Invitation returned %v, and RedeemInvitation %v, %v", id, err, used, redeemErr)
				}
				return errorName(err)
			}
			key := gateway.APIKey{ID: "k1", Hash: hash("k1"), CreatedBy: other.ID, CreatedAt: noon}
			wantNoError(t, f.store.CreateAPIKey(t.Context(), key, gateway.Event{}))
			for id, want := range map[string]string{"by boss": "ok", "by key": "ok", "by nobody": "expired",
				"expired": "expired", "revoked": "expired", "good": "ok", "unknown": "not found"} {
				wantEqual(t, id, usable(id), want)
			}
			f.updateUser(boss.ID, noon, func(u *gateway.User) error { u.Admin = false; return nil })
			wantEqual(t, "by a former administrator", usable("by boss"), "expired")
			wantNoError(t, f.store.RevokeAPIKey(t.Context(), "k1", noon, gateway.Event{}))
			wantEqual(t, "by a revoked key", usable("by key"), "expired")
		},
	},
	{
		name:   "a link gives a user its apps and groups once, and nothing to a user who has them",
		reason: "authentik CVE-2022-23555; QuantumNous/new-api#6305: an existing account used the link up",
		run: func(t *testing.T, f *fixture) {
			i := newInvitation("link", gateway.InviteUser, 0)
			i.Apps, i.Groups = []string{"wiki"}, []string{"guests"}
			f.invite(i)
			wantError(t, f.store.CreateInvitation(t.Context(), i, gateway.Event{}), gateway.ErrConflict)
			u := f.addPending("o1")
			f.requestAccess(u.ID, "wiki", 0)
			got, used, err := f.redeem("link", u.ID)
			wantNoError(t, err)
			wantEqual(t, "user", fmt.Sprint(used, " ", got.Status, " ", got.AllowedApps, got.Groups),
				"true pending [wiki] [guests]")
			wantEqual(t, "request", f.requestStates(u.ID), "wiki approved")
			_, used, err = f.redeem("link", u.ID)
			wantNoError(t, err)
			wantEqual(t, "used again", used, false)
			member := f.addUser("o2")
			f.updateUser(member.ID, noon, func(u *gateway.User) error {
				u.AllowedApps, u.Groups = []string{"wiki"}, []string{"guests", "staff"}
				return nil
			})
			_, used, err = f.redeem("link", member.ID)
			wantNoError(t, err)
			wantEqual(t, "used by a user who has the app and the group", used, false)
			blocked := f.addUser("o3")
			f.block(blocked.ID)
			_, _, err = f.redeem("link", blocked.ID)
			wantError(t, err, gateway.ErrBlocked)
			f.wantUses("link", 1)
			f.invite(newInvitation("all", gateway.InviteUser, 1))
			got, _, err = f.redeem("all", u.ID)
			wantNoError(t, err)
			wantEqual(t, "all apps", got.Status, gateway.Active)
			e := f.listEvents(gateway.EventQuery{Kind: "invitation_used"})[0]
			if e.UserID != u.ID || e.At != noon || e.Detail != "approved for all apps; invitation all; created by command" {
				t.Fatalf("event %+v", e)
			}
			joined := f.recordSignIn(mainConnector.signIn(noon, "o1", "u9"))
			wantEqual(t, "user", joined.ID, u.ID)
		},
	},
	{
		name:   "a link lifts neither a refusal nor a block",
		reason: "a refused user gets a link from a colleague; Gitea CVE-2026-58422 for blocks",
		run: func(t *testing.T, f *fixture) {
			u := f.addPending("o1")
			f.requestAccess(u.ID, "wiki", 0)
			f.decideAccess(gateway.AccessDecision{UserID: u.ID, State: gateway.RequestRefused, At: noon, By: "boss"})
			for id, apps := range map[string][]string{"wiki": {"wiki"}, "two": {"shop", "wiki"}, "all": nil} {
				i := newInvitation(id, gateway.InviteUser, 1)
				i.Apps, i.Groups = apps, []string{"by " + id}
				f.invite(i)
			}
			_, _, err := f.redeem("wiki", u.ID)
			wantError(t, err, gateway.ErrRefused)
			f.wantUses("wiki", 0)
			refused := func(user string, want string) {
				t.Helper()
				e := f.listEvents(gateway.EventQuery{Kind: gateway.EventInvitationRefused})[0]
				wantEqual(t, "event", fmt.Sprint(e.UserID == user, " ", e.Outcome, " ", e.Detail), want)
			}
			refused(u.ID, "true refused invitation wiki; created by command")
			got, _, err := f.redeem("two", u.ID)
			wantNoError(t, err)
			wantEqual(t, "two apps", fmt.Sprint(got.Status, got.AllowedApps, got.RefusedApps, got.Groups),
				"pending[shop] [wiki] [by two]")
			got, _, err = f.redeem("all", u.ID)
			wantNoError(t, err)
			wantEqual(t, "all apps", fmt.Sprint(got.Status, got.RefusedApps), "active[wiki]")
			wantEqual(t, "requests", f.requestStates(u.ID), "shop approved, wiki refused")
			wantEqual(t, "event", f.listEvents(gateway.EventQuery{Kind: "invitation_used"})[0].Detail,
				"approved for all apps; still refused for wiki; groups by all; invitation all; created by command")
			f.block(u.ID)
			_, _, err = f.redeem("wiki", u.ID)
			wantError(t, err, gateway.ErrBlocked)
			f.wantUses("wiki", 0)
			wantEqual(t, "refusals", len(f.listEvents(gateway.EventQuery{Kind: gateway.EventInvitationRefused})), 2)
		},
	},
	{
		name:   "an administrator's link is bound to its user, and to its one use without WeChat",
		reason: "fleetdm/fleet CVE-2026-34389: a link for one user worked for another user",
		run: func(t *testing.T, f *fixture) {
			owner, other := f.addUser("o1"), f.addUser("o2")
			i := newInvitation("link", gateway.InviteAdmin, 1)
			i.UserID = owner.ID
			f.invite(i)
			_, _, err := f.redeem("link", other.ID)
			wantError(t, err, gateway.ErrConflict)
			r := gateway.InvitationRedemption{Hash: hash("link"), Now: noon, Event: gateway.Event{Kind: "invitation_used"}}
			session := newSession("", "s1")
			r.WithoutWeChat = &session
			user, used, err := f.store.RedeemInvitation(t.Context(), r)
			wantNoError(t, err)
			wantEqual(t, "user", fmt.Sprint(user.ID == owner.ID, user.Admin, used), "true true true")
			wantEqual(t, "session", f.getSession(hash("s1"), noon).UserID, owner.ID)
			session = newSession("", "s2")
			_, _, err = f.store.RedeemInvitation(t.Context(), r)
			wantError(t, err, gateway.ErrExpired)
			_, err = f.store.Session(t.Context(), hash("s2"), noon)
			wantError(t, err, gateway.ErrNotFound)
			f.wantUses("link", 1)
			f.invite(newInvitation("users", gateway.InviteUser, 0))
			r.Hash = hash("users")
			_, _, err = f.store.RedeemInvitation(t.Context(), r)
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:   "links without a user and without WeChat sign the same administrator in again",
		reason: "with a personal account, each use of the way in left another administrator without a name",
		run: func(t *testing.T, f *fixture) {
			f.makeAdmin(f.addUser("boss").ID) // has an identity
			enter := func(id string) gateway.User {
				f.invite(newInvitation(id, gateway.InviteAdmin, 1))
				session := newSession("", "s "+id)
				session.Method = gateway.MethodLink
				user, used, err := f.store.RedeemInvitation(t.Context(), gateway.InvitationRedemption{Hash: hash(id), Now: noon,
					WithoutWeChat: &session, Event: gateway.Event{Kind: "admin_link"}})
				wantNoError(t, err)
				wantEqual(t, "used", used, true)
				wantEqual(t, "session", f.getSession(hash("s "+id), noon).UserID, user.ID)
				return user
			}
			first := enter("one")
			wantEqual(t, "the second link", enter("two").ID, first.ID)
			wantEqual(t, "event", f.listEvents(gateway.EventQuery{Kind: "admin_link"})[0].Detail,
				"signed in without WeChat; invitation two; created by command")
			wantEqual(t, "administrators", len(f.searchUsers(gateway.UserSearch{Admin: true})), 2)
			// A user with a name or a note is somebody in particular, and a blocked one stays out.
			f.updateUser(first.ID, noon, func(u *gateway.User) error { u.RealName = "Ann"; return nil })
			second := enter("three")
			f.updateUser(second.ID, noon, func(u *gateway.User) error { u.Note = "of the night shift"; return nil })
			third := enter("four")
			f.block(third.ID)
			fourth := enter("five")
			wantEqual(t, "the next link", enter("six").ID, fourth.ID)
			ids := map[string]bool{first.ID: true, second.ID: true, third.ID: true, fourth.ID: true}
			wantEqual(t, "users", len(ids), 4)
		},
	},
	{
		name:   "a user moves to another WeChat account, and the old account cannot sign in any more",
		reason: "the phone with the old account may be lost",
		run: func(t *testing.T, f *fixture) {
			user := f.recordSignIn(mainConnector.signIn(noon, "old", "u1"))
			f.recordSignIn(siteConnector.signIn(noon, "old-site", "u1"))
			f.updateUser(user.ID, noon, func(u *gateway.User) error { u.Admin, u.Groups = true, []string{"staff"}; return nil })
			f.pinSubject(user.ID, "wiki", "sub", noon)
			f.addSession(user.ID, "s1")
			f.addGrant(user.ID, "wiki", "g1")
			i := newInvitation("link", gateway.InviteMove, 1)
			i.UserID = user.ID
			f.invite(i)
			fresh := f.recordSignIn(mainConnector.signIn(after(time.Minute), "new", "u2"))
			f.addSession(fresh.ID, "s2")
			moved, used, err := f.redeem("link", fresh.ID)
			wantNoError(t, err)
			wantEqual(t, "user", fmt.Sprint(used, moved.ID == user.ID, moved.Admin, moved.Groups), "true true true [staff]")
			wantEqual(t, "sessions", len(f.listSessions(user.ID, noon)), 0)
			wantEqual(t, "grant", f.getGrant("grant-g1").Live(noon), false)
			wantEqual(t, "the new account", f.recordSignIn(mainConnector.signIn(after(time.Hour), "new", "u2")).ID, user.ID)
			wantEqual(t, "subject", f.pinSubject(user.ID, "wiki", "other", noon), "sub")
			for _, signIn := range []gateway.SignIn{mainConnector.signIn(after(time.Hour), "old", "u1"),
				siteConnector.signIn(after(time.Hour), "old-site", "u1")} {
				if f.recordSignIn(signIn).ID == user.ID {
					t.Fatal("the old account still signs the user in")
				}
			}
			f.wantUses("link", 1)
		},
	},
	{
		name:   "a link that moves a user does not give somebody the rights that the user gets later",
		reason: "an API key without admins:write makes the link, and waits; authentik GHSA-5wcc-hf24-rf5h",
		run: func(t *testing.T, f *fixture) {
			move := func(id, userID string) {
				i := newInvitation(id, gateway.InviteMove, 1)
				i.UserID = userID
				f.invite(i)
			}
			promoted, attacker := f.addUser("o1"), f.addUser("o2")
			move("promoted", promoted.ID)
			f.makeAdmin(promoted.ID)
			boss := f.recordSignIn(mainConnector.signIn(noon, "boss", "u1"))
			f.makeAdmin(boss.ID)
			move("merged", f.recordSignIn(foreignConnector.signIn(after(time.Minute), "boss-2", "")).ID)
			merged := f.recordSignIn(foreignConnector.signIn(after(time.Minute), "boss-2", ""))
			_, err := f.store.MergeUsers(t.Context(), boss.ID, merged.ID, noon, gateway.Event{Kind: "merged"})
			wantNoError(t, err)
			for _, id := range []string{"promoted", "merged"} {
				_, _, err := f.redeem(id, attacker.ID)
				wantError(t, err, gateway.ErrExpired)
			}
			move("of an administrator", boss.ID) // only the command line and keys with admins:write create it
			_, _, err = f.redeem("of an administrator", attacker.ID)
			wantNoError(t, err)
		},
	},
	{
		name:   "links are listed newest first, in pages, until they are swept",
		reason: "an administrator looks for a link of last week",
		run: func(t *testing.T, f *fixture) {
			for n := range 5 {
				i := newInvitation(fmt.Sprint("i", n), []gateway.InvitationKind{gateway.InviteUser, gateway.InviteAdmin}[n%2], 1)
				i.CreatedAt = after(time.Duration(n/2) * time.Second) // two have one time
				f.invite(i)
			}
			f.invite(newInvitation("used", gateway.InviteUser, 1))
			_, _, err := f.redeem("used", f.addPending("o1").ID)
			wantNoError(t, err)
			got := ""
			for q := (gateway.InvitationQuery{Limit: 2}); ; {
				page, err := f.store.Invitations(t.Context(), q)
				wantNoError(t, err)
				if len(page) == 0 {
					break
				}
				for _, i := range page {
					got += i.ID + " "
				}
				last := page[len(page)-1]
				q.Before, q.BeforeID = last.CreatedAt, last.ID
			}
			wantEqual(t, "links", got, "i4 i3 i2 used i1 i0 ")
			for _, limit := range extremes {
				all, err := f.store.Invitations(t.Context(), gateway.InvitationQuery{Limit: limit, Kind: gateway.InviteAdmin})
				wantNoError(t, err)
				wantEqual(t, "administrators' links", len(all), 2)
				uses, err := f.store.InvitationUses(t.Context(), gateway.InvitationUseQuery{ID: "used", Limit: limit})
				wantNoError(t, err)
				wantEqual(t, "uses", len(uses), 1)
			}
			const life = 90 * 24 * time.Hour
			wantEqual(t, "swept early", f.sweep(after(life+59*time.Minute), time.Time{}, 0), 0)
			wantEqual(t, "swept", f.sweep(after(life+time.Hour), time.Time{}, 0), 7)
		},
	},
}
