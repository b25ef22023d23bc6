package relyingparty_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// clientEnv is the environment of a client: the certificate that the test trusts, by the names that
// Python's requests, OpenSSL and Node read, and the secrets of the pages.
func clientEnv() []string {
	return append(os.Environ(), "SSL_CERT_FILE="+certFile, "REQUESTS_CA_BUNDLE="+certFile,
		"NODE_EXTRA_CA_CERTS="+certFile, "CLIENT_SECRET="+clientSecret, "AUTH_SECRET=auth-secret-of-the-test",
		"SESSION_KEY="+strings.Repeat("session-key-", 8))
}

// serveApps runs a program that serves several apps. cmd gets an argument ID=FILE for each, where FILE has
// the given name. The program prints a line "ready ID URL" for each.
func serveApps(t *testing.T, cmd *exec.Cmd, name string, files map[*clientApp]string) {
	t.Helper()
	for a, text := range files {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, text)
		cmd.Args = append(cmd.Args, a.id+"="+path)
	}
	cmd.Env = clientEnv()
	p := start(t, cmd, filepath.Base(cmd.Path))
	for a := range files {
		a.front.forwardTo(t, p.await(`ready ` + regexp.QuoteMeta(a.id) + ` (\S+) `)[1])
	}
}

// blocks returns the code block of each app of the clients that contains the text.
func (f *clientsFixture) blocks(t *testing.T, texts map[string]string) map[*clientApp]string {
	t.Helper()
	files := map[*clientApp]string{}
	for name, text := range texts {
		for _, alg := range []string{"RS256", "ES256"} {
			a := f.of(t, name, alg)
			files[a] = a.block(text)
		}
	}
	return files
}

// python returns Debian's Python if there is one: only it has Debian's packages.
func python(t *testing.T) string {
	if _, err := os.Stat("/usr/bin/python3"); err == nil {
		return "/usr/bin/python3"
	}
	return tool(t, "python3")
}

// testPython runs the two Flask apps of the page.
func testPython(t *testing.T, f *clientsFixture) {
	serveApps(t, command(t.TempDir(), python(t), absolute(t, "python/serve.py")), "app.py", f.blocks(t,
		map[string]string{"authlib-app": "authlib.integrations", "requests-app": "OAuth2Session"}))

	f.both(t, "authlib-app", func(a *clientApp) clientUser {
		a.wantNoForgedSignIn("/callback")
		u := a.wantUser(a.complete(a.phone.Visit(a.front.url + "/sign-in")))
		if page := a.phone.Visit(a.front.url + "/sign-out"); page.URL != a.front.url+"/signed-out" ||
			!strings.Contains(page.Body, "true") {
			a.t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
		}
		// The gateway has no session any more. The ES256 app signs in at WeChat again.
		a.phone.Visit(a.f.front.url + "/")
		a.phone.wantPage("welcome")
		return u
	})
	f.both(t, "requests-app", func(a *clientApp) clientUser {
		a.wantNoForgedSignIn("/callback")
		u := a.wantUser(a.complete(a.phone.Visit(a.front.url + "/sign-in")))
		for range 2 { // the second refresh proves that the app stored the new refresh token
			if after := a.wantUser(a.phone.Visit(a.front.url + "/refresh")); after != u {
				a.t.Errorf("after a refresh the user is %v, before %v", after, u)
			}
		}
		return u
	})
}

// testRuby runs the Rack app of the page.
func testRuby(t *testing.T, f *clientsFixture) {
	apps := f.blocks(t, map[string]string{"omniauth-app": "OmniAuth::Builder"})
	for _, alg := range []string{"RS256", "ES256"} {
		a := f.of(t, "gitlab", alg)
		apps[a] = a.gitlabRack()
	}
	serveApps(t, command(t.TempDir(), tool(t, "ruby"), absolute(t, "ruby/serve.rb")), "config.ru", apps)
	f.both(t, "omniauth-app", func(a *clientApp) clientUser {
		a.wantNoForgedSignIn("/auth/weigate/callback")
		a.phone.Visit(a.front.url + "/sign-in")
		return a.wantUser(a.complete(a.phone.Must(a.phone.Submit(t.Context(), "", nil))))
	})
	f.both(t, "gitlab", func(a *clientApp) clientUser {
		a.wantNoForgedSignIn("/users/auth/openid_connect/callback")
		a.phone.Visit(a.front.url + "/sign-in")
		page := a.complete(a.phone.Must(a.phone.Submit(t.Context(), "", nil)))
		u := a.wantUser(page)
		var got struct {
			Nickname, Email string
			Groups          []string
		}
		if err := json.Unmarshal([]byte(page.Body), &got); err != nil || !strings.HasPrefix(got.Nickname, "wx-") ||
			got.Email != u.Sub+"@people.example.com" || !slices.Equal(got.Groups, []string{a.adminGroup()}) {
			t.Errorf("GitLab learns %+v (%v)", got, err)
		}
		return u
	})
}

