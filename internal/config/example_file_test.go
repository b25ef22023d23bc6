package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
)

// secretFile writes a file as an operator would, and returns its path.
func secretFile(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// example returns the shipped example with secret files that exist.
func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../weigate.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(
		"/run/secrets/wechat", secretFile(t, leaktest.Secret+"\n", 0o600),
		"/run/secrets/push-token", secretFile(t, "pushtoken\n", 0o600),
		"/run/secrets/push-aes-key", secretFile(t, strings.Repeat("a", 43)+"\n", 0o600),
		"/run/secrets/website", secretFile(t, leaktest.Secret+"-website\n", 0o600),
		"/run/secrets/shop", secretFile(t, leaktest.Secret+"-shop\n", 0o600),
		"/run/secrets/robot", secretFile(t, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key="+leaktest.Secret, 0o600),
		"/run/secrets/grafana", secretFile(t, leaktest.Secret+"-old\n"+leaktest.Secret+"-new\n", 0o600),
	).Replace(string(text))
}

// TestExampleLoads loads the shipped example file.
func TestExampleLoads(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("weigate.yaml", []byte(example(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.URL != "https://login.example.com" || c.StoreName() != "SQLite, weigate.db" || len(c.Warnings) > 0 {
		t.Errorf("url %q, store %q, warnings %v", c.URL, c.StoreName(), c.Warnings)
	}
	main, ok := c.Connector("main")
	if !ok || main.AppID != "wx0123456789abcdef" || string(main.Secret) != leaktest.Secret {
		t.Errorf("the connector: %+v", main)
	}
	app := c.Apps[0]
	if len(app.Secrets) != 2 || string(app.Secrets[1]) != leaktest.Secret+"-new" {
		t.Errorf("%d secrets of the app, the second %t", len(app.Secrets), string(app.Secrets[1]) == leaktest.Secret+"-new")
	}
	if app.Access.Rule != gateway.AccessApproved || app.Kind != gateway.AppOIDC ||
		app.Email.Domain != "people.example.com" || app.Lifetimes.Refresh != 720*time.Hour {
		t.Errorf("the app: %+v", app)
	}
	if desk, ok := c.Connector("desk"); !ok || desk.Kind != config.Website || len(c.AppIDsSharingUnionIDs(desk)) != 2 {
		t.Errorf("the website app: %+v", desk)
	}
	wiki, shop := c.Apps[1], c.Apps[2]
	if wiki.Kind != gateway.AppForwardAuth || !slices.Equal(wiki.Hosts, []string{"wiki.example.com"}) ||
		len(wiki.Methods) != 5 || wiki.Name != "wiki" {
		t.Errorf("the site: %+v", wiki)
	}
	if shop.Kind != gateway.AppRelay || shop.AppID != "wx00000000000000aa" || shop.Connector != "main" ||
		shop.WebsiteConnector != "desk" ||
		!slices.Equal(shop.ReturnURLs, []string{"https://shop.example.com/wechat/"}) || len(shop.Secrets) != 1 {
		t.Errorf("the old program: %+v", shop)
	}
	if c.VerifyCache != 5*time.Second || !slices.Equal(c.VerifyFiles, []string{"MP_verify_0123456789abcdef.txt"}) {
		t.Errorf("cache %v, files %v", c.VerifyCache, c.VerifyFiles)
	}
	leaktest.Check(t, "the configuration", c, *c, main, app, shop)
}

// TestAgreementWithPrivacyURL sets both keys; faulty/29 has the agreement without the URL.
func TestAgreementWithPrivacyURL(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(`privacy_url: ""`, "privacy_url: https://www.example.com/privacy",
		"agreement: false", "agreement: true").Replace(example(t))
	c, err := config.Parse("weigate.yaml", []byte(text), nil)
	if err != nil || !c.Site.Agreement || c.Site.PrivacyURL != "https://www.example.com/privacy" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestExampleHasDefaults checks that deleting a line of the example does not change the value.
func TestExampleHasDefaults(t *testing.T) {
	t.Parallel()
	shipped, err := config.Parse("weigate.yaml", []byte(example(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	least := "url: https://login.example.com\nsite: {title: Example Login}\n" +
		"wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: " + leaktest.Secret +
		", open_platform: example, push: {token: pushtoken, aes_key: " + strings.Repeat("a", 43) +
		", original_id: gh_0123456789ab, account_name: Example,\n" +
		" replies: {keywords: [{words: [opening hours, 营业时间], text: 'Monday to Friday, 9 to 18'}]}}}]\n" +
		"apps: [{id: grafana, kind: oidc, name: Grafana, secret: " + leaktest.Secret +
		"-old, access: approved, redirect_uris: [https://grafana.example.com/login/generic_oauth]}]\n"
	c, err := config.Parse("weigate.yaml", []byte(least), nil)
	if err != nil {
		t.Fatal(err)
	}
	if changed := config.NeedsRestart(shipped, c); len(changed) > 0 {
		t.Errorf("these differ from the example: %v", changed)
	}
	if shipped.Session != c.Session || shipped.ProfileMaxAge != c.ProfileMaxAge || shipped.VerifyCache != c.VerifyCache ||
		shipped.Events != c.Events || shipped.Log != c.Log || !reflect.DeepEqual(shipped.Site, c.Site) ||
		!reflect.DeepEqual(shipped.WeChat[0], c.WeChat[0]) {
		t.Errorf("the rest differs from the example:\n%+v\n%+v", shipped, c)
	}
	a, b := shipped.Apps[0], c.Apps[0]
	if a.Lifetimes != b.Lifetimes || a.Subject != b.Subject || a.IDTokenAlg != b.IDTokenAlg ||
		a.IDTokenClaims != b.IDTokenClaims || a.Public != b.Public || !slices.Equal(a.Methods, b.Methods) ||
		!slices.Equal(a.ResponseModes, b.ResponseModes) || a.EmailVerified != b.EmailVerified ||
		a.RequirePKCE != b.RequirePKCE || a.OmitIss != b.OmitIss || len(a.Origins)+len(b.Origins) > 0 ||
		len(a.Claims)+len(b.Claims) > 0 || len(shipped.VerifiedEmailDomains) > 0 {
		t.Errorf("the app differs from the example:\n%+v\n%+v", a, b)
	}
}

// TestExampleHasEveryKey checks that operators find every key in the example.
func TestExampleHasEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../weigate.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range config.Keys() {
		word := path[strings.LastIndex(path, ".")+1:]
		switch {
		case word == "store_file" || strings.HasPrefix(word, "previous_") && strings.HasSuffix(word, "_file"):
			// told in a comment
		case word == "secret":
			word = "secret: …"
		default:
			word += ":"
		}
		if !strings.Contains(string(text), word) {
			t.Errorf("the example does not show %s (looked for %q)", path, word)
		}
	}
}
