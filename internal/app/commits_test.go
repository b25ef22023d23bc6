package app_test

import (
	"sync/atomic"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
)

// TestCommitsOfASignIn counts the commits of a new user's first sign-in at an app, from the
// authorize request to the user info: each commit waits for the disk. They are the attempt, the
// sign-in with its session, outcome and agreement, the code, and its redemption. A second app makes
// two.
func TestCommitsOfASignIn(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]option{"": nil, "with agreement": {withAgreement}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testCommitsOfASignIn(t, options...)
		})
	}
}

func testCommitsOfASignIn(t *testing.T, options ...option) {
	t.Helper()
	var commits atomic.Int64
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{OnCommit: func() { commits.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	sqlitetest.PutSigningKeys(t, store)
	w := newFixture(t, append(options, func(w *gatewayFixture) { w.store = store })...)
	alice := w.phone("alice")
	for _, tt := range []struct {
		app  string
		want int64
	}{{"sample", 4}, {"second", 2}} {
		commits.Store(0)
		alice.Must(alice.Open(t.Context(), w.authorize(tt.app)))
		if len(options) > 0 && tt.app == "sample" {
			alice.tick()
		}
		fixture.WantAt(t, alice.Page(), w.app.URL+"/"+tt.app)
		got := w.redeem(tt.app, w.app.LastQuery().Get("code"))
		if w.userinfo(got.AccessToken)["sub"] == nil {
			t.Fatal("no user info")
		}
		if n := commits.Load(); n != tt.want {
			t.Errorf("the sign-in at %s made %d commits, want %d", tt.app, n, tt.want)
		}
	}
}
