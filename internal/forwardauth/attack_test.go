package forwardauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/forwardauth"
)

// A client sends the identity headers of a site. They are never read, and every response has its
// own.
func TestIdentityHeadersOfAVisitorAreNeverRead(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	a, cookie := e.person("alice")
	forged := []string{"X-Weigate-User", "admin", "X-Weigate-Groups", "admins", "X-Weigate-Assertion", "ey",
		"X-Weigate-Name", "Root", "X-Weigate-Openid", "o", "X-Weigate-Unionid", "u"}
	w := e.browser("").verify("https://"+wiki+"/", forged...)
	want(t, "nobody", w, http.StatusFound, "")
	nobody(t, w)
	w = e.browser(cookie).in("https://"+wiki).verify("https://"+wiki+"/", forged...)
	if w.Header().Get("X-Weigate-User") != a.ID || w.Header().Get("X-Weigate-Groups") != "a%2Cb,staff" {
		t.Errorf("the site is told %v", w.Header())
	}
}

// TestProxyWithLinkLocalAddress: its address has a zone, which no network in trusted_proxies has.
func TestProxyWithLinkLocalAddress(t *testing.T) {
	t.Parallel()
	e := newFixture(t, func(c *forwardauth.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("fe80::1/128")}
	})
	_, cookie := e.person("alice")
	for peer, want := range map[string]int{"[fe80::1%eth0]:9": http.StatusOK, "[fe80::2%eth0]:9": http.StatusForbidden} {
		r := e.browser(cookie).in("https://"+wiki).request(http.MethodGet, "https://"+wiki+"/verify")
		r.RemoteAddr = peer
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", peer, w.Code, want)
		}
	}
}

// A peer that is not a trusted proxy requests /verify for a host of its choice.
func TestForwardedHostFromAnUntrustedAddress(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	for _, headers := range [][]string{nil, {"Accept", "application/json"}, {"X-Forwarded-For", "10.0.0.1"},
		{"X-Original-Url", "https://" + wiki + "/"}} {
		r := b.request(http.MethodGet, "https://"+wiki+"/verify")
		r.RemoteAddr = stranger
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("a stranger's question with %v: %d", headers, w.Code)
		}
		nobody(t, w)
	}
	if n := strings.Count(e.log.String(), "reason=untrusted_peer"); n != 4 {
		t.Errorf("%d lines for 4 rejected requests:\n%s", n, e.log)
	}
	// On the hosts' own addresses the headers of an untrusted peer are ignored too: the Host
	// decides.
	r := httptest.NewRequest(http.MethodGet, "https://elsewhere.example/.weigate/start?return=/", nil)
	r.RemoteAddr = stranger
	r.Header.Set("X-Forwarded-Host", wiki)
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, r)
	want(t, "a host by a stranger's header", w, http.StatusNotFound, "not_found")
	if len(w.Result().Cookies()) > 0 {
		t.Error("a cookie was set")
	}
}

// A visitor adds the header that another kind of proxy would have set, to have a request to one
// site judged as one to another, where they may go.
func TestHostConfusionByASecondHeader(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("mallory")
	b := e.browser(cookie).in("https://public.example.com")
	stolen := "__Host-weigate-auth=" + b.cookies["public.example.com"]["__Host-weigate-auth"]
	for _, k := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"Traefik, X-Original-Url added", []string{"X-Original-Url", "https://public.example.com/"}, 403},
		{"nginx that sets X-Original-Url only, X-Forwarded-Host added",
			[]string{"X-Original-Url", "https://" + wiki + "/", "X-Forwarded-Host", "public.example.com"}, 403},
		{"a list of hosts", []string{"X-Forwarded-Host", "public.example.com, " + wiki}, 403},
		{"another port", []string{"X-Forwarded-Host", wiki + ":8443"}, 403},
		{"port 80 of an https host", []string{"X-Forwarded-Host", wiki + ":80"}, 403},
		{"a dot at the end", []string{"X-Forwarded-Host", "public.example.com."}, 403},
		{"userinfo", []string{"X-Original-Url", "https://public.example.com@" + wiki + "/", "X-Forwarded-Host", ""},
			403},
		{"a sub-domain", []string{"X-Forwarded-Host", "x.public.example.com"}, 403},
		{"no host at all", []string{"X-Forwarded-Host", ""}, 403},
		{"an address that is none", []string{"X-Original-Url", "public.example.com/", "X-Forwarded-Host", ""}, 403},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := b.verify("https://"+wiki+"/", append(k.headers, "Cookie", stolen)...)
			if w.Code != k.status {
				t.Errorf("%d, want %d", w.Code, k.status)
			}
			nobody(t, w)
		})
	}
	t.Run("two headers", func(t *testing.T) {
		t.Parallel()
		r := b.request(http.MethodGet, "https://"+wiki+"/verify")
		r.Header.Set("Cookie", stolen)
		r.Header["X-Forwarded-Host"] = []string{"public.example.com", wiki}
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, r)
		want(t, "two hosts", w, http.StatusForbidden, "bad_request")
	})
	// Two headers with the same content do not contradict each other.
	if w := b.verify("https://public.example.com/", "X-Original-Url",
		"https://public.example.com/"); w.Code != http.StatusOK {
		t.Errorf("the same host in both headers: %d", w.Code)
	}
}

