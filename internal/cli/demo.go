package cli

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/demo"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// demoCmd is "weigate demo": everything on this machine, for a first look.
type demoCmd struct {
	Addr        string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the sample app is served (${default})."`
	SimAddr     string `default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Where the simulated WeChat is served (${default})."`
	ControlAddr string `default:"127.0.0.1:8091" placeholder:"HOST:PORT" help:"Where the simulator's control page is served (${default})."`
}

// Run serves until the context ends.
func (c *demoCmd) Run(s *session) error {
	run := &servers{voice: s.voice}
	defer run.close()
	site, err := listenHere(run, "--addr", c.Addr)
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
	d := demoParts{site: address(site), wechat: address(pages), control: address(control), log: s.voice.logger()}
	if err := d.make(); err != nil {
		return err
	}
	defer d.sim.Close()
	run.handle(site, d.app)
	run.handle(pages, d.sim)
	run.handle(control, d.sim.Control())

	lines := demoEnglish
	if s.chinese() {
		lines = demoChinese
	}
	s.voice.say(lines, d.site, d.control, d.wechat, d.sim.Seed())
	return run.run(s.ctx)
}

// What the terminal says. The verbs are the sample app, the control page, the simulator and
// the seed, in this order.
const (
	demoEnglish = `Weigate demo: sign in with WeChat, on this machine. The WeChat is simulated.

  sample app   %[1]s   open this in a browser and sign in
  simulator    %[2]s   people, phones, switches, log

WeChat's own pages and API are at %[3]s. Nothing is saved. Seed %[4]d.
Ctrl-C stops it.`
	demoChinese = `Weigate 演示：在这台电脑上用微信登录。微信是模拟的。

  示例应用   %[1]s   用浏览器打开，然后登录
  模拟器     %[2]s   用户、手机、开关、记录

微信自己的页面和接口在 %[3]s。不保存任何数据。种子 %[4]d。
按 Ctrl-C 停止。`
)

// demoParts are the addresses of the demo, and what is served there.
type demoParts struct {
	site, wechat, control string // addresses
	log                   *slog.Logger

	sim *wechattest.Server
	app http.Handler
}

// make makes the simulator, and the app that signs people in with it. Nobody has to
// register anything: the accounts are made here, with secrets that live as long as this run.
func (d *demoParts) make() error {
	site, err := url.Parse(d.site)
	if err != nil {
		return fmt.Errorf("the address of the sample app: %w", err)
	}
	account := wechattest.App{
		Kind: wechattest.OfficialAccount, AppID: "wx0000000000000de1", Secret: randomSecret(), Name: "Weigate 示例 Sample",
		Domains: []string{site.Hostname()}, OpenPlatform: "demo",
	}
	website := account
	website.Kind, website.AppID, website.Secret = wechattest.WebsiteApp, "wx0000000000000de2", randomSecret()

	d.sim, err = wechattest.New(wechattest.Config{
		Apps:     []wechattest.App{account, website},
		QR:       qrSVG,
		OpenURL:  d.wechat,
		Switches: wechattest.Switches{AnyBrowser: true}, // the first look is in a desktop browser
	})
	if err != nil {
		return simError(err)
	}
	client := func(a wechattest.App) *wechat.Client {
		return &wechat.Client{AppID: a.AppID, Secret: wechat.Secret(a.Secret), OpenURL: d.wechat, APIURL: d.wechat}
	}
	d.app, err = demo.New(demo.Config{
		URL: d.site, SimulatorURL: d.wechat, ControlURL: d.control, Logger: d.log,
		OfficialAccount: client(account), WebsiteApp: client(website),
	})
	if err != nil {
		return fmt.Errorf("the sample app: %w", err)
	}
	return nil
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
