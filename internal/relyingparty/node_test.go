package relyingparty_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// nodeAnswer is what node/app.mjs shows.
type nodeAnswer struct {
	Error, Cause  string
	Sub, ISS      string
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

// TestNodeClientSignsIn: openid-client from npm, with its own checks of everything that the gateway
// says.
func TestNodeClientSignsIn(t *testing.T) {
	t.Parallel()
	node, npm := tool(t, "node"), tool(t, "npm")
	dir := filepath.Join(t.TempDir(), "node")
	if err := os.CopyFS(dir, os.DirFS("node")); err != nil {
		t.Fatal(err)
	}
	install := command(dir, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Env = plain()
	run(t, install)

	for _, alg := range []string{"RS256", "ES256"} {
		t.Run(alg, func(t *testing.T) {
			w := newFixture(t)
			front := newFrontProxy(t)
			w.serve(w.config(w.front.url,
				fmt.Sprintf("  - {id: node, kind: oidc, secret: %q, id_token_alg: %s, redirect_uris: [%s/callback],\n"+
					"     post_logout_redirect_uris: [%s/bye], access: signed_in,\n"+
					"     email: {policy: synthetic, domain: people.example.com}}\n",
					clientSecret, alg, front.url, front.url)))
			app := command(dir, node, "app.mjs")
			app.Env = append(os.Environ(), "ISSUER="+w.front.url, "CLIENT_ID=node", "CLIENT_SECRET="+clientSecret,
				"APP_URL="+front.url)
			front.forwardTo(t, start(t, app, "the Node app").await(`ready at (\S+)`)[1])

			alice := w.phone("alice")
			got := alice.nodeAnswer(alice.signIn(front.url + "/"))
			if got.Error != "" || got.Sub == "" || got.UserInfo["name"] != "Alice" ||
				got.UserInfo["email"] != got.Sub+"@people.example.com" ||
				got.UserInfo["openid"] != w.wechat.OpenID(w.account.AppID, "alice") || got.ISS != w.front.url {
				t.Errorf("the app learned %+v", got)
			}
			if got.Refreshed != got.Sub || !got.Rotated || !got.Live || got.Dead {
				t.Errorf("refresh, introspection or revocation went wrong: %+v", got)
			}
			// Once more without a page, then signed out.
			if again := alice.nodeAnswer(alice.Visit(front.url + "/silent")); again.Sub != got.Sub {
				t.Errorf("silently the app learned %+v", again)
			}
			if page := alice.Visit(front.url + "/sign-out"); !strings.HasPrefix(page.URL, front.url+"/bye") ||
				!alice.nodeAnswer(page).Bye {
				t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
			}
			if after := alice.nodeAnswer(alice.Visit(front.url + "/silent")); after.Error != "login_required" {
				t.Errorf("signed out, the app learned %+v", after)
			}
		})
	}
}
