package monitoring

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// gatewayFixture is a gateway with metrics, a simulated WeChat, and an app that refuses logout tokens.
type gatewayFixture struct {
	t       *testing.T
	dir     string // of the certificate and its key
	wechat  *fixture.WeChat
	app     *fixture.App
	server  *httptest.Server // serves the gateway
	store   gateway.Store
	clock   fixture.Clock
	metrics *metrics.Metrics
	config  *config.Config
	gateway *app.App
}

// newFixture starts a gateway with a database in memory.
func newFixture(t *testing.T) *gatewayFixture {
	t.Helper()
	return newFixtureOn(t, ":memory:")
}

// newFixtureOn starts a gateway with the SQLite database at path.
func newFixtureOn(t *testing.T, path string) *gatewayFixture {
	t.Helper()
	f := &gatewayFixture{t: t, dir: t.TempDir(), app: fixture.NewApp(t), metrics: metrics.New()}
	account := fixture.OfficialAccount()
	f.wechat = fixture.NewWeChat(t, wechattest.Config{Seed: 7, Apps: []wechattest.App{account}})
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{Observe: f.metrics.Store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	sqlitetest.PutSigningKeys(t, store)
	f.store = store
	var handler atomic.Pointer[app.App]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.Load().Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.server = server
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(refuses.Close)
	fixture.WriteCertificate(t, f.path("cert.pem"), f.path("key.pem"), "127.0.0.1", time.Now().Add(60*24*time.Hour))
	f.config = &config.Config{
		URL: server.URL, Session: config.Session{Idle: 24 * time.Hour, Max: 720 * time.Hour},
		ProfileMaxAge: 720 * time.Hour, Events: config.Events{Keep: time.Hour},
		TLS:      config.TLS{Certificate: f.path("cert.pem"), Key: f.path("key.pem")},
		Outgoing: config.Outgoing{PrivateApps: true},
		WeChat: []config.Connector{{
			Name: "main", Kind: config.OfficialAccount, AppID: account.AppID, Secret: wechat.Secret(account.Secret),
			API: f.wechat.URL, Open: f.wechat.URL,
		}},
		Apps: []config.App{{
			App: gateway.App{ID: "wiki", Kind: gateway.AppOIDC, Name: "Wiki",
				Access: gateway.AccessRule{Rule: gateway.AccessSignedIn}},
			Secrets: []wechat.Secret{appSecret}, RedirectURIs: []string{f.app.URL + "/callback"},
			IDTokenAlg: keys.ES256, Subject: "user", BackchannelLogoutURI: refuses.URL,
		}, {
			App: gateway.App{ID: "shop", Kind: gateway.AppRelay, Name: "Shop",
				Access: gateway.AccessRule{Rule: gateway.AccessSignedIn}},
			AppID: "wx00000000000000c3", Secrets: []wechat.Secret{appSecret}, Connector: "main",
			ReturnURLs: []string{f.app.URL + "/"},
		}},
	}
	f.gateway, err = app.New(t.Context(), app.Options{
		Config: f.config, Store: store, Sealer: sqlitetest.Sealer(), Metrics: f.metrics, Logger: leaktest.Logger(t),
		Now: f.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.gateway.Close(context.Background()) })
	handler.Store(f.gateway)
	return f
}

// path returns the path of a file of the gateway.
func (f *gatewayFixture) path(name string) string { return filepath.Join(f.dir, name) }

const appSecret = leaktest.Secret + " of the app"

// signIn opens the app on the phone of a user, who is sent to WeChat unless they have a session.
func (f *gatewayFixture) signIn(user string) {
	f.t.Helper()
	q := url.Values{"response_type": {"code"}, "client_id": {"wiki"}, "redirect_uri": {f.app.URL + "/callback"},
		"scope": {"openid"}, "state": {"a-state-of-the-app"}}
	// WeChat's error page is an answer too.
	if _, err := f.wechat.Phone(user).Open(f.t.Context(), f.config.URL+"/oauth2/authorize?"+q.Encode()); err != nil {
		f.t.Log(err)
	}
}

// redeem sends a code of the app, with its secret.
func (f *gatewayFixture) redeem(code, secret string) {
	f.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {f.app.URL + "/callback"}}
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.config.URL+"/oauth2/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("wiki", url.QueryEscape(secret))
	f.send(r)
}

// get requests a path of the gateway.
func (f *gatewayFixture) get(path, cookies string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.config.URL+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Cookie", cookies)
	f.send(r)
}

func (f *gatewayFixture) send(r *http.Request) {
	f.t.Helper()
	if _, err := fixture.NewBrowser(f.t, fixture.AgentDesktop).Send(r); err != nil {
		f.t.Fatal(err)
	}
}

// scrape returns the samples that Prometheus would read, by series.
func (f *gatewayFixture) scrape() map[string]float64 {
	f.t.Helper()
	rec := httptest.NewRecorder()
	f.metrics.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	leaktest.Check(f.t, "the metrics", rec.Body.String())
	samples, err := readSamples(rec.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	now := float64(time.Now().UnixMilli()) / 1000
	for name := range samples {
		if isTime(name) { // the clock of promtool begins at 0
			samples[name] -= now
		}
	}
	return samples
}

// readSamples reads metrics in Prometheus' text format. It returns the values by series.
func readSamples(text io.Reader) (map[string]float64, error) {
	samples := map[string]float64{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		i := strings.LastIndexByte(lines.Text(), ' ')
		if strings.HasPrefix(lines.Text(), "#") || i < 0 {
			continue
		}
		value, err := strconv.ParseFloat(lines.Text()[i+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		samples[lines.Text()[:i]] = value
	}
	return samples, lines.Err()
}

// isTime reports whether the value of a series is a Unix time.
func isTime(name string) bool {
	return name == "weigate_clock_seconds" || name == "process_start_time_seconds" ||
		strings.HasPrefix(name, "weigate_signing_key_active_since_seconds") ||
		strings.HasPrefix(name, "weigate_certificate_expiry_seconds")
}
