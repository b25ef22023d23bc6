package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// madeUpCookies returns a Cookie header of about 60 kB with made-up cookies, whose names are those
// of the gateway's own.
func madeUpCookies() string {
	var header strings.Builder
	for i := 0; header.Len() < 60_000; i++ {
		for _, name := range []string{"weigate%s-d-%010d", "weigate%s-f-%010d", "weigate%s-s", "weigate%s-k"} {
			if strings.Contains(name, "%010d") {
				fmt.Fprintf(&header, name+"=A; ", "PORT", i)
			} else if i%50 == 0 {
				fmt.Fprintf(&header, name+"=%043d; ", "PORT", i)
			}
		}
	}
	return header.String()
}

// leastTime returns the least time that a handler needs for a request, of several tries: other
// processes of the machine can only make one slower. It tries up to 100 times until one takes no longer
// than enough.
func leastTime(handler http.Handler, request func() *http.Request, enough time.Duration) time.Duration {
	least := time.Hour
	for i := 0; i < 5 || i < 100 && least > enough; i++ {
		r := request()
		start := time.Now()
		handler.ServeHTTP(httptest.NewRecorder(), r)
		least = min(least, time.Since(start))
	}
	return least
}

// TestThousandsOfCookiesCostNothing sends thousands of made-up cookies, with the names of the
// gateway's own, to every route. Before cookies were read in one pass and bounded, one request cost
// two seconds of CPU at /sign-in, at the authorization endpoint, at the relay and at /forward-auth.
func TestThousandsOfCookiesCostNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop, func(w *gatewayFixture) {
		w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		w.config.Apps = append(w.config.Apps, config.App{
			App: gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth, Name: "Wiki",
				Access: gateway.AccessRule{Rule: gateway.AccessSignedIn}},
			Hosts: []string{"wiki.localhost:8099"},
		})
	})
	_, port, _ := strings.Cut(strings.TrimPrefix(w.url, "http://"), ":")
	cookies := strings.ReplaceAll(madeUpCookies(), "PORT", port)
	addresses := map[string]string{ // of requests that do more than the bare path of their route
		"authorize":    strings.TrimPrefix(w.authorize("sample"), w.url),
		"relay":        strings.TrimPrefix(w.shopAddress("snsapi_base"), w.url),
		"forward auth": "/forward-auth?to=http%3A%2F%2Fwiki.localhost%3A8099&return=%2F&challenge=" + strings.Repeat("A", 43),
		"sign-in":      "/sign-in?return=/",
		"desktop":      "/scan?d=0000000000",
		"poll":         "/scan/state?d=0000000000&seen=open",
		"callback":     "/wechat/callback?code=made-up&state=" + strings.Repeat("A", 43),
	}
	patterns, err := w.replicas[0].Routes()
	if err != nil || len(patterns) < 40 {
		t.Fatalf("%d routes, %v", len(patterns), err)
	}
	for _, pattern := range patterns {
		addresses[pattern] = pattern
	}
	for name, address := range addresses {
		method, path, found := strings.Cut(address, " ")
		methods := []string{method}
		if !found {
			methods, path = []string{http.MethodGet, http.MethodPost}, address
		}
		path = strings.NewReplacer("{$}", "", "{ticket}", strings.Repeat("a", 26)).Replace(path)
		host, path, _ := strings.Cut(path, "/")
		if host == "" {
			host = strings.TrimPrefix(w.url, "http://")
		}
		for _, method := range methods {
			request := func(cookies string) func() *http.Request {
				return func() *http.Request {
					w.clock.Advance(time.Minute) // no request is rejected by a rate limit
					r := httptest.NewRequestWithContext(t.Context(), method, "/"+path, nil)
					r.Host, r.RemoteAddr = host, "127.0.0.1:1"
					r.Header.Set("Cookie", cookies)
					r.Header.Set("User-Agent", uaDesktop)
					r.Header.Set("Accept", "text/html")
					return r
				}
			}
			handler := w.replicas[0].Handler()
			const most = 100 * time.Millisecond // before the bound it was 157 ms to 2 s
			few := leastTime(handler, request("weigate"+port+"-s=A"), most)
			many := leastTime(handler, request(cookies), few+most)
			t.Logf("%-5s %-36s %8v with a few, %8v with thousands", method, name, few.Round(time.Microsecond),
				many.Round(time.Microsecond))
			if many-few > most {
				t.Errorf("%s %s: %v with a few cookies, %v with thousands", method, name, few, many)
			}
		}
	}
}
