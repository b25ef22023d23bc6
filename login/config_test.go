package login_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

func good() login.Config {
	return login.Config{
		URL: "https://app.example.com", Keys: [][]byte{key(1)},
		OfficialAccount: &wechat.Client{AppID: accountID, Secret: leaktest.Secret},
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*login.Config)
		says   string // in the error; "" = none
	}{
		"smallest": {func(*login.Config) {}, ""},
		"website app only": {func(c *login.Config) {
			c.OfficialAccount, c.WebsiteApp = nil, c.OfficialAccount
		}, ""},
		"loopback":       {func(c *login.Config) { c.URL = "http://127.0.0.1:8080" }, ""},
		"loopback, IPv6": {func(c *login.Config) { c.URL = "http://[::1]:8080/x" }, ""},
		"name.localhost": {func(c *login.Config) { c.URL = "http://app.localhost:8080" }, ""},
		"insecure": {func(c *login.Config) {
			c.URL, c.Insecure = "http://192.168.1.7:8080", true
		}, ""},
		"no URL":               {func(c *login.Config) { c.URL = "" }, "Config.URL"},
		"plain http":           {func(c *login.Config) { c.URL = "http://app.example.com" }, "Insecure"},
		"like localhost":       {func(c *login.Config) { c.URL = "http://notlocalhost" }, "Insecure"},
		"like a loopback host": {func(c *login.Config) { c.URL = "http://127.0.0.1.evil.example" }, "Insecure"},
		"no host":              {func(c *login.Config) { c.URL = "https:///x" }, "Config.URL"},
		"no scheme":            {func(c *login.Config) { c.URL = "app.example.com" }, "Config.URL"},
		"another scheme": {func(c *login.Config) {
			c.URL = "ftp://app.example.com"
		}, "neither http nor https"},
		"query":    {func(c *login.Config) { c.URL += "?x" }, "nothing else"},
		"fragment": {func(c *login.Config) { c.URL += "#x" }, "nothing else"},
		"user": {func(c *login.Config) {
			c.URL = "https://u:" + leaktest.Secret + "@app.example.com"
		}, "Config.URL"},
		"odd path":                          {func(c *login.Config) { c.URL += "/a//b" }, "unusual path"},
		"path with dots":                    {func(c *login.Config) { c.URL += "/a/../b" }, "unusual path"},
		"path that ends a cookie attribute": {func(c *login.Config) { c.URL += "/a;b" }, "unusual path"},
		"Chinese path":                      {func(c *login.Config) { c.URL += "/登录" }, "Config.URL"},
		"no keys":                           {func(c *login.Config) { c.Keys = nil }, "Config.Keys"},
		"short key": {func(c *login.Config) {
			c.Keys = append(c.Keys, make([]byte, 31))
		}, "number 2 has 31 bytes"},
		"no sign-in method": {func(c *login.Config) { c.OfficialAccount = nil }, "no user could sign in"},
		"no secret": {func(c *login.Config) {
			c.WebsiteApp = &wechat.Client{AppID: websiteID}
		}, "Config.WebsiteApp"},
		"no appid": {func(c *login.Config) {
			c.OfficialAccount = &wechat.Client{Secret: leaktest.Secret}
		}, "Config.OfficialAccount"},
		"return host, path": {func(c *login.Config) {
			c.ReturnHosts = []string{"https://x.example/y"}
		}, "Config.ReturnHosts"},
		"return host, star": {func(c *login.Config) {
			c.ReturnHosts = []string{"*.example.com"}
		}, "Config.ReturnHosts"},
		"return host, nothing": {func(c *login.Config) { c.ReturnHosts = []string{""} }, "Config.ReturnHosts"},
		"return host, script": {func(c *login.Config) {
			c.ReturnHosts = []string{"javascript://x"}
		}, "Config.ReturnHosts"},
		"avatar host": {func(c *login.Config) {
			c.AvatarHosts = []string{"https://"}
		}, "Config.AvatarHosts"},
		"cookie name":   {func(c *login.Config) { c.CookieName = "a b" }, "Config.CookieName"},
		"negative time": {func(c *login.Config) { c.SessionMax = -1 }, "must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good()
			c.change(&cfg)
			h, err := login.New(cfg)
			leaktest.Check(t, "the error", err)
			if c.says == "" {
				if err != nil || h == nil {
					t.Errorf("New: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestConfigTellsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := login.New(login.Config{URL: "x", ReturnHosts: []string{"*", "ok.example"}, CookieName: "é"})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 5 {
		t.Errorf("%d problems, want 5:\n%v", len(lines), err)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "login: Config") {
			t.Errorf("line %q names no field", line)
		}
	}
}

// Two apps on one machine share a cookie jar: cookies ignore ports.
func TestAppsOnOneMachineDoNotShareCookies(t *testing.T) {
	t.Parallel()
	one := newFixture(t, func(c *login.Config) { c.URL = "http://127.0.0.1:8080" })
	two := newFixture(t, func(c *login.Config) { c.URL = "http://127.0.0.1:8081" })
	three := newFixture(t, func(c *login.Config) { c.URL, c.CookieName = "http://127.0.0.1:8081", "other" })
	jar := one.browser()
	for i, s := range []*fixture{one, two, three} {
		jar.site = s
		s.wantGo(jar.get(s.callback(code(string(rune('a'+i))), jar.begin("/sign-in"))), "/")
	}
	jar.site = one
	one.wantGo(jar.post("/sign-out", map[string][]string{}), "/")
	jar.site = two
	if jar.who() != openIDOf(code("b")) {
		t.Errorf("signed in as %q", jar.who())
	}
}