// The cookie of one host, carried to another.
func TestCookieOfOneHostAtAnother(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("mallory")
	b := e.browser(cookie).in("https://public.example.com")
	value := b.cookies["public.example.com"]["__Host-weigate-auth"]
	e.store.tokens.Store(0)
	for _, forged := range []string{value, value + "x", value[:len(value)-1], strings.ToUpper(value),
		strings.Split(value, ".")[0] + ".", "." + strings.Split(value, ".")[1], ".", strings.Repeat("a", 4000)} {
		w := b.verify("https://"+wiki+"/", "Cookie", "__Host-weigate-auth="+forged)
		want(t, "forged", w, http.StatusFound, "")
		nobody(t, w)
	}
	if n := e.store.tokens.Load(); n != 0 {
		t.Errorf("made-up cookies asked the store %d times", n)
	}
	for _, header := range []string{"__Host-weigate-auth-nonce=" + value, "weigate-auth=" + value,
		"x__Host-weigate-auth=" + value, "a=b,__Host-weigate-auth=" + value} {
		want(t, "another name", b.verify("https://public.example.com/", "Cookie", header), http.StatusFound, "")
	}
}

// handedOver stops a browser just before it brings the token to the host, and returns that address.
func handedOver(t *testing.T, e *fixture, b *browser, origin string) string {
	t.Helper()
	w := b.send(b.request(http.MethodGet, origin+"/.weigate/start?return=/page"))
	w = b.send(b.request(http.MethodGet, w.Header().Get("Location")))
	to := w.Header().Get("Location")
	if !strings.HasPrefix(to, origin+"/.weigate/finish?") || !strings.Contains(to, "token=") {
		t.Fatalf("handed over to %q: %d %s", to, w.Code, w.Body)
	}
	return to
}

// The same browser's replay makes no second session and revives none that was ended.
func TestHandoffTokenReplayed(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie)
	to := handedOver(t, e, b, "https://"+wiki)
	nonce := b.cookies[wiki]["__Host-weigate-auth-nonce"]
	b.open(to)
	session := b.cookies[wiki]["__Host-weigate-auth"]
	again := e.browser("")
	again.put(wiki, "__Host-weigate-auth-nonce", nonce)
	again.open(to)
	if got := again.cookies[wiki]["__Host-weigate-auth"]; got != session {
		t.Errorf("a refresh within a minute makes the session %q, not the same one", got)
	}
	// "Back" leads on while the session lives.
	b.hops = nil
	b.open(to)
	if b.at() != "https://"+wiki+"/page" {
		t.Errorf("back leads to %v", b.hops)
	}
	r := b.request(http.MethodPost, "https://"+wiki+"/.weigate/sign-out")
	want(t, "sign-out", b.send(r), http.StatusOK, "host_signed_out")
	again.cookies[wiki] = map[string]string{"__Host-weigate-auth-nonce": nonce}
	want(t, "after the sign-out", again.open(to), http.StatusBadRequest, "lost")
	if again.cookies[wiki]["__Host-weigate-auth"] != "" {
		t.Error("a replay has undone a sign-out")
	}
}

// A nonce and a token that somebody finds in a browser later make no session any more.
func TestHandoffTokenReplayedLater(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie)
	to := handedOver(t, e, b, "https://"+wiki)
	again := e.browser("")
	again.put(wiki, "__Host-weigate-auth-nonce", b.cookies[wiki]["__Host-weigate-auth-nonce"])
	b.open(to)
	e.clock.advance(time.Minute + time.Second)
	want(t, "after a minute", again.open(to), http.StatusBadRequest, "lost")
	if again.cookies[wiki]["__Host-weigate-auth"] != "" {
		t.Error("a session was given again")
	}
	want(t, "the one that was made", b.verify("https://"+wiki+"/"), http.StatusOK, "")
}

// A host is moved to an app with another policy. Sessions and tokens from before are no longer
// valid on it.
func TestSessionOfAHostThatWentToAnotherApp(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b, late := e.browser(cookie).in("https://"+wiki), e.browser(cookie)
	to := handedOver(t, e, late, "https://"+wiki)
	e.config.Apps = append([]forwardauth.App{}, e.config.Apps...)
	e.config.Apps[0].Hosts, e.config.Apps[1].Hosts = []string{"docs.example.com:8443"},
		[]string{"public.example.com", wiki}
	b.through, _ = e.replica()
	late.through = b.through
	want(t, "the session", b.verify("https://"+wiki+"/"), http.StatusFound, "")
	nobody(t, b.verify("https://"+wiki+"/"))
	want(t, "the token", late.open(to), http.StatusBadRequest, "lost")
}

