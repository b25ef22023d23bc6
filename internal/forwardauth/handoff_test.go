package forwardauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web/webtest"
)

// From the first request to the session, with the sign-in in between. The address bar shows no
// token afterwards.
func TestSignInOfASignedOutUser(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	a, _ := e.person("alice")
	b := e.browser("")
	w := b.verify("https://" + wiki + "/page?x=1")
	if w = b.open(w.Header().Get("Location")); w.Body.String() != "sign-in" {
		t.Fatalf("%v: %d %s", b.hops, w.Code, w.Body)
	}
	d := e.signIn.last()
	if d.App.ID != "wiki" || d.ID == "" || d.Reauthenticate || !strings.HasPrefix(d.ReturnURL, "/forward-auth?") ||
		!strings.Contains(d.ReturnURL, d.ID) {
		t.Fatalf("login request: %+v", d)
	}
	for name, value := range b.cookies[wiki] {
		if name != "__Host-weigate-auth-nonce" || len(value) != 43 {
			t.Errorf("cookie %s=%s before the sign-in", name, value)
		}
	}
	b.put("login.example.com", "__Host-gateway", e.session(a, "alice", d.ID))
	e.signIn.askOnce.Store(true) // asked for a profile on the way
	w = b.open(gatewayURL + d.ReturnURL)
	if b.at() != "https://"+wiki+"/page?x=1" || w.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("the browser is at %v", b.hops)
	}
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-weigate-auth" && (!c.HttpOnly || !c.Secure || c.Path != "/" || c.Domain != "" ||
			c.SameSite != http.SameSiteLaxMode || c.MaxAge != 720*3600) {
			t.Errorf("cookie %v", c)
		}
	}
	if _, left := b.cookies[wiki]["__Host-weigate-auth-nonce"]; left {
		t.Error("the nonce stays")
	}
	want(t, "the page", b.verify("https://"+wiki+"/page?x=1"), http.StatusOK, "")
	want(t, "another app of the gateway knows nothing of it", b.verify("https://public.example.com/"), http.StatusFound,
		"")
}

func TestBackFromSignInWithoutASession(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	b := e.browser("")
	b.open("https://" + wiki + "/.weigate/start?return=/page")
	w := b.open(gatewayURL + e.signIn.last().ReturnURL)
	want(t, "no session", w, http.StatusForbidden, "not_signed_in")
	if got := webtest.Read(t, w.Body.String()).Go; got != "https://"+wiki+"/.weigate/start?return=%2Fpage" {
		t.Errorf("the way on leads to %s", got)
	}
	d := e.signIn.last()
	if !strings.HasPrefix(d.RestartURL, "/forward-auth?") || strings.Contains(d.RestartURL, "login_request") ||
		d.CopyURL != "https://"+wiki+"/.weigate/start?return=%2Fpage" {
		t.Errorf("the request begins again at %q, in another browser at %q", d.RestartURL, d.CopyURL)
	}
}

// WeChat's browser sends some requests twice at once; replicas share the store. The result is one
// session.
func TestFinishEightTimesAtOnceOnTwoReplicas(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie)
	to := handedOver(t, e, b, "https://"+wiki)
	other, _ := e.replica()
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for i := range 8 {
		twin := e.browser("")
		twin.put(wiki, "__Host-weigate-auth-nonce", b.cookies[wiki]["__Host-weigate-auth-nonce"])
		if i%2 == 1 {
			twin.through = other
		}
		all.Go(func() {
			twin.open(to)
			mu.Lock()
			defer mu.Unlock()
			seen[twin.cookies[wiki]["__Host-weigate-auth"]+" at "+twin.at()]++
		})
	}
	all.Wait()
	if len(seen) != 1 {
		t.Fatalf("eight requests of one browser ended as %v", seen)
	}
	b.open(to)
	want(t, "the session", b.verify("https://"+wiki+"/"), http.StatusOK, "")
}

func TestAccessPolicyAtTheHandoff(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie)
	e.access.says.Store(int64(access.Denied))
	want(t, "refused", b.open("https://"+wiki+"/.weigate/start?return=/page"), http.StatusForbidden, "refused")
	e.access.says.Store(int64(access.Pending))
	w := b.open("https://" + wiki + "/.weigate/start?return=/page")
	want(t, "waiting", w, http.StatusOK, "waiting")
	e.access.says.Store(int64(access.Allowed))
	b.open(gatewayURL + webtest.Read(t, w.Body.String()).Go) // which the page opens automatically
	if b.at() != "https://"+wiki+"/page" {
		t.Errorf("approved, the browser is at %v", b.hops)
	}
}

