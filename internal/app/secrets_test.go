package app_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/wechat/wechattest"
)

// Secrets, and complete openids and unionids, are in no log line, no metric and no event, on
// the good way and on the bad ones.
func TestNothingSecretIsLoggedCountedOrRecorded(t *testing.T) {
	t.Parallel()
	var log fixture.Buffer
	m := metrics.New()
	w := newFixture(t, func(w *gatewayFixture) {
		w.options.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
		w.options.Metrics = m
	})
	alice := w.phone("alice")
	w.signInWithProfile(alice, "sample")
	secrets := map[string]string{"our code": w.app.LastQuery().Get("code")}
	got := w.redeem("sample", w.app.LastQuery().Get("code"))
	secrets["access token"], secrets["refresh token"], secrets["id token"] = got.AccessToken, got.RefreshToken, got.IDToken
	for _, c := range alice.Cookies(w.url) {
		secrets["cookie "+c.Name] = c.Value
	}
	appid := w.config.WeChat[0].AppID
	secrets["openid"], secrets["unionid"], secrets["app secret"] = w.wechat.OpenID(appid, "alice"),
		w.wechat.UnionID(appid, "alice"), appSecret

	// The bad ways: a code twice, a wrong secret, a callback that WeChat refuses, one that it does
	// not answer, a store that goes away.
	w.redeem("sample", w.app.LastQuery().Get("code"))
	b := w.browser()
	for _, fault := range []wechattest.Fault{{Errcode: 40029}, {Errcode: 40125}, {Status: 502}, {Errcode: -1, Times: 9}} {
		fault.Endpoint = "/sns/oauth2/access_token"
		w.wechat.Fail(fault)
		b.get(b.callback("alice"))
		w.wechat.ClearFaults()
	}
	events, err := w.store.Events(t.Context(), gateway.EventQuery{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	b.get(w.authorize("sample"))
	alice.Must(alice.Open(t.Context(), w.url+"/"))
	w.userinfo(got.AccessToken)

	record := fmt.Sprintf("%+v", events)
	if len(events) < 3 || strings.Count(log.String(), "\n") < 6 {
		t.Fatalf("%d events, log:\n%s", len(events), log.String())
	}
	counted := w.scrape(m)
	for what, secret := range secrets {
		if len(secret) < 8 {
			if !strings.HasPrefix(what, "cookie") && what != "refresh token" {
				t.Errorf("%s is %q: nothing to look for", what, secret)
			}
			continue
		}
		for where, text := range map[string]string{"log": log.String(), "events": record, "metrics": counted} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in the %s", what, where)
			}
		}
	}
}
