package portal_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// TestSessionOfAnotherUserIsNotEnded posts the ids of another user's session, and forged ones
// (authentik CVE-2025-29928).
func TestSessionOfAnotherUserIsNotEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user("alice")
	f.user("mallory")
	f.browser("desktop", alice, gateway.MethodScan, session.Data{Scan: &session.Scan{Browser: "Firefox, Linux",
		MaskedIP: "198.51.100.*"}})
	body := f.get("alice", "/")
	for _, want := range []string{"Firefox, Linux", "198.51.100.*", "This browser", "Browser of alice"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "mallory") ||
		strings.Contains(body, `value="`+f.formID("alice")+`"><button class="button quiet" aria`) {
		t.Error("the page has a button for another session")
	}
	for _, id := range []string{f.formID("desktop"), f.ids["desktop"], "", "x", strings.Repeat("A", 5000)} {
		f.post("mallory", "/sign-out/browser", url.Values{"session": {id}})
	}
	f.post("mallory", "/sign-out/others", nil)
	if !f.signedIn("desktop") || !f.signedIn("alice") {
		t.Fatal("another user has ended a session")
	}
	if w := f.post("nobody", "/sign-out/others", nil); w.Code == http.StatusSeeOther {
		t.Errorf("without a session: %d", w.Code)
	}
	for range 2 { // a second time does nothing
		if w := f.post("alice", "/sign-out/browser", url.Values{"session": {f.formID("desktop")}}); w.Code != 303 {
			t.Errorf("status %d", w.Code)
		}
	}
	if f.signedIn("desktop") || !f.signedIn("alice") || !f.signedIn("mallory") {
		t.Error("not exactly the chosen session ended")
	}
	e := f.events("sign_out_browser")
	if len(e) != 1 || e[0].Detail != "browser: Firefox, Linux" || e[0].Address != "192.0.2.*" {
		t.Errorf("events: %+v", e)
	}
}

func TestOtherSessionsAreEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user("alice")
	for _, name := range []string{"one", "two"} {
		f.browser(name, alice, gateway.MethodWebsite, session.Data{})
	}
	const confirmation = "All other browsers are signed out."
	// A thief sends a link, so that Alice does not sign out the thief's browser.
	if strings.Contains(f.get("alice", "/?done=others&n=0"), confirmation) {
		t.Error("a link confirms a sign-out")
	}
	w := f.post("alice", "/sign-out/others", nil)
	if w.Code != 303 || f.signedIn("one") || f.signedIn("two") || !f.signedIn("alice") ||
		len(f.events("sign_out_others")) != 2 {
		t.Errorf("status %d", w.Code)
	}
	if !strings.Contains(f.get("alice", w.Header().Get("Location")), confirmation) {
		t.Error("the page does not confirm it")
	}
	if w := f.post("alice", "/sign-out/everywhere", nil); w.Code != 200 || f.signedIn("alice") {
		t.Errorf("everywhere: %d", w.Code)
	}
}

// TestFormsOfOtherSitesChangeNothing posts every form from another site, and opens every address of a
// form as a link (1Panel CVE-2025-34410, new-api CVE-2026-44342).
func TestFormsOfOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user("alice")
	f.browser("other", alice, gateway.MethodWeChat, session.Data{})
	grant := f.grant(alice, "wiki")
	form := url.Values{"session": {f.formID("alice")}, "agree": {"1"}, "app": {"wiki"}}
	for _, path := range []string{"/sign-out/everywhere", "/sign-out/others", "/sign-out/browser", "/withdraw", "/my-data",
		"/delete-account"} {
		w := f.post("alice", path, form, func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		})
		if w.Code != http.StatusForbidden {
			t.Errorf("POST %s from another site: %d", path, w.Code)
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
			f.do("alice", method, path+"?"+form.Encode(), nil)
			f.do("alice", method, path+"?sign-in=1&"+form.Encode(), nil)
		}
	}
	g, err := f.store.Grant(t.Context(), grant)
	if err != nil || !g.Live(f.now) || !f.signedIn("alice") || !f.signedIn("other") || len(f.events("")) != 1 {
		t.Errorf("something changed: %+v, %v, %v", g, err, f.events(""))
	}
}

