package forwardauth_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
)

func TestIdentityOfASignedInUser(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	a, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	w := b.verify("https://"+wiki+"/page", "Cookie",
		"theme=dark; __Host-weigate-auth="+b.cookies[wiki]["__Host-weigate-auth"]+"; __Host-weigate-auth-nonce=x; lang=zh")
	want(t, "verify", w, http.StatusOK, "")
	for name, wanted := range map[string]string{
		"X-Weigate-User": a.ID, "X-Weigate-Openid": "alice", "X-Weigate-Unionid": "union%20of%20alice",
		"X-Weigate-Groups": "a%2Cb,staff",
		"X-Weigate-Name":   "%E5%B0%8F%E6%98%8E%20%26%20%E2%80%9Calice%E2%80%9D", "Cookie": "theme=dark; lang=zh",
		"Cache-Control": "no-store",
	} {
		if got := w.Header().Get(name); got != wanted {
			t.Errorf("%s is %q, want %q", name, got, wanted)
		}
	}
	if w := b.verify("https://"+wiki+"/", "X-Forwarded-Host", "WIKI.example.com:443"); w.Code != http.StatusOK {
		t.Errorf("the host in capitals, with its port: %d", w.Code)
	}
}

func TestAssertionIsVerifiableAtTheKeySet(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	a, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	got := b.verify("https://" + wiki + "/").Header().Get("X-Weigate-Assertion")
	w := e.browser("").send(e.browser("").request(http.MethodGet, gatewayURL+"/forward-auth/jwks"))
	var published jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &published); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
	}
	for _, k := range published.Keys {
		if !k.IsPublic() || k.Algorithm != keys.ES256 {
			t.Errorf("the key set has the key %s of %s", k.KeyID, k.Algorithm)
		}
	}
	signed, err := jose.ParseSignedCompact(got, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := signed.Verify(published)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Iss, Aud, Sub, Name string
		Iat, Nbf, Exp       int64
		Groups              []string
		WeChat              map[string]string
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	now := e.clock.now().Unix()
	if claims.Iss != gatewayURL || claims.Aud != "wiki" || claims.Sub != a.ID || claims.Name != a.Nickname ||
		len(claims.Groups) != 2 ||
		claims.WeChat["appid"] != "wx1" || claims.WeChat["openid"] != "alice" ||
		claims.WeChat["unionid"] != "union of alice" {
		t.Errorf("claims: %s", payload)
	}
	if claims.Iat > now || claims.Nbf > now || claims.Exp <= now || claims.Exp-claims.Iat > 60 {
		t.Errorf("times: iat %d, nbf %d, exp %d, now %d", claims.Iat, claims.Nbf, claims.Exp, now)
	}
	// The assertion is not accepted as an ID token by the OpenID Connect endpoints.
	if _, err := e.config.Keys.Verify(t.Context(), keys.TypeJWT, got); err == nil {
		t.Error("the assertion is taken for an ID token")
	}
}

func TestAssertionServesManyRequestsAndIsNeverOld(t *testing.T) {
	t.Parallel()
	e := newFixture(t, func(c *forwardauth.Config) { c.Cache = time.Minute })
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	seen := map[string]time.Time{}
	for range 60 {
		got := b.verify("https://" + wiki + "/").Header().Get("X-Weigate-Assertion")
		if _, has := seen[got]; !has {
			seen[got] = e.clock.now()
		}
		if age := e.clock.now().Sub(seen[got]); age > 36*time.Second {
			t.Fatalf("an assertion of a minute is handed out after %s", age)
		}
		e.clock.advance(5 * time.Second)
	}
	if len(seen) < 8 || len(seen) > 11 {
		t.Errorf("%d signatures in five minutes", len(seen))
	}
}

