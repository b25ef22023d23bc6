package app_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// users lists the users, oldest first, each with their identities.
func (w *gatewayFixture) users() (users []gateway.User, identities [][]gateway.Identity) {
	w.t.Helper()
	users, err := w.store.Users(w.t.Context(), gateway.UserQuery{})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(users)
	for _, a := range users {
		ids, err := w.store.Identities(w.t.Context(), a.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		identities = append(identities, ids)
	}
	return users, identities
}

func (w *gatewayFixture) lastSignIn() gateway.Event {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), gateway.EventQuery{Kind: "sign_in"})
	if err != nil || len(events) == 0 {
		w.t.Fatalf("events %+v, %v", events, err)
	}
	return events[0]
}

func TestWebsiteAppSignsADesktopIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withWebsite)
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample", "scope", withProfile))
	desk.confirmed("alice").at(w.app.URL + "/sample")
	through := slices.ContainsFunc(desk.hops, func(hop string) bool {
		return strings.HasPrefix(hop, w.url+"/wechat/callback/site?")
	})
	who := w.userinfo(w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken)
	// WeChat's page has asked for consent; the gateway shows no second page.
	if !through || who["nickname"] != "Alice" {
		t.Errorf("userinfo %v; the way was %v", who, desk.hops)
	}
	if e := w.lastSignIn(); e.Method != "website" || e.Connector != "site" || e.App != "sample" || e.Outcome != "ok" {
		t.Errorf("event: %+v", e)
	}
	if body := desk.open(w.url + "/sign-in/me").body; !strings.Contains(body, `"method":"website"`) ||
		!strings.Contains(body, websiteID) {
		t.Errorf("me: %s", body)
	}
	// In WeChat the same app opens by the official account.
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	if e := w.lastSignIn(); e.Method != "wechat" || e.Connector != "main" {
		t.Errorf("event: %+v", e)
	}
}

// A user who signs in by both methods is one User, in either order, and apps receive the same
// subject.
func TestSamePersonByBothMethodsIsOneUser(t *testing.T) {
	t.Parallel()
	for _, websiteFirst := range []bool{true, false} {
		w := newFixture(t, withWebsite)
		desk, alice := w.plainBrowser(uaDesktop), w.phone("alice")
		var subs [2]any
		for i, byWebsite := range []bool{websiteFirst, !websiteFirst} {
			if byWebsite {
				desk.open(w.authorize("sample")).confirmed("alice").at(w.app.URL + "/sample")
			} else {
				fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
			}
			subs[i] = w.userinfo(w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken)["sub"]
		}
		users, identities := w.users()
		if len(users) != 1 || len(identities[0]) != 2 || subs[0] == nil || subs[0] != subs[1] {
			t.Errorf("website first %v: accounts %+v, identities %+v, subs %v", websiteFirst, users, identities, subs)
		}
	}
}

// Without a group, or in another one, a unionid joins nobody: it is compared within one open
// platform only.
func TestWebsiteAppOfAnotherGroupIsAnotherUser(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"", "theirs"} {
		w := newFixture(t, withWebsite, func(w *gatewayFixture) { w.config.WeChat[1].OpenPlatform = group })
		w.signInWithProfile(w.phone("alice"), "sample")
		w.plainBrowser(uaDesktop).open(w.authorize("sample")).confirmed("alice").at(w.app.URL + "/sample")
		if users, identities := w.users(); len(users) != 2 {
			t.Errorf("group %q: accounts %+v, identities %+v", group, users, identities)
		}
	}
}

// A unionid counts when WeChat's server says it, to us, for the code. What a visitor writes into
// the address of the callback counts nothing.
func TestTakeoverByForgedUnionIDThroughTheWebsiteMethod(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withWebsite)
	w.signInWithProfile(w.phone("alice"), "sample")
	victim := w.wechat.UnionID(websiteID, "alice")
	if victim == "" || victim != w.wechat.UnionID(w.config.WeChat[0].AppID, "alice") {
		t.Fatal("the connectors do not share unionids in this fixture")
	}
	mallory := w.plainBrowser(uaDesktop).open(w.authorize("sample"))
	mallory.scanned(phone{fixture.Phone{Phone: w.wechat.Phone("bob").Tab(), T: w.t}}, true)
	var state string
	for _, hop := range mallory.hops {
		if u, err := url.Parse(hop); err == nil && strings.HasPrefix(hop, w.wechat.URL) {
			state = u.Query().Get("state")
		}
	}
	code, err := w.wechat.Code(websiteID, "bob", "snsapi_login")
	if err != nil {
		t.Fatal(err)
	}
	forged := url.Values{"code": {code}, "state": {state}, "unionid": {victim},
		"openid": {w.wechat.OpenID(websiteID, "alice")}, "access_token": {"x"}}
	mallory.open(w.url + "/wechat/callback/site?" + forged.Encode()).at(w.app.URL + "/sample")
	users, identities := w.users()
	if len(users) != 2 || len(identities[0]) != 1 || len(identities[1]) != 1 || identities[1][0].UnionID == victim {
		t.Errorf("users %+v, identities %+v", users, identities)
	}
	// A code of one connector is rejected at the callback of the other: each is exchanged with its
	// own secret, and for its own flow.
	before := w.wechat.Exchanges()
	mallory.tab().open(w.url + "/wechat/callback?" + forged.Encode())
	if w.wechat.Exchanges() != before {
		t.Error("a code of the website app was sent with the secret of the official account")
	}
}

