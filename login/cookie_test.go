package login_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

// flowName returns the name of the browser's one flow cookie.
func (b *browser) flowName() string {
	b.site.t.Helper()
	for name := range b.cookies {
		if strings.Contains(name, "-f-") {
			return name
		}
	}
	b.site.t.Fatal("no flow cookie")
	return ""
}

// A planted flow cookie must not make a callback count: the value of another flow under this name,
// a changed one, one of another purpose or key.
func TestPlantedFlowCookieIsNotBelieved(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	attacker := s.browser()
	attacker.begin("/sign-in")
	own := attacker.cookies[attacker.flowName()]
	foreign := newFixture(t, func(c *login.Config) { c.Keys = [][]byte{key(2)} }).browser()
	foreign.begin("/sign-in")
	signedIn := s.browser()
	signedIn.signIn("t")
	trace := ""
	for name, value := range signedIn.cookies {
		if strings.HasSuffix(name, "-t") {
			trace = value
		}
	}
	if trace == "" {
		t.Fatal("no trace cookie")
	}
	flip := func(v string, at int) string {
		raw, _ := base64.RawURLEncoding.DecodeString(v)
		raw[(at+len(raw))%len(raw)] ^= 1
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	sent := s.wechat.exchanges()
	for name, plant := range map[string]func(real string) string{
		"another flow's value": func(string) string { return own },
		"another key's":        func(string) string { return foreign.cookies[foreign.flowName()] },
		"another purpose's":    func(string) string { return trace },
		"first bit changed":    func(real string) string { return flip(real, 0) },
		"middle bit changed":   func(real string) string { return flip(real, 60) },
		"last bit changed":     func(real string) string { return flip(real, -1) },
		"cut off":              func(real string) string { return real[:len(real)-4] },
		"longer":               func(real string) string { return real + "AAAA" },
		"empty":                func(string) string { return "" },
		"not base64":           func(string) string { return "%%%" },
		"plain text": func(string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("x", 90)))
		},
	} {
		b := s.browser()
		state := b.begin("/sign-in")
		b.cookies[b.flowName()] = plant(b.cookies[b.flowName()])
		b.wantLost(b.get(s.callback(code("a"), state)))
		if s.wechat.exchanges() != sent {
			t.Fatalf("%s: the code was exchanged", name)
		}
	}
}

// A planted cookie of the same name does not hide the real one.
func TestPlantedFlowCookieDoesNotHideTheRealOne(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in")
	r := b.request("GET", s.callback(code("a"), state), nil)
	r.Header.Set("Cookie", b.flowName()+"=planted; "+r.Header.Get("Cookie"))
	s.wantGo(b.do(r), "/")
}

// Where cookies can be planted (no "__Host-"), an attacker plants a flow cookie of their own, lets
// the victim sign in under it, and repeats the callback.
func TestPlantedFlowDoesNotHandOverTheVictimsSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) { c.URL = "https://www.example.com/app" })
	attacker, victim := s.browser(), s.browser()
	state := attacker.begin("/app/sign-in")
	victim.cookies[attacker.flowName()] = attacker.cookies[attacker.flowName()]
	s.wantGo(victim.get(s.callback(code("v"), state)), "/app/")
	s.stateIn(attacker.get(s.callback(code("x"), state))) // begins again
	if attacker.session() != "" || attacker.session() == victim.session() {
		t.Fatal("the attacker has the victim's session")
	}
	s.wantGo(victim.get(s.callback(code("y"), state)), "/app/") // WeChat's second code, for the victim
	if victim.who() != openIDOf(code("v")) || s.wechat.exchanges() != 1 {
		t.Errorf("victim is %q after %d exchanges", victim.who(), s.wechat.exchanges())
	}
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url, stem, path string
		secure          bool
	}{
		"https":              {"https://app.example.com", "__Host-weigate-", "/", true},
		"https with a slash": {"https://app.example.com/", "__Host-weigate-", "/", true},
		"https with a port":  {"https://app.example.com:8443", "__Host-weigate-", "/", true},
		"https with a path":  {"https://www.example.com/login", "__Secure-weigate-", "/login", true},
		"loopback":           {"http://127.0.0.1:8080", "weigate8080-", "/", false},
		"localhost, path":    {"http://app.localhost:8081/x/y", "weigate8081-", "/x/y", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t, func(cfg *login.Config) { cfg.URL = c.url })
			b := s.browser()
			res := b.get(s.prefix + "/sign-in")
			done := b.get(s.callback(code("a"), s.stateIn(res)))
			cookies := append(res.Cookies(), done.Cookies()...)
			if len(cookies) != 3 {
				t.Fatalf("%d cookies, want flow, session and trace: %v", len(cookies), cookies)
			}
			for _, cookie := range cookies {
				if !strings.HasPrefix(cookie.Name, c.stem) || cookie.Path != c.path || cookie.Secure != c.secure ||
					cookie.Domain != "" ||
					!cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge <= 0 {
					t.Errorf("cookie %s", cookie.Raw)
				}
			}
			if life := cookies[0].MaxAge; life != 900 {
				t.Errorf("flow cookie lives %d s, want 900", life)
			}
		})
	}
}

