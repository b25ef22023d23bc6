package app_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// newcomers are the ways by which a new user reaches the gateway, in the phone p and the browser of a
// desktop. app is the app that the user cannot use afterwards; "" = none was asked for.
var newcomers = []struct {
	name, user, app string
	arrive          func(g *guarded, p phone, desk *plainBrowser)
}{
	{"the home page", "alice", "", func(g *guarded, p phone, _ *plainBrowser) {
		p.WantPage(p.Must(p.Open(g.t.Context(), g.url+"/sign-in?return=/")), "own", 200)
	}},
	{"the home page, with a profile", "bob", "", func(g *guarded, p phone, _ *plainBrowser) {
		p.Must(p.Open(g.t.Context(), g.url+"/sign-in?scope=profile&return=/"))
		p.WantPage(p.Must(p.Allow(g.t.Context())), "own", 200)
	}},
	{"OpenID Connect in WeChat", "xiaoming", "sample", func(g *guarded, p phone, _ *plainBrowser) {
		p.WantPage(p.Must(p.Open(g.t.Context(), g.authorize("sample"))), "waiting", 200)
		p.WantPage(p.giveName("李雷"), "waiting", 200)
	}},
	{"the website app", "emoji", "sample", func(g *guarded, _ phone, desk *plainBrowser) {
		desk.open(g.authorize("sample")).confirmed("emoji").want("waiting", 200)
	}},
	{"a scan", "quotes", "second", func(g *guarded, p phone, desk *plainBrowser) {
		desk.open(g.authorize("second")).want("scan_code", 200)
		p.scans(desk)
		p.enters(desk.reloaded().number())
		desk.reloaded().goesOn().want("waiting", 200)
	}},
	{"the relay in WeChat", "noface", "shop", func(g *guarded, p phone, _ *plainBrowser) {
		p.WantPage(p.Must(p.Open(g.t.Context(), g.shopAddress("snsapi_base"))), "waiting", 200)
	}},
	{"the relay on a desktop", "markup", "shop", func(g *guarded, _ phone, desk *plainBrowser) {
		desk.open(g.qrAddress()).confirmed("markup").want("waiting", 200)
	}},
	{"forward auth", "control", "wiki", func(g *guarded, p phone, _ *plainBrowser) {
		p.WantPage(p.Must(p.Open(g.t.Context(), g.origin+"/page")), "waiting", 200)
		if g.isIn(p) {
			g.t.Error("/verify admits the user")
		}
	}},
	{"an invitation to another app", "broken", "sample", func(g *guarded, p phone, _ *plainBrowser) {
		link := g.invite(gateway.Invitation{Kind: gateway.InviteUser, Apps: []string{"second"}})
		p.WantPage(p.accept(link), "invite_done", 200)
		p.WantPage(p.Must(p.Open(g.t.Context(), g.authorize("sample"))), "waiting", 200)
	}},
	{"an import", "imported", "sample", func(g *guarded, p phone, _ *plainBrowser) {
		id := g.wechat.OpenID(g.config.WeChat[0].AppID, "imported")
		result, err := g.store.ImportUsers(g.t.Context(), []gateway.ImportedUser{{OldID: "7", SignIn: gateway.SignIn{
			Connector: "main", AppID: g.config.WeChat[0].AppID, OpenID: id, At: g.clock.Now(),
			InitialStatus: gateway.Pending,
		}}})
		if err != nil || result.Created != 1 {
			g.t.Errorf("%+v, %v", result, err)
		}
		p.WantPage(p.Must(p.Open(g.t.Context(), g.authorize("sample"))), "waiting", 200)
	}},
}

// TestEveryWayInLeavesANewUserWaiting: in RocketChat/Rocket.Chat#2266, a confirmed e-mail address
// approved users although an administrator had to approve them.
func TestEveryWayInLeavesANewUserWaiting(t *testing.T) {
	t.Parallel()
	g := behindProxy(t, gateway.AccessApproved, withShop, withWebsite, func(w *gatewayFixture) {
		for i := range w.config.Apps {
			w.config.Apps[i].Access = gateway.AccessRule{Rule: gateway.AccessApproved}
			if w.config.Apps[i].ID == "shop" {
				w.config.Apps[i].WebsiteConnector = "site"
			}
		}
		w.config.Apps[1].Methods = []string{"scan"}
	})
	person := g.wechat.People()[0]
	person.ID, person.Nickname = "imported", "Imported"
	if err := g.wechat.AddPerson(person); err != nil {
		t.Fatal(err)
	}
	for i, c := range newcomers {
		c.arrive(g, g.phone(c.user), g.plainBrowser(uaDesktop))
		users, err := g.store.Users(t.Context(), gateway.UserQuery{})
		if err != nil || len(users) != i+1 {
			t.Fatalf("%s: %d users, want %d, %v", c.name, len(users), i+1, err)
		}
		u := users[0] // the newest
		if u.Status != gateway.Pending || u.Admin || len(u.Groups) > 0 || slices.Contains(u.AllowedApps, c.app) {
			t.Errorf("%s: %+v", c.name, u)
		}
		requests, err := g.store.UserRequests(t.Context(), u.ID)
		if err != nil || c.app != "" && !slices.ContainsFunc(requests, func(r gateway.AccessRequest) bool {
			return r.App == c.app && r.State == gateway.RequestWaiting
		}) {
			t.Errorf("%s: no administrator sees the user: %+v, %v", c.name, requests, err)
		}
		if code := g.app.LastQuery().Get("code"); code != "" {
			t.Errorf("%s: the app received a code", c.name)
		}
	}
}