// TestFormsNeedTheSessionOfTheirPage posts forms of a page that was opened before another user signed
// in with the same browser.
func TestFormsNeedTheSessionOfTheirPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, _ := f.user("alice"), f.user("bob")
	grant := f.grant(alice, "wiki")
	for _, id := range []string{"", f.formID("bob"), "x"} {
		form := url.Values{"session": {id}, "agree": {"1"}, "app": {"wiki"}, "user": {alice.ID}, "user_id": {alice.ID}}
		for _, path := range []string{"/withdraw", "/my-data", "/delete-account"} {
			if w := f.post("alice", path, form); w.Code != http.StatusSeeOther {
				t.Errorf("POST %s with the session %q: %d", path, id, w.Code)
			}
		}
	}
	if g, err := f.store.Grant(t.Context(), grant); err != nil || !g.Live(f.now) {
		t.Errorf("the grant was revoked: %v", err)
	}
}

func TestWithdrawRevokesOneApp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, app("wiki", "Wiki", gateway.AccessSignedIn), app("shop", "Shop", gateway.AccessSignedIn))
	alice, bob := f.user("alice"), f.user("bob")
	wiki, shop, other := f.grant(alice, "wiki"), f.grant(alice, "shop"), f.grant(bob, "wiki")
	if n := strings.Count(f.get("alice", "/"), "Withdraw access"); n != 2 {
		t.Errorf("%d buttons", n)
	}
	for range 2 {
		f.post("alice", "/withdraw", url.Values{"session": {f.formID("alice")}, "app": {"wiki"}, "user": {bob.ID}})
	}
	for id, want := range map[string]bool{wiki: false, shop: true, other: true} {
		if g, err := f.store.Grant(t.Context(), id); err != nil || g.Live(f.now) != want {
			t.Errorf("grant of %s live: %t, %v", g.App, g.Live(f.now), err)
		}
	}
	if e := f.events("access_withdrawn"); len(e) != 1 || e[0].App != "wiki" || e[0].UserID != alice.ID {
		t.Errorf("events: %+v", e)
	}
	if n := strings.Count(f.get("alice", "/"), "Withdraw access"); n != 1 {
		t.Errorf("%d buttons afterwards", n)
	}
}

// TestPagesAreNeitherFramedNorStored: a page in a frame of another site makes the user press its
// buttons, and a page in a cache shows the user's data to the next one.
func TestPagesAreNeitherFramedNorStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t, app("wiki", "Wiki", gateway.AccessSignedIn))
	alice := f.user("alice")
	f.grant(alice, "wiki")
	f.browser("other", alice, gateway.MethodWeChat, session.Data{})
	own := url.Values{"session": {f.formID("alice")}, "app": {"wiki"}}
	for _, c := range []struct {
		browser, method, path string
		form                  url.Values
	}{
		{"nobody", http.MethodGet, "/", nil}, {"alice", http.MethodGet, "/", nil}, {"alice", http.MethodHead, "/", nil},
		{"alice", http.MethodGet, "/?done=others", nil}, {"alice", http.MethodGet, "/my-data", nil},
		{"nobody", http.MethodGet, "/my-data", nil}, {"alice", http.MethodGet, "/delete-account", nil},
		{"alice", http.MethodPut, "/", nil}, {"nobody", http.MethodPost, "/withdraw", own},
		{"alice", http.MethodPost, "/my-data", own}, {"alice", http.MethodPost, "/delete-account", own},
		{"alice", http.MethodPost, "/sign-out/others", nil}, {"alice", http.MethodPost, "/withdraw", own},
		{"alice", http.MethodPost, "/sign-out/everywhere", nil},
	} {
		w := f.do(c.browser, c.method, c.path, c.form)
		h := w.Header()
		policy := h.Get("Content-Security-Policy")
		framed := !strings.Contains(policy, "frame-ancestors 'none'") && !strings.Contains(policy, "sandbox")
		if w.Code != http.StatusSeeOther && framed || h.Get("Cache-Control") != "no-store" ||
			!strings.Contains(strings.Join(h.Values("Vary"), ","), "Cookie") {
			t.Errorf("%s %s of %s: %d %v", c.method, c.path, c.browser, w.Code, h)
		}
	}
}
