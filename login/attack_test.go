package login_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

// A proxy forwards any Host, or a client forges one: no address and no cookie of the handler uses
// it.
func TestForgedHostHeaderIsIgnored(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("a")
	visitor := s.browser()
	state := visitor.begin("/sign-in")
	for _, path := range []string{
		"/sign-in", "/private/x", "/sign-out", "/sign-in/me", "/sign-in/lost", "/sign-in/profile", "/named/x",
		s.callback(code("b"), state), "/wechat/callback?state=" + state, "/wechat/callback", "/nothing",
	} {
		for _, who := range []*browser{b, visitor} {
			r := who.request("GET", path, nil)
			r.Host = "evil.example"
			for _, name := range []string{"X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"} {
				r.Header.Set(name, "host=evil.example")
			}
			res := who.do(r)
			for name, values := range res.Header {
				if strings.Contains(strings.Join(values, " "), "evil.example") {
					t.Errorf("%s: header %s is %q", path, name, values)
				}
			}
			if body := text(res); strings.Contains(body, "evil.example") {
				t.Errorf("%s: the page repeats the host: %s", path, body)
			}
		}
	}
}

// Another site asks who the visitor is, by script, with or without a preflight.
func TestOtherSitesCannotReadWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	s := newFixture(t, withReturnHosts)
	b := s.browser()
	b.signIn("a")
	for _, origin := range []string{"https://evil.example", "https://shop.example.com", "null"} {
		for _, method := range []string{"GET", "OPTIONS", "POST"} {
			r := b.request(method, "/sign-in/me", nil)
			r.Header.Set("Origin", origin)
			r.Header.Set("Access-Control-Request-Method", "GET")
			res := b.do(r)
			for name := range res.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s from %s: %s", method, origin, name)
				}
			}
			if method != "GET" && res.StatusCode != 405 {
				t.Errorf("%s: %d, want 405", method, res.StatusCode)
			}
			if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: headers %v", method, res.Header)
			}
		}
	}
}

// Two replicas whose clocks differ by more than the lease: the one ahead must neither wait for ever
// nor send the code a second time.
func TestClockSkewDoesNotExchangeTwice(t *testing.T) {
	t.Parallel()
	s, ahead := newFixture(t), newFixture(t)
	store := login.NewMemoryStore()
	config := func(now func() time.Time) login.Config {
		return login.Config{URL: s.origin, Keys: [][]byte{key(1)}, Store: store, OfficialAccount: account(s.wechat), Now: now}
	}
	s.use(config(s.clock.Now))
	ahead.use(config(func() time.Time { return s.clock.Now().Add(30 * time.Second) }))
	reached, release := make(chan struct{}), make(chan struct{})
	s.wechat.exchange = func(_ context.Context, c string) string {
		close(reached)
		<-release
		return tokenFor(c, "snsapi_base")
	}
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	done := make(chan *http.Response)
	go func() { done <- b.get(s.callback(code("a"), state)) }()
	<-reached
	again := ahead.stateIn(serve(ahead.mux, b.request("GET", s.callback(code("a"), state), nil)))
	close(release)
	s.wantGo(<-done, "/private/x")
	if again == state || s.wechat.times(code("a")) != 1 || b.who() != openIDOf(code("a")) {
		t.Errorf("the code was sent %d times, signed in as %q", s.wechat.times(code("a")), b.who())
	}
}

// A request name that a visitor chose (an app may take it from a header) is text on the page and
// nothing else.
func TestRequestNameIsNoMarkup(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) {
		c.RequestID = func(r *http.Request) string { return r.Header.Get("X-Request-Id") }
	})
	b := s.browser()
	r := b.request("GET", "/sign-in?return="+url.QueryEscape("//evil.example"), nil)
	r.Header.Set("X-Request-Id", `"><script>alert(1)</script>`)
	if body := s.wantPage(b.do(r), login.PageBadReturn, 400); strings.Contains(body, "<script") ||
		!strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("page: %s", body)
	}
}