// An app excludes a sign-in method. Sessions created by that method before are denied too.
func TestMethodThatTheAppExcludesLater(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	e.config.Apps = append([]forwardauth.App{}, e.config.Apps...)
	e.config.Apps[0].Methods = []string{"scan"}
	b.through, _ = e.replica()
	want(t, "a page", b.verify("https://"+wiki+"/"), http.StatusForbidden, "wrong_method")
	nobody(t, b.verify("https://"+wiki+"/"))
}

func TestHandoffTokenExpiresAfterThirtySeconds(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie)
	to := handedOver(t, e, b, "https://"+wiki)
	e.clock.advance(30 * time.Second)
	want(t, "too late", b.open(to), http.StatusBadRequest, "lost")
}

// The attacker signs in, keeps their own token back, and gets the victim to open it: the victim
// would work in the attacker's account.
func TestLoginCSRFWithTheAttackersToken(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, mallorys := e.person("mallory")
	alice, alices := e.person("alice")
	to := handedOver(t, e, e.browser(mallorys), "https://"+wiki)

	fresh := e.browser("")
	want(t, "a victim who is signed out", fresh.open(to), http.StatusBadRequest, "lost")
	signedIn := e.browser(alices).in("https://" + wiki)
	signedIn.hops = nil
	signedIn.open(to)
	if got := signedIn.verify("https://" + wiki + "/").Header().Get("X-Weigate-User"); got != alice.ID {
		t.Errorf("the victim is now %q, not herself", got)
	}
	half := e.browser("") // has begun a sign-in of her own
	half.open("https://" + wiki + "/.weigate/start")
	want(t, "a victim who is signing in", half.open(to), http.StatusBadRequest, "lost")
	if half.cookies[wiki]["__Host-weigate-auth"] != "" {
		t.Error("a session was made")
	}
}

// A crafted link to the gateway leads nowhere but to a host on an app's list.
func TestHandoffToAForeignHost(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	for _, to := range []string{"https://evil.example", "https://wiki.example.com.evil.example",
		"https://evil.example/https://wiki.example.com", "//wiki.example.com", "wiki.example.com",
		"http://wiki.example.com", "https://wiki.example.com:8443", "https://wiki.example.com/",
		"https://x@wiki.example.com", "javascript:alert(1)", "https://WIKI.example.com", ""} {
		w := e.browser(cookie).open(gatewayURL + "/forward-auth?" +
			url.Values{"to": {to}, "challenge": {strings.Repeat("A", 43)}, "return": {"/"}}.Encode())
		if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
			t.Errorf("to %q: %d, to %q", to, w.Code, w.Header().Get("Location"))
		}
	}
	two := gatewayURL + "/forward-auth?to=https://" + wiki + "&to=https://evil.example&challenge=" +
		strings.Repeat("A", 43)
	want(t, "two hosts", e.browser(cookie).open(two), http.StatusBadRequest, "bad_request")
}

// The addresses of a handoff repeat the challenge and the login request id. Other characters in them
// would add parameters, and longer ones would not fit into a proxy's buffer.
func TestHandoffWhoseChallengeAddsParameters(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	const id = "&login_request="
	for _, rest := range []string{"", "A", strings.Repeat("A", 42), strings.Repeat("A", 44),
		strings.Repeat("A", 43) + "%26return=/other", strings.Repeat("A", 42) + "%0A", strings.Repeat("A", 43) + "%0A",
		strings.Repeat("A", 43) + id + strings.Repeat("i", 65)} {
		b := e.browser("")
		w := b.send(b.request(http.MethodGet, gatewayURL+"/forward-auth?to=https://"+wiki+"&challenge="+rest))
		want(t, rest, w, http.StatusBadRequest, "bad_request")
	}
}

// A script on a site can read the headers of a response. The cookies that it cannot read are
// HttpOnly, so no response that reaches the browser repeats them. The browser does not send the
// address of the requested page as Referer of the sign-in.
func TestDeniedRequestTellsNobodyItsCookiesAndAddress(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	for _, accept := range []string{"text/html", "application/json"} {
		w := e.browser("").verify("https://"+wiki+"/page?secret", "Cookie", "theirs=CANARY", "Accept", accept)
		if w.Code == http.StatusOK || strings.Contains(strings.Join(w.Header()["Cookie"], ""), "CANARY") {
			t.Errorf("%s: %d with the cookies %q", accept, w.Code, w.Header()["Cookie"])
		}
		if w.Code == http.StatusFound && w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: Referrer-Policy %q", accept, w.Header().Get("Referrer-Policy"))
		}
	}
}

// A crawler, or a preview, fetches every address there is: nothing changes.
func TestFetchingAddressesChangesNothing(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	for _, path := range []string{"start", "finish", "sign-out", "refused"} {
		crawler := *b
		crawler.cookies = map[string]map[string]string{wiki: {"__Host-weigate-auth": b.cookies[wiki]["__Host-weigate-auth"]}}
		crawler.open("https://" + wiki + "/.weigate/" + path)
	}
	e.clock.advance(5 * time.Second)
	want(t, "afterwards", b.verify("https://"+wiki+"/"), http.StatusOK, "")
}
