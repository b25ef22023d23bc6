package savedrequest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

// A request with a state of up to 8 kB reaches the app's feature again with the same bytes, through
// an address of less than 200 bytes (aws-amplify/amplify-js#4998, openiddict/openiddict-core#1301,
// authelia/authelia#939).
func TestLongRequestComesBackByteForByte(t *testing.T) {
	t.Parallel()
	for _, n := range []int{300, 1000, 1280, 1500, 3000, 7000, 8100} {
		f := newFixture(t)
		b := f.browser()
		short := b.get(long(n)).Body.String()
		if n > 1280 && len(short) > 200 || n <= 1280 && short != long(n)+"&id=1" {
			t.Fatalf("%d bytes: continues at %.300s", n, short)
		}
		f.seen = nil
		again := b.get(short).Body.String()
		if f.seen.Get("state") != state(n) || f.seen.Get("id") != "1" || again != short {
			t.Errorf("%d bytes: the feature got %.100v and continues at %.300s", n, f.seen, again)
		}
		want := 0
		if n > 1280 {
			want = 1
		}
		if rows := f.rows(); rows != want {
			t.Errorf("%d bytes: %d rows", n, rows)
		}
	}
}

func TestHeadersOfEveryResponseAreShort(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	for range 3 {
		w := b.request(long(7000), http.Header{"Accept": {"text/html"}})
		size := 0
		for name, values := range w.Header() {
			for _, v := range values {
				size += len(name) + len(v) + 4
			}
		}
		if size > 3500 {
			t.Errorf("%d bytes of headers: %v", size, w.Header())
		}
		if w.Header().Get("Cache-Control") != "no-store" && webtest.Kind(w.Body.String()) != "" {
			t.Errorf("the page may be cached: %v", w.Header())
		}
	}
}

// A program does not read pages: it gets a redirect, however long.
func TestProgramIsRedirected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	w := b.request(long(7000), http.Header{"Accept": {"*/*"}})
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), long(7000)+"&") {
		t.Fatalf("%d %.100v", w.Code, w.Header())
	}
	if w = b.request(w.Header().Get("Location"), nil); !strings.HasPrefix(w.Body.String(), "/continue/") {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
}

func TestBrowserWithoutCookiesIsNotRedirectedEndlessly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := &browser{f: f}
	w := b.get(long(7000))
	if page := webtest.Read(t, w.Body.String()); page.Kind != web.NoCookies || page.Go != long(7000) {
		t.Errorf("%d %+v", w.Code, page)
	}
	if rows := f.rows(); rows != 0 {
		t.Errorf("%d rows", rows)
	}
}

// The key of a saved request is of no use without the cookie of the browser that saved it, and it
// does not reveal whether the request exists.
func TestStolenKeyContinuesNothingInAnotherBrowser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	victim, mallory := f.browser(), f.browser()
	short := victim.get(long(7000)).Body.String()
	own := mallory.get(long(6000)).Body.String()
	f.seen = nil
	answers := map[string]bool{}
	for name, b := range map[string]*browser{"another browser": mallory, "no cookie": {f: f}} {
		for _, address := range []string{short, "/continue/AAAAAAAAAAAAAAAAAAAAAA", "/continue/%00"} {
			w := b.get(address)
			page := webtest.Read(t, w.Body.String())
			if w.Code != http.StatusBadRequest || page.Kind != web.RequestExpired || f.seen != nil {
				t.Errorf("%s at %s: %d %s, the feature got %.100v", name, address, w.Code, page.Kind, f.seen)
			}
			answers[page.Text] = true
		}
	}
	if len(answers) != 1 {
		t.Errorf("%d different pages", len(answers))
	}
	if w := mallory.get(own); !strings.HasPrefix(w.Body.String(), "/continue/") {
		t.Errorf("the own request: %d %s", w.Code, w.Body)
	}
	if w := victim.get(short); !strings.HasPrefix(w.Body.String(), "/continue/") {
		t.Errorf("the victim: %d %s", w.Code, w.Body)
	}
}

// Two users may open the same long link. Each has an own key, so neither can block the other.
func TestSameRequestOfTwoBrowsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.browser(), f.browser()
	own, other := first.get(long(7000)).Body.String(), second.get(long(7000)).Body.String()
	// without the digit of the cookie
	if len(own) != len(other) || strings.TrimPrefix(own, "/continue/")[1:] == strings.TrimPrefix(other, "/continue/")[1:] {
		t.Errorf("the keys are %.200s and %.200s", own, other)
	}
	for b, short := range map[*browser]string{first: own, second: other} {
		if got := b.get(short).Body.String(); got != short {
			t.Errorf("%.200s continues at %.200s", short, got)
		}
	}
}

// recorder records the limits of the rows.
type recorder struct {
	gateway.SavedRequests
	rows gateway.SavedRequestLimits
}

func (r *recorder) SaveRequest(ctx context.Context, req gateway.SavedRequest, now time.Time,
	rows gateway.SavedRequestLimits) error {
	r.rows = rows
	return r.SavedRequests.SaveRequest(ctx, req, now, rows)
}

func TestRowsAreLimitedByDefault(t *testing.T) {
	t.Parallel()
	store := &recorder{}
	f := newFixture(t, func(c *savedrequest.Config) { store.SavedRequests, c.Store = c.Store, store })
	f.browser().get(long(7000))
	if want := (gateway.SavedRequestLimits{Total: limit.SavedRequests.Max, PerNetwork: limit.SavedRequestsPerNetwork.Max,
		PerBrowser: limit.SavedRequestsPerBrowser.Max}); store.rows != want {
		t.Errorf("the limits are %+v, want %+v", store.rows, want)
	}
}

