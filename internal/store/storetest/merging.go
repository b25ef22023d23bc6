package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// mergeCases test what only administrators do with users: merging, unlinking and deleting.
var mergeCases = []testCase{
	{
		name:   "two users of one human are merged, and gain no right",
		reason: "authentik GHSA-5wcc-hf24-rf5h: linking moved rights to another person",
		run: func(t *testing.T, f *fixture) {
			older := f.recordSignIn(mainConnector.signIn(noon, "o1", ""))
			younger := f.recordSignIn(foreignConnector.signIn(after(time.Minute), "o2", ""))
			f.updateUser(younger.ID, noon, func(u *gateway.User) error {
				u.Groups, u.Note, u.AllowedApps = []string{"bosses"}, "二楼", []string{"wiki"}
				return nil
			})
			f.updateUser(older.ID, noon, func(u *gateway.User) error {
				u.Admin, u.Status, u.Groups, u.Note = false, gateway.Pending, []string{"staff"}, "前台"
				return nil
			})
			for i, id := range []string{older.ID, younger.ID} {
				f.addSession(id, fmt.Sprint("s", i))
				f.addGrant(id, "wiki", fmt.Sprint("g", i))
			}
			merged, err := f.store.MergeUsers(t.Context(), older.ID, younger.ID, after(time.Hour), gateway.Event{Kind: "merged"})
			wantNoError(t, err)
			wantEqual(t, "id", merged.ID, older.ID)
			wantEqual(t, "user", fmt.Sprint(merged.Status, " ", merged.Groups, merged.AllowedApps, " ", merged.Note),
				"active [staff] [wiki] 前台\n二楼")
			wantEqual(t, "resolved", f.getUser(younger.ID).ID, older.ID)
			wantEqual(t, "identities", len(f.listIdentities(older.ID)), 2)
			wantEqual(t, "sessions", len(f.listSessions(older.ID, noon)), 0)
			for i := range 2 {
				wantEqual(t, "grant", f.getGrant(fmt.Sprint("grant-g", i)).RevokedAt.IsZero(), false)
			}
			wantEqual(t, "event", f.listEvents(gateway.EventQuery{Kind: "merged"})[0].UserID, older.ID)
			wantEqual(t, "found", len(f.searchUsers(gateway.UserSearch{Text: "二楼"})), 1)
			third := f.addUser("o3")
			for _, ids := range [][2]string{{older.ID, third.ID}, {older.ID, younger.ID}, {older.ID, older.ID}} {
				_, err = f.store.MergeUsers(t.Context(), ids[0], ids[1], noon, gateway.Event{})
				wantError(t, err, gateway.ErrConflict) // another openid of the appid, or one user
			}
			_, err = f.store.MergeUsers(t.Context(), older.ID, "nobody", noon, gateway.Event{})
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:   "merging keeps a block, and the last administrator",
		reason: "go-gitea/gitea CVE-2026-58422: another operation unblocked a user",
		run: func(t *testing.T, f *fixture) {
			older := f.recordSignIn(mainConnector.signIn(noon, "o1", ""))
			boss := f.recordSignIn(foreignConnector.signIn(after(time.Minute), "o2", ""))
			f.makeAdmin(boss.ID)
			_, err := f.store.MergeUsers(t.Context(), older.ID, boss.ID, noon, gateway.Event{})
			wantError(t, err, gateway.ErrLastAdmin)
			wantError(t, f.store.DeleteUser(t.Context(), boss.ID, noon, gateway.Event{}), gateway.ErrLastAdmin)
			wantEqual(t, "unchanged", f.getUser(boss.ID).ID, boss.ID)
			f.makeAdmin(f.recordSignIn(siteConnector.signIn(noon, "o3", "")).ID)
			f.block(older.ID)
			merged, err := f.store.MergeUsers(t.Context(), older.ID, boss.ID, noon, gateway.Event{})
			wantNoError(t, err)
			wantEqual(t, "status", fmt.Sprint(merged.Status, " ", merged.Admin), "blocked false")
		},
	},
	{
		name:   "an identity is unlinked with its sessions and grants, but not the last one",
		reason: "an identity without a user could not be blocked, and a user without an identity could not sign in",
		run: func(t *testing.T, f *fixture) {
			u := f.recordSignIn(mainConnector.signIn(noon, "o-s1", "u1"))
			e := gateway.Event{Kind: "unlinked", Actor: "boss"}
			wantError(t, f.store.UnlinkIdentity(t.Context(), u.ID, "wxmain", "o-s1", noon, e), gateway.ErrConflict)
			f.recordSignIn(siteConnector.signIn(noon, "site", "u1"))
			other := f.addUser("o9")
			wantError(t, f.store.UnlinkIdentity(t.Context(), u.ID, "wxmain", "o9", noon, e), gateway.ErrNotFound)
			f.addSession(u.ID, "s1") // its openid is o-s1
			f.addSession(u.ID, "s2")
			f.addGrant(u.ID, "wiki", "s1")
			f.addGrant(u.ID, "wiki", "s2")
			wantNoError(t, f.store.UnlinkIdentity(t.Context(), u.ID, "wxmain", "o-s1", noon, e))
			wantEqual(t, "sessions", len(f.listSessions(u.ID, noon)), 1)
			wantEqual(t, "its grant", f.getGrant("grant-s1").RevokedAt.IsZero(), false)
			wantEqual(t, "another grant", f.getGrant("grant-s2").RevokedAt.IsZero(), true)
			wantEqual(t, "identities", len(f.listIdentities(u.ID)), 1)
			wantEqual(t, "another user", len(f.listIdentities(other.ID)), 1)
			wantEqual(t, "event", f.listEvents(gateway.EventQuery{Kind: "unlinked"})[0].UserID, u.ID)
		},
	},
	{
		name:   "a deleted user leaves nothing but an id in events, and the id is not given again",
		reason: "pocket-id 0.35.2 forgot the picture; zitadel CVE-2026-55670 gave ids again",
		run: func(t *testing.T, f *fixture) {
			signIn := mainConnector.signIn(noon, "o1", "u1")
			signIn.Profile = &gateway.Profile{Nickname: "小明", AvatarURL: "https://thirdwx.qlogo.cn/x"}
			u := f.recordSignIn(signIn)
			younger := f.recordSignIn(foreignConnector.signIn(after(time.Minute), "o2", ""))
			_, err := f.store.MergeUsers(t.Context(), u.ID, younger.ID, noon, gateway.Event{Kind: "merged"})
			wantNoError(t, err)
			f.updateUser(u.ID, noon, func(u *gateway.User) error {
				u.RealName, u.Note, u.Groups = "李雷", "二楼", []string{"staff"}
				return nil
			})
			f.addSession(u.ID, "s1")
			f.addGrant(u.ID, "wiki", "g1")
			f.pinSubject(u.ID, "wiki", "sub", noon)
			f.requestAccess(u.ID, "wiki", 0)
			f.invite(newInvitation("link", gateway.InviteUser, 0))
			i := newInvitation("move", gateway.InviteMove, 1)
			i.UserID = u.ID
			f.invite(i)
			_, _, err = f.redeem("link", u.ID)
			wantNoError(t, err)
			wantNoError(t, f.store.AddDeliveries(t.Context(),
				gateway.Delivery{Kind: gateway.DeliverNotification, Target: "team", UserID: u.ID, Payload: []byte("李雷")},
				gateway.Delivery{Kind: gateway.DeliverLogout, Target: "wiki", UserID: u.ID, Subject: "sub"}))
			for _, id := range []string{u.ID, younger.ID} {
				wantNoError(t, f.store.AppendEvents(t.Context(), gateway.Event{At: noon, Kind: "named", UserID: id, Detail: "李雷",
					Address: "192.0.2.0"}))
			}
			grants, err := f.store.UserGrants(t.Context(), younger.ID, noon)
			wantNoError(t, err)
			wantEqual(t, "grants", fmt.Sprint(grants), fmt.Sprint([]gateway.AppGrants{{App: "wiki", LastAt: noon, Live: 1}}))
			notNow := errors.New("not now")
			wantError(t, f.store.DeleteUserIf(t.Context(), younger.ID, noon, gateway.Event{Kind: "deleted"},
				func(stored gateway.User) error {
					wantEqual(t, "stored user", stored.ID+" "+stored.RealName, u.ID+" 李雷")
					return notNow
				}), notNow)
			wantEqual(t, "events of a deletion that was not allowed", len(f.listEvents(gateway.EventQuery{Kind: "deleted"})), 0)
			wantNoError(t, f.store.DeleteUser(t.Context(), younger.ID, after(time.Hour), gateway.Event{Kind: "deleted"}))
			for _, id := range []string{u.ID, younger.ID} {
				_, err = f.store.User(t.Context(), id)
				wantError(t, err, gateway.ErrNotFound)
			}
			for _, text := range []string{"小明", "雷", "二楼", "o1", "o2", "u1", u.ID, younger.ID} {
				wantEqual(t, "found by "+text, len(f.searchUsers(gateway.UserSearch{Text: text})), 0)
			}
			wantEqual(t, "group", len(f.searchUsers(gateway.UserSearch{Group: "staff"})), 0)
			_, err = f.store.Grant(t.Context(), "grant-g1")
			wantError(t, err, gateway.ErrNotFound)
			_, _, err = f.store.Token(t.Context(), hash("access g1"), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.SubjectUser(t.Context(), "wiki", "sub")
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.InvitationByID(t.Context(), "move")
			wantError(t, err, gateway.ErrNotFound)
			uses, err := f.store.InvitationUses(t.Context(), gateway.InvitationUseQuery{ID: "link"})
			wantNoError(t, err)
			wantEqual(t, "uses", len(uses), 0)
			left, err := f.store.Deliveries(t.Context(), gateway.DeliveryQuery{})
			wantNoError(t, err)
			if len(left) != 1 || left[0].Kind != gateway.DeliverLogout {
				t.Errorf("deliveries that are left: %+v, want the logout token that waits", left)
			}
			for _, e := range f.listEvents(gateway.EventQuery{}) {
				if (e.UserID == u.ID || e.UserID == younger.ID) && (e.Detail != "" || e.Address != "") {
					t.Errorf("an event still has %+v", e)
				}
			}
			wantEqual(t, "event", f.listEvents(gateway.EventQuery{Kind: "deleted"})[0].UserID, u.ID)
			wantError(t, f.store.DeleteUser(t.Context(), u.ID, noon, gateway.Event{}), gateway.ErrNotFound)
			again := f.recordSignIn(signIn)
			if again.ID == u.ID || again.ID == younger.ID || again.RealName != "" || len(again.Groups) > 0 {
				t.Fatalf("the human who returns is %+v", again)
			}
		},
	},
	{
		name:   "an administrator ends one session or all, with their grants and an event",
		reason: "a user who has lost a phone must be signed out on it",
		run: func(t *testing.T, f *fixture) {
			u, other := f.addUser("o1"), f.addUser("o2")
			end := func(userID string, session [32]byte) int {
				n, err := f.store.EndSessions(t.Context(), gateway.SessionsEnd{UserID: userID, Session: session, Now: noon,
					Event: gateway.Event{Kind: "ended", Actor: "boss"}})
				wantNoError(t, err)
				return n
			}
			for _, name := range []string{"s1", "s2", "s3"} {
				f.addSession(u.ID, name)
				code := newCode(u.ID, "wiki", name)
				code.Grant.Session = hash(name)
				wantNoError(t, f.store.PutCode(t.Context(), code))
			}
			f.addSession(other.ID, "other")
			wantEqual(t, "another user's", end(u.ID, hash("other")), 0)
			wantEqual(t, "one", end(u.ID, hash("s1")), 1)
			wantEqual(t, "its grant", f.getGrant("grant-s1").RevokedAt.IsZero(), false)
			wantEqual(t, "another grant", f.getGrant("grant-s2").RevokedAt.IsZero(), true)
			wantEqual(t, "all", end(u.ID, [32]byte{}), 2)
			wantEqual(t, "all grants", f.getGrant("grant-s3").RevokedAt.IsZero(), false)
			wantEqual(t, "of nobody", end("nobody", [32]byte{}), 0)
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: "ended", Actor: "boss"})), 4)
			wantEqual(t, "another user", len(f.listSessions(other.ID, noon)), 1)
		},
	},
}
