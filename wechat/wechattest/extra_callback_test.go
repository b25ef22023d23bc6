package wechattest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// callbacks is an app that records the requests to its callback.
type callbacks struct {
	mu   sync.Mutex
	seen []*http.Request
	came chan struct{} // receives a value for each
	*httptest.Server
}

func newCallbacks(t *testing.T) *callbacks {
	c := &callbacks{came: make(chan struct{}, 10)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen = append(c.seen, r)
		c.came <- struct{}{}
		http.Redirect(w, r, "/elsewhere", http.StatusFound) // a extra callback follows no redirect
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *callbacks) requests() []*http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

func TestDoubleCallback(t *testing.T) {
	t.Parallel()
	type when int
	const (
		never when = iota
		before
		sometime
		afterHours
	)
	for name, tt := range map[string]struct {
		mode  wechattest.DoubleCallback
		when  when
		other bool
	}{
		"off":        {wechattest.DoubleOff, never, false},
		"first":      {wechattest.DoubleFirst, before, false},
		"other code": {wechattest.DoubleOtherCode, before, true},
		"together":   {wechattest.DoubleTogether, sometime, false},
		"late":       {wechattest.DoubleLate, afterHours, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := newCallbacks(t)
			s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice", DoubleCallback: tt.mode}})
			mine := s.get(s.authorize(s.oa, "snsapi_base", "redirect_uri", app.URL+"/back"), "User-Agent", inWeChat,
				"Cookie", "session=mine").location
			early := len(app.requests())
			switch tt.when {
			case sometime:
				<-app.came
			case afterHours:
				s.Advance(3 * time.Hour)
				early = len(app.requests())
				s.Advance(time.Hour)
			}
			if got := app.requests(); tt.when == never && len(got) != 0 || tt.when != never && len(got) != 1 ||
				tt.when == before && early != 1 || tt.when == afterHours && early != 0 {
				t.Fatalf("%d requests, %d of them early", len(got), early)
			}
			if tt.when == never {
				return
			}
			r := app.requests()[0]
			theirs := r.URL.Query()
			if r.Header.Get("Cookie") != "" || r.Header.Get("X-Forwarded-For") == "" ||
				theirs.Get("state") != "State123" {
				t.Errorf("the extra callback sent %v to %s", r.Header, r.URL)
			}
			if (theirs.Get("code") != mine.Query().Get("code")) != tt.other {
				t.Errorf("code %s, the person's %s", theirs.Get("code"), mine.Query().Get("code"))
			}
			if f, _ := s.exchange(s.oa, theirs.Get("code")); tt.when != afterHours &&
				f.OpenID != s.OpenID(s.oa.AppID, "alice") {
				t.Errorf("the code of the extra callback: %+v", f)
			}
		})
	}
}

// The app may call the simulator before it answers the extra callback, which happens during a
// request of the person.
func TestSecondCallbackUsesUpTheCode(t *testing.T) {
	t.Parallel()
	var s *sim
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := http.Get(s.base + "/sns/oauth2/access_token?" + query("appid", s.oa.AppID, "secret", s.oa.Secret,
			"code", r.FormValue("code"), "grant_type", "authorization_code"))
		if err == nil {
			res.Body.Close()
		}
	}))
	t.Cleanup(app.Close)
	s = simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice",
		DoubleCallback: wechattest.DoubleFirst}})
	mine := s.get(s.authorize(s.oa, "snsapi_base", "redirect_uri", app.URL), "User-Agent", inWeChat).location
	if f, _ := s.exchange(s.oa, mine.Query().Get("code")); f.Errcode != 40163 {
		t.Errorf("%+v", f)
	}
}

func TestSecondCallbackUsesTheConfiguredClientWithoutCookies(t *testing.T) {
	t.Parallel()
	app := newCallbacks(t)
	u, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	client := &http.Client{Jar: jar{}, Transport: transport(func(r *http.Request) (*http.Response, error) {
		seen++
		return http.DefaultTransport.RoundTrip(r)
	})}
	s := simulate(t, wechattest.Config{HTTPClient: client,
		Quirks: wechattest.Quirks{ConsentAs: "alice", DoubleCallback: wechattest.DoubleFirst}})
	s.get(s.authorize(s.oa, "snsapi_base", "redirect_uri", "http://"+u.Host+"/"), "User-Agent", inWeChat)
	if got := app.requests(); seen != 1 || len(got) != 1 || got[0].Header.Get("Cookie") != "" {
		t.Errorf("%d through the client, %v", seen, got)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// jar has a cookie for every address.
type jar struct{}

func (jar) SetCookies(*url.URL, []*http.Cookie) {}
func (jar) Cookies(*url.URL) []*http.Cookie     { return []*http.Cookie{{Name: "session", Value: "mine"}} }

func TestLateCallbackNeedsNoAdvance(t *testing.T) {
	t.Parallel()
	app := newCallbacks(t)
	var later atomic.Bool
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice",
		DoubleCallback: wechattest.DoubleLate}, Now: func() time.Time {
		if later.Load() {
			return start.Add(5 * time.Hour)
		}
		return start
	}})
	s.get(s.authorize(s.oa, "snsapi_base", "redirect_uri", app.URL), "User-Agent", inWeChat)
	later.Store(true)
	s.get("/sns/auth") // any request
	<-app.came
	s.get("/sns/auth")
	if n := len(app.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}