// A forged cookie counts as none: it neither opens nor stores a request.
func TestForgedCookieStoresNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, value := range []string{"x", strings.Repeat("A", 70), ""} {
		w := f.browser().request(long(7000)+"&weigate_retry=1",
			http.Header{"Cookie": {"__Host-weigate-r1=" + value}, "Accept": {"text/html"}})
		if kind := webtest.Kind(w.Body.String()); kind != web.NoCookies {
			t.Errorf("%q: %d %s", value, w.Code, kind)
		}
	}
	if rows := f.rows(); rows != 0 {
		t.Errorf("%d rows", rows)
	}
}

// A link to a short address with more parameters cannot replace a parameter of the saved request.
func TestShortAddressReplacesNoParameter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	short := b.get(long(7000)).Body.String()
	b.get(short + "&state=evil")
	if got := f.seen["state"]; len(got) != 2 || got[0] != state(7000) {
		t.Errorf("state %.100q", got)
	}
}

func TestFloodOfLongRequestsWithoutCookiesStoresNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for n := range 200 {
		w := (&browser{f: f}).request(fmt.Sprintf("%s%d", long(7000), n), http.Header{"Accept": {"text/html"}})
		if w.Code != http.StatusOK || w.Header().Get("Set-Cookie") == "" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
	}
	if rows := f.rows(); rows != 0 {
		t.Errorf("%d rows", rows)
	}
}

// A flood of made-up requests with cookies, from many networks, stores a bounded number of rows. A
// user beside it signs in.
func TestFloodOfLongRequestsIsBoundedAndLeavesOthers(t *testing.T) {
	t.Parallel()
	rows := gateway.SavedRequestLimits{Total: 60, PerNetwork: 20, PerBrowser: 5}
	f := newFixture(t, func(c *savedrequest.Config) { c.Rows = rows })
	honest := f.browser()
	short := honest.get(long(7000)).Body.String()
	for network := range 20 {
		f.from = netip.AddrFrom4([4]byte{198, 51, 100, byte(network)})
		for n := range 3 {
			flooder := f.browser()
			flooder.get(long(7000))
			for more := range 7 {
				flooder.get(fmt.Sprintf("%s-%d-%d-%d", long(7000), network, n, more))
			}
		}
	}
	f.seen = nil
	if honest.get(short); f.seen.Get("state") != state(7000) {
		t.Error("the honest request is gone")
	}
	if n := f.rows(); n > rows.Total || n < 40 {
		t.Errorf("%d rows, want at most %d", n, rows.Total)
	}
}

func TestOneNetworkCannotWriteWithoutPause(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.get(long(7000))
	refused := 0
	for n := range limit.NewSavedRequestsPerNetwork.Burst + 20 {
		if w := b.get(fmt.Sprintf("%s-%d", long(2000), n)); w.Code == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("%d refused", refused)
	}
	f.from = netip.MustParseAddr("198.51.100.9")
	if w := f.browser().get(long(7000)); w.Code != http.StatusOK {
		t.Errorf("another network: %d %s", w.Code, webtest.Kind(w.Body.String()))
	}
	if rows := f.rows(); rows != limit.SavedRequestsPerBrowser.Max+1 {
		t.Errorf("%d rows", rows)
	}
}

func TestAddressOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := f.browser().get(long(limit.RequestAddress.Bytes))
	if kind := webtest.Kind(w.Body.String()); w.Code != http.StatusRequestURITooLong || kind != web.AddressTooLong {
		t.Errorf("%d %s", w.Code, kind)
	}
}

// A browser that restores its tabs sends several first requests at the same moment. The response to
// the second arrives after the first request was saved. Both users continue.
func TestTwoFirstRequestsOfOneBrowserBothContinue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, second := f.browser(), f.browser()
	answer := second.request(long(6000), nil) // sent without cookies
	first := b.get(long(7000)).Body.String()
	own, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	b.jar.SetCookies(own, answer.Result().Cookies())
	short := b.get(answer.Header().Get("Location")).Body.String()
	for address, size := range map[string]int{first: 7000, short: 6000} {
		f.seen = nil
		if got := b.get(address).Body.String(); f.seen.Get("state") != state(size) || got != address {
			t.Errorf("%d bytes: the feature got %.100v, and continues at %.200s", size, f.seen, got)
		}
	}
	if rows := f.rows(); rows != 2 {
		t.Errorf("%d rows", rows)
	}
}

// However many first requests a browser sends at the same moment, it keeps a bounded number of
// cookies: nginx rejects a request with more than 8 kB of them.
func TestManyFirstRequestsLeaveFewCookies(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	own, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		w := f.browser().request(fmt.Sprintf("%s%d", long(7000), n), nil)
		b.jar.SetCookies(own, w.Result().Cookies())
	}
	size := 0
	for _, c := range b.jar.Cookies(own) {
		size += len(c.Name) + len(c.Value) + len("=; ")
	}
	if size == 0 || size > 2500 {
		t.Errorf("%d bytes of cookies", size)
	}
}

// A request lives for an hour after its last use: a user may wait for an administrator's approval on
// a page that loads the short address again and again.
func TestRequestInUseDoesNotExpire(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	short := b.get(long(7000)).Body.String()
	for range 60 { // 30 hours: longer than the cookie of the first response lives
		f.now = f.now.Add(30 * time.Minute)
		if got := b.get(short).Body.String(); got != short {
			t.Fatalf("after %s: %.200s", f.now, got)
		}
	}
	f.now = f.now.Add(time.Hour)
	if w := b.get(short); webtest.Kind(w.Body.String()) != web.RequestExpired {
		t.Errorf("an hour later: %d %.100s", w.Code, w.Body)
	}
}
