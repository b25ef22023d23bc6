package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/demo"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// demoCmd is "weigate demo": everything on this machine, for a first look.
type demoCmd struct {
	Addr        string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the sample apps are served (${default})."`
	GatewayAddr string `default:"127.0.0.1:8092" placeholder:"HOST:PORT" help:"Where the gateway is served (${default})."`
	SimAddr     string `default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Where the simulated WeChat is served (${default})."`
	ControlAddr string `default:"127.0.0.1:8091" placeholder:"HOST:PORT" help:"Where the simulator's control page is served (${default})."`
	Seed        uint64 `placeholder:"N" help:"Repeat the simulated WeChat of the run that printed this seed."`
}

// Run serves until the context ends.
func (c *demoCmd) Run(s *session) (err error) {
	run := &servers{out: s.out}
	defer run.close()
	site, err := listenHere(run, "--addr", c.Addr)
	if err != nil {
		return err
	}
	front, err := listenHere(run, "--gateway-addr", c.GatewayAddr)
	if err != nil {
		return err
	}
	pages, err := listenHere(run, "--sim-addr", c.SimAddr)
	if err != nil {
		return err
	}
	control, err := listenHere(run, "--control-addr", c.ControlAddr)
	if err != nil {
		return err
	}
	d := demoParts{site: address(site), gateway: address(front), wechat: address(pages), control: address(control), seed: c.Seed, log: s.out.logger()}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.make(s.ctx); err != nil {
		return err
	}
	run.handle(site, d.apps)
	run.handle(front, d.served.Handler())
	run.handle(pages, d.sim)
	run.handle(control, simulator.New(simulator.Config{Server: d.sim, OpenURL: d.wechat}))

	lines := demoEnglish
	if s.chinese() {
		lines = demoChinese
	}
	s.out.say(lines, d.site, d.gateway, d.control, d.wechat, d.sim.Seed())
	return run.run(s.ctx)
}

// What the terminal says. The verbs are the sample apps, the gateway, the control page, the
// simulator and the seed, in this order.
const (
	demoEnglish = `Weigate demo: sign in with WeChat, on this machine. The WeChat is simulated.

  tour         %[1]s   open this in a browser: four apps, and what to press
  gateway      %[2]s   "weigate serve": what signs people in
  simulator    %[3]s   people, phones, quirks, log

WeChat's own pages and API are at %[4]s. Nothing is saved. Seed %[5]d.
Ctrl-C stops it.`
	demoChinese = `Weigate 演示：在这台电脑上用微信登录。微信是模拟的。

  导览       %[1]s   用浏览器打开：四个应用，以及操作步骤
  网关       %[2]s   “weigate serve”：登录都由它完成
  模拟器     %[3]s   用户、手机、行为开关、记录

微信自己的页面和接口在 %[4]s。不保存任何数据。种子 %[5]d。
按 Ctrl-C 停止。`
)

// demoParts are the addresses of the demo, and what is served there.
type demoParts struct {
	site, gateway, wechat, control string // addresses
	seed                           uint64 // of the simulator; 0 = any
	log                            *slog.Logger

	sim    *wechattest.Server
	store  gateway.Store
	served *app.App
	apps   http.Handler
}

// make makes the simulator, the gateway that signs people in with it, and the apps. Nobody has
// to register anything: all of it is made here, with secrets that live as long as this run.
func (d *demoParts) make(ctx context.Context) error {
	domains, err := hostsOf(d.site, d.gateway)
	if err != nil {
		return err
	}
	user := wechattest.App{
		Kind: wechattest.OfficialAccount, AppID: "wx0000000000000de1", Secret: randomSecret(), Name: "Weigate",
		Domains: domains, OpenPlatform: "demo",
	}
	website := user
	website.Kind, website.AppID, website.Secret = wechattest.WebsiteApp, "wx0000000000000de2", randomSecret()

	d.sim, err = wechattest.New(wechattest.Config{
		Apps:       []wechattest.App{user, website},
		Seed:       d.seed,
		QR:         qrSVG,
		OpenURL:    d.wechat,
		ControlURL: d.control,
		Quirks:     wechattest.Quirks{AnyBrowser: true}, // the first look is in a desktop browser
	})
	if err != nil {
		return simError(err)
	}
	side := &demo.GatewayConfig{Issuer: d.gateway, NotesSecret: randomSecret(), PhotosSecret: randomSecret(), BoardSecret: randomSecret(), ShopSecret: randomSecret()}
	if err := d.serve(ctx, user, side); err != nil {
		return fmt.Errorf("the gateway: %w", err)
	}
	client := func(a wechattest.App) *wechat.Client {
		return &wechat.Client{AppID: a.AppID, Secret: wechat.Secret(a.Secret), OpenURL: d.wechat, APIURL: d.wechat}
	}
	d.apps, err = demo.New(demo.Config{
		URL: d.site, SimulatorURL: d.wechat, ControlURL: d.control, Gateway: side, Logger: d.log,
		OfficialAccount: client(user), WebsiteApp: client(website),
	})
	if err != nil {
		return fmt.Errorf("the sample apps: %w", err)
	}
	return nil
}

