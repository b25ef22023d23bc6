package wechattest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestExchangeChecksInWeChatsOrder(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	other := s.code(s.web, "alice", "snsapi_login")
	tests := []struct {
		name, appid, secret, code, grant string
		errcode                          int
		errmsg                           string
	}{
		{"nothing", "", "", "", "", 41002, "appid missing"},
		{"no secret", s.oa.AppID, "", "", "", 41004, "appsecret missing"},
		{"no code", s.oa.AppID, "wrong", "", "", 41008, "missing code"},
		{"no grant type", s.oa.AppID, "wrong", "x", "", 40002, "invalid grant_type"},
		{"wrong grant type", s.oa.AppID, "wrong", "x", "refresh_token", 40002, "invalid grant_type"},
		{"unknown app", "wx0000000000000000", "wrong", "x", "authorization_code", 40013, "invalid appid"},
		{"wrong secret and code", s.oa.AppID, "wrong", "x", "authorization_code", 40125, "invalid appsecret"},
		{"secret of another app", s.oa.AppID, s.web.Secret, "x", "authorization_code", 40125, "invalid appsecret"},
		{"unknown code", s.oa.AppID, s.oa.Secret, "x", "authorization_code", 40029, "invalid code"},
		{"code of another app", s.oa.AppID, s.oa.Secret, other, "authorization_code", 40029, "invalid code"},
	}
	for _, tt := range tests {
		g := s.sns("oauth2/access_token", "appid", tt.appid, "secret", tt.secret, "code", tt.code, "grant_type",
			tt.grant)
		f := parse(t, g.body)
		if msg, _, _ := strings.Cut(f.Errmsg, ", rid: "); f.Errcode != tt.errcode || msg != tt.errmsg ||
			g.status != http.StatusOK {
			t.Errorf("%s: %d %s, want %d %s", tt.name, g.status, g.body, tt.errcode, tt.errmsg)
		}
	}
	if f, g := s.exchange(s.web, other); f.Errcode != 0 {
		t.Errorf("the code was used up by another app's attempt: %s", g.body)
	}
}

var (
	codeForm    = regexp.MustCompile(`^0[0-9][A-Za-z0-9]{30}$`)
	openIDForm  = regexp.MustCompile(`^o[A-Za-z0-9_-]{27}$`)
	tokenFormat = regexp.MustCompile(`^[0-9]{2}_[A-Za-z0-9_-]{107}$`)
)

func TestExchangeFormat(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	code := s.code(s.oa, "alice", "snsapi_userinfo")
	f, g := s.exchange(s.oa, code)
	want := fmt.Sprintf(`{"access_token":"%s","expires_in":7200,"refresh_token":"%s","openid":"%s",`+
		`"scope":"snsapi_userinfo","unionid":"%s"}`,
		f.AccessToken, f.RefreshToken, s.OpenID(s.oa.AppID, "alice"), s.UnionID(s.oa.AppID, "alice"))
	if g.body != want {
		t.Errorf("got  %s\nwant %s", g.body, want)
	}
	if got := g.header["Content-Type"]; len(got) != 1 || got[0] != "text/plain" {
		t.Errorf("Content-Type %q: WeChat sends no charset", got)
	}
	if !codeForm.MatchString(code) || !openIDForm.MatchString(f.OpenID) || !openIDForm.MatchString(f.UnionID) ||
		!tokenFormat.MatchString(f.AccessToken) || !tokenFormat.MatchString(f.RefreshToken) {
		t.Errorf("code %s, answer %s", code, g.body)
	}
	if f.OpenID == s.signIn(s.web, "alice", "snsapi_login").OpenID {
		t.Error("two apps see the same openid")
	}
	if web := s.signIn(s.web, "alice", "snsapi_login"); web.UnionID != f.UnionID || web.Scope != "snsapi_login" {
		t.Errorf("two apps of one open platform see %q and %q", f.UnionID, web.UnionID)
	}
	if base := s.signIn(s.oa, "alice", "snsapi_base"); base.UnionID != "" {
		t.Error("snsapi_base has a unionid")
	}
	if test := s.signIn(s.test, "alice", "snsapi_userinfo"); test.UnionID != "" {
		t.Error("an app without open platform has a unionid")
	}
	s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.BaseUnionID = true })
	if base := s.signIn(s.oa, "alice", "snsapi_base"); base.UnionID != f.UnionID {
		t.Errorf("with BaseUnionID snsapi_base has unionid %q", base.UnionID)
	}
}

