package e2e_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// inProcessGateway is a gateway in the process of the test, which moves its clock. It has both QR
// codes, a relay app that needs an approval, a relay app that admits nobody, and a site behind a
// proxy that admits nobody. Tests may change the configuration.
type inProcessGateway struct {
	gatewayFixture
	clock    fixture.Clock
	store    *sqlite.Store
	wiki     string // the address of the site
	settings *config.Config
}

const (
	closedAppID = "wx00000000000000c1"
	nobodyAppID = "wx00000000000000c2"
)

func startInProcess(t *testing.T, change ...func(*config.Config)) *inProcessGateway {
	t.Helper()
	g := &inProcessGateway{gatewayFixture: newGatewayFixture(t), store: sqlitetest.New(t)}
	served := httptest.NewUnstartedServer(nil)
	g.gateway = "http://" + served.Listener.Addr().String()
	proxy := httptest.NewServer(g.proxy())
	t.Cleanup(proxy.Close)
	_, port, err := net.SplitHostPort(proxy.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	g.wiki = "http://wiki.localhost:" + port

	c := g.config("wiki.localhost:" + port)
	for _, each := range change {
		each(c)
	}
	g.settings = c
	g.serveOn(t, served)
	return g
}

// serveOn starts a gateway with the configuration and the store of g: the first, or a replica.
func (g *inProcessGateway) serveOn(t *testing.T, served *httptest.Server) {
	t.Helper()
	a, err := app.New(t.Context(), app.Options{
		Config: g.settings, Store: g.store, Sealer: sqlitetest.Sealer(),
		Logger: leaktest.Logger(t), Now: g.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	served.Config.Handler = leaktest.Watch(t, a.Handler())
	served.Start()
	t.Cleanup(served.Close)
	t.Cleanup(a.Drain)
}

func (g *inProcessGateway) config(wiki string) *config.Config {
	connector := func(name string, kind string, a wechattest.App) config.Connector {
		return config.Connector{Name: name, Kind: kind, AppID: a.AppID, Secret: wechat.Secret(a.Secret), OpenPlatform: "e",
			API: g.api, Open: g.wechat}
	}
	old := func(id, name, appID string, rule gateway.Access) config.App {
		return config.App{App: gateway.App{ID: id, Kind: gateway.AppRelay, Name: name,
			Access: gateway.AccessRule{Rule: rule}},
			Secrets: []wechat.Secret{leaktest.Secret}, AppID: appID, Connector: "main", ReturnURLs: []string{"http://127.0.0.1"}}
	}
	return &config.Config{
		URL: g.gateway, Session: config.Session{Idle: 24 * time.Hour, Max: 720 * time.Hour}, ProfileMaxAge: 720 * time.Hour,
		Events: config.Events{Keep: time.Hour},
		Site:   config.Site{SiteTexts: config.SiteTexts{Title: "Example Login"}}, VerifyCache: time.Second,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		WeChat: []config.Connector{connector("main", config.OfficialAccount, g.account),
			connector("site", config.Website, g.website)},
		Apps: []config.App{
			old("closed", "The Shop", closedAppID, gateway.AccessApproved),
			old("nobody", "The Bank", nobodyAppID, gateway.AccessListed),
			{App: gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth, Name: "Wiki",
				Access: gateway.AccessRule{Rule: gateway.AccessListed}}, Hosts: []string{wiki}},
		},
	}
}

// proxy asks the gateway about each request, and hands on its answer. Nobody gets further.
func (g *gatewayFixture) proxy() http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		to, err := url.Parse(g.gateway)
		if err != nil {
			panic(err)
		}
		r.SetXForwarded()
		r.Out.Header.Set("X-Forwarded-Uri", r.In.RequestURI)
		r.Out.Header.Set("X-Forwarded-Method", r.In.Method)
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		if !strings.HasPrefix(r.In.URL.Path, "/.weigate/") {
			r.Out.URL.Path, r.Out.URL.RawQuery = "/verify", ""
		}
	}}
}

// authorize is where an old app sends people.
func (g *inProcessGateway) authorize(appID string) string {
	return g.gateway + "/connect/oauth2/authorize?appid=" + appID +
		"&redirect_uri=http%3A%2F%2F127.0.0.1%2F&response_type=code&scope=snsapi_base&state=s#wechat_redirect"
}

// TestCodeRunsOut visits the choice of sign-in methods, and the page of a code that nobody scans:
// expired, and later "still there?".
func TestCodeRunsOut(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := startInProcess(t)
			w := openBoth(t, &g.addresses, l)
			w.isBrowser(desktopAgent) // also where the window is narrow: a phone is asked nothing
			// The tab is hidden: a visible one requests a new code automatically.
			command(w, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
				Source: `Object.defineProperty(document, "visibilityState", {get: () => "hidden"})`})
			w.visit(g.gateway + "/sign-in?return=/")
			w.waits("main#choose")
			w.see("choose")
			w.press("#way-scan")
			w.waits("main#scan_code")
			g.clock.Set(3 * time.Minute)
			w.reload()
			w.waits("main#scan_expired")
			w.see("scan-expired")
			g.clock.Set(11 * time.Minute)
			w.reload()
			w.waits("main#scan_inactive")
			w.see("scan-still")
			w.press(`form[action^="/scan/renew"] button`)
			w.waits("main[data-state=open]")
		})
	}
}

// TestGatewayInWeChat looks at what the gateway shows to people whom an app does not let in, and at
// their own page.
func TestGatewayInWeChat(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := startInProcess(t)
			w := open(t, &g.addresses, l)
			w.isBrowser(wechatAgent)
			w.visit(g.authorize(closedAppID))
			w.signsIn("alice")
			w.waits("main#waiting")
			w.see("gateway-waiting")
			w.visit(g.authorize(nobodyAppID))
			w.waits("main#refused")
			w.see("gateway-refused")
			if status := w.visit(g.wiki + "/page"); status != http.StatusForbidden {
				t.Errorf("the site answers %d", status)
			}
			w.waits("main#refused")
			w.see("wiki-refused")
			w.visit(g.gateway + "/")
			w.waits("main#own")
			w.see("gateway-own-in-wechat")
			w.visit(g.gateway + "/nothing")
			w.waits("main#not_found")
			w.see("gateway-not-found")
			w.visit(g.authorize("wx0"))
			w.waits("main#unknown_app")
			w.see("gateway-unknown-app")
		})
	}
}

// isBrowser has the window say that it is another browser.
func (w *window) isBrowser(agent string) {
	w.t.Helper()
	accept := "en-GB,en;q=0.9"
	if w.look.lang == "zh-CN" {
		accept = "zh-CN,zh;q=0.9"
	}
	command(w, emulation.SetUserAgentOverride,
		emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: accept})
}
