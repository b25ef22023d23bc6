package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// gatewayFixture is a gateway of one replica or more on one store, a simulated WeChat, and an app,
// all on loopback.
type gatewayFixture struct {
	t        *testing.T
	wechat   *fixture.WeChat
	store    gateway.Store
	clock    fixture.Clock // of the gateway
	url      string        // the gateway's own address
	app      *fixture.App
	replicas []*app.App
	config   *config.Config
	options  app.Options
	notify   func(gateway.Notice) // called for each notice; nil = nobody

	mu   sync.Mutex
	turn int
}

const (
	appSecret = leaktest.Secret + " of the sample app"
	verifier  = "a-verifier-of-43-characters-or-more-0123456789"
)

type option func(*gatewayFixture)

func newFixture(t *testing.T, options ...option) *gatewayFixture {
	t.Helper()
	w := &gatewayFixture{t: t}
	simApps := []wechattest.App{wechattest.DefaultApps()[0], wechattest.DefaultApps()[2]}
	simApps[0].Secret, simApps[1].Secret = leaktest.Secret, leaktest.Secret+" of the website app"
	other := simApps[0] // a second official account of the same owner
	other.AppID, other.Name = "wx00000000000000b2", "The other"
	simApps = append(simApps, other)
	w.wechat = fixture.NewWeChat(t, wechattest.Config{Seed: 7, Apps: simApps})
	w.app = fixture.NewApp(t)
	front := httptest.NewServer(leaktest.Watch(t, http.HandlerFunc(w.front)))
	t.Cleanup(front.Close)
	w.url = front.URL
	w.config = &config.Config{
		URL: front.URL, Session: config.Session{Idle: 24 * time.Hour, Max: 720 * time.Hour}, ProfileMaxAge: 720 * time.Hour,
		Events: config.Events{Keep: time.Hour},
		WeChat: []config.Connector{{
			Name: "main", Kind: config.OfficialAccount, AppID: simApps[0].AppID, Secret: wechat.Secret(simApps[0].Secret),
			OpenPlatform: "ours",
			API:          w.wechat.URL, Open: w.wechat.URL,
		}},
		Apps: []config.App{w.client("sample", gateway.AccessSignedIn), w.client("second", gateway.AccessSignedIn),
			w.client("closed", gateway.AccessApproved)},
	}
	w.options = app.Options{Sealer: sqlitetest.Sealer(), Logger: leaktest.Logger(t), Now: w.clock.Now}
	w.options.SetOnNotice(func(n gateway.Notice) {
		if w.notify != nil {
			w.notify(n)
		}
	})
	for _, o := range options {
		o(w)
	}
	if w.store == nil {
		w.store = sqlitetest.New(t)
	}
	t.Cleanup(w.checkEvents)
	w.config.URL = w.url
	w.start()
	return w
}

// checkEvents compares all stored events with the descriptions of their kinds, which are in the documents.
// It leaves out events that tests have stored themselves, with changes of the store: they have no outcome
// and no request.
func (w *gatewayFixture) checkEvents() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	events, err := w.store.Events(ctx, gateway.EventQuery{Limit: 1000})
	if err == nil {
		events = slices.DeleteFunc(events, func(e gateway.Event) bool { return e.Outcome == "" && e.RequestID == "" })
		err = administration.CheckEvents(events)
	}
	if err != nil && !errors.Is(err, gateway.ErrUnavailable) { // some tests stop their store
		w.t.Error(err)
	}
}

// start adds a replica.
func (w *gatewayFixture) start() {
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
	w.replicas = append(w.replicas, a)
}

func (w *gatewayFixture) client(id string, rule gateway.Access) config.App {
	return config.App{
		App: gateway.App{ID: id, Kind: gateway.AppOIDC, Name: strings.ToUpper(id[:1]) + id[1:],
			Access: gateway.AccessRule{Rule: rule}},
		Secrets: []wechat.Secret{appSecret}, RedirectURIs: []string{w.app.URL + "/" + id},
		PostLogoutRedirectURIs: []string{w.app.URL + "/bye"},
		IDTokenAlg:             keys.ES256, Subject: "user",
	}
}

// front hands requests to the replicas in turn.
func (w *gatewayFixture) front(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.turn++
	a := w.replicas[w.turn%len(w.replicas)]
	w.mu.Unlock()
	a.Handler().ServeHTTP(rw, r)
	w.keptToItself(rw.Header(), r)
}

// keptToItself checks each response of the gateway in all tests of this package: a response that
// redirects a browser, sets a cookie or shows a page must not be cached, and its address must not
// be sent as Referer, since it may contain a code, a token or a ticket.
func (w *gatewayFixture) keptToItself(h http.Header, r *http.Request) {
	// net/http's own redirects to a cleaner path have a body
	moves := h.Get("Location") != "" && !strings.Contains(h.Get("Content-Type"), "text/html")
	if !moves && h.Get("Set-Cookie") == "" &&
		(!strings.Contains(h.Get("Content-Type"), "text/html") || h.Get("Location") != "") {
		return
	}
	cache, referrer := h.Get("Cache-Control"), h.Get("Referrer-Policy")
	// a form needs to name its origin
	if !strings.Contains(cache, "no-store") || referrer != "no-referrer" &&
		(referrer != "same-origin" && referrer != "strict-origin" || moves) {
		w.t.Errorf("the answer to %s %s has Cache-Control %q, Referrer-Policy %q", r.Method, r.URL.Path, cache, referrer)
	}
}

// authorize returns the address to which an app redirects a user.
func (w *gatewayFixture) authorize(id string, more ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {id}, "redirect_uri": {w.app.URL + "/" + id},
		"scope": {"openid"}, "state": {"state-of-the-app"},
		"nonce": {"n1"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
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

// redeem sends the token request of an app with its code.
func (w *gatewayFixture) redeem(id, code string) tokens {
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

// userinfo returns the response of the userinfo endpoint.
func (w *gatewayFixture) userinfo(access string) map[string]any {
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

func (w *gatewayFixture) json(r *http.Request, into any) {
	w.t.Helper()
	body := w.body(r)
	if err := json.Unmarshal([]byte(body), into); err != nil && body != "" {
		w.t.Fatalf("%s: %s", r.URL.Path, body)
	}
}

// body sends a request and reads the answer.
func (w *gatewayFixture) body(r *http.Request) string {
	w.t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	return w.read(res)
}

// read returns the body of a response.
func (w *gatewayFixture) read(res *http.Response) string {
	w.t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

// phone is a user's phone, with the steps of the tests of this package.
type phone struct{ fixture.Phone }

func (w *gatewayFixture) phone(user string) phone { return phone{w.wechat.NewPhone(w.t, user)} }
