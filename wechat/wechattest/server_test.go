package wechattest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// newSim serves a simulator on loopback. Its people are the default ones.
func newSim(t *testing.T, cfg wechattest.Config) (*wechattest.Server, string) {
	t.Helper()
	sim, err := wechattest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, server.URL
}

const inWeChat = "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Mobile MicroMessenger/8.0.47.2560(0x28002F30)"

// browse sends one GET as a browser inside WeChat and follows nothing.
func browse(t *testing.T, address string) *http.Response {
	t.Helper()
	return do(t, http.MethodGet, address, nil, inWeChat)
}

func do(t *testing.T, method, address string, form url.Values, userAgent string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req = httptest.NewRequest(method, "/", nil)
	}
	req.Header.Set("User-Agent", userAgent)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestBaseScopeGoesStraightToTheApp(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{Seed: 1, Switches: wechattest.Switches{ConsentAs: "alice"}})
	app := sim.Apps()[0]
	res := browse(t, base+"/connect/oauth2/authorize?appid="+app.AppID+"&redirect_uri="+url.QueryEscape("http://127.0.0.1:9/back?x=1#/route")+
		"&response_type=code&scope=snsapi_base&state=abc")
	u, err := res.Location()
	if err != nil {
		t.Fatalf("status %d, no redirect: %v", res.StatusCode, err)
	}
	if res.StatusCode != http.StatusFound || u.Query().Get("x") != "1" || u.Query().Get("state") != "abc" || len(u.Query().Get("code")) != 32 || u.Fragment != "/route" {
		t.Errorf("%d to %s", res.StatusCode, u)
	}
}
