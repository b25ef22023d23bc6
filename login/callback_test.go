package login_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/login"
)

// Tencent's machines, previews and crawlers fetch callbacks without cookies. The code must survive
// that.
func TestPrefetchWithoutCookieSendsNothingToWeChat(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	user, crawler := s.browser(), s.browser()
	state := user.begin("/sign-in?return=/private/x")
	crawler.wantLost(crawler.get(s.callback(code("a"), state)))
	if n := s.wechat.exchanges(); n != 0 {
		t.Fatalf("%d codes were sent to WeChat", n)
	}
	s.wantGo(user.get(s.callback(code("a"), state)), "/private/x")
	if user.who() != openIDOf(code("a")) {
		t.Error("the user could not sign in afterwards")
	}
}

func TestLinkCheckerWithHEADUsesUpNoCode(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in")
	if res := b.do(b.request("HEAD", s.callback(code("a"), state), nil)); res.StatusCode != 200 ||
		s.wechat.exchanges() != 0 {
		t.Errorf("HEAD: status %d, %d exchanges", res.StatusCode, s.wechat.exchanges())
	}
	s.wantGo(b.get(s.callback(code("a"), state)), "/")
}

// Login CSRF: the attacker's own state and code, sent to the victim as a link.
func TestForeignStateDoesNotSignIn(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	attacker, victim := s.browser(), s.browser()
	foreign := attacker.begin("/sign-in")
	victim.begin("/sign-in") // a flow of the victim's own must not help
	victim.wantLost(victim.get(s.callback(code("evil"), foreign)))
	if s.wechat.exchanges() != 0 {
		t.Error("the attacker's code was exchanged")
	}
}

// A victim who is signed in stays who they are.
func TestForeignStateDoesNotReplaceASession(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	attacker, victim := s.browser(), s.browser()
	victim.signIn("v")
	s.wantGo(victim.get(s.callback(code("evil"), attacker.begin("/sign-in"))), "/")
	if victim.who() != openIDOf(code("v")) || s.wechat.times(code("evil")) != 0 {
		t.Error("the victim is signed in as another user")
	}
}

