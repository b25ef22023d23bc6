package signin_test

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

const (
	mainID   = "wx00000000000000aa"
	secondID = "wx00000000000000ab"
	siteID   = "wx00000000000000bb"

	uaWeChat = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Mobile Safari/537.36 " +
		"MicroMessenger/8.0.18.2060(0x28001237) WeChat/arm64"
	uaDesktop = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
	uaPhone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
)

// fixture is a Handler with an app, whose request is /app?x=…, and a Config.Scan that records the
// login requests it gets.
type fixture struct {
	t         *testing.T
	store     gateway.Store
	sessions  *session.Manager
	h         *signin.Handler
	mux       http.Handler
	url       string
	path      string
	app       gateway.App
	connector string // that the app requires
	more      func(*session.LoginRequest)

	mu    sync.Mutex
	time  time.Time
	scans []session.LoginRequest
}

func connectorOf(name, appID string, website bool) signin.Connector {
	return signin.Connector{Name: name, Client: &wechat.Client{AppID: appID, Secret: leaktest.Secret}, Website: website,
		OpenPlatform: "ours", Group: []string{mainID, secondID, siteID}}
}

// withBoth adds both sign-in methods for browsers that are not WeChat's.
func withBoth(r *fixture, c *signin.Config) {
	c.Connectors = append(c.Connectors, connectorOf("site", siteID, true))
	withScan(r, c)
}

func withSite(_ *fixture, c *signin.Config) {
	c.Connectors = append(c.Connectors, connectorOf("site", siteID, true))
}

func withScan(r *fixture, c *signin.Config) { c.Scan = r.scan }

func underPath(r *fixture, c *signin.Config) { c.URL += "/login" }

func newFixture(t *testing.T, change ...func(*fixture, *signin.Config)) *fixture {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return newFixtureOn(t, store, change...)
}

// newReplica returns another replica on the store of other.
func newReplica(t *testing.T, other *fixture, change ...func(*fixture, *signin.Config)) *fixture {
	t.Helper()
	return newFixtureOn(t, other.store, change...)
}

func newFixtureOn(t *testing.T, store gateway.Store, change ...func(*fixture, *signin.Config)) *fixture {
	t.Helper()
	site, err := web.New(web.Config{Logger: leaktest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	r := &fixture{t: t, store: store, time: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC),
		app: gateway.App{ID: "notes", Name: "Notes"}}
	r.sessions = &session.Manager{Sessions: store, Grants: store, Idle: 24 * time.Hour, Max: 720 * time.Hour, Now: r.now,
		Keys:    [][]byte{[]byte("the key of session cookies")},
		OnError: func(_ context.Context, err error) { t.Error(err) }}
	cfg := signin.Config{
		URL: "https://login.example.com", Keys: [][]byte{[]byte(strings.Repeat("k", 32))},
		Connectors: []signin.Connector{connectorOf("main", mainID, false)},
		Users:      store, Attempts: store, Events: store, Sessions: r.sessions,
		Site: site, Logger: leaktest.Logger(t), Now: r.now,
	}
	if cfg.Saved, err = savedrequest.New(savedrequest.Config{
		URL: cfg.URL, Keys: cfg.Keys, Store: store, Site: site, Now: r.now,
	}); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(r, &cfg)
	}
	own, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.sessions.Cookies = cookie.For(own, "weigate")
	if r.h, err = signin.New(cfg); err != nil {
		t.Fatal(err)
	}
	r.url = cfg.URL
	r.path = strings.TrimPrefix(cfg.URL, "https://login.example.com")
	mux := route.NewMux()
	r.h.Mount(mux)
	mux.HandleFunc("GET "+r.path+"/app", r.serveApp, route.Limited)
	r.mux = leaktest.Watch(t, mux)
	return r
}

func (r *fixture) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.time
}

func (r *fixture) later(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.time = r.time.Add(d)
}

func (r *fixture) scan(w http.ResponseWriter, _ *http.Request, d session.LoginRequest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scans = append(r.scans, d)
	w.WriteHeader(http.StatusOK)
	return nil
}

// serveApp serves an app: without a session it sends the browser to sign in.
func (r *fixture) serveApp(w http.ResponseWriter, req *http.Request) {
	s, signedIn, err := r.h.Session(req)
	switch {
	case err != nil:
		r.t.Error(err)
	case signedIn:
		if !r.h.AskProfile(w, req, s, r.path+"/app?x="+req.FormValue("x")) {
			w.Write([]byte("hello " + s.User.ID))
		}
		return
	}
	x := req.FormValue("x")
	d := session.LoginRequest{
		ID: "d1", ReturnURL: r.path + "/app?x=" + x + "&login_request=d1", RestartURL: r.path + "/app?x=" + x, App: r.app,
		Connector: r.connector,
		CancelURL: r.path + "/app?cancel=1",
	}
	if r.more != nil {
		r.more(&d)
	}
	if err := r.h.Begin(w, req, d); err != nil {
		r.t.Error(err)
	}
}

