package forwardauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
)

// More sessions than the cache holds: it stays as large as it is, and the newest gets in.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, until := range map[string]time.Time{"all of them good": now.Add(time.Minute), "all of them over": now} {
		held, last := forwardauth.Fill(forwardauth.MaxEntries+5000, until, now)
		if held > forwardauth.MaxEntries || held == 0 || last != until.After(now) {
			t.Errorf("%s: %d entries, the last one is in: %v", name, held, last)
		}
	}
}

// A session is ended while a read of the store is in progress whose result does not contain that
// yet.
func TestSignOutDuringAQuestionIsNotForgotten(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	stolen := b.cookies[wiki]["__Host-weigate-auth"]
	arrived, release := make(chan struct{}), make(chan struct{})
	first := true
	e.store.after = func() {
		if first {
			first = false
			close(arrived)
			<-release
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.verify("https://" + wiki + "/") // may still say yes: it was asked before
	}()
	<-arrived
	want(t, "sign-out", b.send(b.request(http.MethodPost, "https://"+wiki+"/.weigate/sign-out")), http.StatusOK,
		"host_signed_out")
	close(release)
	<-done
	want(t, "afterwards", b.verify("https://"+wiki+"/", "Cookie", "__Host-weigate-auth="+stolen), http.StatusFound, "")
}

// Two users are joined: the sessions of the newer one end, on hosts too.
func TestJoiningEndsTheYoungersHostSession(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	at := func(connector, openID, union string) gateway.User {
		t.Helper()
		e.clock.advance(time.Second)
		a, _, err := e.store.RecordSignIn(t.Context(), gateway.SignIn{Connector: connector, AppID: "wx-" + connector,
			OpenID: openID, UnionID: union, OpenPlatform: "ours",
			GroupAppIDs: []string{"wx-main", "wx-web"}, At: e.clock.now(), InitialStatus: gateway.Active})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	older, younger := at("main", "alice", "union"), at("web", "alice on the web", "")
	b := e.browser(e.session(younger, "alice on the web", "")).in("https://" + wiki)
	if got := b.verify("https://" + wiki + "/").Header().Get("X-Weigate-User"); got != younger.ID {
		t.Fatalf("the site is told %q", got)
	}
	if joined := at("web", "alice on the web", "union"); joined.ID != older.ID {
		t.Fatalf("%s and %s were not joined: %s", older.ID, younger.ID, joined.ID)
	}
	e.clock.advance(5 * time.Second)
	want(t, "the younger's session", b.verify("https://"+wiki+"/"), http.StatusFound, "")
	// In again, she is whom the site knew: only the younger account had been there.
	again := e.browser(e.session(older, "alice", "")).in("https://" + wiki)
	if got := again.verify("https://" + wiki + "/").Header().Get("X-Weigate-User"); got != younger.ID {
		t.Errorf("the site is told %q", got)
	}
}
