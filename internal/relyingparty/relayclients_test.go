package relyingparty_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// relayDoc returns the code block of docs/en/relay.md that contains the text, with the gateway's
// address of this test.
func relayDoc(t *testing.T, text, gateway string) string {
	t.Helper()
	page := filepath.Join("..", "..", "docs", "en", "relay.md")
	for _, m := range codeBlock.FindAllStringSubmatch(adapt(t, page, "https://login.example.com", gateway), -1) {
		if strings.Contains(m[1], text) {
			return m[1]
		}
	}
	t.Fatalf("%s has no block with %q", page, text)
	return ""
}

const shopAppID = "wx00000000000000aa"

// relayFixture is a gateway with one relay app, whose callbacks are below an address.
func relayFixture(t *testing.T, app string) *gatewayFixture {
	t.Helper()
	w := newFixture(t)
	w.serve(w.config(w.front.url, fmt.Sprintf("  - {id: shop, kind: relay, name: The Shop, appid: %s, secret: %q, "+
		"connector: main, return_urls: [%s/callback], access: signed_in}\n", shopAppID, clientSecret, app)))
	return w
}

// TestWeChatOAuthThroughTheRelay: wechat-oauth from npm, unchanged, with the code of docs/en/relay.md.
func TestWeChatOAuthThroughTheRelay(t *testing.T) {
	t.Parallel()
	node, npm := tool(t, "node"), tool(t, "npm")
	dir := filepath.Join(t.TempDir(), "wechat-oauth")
	if err := os.CopyFS(dir, os.DirFS("wechat-oauth")); err != nil {
		t.Fatal(err)
	}
	install := command(dir, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Env = plain()
	run(t, install)

	front := newFrontProxy(t)
	w := relayFixture(t, front.url)
	write(t, filepath.Join(dir, "moved.js"), relayDoc(t, `require("wechat-oauth")`, w.front.url))
	app := command(dir, node, "app.js")
	app.Env = append(os.Environ(), "APPID="+shopAppID, "SECRET="+clientSecret, "APP_URL="+front.url, "STATE=s1-%&+;ü")
	front.forwardTo(t, start(t, app, "the program").await(`ready at (\S+)`)[1])

	var got struct {
		Error, OpenID, Scope, Nickname, Refreshed string
		Checked                                   *int
	}
	page := w.phone("alice").signIn(front.url + "/")
	if err := json.Unmarshal([]byte(page.Body), &got); err != nil {
		t.Fatalf("the phone is at %s (%d): %s", page.URL, page.Status, page.Body)
	}
	if want := w.wechat.OpenID(w.account.AppID, "alice"); got.Error != "" || got.OpenID != want || got.Refreshed != want ||
		got.Nickname != "Alice" || got.Scope != "snsapi_userinfo" || got.Checked == nil || *got.Checked != 0 {
		t.Errorf("the program learned %s", page.Body)
	}
}

// TestReplacementOfWxLogin runs the script of docs/en/relay.md that replaces wxLogin.js, in node with
// as much of a document as it needs. The address of its link is the gateway's, and signs a user in.
func TestReplacementOfWxLogin(t *testing.T) {
	t.Parallel()
	node := tool(t, "node")
	front := newFrontProxy(t)
	front.forwardTo(t, newUpstream(t).url)
	w := relayFixture(t, front.url)
	program := `const place = {replaceChildren(child) { this.child = child; }};
globalThis.window = globalThis;
globalThis.document = {getElementById: (id) => (id === "login" ? place : null), createElement: (tag) => ({tag})};
` + relayDoc(t, "window.WxLogin", w.front.url) + `
new WxLogin({self_redirect: false, id: "login", appid: "` + shopAppID + `", scope: "snsapi_login",
  redirect_uri: encodeURIComponent("` + front.url + `/callback?from=desk"), state: "s1", style: "black", href: ""});
console.log(place.child.tag + " " + place.child.href);`
	path := filepath.Join(t.TempDir(), "login.js")
	write(t, path, program)
	tag, address, _ := strings.Cut(strings.TrimSpace(run(t, command(t.TempDir(), node, path))), " ")
	if tag != "a" || !strings.HasPrefix(address, w.front.url+"/connect/qrconnect?") {
		t.Fatalf("the script makes %s to %s", tag, address)
	}
	page := w.phone("alice").signIn(address)
	u, err := url.Parse(page.URL)
	if err != nil || !strings.HasPrefix(page.URL, front.url+"/callback?from=desk&code=") ||
		u.Query().Get("state") != "s1" {
		t.Errorf("the phone is at %s, by %v", page.URL, page.Hops)
	}
}
