package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// CheckCommits tests that one sign-in at an app makes four commits. More commits would be slower,
// because a store waits for the disk at each commit. open opens a store on an empty database. The
// store calls onCommit at each commit.
func CheckCommits(t *testing.T, open func(onCommit func()) gateway.Store) {
	var commits atomic.Int64
	store := open(func() { commits.Add(1) })
	commits.Store(0) // forget the commits of the migrations
	wantCommits := func(name string, want int64, call func() error) {
		t.Helper()
		before := commits.Load()
		if err := call(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := commits.Load() - before; got != want {
			t.Errorf("%s made %d commits, want %d", name, got, want)
		}
	}
	// The attempt (the right to exchange a code) has the key "k" and the owner "one". The
	// completion names both.
	var user gateway.User
	wantCommits("beginning an attempt", 1, func() error {
		_, _, err := store.BeginAttempt(t.Context(), newAttempt("k", "code", "one", 0), noon)
		return err
	})
	completion := newCompletion(mainConnector.signIn(noon, "o1", "u1"), "k", "one", "s1")
	wantCommits("completing the sign-in", 1, func() (err error) {
		user, _, err = store.CompleteSignIn(t.Context(), completion)
		return err
	})
	code := newCode(user.ID, "wiki", "g1")
	code.Grant.Subject, code.PinSubject = "", user.ID
	wantCommits("storing the first code, which pins the subject", 1, func() error {
		return store.PutCode(t.Context(), code)
	})
	wantCommits("redeeming the code", 1, func() error {
		_, err := store.Redeem(t.Context(), code.Hash, noon, newIssue("g1"))
		return err
	})
	wantCommits("reading the session", 0, func() error {
		_, _, err := store.SessionUser(t.Context(), hash("s1"), noon)
		return err
	})
	wantCommits("a repeated touch within a minute", 0, func() error {
		return store.TouchSession(t.Context(), hash("s1"), after(time.Second), after(time.Hour))
	})
	wantCommits("a repeated callback", 0, func() error {
		_, _, err := store.BeginAttempt(t.Context(), newAttempt("k", "code", "two", 0), noon)
		return err
	})
	if got := commits.Load(); got != 4 {
		t.Errorf("one sign-in made %d commits, want 4", got)
	}
}
