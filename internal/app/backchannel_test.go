package app_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/session"
)

// told is an app with back-channel logout. Package oidc verifies the tokens; this one reads them.
type told struct {
	t      *testing.T
	url    string
	tokens chan map[string]any
}

func newTold(t *testing.T) *told {
	t.Helper()
	a := &told{t: t, tokens: make(chan map[string]any, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a.tokens <- claimsOf(t, r.PostFormValue("logout_token"))
	}))
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// claimsOf returns the claims of a token without verifying it.
func claimsOf(t *testing.T, token string) (claims map[string]any) {
	part := strings.Split(token, ".")
	if len(part) != 3 {
		t.Errorf("not a token: %q", token)
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(part[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Error(err)
	}
	return claims
}

// next waits for a logout token.
func (a *told) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case claims := <-a.tokens:
		return claims
	case <-time.After(2 * time.Minute):
		t.Fatal("the app was not told")
		return nil
	}
}

// withBackchannelLogout gives the app sample an address for logout tokens.
func withBackchannelLogout(address string) option {
	return func(w *gatewayFixture) {
		w.config.Outgoing.PrivateApps = true
		w.config.Apps[0].BackchannelLogoutURI = address
		w.options.SetDeliveryPoll(10 * time.Millisecond)
		w.options.SetLogoutTime(2 * time.Minute)
	}
}

// appSignIn signs a phone in at the app sample, and returns its tokens and the claims of the ID token.
func (w *gatewayFixture) appSignIn(p phone, more ...string) (tokens, map[string]any) {
	w.t.Helper()
	p.Must(p.Open(w.t.Context(), w.authorize("sample", more...)))
	got := w.redeem("sample", w.app.LastQuery().Get("code"))
	if got.IDToken == "" {
		w.t.Fatalf("no ID token: %s; the phone is at %s", got.Error, p.Page().URL)
	}
	return got, claimsOf(w.t, got.IDToken)
}

// post sends a form of one of the gateway's pages.
func (w *gatewayFixture) post(p phone, path string, form url.Values) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", w.url)
	for _, c := range p.Cookies(w.url) {
		r.AddCookie(c)
	}
	w.body(r)
}

// ending is a user who is signed in at an app, and what is needed to end that.
type ending struct {
	*gatewayFixture
	t     *testing.T
	phone phone
	user  string
	id    string // the ID token
	admin *administration.Service
}

var command = administration.Actor{ID: gateway.ActorCommand}

// done fails the test unless a list action had an effect on all users.
func (e ending) done(outcomes []administration.Outcome) {
	for _, o := range outcomes {
		if o.Err != nil {
			e.t.Error(o.Err)
		}
	}
}

// change changes the user as the command line does.
func (e ending) change(change func(*gateway.User)) {
	_, err := e.store.UpdateUser(e.t.Context(), e.user, e.clock.Now(), func(u *gateway.User) error {
		change(u)
		return nil
	})
	if err != nil {
		e.t.Error(err)
	}
}

func (e ending) edit(edit administration.Edit) {
	if _, err := e.admin.Edit(e.t.Context(), command, e.user, edit, time.Time{}); err != nil {
		e.t.Error(err)
	}
}

// sessions returns the sessions of the user.
func (e ending) sessions() []gateway.Session {
	all, err := e.store.UserSessions(e.t.Context(), e.user, e.clock.Now())
	if err != nil || len(all) == 0 {
		e.t.Fatalf("sessions: %v, %v", all, err)
	}
	return all
}

