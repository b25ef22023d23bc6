package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func (f *fixture) searchUsers(query gateway.UserSearch) []gateway.User {
	f.t.Helper()
	page, err := f.store.SearchUsers(f.t.Context(), query)
	wantNoError(f.t, err)
	if page.Cut != "" {
		f.t.Errorf("the search %+v was cut", query)
	}
	return page.Users
}

// changeUser returns a change by the administrator "boss", with the event "changed".
func changeUser(userID string, change func(*gateway.User)) gateway.UserChange {
	return gateway.UserChange{ID: userID, Now: after(time.Minute), Event: gateway.Event{Kind: "changed", Actor: "boss"},
		Change: func(u *gateway.User) error { change(u); return nil }}
}

// makeAdmin makes a user an administrator.
func (f *fixture) makeAdmin(userID string) {
	f.t.Helper()
	f.updateUser(userID, noon, func(u *gateway.User) error { u.Admin = true; return nil })
}

// administrationCases test changes of users by administrators.
var administrationCases = []testCase{
	{
		name:   "a change is stored with an event that describes it",
		reason: "nobody could see who changed a group",
		run: func(t *testing.T, f *fixture) {
			u := f.addUser("o1")
			c := changeUser(u.ID, func(u *gateway.User) {
				u.RealName, u.Note, u.Groups = "李雷", "二楼\n前台", []string{"b", "a", "b"}
				u.AllowedApps, u.RefusedApps = []string{"wiki", "chat", "wiki"}, []string{"mail"}
			})
			c.Event.Address, c.Event.RequestID = "192.0.2.0", "r1"
			c.Describe = func(before, after gateway.User) string { return fmt.Sprint(before.Groups, " → ", after.Groups) }
			changed, err := f.store.ChangeUser(t.Context(), c)
			wantNoError(t, err)
			wantEqual(t, "lists", fmt.Sprint(changed.Groups, changed.AllowedApps, changed.RefusedApps),
				"[a b] [chat wiki] [mail]")
			stored := f.getUser(u.ID)
			wantEqual(t, "texts", stored.RealName+"|"+stored.Note, "李雷|二楼\n前台")
			e := f.listEvents(gateway.EventQuery{Kind: "changed"})[0]
			if e.UserID != u.ID || e.Actor != "boss" || e.Address != "192.0.2.0" || e.Detail != "[] → [a b]" ||
				e.At != after(time.Minute) || e.RequestID != "r1" {
				t.Fatalf("event %+v", e)
			}
			_, found, err := f.store.SessionUser(t.Context(), f.addSession(u.ID, "s1").Hash, noon)
			wantNoError(t, err)
			wantEqual(t, "user of a session", fmt.Sprint(found.AllowedApps, found.RefusedApps), "[chat wiki] [mail]")
		},
	},
	{
		name:   "requests follow a change of the lists of apps",
		reason: "after a refusal was lifted, the user would wait, and no administrator would see the request",
		run: func(t *testing.T, f *fixture) {
			u := f.addUser("o1")
			request := func(app string, minute time.Duration) (state gateway.RequestState, created bool) {
				r, created, err := f.store.RequestAccess(t.Context(), gateway.AccessRequest{UserID: u.ID, App: app,
					Method: "wechat", RequestedAt: after(minute * time.Minute)})
				wantNoError(t, err)
				return r.State, created
			}
			change := func(edit func(*gateway.User)) {
				t.Helper()
				_, err := f.store.ChangeUser(t.Context(), changeUser(u.ID, edit))
				wantNoError(t, err)
			}
			request("wiki", 1)
			request("mail", 1)
			change(func(u *gateway.User) { u.AllowedApps, u.RefusedApps = []string{"mail"}, []string{"wiki"} })
			n, err := f.store.CountWaiting(t.Context(), 10)
			wantNoError(t, err)
			wantEqual(t, "waiting", n, 0)
			state, created := request("wiki", 2)
			wantEqual(t, "refused", fmt.Sprintf("%s %t", state, created), "refused false")
			change(func(u *gateway.User) { u.RefusedApps = nil })
			state, created = request("wiki", 3)
			wantEqual(t, "requested again", fmt.Sprintf("%s %t", state, created), "waiting true")
			change(func(u *gateway.User) { u.Note = "another field" })
			state, created = request("wiki", 4)
			wantEqual(t, "still waiting", fmt.Sprintf("%s %t", state, created), "waiting false")
		},
	},
	{
		name:   "a change of a stale page is refused",
		reason: "two administrators would undo each other's changes without noticing",
		run: func(t *testing.T, f *fixture) {
			u := f.addUser("o1")
			c := changeUser(u.ID, func(u *gateway.User) { u.Note = "first" })
			c.Unchanged = u.UpdatedAt
			_, err := f.store.ChangeUser(t.Context(), c)
			wantNoError(t, err)
			c.Change = func(u *gateway.User) error { u.Note = "second"; return nil }
			_, err = f.store.ChangeUser(t.Context(), c)
			wantError(t, err, gateway.ErrConflict)
			wantEqual(t, "note", f.getUser(u.ID).Note, "first")
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: "changed"})), 1)
			ofChange := errors.New("error of the change")
			c.Unchanged, c.Change = time.Time{}, func(*gateway.User) error { return ofChange }
			_, err = f.store.ChangeUser(t.Context(), c)
			wantError(t, err, ofChange)
		},
	},
	{
		name:   "the last administrator stays one",
		reason: "nobody could administer the gateway any more",
		run: func(t *testing.T, f *fixture) {
			boss, blocked := f.addUser("o1"), f.addUser("o2")
			f.makeAdmin(boss.ID)
			f.makeAdmin(blocked.ID)
			f.block(blocked.ID) // does not count
			for name, change := range map[string]func(*gateway.User){
				"demoted": func(u *gateway.User) { u.Admin = false },
				"blocked": func(u *gateway.User) { u.Status = gateway.Blocked },
				"waiting": func(u *gateway.User) { u.Status = gateway.Pending },
			} {
				_, err := f.store.ChangeUser(t.Context(), changeUser(boss.ID, change))
				if !errors.Is(err, gateway.ErrLastAdmin) {
					t.Errorf("%s: got error %v", name, err)
				}
			}
			n, err := f.store.CountAdmins(t.Context())
			wantNoError(t, err)
			wantEqual(t, "administrators", n, 1)
			forced := changeUser(boss.ID, func(u *gateway.User) { u.Admin = false })
			forced.AllowNone = true
			_, err = f.store.ChangeUser(t.Context(), forced)
			wantNoError(t, err)
			n, err = f.store.CountAdmins(t.Context())
			wantNoError(t, err)
			wantEqual(t, "administrators", n, 0)
		},
	},
	{
		name:   "an administrator who was made without WeChat does not stand in for the last one",
		reason: "the link's session ends within an hour; afterwards nobody could sign in as an administrator",
		run: func(t *testing.T, f *fixture) {
			boss := f.addUser("o1")
			f.makeAdmin(boss.ID)
			f.invite(newInvitation("link", gateway.InviteAdmin, 1))
			session := newSession("", "s1")
			byLink, _, err := f.store.RedeemInvitation(t.Context(), gateway.InvitationRedemption{Hash: hash("link"), Now: noon,
				WithoutWeChat: &session, Event: gateway.Event{Kind: "admin_link"}})
			wantNoError(t, err)
			wantEqual(t, "the user of the link is an administrator", byLink.Admin, true)
			n, err := f.store.CountAdmins(t.Context())
			wantNoError(t, err)
			wantEqual(t, "administrators", n, 1)
			_, err = f.store.ChangeUser(t.Context(), changeUser(boss.ID, func(u *gateway.User) { u.Admin = false }))
			wantError(t, err, gateway.ErrLastAdmin)
			_, err = f.store.ChangeUser(t.Context(),
				changeUser(boss.ID, func(u *gateway.User) { u.Status = gateway.Blocked }))
			wantError(t, err, gateway.ErrLastAdmin)
			wantError(t, f.store.DeleteUser(t.Context(), boss.ID, noon, gateway.Event{}), gateway.ErrLastAdmin)
			wantNoError(t, f.store.DeleteUser(t.Context(), byLink.ID, noon, gateway.Event{}))
		},
	},
	{
		name:       "two administrators who demote each other at once leave one",
		reason:     "GHSA-rxmp-8h9v-56cx (netbird): two changes at once escaped the rule",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			for round := range 10 {
				admins := []string{f.addUser(fmt.Sprint("a", round)).ID, f.addUser(fmt.Sprint("b", round)).ID}
				for _, id := range admins {
					f.makeAdmin(id)
				}
				var results counter
				f.concurrently(2, func(i int) {
					_, err := stores[i].ChangeUser(t.Context(), changeUser(admins[i], func(u *gateway.User) { u.Admin = false }))
					results.add(errorName(err))
				})
				results.want(t, "demotions", map[string]int{"ok": 1, "last admin": 1})
				for _, id := range admins {
					f.updateUser(id, noon, func(u *gateway.User) error { u.Admin = false; return nil })
				}
			}
		},
	},
	{
		name:   "a search finds names, notes and ids",
		reason: "administrators look for people by what they know of them",
		run: func(t *testing.T, f *fixture) {
			names := map[string]string{}
			for _, p := range []struct{ openid, nickname, realName, note string }{
				{"o-lei", "小明 100%", "李雷", "新媒体部 Second floor"},
				{"o-mei", "Lily_2", "Han Meimei", "前台\n韩梅梅"},
				{"o-lin", "lin", "", ""},
				{"o-zeng", "", "曾小明", ""},
			} {
				signIn := siteConnector.signIn(noon, p.openid, "u-"+p.openid)
				signIn.Profile = &gateway.Profile{Nickname: p.nickname}
				u := f.recordSignIn(signIn)
				names[u.ID] = p.openid[2:]
				f.updateUser(u.ID, noon, func(u *gateway.User) error {
					u.RealName, u.Note, u.Groups = p.realName, p.note, []string{"all", p.openid}
					return nil
				})
			}
			lei := f.searchUsers(gateway.UserSearch{Text: "o-lei"})[0].ID
			for text, want := range map[string]string{
				"雷": "lei", "李雷": "lei", "媒体": "lei", "SECOND": "lei", "econd fl": "lei", "梅梅": "mei", "meimei": "mei",
				"han m": "mei", "台 韩": "mei", "小明": "zeng lei",
				"li": "lin mei lei", "l": "lin mei lei", "lilei": "lei", "lei": "lei", "ll": "lei", "li lei": "lei",
				"zengx": "zeng", "ceng xiaom": "zeng", "zxm": "zeng", "xm": "zeng", "CXM": "zeng", "xiaoming": "zeng",
				"z": "zeng", "c": "zeng", "x": "", "zm": "", "h": "mei", "o-mei": "mei", "u-o-lin": "lin",
				lei: "lei", "": "zeng lin mei lei", "%": "", "_": "", "小明 100%": "lei", "lily%": "", "lil_": "", "' OR 1=1 --": "",
				"m": "mei", "f": "lei", "\x00雷\xff": "", "no such": "", "新媒体部 second floor": "lei", "  雷  ": "lei",
				strings.Repeat("雷", 30000): "",
			} {
				var found []string
				for _, u := range f.searchUsers(gateway.UserSearch{Text: text}) {
					found = append(found, names[u.ID])
				}
				if got := strings.Join(found, " "); got != want {
					t.Errorf("%.40q found %q, want %q", text, got, want)
				}
			}
			wantEqual(t, "group", len(f.searchUsers(gateway.UserSearch{Group: "all"})), 4)
			wantEqual(t, "group and text", len(f.searchUsers(gateway.UserSearch{Group: "o-mei", Text: "雷"})), 0)
			wantEqual(t, "text in a group", len(f.searchUsers(gateway.UserSearch{Group: "o-lei", Text: "雷"})), 1)
			wantEqual(t, "group and a zero byte", len(f.searchUsers(gateway.UserSearch{Group: "o-lei", Text: "\x00"})), 1)
			wantEqual(t, "half a group", len(f.searchUsers(gateway.UserSearch{Group: "al"})), 0)
			f.makeAdmin(lei)
			wantEqual(t, "administrators", f.searchUsers(gateway.UserSearch{Admin: true})[0].ID, lei)
			f.updateUser(lei, noon, func(u *gateway.User) error { u.RealName, u.Groups = "李磊", nil; return nil })
			wantEqual(t, "the name from before", len(f.searchUsers(gateway.UserSearch{Text: "雷"})), 0)
			wantEqual(t, "the new name", len(f.searchUsers(gateway.UserSearch{Text: "磊"})), 1)
			wantEqual(t, "the group from before", len(f.searchUsers(gateway.UserSearch{Group: "all"})), 3)
			f.block(lei)
			wantEqual(t, "status", len(f.searchUsers(gateway.UserSearch{Status: gateway.Blocked, Text: "磊"})), 1)
			wantEqual(t, "letter and group", len(f.searchUsers(gateway.UserSearch{Group: "all", Text: "m"})), 1)
			wantEqual(t, "letter, page 2", len(f.searchUsers(gateway.UserSearch{Text: "l", Limit: 1, After: lei})), 0)
		},
	},
	{
		name:   "a list of ids is read by one query, and ids of joined users resolve",
		reason: "keycloak/keycloak#18183: one request for each row of a list",
		run: func(t *testing.T, f *fixture) {
			older := f.recordSignIn(mainConnector.signIn(noon, "o1", ""))
			younger := f.recordSignIn(siteConnector.signIn(after(time.Minute), "o2", "u1"))
			other := f.addUser("o3")
			f.recordSignIn(mainConnector.signIn(after(time.Hour), "o1", "u1"))
			users, err := f.store.UsersByID(t.Context(), []string{older.ID, younger.ID, other.ID, "nobody", "", "\x00"})
			wantNoError(t, err)
			wantEqual(t, "users", len(users), 3)
			wantEqual(t, "joined", users[younger.ID].ID, older.ID)
			wantEqual(t, "other", users[other.ID].ID, other.ID)
			joined, err := f.store.JoinedUsers(t.Context(), older.ID)
			wantNoError(t, err)
			wantEqual(t, "ids that were joined", strings.Join(joined, " "), younger.ID)
			none, err := f.store.UsersByID(t.Context(), nil)
			wantNoError(t, err)
			wantEqual(t, "no ids", len(none), 0)
		},
	},
	{
		name:   "pages of a search have each user once, whatever their limit",
		reason: "sebadob/rauthy#1165 (page size 0), and a list that never ends",
		run: func(t *testing.T, f *fixture) {
			for i := range 12 {
				u := f.addUser(fmt.Sprint("o", i))
				f.updateUser(u.ID, noon, func(u *gateway.User) error { u.RealName = fmt.Sprint("name ", i); return nil })
			}
			for _, q := range []gateway.UserSearch{{Limit: 5}, {Limit: 5, Text: "name"}} {
				var ids []string
				for {
					page := f.searchUsers(q)
					if len(page) == 0 {
						break
					}
					for _, u := range page {
						ids = append(ids, u.ID)
					}
					q.After = ids[len(ids)-1]
				}
				wantEqual(t, "users", len(slices.Compact(slices.Sorted(slices.Values(ids)))), 12)
				wantEqual(t, "rows", len(ids), 12)
			}
			for _, limit := range extremes {
				wantEqual(t, fmt.Sprint("limit ", limit), len(f.searchUsers(gateway.UserSearch{Limit: limit})), 12)
			}
			wantEqual(t, "after an unknown user", len(f.searchUsers(gateway.UserSearch{After: "nobody"})), 0)
		},
	},
}

// extremes are limits that a request can contain. No list must use one of them as its length.
var extremes = []int{0, -1, 1 << 31, -1 << 31, 1<<63 - 1, -1 << 63}
