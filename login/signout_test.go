package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/login"
)

// A page elsewhere sends the form that signs out, or that declines.
func TestFormsFromOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("a")
	for name, header := range map[string]map[string]string{
		"cross-site":                  {"Sec-Fetch-Site": "cross-site"},
		"another port":                {"Sec-Fetch-Site": "same-site"},
		"old browser, foreign Origin": {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
		"old browser, hidden Origin":  {"Sec-Fetch-Site": "", "Origin": "null"},
	} {
		for _, path := range []string{"/sign-out", "/sign-in/profile"} {
			r := b.request("POST", path, url.Values{})
			for k, v := range header {
				r.Header.Set(k, v)
				if v == "" {
					r.Header.Del(k)
				}
			}
			s.wantPage(b.do(r), login.PageForeignForm, 403)
			if b.who() == "" {
				t.Fatalf("%s: %s signed out", name, path)
			}
		}
	}
	for name, header := range map[string]string{"old browser": "https://app.example.com",
		"proxy that changes Host": "https://app.example.com"} {
		r := b.request("POST", "/sign-in/profile", url.Values{})
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set("Origin", header)
		if strings.HasPrefix(name, "proxy") {
			r.Host = "10.0.0.7:8080"
		}
		s.wantGo(b.do(r), "/")
	}
	huge := b.post("/sign-out", url.Values{"return": {strings.Repeat("x", 20<<10)}})
	s.wantPage(huge, login.PageBadRequest, 400)
}

func TestGETChangesNothing(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("a")
	before := b.session()
	for _, path := range []string{"/sign-out", "/sign-out?return=/x", "/sign-in/profile", "/sign-in/lost", "/sign-in/me",
		"/sign-in"} {
		for _, method := range []string{"GET", "HEAD"} {
			b.do(b.request(method, path, nil))
		}
	}
	if b.session() != before || b.who() == "" {
		t.Error("a GET ended the session")
	}
	body := s.wantPage(b.get("/sign-out?return=/bye"), login.PageSignOut, 200)
	if !strings.Contains(body, `method="post"`) || !strings.Contains(body, `value="/bye"`) ||
		!strings.Contains(body, `href="`+s.origin+`/bye">Cancel<`) {
		t.Errorf("page: %s", body)
	}
	s.wantGo(b.post("/sign-out", url.Values{"return": {"/bye"}}), "/bye")
	if b.who() != "" || b.session() != "" {
		t.Error("still signed in")
	}
	if res := b.get("/sign-out?return=/bye"); res.StatusCode != 302 || res.Header.Get("Location") != s.origin+"/bye" {
		t.Errorf("signed out already: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	for path, methods := range map[string]string{
		"/sign-in": "POST PUT DELETE", "/wechat/callback": "POST PUT", "/sign-in/me": "POST", "/sign-in/lost": "POST",
		"/sign-out": "PUT DELETE", "/sign-in/profile": "PUT",
	} {
		for method := range strings.FieldsSeq(methods) {
			res := b.do(b.request(method, path, nil))
			if res.StatusCode != 405 || !strings.HasPrefix(res.Header.Get("Allow"), "GET, HEAD") {
				t.Errorf("%s %s: %d, Allow %q", method, path, res.StatusCode, res.Header.Get("Allow"))
			}
		}
	}
	s.wantPage(b.get("/sign-in/nothing"), login.PageNotFound, 404)
}

func TestStolenSessionCookieDiesWithSignOut(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b, thief := s.browser(), s.browser()
	b.signIn("a")
	thief.cookies["__Host-weigate-s"] = b.session()
	s.wantGo(b.post("/sign-out", url.Values{}), "/")
	if thief.who() != "" {
		t.Error("the cookie still works")
	}
}

// One header holds thousands of cookies. Each must not be a call to the store.
func TestHeaderFullOfSessionCookiesDoesNotFloodTheStore(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore()}
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	b := s.browser()
	b.signIn("a")
	r := b.request("POST", "/sign-out", url.Values{})
	for i := range 2000 {
		r.AddCookie(&http.Cookie{Name: "__Host-weigate-s", Value: fmt.Sprintf("%043d", i)})
	}
	s.wantGo(b.do(r), "/")
	if n := store.deleted.Load(); n > 32 {
		t.Errorf("%d sessions removed by one request", n)
	}
	if b.session() != "" {
		t.Error("still signed in")
	}
}
