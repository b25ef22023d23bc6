package relyingparty_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat/wechattest"
)

const oauth2Proxy = "v7.15.6"

// oauth2ProxyProgram returns oauth2-proxy, which it builds once for this user and version: that
// takes a minute.
func oauth2ProxyProgram(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "weigate-tests", "oauth2-proxy-"+oauth2Proxy)
	program := filepath.Join(dir, "oauth2-proxy")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// Built beside and moved into place whole: another test run may do the same.
	building, err := os.MkdirTemp(dir, "build")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(building)
	install := command(building, "go", "install", "github.com/oauth2-proxy/oauth2-proxy/v7@"+oauth2Proxy)
	// With the settings of the tests, so that the compiled packages of the standard library serve both.
	install.Env = append(plain(), "GOBIN="+building, "GOFLAGS=")
	run(t, install)
	if err := os.Rename(filepath.Join(building, "oauth2-proxy"), program); err != nil {
		t.Fatal(err)
	}
	return program
}

// listener listens on address, for a program that inherits the open socket. Connections wait there
// until the program serves.
func listener(t *testing.T, address string) *os.File {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// site is a site without a sign-in of its own, which shows what headers it was sent.
func site(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"path": r.URL.Path, "headers": r.Header})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// seen is what the site was told; not ok when the phone is elsewhere.
func seen(page *wechattest.Page) (http.Header, bool) {
	var answer struct{ Headers http.Header }
	err := json.Unmarshal([]byte(page.Body), &answer)
	return answer.Headers, err == nil && page.Status == http.StatusOK && answer.Headers != nil
}

// TestOAuth2ProxyProtectsASite runs oauth2-proxy with the configuration in examples/oauth2-proxy;
// only addresses and paths are this machine's.
func TestOAuth2ProxyProtectsASite(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	address := fixture.Address(t)
	home := "http://" + address
	secret, cookie := filepath.Join(w.dir, "wiki"), filepath.Join(w.dir, "wiki-cookie")
	write(t, secret, clientSecret)
	write(t, cookie, "0123456789abcdef0123456789abcdef")
	account := filepath.Join(w.dir, "wechat")
	write(t, account, w.account.Secret+"\n")

	examples := filepath.Join("..", "..", "examples", "oauth2-proxy")
	w.serve(w.adapted(filepath.Join(examples, "weigate.yaml"), "/run/secrets/wiki", secret, "/run/secrets/wechat", account,
		"https://wiki.example.com", home))
	conf := adapt(t, filepath.Join(examples, "oauth2-proxy.cfg"), "/run/secrets/wiki-cookie", cookie,
		`"/run/secrets/wiki"`, fmt.Sprintf("%q", secret),
		`"https://login.example.com"`, fmt.Sprintf("%q", w.front.url), "https://wiki.example.com", home,
		"http://127.0.0.1:8000", site(t),
		`["login.example.com"]`, fmt.Sprintf("[%q]", strings.TrimPrefix(w.front.url, "http://")))
	write(t, filepath.Join(w.dir, "oauth2-proxy.cfg"), conf)
	// It takes a listener in the form of systemd, which wants the process id.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --config=oauth2-proxy.cfg --http-address=fd:3`,
		oauth2ProxyProgram(t))
	mortal(cmd)
	cmd.Dir, cmd.ExtraFiles = w.dir, []*os.File{listener(t, address)}
	start(t, cmd, "oauth2-proxy")

	// Nobody is let in before an administrator has said yes.
	alice := w.phone("alice")
	alice.Visit(home + "/page")
	alice.wantPage("waiting")
	run(t, w.weigate("user", "approve", w.wechat.OpenID(w.account.AppID, "alice")))
	alice.Must(alice.Follow(t.Context(), "go"))
	alice.wantPage("profile")
	alice.Must(alice.Follow(t.Context(), "go"))
	page := alice.Must(alice.Allow(t.Context()))
	headers, ok := seen(page)
	if !ok || page.URL != home+"/page" {
		t.Fatalf("the phone is at %s (%d), it came by %v\n%s", page.URL, page.Status, page.Hops, page.Body)
	}
	user := headers.Get("X-Forwarded-User")
	if len(user) < 20 || headers.Get("X-Forwarded-Email") != user+"@people.example.com" ||
		!strings.HasPrefix(headers.Get("X-Forwarded-Preferred-Username"), "wx-") {
		t.Errorf("the site was told %v", headers)
	}
	// The next page needs no gateway.
	if page = alice.Visit(home + "/more"); len(page.Hops) != 0 {
		t.Errorf("the second page came by %v", page.Hops)
	}
	// Somebody else still waits.
	bob := w.phone("bob")
	if _, ok := seen(bob.Visit(home + "/page")); ok {
		t.Error("a person who was not approved sees the site")
	}
	bob.wantPage("waiting")
	// Signed out there and at the gateway, which asks.
	alice.Visit(home + "/oauth2/sign_out?" + url.Values{"rd": {w.front.url + "/oauth2/logout?client_id=wiki"}}.Encode())
	alice.wantPage("app_sign_out")
	alice.Must(alice.Submit(t.Context(), "", nil))
	alice.wantPage("app_signed_out")
	if page = alice.Visit(w.front.url + "/"); !strings.Contains(page.Body, ` id="welcome"`) {
		t.Errorf("signed out, the gateway shows %s", page.Body)
	}
}
