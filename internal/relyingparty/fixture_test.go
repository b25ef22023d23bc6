package relyingparty_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat/wechattest"
)

// frontProxy is a reverse proxy whose address is known before the program behind it runs. It
// records the paths of the requests and the cookies of the responses.
type frontProxy struct {
	url    string
	target atomic.Pointer[url.URL]

	transport atomic.Pointer[http.Transport] // nil = the default one

	mu        sync.Mutex
	cookies   []*http.Cookie // set by answers
	paths     []string       // of requests
	locations []string       // of redirects to native apps
}

func newFrontProxy(t *testing.T) *frontProxy {
	t.Helper()
	w := &frontProxy{}
	front := httptest.NewServer(w.handler())
	t.Cleanup(front.Close)
	w.url = front.URL
	return w
}

// newTLSFrontProxy is as newFrontProxy, with TLS.
func newTLSFrontProxy(t *testing.T) *frontProxy {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	w := &frontProxy{}
	front := httptest.NewUnstartedServer(w.handler())
	front.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	front.StartTLS()
	t.Cleanup(front.Close)
	w.url = front.URL
	return w
}

func (w *frontProxy) handler() http.Handler {
	return &httputil.ReverseProxy{
		Transport: w,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(w.target.Load())
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		ModifyResponse: func(r *http.Response) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.cookies, w.paths = append(w.cookies, r.Cookies()...), append(w.paths, r.Request.URL.Path)
			if to := r.Header.Get("Location"); strings.Contains(to, ":///") {
				w.locations = append(w.locations, to)
			}
			return nil
		},
	}
}

// lastLocation returns the address of the last redirect to a native app.
func (w *frontProxy) lastLocation() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.locations) == 0 {
		return ""
	}
	return w.locations[len(w.locations)-1]
}

// limitHeaders makes the proxy accept what nginx accepts by default: lines of 8 kB in a request, and
// 4 kB of headers in a response.
func (w *frontProxy) limitHeaders() {
	w.transport.Store(&http.Transport{MaxResponseHeaderBytes: 4 << 10})
}

// RoundTrip sends a request to the program behind the proxy.
func (w *frontProxy) RoundTrip(r *http.Request) (*http.Response, error) {
	transport := w.transport.Load()
	if transport == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	if n := len("GET  HTTP/1.1\r\n") + len(r.URL.RequestURI()); n > 8<<10 {
		return nil, fmt.Errorf("a request line of %d bytes", n)
	}
	for name, values := range r.Header {
		if n := len(name) + len(": \r\n") + len(strings.Join(values, "; ")); n > 8<<10 {
			return nil, fmt.Errorf("header %s has %d bytes", name, n)
		}
	}
	return transport.RoundTrip(r)
}

// forwardTo sets the address behind the proxy.
func (w *frontProxy) forwardTo(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	w.target.Store(u)
}

// gatewayFixture is a simulated WeChat, and a gateway that runs as a program of its own.
type gatewayFixture struct {
	t       *testing.T
	wechat  *fixture.WeChat
	account wechattest.App // the official account
	website wechattest.App // the website app
	front   *frontProxy    // in front of the gateway
	dir     string         // the working directory of the gateway
	gateway *process
}

// newFixture makes everything but the gateway, whose configuration needs the addresses.
func newFixture(t *testing.T) *gatewayFixture {
	t.Helper()
	f := &gatewayFixture{t: t, dir: t.TempDir(), account: fixture.OfficialAccount(),
		website: wechattest.DefaultApps()[2]}
	f.wechat = fixture.NewWeChat(t, wechattest.Config{Seed: 7, Apps: []wechattest.App{f.account, f.website}})
	f.front = newFrontProxy(t)
	return f
}

// config is a configuration for the gateway at an address, with these apps.
func (w *gatewayFixture) config(address, apps string) string {
	return fmt.Sprintf(`url: %s
listen: 127.0.0.1:0
metrics: ""
trusted_proxies: [127.0.0.1]
outgoing: {private_apps: true}
wechat:
  - {name: main, kind: official_account, appid: %s, secret: %s, open_platform: ours, api: %q, open: %q}
apps:
%s`, address, w.account.AppID, w.account.Secret, w.wechat.URL, w.wechat.URL, apps)
}

// websiteConnector is the connector of the website app, an element of the list wechat. It shares no
// unionids with the official account: WeChat would ask for consent to send them.
func (w *gatewayFixture) websiteConnector() string {
	return fmt.Sprintf("\n  - {name: site, kind: website, appid: %s, secret: %s, api: %q, open: %q}", w.website.AppID,
		w.website.Secret, w.wechat.URL, w.wechat.URL)
}

// adapted is a configuration of the examples, at the addresses of this world; pairs are further
// texts to replace.
func (w *gatewayFixture) adapted(path string, pairs ...string) string {
	w.t.Helper()
	return adapt(w.t, path, append([]string{
		"https://login.example.com", w.front.url, "listen: 127.0.0.1:8080", "listen: 127.0.0.1:0\nmetrics: \"\"",
		"appid: wx0123456789abcdef", "appid: " + w.account.AppID + "\n    api: " + w.wechat.URL + "\n    open: " +
			w.wechat.URL,
	}, pairs...)...)
}

// serve starts the gateway.
func (w *gatewayFixture) serve(config string) {
	w.t.Helper()
	write(w.t, filepath.Join(w.dir, "weigate.yaml"), config)
	w.gateway = start(w.t, w.weigate("serve"), "weigate serve")
	w.front.forwardTo(w.t, w.gateway.await(`(?s)listens on +(http://\S+).*Ctrl-C stops it`)[1])
}

// weigate is a command beside the gateway.
func (w *gatewayFixture) weigate(args ...string) *exec.Cmd { return command(w.dir, weigate, args...) }

// phone is a user's phone, with the steps of the tests of this package.
type phone struct{ fixture.Phone }

func (w *gatewayFixture) phone(user string) phone { return phone{w.wechat.NewPhone(w.t, user)} }

// wantPage fails the test unless the phone shows the gateway's page of that name.
func (p phone) wantPage(name string) *wechattest.Page {
	p.T.Helper()
	page := p.Page()
	if !strings.Contains(page.Body, ` id="`+name+`"`) {
		p.T.Fatalf("the phone shows %d at %s, want the page %q; it came by %v\n%s", page.Status, page.URL, name, page.Hops,
			page.Body)
	}
	return page
}

// signIn opens an address that asks for the profile, consents at the gateway and at WeChat, and
// returns the page of the app.
func (p phone) signIn(address string) *wechattest.Page {
	p.T.Helper()
	p.Visit(address)
	p.wantPage("profile")
	p.Must(p.Follow(p.T.Context(), "go"))
	return p.Must(p.Allow(p.T.Context()))
}
