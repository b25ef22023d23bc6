package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

const (
	appID     = "wx00000000000000aa"
	secret    = leaktest.Secret + " of the shop"
	realAppID = "wx0123456789abcdef"
	openID    = "oAlice0000000000000000000000"
	callback  = "https://shop.example.com/callback"
)

// fixture is a relay with a real store and fakes for all other dependencies.
type fixture struct {
	t       testing.TB
	mux     *route.Mux
	handler *relay.Handler
	store   gateway.Store
	user    gateway.User
	address netip.Addr
	log     *strings.Builder

	mu      sync.Mutex
	now     time.Time
	session *session.Browser // who the browser is; nil = nobody
	allow   access.Decision
	asks    bool // AskProfile asks
	outside bool // the browser is not WeChat's
	down    bool
	begun   []session.LoginRequest
	shown   []webtest.Page
	seen    []relay.Observation
}

func newFixture(t testing.TB, change ...func(*relay.Config)) *fixture {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	g := &fixture{t: t, store: store, now: time.Unix(1_800_000_000, 0), allow: access.Allowed,
		address: netip.MustParseAddr("203.0.113.7")}
	g.user = g.recordSignIn("main", realAppID, openID, "uAlice")
	g.session = g.in("main", realAppID, openID)
	master, err := keys.NewSealer([]byte(leaktest.Secret + strings.Repeat("m", 32)))
	if err != nil {
		t.Fatal(err)
	}
	g.log = &strings.Builder{}
	site, err := web.New(web.Config{
		RequestID: func(context.Context) string { return "req1" }, Logger: slog.New(slog.NewTextHandler(g.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	saved, err := savedrequest.New(savedrequest.Config{URL: "https://login.example.com",
		Keys: master.Derive("saved request"), Store: store, Site: site, Now: g.clock})
	if err != nil {
		t.Fatal(err)
	}
	requests, err := accessrequest.New(accessrequest.Config{
		URL: "https://login.example.com", Store: store, Access: g, Site: site,
		Sessions: &session.Manager{},
		Apps:     func(string) (gateway.App, bool) { return gateway.App{}, false }, Now: g.clock})
	if err != nil {
		t.Fatal(err)
	}
	cfg := relay.Config{
		Saved: saved, Requests: requests,
		Limits: limit.NewLimiter(nil),
		URL:    "https://login.example.com", VerifyFiles: []string{"MP_verify_0123456789abcdef.txt"},
		Apps: []relay.App{
			{App: gateway.App{ID: "shop", Kind: gateway.AppRelay, Name: "The Shop"}, AppID: appID,
				Secrets:   []route.SecretHash{route.HashSecret(secret)},
				Connector: "main", ReturnURLs: []string{"https://shop.example.com", "https://dev.example.com:8443/",
					"http://127.0.0.1:8080", "http://[::1]"}},
			{App: gateway.App{ID: "bank", Kind: gateway.AppRelay, Name: "The Bank", Methods: []string{"wechat"}},
				AppID:   "wx00000000000000bb",
				Secrets: []route.SecretHash{route.HashSecret("old"), route.HashSecret("new")}, Connector: "main",
				WebsiteConnector: "site", ReturnURLs: []string{"https://bank.example.com"}},
		},
		SignIn: g, Access: g, Site: site, Users: g, Grants: grants{store, g}, Sealer: master,
		InWeChat:  func(*http.Request) bool { return !g.outside },
		Address:   func(*http.Request) netip.Addr { return g.address },
		RequestID: func(context.Context) string { return "req1" },
		Observe:   g.observe, Logger: leaktest.Logger(t), Now: g.clock,
	}
	for _, f := range change {
		f(&cfg)
	}
	g.handler, err = relay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.mux = route.NewMux()
	saved.Mount(g.mux)
	g.handler.Mount(g.mux)
	return g
}

func (g *fixture) observe(o relay.Observation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = append(g.seen, o)
}

func (g *fixture) clock() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *fixture) advance(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = g.now.Add(d)
}

func (g *fixture) recordSignIn(connector, app, open, union string) gateway.User {
	g.t.Helper()
	a, _, err := g.store.RecordSignIn(g.t.Context(), gateway.SignIn{Connector: connector, AppID: app, OpenID: open,
		UnionID: union, OpenPlatform: "ours",
		GroupAppIDs: []string{realAppID, "wx00000000000000cc"}, At: g.clock(), InitialStatus: gateway.Active,
		Profile: &gateway.Profile{Nickname: "Alice/爱丽丝", AvatarURL: "https://thirdwx.qlogo.cn/mmopen/a/132"}})
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// in is a session of the account through an entry.
func (g *fixture) in(connector, app, open string) *session.Browser {
	return &session.Browser{User: g.user, Session: gateway.Session{Hash: [32]byte{1}, UserID: g.user.ID,
		Connector: connector, AppID: app, OpenID: open, Method: "wechat", AuthTime: g.clock()}}
}

func (g *fixture) Session(*http.Request) (session.Browser, bool, error) {
	if g.down {
		return session.Browser{}, false, gateway.ErrUnavailable
	}
	if g.session == nil {
		return session.Browser{}, false, nil
	}
	return *g.session, true, nil
}

func (g *fixture) Begin(w http.ResponseWriter, _ *http.Request, d session.LoginRequest) error {
	g.begun = append(g.begun, d)
	w.Header().Set("Location", "/away")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// AskAgreement redirects as package signin does.
func (*fixture) AskAgreement(w http.ResponseWriter, _ *http.Request, b session.Browser, returnTo string) bool {
	if !b.MustAgree {
		return false
	}
	w.Header().Set("Location", session.AgreementPath+"?return="+returnTo)
	w.WriteHeader(http.StatusSeeOther)
	return true
}

func (g *fixture) AskProfile(w http.ResponseWriter, _ *http.Request, _ session.Browser, returnTo string) bool {
	if g.asks {
		fmt.Fprint(w, "may it have your name? ", returnTo)
	}
	return g.asks
}

func (g *fixture) Decide(context.Context, gateway.User, gateway.App) (access.Decision, error) {
	return g.allow, nil
}

func (g *fixture) User(ctx context.Context, id string) (gateway.User, error) {
	return g.store.User(ctx, id)
}

func (g *fixture) Identities(ctx context.Context, id string) ([]gateway.Identity, error) {
	return g.store.Identities(ctx, id)
}

// grants is a store that can be away.
type grants struct {
	gateway.Grants
	g *fixture
}

func (s grants) Code(ctx context.Context, h [32]byte) (gateway.Code, error) {
	if s.g.down {
		return gateway.Code{}, fmt.Errorf("%w: refused", gateway.ErrUnavailable)
	}
	return s.Grants.Code(ctx, h)
}

func (g *fixture) do(method, target string, form url.Values) *httptest.ResponseRecorder {
	g.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	g.mux.ServeHTTP(w, r)
	if body := w.Body.String(); webtest.Kind(body) != "" {
		g.shown = append(g.shown, webtest.Read(g.t, body))
	}
	return w
}

func (g *fixture) get(path string, pairs ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	return g.do(http.MethodGet, path+"?"+query(pairs...), nil)
}

func query(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, "&%s=%s", pairs[i], url.QueryEscape(pairs[i+1]))
	}
	return strings.TrimPrefix(b.String(), "&")
}

// authorize sends the browser to the authorize address.
func (g *fixture) authorize(scope string, change ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	return g.get("/connect/oauth2/authorize", with([]string{"appid", appID, "redirect_uri", callback, "response_type",
		"code", "scope", scope, "state", "s1"}, change)...)
}

// with changes pairs or adds some. The value "-" removes a pair.
func with(pairs, change []string) (out []string) {
	given := map[string]string{}
	for i := 0; i+1 < len(change); i += 2 {
		given[change[i]] = change[i+1]
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v, changed := given[pairs[i]]
		if delete(given, pairs[i]); !changed {
			v = pairs[i+1]
		}
		if v != "-" {
			out = append(out, pairs[i], v)
		}
	}
	for i := 0; i+1 < len(change); i += 2 {
		if _, left := given[change[i]]; left {
			out = append(out, change[i], change[i+1])
		}
	}
	return out
}

// code returns the code for a user with access to the app.
func (g *fixture) code(scope string, change ...string) string {
	g.t.Helper()
	w := g.authorize(scope, change...)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusFound || to.Query().Get("code") == "" {
		g.t.Fatalf("authorize answered %d, %q", w.Code, to)
	}
	return to.Query().Get("code")
}

// answer is any answer of the four calls.
type answer struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	OpenID       string `json:"openid"`
	Scope        string `json:"scope"`
	UnionID      string `json:"unionid"`
	Nickname     string `json:"nickname"`
	Errcode      *int   `json:"errcode"`
	Errmsg       string `json:"errmsg"`
	raw          string
}

func (a answer) code() int {
	if a.Errcode == nil {
		return 0
	}
	return *a.Errcode
}

func (g *fixture) read(w *httptest.ResponseRecorder) (a answer) {
	g.t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/plain" {
		g.t.Errorf("%d, type %q: WeChat answers 200 and text/plain", w.Code, w.Header().Get("Content-Type"))
	}
	a.raw = w.Body.String()
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		g.t.Fatalf("%v: %s", err, a.raw)
	}
	return a
}