// A browser that opens a page without a session is redirected to sign in; other requests get 401.
func TestRequestWithoutASession(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	b := e.browser("")
	page := "https://" + wiki + "/a/b?x=1&y=%2F"
	start := "https://" + wiki + "/.weigate/start?return=" + url.QueryEscape("/a/b?x=1&y=%2F")
	for _, k := range []struct {
		name     string
		headers  []string
		status   int
		location string
	}{
		{"Traefik and Caddy, a page", nil, http.StatusFound, start},
		{"a page, said by Sec-Fetch-Mode", []string{"Sec-Fetch-Mode", "navigate", "Accept", "*/*"}, http.StatusFound,
			start},
		{"a program", []string{"Accept", "application/json"}, http.StatusUnauthorized, ""},
		{"curl", []string{"Accept", "*/*"}, http.StatusUnauthorized, ""},
		{"fetch of a page", []string{"Sec-Fetch-Mode", "cors"}, http.StatusUnauthorized, ""},
		{"XMLHttpRequest", []string{"X-Requested-With", "XMLHttpRequest"}, http.StatusUnauthorized, ""},
		{"WebSocket, with Upgrade", []string{"Upgrade", "websocket"}, http.StatusUnauthorized, ""},
		{"WebSocket, of which the proxy has left the key", []string{"Sec-Websocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="},
			http.StatusUnauthorized, ""},
		{"a form", []string{"X-Forwarded-Method", "POST"}, http.StatusUnauthorized, ""},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := b.verify(page, k.headers...)
			if w.Code != k.status || w.Header().Get("Location") != k.location {
				t.Errorf("%d to %q, want %d to %q", w.Code, w.Header().Get("Location"), k.status, k.location)
			}
			nobody(t, w)
		})
	}
	t.Run("nginx", func(t *testing.T) {
		t.Parallel()
		w := b.verify(page, "X-Original-Url", page, "X-Original-Method", "GET", "X-Forwarded-Uri", "",
			"X-Forwarded-Method", "")
		want(t, "a page", w, http.StatusUnauthorized, "")
		nobody(t, w)
		// nginx then requests the response for the browser, with the headers of the original request.
		refused := func(headers ...string) *httptest.ResponseRecorder {
			r := b.request(http.MethodGet, "https://"+wiki+"/.weigate/refused")
			r.Header.Set("X-Original-Url", page)
			for i := 0; i+1 < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			return b.send(r)
		}
		w = refused("X-Original-Method", "GET")
		if got := w.Header().Get("Location"); w.Code != http.StatusFound || got != start {
			t.Errorf("%d, redirect to %q, want 302 to %q", w.Code, got, start)
		}
		if w = refused("X-Original-Method", "GET", "Accept", "application/json"); w.Code != http.StatusUnauthorized ||
			!strings.Contains(w.Body.String(), "not_signed_in") {
			t.Errorf("a program behind nginx: %d %s", w.Code, w.Body)
		}
		want(t, "a form", refused("X-Original-Method", "POST"), http.StatusUnauthorized, "please_sign_in")
	})
}

// TestRejectedProxyDoesNotLoop: /verify rejects the proxy of the site. The visitor of a site behind nginx
// was led to sign in, and then saw "One moment" without end.
func TestRejectedProxyDoesNotLoop(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	signedIn := e.browser(cookie).in("https://" + wiki)
	for name, b := range map[string]*browser{"a visitor": e.browser(""), "a user": signedIn} {
		for problem, c := range map[string]struct {
			change func(*http.Request)
			kind   string
		}{
			"a peer that is not trusted": {func(r *http.Request) { r.RemoteAddr = "203.0.113.9:4711" }, "unknown_host"},
			"no forwarded headers": {func(r *http.Request) {
				r.Header["X-Forwarded-Host"], r.Header["X-Original-Url"] = nil, nil
			}, "bad_request"},
		} {
			r := b.request(http.MethodGet, "https://"+wiki+"/.weigate/refused")
			r.TLS = &tls.ConnectionState{}
			r.Header.Set("X-Original-Url", "https://"+wiki+"/page")
			c.change(r)
			want(t, name+", "+problem, b.send(r), http.StatusForbidden, c.kind)
		}
	}
}