// TestRemovedGroupLeavesEveryClaim: groups were missing after a refresh (pocket-id 1.12), and groups in
// a cache outlived the change (authelia GHSA-x883-2vmg-xwf7).
func TestRemovedGroupLeavesEveryClaim(t *testing.T) {
	t.Parallel()
	g := behindProxy(t, gateway.AccessSignedIn)
	alice := g.phone("alice")
	g.enters(alice)
	g.update(func(u *gateway.User) { u.Groups = []string{"finance", "staff"} })
	g.clock.Advance(g.config.VerifyCache + time.Second)
	alice.Must(alice.Open(t.Context(), g.authorize("sample", "scope", "openid groups offline_access")))
	have := g.redeem("sample", g.app.LastQuery().Get("code"))
	want := func(groups ...string) {
		t.Helper()
		refreshed := g.refresh("sample", have.RefreshToken)
		for name, access := range map[string]string{"the token": have.AccessToken, "a new token": refreshed.AccessToken} {
			got, _ := g.userinfo(access)["groups"].([]any)
			if !slices.EqualFunc(got, groups, func(a any, b string) bool { return a == b }) {
				t.Errorf("userinfo with %s: groups %v, want %v", name, got, groups)
			}
		}
		if !g.isIn(alice) {
			t.Fatal("not signed in at the site")
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		answer := g.passed[len(g.passed)-1]
		if got := answer.Header.Get("X-Weigate-Groups"); got != strings.Join(groups, ",") {
			t.Errorf("/verify: groups %q, want %v", got, groups)
		}
		have = refreshed
	}
	want("finance", "staff")
	g.update(func(u *gateway.User) { u.Groups = []string{"staff"} })
	g.clock.Advance(g.config.VerifyCache + time.Second)
	want("staff")
	g.update(func(u *gateway.User) { u.Groups = nil })
	g.clock.Advance(g.config.VerifyCache + time.Second)
	want()
}

// TestStateOfARequestIsOfTheOwnSession: the waiting page polls the state. It depends on the session and
// nothing else of the request, and no cache stores it.
func TestStateOfARequestIsOfTheOwnSession(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice, bob := w.phone("alice"), w.phone("bob")
	page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("closed"))), "waiting", 200)
	if !strings.Contains(page.Body, "/access/state?app=closed") {
		t.Error("the page does not poll the state")
	}
	user := w.user(gateway.Pending)
	bob.WantPage(bob.accept(w.invite(gateway.Invitation{Kind: gateway.InviteUser})), "invite_done", 200)
	state := func(p phone, query, want string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/access/state?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range p.Cookies(w.url) {
			r.AddCookie(c)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, h := strings.TrimSpace(w.read(res)), res.Header
		if body != want || h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" ||
			h.Get("X-Content-Type-Options") != "nosniff" || len(res.Cookies()) > 0 {
			t.Errorf("%s: %d %q, want %q, headers %v", query, res.StatusCode, body, want, h)
		}
		if (res.StatusCode == http.StatusServiceUnavailable) != (want == "") || want == "" && h.Get("Retry-After") == "" {
			t.Errorf("%s: status %d, Retry-After %q", query, res.StatusCode, h.Get("Retry-After"))
		}
	}
	const waiting, decided = `{"state":"waiting"}`, `{"state":"decided"}`
	state(alice, "app=closed", waiting)
	others := url.Values{"app": {"closed"}, "user": {user.ID}, "user_id": {user.ID}, "id": {user.ID},
		"request": {user.ID}}.Encode()
	state(bob, others, decided)
	state(w.phone("xiaoming"), others, decided) // without a session
	for _, app := range []string{"sample", "no-such-app", "", "closed%00", "../closed"} {
		state(alice, "app="+app, decided)
	}
	w.setStatus(user.ID, gateway.Blocked)
	state(alice, "app=closed", decided)
	w.setStatus(user.ID, gateway.Active)
	state(alice, "app=closed", decided)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	state(bob, "app=closed", "")
}

// setStatus changes the status of a user.
func (w *gatewayFixture) setStatus(id string, status gateway.Status) {
	w.t.Helper()
	if _, err := w.store.UpdateUser(w.t.Context(), id, w.clock.Now(), func(u *gateway.User) error {
		u.Status = status
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}
