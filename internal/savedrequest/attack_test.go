package savedrequest_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

// Anybody can save an address as the return address of a sign-in. A reverse proxy may block some
// routes of the gateway, such as /verify: a saved request must not be another way to them. Nor does a
// saved request open another one, since one request could then cost as much as twenty.
func TestSavedRequestReachesNoRouteThatAProxyMayBlock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	short := b.get(long(7000)).Body.String()
	key, _, _ := strings.Cut(short, "?")
	for _, address := range []string{"/verify?", "/token?", "/healthz?", "/missing?", key + "?", "/feature/../verify?"} {
		saved := b.get("/save?" + url.Values{"address": {address + state(2000)}}.Encode()).Body.String()
		f.seen = nil
		if w := b.get(saved); webtest.Kind(w.Body.String()) != web.RequestExpired || f.seen != nil {
			t.Errorf("%s: %d %.100s", address, w.Code, w.Body)
		}
	}
	if w := b.get(short); f.seen.Get("state") != state(7000) {
		t.Errorf("a route that browsers open: %d %.100s", w.Code, w.Body)
	}
}

// Two browsers may make the same request: nobody can store the request of another browser first, so
// that the other browser cannot save it.
func TestRequestThatAnotherBrowserHasSavedFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mallory, victim := f.browser(), f.browser()
	first, second := mallory.get(long(7000)).Body.String(), victim.get(long(7000)).Body.String()
	if first == second || !strings.HasPrefix(second, "/continue/") {
		t.Fatalf("%.200s and %.200s", first, second)
	}
	if got := victim.get(second).Body.String(); got != second {
		t.Errorf("the victim continues at %.200s", got)
	}
}

// The store has no IP address, and the log no key.
func TestStoreAndLogDoNotIdentifyTheClient(t *testing.T) {
	t.Parallel()
	saved := &networkRecorder{}
	f := newFixture(t, func(c *savedrequest.Config) { saved.SavedRequests, c.Store = c.Store, saved })
	short := f.browser().get(long(7000)).Body.String()
	if len(saved.networks) != 1 || saved.networks[0] == "" || strings.Contains(saved.networks[0], "203.0.113") {
		t.Errorf("networks %q", saved.networks)
	}
	mux := route.NewMux()
	f.requests.Mount(mux)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+short, nil)
	if err != nil || mux.Policy(r)&route.Private == 0 {
		t.Errorf("the key is logged: %v", err)
	}
}

// networkRecorder records the networks of saved requests.
type networkRecorder struct {
	gateway.SavedRequests
	networks []string
}

func (s *networkRecorder) SaveRequest(ctx context.Context, r gateway.SavedRequest, now time.Time,
	limits gateway.SavedRequestLimits) error {
	s.networks = append(s.networks, r.Network)
	return s.SavedRequests.SaveRequest(ctx, r, now, limits)
}

// Browsers keep cookies longer than they should: with a stolen cookie of last month, nobody continues
// a request.
func TestOldCookieIsNotAccepted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.get(long(7000))
	f.now = f.now.Add(25 * time.Hour)
	if w := b.request(long(7000), http.Header{"Accept": {"text/html"}}); w.Header().Get("Set-Cookie") == "" {
		t.Errorf("%d %.100s", w.Code, w.Body)
	}
}

// The limit of an address holds for what a client sends. The parameters of a short address do not
// make a saved request too long.
func TestParametersOfTheGatewayDoNotMakeARequestTooLong(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	short := b.get(long(8100)).Body.String()
	if f.tooLong {
		t.Error("8100 bytes are too long")
	}
	b.get(short + "&more=" + strings.Repeat("m", 300))
	if f.tooLong || f.seen.Get("state") != state(8100) {
		t.Errorf("the saved request is too long: %t", f.tooLong)
	}
	if b.get(long(8300)); !f.tooLong {
		t.Error("8300 bytes are not too long")
	}
}
