package storetest

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file tests that a deletion forgets no table (pocket-id/pocket-id 0.35.2 forgot the picture).

// keepsUserID are the tables that may keep the id of a deleted user: they record what the user did
// as an administrator, and the events about the user. They must keep nothing else about the user.
var keepsUserID = []string{"access_requests", "api_keys", "events", "invitations"}

// CheckDeletion tests that no table has the name, the openids, the unionid, the subject, the
// addresses or the sessions of a deleted user. read returns the rows of each table as texts, with
// bytes in hexadecimal.
func CheckDeletion(t *testing.T, store gateway.Store, read func() map[string][]string) {
	f := &fixture{t: t, store: store}
	f.makeAdmin(f.addUser("openid-of-boss").ID)
	other := f.addPending("openid-of-other")
	f.requestAccess(other.ID, "wiki", 0)
	u, joined := f.addUserWithEverything(other)
	sum := hash("of-session")
	personal := []string{"小明", "qlogo.cn", "李雷", "二楼", "openid-of-deleted", "openid-of-joined", "unionid-of-deleted",
		"sub-" + u.ID, "sid-of-session", "192.0.2.", string(sum[:])}
	found := func() (tables []string) {
		for table, rows := range read() {
			for _, row := range rows {
				row = strings.ToLower(row)
				if slices.ContainsFunc(personal, func(p string) bool {
					return strings.Contains(row, strings.ToLower(p)) || strings.Contains(row, hex.EncodeToString([]byte(p)))
				}) {
					tables = append(tables, table)
				}
			}
		}
		slices.Sort(tables)
		return slices.Compact(tables)
	}
	if all := found(); len(all) < 12 {
		t.Fatalf("before the deletion, only %v have data of the user: the test would see nothing", all)
	}
	wantNoError(t, store.DeleteUser(t.Context(), u.ID, after(time.Hour), gateway.Event{Kind: "deleted"}))
	// The apps still have to get their logout tokens. Until then, the deliveries contain the claims.
	wantEqual(t, "until the apps are told", strings.Join(found(), " "), "deliveries")
	due, err := store.ClaimDeliveries(t.Context(), gateway.DeliverLogout, after(time.Hour), time.Minute, 10)
	wantNoError(t, err)
	wantEqual(t, "logout tokens", len(due), 2)
	for i, state := range []gateway.DeliveryState{gateway.DeliverySent, gateway.DeliveryFailed} {
		due[i].State = state
		wantNoError(t, store.FinishDelivery(t.Context(), due[i], gateway.Event{Kind: "told", UserID: u.ID}))
	}
	wantEqual(t, "afterwards", strings.Join(found(), " "), "")
	personal = []string{u.ID, joined.ID}
	for _, table := range found() {
		if !slices.Contains(keepsUserID, table) {
			t.Errorf("table %s has the id of the deleted user", table)
		}
	}
	wantEqual(t, "what the user did as an administrator", len(f.listEvents(gateway.EventQuery{Actor: u.ID})), 2)
}

// addUserWithEverything stores an administrator and a row of each kind about this administrator.
// The user joined was merged into the administrator, and other was approved.
func (f *fixture) addUserWithEverything(other gateway.User) (u, joined gateway.User) {
	t := f.t
	signIn := mainConnector.signIn(noon, "openid-of-deleted", "unionid-of-deleted")
	signIn.Profile = &gateway.Profile{Nickname: "小明", AvatarURL: "https://thirdwx.qlogo.cn/x"}
	u = f.recordSignIn(signIn)
	joined = f.recordSignIn(foreignConnector.signIn(after(time.Minute), "openid-of-joined", ""))
	f.addScannedTicket("of-joined", joined.ID)
	_, err := f.store.MergeUsers(t.Context(), u.ID, joined.ID, noon, gateway.Event{Kind: "merged", Detail: "李雷"})
	wantNoError(t, err)
	f.updateUser(u.ID, noon, func(u *gateway.User) error {
		u.RealName, u.Note, u.Groups, u.Admin = "李雷", "二楼", []string{"staff"}, true
		return nil
	})
	session := newSession(u.ID, "of-session")
	session.OpenID, session.Data = "openid-of-deleted", []byte("192.0.2.0")
	wantNoError(t, f.store.PutSession(t.Context(), session, noon))
	f.addAppSession(u.ID, "of-session", "wiki")
	f.addAppSession(u.ID, "of-session", "chat")
	f.pinSubject(u.ID, "wiki", "sub-"+u.ID, noon)
	if _, err := f.answer(f.addChat("of-deleted"), "openid-of-deleted", "4821"); err != nil {
		f.t.Fatal(err)
	}
	ticket := f.addTicket("of-deleted")
	f.scanTicket(ticket.Hash, gateway.Approver{UserID: u.ID, Connector: "main", AppID: "wxmain",
		OpenID: "openid-of-deleted", AuthTime: noon}, noon)
	f.requestAccess(u.ID, "wiki", 0)
	f.decideAccess(gateway.AccessDecision{UserID: u.ID, State: gateway.RequestRefused, Apps: []string{"wiki"},
		Reason: "李雷", At: noon, By: "boss"})
	f.decideAccess(gateway.AccessDecision{UserID: other.ID, State: gateway.RequestApproved, Apps: []string{"wiki"},
		At: noon, By: u.ID})
	f.invite(newInvitation("link", gateway.InviteUser, 0))
	_, _, err = f.redeem("link", u.ID)
	wantNoError(t, err)
	move := newInvitation("move", gateway.InviteMove, 1)
	move.UserID, move.Note = u.ID, "李雷"
	f.invite(move)
	made := newInvitation("made", gateway.InviteUser, 1)
	made.CreatedBy = u.ID
	f.invite(made)
	wantNoError(t, f.store.CreateAPIKey(t.Context(), gateway.APIKey{ID: "key", Hash: hash("key"), Name: "HR",
		CreatedBy: u.ID, CreatedAt: noon}, gateway.Event{Kind: "key", At: noon}))
	for _, state := range []gateway.DeliveryState{gateway.DeliveryFailed, gateway.DeliverySent} {
		wantNoError(t, f.store.AddDeliveries(t.Context(),
			gateway.Delivery{Kind: gateway.DeliverNotification, Target: "team", UserID: u.ID, Payload: []byte("李雷")},
			gateway.Delivery{Kind: gateway.DeliverLogout, Target: "mail", UserID: u.ID, Subject: "sub-" + u.ID,
				SessionID: "sid-of-session"}))
		for _, kind := range []gateway.DeliveryKind{gateway.DeliverLogout, gateway.DeliverNotification} {
			claimed, err := f.store.ClaimDeliveries(t.Context(), kind, noon, time.Minute, 1)
			wantNoError(t, err)
			claimed[0].State = state
			wantNoError(t, f.store.FinishDelivery(t.Context(), claimed[0]))
		}
	}
	wantNoError(t, f.store.AddDeliveries(t.Context(),
		gateway.Delivery{Kind: gateway.DeliverNotification, Target: "team", UserID: u.ID, Payload: []byte("李雷")}))
	for _, id := range []string{u.ID, joined.ID} {
		wantNoError(t, f.store.AppendEvents(t.Context(),
			gateway.Event{At: noon, Kind: "named", UserID: id, Detail: "李雷", Address: "192.0.2.0"}))
	}
	wantNoError(t, f.store.AppendEvents(t.Context(), gateway.Event{At: noon, Kind: "approved", UserID: other.ID,
		Actor: u.ID, Address: "192.0.2.0"}))
	return u, joined
}
