package relay_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/access"
)

// Each rejected request has one log line with the app, the reason and the compared values, and
// without secrets, codes and tokens.
func TestRejectedRequestsHaveOneLogLine(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	in, code := g.redeem(g.code("snsapi_userinfo")), g.code("snsapi_base")
	const leaked = "https://shop.example.com@evil.example/go?code=HIDDEN#HIDDEN"
	denied := func(send func()) func() {
		return func() {
			g.allow = access.Denied
			send()
			g.allow = access.Allowed
		}
	}
	for name, c := range map[string]struct {
		send func()
		want []string // parts of the line
	}{
		"return URL": {func() { g.authorize("snsapi_base", "redirect_uri", leaked) },
			[]string{"app=shop", "reason=redirect_uri", `redirect_uri="https://…@evil.example/go?code=…"`,
				"return_urls=", "https://shop.example.com"}},
		"appid": {func() { g.authorize("snsapi_base", "appid", "wxffff") },
			[]string{`app=""`, "reason=unknown_app", "appid=wxffff"}},
		"scope": {func() { g.authorize("snsapi_login") }, []string{"app=shop", "reason=scope", "scope=snsapi_login"}},
		"state": {func() { g.authorize("snsapi_base", "state", strings.Repeat("s", 200)) },
			[]string{"app=shop", "reason=state", "length=200"}},
		"rule": {denied(func() { g.authorize("snsapi_base") }),
			[]string{"app=shop", "reason=refused", "user=" + g.user.ID, "method=wechat"}},
		"secret": {func() { g.redeem(code, "secret", "HIDDEN") },
			[]string{"app=shop", `reason="invalid appsecret"`, "errcode=40125"}},
		"code": {func() { g.redeem("HIDDEN") }, []string{"app=shop", "reason=unknown_code", "errcode=40029"}},
		"code of another app": {func() { g.redeem(code, "appid", "wx00000000000000bb", "secret", "new") },
			[]string{"app=bank", "reason=code_of_another_app", "code_app=shop"}},
		"redemption, rule": {denied(func() { g.redeem(code) }),
			[]string{"app=shop", "reason=refused", "user=" + g.user.ID, "method=wechat"}},
		"refresh token": {func() { g.refresh("61_HIDDEN") }, []string{"app=shop", "reason=unknown_refresh_token"}},
		"refresh, rule": {denied(func() { g.refresh(in.RefreshToken) }),
			[]string{"app=shop", "reason=refused", "errcode=40030"}},
		"access token": {func() { g.bearer("/sns/userinfo", "61_HIDDENHIDDENHIDDENHIDDEN") },
			[]string{"reason=unknown_token", "errcode=40001"}},
		// Some programs encode the "?" too, and the whole query becomes a part of the path.
		"an encoded query": {func() {
			g.get("/sns/oauth2/access_token%3F" + url.PathEscape("appid=wx0&secret="+secret+"&code="+code+"#HIDDEN"))
		}, []string{"reason=not_served", "path=", "secret=…"}},
		"user info, rule": {denied(func() { g.bearer("/sns/userinfo", in.AccessToken) }),
			[]string{"app=shop", "reason=refused", "errcode=42001"}},
	} {
		g.log.Reset()
		c.send()
		line := g.log.String()
		for _, part := range append(c.want, "level=INFO", `msg="relay request rejected"`, "request_id=req1") {
			if strings.Count(line, "\n") != 1 || !strings.Contains(line, part) {
				t.Errorf("%s: want one line with %s: %s", name, part, line)
			}
		}
		for _, secret := range []string{"HIDDEN", secret, code, in.AccessToken, in.RefreshToken, openID} {
			if strings.Contains(line, secret) {
				t.Errorf("%s: the line has a secret: %s", name, line)
			}
		}
	}
	if w := g.authorize("snsapi_base"); w.Code != http.StatusFound {
		t.Errorf("afterwards: %d", w.Code)
	}
}
