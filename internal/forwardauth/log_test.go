package forwardauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
)

// Each rejected request has one log line with the app, the reason and the compared values, and
// without cookies and tokens.
func TestRejectedRequestsHaveOneLogLine(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	alice, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	token := handedOver(t, e, e.browser(cookie), "https://"+wiki)
	from := func(peer string, headers ...string) func() {
		return func() {
			r := b.request(http.MethodGet, "https://"+wiki+"/verify")
			r.RemoteAddr = peer
			for i := 0; i+1 < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			e.handler.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	verify := func(rule access.Decision) func() {
		return func() {
			e.access.says.Store(int64(rule))
			e.clock.advance(e.config.Cache)
			b.verify("https://" + wiki + "/")
			e.access.says.Store(int64(access.Allowed))
		}
	}
	for _, c := range []struct {
		name string
		send func()
		want []string // parts of the line
	}{
		{"peer", from(stranger), []string{`msg="verify request rejected"`, "reason=untrusted_peer", "peer=" + stranger,
			"trusted_proxies=[10.0.0.0/8]", "forwarded_host=" + wiki}},
		{"host", from(proxyAddr, "X-Forwarded-Host", "other.example.com"),
			[]string{"reason=unknown_host", "forwarded_host=other.example.com"}},
		{"headers", from(proxyAddr, "X-Original-Url", "https://public.example.com/?token=HIDDEN"),
			[]string{"reason=forwarded_headers", "original_url=\"https://public.example.com/?token=…\""}},
		{"denied", verify(access.Denied), []string{`msg="verify request rejected"`, "app=wiki", "reason=refused",
			"host=https://" + wiki, "user=" + alice.ID, "method=wechat"}},
		{"waiting", verify(access.Pending), []string{"app=wiki", "reason=waiting"}},
		{"handoff, rule", func() {
			e.access.says.Store(int64(access.Denied))
			e.browser(cookie).open("https://" + wiki + "/.weigate/start?return=/page")
			e.access.says.Store(int64(access.Allowed))
		}, []string{`msg="handoff request rejected"`, "app=wiki", "reason=refused", "user=" + alice.ID}},
		{"handoff, host", func() {
			e.browser(cookie).open(gatewayURL + "/forward-auth?to=https://evil.example?x=HIDDEN&challenge=" +
				strings.Repeat("A", 43))
		}, []string{`msg="handoff request rejected"`, "reason=unknown_host", "to=\"https://evil.example?x=…\""}},
		{"token", func() {
			thief := e.browser("")
			thief.send(thief.request(http.MethodGet, token))
		}, []string{`msg="handoff request rejected"`, "app=wiki", "reason=token_not_for_this_browser", "nonce=false"}},
		{"forged cookie", func() {
			forger := e.browser("")
			forger.put(wiki, "__Host-weigate-auth", "grant.HIDDEN")
			forger.verify("https://" + wiki + "/")
		}, []string{"app=wiki", "reason=cookie_invalid"}},
		{"blocked", func() {
			if _, err := e.store.UpdateUser(t.Context(), alice.ID, e.clock.now(), func(u *gateway.User) error {
				u.Status = gateway.Blocked
				return nil
			}); err != nil {
				t.Error(err)
			}
			e.clock.advance(e.config.Cache)
			b.verify("https://" + wiki + "/")
		}, []string{"app=wiki", "reason=blocked", "user=" + alice.ID}},
	} {
		e.log.Reset()
		c.send()
		line := e.log.String()
		for _, part := range append(c.want, "level=INFO", "request_id=req1") {
			if strings.Count(line, "\n") != 1 || !strings.Contains(line, part) {
				t.Errorf("%s: want one line with %s: %s", c.name, part, line)
			}
		}
		if strings.Contains(line, "HIDDEN") || strings.Contains(line, b.cookies[wiki]["__Host-weigate-auth"]) {
			t.Errorf("%s: the line has a secret: %s", c.name, line)
		}
	}
}
