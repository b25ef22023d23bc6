package login_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

// from returns a browser whose requests come from an address.
func (s *fixture) from(address string) *browser {
	b := s.browser()
	b.headers.Set("X-Forwarded-For", address)
	return b
}

// withForwardedFor reads the address of the client from a header, as behind a proxy.
func withForwardedFor(c *login.Config) {
	c.ClientAddr = func(r *http.Request) netip.Addr {
		address, _ := netip.ParseAddr(r.Header.Get("X-Forwarded-For"))
		return address
	}
}

// refuseAllBut lets WeChat refuse every code but these.
func (s *fixture) refuseAllBut(valid ...string) {
	s.wechat.exchange = func(_ context.Context, c string) string {
		for _, v := range valid {
			if c == code(v) {
				return tokenFor(c, "snsapi_base")
			}
		}
		return refused(40029, "invalid code")
	}
}

// An attacker starts one flow and sends made-up codes with it.
func TestMadeUpCodesOfOneFlow(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.refuseAllBut()
	b := s.browser()
	state := b.begin("/sign-in")
	for i := range 50 {
		// The attacker keeps the cookie of the flow.
		s.stateIn(serve(s.mux, b.request("GET", s.callback(fmt.Sprint("madeup", i), state), nil))) // restarted
	}
	if n := s.wechat.exchanges(); n != 2 {
		t.Errorf("%d codes of one flow were sent to WeChat, want 2", n)
	}
	// Nor does the flow accept a second code later.
	state = b.begin("/sign-in")
	serve(s.mux, b.request("GET", s.callback("first", state), nil))
	s.clock.advance(16 * time.Second)
	serve(s.mux, b.request("GET", s.callback("later", state), nil))
	if n := s.wechat.times("later"); n != 0 {
		t.Error("a second code was sent after a quarter of a minute")
	}
}

// An attacker sends made-up codes from sixty addresses, each in a flow of its own. They get a page
// with a button soon, and users elsewhere sign in as always.
func TestMadeUpCodesFromSixtyAddresses(t *testing.T) {
	t.Parallel()
	s := newFixture(t, withForwardedFor)
	s.refuseAllBut("a", "b")
	pages := 0
	for i := range 60 * 50 {
		b := s.from(fmt.Sprintf("203.0.113.%d", i%60))
		res := b.get(s.callback(fmt.Sprint("madeup", i), b.begin("/sign-in")))
		if res.StatusCode == http.StatusSeeOther {
			if s.wantPage(res, login.PageSuspect, http.StatusTooManyRequests); pages == 0 {
				s.stateIn(b.get("/sign-in?return=/")) // the button
			}
			pages++
		}
		s.clock.advance(2 * time.Millisecond)
	}
	// 20 of each address, then 500 in all, and 10 a second.
	if n := s.wechat.exchanges(); n > 60*20+500+100 || pages < 1000 {
		t.Errorf("%d codes were sent to WeChat, %d pages", n, pages)
	}
	honest := s.from("198.51.100.7")
	s.wantGo(honest.get(s.callback(code("a"), honest.begin("/sign-in"))), "/")
	if honest.who() == "" {
		t.Error("a user elsewhere is not signed in")
	}
	// A user who shares an address with the attacker signs in after the attack.
	s.clock.advance(time.Minute)
	neighbour := s.from("203.0.113.1")
	s.wantGo(neighbour.get(s.callback(code("b"), neighbour.begin("/sign-in"))), "/")
}

// Attackers from very many networks use up the share of suspect networks at most; the limit of calls
// stays below WeChat's quota.
func TestExchangesAreLimited(t *testing.T) {
	t.Parallel()
	s := newFixture(t, withForwardedFor, func(c *login.Config) { c.ExchangesPerMinute = 120 })
	s.refuseAllBut("a")
	limited := 0
	for i := range 200 {
		b := s.from(fmt.Sprintf("2001:db8:%x::1", i))
		res := b.get(s.callback(fmt.Sprint("madeup", i), b.begin("/sign-in")))
		if res.StatusCode == http.StatusSeeOther {
			s.wantPage(res, login.PageBusy, http.StatusServiceUnavailable)
			limited++
		}
	}
	if n := s.wechat.exchanges(); n != 20 || limited != 180 {
		t.Errorf("%d codes were sent at once, %d were not", n, limited)
	}
	s.clock.advance(time.Second)
	b := s.from("198.51.100.7")
	s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in"))), "/")
}

// Behind a proxy that the program does not know, all clients have one address. They must not be
// counted as one network.
func TestUnknownProxyIsNoNetwork(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.refuseAllBut("a")
	for i := range 700 {
		b := s.browser()
		r := b.request("GET", s.callback(fmt.Sprint("madeup", i), b.begin("/sign-in")), nil)
		r.RemoteAddr = "10.0.0.1:80"
		b.do(r)
	}
	b := s.browser()
	r := b.request("GET", s.callback(code("a"), b.begin("/sign-in")), nil)
	r.RemoteAddr = "10.0.0.1:80"
	s.wantGo(b.do(r), "/")
}
