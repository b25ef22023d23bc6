package signin_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
)

func (r *fixture) events(kind string) []gateway.Event {
	r.t.Helper()
	events, err := r.store.Events(r.t.Context(), gateway.EventQuery{Kind: kind})
	if err != nil {
		r.t.Fatal(err)
	}
	return events
}

func (v *visitor) session() (session.Browser, bool) {
	v.r.t.Helper()
	s, ok, err := v.r.h.Session(v.request("GET", "/", nil))
	if err != nil {
		v.r.t.Fatal(err)
	}
	return s, ok
}

func TestCreatedSessionIsLikeAnyOther(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	alice, v := r.user("alice"), r.visitor(uaDesktop)
	e := r.by(signin.MethodScan, alice)
	e.LoginRequestID, e.AuthTime = "d1", r.now().Add(-48*time.Hour) // the phone's, which was signed in before
	v.must(e)
	s, ok := v.session()
	if !ok || s.UserID != alice || s.Method != "scan" || s.Connector != "main" || s.AppID != mainID ||
		s.OpenID != "o-alice" || s.LoginRequestID != "d1" ||
		!s.AuthTime.Equal(e.AuthTime) || !s.CreatedAt.Equal(r.now()) || !s.ExpiresAt.Equal(r.now().Add(24*time.Hour)) {
		t.Errorf("session: %+v, %v", s, ok)
	}
	if a := v.get("/app?x=1"); a.body != "hello "+alice {
		t.Errorf("the app says %s", a.body)
	}
	events := r.events(signin.EventSignIn)
	if len(events) != 1 || events[0].Method != "scan" || events[0].App != "notes" || events[0].UserID != alice ||
		events[0].Connector != "main" || events[0].Outcome != "ok" {
		t.Errorf("events: %+v", events)
	}
	// It lives as long as any: from now on, not from when the phone was signed in.
	for range 30 {
		r.later(23 * time.Hour)
		if _, ok := v.session(); !ok {
			t.Fatalf("over after %v", r.now())
		}
	}
	r.later(48 * time.Hour)
	if _, ok := v.session(); ok {
		t.Error("not over after its time")
	}
}

// A replica that died in the middle, a second tab, a refresh: one session, one event.
func TestCreateSessionAtTwoReplicasIsOneSession(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	alice, v := r.user("alice"), r.visitor(uaDesktop)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := v.createSession(r.by(signin.MethodScan, alice)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	live, err := r.sessions.UserSessions(t.Context(), alice, r.now())
	if err != nil || len(live) != 1 || len(r.events(signin.EventSignIn)) != 1 {
		t.Errorf("%d sessions, %d events, %v", len(live), len(r.events(signin.EventSignIn)), err)
	}
}

func TestResumeSessionDoesNotUndoASignOut(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*fixture, *visitor, string){
		"signed out here": func(_ *fixture, v *visitor, _ string) {
			v.post("/sign-out", map[string][]string{"return": {"/"}})
		},
		"signed out everywhere": func(r *fixture, _ *visitor, id string) {
			if _, err := r.sessions.EndEverywhere(r.t.Context(), id, r.now()); err != nil {
				r.t.Fatal(err)
			}
		},
		"blocked, unblocked": func(r *fixture, _ *visitor, id string) {
			for _, status := range []gateway.Status{gateway.Blocked, gateway.Active} {
				if _, err := r.store.UpdateUser(r.t.Context(), id, r.now(), func(a *gateway.User) error {
					a.Status = status
					return nil
				}); err != nil {
					r.t.Fatal(err)
				}
			}
		},
		"expired": func(r *fixture, _ *visitor, _ string) { r.later(25 * time.Hour) },
	} {
		r := newFixture(t, withBoth)
		alice, v := r.user("alice"), r.visitor(uaDesktop)
		e := r.by(signin.MethodScan, alice)
		v.must(e)
		if err := v.resumeSession(e); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		end(r, v, alice)
		if err := v.resumeSession(e); !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
		if _, ok := v.session(); ok {
			t.Errorf("%s: signed in again", name)
		}
	}
}

