package login_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/login"
)

// A sign-in fails while its code is still valid, and the user shares the address of the error page
// to ask for help. The address must not contain the code: an attacker could sign in as the user
// with it.
func TestSharedErrorPageDoesNotContainTheCode(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"WeChat is down":  "<html>502 Bad Gateway</html>",
		"wrong secret":    refused(40125, "invalid appsecret"),
		"address unknown": refused(40164, "invalid ip"),
		"too many calls":  refused(45011, "api minute-quota reach limit"),
		"user refused":    refused(50002, "user limited"),
	} {
		s := newFixture(t)
		s.wechat.exchange = func(context.Context, string) string { return answer }
		b := s.browser()
		state := b.begin("/sign-in?return=/private/x")
		res := b.get(s.callback(code("v"), state))
		address := res.Header.Get("Location")
		if res.StatusCode != 303 || !strings.HasPrefix(address, s.origin+"/sign-in/ended?page=") {
			t.Fatalf("%s: the page stands at the callback: %d to %q", name, res.StatusCode, address)
		}
		if leaktest.Find([]byte(address)) != "" || strings.Contains(address, state) {
			t.Errorf("%s: the address holds code or state: %s", name, address)
		}
		shared := s.browser().get(address) // another user, without cookies
		if body := text(shared); !strings.Contains(body, "/sign-in?return=%2Fprivate%2Fx") || len(shared.Cookies()) != 0 {
			t.Errorf("%s: the page has no way on, or sets a cookie: %s", name, body)
		}
	}
}

// Only the handler itself can choose the text of its error pages.
func TestMadeUpEndingIsNotShown(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) {
		c.OnSignIn = func(context.Context, *login.SignIn) error { return &login.RefusalError{Text: "ask Alice"} }
	})
	b := s.browser()
	flow := b.begin("/sign-in")
	address := b.get(s.callback(code("a"), flow)).Header.Get("Location")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	real := u.Query().Get("page")
	for name, page := range map[string]string{
		"none": "", "plain": "eyJrIjoicmVmdXNlZCJ9", "cut off": real[:len(real)-4], "a flow cookie": b.cookies[b.flowName()],
	} {
		body := s.wantPage(b.get("/sign-in/ended?page="+url.QueryEscape(page)), login.PageLost, 400)
		if strings.Contains(body, "Alice") {
			t.Errorf("%s: %s", name, body)
		}
	}
	s.wantPage(b.get(address), login.PageRefused, 403)
	s.clock.advance(15 * time.Minute)
	s.wantPage(b.get(address), login.PageLost, 400)
}
