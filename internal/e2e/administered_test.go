package e2e_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/wechat"
)

// administered is a gateway in the process of the test with an administrator, apps of each kind and
// five receivers of notifications. Users sign in through the store, without a page.
type administered struct {
	*inProcessGateway
	t      *testing.T
	admin  *administration.Service
	root   gateway.User // the administrator
	robots []*robot
}

func startAdministered(t *testing.T, change ...func(*config.Config)) *administered {
	t.Helper()
	g := &administered{t: t, robots: newRobots(t)}
	var configured *config.Config
	g.inProcessGateway = startInProcess(t, append(change, func(c *config.Config) {
		configured = c
		c.Site.Contact = "Wang Fang, IT, ext. 8021"
		c.Outgoing.PrivateApps = true
		c.Apps = append(c.Apps, administeredApps()...)
		for _, r := range g.robots {
			c.Notify = append(c.Notify, r.config())
		}
	})...)
	service, err := app.NewAdministration(configured, app.AdministrationOptions{Store: g.store, Now: g.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	g.admin = service
	g.root = g.user("Alice", func(u *gateway.User) { u.Status, u.Admin, u.RealName = gateway.Active, true, "Chen Jing" })
	return g
}

// administeredApps are an app that requires approval and one that admits the users of a list.
func administeredApps() []config.App {
	oidc := func(id, name string, rule gateway.Access) config.App {
		return config.App{
			App: gateway.App{ID: id, Kind: gateway.AppOIDC, Name: name, Access: gateway.AccessRule{Rule: rule},
				HomeURL: "http://127.0.0.1/" + id + "/", Icon: "book"},
			Secrets: []wechat.Secret{leaktest.Secret}, RedirectURIs: []string{"http://127.0.0.1/" + id + "/callback"},
			BackchannelLogoutURI: "http://127.0.0.1:1/logout", Lifetimes: config.Lifetimes{Code: time.Minute},
		}
	}
	return []config.App{oidc("notes", "Notes", gateway.AccessApproved), oidc("mail", "Mail", gateway.AccessListed)}
}

// authorizeAt is the address at which an app begins a sign-in.
func (g *administered) authorizeAt(id string) string {
	return g.gateway + "/oauth2/authorize?" + url.Values{"client_id": {id}, "response_type": {"code"},
		"redirect_uri": {"http://127.0.0.1/" + id + "/callback"}, "scope": {"openid"}, "state": {"s"}}.Encode()
}

// user stores a user who has signed in at the official account.
func (g *administered) user(nickname string, change ...func(*gateway.User)) gateway.User {
	g.t.Helper()
	now := g.clock.Now()
	u, _, err := g.store.RecordSignIn(g.t.Context(), gateway.SignIn{
		Connector: "main", AppID: g.account.AppID, OpenID: "o" + gateway.NewID() + "0", UnionID: "u" + gateway.NewID() + "0",
		OpenPlatform: "e", GroupAppIDs: []string{g.account.AppID, g.website.AppID}, At: now,
		Profile: &gateway.Profile{Nickname: nickname}, InitialStatus: gateway.Pending,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	for _, each := range change {
		u = g.change(u.ID, each)
	}
	return u
}

// change changes a user as stored.
func (g *administered) change(id string, change func(*gateway.User)) gateway.User {
	g.t.Helper()
	u, err := g.store.UpdateUser(g.t.Context(), id, g.clock.Now(), func(stored *gateway.User) error {
		change(stored)
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return u
}

// waits records that a user waits for approval for an app.
func (g *administered) waits(u gateway.User, app string) {
	g.t.Helper()
	_, _, err := g.store.RequestAccess(g.t.Context(), gateway.AccessRequest{
		UserID: u.ID, App: app, Method: gateway.MethodWeChat, RequestedAt: g.clock.Now(),
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// invite makes an invitation and returns it with its link.
func (g *administered) invite(in administration.Invite) (gateway.Invitation, string) {
	g.t.Helper()
	i, link, err := g.admin.Invite(g.t.Context(), administration.Actor{ID: g.root.ID}, in)
	if err != nil {
		g.t.Fatal(err)
	}
	return i, link
}

// putSession stores a session of a user, and returns its cookie.
func (g *administered) putSession(u gateway.User, method string) *http.Cookie {
	g.t.Helper()
	base, err := url.Parse(g.gateway)
	if err != nil {
		g.t.Fatal(err)
	}
	id, err := flow.SeedSessionID([]byte(gateway.NewID()))
	if err != nil {
		g.t.Fatal(err)
	}
	identities, err := g.store.Identities(g.t.Context(), u.ID)
	if err != nil {
		g.t.Fatal(err)
	}
	now := g.clock.Now()
	s := gateway.Session{
		Hash: session.Hash(id), UserID: u.ID, Method: method, AuthTime: now, CreatedAt: now, SeenAt: now,
		ExpiresAt: now.Add(time.Hour), Data: session.Data{}.Bytes(),
	}
	if method != gateway.MethodLink {
		s.Connector, s.AppID, s.OpenID = identities[0].Connector, identities[0].AppID, identities[0].OpenID
	}
	if err := g.store.PutSession(g.t.Context(), s, now); err != nil {
		g.t.Fatal(err)
	}
	cookies := session.Manager{Cookies: cookie.For(base, "weigate"), Max: time.Hour,
		Keys: sqlitetest.Sealer().Derive("session cookie")}
	return cookies.NewCookie(id)
}

// is signs the window in as a user.
func (w *window) is(g *administered, u gateway.User, method string) {
	w.t.Helper()
	c := g.putSession(u, method)
	command(w, network.SetCookie, network.SetCookieParams{URL: g.gateway, Name: c.Name, Value: c.Value})
}

// robot settings that all kinds share.
func (r *robot) config() config.Notify {
	n := config.Notify{
		Name: r.kind, Kind: r.kind, URL: wechat.Secret(r.URL + "/send"), Events: gateway.NoticeKinds(), Language: "en",
		PrivateAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	if slices.Contains(signedKinds, r.kind) {
		n.Secrets = []wechat.Secret{robotSecret}
	}
	return n
}

// pretend makes the rows that only time and faults make: counts, problems and deliveries.
func (g *administered) pretend() {
	g.t.Helper()
	now := g.clock.Now()
	var counts []gateway.Statistic
	for hour := range 24 {
		at := now.Truncate(time.Hour).Add(time.Duration(-hour) * time.Hour)
		for i, method := range []string{gateway.MethodWeChat, gateway.MethodScan, gateway.MethodWebsite} {
			n := int64((hour*7+i*5)%13 + 2)
			counts = append(counts,
				gateway.Statistic{Hour: at, Name: gateway.StatSignInBegan, Label: method, Count: n + 3},
				gateway.Statistic{Hour: at, Name: gateway.StatSignInFinished, Label: method, Count: n})
		}
		counts = append(counts,
			gateway.Statistic{Hour: at, Name: gateway.StatSignInFailed, Label: "wechat denied", Count: int64(hour % 3)},
			gateway.Statistic{Hour: at, Name: gateway.StatWeChat, Label: "main 0", Count: 40},
			gateway.Statistic{Hour: at, Name: gateway.StatWeChat, Label: "main 40164", Count: int64(hour % 5)},
			gateway.Statistic{Hour: at, Name: gateway.StatAppSignIn, Label: "notes", Count: int64(hour % 7)})
	}
	problem := func(source, code, detail string, times int64) gateway.Problem {
		return gateway.Problem{Source: source, Code: code, FirstAt: now.Add(-5 * time.Hour), LastAt: now, Count: times,
			RequestID: "K7Q2ZD4MXA", Detail: detail}
	}
	err := g.store.AddStatistics(g.t.Context(), counts, []gateway.Problem{
		problem("wechat:main", "40164", "the address of the gateway is not on the allow-list", 17),
		problem("app:notes", "invalid_client", "the app sends a wrong client secret", 5),
		problem("notify:wecom", "93000", "the robot was removed", 2),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.fails(gateway.Delivery{Kind: gateway.DeliverLogout, Target: "mail", UserID: g.root.ID, SessionID: "s", Subject: "s"},
		"the app answered with status 500")
	g.fails(gateway.Delivery{Kind: gateway.DeliverNotification, Target: "wecom", Payload: []byte("{}")}, "errcode 93000")
}

// fails stores a delivery that was given up. The gateway does not send it before.
func (g *administered) fails(d gateway.Delivery, lastError string) {
	g.t.Helper()
	now := g.clock.Now()
	d.CreatedAt, d.NextAt = now, now.Add(1000*time.Hour)
	if err := g.store.AddDeliveries(g.t.Context(), d); err != nil {
		g.t.Fatal(err)
	}
	claimed, err := g.store.ClaimDeliveries(g.t.Context(), d.Kind, d.NextAt, time.Minute, 100)
	if err != nil || len(claimed) != 1 {
		g.t.Fatal(claimed, err)
	}
	d = claimed[0]
	d.State, d.LastError, d.Attempts = gateway.DeliveryFailed, lastError, claimed[0].Attempts
	if err := g.store.FinishDelivery(g.t.Context(), d); err != nil {
		g.t.Fatal(fmt.Errorf("a delivery that was given up: %w", err))
	}
}