func TestMethodThatTheAppDoesNotAccept(t *testing.T) {
	t.Parallel()
	e := newFixture(t, func(c *forwardauth.Config) { c.Apps[0].Methods = []string{"scan"} })
	a, cookie := e.person("alice")
	b := e.browser(cookie)
	w := b.open("https://" + wiki + "/.weigate/start?return=/page")
	want(t, "another method", w, http.StatusForbidden, "wrong_method")
	if w = b.open(gatewayURL + webtest.Read(t, w.Body.String()).Go); w.Body.String() != "sign-in" ||
		!e.signIn.last().Reauthenticate {
		t.Fatalf("the button leads to %d %s, login request %+v", w.Code, w.Body, e.signIn.last())
	}
	b.put("login.example.com", "__Host-gateway", e.session(a, "alice", e.signIn.last().ID))
	want(t, "by the same method again", b.open(gatewayURL+e.signIn.last().ReturnURL), http.StatusForbidden,
		"wrong_method")
	e.signIn.method = "scan"
	b.put("login.example.com", "__Host-gateway", e.session(a, "alice", e.signIn.last().ID))
	b.open(gatewayURL + e.signIn.last().ReturnURL)
	if b.at() != "https://"+wiki+"/page" {
		t.Errorf("by the accepted method the browser is at %v", b.hops)
	}
}

func TestSubjectIsPinnedAndOfTheAppsKind(t *testing.T) {
	t.Parallel()
	for _, k := range []struct{ subject, user, page string }{
		{"", "user", ""}, {"user", "user", ""}, {"unionid", "union%20of%20alice", ""}, {"openid:main", "alice", ""},
		{"openid:other", "", "no_openid"},
	} {
		t.Run(k.subject, func(t *testing.T) {
			t.Parallel()
			e := newFixture(t, func(c *forwardauth.Config) { c.Apps[0].Subject = k.subject })
			a, cookie := e.person("alice")
			b := e.browser(cookie)
			w := b.open("https://" + wiki + "/.weigate/start?return=/page")
			if k.page != "" {
				if d := e.signIn.last(); d.Connector != "other" || !d.Reauthenticate {
					t.Fatalf("she is not sent through the other connector: %+v", d)
				}
				b.put("login.example.com", "__Host-gateway", e.session(a, "alice", e.signIn.last().ID))
				want(t, "never been there", b.open(gatewayURL+e.signIn.last().ReturnURL), http.StatusForbidden, k.page)
				return
			}
			user := b.verify("https://" + wiki + "/").Header().Get("X-Weigate-User")
			if k.user == "user" {
				k.user = a.ID
			}
			if user != k.user {
				t.Errorf("%d %s: the site is told %q, want %q", w.Code, w.Body, user, k.user)
			}
			pins, err := e.store.UserSubjects(t.Context(), a.ID)
			if err != nil || len(pins) != 1 || pins[0].App != "wiki" {
				t.Errorf("pins %+v, %v", pins, err)
			}
		})
	}
}

func TestSignOutOnTheHost(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki).in("https://public.example.com")
	stolen := b.cookies[wiki]["__Host-weigate-auth"]
	want(t, "before", b.verify("https://"+wiki+"/"), http.StatusOK, "")
	want(t, "the question", b.open("https://"+wiki+"/.weigate/sign-out"), http.StatusOK, "host_sign_out")
	w := b.send(b.request(http.MethodPost, "https://"+wiki+"/.weigate/sign-out"))
	want(t, "the answer", w, http.StatusOK, "host_signed_out")
	page := webtest.Read(t, w.Body.String())
	if page.Go != gatewayURL+"/sign-out?return=%2F" || page.Back != "https://"+wiki+"/" {
		t.Errorf("the gateway's sign-out is at %s, and the app at %s", page.Go, page.Back)
	}
	if b.cookies[wiki]["__Host-weigate-auth"] != "" {
		t.Error("the cookie stays")
	}
	want(t, "the same cookie afterwards", b.verify("https://"+wiki+"/", "Cookie", "__Host-weigate-auth="+stolen),
		http.StatusFound, "")
	want(t, "the other host", b.verify("https://public.example.com/"), http.StatusOK, "")
	events, err := e.store.Events(t.Context(), gateway.EventQuery{Kind: forwardauth.EventSignOut})
	if err != nil || len(events) != 1 || events[0].App != "wiki" || events[0].UserID == "" {
		t.Errorf("events %+v, %v", events, err)
	}
	want(t, "a second time", b.send(b.request(http.MethodPost, "https://"+wiki+"/.weigate/sign-out")), http.StatusOK,
		"host_signed_out")
}

// A proxy that does not pass Cookie to /verify would cause endless redirects.
func TestProxyThatKeepsTheCookieBackIsNoCircle(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	w := b.open(b.verify("https://"+wiki+"/page", "Cookie", "").Header().Get("Location"))
	if b.at() != "https://"+wiki+"/page" { // once, it may be another tab that was quicker
		t.Fatalf("%v: %d %s", b.hops, w.Code, w.Body)
	}
	w = b.open(b.verify("https://"+wiki+"/page", "Cookie", "").Header().Get("Location"))
	want(t, "the second time", w, http.StatusInternalServerError, "loop")
	if !strings.Contains(w.Body.String(), "of the requests to /verify") { // the page names the likely cause
		t.Errorf("the page: %s", w.Body)
	}
	if !strings.Contains(e.log.String(), "must pass Cookie to /verify") {
		t.Errorf("the log says %s", e.log)
	}
}