// gitlabKeys are keys of "Use OpenID Connect as an authentication provider" and "OmniAuth" in GitLab's
// documentation, version 18.
func gitlabKeys() []string {
	return strings.Fields("omniauth_allow_single_sign_on omniauth_block_auto_created_users omniauth_auto_link_user " +
		"omniauth_sync_profile_from_provider omniauth_sync_profile_attributes omniauth_auto_sign_in_with_provider " +
		"omniauth_providers name label icon args scope response_type issuer discovery client_auth_method uid_field " +
		"send_scope_to_token_endpoint pkce client_options identifier secret redirect_uri end_session_endpoint gitlab " +
		"groups_attribute required_groups external_groups auditor_groups admin_groups")
}

// gitlabRack is a Rack app with the providers of the page for GitLab. It passes them to OmniAuth as
// lib/gitlab/omniauth_initializer.rb does, and reads the user as lib/gitlab/auth/o_auth/auth_hash.rb does:
// GitLab's user name is the nickname.
func (a *clientApp) gitlabRack() string {
	a.t.Helper()
	settings := a.pageBlock("omniauth_providers")
	for _, m := range regexp.MustCompile(`(?m)^ +(\w+): |gitlab_rails\['(\w+)'\]`).FindAllStringSubmatch(settings, -1) {
		if !slices.Contains(gitlabKeys(), m[1]+m[2]) {
			a.t.Errorf("GitLab has no key %s", m[1]+m[2])
		}
	}
	return "gitlab_rails = {}\n" + replaced(a.t, settings, `identifier: "`+a.name+`"`,
		`identifier: "`+a.id+`"`, "the text of /run/secrets/app", clientSecret) + `
require "json"
require "omniauth_openid_connect"

use Rack::Session::Cookie, key: "app.session", secret: ENV.fetch("SESSION_KEY"), secure: true, same_site: :lax
use OmniAuth::Builder do
  gitlab_rails["omniauth_providers"].each do |provider|
    args = provider[:args]
    provider provider[:name].to_sym, args.merge(callback_path: URI(args[:client_options][:redirect_uri]).path)
  end
end

run(lambda do |env|
  case env["PATH_INFO"]
  when "/sign-in"
    token = Rack::Protection::AuthenticityToken.token(env["rack.session"])
    [200, { "Content-Type" => "text/html" }, [%(<form method="post" action="/auth/openid_connect">
      <input type="hidden" name="authenticity_token" value="#{token}"><button>Sign in</button></form>)]]
  when "/users/auth/openid_connect/callback"
    auth = env["omniauth.auth"]
    user = { sub: auth.uid, name: auth.info.name, nickname: auth.info.username || auth.info.nickname,
             email: auth.info.email, groups: auth.extra.raw_info.groups }
    [200, { "Content-Type" => "application/json" }, [user.to_json]]
  else
    [400, { "Content-Type" => "text/plain" }, [env["QUERY_STRING"]]]
  end
end)
`
}

// apacheServer is the part of Apache's configuration that Debian's packages provide, for a test. Only
// the modules that the page enables are loaded, and those that they need.
const apacheServer = `ServerRoot %[1]s
ServerName 127.0.0.1
DefaultRuntimeDir %[1]s
PidFile %[1]s/pid
ErrorLog /dev/stderr
LogLevel notice
StartServers 1
ThreadsPerChild 8
ServerLimit 1
MaxRequestWorkers 8
Mutex sem
`

