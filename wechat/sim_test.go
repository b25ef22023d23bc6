package wechat_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// simulated returns a simulator with the given quirks and a client of its app of that index in
// DefaultApps. Secret, codes and tokens are planted, and every error goes through leaktest.Check by
// Observe. The simulator's clock moves only by Advance, so that no minute of a quota ends during a
// test.
func simulated(t *testing.T, app int, quirks wechattest.Quirks) (*wechattest.Server, *wechat.Client) {
	t.Helper()
	apps := wechattest.DefaultApps()
	apps[app].Secret = leaktest.Secret
	start := time.Now()
	sim, err := wechattest.New(wechattest.Config{
		Apps: apps, Mark: leaktest.Mark, Quirks: quirks, Now: func() time.Time { return start },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, &wechat.Client{AppID: apps[app].AppID, Secret: leaktest.Secret, APIURL: server.URL,
		OnCall: func(_ context.Context, call wechat.Call) { leaktest.Check(t, "the calls of OnCall", call, call.Err) }}
}

// codeFor returns a code that the simulator has issued.
func codeFor(t *testing.T, sim *wechattest.Server, c *wechat.Client, person string, scope wechat.Scope) string {
	t.Helper()
	code, err := sim.Code(c.AppID, person, string(scope))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// A complete sign-in for each kind of app and scope, against the simulator.
func TestEachDoorOnTheSimulator(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		app     int
		scope   wechat.Scope
		profile bool // whether UserInfo is permitted
		union   bool // whether there is a unionid
	}{
		"official account, base":    {0, wechat.ScopeBase, false, false},
		"official account, profile": {0, wechat.ScopeUserInfo, true, true},
		"test account, profile":     {1, wechat.ScopeUserInfo, true, false},
		"website app":               {2, wechat.ScopeLogin, true, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, client := simulated(t, c.app, wechattest.Quirks{})
			token, err := client.Exchange(t.Context(), codeFor(t, sim, client, "xiaoming", c.scope))
			if err != nil {
				t.Fatal(err)
			}
			leaktest.Check(t, "the token", token)
			if token.OpenID != sim.OpenID(client.AppID, "xiaoming") ||
				(token.UnionID != "") != c.union || !token.HasScope(c.scope) ||
				token.ExpiresIn != 2*time.Hour || token.SnapshotUser ||
				token.RefreshToken == "" {
				t.Errorf("the token is %+v", token)
			}
			if err := client.CheckToken(t.Context(), token.AccessToken, token.OpenID); err != nil {
				t.Error(err)
			}
			again, err := client.Refresh(t.Context(), token.RefreshToken)
			if err != nil {
				t.Fatal(err)
			}
			if again.OpenID != token.OpenID || again.AccessToken != token.AccessToken || !again.HasScope(c.scope) {
				t.Errorf("refreshed to %+v", again)
			}
			user, err := client.UserInfo(t.Context(), again.AccessToken, again.OpenID, wechat.LangZhCN)
			var e *wechat.Error
			switch {
			case !c.profile:
				if !errors.As(err, &e) || e.Code != 48001 {
					t.Errorf("user info with a base token: %v", err)
				}
				checkClass(t, err, wechat.ErrConfiguration)
			case err != nil:
				t.Error(err)
			case user.OpenID != token.OpenID || user.Nickname != "小明" || user.AvatarURL == "" ||
				user.UnionID != token.UnionID:
				t.Errorf("the user is %+v", user)
			}
		})
	}
}

func TestLifeOfACodeOnTheSimulator(t *testing.T) {
	t.Parallel()
	sim, client := simulated(t, 0, wechattest.Quirks{})
	used := codeFor(t, sim, client, "alice", wechat.ScopeBase)
	if _, err := client.Exchange(t.Context(), used); err != nil {
		t.Fatal(err)
	}
	_, err := client.Exchange(t.Context(), used)
	var e *wechat.Error
	if !errors.As(err, &e) || e.Message != "code been used" || !errors.Is(err, wechat.ErrCodeUsed) ||
		!regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`).MatchString(e.RequestID) {
		t.Errorf("a second exchange: %#v", e)
	}
	old := codeFor(t, sim, client, "alice", wechat.ScopeBase)
	sim.Advance(6 * time.Minute)
	for _, code := range []string{used, old, "a code that never was"} {
		if _, err := client.Exchange(t.Context(), code); !errors.Is(err, wechat.ErrInvalidCode) {
			t.Errorf("after six minutes: %v", err)
		}
	}
}

func TestLifeOfATokenOnTheSimulator(t *testing.T) {
	t.Parallel()
	sim, client := simulated(t, 0, wechattest.Quirks{})
	token, err := client.Exchange(t.Context(), codeFor(t, sim, client, "alice", wechat.ScopeUserInfo))
	if err != nil {
		t.Fatal(err)
	}
	sim.Advance(3 * time.Hour)
	_, err = client.UserInfo(t.Context(), token.AccessToken, token.OpenID, "")
	checkClass(t, err, wechat.ErrTokenExpired)
	next, err := client.Refresh(t.Context(), token.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if next.AccessToken == token.AccessToken {
		t.Error("an expired token was extended")
	}
	if _, err := client.UserInfo(t.Context(), next.AccessToken, next.OpenID, ""); err != nil {
		t.Error(err)
	}
	sim.ChangePassword("alice")
	_, err = client.Refresh(t.Context(), token.RefreshToken)
	checkClass(t, err, wechat.ErrReauthorize)
	sim.Advance(31 * 24 * time.Hour)
	_, err = client.Refresh(t.Context(), token.RefreshToken)
	checkClass(t, err, wechat.ErrReauthorize)
}

func TestSnapshotUserOnTheSimulator(t *testing.T) {
	t.Parallel()
	sim, client := simulated(t, 0, wechattest.Quirks{Snapshot: true})
	token, err := client.Exchange(t.Context(), codeFor(t, sim, client, "alice", wechat.ScopeUserInfo))
	if err != nil || !token.SnapshotUser || token.OpenID == sim.OpenID(client.AppID, "alice") {
		t.Errorf("got %+v, %v", token, err)
	}
}

// A nickname with raw control bytes and invalid UTF-8 does not prevent sign-in.
func TestUnkindNicknamesOnTheSimulator(t *testing.T) {
	t.Parallel()
	sim, client := simulated(t, 0, wechattest.Quirks{})
	for _, p := range sim.People() {
		token, err := client.Exchange(t.Context(), codeFor(t, sim, client, p.ID, wechat.ScopeUserInfo))
		if err != nil {
			t.Errorf("%s: %v", p.ID, err)
			continue
		}
		user, err := client.UserInfo(t.Context(), token.AccessToken, token.OpenID, "")
		if p.Frozen {
			checkClass(t, err, wechat.ErrUserRestricted)
			continue
		}
		if err != nil || strings.ContainsFunc(user.Nickname, func(r rune) bool { return r < ' ' }) ||
			strings.ToValidUTF8(user.Nickname, "") != user.Nickname {
			t.Errorf("%s: %+v, %v", p.ID, user, err)
		}
		if p.ID == "control" && user.Nickname != "bell  dc4  back  line end" {
			t.Errorf("the nickname with control bytes is %q", user.Nickname)
		}
		if p.ID == "markup" && user.Nickname != p.Nickname {
			t.Errorf("the nickname with markup is %q", user.Nickname)
		}
	}
	for _, dirty := range []wechattest.Dirty{
		wechattest.DirtyControl, wechattest.DirtyUTF8, wechattest.DirtyEmoji, wechattest.DirtyNoAvatar,
	} {
		sim.UpdateQuirks(func(s *wechattest.Quirks) { s.Dirty = dirty })
		token, err := client.Exchange(t.Context(), codeFor(t, sim, client, "alice", wechat.ScopeUserInfo))
		if err != nil {
			t.Fatal(err)
		}
		user, err := client.UserInfo(t.Context(), token.AccessToken, token.OpenID, "")
		if err != nil || (user.AvatarURL == "") != (dirty == wechattest.DirtyNoAvatar) {
			t.Errorf("dirty %d: %+v, %v", dirty, user, err)
		}
	}
}

// The server spends the code and crashes before it responds: the code is not sent again, and the
// class is ErrReauthorize.
func TestExchangeWhoseAnswerIsLostOnTheSimulator(t *testing.T) {
	t.Parallel()
	faults := map[string]struct {
		fault wechattest.Fault
		shape error
	}{
		"connection cut":  {wechattest.Fault{Cut: true, AfterWork: true}, wechat.ErrTransport},
		"cut in the body": {wechattest.Fault{Truncate: 20, Cut: true, AfterWork: true}, wechat.ErrTruncated},
		"short body":      {wechattest.Fault{Truncate: 20, AfterWork: true}, wechat.ErrTruncated},
		"gateway error":   {wechattest.Fault{Status: 502, AfterWork: true}, wechat.ErrHTTPStatus},
		"a page":          {wechattest.Fault{Body: "<html>busy</html>", AfterWork: true}, wechat.ErrNotJSON},
	}
	for name, c := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, client := simulated(t, 0, wechattest.Quirks{})
			// A connection that is already there, as in a busy program.
			if _, err := client.Exchange(t.Context(), codeFor(t, sim, client, "bob", wechat.ScopeBase)); err != nil {
				t.Fatal(err)
			}
			before := len(sim.Calls())
			c.fault.Endpoint = "/sns/oauth2/access_token"
			sim.Fail(c.fault)
			_, err := client.Exchange(t.Context(), codeFor(t, sim, client, "alice", wechat.ScopeBase))
			if n := len(sim.Calls()) - before; n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
			if !errors.Is(err, c.shape) {
				t.Errorf("got %v", err)
			}
			checkClass(t, err, wechat.ErrReauthorize)
			leaktest.Check(t, "the error", err)
		})
	}
}

func TestQuotaAndAllowListOnTheSimulator(t *testing.T) {
	t.Parallel()
	sim, client := simulated(t, 0, wechattest.Quirks{Quota: 1})
	if err := sim.UpdateApp(client.AppID, func(a *wechattest.App) { a.IPList = []string{"203.0.113.7"} }); err != nil {
		t.Fatal(err)
	}
	_, err := client.Exchange(t.Context(), codeFor(t, sim, client, "alice", wechat.ScopeBase))
	var e *wechat.Error
	if !errors.As(err, &e) || e.Code != 40164 || !strings.Contains(e.Message, "127.0.0.1") {
		t.Errorf("from an address that is not listed: %v", err)
	}
	checkClass(t, err, wechat.ErrConfiguration)
	if err := sim.UpdateApp(client.AppID, func(a *wechattest.App) { a.IPList = nil }); err != nil {
		t.Fatal(err)
	}
	sim.Advance(2 * time.Minute)
	for range 2 {
		_, err = client.Exchange(t.Context(), codeFor(t, sim, client, "alice", wechat.ScopeBase))
	}
	checkClass(t, err, wechat.ErrRateLimited)
}

// Every form of the errmsg suffix, and every other response that WeChat's documentation leaves
// open.
func TestOpenQuestionsOnTheSimulator(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		quirks  wechattest.Quirks
		idFound bool
	}{
		"rid":   {wechattest.Quirks{}, true},
		"hints": {wechattest.Quirks{Suffix: wechattest.SuffixHints}, true},
		"none":  {wechattest.Quirks{Suffix: wechattest.SuffixNone}, false},
		"table": {wechattest.Quirks{
			ExpiredCode42003: true, ExpiredRefresh42002: true, UsedCode: wechattest.UsedIsInvalid, ResultHeaders: true,
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, client := simulated(t, 0, c.quirks)
			code := codeFor(t, sim, client, "alice", wechat.ScopeBase)
			token, err := client.Exchange(t.Context(), code)
			if err != nil {
				t.Fatal(err)
			}
			late := codeFor(t, sim, client, "bob", wechat.ScopeBase)
			_, second := client.Exchange(t.Context(), code)
			sim.Advance(32 * 24 * time.Hour)
			_, expired := client.Exchange(t.Context(), late)
			_, dead := client.Refresh(t.Context(), token.RefreshToken)
			for _, err := range []error{second, expired, dead} {
				checkClass(t, err, wechat.ErrReauthorize)
				var e *wechat.Error
				if !errors.As(err, &e) || (e.RequestID != "") != c.idFound || strings.ContainsAny(e.Message, "[]:,") {
					t.Errorf("got %#v", e)
				}
			}
		})
	}
	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		for _, old := range []bool{false, true} {
			sim, client := simulated(t, 0, wechattest.Quirks{WrongSecret40001: old})
			client.Secret = "wrong"
			_, err := client.Exchange(t.Context(), codeFor(t, sim, client, "alice", wechat.ScopeBase))
			checkClass(t, err, wechat.ErrConfiguration)
		}
	})
}
