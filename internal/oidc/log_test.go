package oidc_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/access"
	fixtures "github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/web"
)

// takeLines returns the JSON lines since the last call, and their text.
func takeLines(t *testing.T, log *fixtures.Buffer) (lines []map[string]any, text string) {
	t.Helper()
	text = log.Take()
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines, text
}

// withLog writes the log of the provider and of its pages to lines.
func withLog(lines *fixtures.Buffer) option {
	return func(e *fixture, cfg *oidc.Config) {
		logger := slog.New(slog.NewJSONHandler(lines, nil))
		requestID := func(context.Context) string { return "req1" }
		site, err := web.New(web.Config{Logger: logger, RequestID: requestID})
		if err != nil {
			e.t.Fatal(err)
		}
		cfg.Site, cfg.Logger, cfg.RequestID = site, logger, requestID
	}
}

// rejection is a request that is rejected, and what the log line about it has.
type rejection struct {
	send         func()
	message, app string
	reason       string
	fields       map[string]string // parts of more fields of the line
}

// leaked is an address with values that must not be in the log, and logged is what the log has of it.
const (
	leaked = "https://evil.example/cb?code=SECRET-CODE#SECRET-TOKEN"
	logged = "https://evil.example/cb?code=…"
)

// rejectedAuthorize returns authorize requests that are rejected. The app accepts the method wechat.
func (e *fixture) rejectedAuthorize(b *browser) map[string]rejection {
	send := func(pairs ...string) func() { return func() { b.authorize(e.request(pairs...)) } }
	rejected := func(send func(), reason string, fields map[string]string) rejection {
		return rejection{send, "authorize", e.app, reason, fields}
	}
	otherMethod := func() {
		e.signIn.method = "scan"
		e.browser().authorize(e.request())
		e.signIn.method = "wechat"
	}
	denied := func() {
		e.access.set(access.Denied, nil)
		send()()
		e.access.set(access.Allowed, nil)
	}
	unknown := rejected(send("client_id", "nobody"), "unknown_app", map[string]string{"client_id": "nobody"})
	unknown.app = ""
	return map[string]rejection{
		"redirect URI": rejected(send("redirect_uri", leaked), "redirect_uri",
			map[string]string{"redirect_uri": logged, "registered": redirectURI}),
		"unknown app": unknown,
		"response type": rejected(send("response_type", "token"), "unsupported_response_type",
			map[string]string{"response_type": "token"}),
		"scope":   rejected(send("scope", "profile"), "invalid_scope", map[string]string{"scope": "profile"}),
		"max_age": rejected(send("max_age", "x"), "invalid_request", map[string]string{"problem": "max_age"}),
		"method": rejected(otherMethod, "wrong_method",
			map[string]string{"method": "scan", "methods": "wechat", "user": e.alice.ID}),
		"prompt=none": rejected(func() { e.browser().authorize(e.request("prompt", "none")) }, "login_required", nil),
		"rule":        rejected(denied, "refused", map[string]string{"user": e.alice.ID}),
		"logout": {func() {
			b.get(e.issuer + "/oauth2/logout?client_id=" + e.app + "&post_logout_redirect_uri=" + url.QueryEscape(leaked))
		}, "logout", e.app, "post_logout_redirect_uri",
			map[string]string{"post_logout_redirect_uri": logged, "registered": signedOut}},
		"logout, hint": {func() { b.logout("client_id", e.app, "id_token_hint", "SECRET") }, "logout", e.app,
			"id_token_hint_invalid", nil},
	}
}

