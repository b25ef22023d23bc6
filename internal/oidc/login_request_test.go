package oidc_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/web"
)

func TestRedirectLoopOfABrowserWithoutCookiesStops(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	e.signIn.as(&e.alice)
	b := e.browser()
	b.client.Jar = nil
	a := b.authorize(e.request())
	page := a.shown()
	if a.page() != "problem" || page.Kind != web.NotSignedIn || e.signIn.count() != 1 {
		t.Fatalf("answer: %d %+v after %d sign-ins", a.status, page, e.signIn.count())
	}
	// The page's link begins again, in a browser that keeps cookies now.
	again := e.browser()
	if a = again.follow(again.get(e.server.URL + page.Go)); a.param("code") == "" {
		t.Errorf("retry: %d %v", a.status, a.location)
	}
	if a = e.browser().get(e.server.URL + page.Go +
		"&weigate_login_request=x&prompt=none"); a.param("error") != "login_required" {
		t.Errorf("prompt=none: %v", a.location)
	}
}

func TestSessionOfAnOldLoginRequestIsNotAcceptedForANewOne(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	e.signIn.as(&e.alice)
	b := e.browser()
	if a := b.authorize(e.request("prompt", "login")); a.param("code") == "" {
		t.Fatalf("answer: %d %v", a.status, a.location)
	}
	address := e.server.URL + e.signIn.lastLoginRequest().ReturnURL
	if a := b.get(address); a.param("code") == "" {
		t.Errorf("the page loaded again at once: %d %v", a.status, a.location)
	}
	e.clock.advance(10 * time.Minute)
	if a := b.get(address); a.page() != "confirm" {
		t.Errorf("the address from the history: %d %v", a.status, a.location)
	}
}

// An attacker at the same browser finds the address of an earlier, silent request in the history.
// The sign-in for that request does not satisfy an app that requires reauthentication.
func TestLoginRequestOfOneRequestReplayedInAnother(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	e.signIn.as(&e.alice)
	b := e.browser()
	if a := b.authorize(e.request()); a.param("code") == "" {
		t.Fatalf("answer: %d %v", a.status, a.location)
	}
	loginRequest := e.signIn.lastLoginRequest().ID
	e.clock.advance(time.Minute)
	for name, q := range map[string]url.Values{
		"prompt added":             e.request("prompt", "login"),
		"another app, with prompt": e.request("client_id", e.other, "prompt", "login"),
		"another state":            e.request("state", "other", "prompt", "login"),
	} {
		q.Set("weigate_login_request", loginRequest)
		if a := b.authorize(q); a.page() != "confirm" {
			t.Errorf("%s: %d, page %q, %v", name, a.status, a.page(), a.location)
		}
	}
	q := e.request("max_age", "30", "prompt", "none", "weigate_login_request", loginRequest)
	if a := b.authorize(q); a.param("error") != "login_required" {
		t.Errorf("max_age added: %d %v", a.status, a.location)
	}
	// The start of it, an empty one, and one that ends alike are none either.
	for _, d := range []string{loginRequest[:26], "", loginRequest[26:]} {
		if a := b.authorize(e.request("prompt", "login", "weigate_login_request", d)); a.page() != "confirm" {
			t.Errorf("login request %q: %d %v", d, a.status, a.location)
		}
	}
}
