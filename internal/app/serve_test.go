package app_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/wechat"
)

// url with a path: the gateway shares its host with another site, and keeps to its path in
// everything.
func TestUnderAPath(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(w *gatewayFixture) { w.url += "/login" })
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "", nil)), "continue", 200)
	fixture.WantAt(w.t, alice.Must(alice.FollowRefresh(t.Context())), w.app.URL+"/sample")
	for _, c := range alice.Cookies(w.url + "/") {
		if c.Path != "" && c.Path != "/login" {
			t.Errorf("cookie %s has the path %q", c.Name, c.Path)
		}
	}
	if n := len(alice.Cookies(strings.TrimSuffix(w.url, "/login") + "/")); n != 0 {
		t.Errorf("%d cookies reach the other site", n)
	}
	own := alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200)
	for _, l := range own.Links {
		if !strings.HasPrefix(l.URL, w.url+"/") && !strings.HasPrefix(l.URL, "/login/") {
			t.Errorf("the own page links to %s", l.URL)
		}
	}
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "everywhere", nil)), "ended_all", 200)
	for _, path := range []string{"/.well-known/openid-configuration", "/healthz", "/readyz"} {
		if body := w.get(path, nil); strings.Contains(body, "not_found") {
			t.Errorf("%s: %s", path, body)
		}
	}
	if strings.Contains(w.get("/.well-known/openid-configuration", nil), strings.TrimSuffix(w.url, "/login")+"/oauth2") {
		t.Error("discovery leaves the path")
	}
}

func TestUnavailableStoreIsNeverASignOut(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	if got := w.get("/readyz", nil); got != "ok\n" {
		t.Errorf("readyz: %q", got)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{w.url + "/", w.authorize("sample")} {
		alice.WantPage(alice.Must(alice.Open(t.Context(), address)), "busy", 503)
	}
	if body := w.get("/sign-in/me", alice.Cookies(w.url)); !strings.Contains(body, "unavailable") {
		t.Errorf("sign-in/me: %s", body)
	}
	w.clock.Advance(2 * time.Second) // the cached result has expired
	r, err := http.Get(w.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 503 {
		t.Errorf("readyz: %d", r.StatusCode)
	}
	if got := w.get("/healthz", nil); got != "ok\n" {
		t.Errorf("healthz: %q", got)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	code := w.app.LastQuery().Get("code")

	next := *w.config
	next.Apps = []config.App{w.client("sample", gateway.AccessSignedIn), w.client("third", gateway.AccessSignedIn)}
	next.Apps[0].Secrets = []wechat.Secret{"the new secret of the app, also long enough", appSecret}
	if err := w.replicas[0].Reload(&next); err != nil {
		t.Fatal(err)
	}
	if got := w.redeem("sample", code); got.IDToken == "" {
		t.Errorf("a code from before: %+v", got)
	}
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("third"))), w.app.URL+"/third")
	if w.wechat.Exchanges() != 1 {
		t.Errorf("the reload took the session: %d exchanges", w.wechat.Exchanges())
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second"))), "unknown_app", 400)

	broken := next
	broken.Apps = append(slices.Clone(next.Apps), next.Apps[0])
	if err := w.replicas[0].Reload(&broken); err == nil {
		t.Error("two apps with one id were accepted")
	}
	moved := next
	moved.URL = "https://elsewhere.example.com"
	if err := w.replicas[0].Reload(&moved); err == nil {
		t.Error("another url was accepted")
	}
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("third"))), w.app.URL+"/third")
}

