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

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
)

// Each code is a row, whatever the kind of the app. A signed-in browser gets as many as a user may
// need, and fewer than a loop would add, even if it sends made-up cookies of the gateway.
func TestFloodOfCodesForOneUserEnds(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop, func(w *gatewayFixture) {
		w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		w.config.Apps = append(w.config.Apps, config.App{
			App: gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth, Name: "Wiki",
				Access: gateway.AccessRule{Rule: gateway.AccessSignedIn}},
			Hosts: []string{"wiki.localhost:8099"},
		})
	})
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	alice.Must(alice.Open(t.Context(), w.url+"/sign-in?scope=profile&return=/"))
	alice.Must(alice.Allow(t.Context())) // so that nobody is asked for it here
	cookies := alice.Cookies(w.url)
	handoff := w.url + "/forward-auth?" +
		url.Values{"to": {"http://wiki.localhost:8099"}, "challenge": {strings.Repeat("A", 43)}, "return": {"/"}}.Encode()
	for _, k := range []struct {
		name, address, prefix string
		status, atLeast       int
	}{
		{"OpenID Connect", w.authorize("sample"), w.app.URL, http.StatusSeeOther, 250},
		{"old code", w.shopAddress("snsapi_base"), w.app.URL, http.StatusFound, 250},
		{"forward auth", handoff, "http://wiki.localhost:8099/.weigate/finish?", http.StatusSeeOther, 60},
	} {
		w.clock.Advance(time.Minute) // nothing is left of what was counted before
		got := map[int]int{}
		for n := range 600 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, k.address, nil)
			r.RemoteAddr = "127.0.0.1:1"
			r.AddCookie(&http.Cookie{Name: "weigate-d", Value: fmt.Sprintf("made up, number %06d", n)})
			for _, c := range cookies {
				r.AddCookie(c)
			}
			rec := httptest.NewRecorder()
			w.replicas[0].Handler().ServeHTTP(rec, r)
			got[rec.Code]++
			if rec.Code == k.status && !strings.HasPrefix(rec.Header().Get("Location"), k.prefix) {
				t.Fatalf("%s: sent to %s", k.name, rec.Header().Get("Location"))
			}
		}
		if got[k.status] < k.atLeast || got[http.StatusTooManyRequests] < 100 || len(got) != 2 {
			t.Errorf("%s: 600 requests were answered %v", k.name, got)
		}
	}
}