func TestCreateSessionRefuses(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	alice, blocked := r.user("alice"), r.user("mallory")
	if _, err := r.store.UpdateUser(t.Context(), blocked, r.now(), func(a *gateway.User) error {
		a.Status = gateway.Blocked
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	other := errors.New("any")
	for name, c := range map[string]struct {
		change func(*session.Authentication)
		want   error
	}{
		"a blocked user":             {func(e *session.Authentication) { e.UserID = blocked }, gateway.ErrBlocked},
		"unknown user":               {func(e *session.Authentication) { e.UserID = gateway.NewID() }, gateway.ErrNotFound},
		"an unknown connector":       {func(e *session.Authentication) { e.Connector = "gone" }, other},
		"a connector of another app": {func(e *session.Authentication) { e.Connector = "site" }, other},
		"no openid":                  {func(e *session.Authentication) { e.OpenID = "" }, other},
		"no method":                  {func(e *session.Authentication) { e.Method = "" }, other},
		"no time":                    {func(e *session.Authentication) { e.AuthTime = time.Time{} }, other},
		"a seed that can be tried":   {func(e *session.Authentication) { e.Seed = []byte("1234") }, other},
		"no seed":                    {func(e *session.Authentication) { e.Seed = nil }, other},
	} {
		e := r.by(signin.MethodScan, alice)
		c.change(&e)
		v := r.visitor(uaDesktop)
		if err := v.createSession(e); err == nil || c.want != other && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if len(v.cookies) != 0 {
			t.Errorf("%s: cookies %v", name, v.cookies)
		}
	}
	if n := len(r.events(signin.EventSignIn)); n != 0 {
		t.Errorf("%d events", n)
	}
}

// Login CSRF: an attacker wants a victim's browser to be signed in as the attacker, or to share its
// session. No address of the gateway creates a session without a callback; a seed that was used for
// one user does not sign another in; and a session cookie that an attacker sets beside the victim's
// own is not accepted.
func TestLoginCSRFWithCreateSession(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	alice, mallory := r.user("alice"), r.user("mallory")
	victim, attacker := r.visitor(uaDesktop), r.visitor(uaDesktop)
	victim.must(r.by(signin.MethodScan, alice))
	mine := r.by(signin.MethodScan, mallory)
	mine.OpenID = "o-mallory"
	if err := attacker.createSession(mine); !errors.Is(err, gateway.ErrConflict) || len(attacker.cookies) != 0 {
		t.Errorf("the seed of a victim's sign-in gives %v, cookies %v", err, attacker.cookies)
	}
	mine.Seed = []byte(strings.Repeat("m", flow.MinSeed))
	attacker.must(mine)

	for _, address := range []string{"/sign-in?method=scan&return=/", "/sign-in?seed=" + strings.Repeat("m", flow.MinSeed),
		"/scan", "/sign-in/me"} {
		victim.headers.Set("Sec-Fetch-Site", "cross-site")
		victim.get(address)
		victim.post(address, map[string][]string{"seed": {strings.Repeat("m", flow.MinSeed)}})
	}
	if s, ok := victim.session(); !ok || s.UserID != alice {
		t.Errorf("the victim is %+v, %v", s, ok)
	}
	planted := victim.request("GET", "/", nil)
	for _, c := range attacker.cookies {
		planted.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	if s, ok, err := r.h.Session(planted); ok || err != nil {
		t.Errorf("with a planted cookie the victim is %+v, %v", s, err)
	}
}

// ResumeSession ends the session that the browser had, because nobody could sign out of it any
// more.
func TestResumeSessionEndsThePreviousSession(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	alice, v := r.user("alice"), r.visitor(uaDesktop)
	v.must(r.by(signin.MethodWebsite, alice))
	v.must(r.by(signin.MethodScan, alice))
	live, err := r.sessions.UserSessions(t.Context(), alice, r.now())
	if err != nil || len(live) != 1 || live[0].Method != "scan" {
		t.Errorf("sessions %+v, %v", live, err)
	}
}

// Two users are joined while the desktop waits: the repeat finds the same session.
func TestCreateSessionAcrossAJoin(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	record := func(connector, appID, openID, union string) string {
		a, _, err := r.store.RecordSignIn(t.Context(),
			gateway.SignIn{Connector: connector, AppID: appID, OpenID: openID, UnionID: union, OpenPlatform: "ours",
				GroupAppIDs: []string{mainID, secondID, siteID}, At: r.now(), InitialStatus: gateway.Active})
		if err != nil {
			t.Fatal(err)
		}
		r.later(time.Second)
		return a.ID
	}
	older, younger := record("site", siteID, "w-alice", "u1"), record("main", mainID, "o-alice", "")
	record("main", mainID, "o-alice", "u1")
	v := r.visitor(uaDesktop)
	e := r.by(signin.MethodScan, younger) // as the ticket may still have it
	v.must(e)
	e.UserID = older
	if err := v.resumeSession(e); err != nil {
		t.Error(err)
	}
	if s, ok := v.session(); !ok || s.User.ID != older {
		t.Errorf("session %+v, %v", s, ok)
	}
}

func TestSeedIsChecked(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	if _, err := r.h.SessionHash(make([]byte, flow.MinSeed-1)); err == nil {
		t.Error("a short seed has a hash")
	}
	first, err := r.h.SessionHash([]byte(strings.Repeat("s", flow.MinSeed)))
	if err != nil || first == [32]byte{} {
		t.Errorf("hash %x, %v", first, err)
	}
}
