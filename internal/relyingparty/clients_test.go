package relyingparty_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.yaml.in/yaml/v4"
	"golang.org/x/oauth2"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat/wechattest"
)

// clientPages is the folder of the pages with the settings of each client.
var clientPages = filepath.Join("..", "..", "docs", "en", "clients")

// codeBlock matches a code block of a document.
var codeBlock = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$")

// documented returns the code block of a document that contains the text. pairs are texts to replace
// in the document, each of which it must contain.
func documented(t *testing.T, page, text string, pairs ...string) string {
	t.Helper()
	for _, m := range codeBlock.FindAllStringSubmatch(adapt(t, page, pairs...), -1) {
		if strings.Contains(m[1], text) {
			return m[1]
		}
	}
	t.Fatalf("%s has no block with %q", page, text)
	return ""
}

// clientApp is one app of a client, with the settings of its page.
type clientApp struct {
	t     *testing.T
	f     *gatewayFixture
	id    string      // the client_id
	name  string      // the client_id on the page
	alg   string      // id_token_alg
	page  string      // the file of its page
	front *frontProxy // at the app's address
	phone phone
	pkce  bool // require_pkce
	used  bool // a test signs in with it
}

// clientsFixture is one gateway with the apps of all pages, each twice: for RS256 and for ES256.
type clientsFixture struct {
	*gatewayFixture
	apps map[string][]*clientApp // by the id on the page
}

// gatewayApps returns the apps that the pages configure, by the file of their page.
func gatewayApps(t *testing.T) map[string][]map[string]any {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(clientPages, "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	apps := map[string][]map[string]any{}
	for _, page := range pages {
		for _, m := range codeBlock.FindAllStringSubmatch(read(t, page), -1) {
			if !strings.HasPrefix(m[1], "apps:\n") {
				continue
			}
			var part struct{ Apps []map[string]any }
			if err := yaml.Unmarshal([]byte(m[1]), &part); err != nil {
				t.Fatalf("%s: %v", page, err)
			}
			apps[page] = append(apps[page], part.Apps...)
		}
	}
	return apps
}

// newClientsFixture starts a gateway with the documented configuration of every client.
func newClientsFixture(t *testing.T) *clientsFixture {
	t.Helper()
	documentedApps := gatewayApps(t)
	var people []wechattest.Person
	for _, apps := range documentedApps {
		for _, app := range apps {
			people = append(people, wechattest.Person{ID: app["id"].(string), Nickname: nickname(app["id"].(string))})
		}
	}
	f := &clientsFixture{apps: map[string][]*clientApp{}, gatewayFixture: &gatewayFixture{t: t, dir: t.TempDir(),
		account: fixture.OfficialAccount()}}
	f.wechat = fixture.NewWeChat(t, wechattest.Config{Seed: 7, Apps: []wechattest.App{f.account}, People: people})
	f.front = newTLSFrontProxy(t)
	secret := filepath.Join(f.dir, "app")
	write(t, secret, clientSecret)

	var configured []map[string]any
	for page, apps := range documentedApps {
		for _, app := range apps {
			for _, alg := range []string{"RS256", "ES256"} {
				a := &clientApp{f: f.gatewayFixture, name: app["id"].(string), alg: alg, page: page}
				a.t, a.id = t, a.name
				a.pkce, _ = app["require_pkce"].(bool)
				a.front = newTLSFrontProxy(t)
				if alg == "ES256" {
					a.id += "-es256"
				}
				f.apps[a.name] = append(f.apps[a.name], a)
				own := maps.Clone(app)
				own["id"], own["id_token_alg"] = a.id, alg
				configured = append(configured, own)
				for key, value := range own {
					own[key] = a.replaceAll(value, secret)
				}
			}
		}
	}
	text, err := yaml.Marshal(configured)
	if err != nil {
		t.Fatal(err)
	}
	f.serve(f.config(f.front.url, string(text)))
	return f
}

// replaceAll replaces the addresses and the file of the documents in a value of the configuration.
func (a *clientApp) replaceAll(value any, secretFile string) any {
	switch v := value.(type) {
	case string:
		return strings.NewReplacer("https://app.example.com", a.front.url, "/run/secrets/app", secretFile).Replace(v)
	case []any:
		v = slices.Clone(v)
		for i := range v {
			v[i] = a.replaceAll(v[i], secretFile)
		}
		return v
	}
	return value
}

// nickname is the nickname of a client's user. It has Chinese characters and an emoji, as in WeChat.
func nickname(id string) string { return "小明🌊 " + id }

// of returns the app of a client for an algorithm, with a phone for the test.
func (f *clientsFixture) of(t *testing.T, name, alg string) *clientApp {
	t.Helper()
	for _, a := range f.apps[name] {
		if a.alg == alg {
			a.used = true
			a.t, a.phone = t, phone{f.wechat.NewPhone(t, name)}
			return a
		}
	}
	t.Fatalf("no page has the app %s", name)
	return nil
}

// block returns the code block of the app's page that contains the text, with the addresses and the
// client_id of this test. pairs are further texts to replace.
func (a *clientApp) block(text string, pairs ...string) string {
	a.t.Helper()
	block := a.pageBlock(text)
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.Contains(block, pairs[i]) {
			a.t.Fatalf("the block of %s has no %q", a.page, pairs[i])
		}
	}
	// The shortest texts last: a longer one may contain them.
	return strings.NewReplacer(append(pairs, a.name, a.id)...).Replace(block)
}

