package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// addPending stores a user who waits for approval.
func (f *fixture) addPending(openid string) gateway.User {
	f.t.Helper()
	signIn := mainConnector.signIn(noon, openid, "")
	signIn.InitialStatus = gateway.Pending
	return f.recordSignIn(signIn)
}

// requestAccess stores an access request at noon plus delay, and reports whether it is new.
func (f *fixture) requestAccess(userID, app string, delay time.Duration) bool {
	f.t.Helper()
	_, created, err := f.store.RequestAccess(f.t.Context(),
		gateway.AccessRequest{UserID: userID, App: app, Method: "wechat", RequestedAt: after(delay)})
	wantNoError(f.t, err)
	return created
}

// decideAccess decides about access an hour after noon, by the administrator "boss" if d names nobody.
func (f *fixture) decideAccess(d gateway.AccessDecision) gateway.User {
	f.t.Helper()
	d.At, d.Event.Kind = after(time.Hour), "access_decided"
	if d.By == "" {
		d.By = "boss"
	}
	user, err := f.store.DecideAccess(f.t.Context(), d)
	wantNoError(f.t, err)
	return user
}

// waiting returns the users who wait and their apps, as "o1 wiki, o2 chat". names has a name for
// each user id.
func (f *fixture) waiting(names map[string]string, query gateway.WaitingQuery) string {
	f.t.Helper()
	found, err := f.store.WaitingUsers(f.t.Context(), query)
	wantNoError(f.t, err)
	var all []string
	for _, w := range found {
		if w.User.ID != w.Request.UserID {
			f.t.Fatalf("the request %+v has the user %+v", w.Request, w.User)
		}
		all = append(all, names[w.User.ID]+" "+w.Request.App)
	}
	return strings.Join(all, ", ")
}