func TestSNSAcceptsGETAndPOST(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	for _, how := range []string{"form", "query"} {
		form := url.Values{"appid": {s.oa.AppID}, "secret": {s.oa.Secret},
			"code": {s.code(s.oa, "alice", "snsapi_base")}, "grant_type": {"authorization_code"}}
		path := "/sns/oauth2/access_token"
		if how == "query" {
			path, form = path+"?"+form.Encode(), nil
		}
		if f := parse(t, s.send(http.MethodPost, path, form).body); f.OpenID == "" {
			t.Errorf("POST with a %s: %+v", how, f)
		}
	}
	if f := parse(t, s.send(http.MethodPut, "/sns/auth", nil).body); f.Errcode != 43001 {
		t.Errorf("PUT: %+v", f)
	}
	if f := parse(t, s.get("/sns/nothing").body); f.Errcode != 40066 {
		t.Errorf("unknown path: %+v", f)
	}
}

func TestCodeIsUsedOnceAndExpires(t *testing.T) {
	t.Parallel()
	type step struct {
		advance time.Duration
		errcode int
	}
	tests := []struct {
		name    string
		website bool
		quirks  wechattest.Quirks
		steps   []step
	}{
		{"used: 40163 while it would have lived, then 40029", false, wechattest.Quirks{},
			[]step{{0, 0}, {0, 40163}, {4*time.Minute + 59*time.Second, 40163}, {time.Second, 40029},
				{5 * time.Hour, 40029}}},
		{"official account: 5 minutes", false, wechattest.Quirks{}, []step{{5 * time.Minute, 40029}}},
		{"official account: just in time", false, wechattest.Quirks{}, []step{{5*time.Minute - time.Second, 0}}},
		{"website app: 10 minutes", true, wechattest.Quirks{},
			[]step{{10*time.Minute - time.Second, 0}, {0, 40163}, {time.Second, 40029}}},
		{"UsedIsInvalid", false, wechattest.Quirks{UsedCode: wechattest.UsedIsInvalid}, []step{{0, 0}, {0, 40029}}},
		{"ExpiredCode42003", false, wechattest.Quirks{ExpiredCode42003: true}, []step{{5 * time.Minute, 42003}}},
		{"ExpiredCode42003 of a used code", false, wechattest.Quirks{ExpiredCode42003: true},
			[]step{{0, 0}, {5 * time.Minute, 40029}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := simulate(t, wechattest.Config{Quirks: tt.quirks})
			app, scope := s.oa, "snsapi_base"
			if tt.website {
				app, scope = s.web, "snsapi_login"
			}
			code := s.code(app, "alice", scope)
			for i, st := range tt.steps {
				s.Advance(st.advance)
				if f, g := s.exchange(app, code); f.Errcode != st.errcode {
					t.Fatalf("step %d: %s, want %d", i+1, g.body, st.errcode)
				}
			}
		})
	}
}

func TestOneOfEightExchangesSucceeds(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	code := s.code(s.oa, "alice", "snsapi_base")
	results := make(chan int, 8)
	for range cap(results) {
		go func() {
			res, err := http.Get(s.base + "/sns/oauth2/access_token?" + query("appid", s.oa.AppID, "secret",
				s.oa.Secret, "code", code, "grant_type", "authorization_code"))
			if err != nil {
				results <- -2
				return
			}
			defer res.Body.Close()
			results <- int(res.ContentLength)
		}()
	}
	wins := 0
	for range cap(results) {
		if <-results > 200 { // an error is shorter
			wins++
		}
	}
	if wins != 1 {
		t.Errorf("%d exchanges won", wins)
	}
}

