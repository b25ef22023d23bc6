package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// refresh sends the request of an app whose access token has expired.
func (w *gatewayFixture) refresh(id, token string) tokens {
	w.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/oauth2/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, url.QueryEscape(appSecret))
	var out tokens
	w.json(r, &out)
	return out
}

// The clock jumps by an hour, as after a suspension of the machine or with a wrong time server.
// Tokens with a shorter lifetime are rejected as expired; what lives longer continues, and no user
// is signed out.
func TestClockJumpsAnHour(t *testing.T) {
	t.Parallel()
	for name, hour := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			alice := w.phone("alice")
			alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", "openid offline_access", "prompt", "consent")))
			fixture.WantAt(w.t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/sample")
			first := w.redeem("sample", w.app.LastQuery().Get("code"))
			if first.RefreshToken == "" {
				t.Fatalf("no refresh token: %+v", first)
			}
			fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second"))), w.app.URL+"/second")
			pending := w.app.LastQuery().Get("code")
			b := w.browser()
			callback := b.callback("bob")
			before := w.wechat.Exchanges()

			w.clock.Set(hour)
			// Every row that the new time calls over is removed; what is alive must survive that.
			if _, err := w.store.Sweep(t.Context(), w.clock.Now(), w.clock.Now().Add(-24*time.Hour), 1000); err != nil {
				t.Fatal(err)
			}
			fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second"))), w.app.URL+"/second")
			if w.wechat.Exchanges() != before {
				t.Error("the user had to sign in again")
			}
			if fresh := w.redeem("second", w.app.LastQuery().Get("code")); fresh.IDToken == "" {
				t.Errorf("a code of the new time: %+v", fresh)
			}
			late := w.redeem("second", pending)
			if over := late.Error == "invalid_grant"; over != (hour > 0) {
				t.Errorf("a code of the old time: %+v", late)
			}
			if who := w.userinfo(first.AccessToken); (who["sub"] == nil) != (hour > 0) {
				t.Errorf("the access token of five minutes tells %v", who)
			}
			second := w.refresh("sample", first.RefreshToken)
			if second.RefreshToken == "" || w.userinfo(second.AccessToken)["sub"] == nil {
				t.Errorf("the refresh token: %+v", second)
			}
			// The age of a pending sign-in is unknown after the jump: a page offers to start again,
			// and WeChat's code is not redeemed.
			status, location, body := b.get(callback)
			if status == 303 {
				status, _, body = b.get(location)
			}
			if !strings.Contains(body, `id="lost"`) || !strings.Contains(body, `id="go" href="/oauth2/authorize?client_id=`) ||
				strings.Contains(body, "weigate_login_request") {
				t.Errorf("the callback of a sign-in under way: %d %s %s", status, location, body)
			}
			if n := w.wechat.Exchanges() - before; n != 0 {
				t.Errorf("%d exchanges", n)
			}

			w.clock.Set(0) // the clock is put right
			fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second"))), w.app.URL+"/second")
			if got := w.redeem("second", w.app.LastQuery().Get("code")); got.IDToken == "" {
				t.Errorf("a code after the clock was put right: %+v", got)
			}
			if third := w.refresh("sample", second.RefreshToken); third.RefreshToken == "" ||
				w.userinfo(third.AccessToken)["sub"] == nil {
				t.Errorf("the refresh token after the clock was put right: %+v", third)
			}
			alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/")), "own", 200)
			bob := w.phone("bob")
			fixture.WantAt(w.t, bob.Must(bob.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
			for _, k := range w.replicas[0].Keys().List() {
				if k.State != "active" {
					t.Errorf("key %s is %s: the jump rotated it", k.ID, k.State)
				}
			}
		})
	}
}
