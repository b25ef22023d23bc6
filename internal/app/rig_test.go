package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// town is a simulated WeChat, a gateway (one replica or more, one store), and an app that people
// want to go to, all on loopback.
type town struct {
	t       *testing.T
	sim     *wechattest.Server
	world   string // the simulator's address
	store   gateway.Store
	url     string // the gateway's own address
	app     *httptest.Server
	apps    []*app.App // replicas
	config  *config.Config
	options app.Options

	mu      sync.Mutex
	skew    time.Duration
	turn    int
	arrived []url.Values // what the app's callback was told
}

const (
	appSecret = leaktest.Secret + " of the sample app"
	verifier  = "a-verifier-of-43-characters-or-more-0123456789"
)

// sharedKeys makes signing keys once: an RSA key costs more than everything else here.
var sharedKeys = sync.OnceValues(func() ([]gateway.Key, error) {
	store, err := sqlite.Open(context.Background(), ":memory:", sqlite.Options{})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	if _, err := keys.OpenSet(context.Background(), keys.SetConfig{Store: store, Sealer: master()}); err != nil {
		return nil, err
	}
	return store.Keys(context.Background())
})

func master() *keys.Sealer {
	m, err := keys.NewSealer([]byte(leaktest.Secret + strings.Repeat("m", 32)))
	if err != nil {
		panic(err)
	}
	return m
}

type option func(*town)

func newTown(t *testing.T, options ...option) *town {
	t.Helper()
	w := &town{t: t}
	simApps := []wechattest.App{wechattest.DefaultApps()[0], wechattest.DefaultApps()[2]}
	simApps[0].Secret, simApps[1].Secret = leaktest.Secret, leaktest.Secret+" of the website app"
	other := simApps[0] // a second official account of the same owner
	other.AppID, other.Name = "wx00000000000000b2", "The other"
	simApps = append(simApps, other)
	sim, err := wechattest.New(wechattest.Config{Seed: 7, Mark: leaktest.Mark, Apps: simApps})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	world := httptest.NewServer(sim)
	t.Cleanup(world.Close)
	w.sim, w.world = sim, world.URL
	w.app = httptest.NewServer(http.HandlerFunc(w.serveApp))
	t.Cleanup(w.app.Close)
	front := httptest.NewServer(leaktest.Watch(t, http.HandlerFunc(w.front)))
	t.Cleanup(front.Close)
	w.url = front.URL
	w.config = &config.Config{
		URL: front.URL, Session: config.Session{Idle: 24 * time.Hour, Max: 720 * time.Hour},
		ProfileMaxAge: 720 * time.Hour, Events: config.Events{Keep: time.Hour},
		WeChat: []config.Connector{{
			Name: "main", Kind: config.OfficialAccount, AppID: simApps[0].AppID,
			Secret: wechat.Secret(simApps[0].Secret), OpenPlatform: "ours",
			API: world.URL, Open: world.URL,
		}},
		Apps: []config.App{w.client("sample", gateway.AccessSignedIn), w.client("second", gateway.AccessSignedIn),
			w.client("closed", gateway.AccessApproved)},
	}
	w.options = app.Options{Sealer: master(), Logger: leaktest.Logger(t), Now: w.now}
	for _, o := range options {
		o(w)
	}
	if w.store == nil {
		w.store = memory(t)
	}
	w.config.URL = w.url
	w.start()
	return w
}

func memory(t testing.TB) gateway.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	ready, err := sharedKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ready {
		if err := store.PutKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// start adds a replica.
func (w *town) start() {
	w.t.Helper()
	o := w.options
	o.Config, o.Store = w.config, w.store
	a, err := app.New(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.apps = append(w.apps, a)
}

func (w *town) client(id string, rule gateway.Access) config.App {
	return config.App{
		App: gateway.App{ID: id, Kind: gateway.AppOIDC, Name: strings.ToUpper(id[:1]) + id[1:],
			Access: gateway.AccessRule{Rule: rule}},
		Secrets: []wechat.Secret{appSecret}, RedirectURIs: []string{w.app.URL + "/" + id},
		PostLogoutRedirectURIs: []string{w.app.URL + "/bye"},
		IDTokenAlg:             keys.ES256, Subject: "user",
	}
}

func (w *town) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.skew)
}

// front hands requests to the replicas in turn.
func (w *town) front(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.turn++
	a := w.apps[w.turn%len(w.apps)]
	w.mu.Unlock()
	a.Handler().ServeHTTP(rw, r)
	w.keptToItself(rw.Header(), r)
}