func TestFailedExchangeKeepsTheCodeValid(t *testing.T) {
	t.Parallel()
	for _, burns := range []bool{false, true} {
		s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{FailureBurnsCode: burns, WrongSecret40001: burns}})
		code := s.code(s.oa, "alice", "snsapi_base")
		wrong := s.oa
		wrong.Secret = "wrong"
		want, then := 40125, 0
		if burns {
			want, then = 40001, 40163
		}
		if f, _ := s.exchange(wrong, code); f.Errcode != want {
			t.Errorf("burns %v: wrong secret: %+v", burns, f)
		}
		if f, _ := s.exchange(s.oa, code); f.Errcode != then {
			t.Errorf("burns %v: then: %+v", burns, f)
		}
	}
}

func TestErrmsgSuffix(t *testing.T) {
	t.Parallel()
	for suffix, want := range map[wechattest.Suffix]string{
		wechattest.SuffixRID: fmt.Sprintf(`^invalid code, rid: %08x-[0-9a-f]{8}-[0-9a-f]{8}$`,
			start.Add(time.Hour).Unix()),
		wechattest.SuffixHints: `^invalid code, hints: \[ req_id: [A-Za-z0-9]{14} \]$`,
		wechattest.SuffixNone:  `^invalid code$`,
	} {
		s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{Suffix: suffix}})
		s.Advance(time.Hour)
		if f, _ := s.exchange(s.oa, "x"); !regexp.MustCompile(want).MatchString(f.Errmsg) {
			t.Errorf("suffix %d: %q does not match %s", suffix, f.Errmsg, want)
		}
	}
}

func TestResultHeaders(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ResultHeaders: true}})
	if _, g := s.exchange(s.oa, "x"); g.header.Get("LogicRet") != "40029" || g.header.Get("RetKey") != "11" {
		t.Errorf("headers %v", g.header)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	f := s.signIn(s.oa, "alice", "snsapi_userinfo")
	s.Advance(90 * time.Minute)
	again := s.refresh(s.oa, f.RefreshToken)
	if again.AccessToken != f.AccessToken || again.RefreshToken != f.RefreshToken ||
		again.Scope != "snsapi_base,snsapi_userinfo," || again.ExpiresIn != 7200 || again.UnionID != "" {
		t.Errorf("before the end: %+v", again)
	}
	g := s.sns("oauth2/refresh_token", "appid", s.oa.AppID, "grant_type", "refresh_token", "refresh_token",
		f.RefreshToken)
	if want := `{"openid":"` + f.OpenID + `","access_token":"` + f.AccessToken +
		`","expires_in":7200,"refresh_token":"` + f.RefreshToken +
		`","scope":"snsapi_base,snsapi_userinfo,"}`; g.body != want {
		t.Errorf("got  %s\nwant %s", g.body, want)
	}
	s.Advance(119 * time.Minute)
	if u := s.userInfo(f); u.Errcode != 0 {
		t.Errorf("the refresh did not extend the token: %+v", u)
	}
	s.Advance(time.Minute)
	fresh := s.refresh(s.oa, f.RefreshToken)
	if fresh.AccessToken == f.AccessToken || fresh.AccessToken == "" {
		t.Errorf("after the end: %+v", fresh)
	}
	if u := s.userInfo(f); u.Errcode != 42001 {
		t.Errorf("the old token after a refresh: %+v", u)
	}
	if u := s.userInfo(fresh); u.Errcode != 0 {
		t.Errorf("the new token: %+v", u)
	}
	s.Advance(30 * 24 * time.Hour)
	if r := s.refresh(s.oa, f.RefreshToken); r.Errcode != 40030 {
		t.Errorf("after 30 days: %+v", r)
	}
	s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.ExpiredRefresh42002 = true })
	if r := s.refresh(s.oa, f.RefreshToken); r.Errcode != 42002 {
		t.Errorf("after 30 days, 42002: %+v", r)
	}
	if base := s.signIn(s.oa, "bob", "snsapi_base"); s.refresh(s.oa, base.RefreshToken).Scope != "snsapi_base," {
		t.Error("the scope of a base refresh")
	}
	if web := s.signIn(s.web, "bob", "snsapi_login"); s.refresh(s.web, web.RefreshToken).Scope != "snsapi_login" {
		t.Error("the scope of a website refresh")
	}
}