// endings are all causes by which a user loses an app, and what the app is told (ADMIN-FIELD D8;
// sebadob/rauthy#1031 forgot one).
var endings = []struct {
	name string
	end  func(ending)
}{
	{"the user signs out here", func(e ending) { e.post(e.phone, "/sign-out", nil) }},
	{"the user signs out everywhere", func(e ending) { e.post(e.phone, "/sign-out/everywhere", nil) }},
	{"the app signs the user out", func(e ending) {
		e.phone.Must(e.phone.Open(e.t.Context(), e.url+"/oauth2/logout?id_token_hint="+e.id))
	}},
	{"the session is not used for a day", func(e ending) { // long after the tokens (goauthentik/authentik#25826, D7)
		e.clock.Advance(25 * time.Hour)
		if _, err := e.store.Sweep(e.t.Context(), e.clock.Now(), time.Time{}, 0); err != nil {
			e.t.Error(err)
		}
	}},
	{"an administrator signs the user out", func(e ending) {
		e.done(e.admin.SignOut(e.t.Context(), command, []string{e.user}))
	}},
	{"an administrator ends one session", func(e ending) {
		id := session.FormID(e.sessions()[0].Hash)
		if err := e.admin.EndSession(e.t.Context(), command, e.user, id); err != nil {
			e.t.Error(err)
		}
	}},
	{"the user is refused the app", func(e ending) { e.edit(administration.Edit{RefusedApps: &[]string{"sample"}}) }},
	{"the user is refused all apps", func(e ending) {
		e.edit(administration.Edit{RefusedApps: &[]string{}})
		e.done(e.admin.Refuse(e.t.Context(), command, []string{e.user}, administration.Refusal{Apps: []string{"sample"}}))
	}},
	{"the user loses a group", func(e ending) {
		e.edit(administration.Edit{RefusedApps: &[]string{}, Groups: &[]string{"staff"}})
		e.edit(administration.Edit{Groups: &[]string{}})
	}},
	{"the user loses the approval", func(e ending) {
		e.change(func(u *gateway.User) { u.Status = gateway.Active })
		e.change(func(u *gateway.User) { u.Status = gateway.Pending })
	}},
	{"the command signs the user out", func(e ending) {
		if _, err := e.store.DeleteUserSessions(e.t.Context(), e.user, e.clock.Now()); err != nil {
			e.t.Error(err)
		}
	}},
	{"an administrator blocks the user", func(e ending) {
		e.done(e.admin.Block(e.t.Context(), command, []string{e.user}, "left"))
	}},
	{"the command blocks the user", func(e ending) { e.change(func(u *gateway.User) { u.Status = gateway.Blocked }) }},
	{"an administrator deletes the user", func(e ending) {
		if err := e.admin.Delete(e.t.Context(), command, e.user); err != nil {
			e.t.Error(err)
		}
	}},
}

