package e2e_test

import (
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/demo"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// world is the sample app and the simulated WeChat inside the test: what the app says and logs is
// searched for planted secrets, and the simulator's quirks and clock are at hand.
type world struct {
	site
	wx      *wechattest.Server
	account wechattest.App
}

func newWorld(t *testing.T, quirks wechattest.Quirks) *world {
	t.Helper()
	quirks.AnyBrowser = true
	quirks.PollWait = 100 * time.Millisecond // the end of a test waits for open polls
	// The names of WeChat and of the app are different sites, so that cookies meet the rules that they meet in real life.
	const wechatHost = "weixin.localhost"
	pages := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(pages.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{site: site{wechat: "http://" + wechatHost + ":" + port}}
	w.account = wechattest.App{AppID: "wx00000000000000e1", Secret: leaktest.Secret, Name: "E2E", Domains: []string{"127.0.0.1"}, OpenPlatform: "e"}
	website := w.account
	website.Kind, website.AppID = wechattest.WebsiteApp, "wx00000000000000e2"
	w.wx, err = wechattest.New(wechattest.Config{Apps: []wechattest.App{w.account, website}, Mark: leaktest.Mark, OpenURL: w.wechat, Quirks: quirks})
	if err != nil {
		t.Fatal(err)
	}
	pages.Config.Handler = w.wx
	pages.Start()
	t.Cleanup(pages.Close)
	t.Cleanup(w.wx.Close)
	control := httptest.NewServer(simulator.New(simulator.Config{Server: w.wx}))
	t.Cleanup(control.Close)

	app := httptest.NewUnstartedServer(nil) // it has to know its address before it exists
	w.app, w.control = "http://"+app.Listener.Addr().String(), control.URL
	client := func(a wechattest.App) *wechat.Client {
		return &wechat.Client{AppID: a.AppID, Secret: wechat.Secret(a.Secret), OpenURL: w.wechat, APIURL: pages.URL}
	}
	handler, err := demo.New(demo.Config{URL: w.app, SimulatorURL: w.wechat, ControlURL: w.control,
		OfficialAccount: client(w.account), WebsiteApp: client(website), Logger: leaktest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	app.Config.Handler = leaktest.Watch(t, handler)
	app.Start()
	t.Cleanup(app.Close)
	return w
}

// exchanges counts the codes that the app has sent to WeChat.
func (w *world) exchanges() int {
	n := 0
	for _, call := range w.wx.Calls() {
		if call.Endpoint == "/sns/oauth2/access_token" {
			n++
		}
	}
	return n
}

// wantExchanges fails the test when another number of codes was sent to WeChat.
func (w *world) wantExchanges(t *testing.T, want int) {
	t.Helper()
	if got := w.exchanges(); got != want {
		t.Errorf("%d codes were sent to WeChat, want %d", got, want)
	}
}