// A link of an unfinished request, kept or shared, begins the app's request over.
func TestOldSignInLinkBeginsTheRequestOver(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	b := w.browser()
	u, err := url.Parse(b.callback("alice"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, denied := b.get(w.url + "/wechat/callback?state=" + u.Query().Get("state"))
	m := regexp.MustCompile(`id="go" href="(/oauth2/authorize\?[^"]*)"`).FindStringSubmatch(denied)
	if m == nil || strings.Contains(m[1], "weigate_login_request") {
		t.Fatalf("the page of an unfinished request: %s", denied)
	}
	link := html.UnescapeString(m[1])
	for _, who := range []*browser{b, w.browser()} { // here, and where it was sent
		if status, location, body := who.get(w.url + link); status != 302 ||
			!strings.HasPrefix(location, w.wechat.URL+"/connect/oauth2/authorize") {
			t.Errorf("%s: %d %s %s", link, status, location, body)
		}
	}
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.url+link)), w.app.URL+"/sample")
	if got := w.redeem("sample", w.app.LastQuery().Get("code")); got.IDToken == "" {
		t.Errorf("the request that began over: %+v", got)
	}
	for _, link := range []string{"/sign-in?return=https%3A%2F%2Fevil.example%2Foauth2%2Fauthorize",
		"/sign-in?return=%2F%2Fevil.example%2Foauth2%2Fauthorize"} {
		if _, location, body := b.get(w.url + link); location != "" || !strings.Contains(body, `id="bad_return"`) {
			t.Errorf("%s: %s %s", link, location, body)
		}
	}
}

func TestDesktopSeesToOpenInWeChat(t *testing.T) {
	t.Parallel()
	w := newFixture(t, methods(t, "wechat"))
	if body := w.page(w.authorize("sample")); !strings.Contains(body, `id="open_in_wechat"`) ||
		!strings.Contains(body, w.url+"/oauth2/authorize?client_id=") ||
		strings.Contains(body, "weigate_login_request") {
		t.Errorf("a desktop sees %s", body)
	}
	if body := w.page(w.url + "/nowhere"); !strings.Contains(body, `id="not_found"`) {
		t.Errorf("nowhere: %s", body)
	}
}

// page asks as a desktop browser.
func (w *gatewayFixture) page(address string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36")
	return w.body(r)
}

func (w *gatewayFixture) scrape(m *metrics.Metrics) string {
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

func TestMetricsCountTheSignIn(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	w := newFixture(t, func(w *gatewayFixture) { w.options.Metrics = m })
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	w.redeem("sample", w.app.LastQuery().Get("code"))
	seen := w.scrape(m)
	for _, want := range []string{
		`weigate_sign_ins_begun_total{method="wechat"} 1`,
		`weigate_sign_ins_ended_total{method="wechat",outcome="signed_in"} 1`,
		`weigate_wechat_calls_total{endpoint="access_token",result="ok"} 1`, `app="sample"`, `route="/oauth2/token"`,
		`weigate_tokens_issued_total`,
	} {
		if !strings.Contains(seen, want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
	if openid := w.wechat.OpenID(w.config.WeChat[0].AppID, "alice"); strings.Contains(seen, openid) {
		t.Error("a metric holds an openid")
	}
}

// away is a store whose accounts, or sessions, cannot be reached for a while.
type away struct {
	gateway.Store
	signIns, claims bool
}

func (a *away) CompleteSignIn(ctx context.Context, c gateway.Completion) (gateway.User, []gateway.Event, error) {
	if a.signIns {
		return gateway.User{}, nil, fmt.Errorf("%w: connection refused", gateway.ErrUnavailable)
	}
	return a.Store.CompleteSignIn(ctx, c)
}

func (a *away) BeginAttempt(ctx context.Context, c gateway.Attempt, now time.Time) (gateway.Attempt, bool, error) {
	if a.claims {
		return gateway.Attempt{}, false, fmt.Errorf("%w: connection refused", gateway.ErrUnavailable)
	}
	return a.Store.BeginAttempt(ctx, c, now)
}

// The store becomes unavailable while the user is at WeChat.
func TestUnavailableStoreAtTheCallbackIsBusy(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]*away{"sign-ins": {signIns: true}, "claims": {claims: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store.Store = sqlitetest.New(t)
			w := newFixture(t, func(w *gatewayFixture) { w.store = store })
			alice := phone{w.wechat.NewPhone(t, "alice")}
			page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample"))), "busy", 503)
			if page.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			store.signIns, store.claims = false, false
			alice.Press()
			fixture.WantAt(w.t, alice.Page(), w.app.URL+"/sample")
		})
	}
}
