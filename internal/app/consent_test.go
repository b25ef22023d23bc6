package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// withoutUnionIDs makes WeChat return no unionid with snsapi_base, as its documentation says.
func withoutUnionIDs(w *gatewayFixture) {
	w.wechat.UpdateQuirks(func(q *wechattest.Quirks) { q.BaseUnionID = false })
}

// withConsent signs in for the first time at connectors that share unionids: through the page that
// asks for consent, and WeChat's consent page.
func (w *gatewayFixture) withConsent(p phone, address string) *wechattest.Page {
	w.t.Helper()
	p.WantPage(p.Must(p.Open(w.t.Context(), address)), "wechat_consent", 200)
	p.Press()
	return p.Must(p.Allow(w.t.Context()))
}

// A blocked user opens an app whose users sign in through another official account of the same Open
// Platform account. With snsapi_base, WeChat returns no id of the user that the gateway has stored.
func TestBlockedUserReturnsByAnotherOfficialAccount(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*gatewayFixture) string{
		"OpenID Connect": func(w *gatewayFixture) string { return w.authorize("legacy") },
		"relay":          func(w *gatewayFixture) string { return w.shopAddress("snsapi_base") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, twoConnectors, withShop, withoutUnionIDs, func(w *gatewayFixture) {
				for i := range w.config.Apps {
					if w.config.Apps[i].Kind == gateway.AppRelay {
						w.config.Apps[i].Connector = "second"
					}
				}
			})
			mallory := w.phone("bob")
			fixture.WantAt(t, w.withConsent(mallory, w.authorize("sample")), w.app.URL+"/sample")
			w.set(gateway.Blocked)
			mallory.ClearCookies()
			mallory.WantPage(mallory.Must(mallory.Open(t.Context(), start(w))), "wechat_consent", 200)
			mallory.Press()
			page := mallory.Page()
			if strings.HasPrefix(page.URL, w.wechat.URL) { // WeChat remembers a consent for thirty days
				page = mallory.Must(mallory.Allow(t.Context()))
			}
			mallory.WantPage(page, "blocked", 403)
			if users, identities := w.users(); len(users) != 1 || users[0].Status != gateway.Blocked || len(identities[0]) != 2 {
				t.Errorf("users %+v, identities %+v", users, identities)
			}
		})
	}
}

// The blocked user scans a QR code with a phone that signs in through the second official account.
func TestBlockedUserApprovesNoScan(t *testing.T) {
	t.Parallel()
	w := newFixture(t, twoConnectors, withoutUnionIDs)
	mallory := w.phone("bob")
	fixture.WantAt(t, w.withConsent(mallory, w.authorize("sample")), w.app.URL+"/sample")
	w.set(gateway.Blocked)
	mallory.ClearCookies()
	desk := w.plainBrowser(uaDesktop).open(w.authorize("legacy"))
	link := desk.want("scan_code", 200).code()
	mallory.WantPage(mallory.Must(mallory.Open(t.Context(), link)), "wechat_consent", 200)
	mallory.Press()
	page := mallory.Page()
	if strings.HasPrefix(page.URL, w.wechat.URL) {
		page = mallory.Must(mallory.Allow(t.Context()))
	}
	mallory.WantPage(page, "blocked", 403)
}

// A first sign-in continues after the consent where the app has sent the user, and the second needs
// no page.
func TestFirstSignInWithConsent(t *testing.T) {
	t.Parallel()
	w := newFixture(t, twoConnectors, withoutUnionIDs)
	alice := w.phone("alice")
	fixture.WantAt(t, w.withConsent(alice, w.authorize("sample")), w.app.URL+"/sample")
	if q := w.app.LastQuery(); q.Get("code") == "" || q.Get("state") != "state-of-the-app" {
		t.Errorf("the app received %v", q)
	}
	alice.ClearCookies()
	fixture.WantAt(t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	alice.ClearCookies()
	fixture.WantAt(t, w.withConsent(alice, w.authorize("legacy")), w.app.URL+"/legacy")
	if users, identities := w.users(); len(users) != 1 || len(identities[0]) != 2 {
		t.Errorf("users %+v, identities %+v", users, identities)
	}
}

// Somebody edits the address at WeChat of a sign-in that needs consent: the scope becomes
// snsapi_base, for which WeChat shows no page. Neither the app's request for a new consent nor the
// gateway's for the unionid is satisfied.
func TestEditedScopeSatisfiesNoConsent(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	fixture.WantAt(t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	before := w.app.LastQuery().Get("code")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample", "prompt", "login"))), "confirm", 200)
	page := alice.Press() // WeChat's consent page
	edited, err := url.Parse(page.URL)
	if err != nil || !strings.HasPrefix(page.URL, w.wechat.URL) {
		t.Fatalf("at %s, %v", page.URL, err)
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(),
		strings.Replace(edited.String(), "snsapi_userinfo", "snsapi_base", 1)+"#wechat_redirect")), "wechat_consent", 200)
	if after := w.app.LastQuery().Get("code"); after != before {
		t.Error("the app received a code without a new consent")
	}
	// The button asks WeChat for consent again, and the app's request is satisfied then.
	alice.Press()
	fixture.WantAt(t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/sample")
	if after := w.app.LastQuery().Get("code"); after == "" || after == before {
		t.Error("the app received no code after the consent")
	}
}

// The link of the consent page is sealed: nobody can make one that leads elsewhere.
func TestConsentLinkCannotBeForged(t *testing.T) {
	t.Parallel()
	w := newFixture(t, twoConnectors, withoutUnionIDs)
	alice := w.phone("alice")
	page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample"))), "wechat_consent", 200)
	_, value, _ := strings.Cut(page.URL, "page=")
	for _, forged := range []string{"", "x", value + "A", value[1:]} {
		page := alice.Must(alice.Open(t.Context(), w.url+"/sign-in/consent?page="+forged))
		alice.WantPage(page, "lost", http.StatusBadRequest)
	}
}