// States and session ids cannot be guessed, and none occurs twice.
func TestStateAndSessionAreRandom(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	seen := map[string]bool{}
	for range 50 {
		b := s.browser()
		state := b.begin("/sign-in")
		s.wantGo(b.get(s.callback(code("a"), state)), "/")
		if len(state) != 27 || state[26] != '0' || strings.Trim(state[:26], "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("state %q", state)
		}
		if len(b.session()) != 43 || seen[state] || seen[b.session()] {
			t.Fatalf("session %q, or one that was there before", b.session())
		}
		seen[state], seen[b.session()] = true, true
	}
}

func TestParallelTabsEndWhereTheyBegan(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	one, two := b.begin("/sign-in?return=/private/one"), b.begin("/sign-in?return=/private/two")
	s.wantGo(b.get(s.callback(code("b"), two)), "/private/two")
	s.wantGo(b.get(s.callback(code("a"), one)), "/private/one")
	s.wantGo(b.get(s.callback(code("b"), two)), "/private/two") // refresh of the first to finish
	if b.who() != openIDOf(code("a")) {
		t.Errorf("signed in as %q, want the last one", b.who())
	}
}

func TestTenPendingFlowsFitAndAllFinish(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	var states []string
	for i := range 10 {
		states = append(states, b.begin(fmt.Sprintf("/sign-in?return=/private/articles/%d?page=2%%23/route", i)))
		s.clock.advance(time.Second)
	}
	if n, weight := b.flows(); n != 10 || weight > 3072 {
		t.Errorf("%d flow cookies of %d bytes, want 10 below 3072", n, weight)
	}
	for i, state := range states {
		s.wantGo(b.get(s.callback(code(fmt.Sprint(i)), state)), fmt.Sprintf("/private/articles/%d?page=2#/route", i))
	}
}

func TestOldestFlowGoesFirst(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	first := b.begin("/sign-in?return=/private/first")
	last := ""
	for i := range 60 {
		s.clock.advance(time.Second)
		last = b.begin(fmt.Sprintf("/sign-in?return=/private/%d", i))
		if n, weight := b.flows(); weight > 3072 {
			t.Fatalf("%d flow cookies of %d bytes after %d", n, weight, i)
		}
	}
	if n, _ := b.flows(); n < 10 {
		t.Errorf("only %d flows are kept", n)
	}
	b.wantLost(b.get(s.callback(code("a"), first)))
	s.wantGo(b.get(s.callback(code("a"), last)), "/private/59")
}

// The largest flow still fits the budget, and comes back whole.
func TestLargestFlow(t *testing.T) {
	t.Parallel()
	var data []byte
	s := newFixture(t, func(c *login.Config) {
		c.OnSignIn = func(_ context.Context, in *login.SignIn) error { data = in.Data; return nil }
	})
	b := s.browser()
	b.begin("/sign-in")
	target := "/private/" + strings.Repeat("x", login.MaxReturn-len("/private/"))
	start := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.Start(w, r, login.StartOptions{Return: target, Data: []byte(strings.Repeat("d", login.MaxData))})
	})
	plain := s.mux
	s.mux = start
	state := b.begin("/anything")
	s.mux = plain
	if _, weight := b.flows(); weight > 3072 {
		t.Errorf("flow cookies of %d bytes", weight)
	}
	s.wantGo(b.get(s.callback(code("a"), state)), target)
	if len(data) != login.MaxData {
		t.Errorf("%d bytes of data came back", len(data))
	}
}

// Keys are rolled over: the old one still opens.
func TestOldKeyStillOpens(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in")
	cfg := login.Config{URL: s.origin, OfficialAccount: account(s.wechat), Now: s.clock.Now}
	cfg.Keys = [][]byte{key(9)}
	s.use(cfg)
	b.wantLost(b.get(s.callback(code("a"), state)))
	cfg.Keys = [][]byte{key(9), key(1)}
	s.use(cfg)
	s.wantGo(b.get(s.callback(code("a"), state)), "/")
}

// Of two different session cookies in one request another host set one, and it is unknown which.
func TestTwoSessionCookiesAreNoSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *login.Config) { c.URL = "https://www.example.com/app" })
	attacker, victim := s.browser(), s.browser()
	attacker.signIn("x")
	victim.signIn("v")
	r := victim.request("GET", "/app/private/x", nil)
	r.AddCookie(&http.Cookie{Name: "__Secure-weigate-s", Value: attacker.session()})
	if res := victim.do(r); res.StatusCode != 302 {
		t.Errorf("status %d, want 302 to sign-in", res.StatusCode)
	}
	r = victim.request("GET", "/app/private/x", nil)
	r.AddCookie(&http.Cookie{Name: "__Secure-weigate-s", Value: victim.session()}) // the same twice is harmless
	if res := victim.do(r); res.StatusCode != 200 {
		t.Errorf("status %d, want 200", res.StatusCode)
	}
}
