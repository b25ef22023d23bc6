package signin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
)

// named records a profile of alice with the present time.
func (r *fixture) named() {
	r.t.Helper()
	if _, _, err := r.store.RecordSignIn(r.t.Context(), gateway.SignIn{
		Connector: "main", AppID: mainID, OpenID: "o-alice", At: r.now(), InitialStatus: gateway.Active,
		Profile: &gateway.Profile{Nickname: "Alice"},
	}); err != nil {
		r.t.Fatal(err)
	}
}

// Only WeChat's consent page returns nickname and picture. Users who signed in by another method
// are not sent to a page that they cannot use.
func TestProfileIsOfferedWhereItCanBeHad(t *testing.T) {
	t.Parallel()
	for _, method := range []string{signin.MethodWeChat, signin.MethodScan, signin.MethodWebsite} {
		r := newFixture(t, withBoth)
		alice, v := r.user("alice"), r.visitor(uaDesktop)
		v.must(r.by(method, alice))
		asks := method == signin.MethodWeChat
		if a := v.get("/app?x=1"); asks != (a.location == "/sign-in/profile?return="+url.QueryEscape("/app?x=1")) {
			t.Errorf("%s: the app's profile: %d to %s", method, a.status, a.location)
		}
		offers := func(known bool) {
			b, _ := v.session()
			if address, isKnown := r.h.ProfileURL(b); asks != (address == "/sign-in?return=%2F&scope=profile") ||
				isKnown != known {
				t.Errorf("%s: ProfileURL: %q, %t", method, address, isKnown)
			}
		}
		offers(false)
		// A fresh profile is not asked for.
		r.named()
		if a := v.get("/app?x=1"); !strings.HasPrefix(a.body, "hello") {
			t.Errorf("%s: fresh, and the app asks: %s", method, a.location)
		}
		offers(true)
		r.later(721 * time.Hour)
		v.must(session.Authentication{UserID: alice, Connector: "main", AppID: mainID, OpenID: "o-alice", Method: method,
			AuthTime: r.now(), Seed: []byte("another seed, much later")})
		offers(false)
	}
}

// The link of that page uses the sign-in method of the session, and keeps its login request id.
func TestProfileLinkUsesTheMethodOfTheSession(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{signin.MethodWeChat: "wechat " + mainID, signin.MethodScan: "scan"} {
		r := newFixture(t, withBoth)
		agent := uaDesktop
		if method == signin.MethodWeChat {
			agent = uaWeChat
		}
		alice, v := r.user("alice"), r.visitor(agent)
		e := r.by(method, alice)
		e.LoginRequestID = "d7"
		v.must(e)
		a := v.get("/sign-in?return=/app?x=1&scope=profile")
		if method == signin.MethodScan &&
			(len(r.scans) != 1 || r.scans[0].ID != "d7" || !r.scans[0].Profile || !r.scans[0].Reauthenticate ||
				r.scans[0].Connector != "main") {
			t.Errorf("scans: %+v", r.scans)
		}
		if got := r.method(a); got != want {
			t.Errorf("%s: the browser goes to %s, want %s", method, got, want)
		}
		if method == signin.MethodWeChat && !strings.Contains(a.location, "scope=snsapi_userinfo") {
			t.Errorf("to %s", a.location)
		}
	}
}

func agreement(r *fixture, c *signin.Config) {
	c.Agreement = gateway.NewAgreement("1", []string{"https://www.example.com/privacy"})
	c.Agreements, r.sessions.Agreement = r.store, c.Agreement.Hash
}

func TestAgreementHasAWayBackToTheApp(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withSite, agreement)
	for _, agent := range []string{uaWeChat, uaDesktop} {
		v := r.visitor(agent)
		page := v.get("/app?x=1")
		if page.kind() != "agreement" || page.link("back") != "/app?cancel=1" ||
			!strings.Contains(page.body, "Back to Notes") {
			t.Fatalf("page: %s", page.body)
		}
		// A form without the tick has it too, and nowhere else leads than back to us.
		for cancel, want := range map[string]string{"/app?cancel=1": "/app?cancel=1", "https://evil.example/": "",
			"//evil.example": "", "javascript:alert(1)": ""} {
			missed := v.post("/sign-in/agreement", url.Values{"return": {"/app?x=1"}, "cancel": {cancel},
				"version": {presentVersion()}})
			if missed.kind() != "agreement" || missed.status != 422 || missed.link("back") != want {
				t.Errorf("%q: %d, back to %q: %s", cancel, missed.status, missed.link("back"), missed.body)
			}
		}
		// Our own page has nothing to go back to.
		if own := v.follow(v.get("/sign-in?return=/")); own.kind() != "agreement" || own.link("back") != "" {
			t.Errorf("own: %s", own.body)
		}
	}
}

// For sign-in by scan the phone goes to WeChat, so the user agrees on the phone only.
func TestScanAsksNobodyTwice(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withScan, agreement)
	if got := r.method(r.visitor(uaDesktop).get("/app?x=1")); got != "scan" {
		t.Errorf("the browser goes to %s", got)
	}
}

func TestNewReportsWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := signin.New(signin.Config{})
	if err == nil {
		t.Fatal("an empty configuration was accepted")
	}
	for _, field := range []string{"URL", "Keys", "Connectors", "Users", "Attempts", "Sessions", "Events", "Site"} {
		if !strings.Contains(err.Error(), "Config."+field+" is missing") {
			t.Errorf("%s is not reported: %v", field, err)
		}
	}
}

// Each connector has a callback of its own, which accepts its own flows only.
func TestCallbackOfEachConnector(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/login"} {
		setting := []func(*fixture, *signin.Config){twoAccounts, withSite}
		if path != "" {
			setting = append(setting, underPath)
		}
		r := newFixture(t, setting...)
		for connector, callback := range map[string]string{"main": "/wechat/callback", "second": "/wechat/callback/second",
			"site": "/wechat/callback/site"} {
			r.connector = connector
			agent := uaWeChat
			if connector == "site" {
				agent = uaDesktop
			}
			u, err := url.Parse(r.visitor(agent).get(path + "/app?x=1").location)
			if err != nil || u.Query().Get("redirect_uri") != r.url+callback {
				t.Errorf("%s: %v, %v", connector, u, err)
			}
		}
		mux := route.NewMux()
		r.h.Mount(mux)
		for _, limited := range []string{"/wechat/callback", "/wechat/callback/second", "/sign-in", "/sign-in/profile",
			"/sign-in/anything", "/sign-out"} {
			if mux.Policy(httptest.NewRequest(http.MethodGet, r.url+limited, nil))&route.Limited == 0 {
				t.Errorf("%s is not limited", limited)
			}
		}
	}
}