// Who is known and not let in reads why; within the time of the cache, on every replica.
func TestDeniedWaitingAndBlockedUsersSeeWhy(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name, page string
		change     func(e *fixture, a gateway.User)
	}{
		{"the rule changed", "refused", func(e *fixture, _ gateway.User) { e.access.says.Store(int64(access.Denied)) }},
		{"approval was taken back", "waiting",
			func(e *fixture, _ gateway.User) { e.access.says.Store(int64(access.Pending)) }},
		{"blocked", "blocked", func(e *fixture, a gateway.User) {
			if _, err := e.store.UpdateUser(e.t.Context(), a.ID, e.clock.now(), func(a *gateway.User) error {
				a.Status = gateway.Blocked
				return nil
			}); err != nil {
				e.t.Fatal(err)
			}
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			e := newFixture(t)
			a, cookie := e.person("alice")
			b := e.browser(cookie).in("https://" + wiki)
			other := *b
			other.through, _ = e.replica()
			for _, replica := range []*browser{b, &other} {
				want(t, "before", replica.verify("https://"+wiki+"/x"), http.StatusOK, "")
			}
			k.change(e, a)
			e.clock.advance(5 * time.Second)
			for _, replica := range []*browser{b, &other} {
				w := replica.verify("https://" + wiki + "/x")
				want(t, "after the time of the cache", w, http.StatusForbidden, k.page)
				nobody(t, w)
				w = replica.verify("https://"+wiki+"/x", "Accept", "application/json")
				if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"error":"`+k.page+`"`) {
					t.Errorf("a program hears %d %s", w.Code, w.Body)
				}
				// nginx does not pass on the page of /verify; it requests the page separately.
				want(t, "the page", replica.send(replica.request(http.MethodGet, "https://"+wiki+"/.weigate/refused")),
					http.StatusForbidden, k.page)
			}
			if k.page == "waiting" { // allowed again: the page reloads automatically
				e.access.says.Store(int64(access.Allowed))
				e.clock.advance(5 * time.Second)
				want(t, "approved", b.verify("https://"+wiki+"/x"), http.StatusOK, "")
			}
		})
	}
}

// What ends a session at the gateway ends it on the hosts, within the time of the cache.
func TestSignOutAtTheGatewayEndsTheHostSession(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name string
		end  func(e *fixture, a gateway.User) error
	}{
		{"here", func(e *fixture, a gateway.User) error {
			live, err := e.store.UserSessions(e.t.Context(), a.ID, e.clock.now())
			if err != nil || len(live) != 1 {
				return err
			}
			return e.store.DeleteSession(e.t.Context(), live[0].Hash, e.clock.now())
		}},
		{"everywhere", func(e *fixture, a gateway.User) error {
			_, err := e.store.DeleteUserSessions(e.t.Context(), a.ID, e.clock.now())
			return err
		}},
		{"what apps were given", func(e *fixture, a gateway.User) error {
			_, err := e.store.Revoke(e.t.Context(), gateway.Revocation{UserID: a.ID}, e.clock.now())
			return err
		}},
		{"idle for too long", func(e *fixture, _ gateway.User) error { e.clock.advance(25 * time.Hour); return nil }},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			e := newFixture(t)
			a, cookie := e.person("alice")
			b := e.browser(cookie).in("https://" + wiki)
			want(t, "before", b.verify("https://"+wiki+"/"), http.StatusOK, "")
			if err := k.end(e, a); err != nil {
				t.Fatal(err)
			}
			want(t, "within the time of the cache", b.verify("https://"+wiki+"/"),
				map[bool]int{true: 302, false: 200}[strings.HasPrefix(k.name, "idle")], "")
			e.clock.advance(5 * time.Second)
			want(t, "after", b.verify("https://"+wiki+"/"), http.StatusFound, "")
		})
	}
}

func TestCacheSwitchedOffKnowsAtOnce(t *testing.T) {
	t.Parallel()
	e := newFixture(t, func(c *forwardauth.Config) { c.Cache = 0 })
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	first := b.verify("https://" + wiki + "/").Header().Get("X-Weigate-Assertion")
	if again := b.verify("https://" + wiki + "/").Header().Get("X-Weigate-Assertion"); again != first {
		t.Error("without the cache each request costs a signature")
	}
	e.access.says.Store(int64(access.Denied))
	want(t, "at once", b.verify("https://"+wiki+"/"), http.StatusForbidden, "refused")
}

// While the store is unavailable, no response claims that a user is signed out.
func TestUnavailableStoreSignsNobodyOut(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	want(t, "before", b.verify("https://"+wiki+"/"), http.StatusOK, "")
	e.store.off.Store(true)
	want(t, "from the cache", b.verify("https://"+wiki+"/"), http.StatusOK, "")
	e.clock.advance(5 * time.Second)
	for range 2 {
		w := b.verify("https://" + wiki + "/")
		want(t, "a page", w, http.StatusServiceUnavailable, "busy")
		nobody(t, w)
	}
	if w := b.verify("https://"+wiki+"/", "Accept", "application/json"); w.Code != http.StatusServiceUnavailable ||
		w.Header().Get("Retry-After") == "" {
		t.Errorf("a program: %d", w.Code)
	}
	want(t, "on the host", b.open("https://"+wiki+"/.weigate/refused"), http.StatusServiceUnavailable, "busy")
	if b.cookies[wiki]["__Host-weigate-auth"] == "" {
		t.Error("the cookie was taken away")
	}
	e.store.off.Store(false)
	want(t, "back", b.verify("https://"+wiki+"/"), http.StatusOK, "")
}

func TestManyRequestsAtOnceAskTheStoreOnce(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	e.store.tokens.Store(0)
	arrived, release := make(chan struct{}, 64), make(chan struct{})
	e.store.hold = func() { arrived <- struct{}{}; <-release }
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { want(t, "verify", b.verify("https://"+wiki+"/"), http.StatusOK, "") })
	}
	<-arrived
	close(release)
	all.Wait()
	if n := e.store.tokens.Load(); n != 1 {
		t.Errorf("40 requests asked the store %d times", n)
	}
}
