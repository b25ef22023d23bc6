package savedrequest_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

const base = "https://login.example.com"

// fixture is a gateway with one feature at /feature. The feature responds to a request with the
// address at which the browser can make the request again, and with the request's parameters.
type fixture struct {
	t        *testing.T
	store    gateway.Store
	requests *savedrequest.Requests
	mux      http.Handler
	now      time.Time
	from     netip.Addr // the client's address
	seen     url.Values // parameters of the last request of the feature
	tooLong  bool       // whether the last request of the feature was too long
}

func newFixture(t *testing.T, change ...func(*savedrequest.Config)) *fixture {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	site, err := web.New(web.Config{Logger: leaktest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: store, now: time.Unix(1_800_000_000, 0), from: netip.MustParseAddr("203.0.113.7")}
	cfg := savedrequest.Config{URL: base, Keys: [][]byte{[]byte(strings.Repeat("k", 32))}, Store: store, Site: site,
		Limits: limit.NewLimiter(nil), Address: func(*http.Request) netip.Addr { return f.from },
		Now: func() time.Time { return f.now }}
	for _, c := range change {
		c(&cfg)
	}
	if f.requests, err = savedrequest.New(cfg); err != nil {
		t.Fatal(err)
	}
	mux := route.NewMux()
	f.requests.Mount(mux)
	mux.HandleFunc("/feature", f.feature, route.Limited)
	mux.HandleFunc("/save", f.save, route.Limited)
	for path, policy := range map[string]route.Policy{"/verify": route.LimitedVerify, "/token": route.LimitedApp,
		"/healthz": route.LimitedOther} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "blocked") }, policy)
	}
	f.mux = leaktest.Watch(t, mux)
	return f
}

// feature is the handler of the feature. The parameter id is the feature's own; it is not a part of
// the request that is saved.
func (f *fixture) feature(w http.ResponseWriter, r *http.Request) {
	f.seen, f.tooLong = r.URL.Query(), savedrequest.TooLong(r)
	address := "/feature?" + url.Values{"state": {f.seen.Get("state")}}.Encode()
	short, ok := f.requests.Shorten(w, r, address)
	if ok {
		fmt.Fprint(w, savedrequest.Join(short, "id", "1"))
	}
}

// save responds with the address at which the browser can request the parameter address later, as
// /sign-in does with its parameter return.
func (f *fixture) save(w http.ResponseWriter, r *http.Request) {
	if short, ok := f.requests.Shorten(w, r, r.URL.Query().Get("address")); ok {
		fmt.Fprint(w, short)
	}
}

// rows returns how many requests are stored, and deletes them.
func (f *fixture) rows() int {
	f.t.Helper()
	n, err := f.store.Sweep(f.t.Context(), f.now.Add(1000*time.Hour), time.Time{}, 1_000_000)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// browser is a browser with cookies.
type browser struct {
	f   *fixture
	jar http.CookieJar // nil = it keeps no cookies
}

func (f *fixture) browser() *browser {
	f.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return &browser{f: f, jar: jar}
}

// get requests an address, and follows redirects and pages that continue automatically.
func (b *browser) get(address string) *httptest.ResponseRecorder {
	b.f.t.Helper()
	for range 5 {
		w := b.request(address, http.Header{"Accept": {"text/html"}})
		next := w.Header().Get("Location")
		if next == "" && webtest.Kind(w.Body.String()) == web.Continue {
			next = webtest.Read(b.f.t, w.Body.String()).Refresh
		}
		if next == "" {
			return w
		}
		address = next
	}
	b.f.t.Fatal("endless redirects")
	return nil
}

// request requests an address once.
func (b *browser) request(address string, header http.Header) *httptest.ResponseRecorder {
	b.f.t.Helper()
	r := httptest.NewRequest(http.MethodGet, base+address, nil)
	maps.Copy(r.Header, header)
	own, err := url.Parse(base)
	if err != nil {
		b.f.t.Fatal(err)
	}
	if b.jar != nil {
		for _, c := range b.jar.Cookies(own) {
			r.AddCookie(c)
		}
	}
	w := httptest.NewRecorder()
	b.f.mux.ServeHTTP(w, r)
	if b.jar != nil {
		b.jar.SetCookies(own, w.Result().Cookies())
	}
	return w
}

// long returns the address of a request whose state has n bytes that cannot be compressed.
func long(n int) string { return "/feature?state=" + state(n) }

func state(n int) string {
	var out strings.Builder
	for i := 0; out.Len() < n; i++ {
		fmt.Fprintf(&out, "%x", i*2654435761)
	}
	return out.String()[:n]
}
