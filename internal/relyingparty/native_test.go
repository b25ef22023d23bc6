package relyingparty_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/weigate/weigate/internal/fixture"
)

// testGo builds and runs the program of the page.
func testGo(t *testing.T, f *clientsFixture) {
	f.both(t, "go-app", func(a *clientApp) clientUser {
		source, program := filepath.Join(t.TempDir(), "main.go"), filepath.Join(t.TempDir(), "app")
		write(t, source, a.block("package main"))
		build := command(".", "go", "build", "-o", program, source) // here, so that it finds the modules
		build.Env = plain()
		run(t, build)
		cmd := command(t.TempDir(), program)
		cmd.Env = append(clientEnv(), "LISTEN=127.0.0.1:0")
		a.front.forwardTo(t, start(t, cmd, "the Go app").await(`ready at (\S+)`)[1])
		return a.wantUser(a.complete(a.phone.Visit(a.front.url + "/sign-in")))
	})
}

// loopbackApp starts a native app's listener at a loopback address, on any free port.
func loopbackApp(t *testing.T, host string) *fixture.App {
	t.Helper()
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatalf("no loopback address %s: %v", host, err)
	}
	app := &fixture.App{}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: app}}
	server.Start()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	app.URL = "http://" + host + ":" + port
	return app
}

// testNative signs in from native apps: by x/oauth2 with each loopback host, and by git-credential-oauth.
// owner/repo threads: hashicorp/vault#13523, argoproj/argo-cd#4104, authelia/authelia#6904.
func testNative(t *testing.T, f *clientsFixture) {
	f.both(t, "native-app", func(a *clientApp) (u clientUser) {
		for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
			app := loopbackApp(a.t, host)
			u = a.signInAt(app, app.URL+"/callback", "")
		}
		return u
	})
	f.both(t, "vault-app", func(a *clientApp) clientUser {
		if set := a.settings("oidc_client_id", `(oidc_\w+)="([^"]*)"`); set["oidc_client_id"] != a.id ||
			set["oidc_discovery_url"] != a.f.front.url || set["oidc_scopes"] != "profile" {
			a.t.Fatalf("the settings are %v", set)
		}
		app := loopbackApp(a.t, "localhost")
		return a.signInAt(app, app.URL+"/oidc/callback", clientSecret)
	})
	f.both(t, "phone-app", func(a *clientApp) clientUser {
		app := fixture.NewApp(a.t)
		a.front.forwardTo(a.t, app.URL)
		return a.signInAt(app, a.front.url+"/callback", "")
	})
	t.Run("git-credential-oauth", func(t *testing.T) { gitCredentialOAuth(t, f.of(t, "native-app", "RS256")) })
}

// signInAt signs in with a redirect URI of an app. The secret is "" for a public client.
func (a *clientApp) signInAt(app *fixture.App, redirectURI, secret string) clientUser {
	a.t.Helper()
	c := newGoClient(a.t, a.f.front.url, a.id, secret, app)
	c.conf.Scopes, c.conf.RedirectURL = []string{oidc.ScopeOpenID, "profile"}, redirectURI
	u, _, _ := a.signInBy(c)
	return u
}

// signInBy signs in by a client on x/oauth2.
func (a *clientApp) signInBy(c *goClient) (clientUser, *oauth2.Token, *oidc.IDToken) {
	a.t.Helper()
	request := c.begin()
	page := a.complete(a.phone.Visit(request.address))
	if !strings.HasPrefix(page.URL, c.conf.RedirectURL+"?") {
		a.t.Fatalf("%s: the browser is at %s: %s", c.conf.RedirectURL, page.URL, page.Body)
	}
	token, id := c.finish(request)
	_, who := c.userinfo(token)
	if who.Name != nickname(a.name) || who.Sub != id.Subject {
		a.t.Errorf("%s: userinfo %+v", c.conf.RedirectURL, who)
	}
	return clientUser{Sub: id.Subject, Name: who.Name}, token, id
}

// gitCredentialOAuth runs a credential helper of git, with the gateway in place of a git server. It listens
// on http://127.0.0.1 without a path. The verifier of Debian's version has characters that RFC 7636 does not
// allow (+, / and =).
func gitCredentialOAuth(t *testing.T, a *clientApp) {
	home := t.TempDir()
	host := strings.TrimPrefix(a.f.front.url, "https://")
	write(t, filepath.Join(home, ".gitconfig"), fmt.Sprintf("[credential %q]\n\toauthClientId = %s\n"+
		"\toauthAuthURL = oauth2/authorize\n\toauthTokenURL = oauth2/token\n\toauthScopes = openid profile\n",
		a.f.front.url, a.id))
	// It runs the program "open" for a browser if there is one. This one opens nothing.
	write(t, filepath.Join(home, "open"), "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(home, "open"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := command(home, tool(t, "git-credential-oauth"), "get")
	cmd.Env = append(clientEnv(), "HOME="+home, "PATH="+home+":"+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(fmt.Sprintf("protocol=https\nhost=%s\n", host))
	p := start(t, cmd, "git-credential-oauth")
	page := a.complete(a.phone.Visit(p.await(`(?m)^(https://\S+)$`)[1]))
	if !strings.Contains(page.Body, "Success") {
		t.Fatalf("the browser is at %s: %s", page.URL, page.Body)
	}
	token := p.await(`(?m)^password=(\S+)$`)[1]
	var u clientUser
	a.send(http.MethodGet, "/oauth2/userinfo", "", http.Header{"Authorization": {"Bearer " + token}}, &u)
	if u.Name != nickname(a.name) || u.Sub == "" {
		t.Errorf("userinfo %+v", u)
	}
}