// requestStates returns the states of a user's requests, as "chat refused, wiki approved".
func (f *fixture) requestStates(userID string) string {
	f.t.Helper()
	requests, err := f.store.UserRequests(f.t.Context(), userID)
	wantNoError(f.t, err)
	var all []string
	for _, r := range requests {
		all = append(all, r.App+" "+string(r.State))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// requestCases test access requests: who waits for which app, and what administrators decide.
var requestCases = []testCase{
	{
		name:   "requests wait in the order of their time, in pages",
		reason: "the user who waits longest must be listed first, and each user once",
		run: func(t *testing.T, f *fixture) {
			names := map[string]string{}
			for i, openid := range []string{"o1", "o2", "o3"} {
				u := f.addPending(openid)
				names[u.ID] = openid
				wantEqual(t, "new", f.requestAccess(u.ID, "wiki", time.Duration(i)*time.Minute), true)
				wantEqual(t, "again", f.requestAccess(u.ID, "wiki", time.Hour), false)
				f.requestAccess(u.ID, "chat", time.Duration(i)*time.Minute)
			}
			const all = "o1 chat, o1 wiki, o2 chat, o2 wiki, o3 chat, o3 wiki"
			wantEqual(t, "all", f.waiting(names, gateway.WaitingQuery{}), all)
			wantEqual(t, "of one app", f.waiting(names, gateway.WaitingQuery{App: "wiki"}), "o1 wiki, o2 wiki, o3 wiki")
			var pages []string
			for q := (gateway.WaitingQuery{Limit: 1}); ; {
				page, err := f.store.WaitingUsers(t.Context(), q)
				wantNoError(t, err)
				if len(page) == 0 {
					break
				}
				r := page[0].Request
				pages = append(pages, names[r.UserID]+" "+r.App)
				q.After, q.AfterUser, q.AfterApp = r.RequestedAt, r.UserID, r.App
			}
			wantEqual(t, "pages of one", strings.Join(pages, ", "), all)
			for limit, want := range map[int]int{100: 6, 4: 4, 0: 0, -1: 0} {
				n, err := f.store.CountWaiting(t.Context(), limit)
				wantNoError(t, err)
				wantEqual(t, fmt.Sprint("count at most ", limit), n, want)
			}
		},
	},
	{
		name:   "a decision changes the user, the requests and the events in one transaction",
		reason: "an approval that is stored in part lets nobody in, or lets somebody in without an event",
		run: func(t *testing.T, f *fixture) {
			u := f.addPending("o1")
			f.requestAccess(u.ID, "wiki", 0)
			f.requestAccess(u.ID, "chat", 0)
			one := f.decideAccess(gateway.AccessDecision{UserID: u.ID, Apps: []string{"wiki"}, State: gateway.RequestApproved,
				Groups: []string{"staff"}})
			wantEqual(t, "approved for one app", fmt.Sprint(one.Status, " ", one.AllowedApps, one.Groups),
				"pending [wiki] [staff]")
			wantEqual(t, "requests", f.requestStates(u.ID), "chat waiting, wiki approved")
			refused := f.decideAccess(gateway.AccessDecision{UserID: u.ID, State: gateway.RequestRefused, Reason: "外包不可用"})
			wantEqual(t, "refused", fmt.Sprint(refused.AllowedApps, refused.RefusedApps), "[wiki] [chat]")
			requests, err := f.store.UserRequests(t.Context(), u.ID)
			wantNoError(t, err)
			i := slices.IndexFunc(requests, func(r gateway.AccessRequest) bool { return r.App == "chat" })
			if r := requests[i]; r.Reason != "外包不可用" || r.DecidedBy != "boss" || r.DecidedAt != after(time.Hour) {
				t.Fatalf("the refused request is %+v", r)
			}
			events := f.listEvents(gateway.EventQuery{Kind: "access_decided"})
			if len(events) != 2 || events[0].UserID != u.ID || events[0].Actor != "boss" || events[0].At != after(time.Hour) {
				t.Fatalf("events: %+v", events)
			}
			unasked := f.decideAccess(gateway.AccessDecision{UserID: u.ID, Apps: []string{"mail"},
				State: gateway.RequestApproved})
			wantEqual(t, "an app that was not asked for", fmt.Sprint(unasked.AllowedApps), "[mail wiki]")
			f.requestAccess(u.ID, "files", 0)
			active := f.decideAccess(gateway.AccessDecision{UserID: u.ID, State: gateway.RequestApproved})
			wantEqual(t, "approved for all", active.Status, gateway.Active)
			wantEqual(t, "requests", f.requestStates(u.ID), "chat refused, files approved, mail approved, wiki approved")
			_, err = f.store.DecideAccess(t.Context(), gateway.AccessDecision{UserID: "nobody", State: gateway.RequestApproved})
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:   "a refusal for an app revokes the grants there",
		reason: "a refresh token would keep the user signed in to the app",
		run: func(t *testing.T, f *fixture) {
			u := f.addUser("o1")
			f.addGrant(u.ID, "wiki", "g1")
			f.addGrant(u.ID, "chat", "g2")
			f.decideAccess(gateway.AccessDecision{UserID: u.ID, Apps: []string{"wiki"}, State: gateway.RequestRefused})
			wantEqual(t, "the app", f.getGrant("grant-g1").Live(after(time.Second)), false)
			wantEqual(t, "another app", f.getGrant("grant-g2").RevokedAt.IsZero(), true)
		},
	},
	{
		name:   "a blocked user neither waits nor is approved",
		reason: "go-gitea/gitea CVE-2026-58422: another operation unblocked the account",
		run: func(t *testing.T, f *fixture) {
			u := f.addPending("o1")
			f.requestAccess(u.ID, "wiki", 0)
			f.block(u.ID)
			wantEqual(t, "waiting", f.waiting(nil, gateway.WaitingQuery{}), "")
			n, err := f.store.CountWaiting(t.Context(), 10)
			wantNoError(t, err)
			wantEqual(t, "count", n, 0)
			_, err = f.store.DecideAccess(t.Context(), gateway.AccessDecision{UserID: u.ID, State: gateway.RequestApproved,
				At: noon})
			wantError(t, err, gateway.ErrBlocked)
			wantEqual(t, "status", f.getUser(u.ID).Status, gateway.Blocked)
			f.updateUser(u.ID, noon, func(u *gateway.User) error { u.Status = gateway.Pending; return nil })
			wantEqual(t, "after unblocking", f.waiting(map[string]string{u.ID: "o1"}, gateway.WaitingQuery{}), "o1 wiki")
		},
	},
	{
		name:       "concurrent requests and decisions leave one request, decided once",
		reason:     "RocketChat/Rocket.Chat#2266: a user waits and no administrator sees the request",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			u := f.addPending("o1")
			stores := f.handles()
			var created counter
			f.concurrently(f.concurrency(), func(i int) {
				_, isNew, err := stores[i%2].RequestAccess(t.Context(), gateway.AccessRequest{UserID: u.ID, App: "wiki",
					RequestedAt: noon})
				created.add(fmt.Sprint(isNew, " ", errorName(err)))
			})
			created.want(t, "requests", map[string]int{"true ok": 1, "false ok": f.concurrency() - 1})
			f.concurrently(8, func(i int) {
				_, err := stores[i%2].DecideAccess(t.Context(), gateway.AccessDecision{UserID: u.ID, State: gateway.RequestApproved,
					Groups: []string{fmt.Sprint("g", i)}, At: noon, Event: gateway.Event{Kind: "decided"}})
				if err != nil {
					t.Error(err)
				}
			})
			wantEqual(t, "groups of all decisions", len(f.getUser(u.ID).Groups), 8)
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: "decided"})), 8)
		},
	},
	{
		name:   "a user whose approval was taken back waits again",
		reason: "the page would say that the user waits, and no administrator would see the request",
		run: func(t *testing.T, f *fixture) {
			u := f.addPending("o1")
			f.requestAccess(u.ID, "wiki", 0)
			f.decideAccess(gateway.AccessDecision{UserID: u.ID, Apps: []string{"wiki"}, State: gateway.RequestApproved})
			wantEqual(t, "with the approval", f.requestAccess(u.ID, "wiki", 24*time.Hour), false)
			f.updateUser(u.ID, after(2*time.Hour), func(u *gateway.User) error { u.AllowedApps = nil; return nil })
			wantEqual(t, "a page from before the approval", f.requestAccess(u.ID, "wiki", time.Hour), false)
			wantEqual(t, "later", f.requestAccess(u.ID, "wiki", 24*time.Hour), true)
			f.decideAccess(gateway.AccessDecision{UserID: u.ID, State: gateway.RequestRefused})
			wantEqual(t, "after a refusal", f.requestAccess(u.ID, "wiki", 48*time.Hour), false)
			wantEqual(t, "state", f.requestStates(u.ID), "wiki refused")
		},
	},
	{
		name:   "requests follow a user who is joined",
		reason: "the older user would wait for ever, or an approval would be lost",
		run: func(t *testing.T, f *fixture) {
			older := f.recordSignIn(mainConnector.signIn(noon, "o1", ""))
			younger := f.recordSignIn(siteConnector.signIn(after(time.Minute), "o2", "u1"))
			for _, id := range []string{older.ID, younger.ID} {
				f.requestAccess(id, "wiki", 0)
			}
			f.requestAccess(younger.ID, "chat", 0)
			f.requestAccess(younger.ID, "files", 0)
			f.decideAccess(gateway.AccessDecision{UserID: younger.ID, Apps: []string{"wiki"}, State: gateway.RequestApproved})
			f.decideAccess(gateway.AccessDecision{UserID: older.ID, Apps: []string{"chat"}, State: gateway.RequestRefused})
			f.updateUser(younger.ID, noon, func(u *gateway.User) error { u.RealName, u.Note = "李雷", "二楼"; return nil })
			joined := f.recordSignIn(mainConnector.signIn(after(time.Hour), "o1", "u1"))
			wantEqual(t, "joined", joined.ID, older.ID)
			wantEqual(t, "apps", fmt.Sprint(joined.AllowedApps, joined.RefusedApps), "[wiki] [chat]")
			wantEqual(t, "requests", f.requestStates(younger.ID), "chat refused, files waiting, wiki approved")
			wantEqual(t, "name and note", joined.RealName+joined.Note, "李雷二楼")
			wantEqual(t, "found", len(f.searchUsers(gateway.UserSearch{Text: "雷"})), 1)
		},
	},
}
