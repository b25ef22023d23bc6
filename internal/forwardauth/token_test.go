package forwardauth_test

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web/webtest"
)

// A token leaked by a log or a Referer is useless to an attacker: in another browser and on another
// host. It is spent there, and the browser leaves the address that contains it.
func TestHandoffTokenElsewhere(t *testing.T) {
	t.Parallel()
	for name, attempt := range map[string]func(thief *browser, to, nonce string) (spent string){
		"without the nonce": func(thief *browser, to, _ string) string { return to },
		"with another nonce": func(thief *browser, to, _ string) string {
			thief.open("https://" + wiki + "/.weigate/start")
			return to
		},
		"on the host of another app": func(thief *browser, to, nonce string) string {
			thief.put("public.example.com", "__Host-weigate-auth-nonce", nonce)
			return strings.Replace(to, wiki, "public.example.com", 1)
		},
		"on another host of the app": func(thief *browser, to, nonce string) string {
			thief.put("docs.example.com", "__Host-weigate-auth-nonce", nonce)
			return strings.Replace(to, wiki, "docs.example.com:8443", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFixture(t)
			_, cookie := e.person("alice")
			b := e.browser(cookie)
			to := handedOver(t, e, b, "https://"+wiki)
			thief := e.browser("")
			address := attempt(thief, to, b.cookies[wiki]["__Host-weigate-auth-nonce"])
			thief.hops = nil
			want(t, "the thief", thief.open(address), http.StatusBadRequest, "lost")
			if strings.Contains(thief.at(), "token") {
				t.Errorf("the token stays in the address: %v", thief.hops)
			}
			want(t, "the browser of the token, afterwards", b.open(to), http.StatusBadRequest, "lost")
			if b.cookies[wiki]["__Host-weigate-auth"] != "" || thief.cookies[wiki]["__Host-weigate-auth"] != "" {
				t.Error("a spent token has made a session")
			}
		})
	}
}

// A copy of a token that its browser has redeemed ends nothing.
func TestRedeemedHandoffTokenElsewhereEndsNoSession(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie)
	to := handedOver(t, e, b, "https://"+wiki)
	b.open(to)
	want(t, "replayed", e.browser("").open(to), http.StatusBadRequest, "lost")
	want(t, "its owner", b.verify("https://"+wiki+"/page"), http.StatusOK, "")
	w := e.browser("").send(e.browser("").request(http.MethodGet, strings.Replace(to, wiki, "login.example.com", 1)))
	if string(webtest.Kind(w.Body.String())) != "not_found" {
		t.Errorf("on the gateway's own host: %d %s", w.Code, w.Body)
	}
}

// The attacker makes a challenge of their own and lures a signed-in user to the handoff. The user's
// browser is then at an address with a token that fits the attacker's nonce. The attacker, who may see
// that address, must not be able to use it.
func TestHandoffTokenLeftInAnAddressSignsNobodyIn(t *testing.T) {
	t.Parallel()
	for name, signedInOnHost := range map[string]bool{"new to the site": false, "signed in on the site": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFixture(t)
			_, cookie := e.person("alice")
			victim := e.browser(cookie)
			if signedInOnHost {
				victim.in("https://" + wiki)
			}
			attacker := e.browser("")
			w := attacker.send(attacker.request(http.MethodGet, "https://"+wiki+"/.weigate/start?return=/page"))
			lure := w.Header().Get("Location")
			victim.hops = nil
			victim.open(lure)
			leaked := ""
			for _, hop := range victim.hops {
				if strings.Contains(hop, "token=") {
					leaked = hop
				}
			}
			if leaked == "" || strings.Contains(victim.at(), "token=") {
				t.Fatalf("the victim went %v", victim.hops)
			}
			want(t, "the attacker", attacker.open(leaked), http.StatusBadRequest, "lost")
			if attacker.cookies[wiki]["__Host-weigate-auth"] != "" {
				t.Error("the attacker is signed in as the victim")
			}
			if signedInOnHost {
				want(t, "the victim's own session", victim.verify("https://"+wiki+"/page"), http.StatusOK, "")
			}
		})
	}
}

// A code of another protocol, sent as a token, is not spent: only its own client may use it up.
func TestCodeOfAnotherProtocolIsNotSpentAsAToken(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	user, _ := e.person("alice")
	code := strings.Repeat("c", 43)
	if err := e.store.PutCode(t.Context(), gateway.Code{Hash: sha256.Sum256([]byte(code)),
		ExpiresAt: e.clock.now().Add(time.Minute), Grant: gateway.Grant{ID: gateway.NewID(), App: "notes", UserID: user.ID,
			Subject: "s", Scopes: []string{"openid"}, CreatedAt: e.clock.now()}}); err != nil {
		t.Fatal(err)
	}
	e.browser("").open("https://" + wiki + "/.weigate/finish?token=" + code)
	if _, err := e.store.Redeem(t.Context(), sha256.Sum256([]byte(code)), e.clock.now(), gateway.TokenIssue{
		Access: gateway.Token{Hash: [32]byte{9}, CreatedAt: e.clock.now(), ExpiresAt: e.clock.now().Add(time.Minute)},
	}); err != nil {
		t.Errorf("the code: %v", err)
	}
}

// An administrator changes who may enter between the handoff and its end, or later.
func TestRuleTightenedAfterTheHandoff(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(e *fixture, b *browser){
		"denied by the rule": func(e *fixture, _ *browser) { e.access.says.Store(int64(access.Denied)) },
		"no longer approved": func(e *fixture, _ *browser) { e.access.says.Store(int64(access.Pending)) },
		"method excluded": func(e *fixture, b *browser) {
			e.config.Apps = slices.Clone(e.config.Apps)
			e.config.Apps[0].Methods = []string{"scan"}
			b.through, _ = e.replica()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFixture(t)
			_, cookie := e.person("alice")
			b := e.browser(cookie)
			to := handedOver(t, e, b, "https://"+wiki)
			change(e, b)
			if w := b.open(to); w.Code != http.StatusForbidden && string(webtest.Kind(w.Body.String())) != "waiting" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if b.cookies[wiki]["__Host-weigate-auth"] != "" || strings.Contains(b.at(), "token=") {
				t.Errorf("a session was made, or the address kept the token: %v", b.hops)
			}
		})
	}
}
