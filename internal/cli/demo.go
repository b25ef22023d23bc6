package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"text/template"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/demo"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// demoCmd is "weigate demo". It runs the simulator, the gateway and sample apps.
type demoCmd struct {
	Addr        string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the apps (${default})."`
	GatewayAddr string `default:"127.0.0.1:8092" placeholder:"HOST:PORT" help:"Address of the gateway (${default})."`
	SimAddr     string `default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Address of WeChat (${default})."`
	ControlAddr string `default:"127.0.0.1:8091" placeholder:"HOST:PORT" help:"Control page (${default})."`
	Seed        uint64 `placeholder:"N" help:"Repeat the simulated WeChat of the run that printed this seed."`
}

// Run starts all servers of the demo, prints their addresses and serves until the context is done.
// It first listens on all addresses, because each server has to know the URLs of all others.
func (c *demoCmd) Run(s *invocation) (err error) {
	run := &servers{out: s.out}
	defer run.close()
	apps, err := listenLoopback(run, "--addr", c.Addr)
	if err != nil {
		return err
	}
	gatewayListener, err := listenLoopback(run, "--gateway-addr", c.GatewayAddr)
	if err != nil {
		return err
	}
	wechatListener, err := listenLoopback(run, "--sim-addr", c.SimAddr)
	if err != nil {
		return err
	}
	control, err := listenLoopback(run, "--control-addr", c.ControlAddr)
	if err != nil {
		return err
	}
	d := demoServers{
		appsURL: address(apps), gatewayURL: address(gatewayListener), wechatURL: address(wechatListener),
		controlURL: address(control),
		seed:       c.Seed, log: s.out.logger(), language: lang.English,
	}
	if s.out.texts != nil {
		d.language = lang.Chinese
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.start(s.ctx); err != nil {
		return err
	}
	run.handle(apps, d.apps)
	run.handle(gatewayListener, d.gateway.Handler())
	run.handle(wechatListener, d.sim)
	run.handle(control, simulator.New(simulator.Config{Server: d.sim, OpenURL: d.wechatURL}))

	s.out.printf(demoStarted, d.appsURL, d.gatewayURL, d.controlURL, d.wechatURL, d.sim.Seed(), d.adminURL)
	return run.run(s.ctx)
}

// demoStarted is the output of the demo. Its arguments are the URLs of the apps, the gateway, the
// control page and the simulator, the seed, and the administrator's link.
const demoStarted = `Weigate demo: sign in with WeChat on this machine. WeChat is simulated.

  tour         %[1]s   open this in a browser: six apps, and what to try
  gateway      %[2]s   "weigate serve", which signs users in
  simulator    %[3]s   users, phones, quirks, log

WeChat's own pages and API are at %[4]s. Nothing is saved. Seed %[5]d.
To approve users at %[2]s/admin, open this link, which works once:
  %[6]s
Ctrl-C stops it.`

// demoServers are the servers of the demo. The caller sets the URLs of the servers, seed and log. The
// method start sets the other fields.
type demoServers struct {
	appsURL, gatewayURL, wechatURL, controlURL string

	seed     uint64 // of the simulator; 0 = random
	log      *slog.Logger
	language string // of the account's answers in the chat

	sim     *wechattest.Server
	store   gateway.Store
	gateway *app.App
	apps    http.Handler

	adminURL string // link that makes the user who opens it an administrator
}

// start creates the simulator, the gateway and the apps. It generates new secrets for this run.
func (d *demoServers) start(ctx context.Context) error {
	domains, err := uniqueHosts(d.appsURL, d.gatewayURL)
	if err != nil {
		return err
	}
	account := wechattest.App{
		Kind: wechattest.OfficialAccount, AppID: "wx0000000000000de1", Secret: randomSecret(), Name: "Weigate",
		Domains: domains, OpenPlatform: "demo",
		Push: wechattest.Push{URL: d.gatewayURL + "/wechat/push/main", Token: randomSecret(), AESKey: randomAESKey()},
	}
	website := account
	website.Push = wechattest.Push{}
	website.Kind, website.AppID = wechattest.WebsiteApp, "wx0000000000000de2"
	website.Secret = randomSecret()

	d.sim, err = wechattest.New(wechattest.Config{
		Apps:       []wechattest.App{account, website},
		Seed:       d.seed,
		QR:         qrSVG,
		OpenURL:    d.wechatURL,
		ControlURL: d.controlURL,
		Quirks:     wechattest.Quirks{AnyBrowser: true}, // the tour is opened in a desktop browser
	})
	if err != nil {
		return simError(err)
	}
	secrets := &demo.GatewayConfig{
		Issuer: d.gatewayURL, NotesSecret: randomSecret(), PhotosSecret: randomSecret(),
		BoardSecret: randomSecret(), ForumSecret: randomSecret(), PlansSecret: randomSecret(), ShopSecret: randomSecret(),
	}
	if err := d.startGateway(ctx, account, secrets); err != nil {
		return lang.Errorf("gateway: %w", err)
	}
	secrets.AdminURL = d.adminURL
	client := func(a wechattest.App) *wechat.Client {
		return &wechat.Client{
			AppID: a.AppID, Secret: wechat.Secret(a.Secret), OpenURL: d.wechatURL, APIURL: d.wechatURL,
		}
	}
	d.apps, err = demo.New(demo.Config{
		URL: d.appsURL, SimulatorURL: d.wechatURL, ControlURL: d.controlURL, Gateway: secrets, Logger: d.log,
		OfficialAccount: client(account), WebsiteApp: client(website),
	})
	if err != nil {
		return lang.Errorf("sample apps: %w", err)
	}
	return nil
}

// demoConfig is the template of the gateway's configuration. The sample app Wiki uses forward auth:
// a reverse proxy asks the gateway about every request. This proxy runs in this process, so
// loopback addresses are trusted proxies.
var demoConfig = template.Must(template.New("").Parse(`
url: {{.GatewayURL}}
store: "sqlite::memory:"
site: {title: Weigate}
trusted_proxies: [127.0.0.1, "::1"]
wechat:
  - name: main
    kind: official_account
    appid: {{.Account.AppID}}
    secret: {{.Account.Secret}}
    open_platform: demo
    api: {{.WeChatURL}}
    open: {{.WeChatURL}}
    any_browser: true
    control: {{.ControlURL}}
    push:
      token: {{.Account.Push.Token}}
      aes_key: {{.Account.Push.AESKey}}
      account_name: Weigate
      qr_code: {{.AccountQR}}
      language: {{.Language}}
apps:
  - {id: wiki, kind: forward_auth, name: Wiki 维基, hosts: ["{{.WikiHost}}"], access: signed_in}
  - id: shop
    kind: relay
    name: Shop 商店
    appid: {{.ShopAppID}}
    secret: {{.Secrets.ShopSecret}}
    connector: main
    return_urls: ["{{.ShopURL}}/callback"]
    access: signed_in
{{range .Clients}}
  - id: {{.ID}}
    kind: oidc
    name: {{.Name}}
    secret: {{.Secret}}
    access: {{or .Access "signed_in"}}
{{with .Methods}}    methods: [{{.}}]
{{end}}    redirect_uris: [{{.RedirectURI}}]
    post_logout_redirect_uris: [{{.PostLogoutRedirectURI}}]
    lifetimes: {access: 1h}
{{end}}`))

// demoClient is an app of the demo that uses OpenID Connect.
type demoClient struct {
	ID, Name, Secret, Methods, Access  string
	RedirectURI, PostLogoutRedirectURI string
}

// gatewayConfig returns the configuration of the gateway.
func (d *demoServers) gatewayConfig(account wechattest.App, secrets *demo.GatewayConfig) (*config.Config, error) {
	clients := []demoClient{
		{ID: demo.NotesID, Name: "Notes 笔记", Secret: secrets.NotesSecret},
		{ID: demo.PhotosID, Name: "Photos 相册", Secret: secrets.PhotosSecret},
		{ID: demo.BoardID, Name: "Board 看板", Secret: secrets.BoardSecret, Methods: "scan"},
		{ID: demo.ForumID, Name: "Forum 论坛", Secret: secrets.ForumSecret, Methods: "message, follow"},
		{ID: demo.PlansID, Name: "Plans 计划", Secret: secrets.PlansSecret, Access: "approved"},
	}
	for i, c := range clients {
		clients[i].RedirectURI = demo.RedirectURI(d.appsURL, c.ID)
		clients[i].PostLogoutRedirectURI = demo.PostLogoutRedirectURI(d.appsURL, c.ID)
	}
	var text bytes.Buffer
	err := demoConfig.Execute(&text, map[string]any{
		"GatewayURL": d.gatewayURL, "WeChatURL": d.wechatURL, "ControlURL": d.controlURL,
		"WikiHost": demo.Host(demo.WikiURL(d.appsURL)), "ShopURL": demo.ShopURL(d.appsURL),
		"Account": account, "AccountQR": d.sim.AccountQR(account.AppID), "Language": d.language,
		"ShopAppID": demo.ShopAppID, "Secrets": secrets, "Clients": clients,
	})
	if err != nil {
		return nil, err
	}
	return config.Parse("demo", text.Bytes(), nil) // nil: environment variables have no effect
}

// startGateway creates the gateway with a store in memory and a new master key, and the
// administrator's link.
func (d *demoServers) startGateway(ctx context.Context, account wechattest.App, secrets *demo.GatewayConfig) error {
	conf, err := d.gatewayConfig(account, secrets)
	if err != nil {
		return err
	}
	key := make([]byte, keys.MinMasterKey)
	rand.Read(key)
	sealer, err := keys.NewSealer(key)
	if err != nil {
		return err
	}
	if d.store, err = openStore(ctx, conf, app.StoreOptions{Serve: true}); err != nil {
		return err
	}
	d.gateway, err = app.New(ctx, app.Options{Config: conf, Store: d.store, Sealer: sealer, Logger: d.log})
	if err != nil {
		return err
	}
	service, err := app.NewAdministration(conf, app.AdministrationOptions{Store: d.store})
	if err != nil {
		return err
	}
	_, d.adminURL, err = service.Invite(ctx, byCommand, demoInvitation)
	return err
}

// demoInvitation is the invitation of the demo's administrator. It expires as late as possible,
// because a demo may run all day.
var demoInvitation = administration.Invite{
	Kind: gateway.InviteAdmin, Expires: administration.MaxExpiry(gateway.InviteAdmin),
}

// close stops everything that start has started, even if start returned an error.
func (d *demoServers) close() error {
	var problems []error
	if d.gateway != nil {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		problems = append(problems, d.gateway.Close(ctx))
	}
	if d.store != nil {
		problems = append(problems, d.store.Close())
	}
	if d.sim != nil {
		d.sim.Close()
	}
	return errors.Join(problems...)
}

// uniqueHosts returns the host names of URLs, without duplicates. They become the callback domains
// at the simulated WeChat. WeChat redirects only to callback domains.
func uniqueHosts(addresses ...string) (hosts []string, err error) {
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			return nil, lang.Errorf("%s: %w", address, err)
		}
		if !slices.Contains(hosts, u.Hostname()) {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts, nil
}

// randomSecret returns a secret in the format of WeChat's app secrets.
func randomSecret() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// randomAESKey returns an EncodingAESKey in WeChat's format: 43 letters and digits.
func randomAESKey() string { return (rand.Text() + rand.Text())[:43] }

// listenLoopback listens on a loopback address. Other machines must not reach the demo, because
// anyone can sign in to it as any user.
func listenLoopback(run *servers, flag, addr string) (net.Listener, error) {
	l, err := run.listenFlag(flag, addr)
	if err != nil {
		return nil, err
	}
	if !isLoopback(l) {
		return nil, lang.Errorf("%s must be a loopback address such as 127.0.0.1:8080, not %s", flag, addr)
	}
	return l, nil
}
