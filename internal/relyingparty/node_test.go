package relyingparty_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// nodeAnswer is what the app of openid-client shows.
type nodeAnswer struct {
	clientUser
	Error, Cause  string
	ISS           string
	UserInfo      map[string]any
	Refreshed     string
	Rotated, Live bool
	Dead, Bye     bool
}

func (p phone) nodeAnswer(page *wechattest.Page) (a nodeAnswer) {
	p.T.Helper()
	if err := json.Unmarshal([]byte(page.Body), &a); err != nil {
		p.T.Fatalf("the phone shows no answer of the app's, but %s (%d): %s", page.URL, page.Status, page.Body)
	}
	return a
}

// testNode runs openid-client and Auth.js from npm, with their own checks of everything that the gateway
// sends.
func testNode(t *testing.T, f *clientsFixture) {
	node, npm := tool(t, "node"), tool(t, "npm")
	dir := filepath.Join(t.TempDir(), "node")
	if err := os.CopyFS(dir, os.DirFS("node")); err != nil {
		t.Fatal(err)
	}
	install := command(dir, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Env = plain()
	run(t, install)
	cmd := command(dir, node, "app.mjs")
	cmd.Env = clientEnv()
	apps := f.blocks(t, map[string]string{"authjs-app": "providers:", "node-app": "openid-client"})
	for _, alg := range []string{"RS256", "ES256"} {
		a := f.of(t, "outline", alg)
		apps[a] = a.outlineModule()
		a = f.of(t, "immich", alg)
		apps[a] = a.immichModule()
	}
	for a, text := range apps {
		path := filepath.Join(dir, a.id+".mjs") // here, so that it finds the packages
		write(t, path, text)
		cmd.Args = append(cmd.Args, a.id+"="+path)
	}
	p := start(t, cmd, "node")
	for a := range apps {
		a.front.forwardTo(t, p.await(`ready ` + a.id + ` (\S+) `)[1])
	}

	f.both(t, "authjs-app", func(a *clientApp) clientUser {
		a.wantNoForgedSignIn("/auth/callback/weigate")
		a.phone.Visit(a.front.url + "/auth/signin")
		a.complete(a.phone.Must(a.phone.Submit(t.Context(), "", nil)))
		return a.wantUser(a.phone.Visit(a.front.url + "/"))
	})
	f.both(t, "node-app", openIDClient)
	f.both(t, "outline", outline)
	f.both(t, "immich", immich)
}

// openIDClient signs in with openid-client, silently too, and signs out.
func openIDClient(a *clientApp) clientUser {
	a.wantNoForgedSignIn("/callback")
	got := a.phone.nodeAnswer(a.complete(a.phone.Visit(a.front.url + "/")))
	if got.Error != "" || got.Sub == "" || got.Name != nickname(a.name) ||
		got.UserInfo["email"] != got.Sub+"@people.example.com" ||
		got.UserInfo["openid"] != a.f.wechat.OpenID(a.f.account.AppID, a.name) || got.ISS != a.f.front.url {
		a.t.Fatalf("the app learned %+v", got)
	}
	if got.Refreshed != got.Sub || !got.Rotated || !got.Live || got.Dead {
		a.t.Errorf("refresh, introspection or revocation went wrong: %+v", got)
	}
	if again := a.phone.nodeAnswer(a.phone.Visit(a.front.url + "/silent")); again.Sub != got.Sub {
		a.t.Errorf("silently the app learned %+v", again)
	}
	if page := a.phone.Visit(a.front.url + "/sign-out"); !strings.HasPrefix(page.URL, a.front.url+"/bye") ||
		!a.phone.nodeAnswer(page).Bye {
		a.t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
	}
	if after := a.phone.nodeAnswer(a.phone.Visit(a.front.url + "/silent")); after.Error != "login_required" {
		a.t.Errorf("signed out, the app learned %+v", after)
	}
	return got.clientUser
}
