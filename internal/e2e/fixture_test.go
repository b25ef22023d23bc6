package e2e_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/demo"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// demoFixture is the sample app and the simulator of WeChat in the process of the test. The
// responses and logs of the app are searched for planted secrets.
type demoFixture struct {
	addresses
	wx      *fixture.WeChat
	account wechattest.App
}

// wechatHost is the host name of WeChat. It is another site than the app's, so that browsers apply
// the same cookie rules as in production.
const wechatHost = "weixin.localhost"

func newDemoFixture(t *testing.T, quirks wechattest.Quirks) *demoFixture {
	t.Helper()
	quirks.AnyBrowser = true
	quirks.PollWait = 100 * time.Millisecond // the end of a test waits for open polls
	f := &demoFixture{account: officialAccount("wx00000000000000e1")}
	website := websiteApp("wx00000000000000e2")
	f.wx, f.wechat = fixture.NewWeChatAt(t, wechatHost, wechattest.Config{
		Apps: []wechattest.App{f.account, website}, Quirks: quirks,
	})
	control := httptest.NewServer(simulator.New(simulator.Config{Server: f.wx.Server}))
	t.Cleanup(control.Close)

	app := httptest.NewUnstartedServer(nil) // it has to know its address before it exists
	f.app, f.control = "http://"+app.Listener.Addr().String(), control.URL
	client := func(a wechattest.App) *wechat.Client {
		return &wechat.Client{AppID: a.AppID, Secret: wechat.Secret(a.Secret), OpenURL: f.wechat, APIURL: f.wx.URL}
	}
	handler, err := demo.New(demo.Config{
		URL: f.app, SimulatorURL: f.wechat, ControlURL: f.control,
		OfficialAccount: client(f.account), WebsiteApp: client(website), Logger: leaktest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	app.Config.Handler = leaktest.Watch(t, handler)
	app.Start()
	t.Cleanup(app.Close)
	return f
}

func officialAccount(appid string) wechattest.App {
	return wechattest.App{
		AppID: appid, Secret: leaktest.Secret, Name: "E2E", Domains: []string{"127.0.0.1"}, OpenPlatform: "e",
	}
}

func websiteApp(appid string) wechattest.App {
	a := officialAccount(appid)
	a.Kind = wechattest.WebsiteApp
	return a
}

// wantExchanges fails the test when another number of codes was sent to WeChat.
func (f *demoFixture) wantExchanges(t *testing.T, want int) {
	t.Helper()
	if got := f.wx.Exchanges(); got != want {
		t.Errorf("%d codes were sent to WeChat, want %d", got, want)
	}
}