func (g *fixture) redeem(code string, change ...string) answer {
	g.t.Helper()
	return g.read(g.get("/sns/oauth2/access_token", with([]string{"appid", appID, "secret", secret, "code", code,
		"grant_type", "authorization_code"}, change)...))
}

func (g *fixture) refresh(token string, change ...string) answer {
	g.t.Helper()
	return g.read(g.get("/sns/oauth2/refresh_token", with([]string{"appid", appID, "grant_type", "refresh_token",
		"refresh_token", token}, change)...))
}

func (g *fixture) bearer(path, token string, change ...string) answer {
	g.t.Helper()
	return g.read(g.get(path, with([]string{"access_token", token, "openid", openID, "lang", "zh_CN"}, change)...))
}

// problem returns the last page that was shown, which must report a problem.
func (g *fixture) problem() webtest.Page {
	g.t.Helper()
	if len(g.shown) == 0 {
		g.t.Fatal("no page was shown")
	}
	p := g.shown[len(g.shown)-1]
	if p.Kind.Status() < http.StatusBadRequest {
		g.t.Fatalf("the page is %+v", p)
	}
	return p
}

// noCodes fails the test when something is stored.
type noCodes struct {
	gateway.Grants
	t testing.TB
}

func (n noCodes) PutCode(context.Context, gateway.Code) error {
	n.t.Error("a code was stored")
	return nil
}