// demoConfig is the configuration of the demo's gateway, read as "weigate serve" reads a file. Its store is in memory. The proxy in front of the wiki is
// on this machine, like everything else.
const demoConfig = `
url: %[1]s
store: "sqlite::memory:"
site: {title: Weigate}
trusted_proxies: [127.0.0.1, "::1"]
wechat:
  - {name: main, kind: official_account, appid: %[2]s, secret: %[3]s, open_platform: demo, api: %[4]s, open: %[4]s, any_browser: true, control: %[9]s}
apps:
  - {id: wiki, kind: forward_auth, name: Wiki 维基, hosts: ["%[5]s"], access: signed_in}
  - {id: shop, kind: relay, name: Shop 商店, appid: %[6]s, secret: %[7]s, connector: main, return_hosts: ["%[8]s"], access: signed_in}
`

// demoClient is an app of the demo that speaks OpenID Connect, in that configuration.
const demoClient = `  - {id: %[1]s, kind: oidc, name: %[2]s, secret: %[3]s, access: signed_in, redirect_uris: [%[4]s], post_logout_redirect_uris: [%[5]s], lifetimes: {access: 1h}%[6]s}
`

// serve makes the gateway. The keys are new in each run, like everything else here.
func (d *demoParts) serve(ctx context.Context, user wechattest.App, side *demo.GatewayConfig) error {
	text := fmt.Appendf(nil, demoConfig, d.gateway, user.AppID, user.Secret, d.wechat,
		demo.Host(demo.WikiURL(d.site)), demo.ShopAppID, side.ShopSecret, demo.Host(demo.ShopURL(d.site)), d.control)
	for _, c := range []struct{ id, name, secret, more string }{
		{demo.NotesID, "Notes 笔记", side.NotesSecret, ""},
		{demo.PhotosID, "Photos 相册", side.PhotosSecret, ""},
		{demo.BoardID, "Board 看板", side.BoardSecret, ", methods: [scan]"}, // as if its people sat at desktops
	} {
		text = fmt.Appendf(text, demoClient, c.id, c.name, c.secret, demo.RedirectURI(d.site, c.id), demo.PostLogoutRedirectURI(d.site, c.id), c.more)
	}
	conf, err := config.Parse("the demo", text, nil)
	if err != nil {
		return err
	}
	key := make([]byte, keys.MinMasterKey)
	rand.Read(key)
	master, err := keys.NewSealer(key)
	if err != nil {
		return err
	}
	if d.store, err = openStore(ctx, conf, app.StoreOptions{Serve: true}); err != nil {
		return err
	}
	d.served, err = app.New(ctx, app.Options{Config: conf, Store: d.store, Sealer: master, Logger: d.log})
	return err
}

// close ends what make has begun, however far it came.
func (d *demoParts) close() error {
	var problems []error
	if d.served != nil {
		end, cancel := context.WithTimeout(context.Background(), stopPatience)
		defer cancel()
		problems = append(problems, d.served.Close(end))
	}
	if d.store != nil {
		problems = append(problems, d.store.Close())
	}
	if d.sim != nil {
		d.sim.Close()
	}
	return errors.Join(problems...)
}

// hostsOf lists the hosts of addresses, each once: WeChat's callback domains.
func hostsOf(addresses ...string) (hosts []string, err error) {
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("the address %s: %w", address, err)
		}
		if !slices.Contains(hosts, u.Hostname()) {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts, nil
}

// randomSecret has the form of WeChat's.
func randomSecret() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// listenHere takes a loopback address. The demo signs anybody in as anybody.
func listenHere(run *servers, flag, addr string) (net.Listener, error) {
	l, err := run.listen(flag, addr)
	if err != nil {
		return nil, err
	}
	if !loopback(l) {
		return nil, fmt.Errorf("the demo is for this machine only: %s wants a loopback address such as 127.0.0.1:8080, not %s", flag, addr)
	}
	return l, nil
}

// chinese tells whether the person's terminal is set to Chinese.
func (s *session) chinese() bool {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} { // the order that POSIX gives them
		if v := s.getenv(name); v != "" {
			return strings.HasPrefix(strings.ToLower(v), "zh")
		}
	}
	return false
}
