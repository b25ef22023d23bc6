package login_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// instant is WeChat without a network: what is measured is ours.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(tokenFor(r.URL.Query().Get("code"), "snsapi_base"))),
	}, nil
}

func benchHandler(b *testing.B) *login.Handler {
	store := login.NewMemoryStore()
	store.MaxRows = 1 << 30
	h, err := login.New(login.Config{
		URL: "https://app.example.com", Keys: [][]byte{key(1)}, Store: store,
		OfficialAccount: &wechat.Client{AppID: accountID, Secret: "secret", HTTPClient: &http.Client{Transport: instant{}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// begun starts a sign-in and returns the request that WeChat sends back.
func begun(b *testing.B, h *login.Handler) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com/sign-in?return=/private/x", nil)
	r.Header.Set("User-Agent", uaWeChat)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		b.Fatal(err)
	}
	r = httptest.NewRequest("GET",
		"https://app.example.com/wechat/callback?code=061eY9xX08tQu02IH4wX05BjxX0eY9xA&state="+u.Query().Get("state"), nil)
	r.Header.Set("User-Agent", uaWeChat)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	return r
}

// BenchmarkCallback is the callback path: cookie opened, attempt stored, exchange (WeChat answers
// at once), session, outcome, redirect. Run it with -cpu 1 for callbacks per second on one core.
func BenchmarkCallback(b *testing.B) {
	h := benchHandler(b)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		r, w := begun(b, h), httptest.NewRecorder()
		b.StartTimer()
		h.ServeHTTP(w, r)
		if w.Code != 303 {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "callbacks/s")
}

// BenchmarkStart is the way to WeChat: state, sealed cookie, redirect.
func BenchmarkStart(b *testing.B) {
	h := benchHandler(b)
	r := httptest.NewRequest("GET", "https://app.example.com/sign-in?return=/private/x", nil)
	r.Header.Set("User-Agent", uaWeChat)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 302 {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkRequire is what a protected page costs.
func BenchmarkRequire(b *testing.B) {
	h := benchHandler(b)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, begun(b, h))
	r := httptest.NewRequest("GET", "https://app.example.com/private/x", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	page := h.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		if w.Code != 204 {
			b.Fatal(w.Code)
		}
	}
}
