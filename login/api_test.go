package login_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/login"
)

// api is the JSON of an answer to an API call.
type api struct {
	Error     string
	SignIn    string `json:"sign_in"`
	Return    string
	RequestID string `json:"request_id"`
}

func decodeAPI(t *testing.T, res *http.Response) (a api) {
	t.Helper()
	body := text(res)
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		t.Fatalf("answer is %d %q, want JSON: %s", res.StatusCode, res.Header.Get("Content-Type"), body)
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return a
}

// fetches are requests of scripts and programs, by what they send besides the cookie.
var fetches = map[string]map[string]string{
	"fetch":                  {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Accept": "*/*"},
	"curl":                   {"Accept": "*/*", "Sec-Fetch-Site": ""}, // was redirected to WeChat
	"a program without both": {"Accept": "", "Sec-Fetch-Site": ""},
	"a browser's navigation": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"},
	"an old browser":         {"Sec-Fetch-Site": ""},
	"XMLHttpRequest":         {"X-Requested-With": "XMLHttpRequest", "Sec-Fetch-Site": ""},
}

func with(r *http.Request, headers map[string]string) *http.Request {
	for name, value := range headers {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	return r
}

func TestRequireAPINeverRedirects(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore()}
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	who := s.handler.RequireAPI(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := login.FromContext(r.Context())
		fmt.Fprint(w, session.OpenID)
	}))
	b := s.browser()
	b.signIn("a")
	for name, headers := range fetches {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
			res := serve(who, with(s.browser().request(method, "/api/orders", nil), headers))
			a := decodeAPI(t, res)
			if res.StatusCode != 401 || a.Error != "signed_out" || a.SignIn != "https://app.example.com/sign-in" ||
				res.Header.Get("WWW-Authenticate") != "Weigate" || res.Header.Get("Location") != "" {
				t.Errorf("%s %s: %d %+v, %v", name, method, res.StatusCode, a, res.Header)
			}
			if a.RequestID == "" || res.Header.Get("X-Request-Id") != a.RequestID {
				t.Errorf("%s %s: request id %q, header %q", name, method, a.RequestID, res.Header.Get("X-Request-Id"))
			}
			if res := serve(who, with(b.request(method, "/api/orders", nil), headers)); text(res) != openIDOf(code("a")) {
				t.Errorf("%s %s, signed in: %d", name, method, res.StatusCode)
			}
		}
	}
	store.session = func() error { return errors.New("connection refused") }
	res := serve(who, b.request("GET", "/api/orders", nil))
	if a := decodeAPI(t, res); res.StatusCode != 503 || a.Error != "unavailable" || a.RequestID == "" ||
		res.Header.Get("Retry-After") == "" {
		t.Errorf("without the store: %d %+v", res.StatusCode, a)
	}
}

// A rejected API call can be found in the log by the id that the program saw.
func TestAPICallAndLogHaveTheSameRequestID(t *testing.T) {
	t.Parallel()
	store := &brokenStore{MemoryStore: login.NewMemoryStore(), session: func() error { return errors.New("down") }}
	var ids []string
	s := newFixture(t, func(c *login.Config) {
		c.Store, c.Logger = store, leaktest.Logger(t)
		c.RequestID = func(*http.Request) string {
			ids = append(ids, fmt.Sprint("id", len(ids)))
			return ids[len(ids)-1]
		}
	})
	for _, path := range []string{"/private/x", "/sign-in/me"} {
		b := s.browser()
		b.cookies["__Host-weigate-s"] = strings.Repeat("A", 43)
		b.headers.Set("Accept", "application/json")
		res := b.get(path)
		if a := decodeAPI(t, res); a.RequestID != ids[len(ids)-1] || res.Header.Get("X-Request-Id") != a.RequestID {
			t.Errorf("%s: %+v, header %q, want %q", path, a, res.Header.Get("X-Request-Id"), ids[len(ids)-1])
		}
	}
}

func TestScriptSignsOut(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for name, form := range map[string]url.Values{"without a form": nil, "with a return address": {"return": {"/bye"}}} {
		b := s.browser()
		b.signIn("a")
		res := b.do(with(b.request("POST", "/sign-out", form), fetches["fetch"]))
		want := "https://app.example.com/"
		if form != nil {
			want += "bye"
		}
		if a := decodeAPI(t, res); res.StatusCode != 200 || a.Return != want || a.Error != "" {
			t.Errorf("%s: %d %+v, want 200 and %s", name, res.StatusCode, a, want)
		}
		if b.session() != "" || b.who() != "" {
			t.Errorf("%s: still signed in", name)
		}
	}
	b := s.browser() // nobody is signed in: the result is the same
	if res := b.do(with(b.request("POST", "/sign-out", nil), fetches["fetch"])); res.StatusCode != 200 {
		t.Errorf("signed out already: %d", res.StatusCode)
	}
}