func TestMalformedCallbacksAreNotExchanged(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in")
	other := b.begin("/sign-in")
	for name, query := range map[string]string{
		"nothing":               "",
		"empty state":           "code=" + code("a") + "&state=",
		"no state":              "code=" + code("a"),
		"both empty":            "code=&state=",
		"two states":            "code=" + code("a") + "&state=" + state + "&state=" + other,
		"two codes":             "code=" + code("a") + "&code=" + code("b") + "&state=" + state,
		"state in upper case":   "code=" + code("a") + "&state=" + strings.ToUpper(state),
		"state with a tail":     "code=" + code("a") + "&state=" + state + "x",
		"state of another form": "code=" + code("a") + "&state=123",
		"count beyond the last": "code=" + code("a") + "&state=" + state[:26] + "3",
		"another count":         "code=" + code("a") + "&state=" + state[:26] + "1",
		"broken encoding":       "code=" + code("a") + "&state=" + state + "%zz",
		"code with a newline":   "code=" + code("a") + "%0a&state=" + state,
		"code with parameters":  "code=x%20y&state=" + state,
		"endless code":          "code=" + strings.Repeat("x", 513) + "&state=" + state,
	} {
		res := b.get("/wechat/callback?" + query)
		if res.StatusCode != 303 || !strings.HasPrefix(res.Header.Get("Location"), s.origin+"/sign-in/lost") {
			t.Errorf("%s: %d to %q", name, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if s.wechat.exchanges() != 0 || b.session() != "" {
		t.Errorf("%d exchanges, session %q", s.wechat.exchanges(), b.session())
	}
	// WeChat was seen to repeat a state, alike.
	s.wantGo(b.get("/wechat/callback?state="+state+"&code="+code("a")+"&state="+state), "/")
}

func TestExpiredFlowStartsOver(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	s.clock.advance(15 * time.Minute)
	res := b.get(s.callback(code("a"), state))
	if want := s.origin + "/sign-in/lost?return=%2Fprivate%2Fx"; res.Header.Get("Location") != want {
		t.Errorf("Location %q, want %q", res.Header.Get("Location"), want)
	}
	b.wantLost(res)
	if s.wechat.exchanges() != 0 {
		t.Error("the code of an expired flow was exchanged")
	}
}

// Refresh, the back button, and WeChat's second call ask for the same callback again. It is one
// exchange, one session, one place.
func TestReplayRefreshAndBackAreOneSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	first := ""
	for i := range 8 {
		s.wantGo(b.get(s.callback(code("a"), state)), "/private/x")
		if i == 0 {
			first = b.session()
		}
		if b.session() != first || first == "" {
			t.Fatalf("repeat %d: session %q, want %q", i, b.session(), first)
		}
		s.clock.advance(5 * time.Second)
	}
	if n := s.wechat.exchanges(); n != 1 {
		t.Errorf("%d exchanges, want 1", n)
	}
}

// The first answer was lost on the way: the repeat must bring the session.
func TestRepeatAfterALostAnswerSignsIn(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	b.lose = func(string) bool { return true }
	s.wantGo(b.get(s.callback(code("a"), state)), "/private/x")
	b.lose = nil
	s.clock.advance(10 * time.Second)
	s.wantGo(b.get(s.callback(code("a"), state)), "/private/x")
	if b.who() != openIDOf(code("a")) || s.wechat.exchanges() != 1 {
		t.Errorf("signed in as %q after %d exchanges", b.who(), s.wechat.exchanges())
	}
}

func TestBackButtonAfterSignOutStaysSignedOut(t *testing.T) {
	t.Parallel()
	for _, keepsFlow := range []bool{false, true} {
		s := newFixture(t)
		b := s.browser()
		state := b.begin("/sign-in?return=/private/x")
		s.wantGo(b.get(s.callback(code("a"), state)), "/private/x")
		flow := map[string]string{}
		for name, value := range b.cookies {
			if strings.Contains(name, "-f-") {
				flow[name] = value
			}
		}
		s.wantGo(b.post("/sign-out", map[string][]string{}), "/")
		if n, _ := b.flows(); n != 0 {
			t.Errorf("%d flow cookies are left after signing out", n)
		}
		if keepsFlow { // a browser that brings the flow cookie back
			for name, value := range flow {
				b.cookies[name] = value
			}
		}
		b.wantLost(b.get(s.callback(code("a"), state)))
		if b.who() != "" || s.wechat.exchanges() != 1 {
			t.Errorf("keepsFlow %v: signed in as %q after %d exchanges", keepsFlow, b.who(), s.wechat.exchanges())
		}
	}
}

// Eight at once, on two replicas: one exchange, one session, all at one place.
func TestCallbacksAtTheSameMoment(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	replica := newFixture(t)
	store := login.NewMemoryStore()
	build := func(one *fixture) {
		one.use(login.Config{
			URL: "https://app.example.com", Keys: [][]byte{key(1)}, Store: store,
			OfficialAccount: account(s.wechat), Logger: leaktest.Logger(t), Now: s.clock.Now,
		})
	}
	build(s)
	build(replica)
	reached, release := make(chan struct{}, 9), make(chan struct{})
	s.wechat.exchange = func(_ context.Context, code string) string {
		reached <- struct{}{}
		<-release
		return tokenFor(code, "snsapi_base")
	}
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	var wg sync.WaitGroup
	sessions := make(chan string, 8)
	for i := range 8 {
		at := s
		if i%2 == 1 {
			at = replica
		}
		r := b.request("GET", s.callback(code("a"), state), nil)
		wg.Go(func() {
			res := serve(at.mux, r)
			if res.StatusCode != 303 || res.Header.Get("Location") != s.origin+"/private/x" {
				t.Errorf("answer is %d to %q", res.StatusCode, res.Header.Get("Location"))
			}
			for _, c := range res.Cookies() {
				if strings.HasSuffix(c.Name, "-s") {
					sessions <- c.Value
				}
			}
		})
	}
	<-reached
	close(release)
	wg.Wait()
	close(sessions)
	seen := map[string]int{}
	for id := range sessions {
		seen[id]++
	}
	if len(seen) != 1 || s.wechat.exchanges() != 1 {
		t.Errorf("sessions %v, %d exchanges; want one of each", seen, s.wechat.exchanges())
	}
}

// WeChat drops a slow callback and calls again. The first exchange must continue, and the second
// request is answered from its outcome.
func TestVisitorWhoLeavesDoesNotBurnTheCode(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	reached, release := make(chan struct{}), make(chan struct{})
	s.wechat.exchange = func(ctx context.Context, code string) string {
		close(reached)
		<-release
		if ctx.Err() != nil {
			return "" // the client gave up
		}
		return tokenFor(code, "snsapi_base")
	}
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		serve(s.mux, b.request("GET", s.callback(code("a"), state), nil).WithContext(ctx))
	}()
	<-reached
	leave()
	close(release)
	<-gone
	s.wantGo(b.get(s.callback(code("a"), state)), "/private/x")
	if b.who() != openIDOf(code("a")) || s.wechat.exchanges() != 1 {
		t.Errorf("signed in as %q after %d exchanges", b.who(), s.wechat.exchanges())
	}
}

// WeChat calls with two codes for one state. The second counts only when the first was refused.
func TestSecondCodeForTheSameState(t *testing.T) {
	t.Parallel()
	t.Run("after success it is not sent", func(t *testing.T) {
		s := newFixture(t)
		b := s.browser()
		state := b.begin("/sign-in?return=/private/x")
		s.wantGo(b.get(s.callback(code("a"), state)), "/private/x")
		id := b.session()
		s.wantGo(b.get(s.callback(code("b"), state)), "/private/x")
		if b.session() != id || s.wechat.times(code("b")) != 0 || b.who() != openIDOf(code("a")) {
			t.Errorf("second code: sent %d times, signed in as %s", s.wechat.times(code("b")), b.who())
		}
	})
	t.Run("after a refusal it is", func(t *testing.T) {
		s := newFixture(t)
		s.wechat.exchange = func(_ context.Context, c string) string {
			if c == code("a") {
				return refused(40163, "code been used")
			}
			return tokenFor(c, "snsapi_base")
		}
		b := s.browser()
		state := b.begin("/sign-in?return=/private/x")
		s.stateIn(b.get(s.callback(code("a"), state))) // restarted automatically
		s.wantGo(b.get(s.callback(code("b"), state)), "/private/x")
		if b.who() != openIDOf(code("b")) || s.wechat.times(code("a")) != 1 {
			t.Errorf("signed in as %q, first code sent %d times", b.who(), s.wechat.times(code("a")))
		}
	})
	t.Run("while the first is in progress it waits", func(t *testing.T) {
		s := newFixture(t)
		reached, release := make(chan struct{}), make(chan struct{})
		s.wechat.exchange = func(_ context.Context, c string) string {
			if c == code("a") {
				close(reached)
				<-release
				return refused(40029, "invalid code")
			}
			return tokenFor(c, "snsapi_base")
		}
		b := s.browser()
		state := b.begin("/sign-in?return=/private/x")
		done := make(chan struct{})
		go func() {
			defer close(done)
			serve(s.mux, b.request("GET", s.callback(code("a"), state), nil))
		}()
		<-reached
		second := make(chan *http.Response)
		go func() { second <- b.get(s.callback(code("b"), state)) }()
		close(release)
		<-done
		s.wantGo(<-second, "/private/x")
		if b.who() != openIDOf(code("b")) {
			t.Errorf("signed in as %q", b.who())
		}
	})
}

// A link from a history, a chat or a log, opened hours later.
func TestColdRepeatHoursLater(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in?return=/private/x")
	s.wantGo(b.get(s.callback(code("a"), state)), "/private/x")
	s.clock.advance(3 * time.Hour)
	stolen := s.browser() // has the flow cookie, nothing else
	for name, value := range b.cookies {
		if strings.Contains(name, "-f-") {
			stolen.cookies[name] = value
		}
	}
	stolen.wantLost(stolen.get(s.callback(code("a"), state)))
	s.wantGo(b.get(s.callback(code("a"), state)), "/private/x") // still signed in: no reason for a page
	if n := s.wechat.exchanges(); n != 1 {
		t.Errorf("%d exchanges, want 1", n)
	}
}

// After a minute a repeat sets no cookie any more, even while the session lives.
func TestRepeatAfterAMinuteSetsNoSession(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in")
	b.lose = func(name string) bool { return strings.HasSuffix(name, "-s") }
	s.wantGo(b.get(s.callback(code("a"), state)), "/")
	s.clock.advance(time.Minute)
	b.wantLost(b.get(s.callback(code("a"), state)))
}

func TestDenialHasAWayOn(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	state := b.begin("/sign-in?return=/named/x&scope=profile")
	for _, query := range []string{"?state=" + state, "?code=&state=" + state, "?code=authdeny&state=" + state} {
		body := s.wantPage(b.get("/wechat/callback"+query), login.PageDenied, 200)
		for _, way := range []string{"/sign-in?return=%2Fnamed%2Fx&amp;scope=profile", "/sign-in?return=%2Fnamed%2Fx\""} {
			if !strings.Contains(body, `href="`+s.origin+way) {
				t.Errorf("%s: no way %s in %s", query, way, body)
			}
		}
	}
	if s.wechat.exchanges() != 0 || b.session() != "" {
		t.Error("a denial reached WeChat or made a session")
	}
	// Changed their mind: WeChat calls with a code.
	s.mustAnswer("snsapi_userinfo")
	s.wantGo(b.get(s.callback(code("a"), state)), "/named/x")
}