// user creates a user and returns the id.
func (r *fixture) user(name string) string {
	r.t.Helper()
	a, _, err := r.store.RecordSignIn(r.t.Context(), gateway.SignIn{
		Connector: "main", AppID: mainID, OpenID: "o-" + name, At: r.now(), InitialStatus: gateway.Active,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return a.ID
}

// visitor is one browser.
type visitor struct {
	r       *fixture
	agent   string
	headers http.Header

	mu      sync.Mutex
	cookies map[string]*http.Cookie
}

func (r *fixture) visitor(agent string) *visitor {
	return &visitor{r: r, agent: agent, headers: http.Header{}, cookies: map[string]*http.Cookie{}}
}

func (v *visitor) request(method, address string, form url.Values) *http.Request {
	if strings.HasPrefix(address, "/") {
		address = "https://login.example.com" + address
	}
	req := httptest.NewRequest(method, address, strings.NewReader(form.Encode()))
	for name, values := range v.headers {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", v.agent)
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.cookies {
		req.AddCookie(c)
	}
	return req
}

// answer is a response as a visitor sees it.
type answer struct {
	status   int
	location string
	body     string
	header   http.Header
	set      []*http.Cookie
}

func (v *visitor) do(req *http.Request) answer {
	w := httptest.NewRecorder()
	v.r.mux.ServeHTTP(w, req)
	v.keep(w.Result())
	body := w.Body.String()
	if _, page, found := strings.Cut(body, "</head>"); found {
		body = page
	}
	return answer{w.Code, w.Header().Get("Location"), body, w.Header(), w.Result().Cookies()}
}

func (v *visitor) keep(res *http.Response) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = &http.Cookie{Name: c.Name, Value: c.Value}
		}
	}
}

func (v *visitor) get(address string) answer { return v.do(v.request("GET", address, nil)) }

func (v *visitor) post(address string, form url.Values) answer {
	return v.do(v.request("POST", address, form))
}

// follow follows redirects to the gateway.
func (v *visitor) follow(a answer) answer {
	v.r.t.Helper()
	for range 8 {
		to := strings.TrimPrefix(a.location, "https://login.example.com")
		if !strings.HasPrefix(to, "/") {
			return a
		}
		a = v.get(to)
	}
	v.r.t.Fatalf("redirected in a loop, at last to %s", a.location)
	return a
}

// kind returns the kind of the page, "" when the answer is not a page.
func (a answer) kind() string {
	m := regexp.MustCompile(`<main class="[^"]*" id="([^"]*)"`).FindStringSubmatch(a.body)
	if m == nil {
		return ""
	}
	return m[1]
}

// link returns the address of the link with this id, "" when there is none.
func (a answer) link(id string) string {
	m := regexp.MustCompile(`<a [^>]*id="` + regexp.QuoteMeta(id) + `" href="([^"]*)"`).FindStringSubmatch(a.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// method returns the sign-in method that a visitor was sent to, or else the kind of the page.
func (r *fixture) method(a answer) string {
	switch {
	case strings.HasPrefix(a.location, "https://open.weixin.qq.com/connect/oauth2/authorize?appid="):
		return "wechat " + appIDIn(a.location)
	case strings.HasPrefix(a.location, "https://open.weixin.qq.com/connect/qrconnect?"):
		return "website " + appIDIn(a.location)
	case strings.HasPrefix(a.location, "/chat?"):
		return strings.ReplaceAll(strings.TrimPrefix(a.location, "/chat?"), "+", " ")
	case a.kind() != "":
		return a.kind()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.scans) > 0 {
		r.scans = r.scans[:0]
		return "scan"
	}
	return a.location
}

func appIDIn(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Query().Get("appid")
}

// createSession stores the session and the event that NewSession returns, unless the session exists
// already, as the store does when a ticket is redeemed. Then it calls ResumeSession.
func (v *visitor) createSession(e session.Authentication) error {
	s, event, err := v.r.h.NewSession(e)
	if err == nil {
		err = v.r.store.PutSession(v.r.t.Context(), s, v.r.now())
	}
	switch {
	case err == nil:
		if err := v.r.store.AppendEvents(v.r.t.Context(), event); err != nil {
			return err
		}
	case !errors.Is(err, gateway.ErrConflict):
		return err
	}
	return v.resumeSession(e)
}

// resumeSession calls ResumeSession and keeps the cookie.
func (v *visitor) resumeSession(e session.Authentication) error {
	c, err := v.r.h.ResumeSession(v.request("GET", "/scan", nil), e)
	if (c == nil) != (err != nil) {
		v.r.t.Errorf("ResumeSession returns cookie %v and error %v", c, err)
	}
	if c != nil {
		v.keep(&http.Response{Header: http.Header{"Set-Cookie": {c.String()}}})
	}
	return err
}

// by returns the authentication of a user by a sign-in method.
func (r *fixture) by(method, user string) session.Authentication {
	return session.Authentication{UserID: user, Connector: "main", AppID: mainID, OpenID: "o-alice", Method: method,
		AuthTime: r.now(), App: "notes", Seed: []byte(leaktest.Secret + "seed-of-" + method)}
}

func (v *visitor) must(e session.Authentication) {
	v.r.t.Helper()
	if err := v.createSession(e); err != nil {
		v.r.t.Fatal(err)
	}
}
