package relyingparty_test

import (
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

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

// wire is an address of this machine that is known before the program behind it runs. It notes the answers that pass.
type wire struct {
	url    string
	target atomic.Pointer[url.URL]

	mu      sync.Mutex
	cookies []*http.Cookie // set by answers
}

func newWire(t *testing.T) *wire {
	t.Helper()
	w := &wire{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(w.target.Load())
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		ModifyResponse: func(r *http.Response) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.cookies = append(w.cookies, r.Cookies()...)
			return nil
		},
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	w.url = front.URL
	return w
}

func (w *wire) lead(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	w.target.Store(u)
}

// world is a simulated WeChat, and a gateway that runs as a program of its own.
type world struct {
	t       *testing.T
	sim     *wechattest.Server
	simURL  string
	account wechattest.App // the official account
	wire    *wire          // in front of the gateway
	dir     string         // where the gateway runs
	gateway *process
}

// newWorld makes all but the gateway, whose configuration wants to know the addresses.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), account: wechattest.DefaultApps()[0]}
	w.account.Secret = leaktest.Secret
	var err error
	if w.sim, err = wechattest.New(wechattest.Config{Seed: 7, Mark: leaktest.Mark, Apps: []wechattest.App{w.account}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sim.Close)
	simulated := httptest.NewServer(w.sim)
	t.Cleanup(simulated.Close)
	w.simURL = simulated.URL
	w.wire = newWire(t)
	return w
}

// config is a configuration for the gateway at an address, with these apps.
func (w *world) config(address, apps string) string {
	return fmt.Sprintf(`url: %s
listen: 127.0.0.1:0
metrics: ""
trusted_proxies: [127.0.0.1]
wechat:
  - {name: main, kind: official_account, appid: %s, secret: %s, open_platform: ours, api: %q, open: %q}
apps:
%s`, address, w.account.AppID, w.account.Secret, w.simURL, w.simURL, apps)
}

// adapted is a configuration of the examples, at the addresses of this world; pairs are further texts to replace.
func (w *world) adapted(path string, pairs ...string) string {
	w.t.Helper()
	return adapt(w.t, path, append([]string{
		"https://login.example.com", w.wire.url, "listen: 127.0.0.1:8080", "listen: 127.0.0.1:0\nmetrics: \"\"",
		"appid: wx0123456789abcdef", "appid: " + w.account.AppID + "\n    api: " + w.simURL + "\n    open: " + w.simURL,
	}, pairs...)...)
}

// serve starts the gateway.
func (w *world) serve(config string) {
	w.t.Helper()
	write(w.t, filepath.Join(w.dir, "weigate.yaml"), config)
	w.gateway = start(w.t, w.weigate("serve"), "weigate serve")
	w.wire.lead(w.t, w.gateway.await(`(?s)listens on +(http://\S+).*Ctrl-C stops it`)[1])
}

// weigate is a command beside the gateway.
func (w *world) weigate(args ...string) *exec.Cmd { return command(w.dir, weigate, args...) }

// phone is a person's phone; whatever goes wrong with it fails the test.
type phone struct {
	*wechattest.Phone
	t *testing.T
}

func (w *world) phone(person string) phone { return phone{w.sim.Phone(person), w.t} }

func (p phone) on(page *wechattest.Page, err error) *wechattest.Page {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	return page
}

func (p phone) open(address string) *wechattest.Page {
	p.t.Helper()
	return p.on(p.Open(p.t.Context(), address))
}

// want fails unless the phone shows that page of the gateway's.
func (p phone) want(name string) *wechattest.Page {
	p.t.Helper()
	page := p.Page()
	if !strings.Contains(page.Body, ` id="`+name+`"`) {
		p.t.Fatalf("the phone shows %d at %s, want the page %q; it came by %v\n%s", page.Status, page.URL, name, page.Hops, page.Body)
	}
	return page
}

// signIn goes to an address that wants a profile, says yes to the gateway's question and to WeChat's, and ends where the app takes the person.
func (p phone) signIn(address string) *wechattest.Page {
	p.t.Helper()
	p.open(address)
	p.want("profile")
	p.on(p.Follow(p.t.Context(), "go"))
	return p.on(p.Allow(p.t.Context()))
}

// app is the address of an app: it remembers what its callback was told.
type app struct {
	url string

	mu   sync.Mutex
	told url.Values
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = r.URL.Query()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><title>the app</title><h1>the app</h1>")
}

func (a *app) last() url.Values {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.told
}