// pageBlock is as block, with the client_id of the page, whose text may occur in other values.
func (a *clientApp) pageBlock(text string) string {
	a.t.Helper()
	escaped := strings.NewReplacer(":", "%3A", "/", "%2F")
	return strings.NewReplacer("https://login.example.com", a.f.front.url, "https://app.example.com", a.front.url,
		"https%3A%2F%2Fapp.example.com", escaped.Replace(a.front.url)).Replace(documented(a.t, a.page, text))
}

// complete presses the buttons of the gateway and of WeChat until the browser is at the app, and
// returns the app's page.
func (a *clientApp) complete(page *wechattest.Page) *wechattest.Page {
	a.t.Helper()
	for range 8 {
		switch fixture.PageName(page) {
		case "waiting":
			page = a.admit()
		case "profile":
			a.phone.Press()
			page = a.phone.Consent()
		case "consent":
			page = a.phone.Press()
		case "continue": // the next address is too long for a redirect
			page = a.phone.Must(a.phone.FollowRefresh(a.t.Context()))
		default:
			return page
		}
	}
	a.t.Fatalf("%s: the sign-in does not end: the browser is at %s", a.id, page.URL)
	return nil
}

// admit approves the app's user, who waits for it, and puts the user into the group of administrators
// that the pages of apps name: APP-admin.
func (a *clientApp) admit() *wechattest.Page {
	a.t.Helper()
	openID := a.f.wechat.OpenID(a.f.account.AppID, a.name)
	run(a.t, a.f.weigate("user", "approve", openID))
	run(a.t, a.f.weigate("user", "groups", openID, a.adminGroup()))
	return a.phone.Must(a.phone.Follow(a.t.Context(), "go"))
}

// adminGroup is the group of the app's administrators. A command line tool shares that of its app.
func (a *clientApp) adminGroup() string { return strings.TrimSuffix(a.name, "-cli") + "-admin" }

// clientUser is the user of an app: the sub, and the nickname.
type clientUser struct{ Sub, Name string }

// wantUser fails the test unless the page is the app's, and shows the client's user as JSON.
func (a *clientApp) wantUser(page *wechattest.Page) clientUser {
	a.t.Helper()
	var u clientUser
	err := json.Unmarshal([]byte(page.Body), &u)
	if err != nil || u.Sub == "" || u.Name != nickname(a.name) || !strings.HasPrefix(page.URL, a.front.url+"/") {
		a.t.Fatalf("%s: the browser shows %s (%d) by %v: %s", a.id, page.URL, page.Status, page.Hops, page.Body)
	}
	return u
}

// wantNoForgedSignIn opens a link to the gateway that another site made, without state. The gateway
// sends the browser to the app with a valid code. The app must not sign the user in, because the
// sign-in was not started in this browser: the code could be the attacker's (login CSRF, RFC 9700,
// section 4.7). Some libraries accept a callback without state if the app has no state either.
func (a *clientApp) wantNoForgedSignIn(callback string) {
	a.t.Helper()
	query := url.Values{"client_id": {a.id}, "redirect_uri": {a.front.url + callback}, "response_type": {"code"},
		"scope": {"openid profile offline_access"}}
	if a.pkce {
		query["code_challenge_method"] = []string{"S256"}
		query["code_challenge"] = []string{oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())}
	}
	page := a.complete(a.phone.Visit(a.f.front.url + "/oauth2/authorize?" + query.Encode()))
	var u clientUser
	if !strings.HasPrefix(page.URL, a.front.url+"/") || json.Unmarshal([]byte(page.Body), &u) == nil && u.Sub != "" {
		a.t.Errorf("%s: a sign-in of another site ends at %s: %s", a.id, page.URL, page.Body)
	}
}

// TestClients signs users in with each client of docs/en/clients, through one gateway.
func TestClients(t *testing.T) {
	t.Parallel()
	f := newClientsFixture(t)
	tests := map[string]func(*testing.T, *clientsFixture){"python": testPython, "ruby": testRuby, "apache": testApache,
		"node": testNode, "go": testGo, "native": testNative, "captured": testCaptured, "grafana": testGrafana,
		"gitea": testGitea, "argocd": testArgoCD, "nextcloud": testNextcloud,
		"jenkins": testJenkins, "django": testDjango, "harbor": testHarbor, "minio": testMinIO}
	var ran atomic.Int32
	t.Cleanup(func() { // after the subtests
		for name, apps := range f.apps {
			if int(ran.Load()) == len(tests) && !apps[0].used {
				t.Errorf("no test signs in with the app %s of %s", name, apps[0].page)
			}
		}
	})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ran.Add(1)
			test(t, f)
		})
	}
}

// both runs a test of a client for each algorithm. The user's sub must be the same in both apps.
func (f *clientsFixture) both(t *testing.T, name string, test func(a *clientApp) clientUser) {
	t.Helper()
	users := map[string]clientUser{}
	for _, alg := range []string{"RS256", "ES256"} {
		t.Run(name+"/"+alg, func(t *testing.T) { users[alg] = test(f.of(t, name, alg)) })
	}
	if users["RS256"] != users["ES256"] {
		t.Errorf("%s has two users: %v", name, users)
	}
}