func TestAppsAreToldWhateverEndsASession(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options ...option) {
		app := newTold(t)
		w := newFixture(t, append(options, withBackchannelLogout(app.url))...)
		admin, err := administration.New(administration.Config{Store: w.store, URL: w.url, Now: w.clock.Now,
			Apps: []administration.App{{App: w.config.Apps[0].App}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range endings {
			t.Run(c.name, func(t *testing.T) {
				w.clock.Advance(time.Hour)
				alice := w.phone("alice")
				before := w.allow(t)
				have, claims := w.appSignIn(alice)
				user, _ := claims["sub"].(string)
				if before != "" && user != before {
					t.Fatalf("the user is %v, was %s", claims, before)
				}
				c.end(ending{gatewayFixture: w, t: t, phone: alice, user: user, id: have.IDToken, admin: admin})
				got := app.next(t)
				if got["sub"] != claims["sub"] || got["sid"] != claims["sid"] || got["aud"] != "sample" || got["nonce"] != nil {
					t.Errorf("told %v, the ID token has %v", got, claims)
				}
				w.delivered(t)
				if left, err := w.store.UserAppSessions(t.Context(), user); err != nil || len(left) > 0 {
					t.Errorf("app sessions left: %v, %v", left, err)
				}
			})
		}
		if n := len(app.tokens); n > 0 {
			t.Errorf("told %d times more", n)
		}
	})
}

// delivered waits until no delivery is in progress. A clock that moves past its lease would make the
// worker send it again.
func (w *gatewayFixture) delivered(t *testing.T) {
	t.Helper()
	for range 10_000 {
		waiting, err := w.store.Deliveries(t.Context(), gateway.DeliveryQuery{State: gateway.DeliveryWaiting})
		if err != nil {
			t.Fatal(err)
		}
		if len(waiting) == 0 {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatal("a delivery is still waiting")
}

// A phone has signed a desktop in at an app, and ends that: by "That was not me", or from the list of
// its user's browsers.
func TestAppsAreToldWhenAPhoneEndsADesktop(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*gatewayFixture, phone, string){
		"that was not me": func(w *gatewayFixture, alice phone, _ string) {
			alice.WantPage(alice.Must(alice.Submit(w.t.Context(), "undo", nil)), "scan_undone", 200)
		},
		"the list of browsers": func(w *gatewayFixture, alice phone, user string) {
			sessions, err := w.store.UserSessions(w.t.Context(), user, w.clock.Now())
			if err != nil {
				w.t.Fatal(err)
			}
			for _, s := range sessions {
				if s.Method == "scan" {
					w.post(alice, "/sign-out/browser", url.Values{"session": {session.FormID(s.Hash)}})
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := newTold(t)
			w := newFixture(t, withBackchannelLogout(app.url))
			desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("sample")), w.phone("alice")
			alice.scans(desk)
			alice.enters(desk.reloaded().number())
			desk.reloaded().goesOn().at(w.app.URL + "/sample")
			claims := claimsOf(t, w.redeem("sample", w.app.LastQuery().Get("code")).IDToken)
			end(w, alice, claims["sub"].(string))
			if got := app.next(t); got["sid"] != claims["sid"] {
				t.Errorf("told %v, the ID token has %v", got, claims)
			}
		})
	}
}

// allow lets the one user sign in again, and returns the user's id; "" = there is none.
func (w *gatewayFixture) allow(t *testing.T) string {
	t.Helper()
	users, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(users) > 1 {
		t.Fatalf("users: %v, %v", users, err)
	}
	if len(users) == 0 {
		return ""
	}
	ctx, id := t.Context(), users[0].ID
	_, err = w.store.UpdateUser(ctx, id, w.clock.Now(), func(u *gateway.User) error {
		u.RefusedApps = nil
		if u.Status == gateway.Blocked {
			u.Status = gateway.Pending
		}
		return nil
	})
	if err == nil { // sessions of earlier cases have their own app sessions
		_, err = w.store.DeleteUserSessions(ctx, id, w.clock.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Signing in again, a refresh and a second sign-in at the app end nothing, so the app is not told. It
// is told once, when the session ends, with the sid of all its ID tokens.
func TestAppsAreNotToldWhenAUserSignsInAgain(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options ...option) {
		app := newTold(t)
		w := newFixture(t, append(options, withBackchannelLogout(app.url))...)
		alice := w.phone("alice")
		first, claims := w.appSignIn(alice, "scope", "openid offline_access")
		w.clock.Advance(time.Minute)
		alice.Must(alice.Open(t.Context(), w.authorize("sample", "prompt", "login")))
		alice.Press()
		alice.Must(alice.Allow(t.Context()))
		again := claimsOf(t, w.redeem("sample", w.app.LastQuery().Get("code")).IDToken)
		refreshed := claimsOf(t, w.refresh("sample", first.RefreshToken).IDToken)
		if claims["sid"] == nil || again["sid"] != claims["sid"] || refreshed["sid"] != claims["sid"] ||
			again["auth_time"] == claims["auth_time"] {
			t.Errorf("sid: first %v, again %v, refreshed %v", claims, again, refreshed)
		}
		deliveries, err := w.store.Deliveries(t.Context(), gateway.DeliveryQuery{})
		if err != nil || len(deliveries) > 0 {
			t.Errorf("deliveries: %v, %v", deliveries, err)
		}
		w.post(alice, "/sign-out", nil)
		if got := app.next(t); got["sid"] != claims["sid"] {
			t.Errorf("told %v, the ID token has %v", got, claims)
		}
	})
}

// A reload applies a new address and a new algorithm to what is sent afterwards.
func TestLogoutTokensFollowAReload(t *testing.T) {
	t.Parallel()
	first, second := newTold(t), newTold(t)
	w := newFixture(t, withBackchannelLogout(first.url))
	alice := w.phone("alice")
	w.appSignIn(alice)
	next := *w.config
	next.Apps = append(next.Apps[:0:0], next.Apps...)
	next.Apps[0].BackchannelLogoutURI, next.Apps[0].IDTokenAlg = second.url, keys.RS256
	if err := w.replicas[0].Reload(&next); err != nil {
		t.Fatal(err)
	}
	w.post(alice, "/sign-out", nil)
	second.next(t)
}
