package cli_test

import (
	"bytes"
	"cmp"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cli"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

// tokens is a response of WeChat to a code that it should have rejected.
const tokens = `{"access_token":"t","expires_in":7200,"refresh_token":"r","openid":"o","scope":"snsapi_base"}`

// TestCheckConnector runs "weigate check" for each response of WeChat that an operator can
// get.
func TestCheckConnector(t *testing.T) {
	t.Parallel()
	const right = "wx0123456789abcdef"
	for _, tt := range []struct {
		name   string
		kind   string // of the connector; "" = an official account
		app    wechattest.App
		fault  *wechattest.Fault
		secret string
		date   time.Duration // that WeChat's clock differs
		want   string        // on stdout if the check succeeds
		told   string        // on stderr otherwise
	}{
		{name: "right", want: "40029"},
		{name: "every WeChat user", want: "apps.open      open to every WeChat user (access: signed_in)"},
		{name: "a right clock", want: "clock          within 30s of WeChat's"},
		{name: "a slow clock", date: 5 * time.Minute, told: " behind WeChat's"},
		{name: "a fast clock", date: -time.Hour, told: " ahead of WeChat's"},
		{name: "wrong secret", secret: "wrong" + leaktest.Secret, told: "the AppSecret is wrong (40125)"},
		{name: "another appid", app: wechattest.App{AppID: "wx00000000000000ff"},
			told: "WeChat does not know the appid (40013)"},
		{name: "not on the allow-list", app: wechattest.App{IPList: []string{"192.0.2.1"}},
			told: "WeChat rejects calls from 127.0.0.1 (40164)\nweigate: hint: add the IP address to the allow-list (IP白名单)"},
		{name: "a website app", kind: "website", want: "40029"},
		{name: "a website app's other secret", kind: "website", secret: "wrong" + leaktest.Secret,
			told: "the AppSecret is wrong (40125)\nweigate: hint: WeChat shows it once only: " +
				"reset it (重置) at open.weixin.qq.com, write it to the file of the secret, and reload"},
		{name: "another website app", kind: "website", app: wechattest.App{AppID: "wx00000000000000ff"},
			told: "(40013)\nweigate: hint: compare it with open.weixin.qq.com, 管理中心 › 网站应用"},
		{name: "a message without address", fault: &wechattest.Fault{Errcode: 40164, Errmsg: "not in whitelist"},
			told: "from this server's IP address, which its message does not contain (40164)"},
		{name: "the old answer to a wrong secret", fault: &wechattest.Fault{Errcode: 40001},
			told: "the AppSecret is wrong (40001)"},
		{name: "a proxy's page", fault: &wechattest.Fault{Body: "<html>log in to the network first</html>"},
			told: "not a JSON object"},
		{name: "busy", fault: &wechattest.Fault{Errcode: -1, Times: -1}, told: "system error"},
		{name: "a server that accepts every code",
			fault: &wechattest.Fault{Body: tokens},
			told:  "accepted an invalid code: it is not WeChat"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			app := wechattest.App{Kind: wechattest.OfficialAccount, AppID: right, Secret: leaktest.Secret, Name: "A",
				Domains: []string{"localhost"}, IPList: tt.app.IPList}
			if tt.app.AppID != "" {
				app.AppID = tt.app.AppID
			}
			kind := cmp.Or(tt.kind, "official_account")
			if kind == "website" {
				app.Kind = wechattest.WebsiteApp
			}
			wx, err := wechattest.New(wechattest.Config{Apps: []wechattest.App{app}})
			if err != nil {
				t.Fatal(err)
			}
			defer wx.Close()
			if tt.fault != nil {
				tt.fault.Endpoint = "/sns/oauth2/access_token"
				wx.Fail(*tt.fault)
			}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(tt.date).UTC().Format(http.TimeFormat))
				wx.ServeHTTP(w, r)
			}))
			defer srv.Close()
			secret := cmp.Or(tt.secret, leaktest.Secret)
			file := checkedFile(t, kind, right, secret, srv.URL)
			var out, told bytes.Buffer
			err = cli.Run(t.Context(), []string{"check", "-c", file}, nil, &out, &told,
				func(string) string { return "" })
			if (err == nil) != (tt.told == "") {
				t.Errorf("the check ended with %v\n%s", err, told.String())
			}
			if !strings.Contains(out.String(), tt.want) || !strings.Contains(told.String(), tt.told) {
				t.Errorf("want %q and %q, got\n%s%s", tt.want, tt.told, out.String(), told.String())
			}
			leaktest.Check(t, "what the check prints", out.String(), told.String())
		})
	}
}

// checkedFile writes a configuration with one connector and one app, and returns its path.
func checkedFile(t *testing.T, kind, appid, secret, api string) string {
	t.Helper()
	dir := t.TempDir()
	text := "url: https://login.example.com\nlisten: 127.0.0.1:0\nmetrics: \"\"\nstore: sqlite:" +
		filepath.Join(dir, "none.db") + "\nmaster_key_file: " +
		filepath.Join(dir, "none.key") + "\n" +
		"wechat: [{name: main, kind: " + kind + ", appid: " + appid + ", secret: " + secret + ", api: " + api + "}]\n" +
		"apps: [{id: open, kind: oidc, public: true, access: signed_in, redirect_uris: [http://127.0.0.1/cb]}]\n"
	file := filepath.Join(dir, "weigate.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
