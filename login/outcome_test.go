package login_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/weigate/weigate/login"
)

// The virtual user of a snapshot page is never signed in, and the reload after 使用完整服务 starts again.
func TestSnapshotUserIsNotSignedIn(t *testing.T) {
	t.Parallel()
	asked := 0
	s := newFixture(t, func(c *login.Config) {
		c.OnSignIn = func(context.Context, *login.SignIn) error { asked++; return nil }
	})
	s.wechat.exchange = func(_ context.Context, code string) string {
		return strings.TrimSuffix(tokenFor(code, "snsapi_userinfo"), "}") + `,"is_snapshotuser":1}`
	}
	b := s.browser()
	state := b.begin("/sign-in?return=/named/x&scope=profile")
	start := "/sign-in?return=%2Fnamed%2Fx&scope=profile"
	for range 2 { // the repeat gets the same answer
		s.wantGo(b.get(s.callback(code("a"), state)), start)
	}
	if body := s.wantPage(b.get(start), login.PageSnapshot, 200); !strings.Contains(body, "使用完整服务") {
		t.Errorf("the page does not name the button: %s", body)
	}
	if asked != 0 || b.who() != "" || s.wechat.userInfo != 0 {
		t.Errorf("OnSignIn called %d times, user info %d, signed in as %q", asked, s.wechat.userInfo, b.who())
	}
	s.wechat.exchange = func(_ context.Context, code string) string { return tokenFor(code, "snsapi_userinfo") }
	s.wantGo(b.get(s.callback(code("b"), b.begin(start))), "/named/x")
}

// WeChat refuses every code. The sign-in restarts twice, then a page asks the visitor.
func TestRefusedCodesDoNotGoRoundForEver(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.wechat.exchange = func(context.Context, string) string { return refused(40029, "invalid code") }
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	for i := range 2 {
		state = s.stateIn(b.get(s.callback(code(string(rune('a'+i))), state)))
		if want := byte('1' + i); state[len(state)-1] != want {
			t.Errorf("round %d: state ends in %c, want %c", i, state[len(state)-1], want)
		}
	}
	body := s.wantPage(b.get(s.callback(code("z"), state)), login.PageAgain, 502)
	if !strings.Contains(body, "/sign-in?return=%2Fprivate%2Fx") {
		t.Errorf("no way back: %s", body)
	}
}

// The session cookie does not stick, or the replicas do not share a store: each sign-in succeeds,
// and each page asks for another one.
func TestLoopOfSuccessfulSignInsStops(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.lose = func(name string) bool { return strings.HasSuffix(name, "-s") }
	for round := range 10 {
		res := b.get("/private/x")
		if res.StatusCode != 302 {
			t.Fatalf("round %d: %d", round, res.StatusCode)
		}
		res = b.get(res.Header.Get("Location"))
		if res.StatusCode != 302 {
			s.wantPage(res, login.PageLoop, 500)
			if round != 3 {
				t.Errorf("stopped after %d rounds, want 3", round)
			}
			b.begin("/sign-in?return=/private/x") // the button tries again
			return
		}
		s.wantGo(b.get(s.callback(code("a"), s.stateIn(res))), "/private/x")
	}
	t.Error("it went round ten times")
}

// A browser without cookies: one page, no automatic way on.
func TestBrowserWithoutCookiesIsToldSo(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.lose = func(string) bool { return true }
	state := b.begin("/sign-in")
	res := b.get(s.callback(code("a"), state))
	body := s.wantPage(b.get(res.Header.Get("Location")), login.PageNoCookies, 400)
	if strings.Contains(body, "http-equiv") || s.wechat.exchanges() != 0 {
		t.Errorf("exchanges %d, page %s", s.wechat.exchanges(), body)
	}
}

func TestOutcomesThatAreNotASession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		kind   login.PageKind
		status int
	}{
		"wrong secret": {refused(40125, "invalid appsecret"), login.PageFault, 500},
		"address not known": {refused(40164, "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist"), login.PageFault,
			500},
		"system busy":    {refused(-1, "system error"), login.PageBusy, 503},
		"too many calls": {refused(45011, "api minute-quota reach limit"), login.PageBusy, 503},
		"frozen user":    {refused(50002, "user limited"), login.PageUserRestricted, 403},
		"web page":       {"<html>502 Bad Gateway</html>", login.PageBusy, 503},
		"cut off":        {`{"access_token":"83_x","openid":"o`, login.PageBusy, 503},
		"empty object":   {`{}`, login.PageBusy, 503},
		"no openid":      {`{"access_token":"83_x","expires_in":7200}`, login.PageBusy, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t)
			s.wechat.exchange = func(context.Context, string) string { return c.answer }
			b := s.browser()
			state := b.begin("/sign-in?return=/private/x")
			for range 2 { // a refresh sees the same page, and sends nothing
				body := s.wantPage(b.get(s.callback(code("a"), state)), c.kind, c.status)
				if strings.Contains(body, "errcode") || strings.Contains(body, "wechat:") {
					t.Errorf("the page shows an internal error: %s", body)
				}
			}
			sent := 1
			if name == "system busy" {
				sent = 2 // the one answer after which wechat.Client tries again automatically
			}
			if b.who() != "" || s.wechat.exchanges() != sent {
				t.Errorf("signed in as %q after %d exchanges", b.who(), s.wechat.exchanges())
			}
		})
	}
}

func TestAppMayRefuse(t *testing.T) {
	t.Parallel()
	cause := errors.New("no such colleague")
	for name, c := range map[string]struct {
		err    error
		kind   login.PageKind
		status int
		shows  string
	}{
		"with a reason": {&login.RefusalError{Text: "Ask <b>Alice</b> first", Err: cause}, login.PageRefused, 403,
			"Ask &lt;b&gt;Alice&lt;/b&gt; first"},
		"with an invalid byte": {&login.RefusalError{Text: "Ask \xff Alice"}, login.PageRefused, 403, "Ask \uFFFD Alice"},
		"with a long reason": {&login.RefusalError{Text: "x" + strings.Repeat("问", 200)}, login.PageRefused, 403,
			"x" + strings.Repeat("问", 166) + "<"},
		"without a reason": {&login.RefusalError{}, login.PageRefused, 403, "does not let this account in"},
		"by a mistake":     {cause, login.PageFault, 500, "this site"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			s := newFixture(t, func(cfg *login.Config) {
				cfg.OnSignIn = func(context.Context, *login.SignIn) error { asked++; return c.err }
			})
			b := s.browser()
			state := b.begin("/sign-in")
			for range 2 {
				body := s.wantPage(b.get(s.callback(code("a"), state)), c.kind, c.status)
				if !strings.Contains(body, c.shows) || strings.Contains(body, "colleague") {
					t.Errorf("page: %s", body)
				}
			}
			if asked != 1 || b.who() != "" {
				t.Errorf("asked %d times, signed in as %q", asked, b.who())
			}
		})
	}
}