func TestRefreshErrors(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	f := s.signIn(s.oa, "alice", "snsapi_base")
	frozen := s.signIn(s.oa, "frozen", "snsapi_base")
	tests := []struct {
		name, appid, grant, token string
		errcode                   int
	}{
		{"no appid", "", "refresh_token", f.RefreshToken, 41002},
		{"no token", s.oa.AppID, "refresh_token", "", 41003},
		{"grant type", s.oa.AppID, "authorization_code", f.RefreshToken, 40002},
		{"unknown app", "wx0000000000000000", "refresh_token", f.RefreshToken, 40013},
		{"another app", s.web.AppID, "refresh_token", f.RefreshToken, 40013},
		{"unknown token", s.oa.AppID, "refresh_token", "83_x", 40030},
		{"an access token", s.oa.AppID, "refresh_token", f.AccessToken, 40030},
		{"frozen", s.oa.AppID, "refresh_token", frozen.RefreshToken, 50002},
	}
	for _, tt := range tests {
		if r := parse(t, s.sns("oauth2/refresh_token", "appid", tt.appid, "grant_type", tt.grant, "refresh_token",
			tt.token).body); r.Errcode != tt.errcode {
			t.Errorf("%s: %+v, want %d", tt.name, r, tt.errcode)
		}
	}
}

func TestRotateRefresh(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{RotateRefresh: true}})
	f := s.signIn(s.oa, "alice", "snsapi_base")
	s.Advance(29 * 24 * time.Hour)
	next := s.refresh(s.oa, f.RefreshToken)
	if next.RefreshToken == f.RefreshToken || s.refresh(s.oa, f.RefreshToken).Errcode != 40030 {
		t.Errorf("the refresh token did not change: %+v", next)
	}
	s.Advance(24 * time.Hour)
	if r := s.refresh(s.oa, next.RefreshToken); r.Errcode != 40030 {
		t.Errorf("a refresh renewed the 30 days: %+v", r)
	}
}

func TestNewSignInInvalidatesOlderTokens(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{KeepOldTokens: keep}})
		old := s.signIn(s.oa, "alice", "snsapi_userinfo")
		elsewhere := s.signIn(s.test, "alice", "snsapi_userinfo")
		s.signIn(s.oa, "alice", "snsapi_base")
		access, refresh := 40001, 40030
		if keep {
			access, refresh = 0, 0
		}
		if u := s.userInfo(old); u.Errcode != access {
			t.Errorf("keep %v: user info: %+v", keep, u)
		}
		if r := s.refresh(s.oa, old.RefreshToken); r.Errcode != refresh {
			t.Errorf("keep %v: refresh: %+v", keep, r)
		}
		if u := s.userInfo(elsewhere); u.Errcode != 0 {
			t.Errorf("keep %v: the token of another app: %+v", keep, u)
		}
	}
}

func TestChangePasswordInvalidatesAllTokens(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	f, other := s.signIn(s.oa, "alice", "snsapi_userinfo"), s.signIn(s.oa, "bob", "snsapi_userinfo")
	s.ChangePassword("alice")
	if u, r := s.userInfo(f), s.refresh(s.oa, f.RefreshToken); u.Errcode != 42007 || r.Errcode != 42007 {
		t.Errorf("user info %+v, refresh %+v", u, r)
	}
	if s.userInfo(other).Errcode != 0 || s.userInfo(s.signIn(s.oa, "alice", "snsapi_userinfo")).Errcode != 0 {
		t.Error("it hit others, or the next sign-in")
	}
}
