package app_test

import (
	"testing"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
)

// A key that signed an ID token is published until no session and no refresh token of that age is
// left, whatever the configuration makes of both.
func TestReplacedKeyStaysAsLongAsWhatItSigned(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	w := newFixture(t, func(w *gatewayFixture) { w.config.Session.Max = 100 * day })
	until := func() time.Duration {
		t.Helper()
		if err := w.replicas[0].Keys().Rotate(t.Context(), keys.ES256, false); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(25 * time.Hour) // by then the new key signs
		if err := w.replicas[0].Keys().Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		var last time.Duration
		for _, k := range w.replicas[0].Keys().List() {
			if k.Alg == keys.ES256 && !k.ReplacedAt.IsZero() {
				last = max(last, k.ExpiresAt.Sub(k.ReplacedAt))
			}
		}
		return last
	}
	if got := until(); got < 100*day {
		t.Errorf("a session lives 100 days, the key %v", got)
	}
	next := *w.config
	next.Apps = []config.App{w.client("sample", gateway.AccessSignedIn)}
	next.Apps[0].Lifetimes.Refresh = 300 * day
	if err := w.replicas[0].Reload(&next); err != nil {
		t.Fatal(err)
	}
	if got := until(); got < 300*day {
		t.Errorf("after the reload a refresh token lives 300 days, the key %v", got)
	}
	if got := app.KeepReplacedKeys(&config.Config{}); got < 35*day {
		t.Errorf("with nothing set: %v", got)
	}
}