// rejectedToken returns requests with a code or a token that are rejected.
func (e *fixture) rejectedToken(code string, tok tokens) map[string]rejection {
	post := func(path, id, password string, pairs ...string) func() {
		return func() { e.post(path, id, password, changed(url.Values{}, pairs...)) }
	}
	redeem := func(id, password, reason string, fields map[string]string, pairs ...string) rejection {
		form := append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI}, pairs...)
		return rejection{post("/oauth2/token", id, password, form...), "token", id, reason, fields}
	}
	refresh := func(token, reason string, pairs ...string) rejection {
		form := append([]string{"grant_type", "refresh_token", "refresh_token", token}, pairs...)
		return rejection{post("/oauth2/token", e.app, secret, form...), "token", e.app, reason, nil}
	}
	waiting := func() {
		e.access.set(access.Pending, nil)
		e.userinfo(tok.Access)
		e.access.set(access.Allowed, nil)
	}
	unknown := redeem("SECRET-AS-ID", "SECRET", "unknown_client", nil)
	unknown.app = ""
	return map[string]rejection{
		"wrong secret":        redeem(e.app, "SECRET", "wrong_secret", nil),
		"unknown client":      unknown,
		"grant type":          redeem(e.app, secret, "grant_type_unsupported", nil, "grant_type", "password"),
		"unknown code":        redeem(e.app, secret, "unknown_code", nil, "code", "SECRET"),
		"code of another app": redeem(e.other, "other's secret", "code_of_another_app", map[string]string{"code_app": e.app}),
		"other redirect URI": redeem(e.app, secret, "redirect_uri_mismatch",
			map[string]string{"redirect_uri": logged, "authorized": redirectURI}, "redirect_uri", leaked),
		"verifier":      redeem(e.app, secret, "pkce_mismatch", nil, "code_verifier", strings.Repeat("SECRET-", 8)),
		"refresh token": refresh("SECRET.1.SECRET", "unknown_refresh_token"),
		"wider scope":   refresh(tok.Refresh, "scope_not_granted", "scope", "groups"),
		"userinfo":      {func() { e.userinfo("SECRET") }, "userinfo", "", "unknown_token", nil},
		"userinfo, rule": {waiting, "userinfo", e.app, "waiting",
			map[string]string{"user": e.alice.ID, "method": "wechat"}},
		"introspection": {post("/oauth2/introspect", e.app, "SECRET", "token", "SECRET"), "introspection", e.app,
			"wrong_secret", nil},
		"revocation": {post("/oauth2/revoke", e.app, "SECRET", "token", "SECRET"), "revocation", e.app, "wrong_secret", nil},
	}
}

// Each rejected request has one log line with the app, the reason and the compared values, and
// without secrets, codes and tokens.
func TestRejectedRequestsHaveOneLogLine(t *testing.T) {
	t.Parallel()
	lines := &fixtures.Buffer{}
	e := newFixture(t, newMemory(t), "", withLog(lines), withClient(func(c *oidc.Client) {
		c.Methods = []string{"wechat"}
	}))
	e.signIn.as(&e.alice)
	b := e.browser()
	tok := b.login("scope", "openid offline_access")
	code := b.code()
	all := e.rejectedAuthorize(b)
	maps.Copy(all, e.rejectedToken(code, tok))
	takeLines(t, lines)
	for name, c := range all {
		c.send()
		got, text := takeLines(t, lines)
		if len(got) != 1 {
			t.Errorf("%s: %d lines: %s", name, len(got), text)
			continue
		}
		want := map[string]string{"level": "INFO", "msg": c.message + " request rejected", "app": c.app, "reason": c.reason,
			"request_id": "req1"}
		for field, value := range want {
			if got[0][field] != value {
				t.Errorf("%s: %s is %v, want %q", name, field, got[0][field], value)
			}
		}
		for field, value := range c.fields {
			if !strings.Contains(toText(got[0][field]), value) {
				t.Errorf("%s: %s is %v, want %q", name, field, got[0][field], value)
			}
		}
		if strings.Contains(text, "SECRET") || strings.Contains(text, code) || strings.Contains(text, tok.Access) {
			t.Errorf("%s: the line has a secret: %s", name, text)
		}
	}
}

func toText(field any) string {
	text, err := json.Marshal(field)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// The id of an imported user in another system identifies them there. Only an app that is configured
// for it receives the id.
func TestOldIDIsNotToldToEveryAppWithTheScopeProfile(t *testing.T) {
	t.Parallel()
	for _, claim := range []bool{false, true} {
		e := newFixture(t, newMemory(t), "", withClient(func(c *oidc.Client) {
			c.OldIDClaim, c.IDTokenClaims = claim, true
		}))
		if _, err := e.store.UpdateUser(t.Context(), e.alice.ID, e.clock.now(), func(u *gateway.User) error {
			u.OldID = "employee 7"
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		tok := e.browser().login("scope", "openid profile email groups wechat")
		_, inToken := e.idToken(tok.ID)
		for where, claims := range map[string]map[string]any{"userinfo": e.claims(tok.Access), "ID token": inToken} {
			if told := claims["old_id"] == "employee 7"; told != claim {
				t.Errorf("old_id_claim %t: %s has %v", claim, where, claims["old_id"])
			}
		}
	}
}