// A snapshot user is never signed in, whichever sign-in method the callback belongs to.
func TestSnapshotUserOfTheWebsiteMethodIsNotSignedIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withWebsite)
	w.wechat.Fail(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Times: 1,
		Body: `{"access_token":"x","expires_in":7200,"refresh_token":"y","openid":"o","unionid":"` +
			w.wechat.UnionID(websiteID, "alice") + `","scope":"snsapi_login","is_snapshotuser":1}`})
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).confirmed("alice")
	if users, _ := w.users(); len(users) != 0 || strings.HasPrefix(desk.url, w.app.URL) {
		t.Errorf("users %+v; the browser is at %s", users, desk.url)
	}
}

// With a website app alone, WeChat's own browser is told to open the page elsewhere.
func TestWebsiteAppAlone(t *testing.T) {
	t.Parallel()
	w := newFixture(t, onlyWebsite)
	alice := w.phone("alice")
	for address, link := range map[string]string{w.authorize("sample"): "/oauth2/authorize?client_id=", w.url +
		"/sign-in?return=/": "/sign-in?return="} {
		page := alice.WantPage(alice.Must(alice.Open(t.Context(), address)), "open_elsewhere", 200)
		if !strings.Contains(page.Body, w.url+link) {
			t.Errorf("no link to copy: %s", page.Body)
		}
	}
	desk := w.plainBrowser(uaDesktop).open(w.url+"/").want("welcome", 200).press("go")
	desk.confirmed("alice").want("own", 200)
	if !slices.ContainsFunc(desk.hops, func(hop string) bool {
		return strings.HasPrefix(hop, w.url+"/wechat/callback?")
	}) {
		t.Errorf("the way was %v", desk.hops)
	}
	// A phone outside WeChat has no other way either.
	w.plainBrowser(uaPhone).open(w.authorize("sample")).at(w.wechat.URL + "/connect/qrconnect")
}

func TestDenialAndFailureOfTheWebsiteMethod(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withWebsite)
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample"))
	u, err := url.Parse(desk.url)
	if err != nil {
		t.Fatal(err)
	}
	// WeChat's documentation: who declines comes back with a state and without a code.
	back := w.url + "/wechat/callback/site?state=" + u.Query().Get("state")
	desk.open(back).want("denied", 200)
	desk.press("go").confirmed("alice").at(w.app.URL + "/sample")

	w.wechat.Fail(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Times: -1, Errcode: -1})
	other := w.plainBrowser(uaDesktop).open(w.authorize("sample")).confirmed("bob")
	if other.want("busy", 503); strings.Contains(other.url, "code=") {
		t.Errorf("the page stands at %s", other.url)
	}
	w.wechat.ClearFaults()
	other.press("go").confirmed("bob").at(w.app.URL + "/sample")
}

func TestWebsiteMethodUnderAPathAndWithAgreement(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withWebsite, withAgreement, func(w *gatewayFixture) { w.url += "/login" })
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("agreement", 200)
	if slices.ContainsFunc(desk.hops, func(hop string) bool { return strings.HasPrefix(hop, w.wechat.URL) }) {
		t.Errorf("WeChat was on the way: %v", desk.hops)
	}
	desk.submit("/sign-in/agreement", ticked()).want("continue", 200)
	desk.press("go").confirmed("alice").at(w.app.URL + "/sample")
}

// A user who is signed in by a method that the app does not accept sees a page that explains it,
// and can sign in by an accepted method. No redirect repeats.
func TestSessionByAMethodThatTheAppDoesNotAccept(t *testing.T) {
	t.Parallel()
	anyBrowser := func(w *gatewayFixture) { w.config.WeChat[0].AnyBrowser = true }
	w := newFixture(t, withWebsite, methods(t, "website"), anyBrowser)
	// any browser counts as WeChat's
	desk := w.plainBrowser(uaDesktop).open(w.authorize("second")).at(w.wechat.URL + "/connect/oauth2/authorize")
	u, err := url.Parse(desk.url)
	if err != nil {
		t.Fatal(err)
	}
	code, err := w.wechat.Code(w.config.WeChat[0].AppID, "alice", "snsapi_base")
	if err != nil {
		t.Fatal(err)
	}
	desk.open(w.url + "/wechat/callback?" +
		url.Values{"code": {code}, "state": {u.Query().Get("state")}}.Encode()).at(w.app.URL + "/second")
	before := w.wechat.Exchanges()
	desk.open(w.authorize("sample")).want("wrong_method", 403)
	if !strings.Contains(desk.body, "Sample") || desk.link("back") == "" || w.wechat.Exchanges() != before {
		t.Errorf("page: %s", desk.body)
	}
	page := *desk
	desk.press("go").confirmed("alice").at(w.app.URL + "/sample")
	if w.app.LastQuery().Get("code") == "" {
		t.Errorf("the app received %v", w.app.LastQuery())
	}
	// The way back tells the app.
	page.press("back").at(w.app.URL + "/sample")
	if w.app.LastQuery().Get("error") == "" {
		t.Errorf("the app received %v", w.app.LastQuery())
	}
	// The other app accepts a session by the method website.
	desk.open(w.authorize("second")).at(w.app.URL + "/second")
}

// In WeChat no method of such an app works, so the button leads to the page that explains where to
// open the app.
func TestExcludedMethodInWeChatEndsAtThePageToOpenElsewhere(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withWebsite, methods(t, "website"))
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second"))), w.app.URL+"/second")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample"))), "wrong_method", 403)
	alice.WantPage(alice.Press(), "open_elsewhere", 200)
	fixture.WantAt(w.t, alice.Must(alice.Follow(t.Context(), "back")), w.app.URL+"/sample")
	if w.app.LastQuery().Get("error") != "access_denied" {
		t.Errorf("the app received %v", w.app.LastQuery())
	}
}