func TestScriptContinuesWithoutProfile(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	post := func() *http.Response {
		return b.do(with(b.request("POST", "/sign-in/profile", url.Values{"return": {"/named/x"}}), fetches["fetch"]))
	}
	if a := decodeAPI(t, post()); a.Error != "signed_out" {
		t.Errorf("signed out: %+v", a)
	}
	b.signIn("a")
	if a := decodeAPI(t, post()); a.Return != "https://app.example.com/named/x" {
		t.Errorf("signed in: %+v", a)
	}
	if res := b.get("/named/x"); res.StatusCode != 200 {
		t.Errorf("/named/x answers %d", res.StatusCode)
	}
}

// A script of another site cannot sign the user out, whatever its request looks like.
func TestScriptOfAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("a")
	old := func(origin string) map[string]string { // a browser without Sec-Fetch-Site
		return map[string]string{"Sec-Fetch-Site": "", "Origin": origin, "X-Requested-With": "XMLHttpRequest"}
	}
	for name, headers := range map[string]map[string]string{
		"fetch, cross-site":           {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"},
		"fetch that wants to read":    {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site"},
		"fetch of another subdomain":  {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-site"},
		"old browser":                 old("https://evil.example"),
		"old browser, sandboxed":      old("null"),
		"old browser, another port":   old("https://app.example.com:8443"),
		"an origin that begins alike": old("https://app.example.com.evil.example"),
	} {
		for _, path := range []string{"/sign-out", "/sign-in/profile"} {
			res := b.do(with(b.request("POST", path, url.Values{}), headers))
			if a := decodeAPI(t, res); res.StatusCode != 403 || a.Error != string(login.PageForeignForm) || a.RequestID == "" {
				t.Errorf("%s, %s: %d %+v", name, path, res.StatusCode, a)
			}
			if b.who() == "" {
				t.Fatalf("%s: %s signed out", name, path)
			}
		}
	}
}

// A return address of another site is refused for scripts too: they follow it.
func TestScriptGetsNoForeignReturnAddress(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("a")
	form := url.Values{"return": {"https://evil.example/"}}
	res := b.do(with(b.request("POST", "/sign-out", form), fetches["fetch"]))
	if a := decodeAPI(t, res); res.StatusCode != 400 || a.Error != string(login.PageBadReturn) || a.Return != "" {
		t.Errorf("%d %+v", res.StatusCode, a)
	}
	if b.who() == "" {
		t.Error("the refused request signed out")
	}
}

// Scripts get JSON for every error of the handler, not only for those of their own addresses.
func TestScriptGetsJSONForEveryError(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for path, want := range map[string]login.PageKind{
		"PUT /sign-out": login.PageMethod, "POST /sign-in/me": login.PageMethod, "GET /sign-in/nothing": login.PageNotFound,
		"GET /sign-in?scope=all": login.PageBadRequest, "GET /sign-in?return=//evil.example": login.PageBadReturn,
	} {
		method, address, _ := strings.Cut(path, " ")
		b := s.browser()
		res := b.do(with(b.request(method, address, nil), fetches["fetch"]))
		if a := decodeAPI(t, res); a.Error != string(want) || a.RequestID == "" || res.StatusCode < 400 {
			t.Errorf("%s: %d %+v, want %s", path, res.StatusCode, a, want)
		}
	}
}

func TestPathsAreAllThatTheHandlerServes(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) {
		c.URL, c.CallbackPath = "https://app.example.com/shop", "/wechat/callback/b"
	})
	paths := s.handler.Paths()
	for _, path := range paths {
		if !strings.HasPrefix(path, "/shop/") {
			t.Errorf("%s is not below the path of Config.URL", path)
		}
		if res := s.browser().get(path); res.StatusCode == 404 {
			t.Errorf("%s is not served", path)
		}
	}
	for _, path := range []string{"/shop/sign-in", "/shop/sign-in/me", "/shop/sign-out", "/shop/wechat/callback/b"} {
		if !strings.Contains(strings.Join(paths, " ")+" ", path+" ") {
			t.Errorf("%s is missing in %v", path, paths)
		}
	}
}