// keptToItself looks at each answer of the gateway in all tests of this package: what sends a
// browser on, gives it a cookie or shows it a page stays in no cache, and the address at which it
// was is told to nobody else by a Referer, for it may hold a code, a token or a ticket.
func (w *town) keptToItself(h http.Header, r *http.Request) {
	// net/http's own redirects to a cleaner path have a body
	moves := h.Get("Location") != "" && !strings.Contains(h.Get("Content-Type"), "text/html")
	if !moves && h.Get("Set-Cookie") == "" && (!strings.Contains(h.Get("Content-Type"), "text/html") ||
		h.Get("Location") != "") {
		return
	}
	cache, referrer := h.Get("Cache-Control"), h.Get("Referrer-Policy")
	// a form needs to name its origin
	if !strings.Contains(cache, "no-store") || referrer != "no-referrer" && (referrer != "same-origin" || moves) {
		w.t.Errorf("the answer to %s %s has Cache-Control %q, Referrer-Policy %q", r.Method, r.URL.Path, cache,
			referrer)
	}
}

// serveApp is the app: it remembers what its callback was told.
func (w *town) serveApp(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived = append(w.arrived, r.URL.Query())
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(rw, "<!doctype html><title>the app</title><h1>the app</h1>")
}

// told returns what the app's callback was told last.
func (w *town) told() url.Values {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.arrived) == 0 {
		return nil
	}
	return w.arrived[len(w.arrived)-1]
}

// authorize is the address to which an app sends a person.
func (w *town) authorize(id string, more ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {id}, "redirect_uri": {w.app.URL + "/" + id},
		"scope": {"openid"}, "state": {"state-of-the-app"},
		"nonce": {"n1"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
		"code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return w.url + "/oauth2/authorize?" + q.Encode()
}

// tokens is an answer of the token endpoint.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Error        string `json:"error"`
}

// redeem is what the app does with the code that it was told.
func (w *town) redeem(id, code string) tokens {
	w.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {w.app.URL + "/" + id},
		"code_verifier": {verifier}}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/oauth2/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, url.QueryEscape(appSecret))
	var out tokens
	w.json(r, &out)
	return out
}

// userinfo is what the app then asks for.
func (w *town) userinfo(access string) map[string]any {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+"/oauth2/userinfo", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+access)
	var out map[string]any
	w.json(r, &out)
	return out
}

func (w *town) json(r *http.Request, into any) {
	w.t.Helper()
	body := w.body(r)
	if err := json.Unmarshal([]byte(body), into); err != nil && body != "" {
		w.t.Fatalf("%s: %s", r.URL.Path, body)
	}
}

// body sends a request and reads the answer.
func (w *town) body(r *http.Request) string {
	w.t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

// exchanges counts the codes that WeChat was asked about.
func (w *town) exchanges() (n int) {
	for _, c := range w.sim.Calls() {
		if c.Endpoint == "/sns/oauth2/access_token" {
			n++
		}
	}
	return n
}

// phone is a person's phone, with everything about it that can fail the test.
type phone struct {
	*wechattest.Phone
	t *testing.T
}

func (w *town) phone(person string) phone { return phone{w.sim.Phone(person), w.t} }

// on does a step and returns the page that the phone then shows; what the step returns is given as
// it comes.
func (p phone) on(page *wechattest.Page, err error) *wechattest.Page {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	return page
}

// kind is the id that each of our pages has.
func kind(p *wechattest.Page) string {
	_, rest, found := strings.Cut(p.Body, `<main class="card `)
	if !found {
		return ""
	}
	_, rest, _ = strings.Cut(rest, `id="`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func (w *town) at(p *wechattest.Page, prefix string) {
	w.t.Helper()
	if !strings.HasPrefix(p.URL, prefix) {
		w.t.Fatalf("the phone is at %s (%d, page %q), want %s; it came by %v", p.URL, p.Status, kind(p), prefix, p.Hops)
	}
}

// press presses the main button of the page that is shown.
func (p phone) press() *wechattest.Page {
	p.t.Helper()
	return p.on(p.Follow(p.t.Context(), "go"))
}

// want fails unless the phone shows that page of ours.
func (p phone) want(page *wechattest.Page, name string, status int) *wechattest.Page {
	p.t.Helper()
	if kind(page) != name || page.Status != status {
		p.t.Fatalf("the phone shows %q with %d at %s, want %q with %d; it came by %v\n%s", kind(page), page.Status,
			page.URL, name, status, page.Hops, page.Body)
	}
	return page
}