// apacheDir returns a folder that Apache's user can read, with the certificate. Apache starts as root
// and handles requests as another user.
func apacheDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "apache")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, from := range map[string]string{"cert.pem": certFile, "key.pem": keyFile} {
		write(t, filepath.Join(dir, name), read(t, from))
	}
	if err := os.Chmod(filepath.Join(dir, "cert.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// testApache runs Apache with the virtual host of the page, once for each algorithm.
func testApache(t *testing.T, f *clientsFixture) {
	dir, backend := apacheDir(t), site(t)
	conf := fmt.Sprintf(apacheServer, dir)
	for _, module := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "ssl", "proxy", "proxy_http",
		"auth_openidc"} {
		conf += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", module)
	}
	if os.Geteuid() == 0 {
		conf += "User www-data\nGroup www-data\n"
	}
	for _, a := range []*clientApp{f.of(t, "apache-site", "RS256"), f.of(t, "apache-site", "ES256")} {
		address := fixture.Address(t)
		conf += "Listen " + address + "\n" + a.block("VirtualHost", "*:443", address, "ServerName app.example.com",
			"ServerName 127.0.0.1", "/etc/ssl/app.example.com.pem", filepath.Join(dir, "cert.pem"),
			"/etc/ssl/app.example.com.key", filepath.Join(dir, "key.pem"), "the text of /run/secrets/app", clientSecret,
			"http://127.0.0.1:8000/", backend+"/", "OIDCScope", "OIDCCABundlePath "+filepath.Join(dir, "cert.pem")+
				"\n    OIDCScope")
		a.front.forwardTo(t, "https://"+address)
	}
	write(t, filepath.Join(dir, "apache.conf"), conf)
	start(t, command(dir, tool(t, "apache2"), "-DFOREGROUND", "-f", filepath.Join(dir, "apache.conf")), "apache").
		await("resuming normal operations")

	f.both(t, "apache-site", func(a *clientApp) clientUser {
		headers, ok := seen(a.complete(a.phone.Visit(a.front.url + "/page?a=b")))
		u := clientUser{Sub: headers.Get("OIDC_CLAIM_sub"), Name: headers.Get("OIDC_CLAIM_name")}
		if page := a.phone.Page(); !ok || u.Sub == "" || u.Name != nickname(a.name) || page.URL != a.front.url+"/page?a=b" {
			a.t.Fatalf("the site is sent %v; the browser is at %s by %v", headers, page.URL, page.Hops)
		}
		a.phone.Visit(a.front.url + "/oidc/callback?" + url.Values{"logout": {a.front.url + "/signed-out"}}.Encode())
		if page := a.phone.Page(); page.URL != a.front.url+"/signed-out" {
			a.t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
		}
		a.phone.Visit(a.f.front.url + "/")
		a.phone.wantPage("welcome")

		// The gateway ends the site's session, by a logout token.
		a.complete(a.phone.Visit(a.front.url + "/page"))
		a.phone.Visit(a.f.front.url + "/sign-out")
		a.phone.Must(a.phone.Submit(t.Context(), "sign-out", nil))
		a.awaitSignOut("/page") // and signs in again
		if out, err := a.f.weigate("user", "block", u.Sub).CombinedOutput(); err != nil {
			a.t.Fatalf("block: %v %s", err, out)
		}
		a.awaitSignOut("/page")
		if page := a.phone.Page(); page.Status != http.StatusForbidden {
			a.t.Errorf("a blocked user is at %s: %d", page.URL, page.Status)
		}
		if out, err := a.f.weigate("user", "unblock", u.Sub).CombinedOutput(); err != nil {
			a.t.Fatalf("unblock: %v %s", err, out)
		}
		return u
	})
}

// awaitSignOut opens a page of the site until the site sends the browser to the gateway.
func (a *clientApp) awaitSignOut(path string) {
	a.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(100 * time.Millisecond) {
		page := a.phone.Visit(a.front.url + path)
		if strings.Contains(fmt.Sprint(page.Hops), "/oauth2/authorize") || strings.HasPrefix(page.URL, a.f.front.url) {
			return
		}
	}
	a.t.Fatalf("%s: the site's session has not ended", a.id)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
