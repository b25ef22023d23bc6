package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat/wechattest"
)

// withForwardedFor makes the gateway believe the X-Forwarded-For of the tests.
func withForwardedFor(w *gatewayFixture) {
	w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// attacker sends requests from addresses of its choice, and keeps the cookies that it wants.
type attacker struct{ w *gatewayFixture }

// get requests a path of the gateway from an address.
func (a attacker) get(from, path string, cookies []*http.Cookie) *http.Response {
	r := httptest.NewRequestWithContext(a.w.t.Context(), http.MethodGet, a.w.url+path, nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("X-Forwarded-For", from)
	r.Header.Set("User-Agent", fixture.AgentWeChat)
	r.Header.Set("Accept", "text/html")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	a.w.replicas[0].Handler().ServeHTTP(rec, r)
	return rec.Result()
}

// start starts a flow, and returns its state and its cookies.
func (a attacker) start(from string) (state string, cookies []*http.Cookie) {
	a.w.t.Helper()
	res := a.get(from, "/sign-in?return=/", nil)
	location, err := url.Parse(res.Header.Get("Location"))
	if err != nil || location.Query().Get("state") == "" {
		a.w.t.Fatalf("%d to %v, %v", res.StatusCode, location, err)
	}
	return location.Query().Get("state"), res.Cookies()
}

// madeUpCode sends a made-up code in a flow.
func (a attacker) madeUpCode(from, code, state string, cookies []*http.Cookie) *http.Response {
	return a.get(from, "/wechat/callback?"+url.Values{"code": {code}, "state": {state}}.Encode(), cookies)
}

// Sixty addresses send made-up codes, each in a flow of its own, at a gateway whose quota at WeChat
// is low. They cause few calls and rows, and a user beside them signs in at once.
func TestMadeUpCodesFromSixtyAddresses(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withForwardedFor, stoppedClock, func(w *gatewayFixture) {
		w.wechat.UpdateQuirks(func(q *wechattest.Quirks) { q.Quota = 3000 })
		w.config.Limits.WeChatCalls = 1200 // a burst of 200
	})
	mallory := attacker{w}
	pages := map[string]int{}
	const requests = 60 * 40
	for i := range requests {
		from := fmt.Sprintf("203.0.113.%d", i%60)
		state, cookies := mallory.start(from)
		res := mallory.madeUpCode(from, fmt.Sprintf("made-up-%d", i), state, cookies)
		if to := res.Header.Get("Location"); strings.Contains(to, "/sign-in/ended?") {
			pages[w.pageAt(mallory, from, to)]++
		} else if !strings.HasPrefix(to, w.wechat.URL) {
			t.Fatalf("%d to %s", res.StatusCode, to)
		}
		if w.clock.Advance(2500 * time.Microsecond); i == requests/2 { // in the middle of the attack
			w.signsIn("alice", "198.51.100.7")
		}
	}
	w.signsIn("bob", "2001:db8::7")
	exchanges := w.wechat.Exchanges()
	t.Logf("%d made-up codes in 6 s: %d calls to WeChat, pages %v", requests, exchanges, pages)
	// One of each address, from the reserve; of the rest 100 at once and 10 a second.
	if exchanges > 230 || pages["suspect"] < requests-exchanges || pages["busy"] > 0 {
		t.Errorf("%d calls to WeChat, pages %v", exchanges, pages)
	}
	if state, cookies := mallory.start("203.0.113.1"); state == "" || len(cookies) == 0 {
		t.Error("the button of the page starts no flow")
	}
}

// pageAt returns the name of the page at an address.
func (w *gatewayFixture) pageAt(a attacker, from, address string) string {
	w.t.Helper()
	res := a.get(from, strings.TrimPrefix(address, w.url), nil)
	buf := new(strings.Builder)
	if err := res.Write(buf); err != nil {
		w.t.Fatal(err)
	}
	return fixture.PageName(&wechattest.Page{Body: buf.String()})
}

// signsIn signs a user in from an address, with a code of WeChat, and fails the test unless it
// succeeds.
func (w *gatewayFixture) signsIn(person, from string) {
	w.t.Helper()
	a := attacker{w}
	state, cookies := a.start(from)
	code, err := w.wechat.Code(w.config.WeChat[0].AppID, person, "snsapi_base")
	if err != nil {
		w.t.Fatal(err)
	}
	res := a.madeUpCode(from, code, state, cookies)
	signedIn := false
	for _, c := range res.Cookies() {
		signedIn = signedIn || strings.HasSuffix(c.Name, "-s") && c.Value != ""
	}
	if !signedIn {
		w.t.Errorf("%s from %s is not signed in: %d to %s", person, from, res.StatusCode, res.Header.Get("Location"))
	}
}

// One flow is not enough for many codes: two are sent to WeChat, and one row is stored.
func TestMadeUpCodesOfOneFlow(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withForwardedFor)
	mallory := attacker{w}
	state, cookies := mallory.start("203.0.113.9")
	for i := range 100 {
		mallory.madeUpCode("203.0.113.9", fmt.Sprintf("made-up-%d", i), state, cookies)
	}
	if n := w.wechat.Exchanges(); n != 2 {
		t.Errorf("%d codes of one flow were sent to WeChat, want 2", n)
	}
}