func TestTwoTabsSignInAtOnce(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie)
	first, second := handedOver(t, e, b, "https://"+wiki), handedOver(t, e, b, "https://"+wiki)
	for _, to := range []string{first, second} {
		b.open(to)
		if b.at() != "https://"+wiki+"/page" {
			t.Fatalf("a tab is at %v", b.hops)
		}
	}
	want(t, "both", b.verify("https://"+wiki+"/"), http.StatusOK, "")
}

func TestPlainHTTPOnLoopback(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("http://local.localhost:8082")
	for name := range b.cookies["local.localhost"] {
		if name != "weigate-auth" {
			t.Errorf("cookie %s", name)
		}
	}
	w := b.verify("http://local.localhost:8082/x", "Cookie",
		"mine=1; weigate-auth="+b.cookies["local.localhost"]["weigate-auth"]+"; weigate8080=gateway's")
	if w.Code != http.StatusOK || w.Header().Get("Cookie") != "mine=1" {
		t.Errorf("%d, the site gets the cookies %q", w.Code, w.Header().Get("Cookie"))
	}
	// Anywhere else plain http leads to https, where the cookie is.
	to := e.browser("").verify("http://" + wiki + "/x").Header().Get("Location")
	if to != "https://"+wiki+"/.weigate/start?return=%2Fx" {
		t.Errorf("plain http is sent to %s", to)
	}
}

func TestConfigurationProblemsComeAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := forwardauth.New(forwardauth.Config{URL: "https://login.example.com/", Apps: []forwardauth.App{{}}})
	for _, word := range []string{"Config.URL", "TrustedProxies"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v says nothing of %s", err, word)
		}
	}
	e := newFixture(t)
	for _, hosts := range [][]string{nil, {"Wiki.example.com"}, {"wiki.example.com/x"}, {"https://wiki.example.com"},
		{"wiki.example.com", "wiki.example.com"}, {"u@wiki.example.com"}, {""}} {
		cfg := e.config
		cfg.Apps = []forwardauth.App{{App: gateway.App{ID: "wiki"}, Hosts: hosts}}
		if _, err := forwardauth.New(cfg); err == nil {
			t.Errorf("hosts %q are taken", hosts)
		}
	}
	cfg := e.config
	cfg.TrustedProxies = nil
	if _, err := forwardauth.New(cfg); err == nil {
		t.Error("an app without a trusted proxy is taken")
	}
}

// Sessions on hosts remain valid when the master key is replaced, while the previous key is still
// configured.
func TestSessionsGoOnWhenTheMasterKeyIsReplaced(t *testing.T) {
	t.Parallel()
	e := newFixture(t)
	_, cookie := e.person("alice")
	b := e.browser(cookie).in("https://" + wiki)
	e.config.Sealer = replaced(t)
	b.through, _ = e.replica()
	want(t, "with the new key", b.verify("https://"+wiki+"/"), http.StatusOK, "")
	before := b.cookies[wiki]["__Host-weigate-auth"]
	e.clock.advance(2 * time.Hour)
	b.cookies[wiki] = map[string]string{}
	b.in("https://" + wiki)
	if b.cookies[wiki]["__Host-weigate-auth"] == before {
		t.Error("no new session was made")
	}
	want(t, "a session under the new key", b.verify("https://"+wiki+"/"), http.StatusOK, "")
}

func TestGatewayBelowAPath(t *testing.T) {
	t.Parallel()
	e := newFixture(t, func(c *forwardauth.Config) { c.URL = "https://www.example.com/login" })
	b := e.browser("")
	w := b.send(b.request(http.MethodGet, "https://"+wiki+"/.weigate/start?return=/page"))
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || to.Host != "www.example.com" || to.Path != "/login/forward-auth" {
		t.Fatalf("the gateway is at %v, %v", to, err)
	}
	if w = b.send(b.request(http.MethodGet, to.String())); w.Body.String() != "sign-in" ||
		!strings.HasPrefix(e.signIn.last().ReturnURL, "/login/forward-auth?") {
		t.Errorf("%d %s, login request %+v", w.Code, w.Body, e.signIn.last())
	}
	mux := route.NewMux()
	e.feature.Mount(mux)
	for path, want := range map[string]route.Policy{
		"/login/verify":         route.CrossSitePost | route.Subrequest | route.LimitedVerify,
		"/login/forward-auth":   route.Limited,
		"/.weigate/start":       route.Limited,
		"/.weigate/finish":      route.Limited,
		"/.weigate/sign-out":    route.Limited,
		"/.weigate/refused":     route.LimitedVerify,
		"/verify":               route.LimitedOther, // not a route, as those below
		"/forward-auth":         route.LimitedOther,
		"/login/.weigate/start": route.LimitedOther,
	} {
		if got := mux.Policy(httptest.NewRequest(http.MethodGet, "https://www.example.com"+path, nil)); got != want {
			t.Errorf("%s: policy %b, want %b", path, got, want)
		}
	}
}
