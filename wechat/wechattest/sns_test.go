package wechattest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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
	codeForm   = regexp.MustCompile(`^0[0-9][A-Za-z0-9]{30}$`)
	openIDForm = regexp.MustCompile(`^o[A-Za-z0-9_-]{27}$`)
	tokenForm  = regexp.MustCompile(`^[0-9]{2}_[A-Za-z0-9_-]{107}$`)
)

func TestExchangeWireForm(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	code := s.code(s.oa, "alice", "snsapi_userinfo")
	f, g := s.exchange(s.oa, code)
	want := fmt.Sprintf(`{"access_token":"%s","expires_in":7200,"refresh_token":"%s","openid":"%s","scope":"snsapi_userinfo","unionid":"%s"}`,
		f.AccessToken, f.RefreshToken, s.OpenID(s.oa.AppID, "alice"), s.UnionID(s.oa.AppID, "alice"))
	if g.body != want {
		t.Errorf("got  %s\nwant %s", g.body, want)
	}
	if got := g.header["Content-Type"]; len(got) != 1 || got[0] != "text/plain" {
		t.Errorf("Content-Type %q: WeChat sends no charset", got)
	}
	if !codeForm.MatchString(code) || !openIDForm.MatchString(f.OpenID) || !openIDForm.MatchString(f.UnionID) ||
		!tokenForm.MatchString(f.AccessToken) || !tokenForm.MatchString(f.RefreshToken) {
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

func TestSNSTakesGETAndPOST(t *testing.T) {
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

func TestCodeIsUsedOnceAndLives(t *testing.T) {
	t.Parallel()
	type step struct {
		advance time.Duration
		errcode int
	}
	tests := []struct {
		name     string
		website  bool
		switches wechattest.Quirks
		steps    []step
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
			s := simulate(t, wechattest.Config{Quirks: tt.switches})
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

func TestEightExchangesOfOneCodeGiveOneSuccess(t *testing.T) {
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

func TestAFailedExchangeLeavesTheCodeGood(t *testing.T) {
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

func TestIPListComesFirst(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	old := s.signIn(s.oa, "alice", "snsapi_userinfo")
	list := func(ips ...string) {
		if err := s.UpdateApp(s.oa.AppID, func(a *wechattest.App) { a.IPList = ips }); err != nil {
			t.Fatal(err)
		}
	}
	list("203.0.113.7", "10.0.0.0/8")
	const want = "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist, rid: "
	if f := parse(t, s.sns("oauth2/access_token", "appid", s.oa.AppID).body); f.Errcode != 40164 ||
		!strings.HasPrefix(f.Errmsg, want) {
		t.Errorf("exchange without a secret: %+v", f)
	}
	if f := s.userInfo(old); f.Errcode != 40164 {
		t.Errorf("user info: %+v", f)
	}
	list("127.0.0.0/8")
	if f := s.userInfo(old); f.Errcode != 0 {
		t.Errorf("user info from a listed address: %+v", f)
	}
}

func TestUserInfoWireForm(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{OpenURL: "http://localhost:8090"})
	f := s.signIn(s.oa, "xiaoming", "snsapi_userinfo")
	g := s.sns("userinfo", "access_token", f.AccessToken, "openid", f.OpenID, "lang", "zh_CN")
	want := `{"openid":"` + f.OpenID + `","nickname":"小明","sex":0,"language":"","city":"","province":"","country":"",` +
		`"headimgurl":"http:\/\/localhost:8090\/mmopen\/vi_32\/xiaoming\/132","privilege":[],"unionid":"` +
		f.UnionID + `"}`
	if g.body != want || g.header.Get("Content-Type") != "text/plain" {
		t.Errorf("got  %s\nwant %s", g.body, want)
	}
}

func TestUserInfoErrors(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	good := s.signIn(s.oa, "alice", "snsapi_userinfo")
	base := s.signIn(s.oa, "bob", "snsapi_base")
	frozen := s.signIn(s.oa, "frozen", "snsapi_userinfo")
	tests := []struct {
		name, token, openid string
		errcode             int
	}{
		{"no token", "", good.OpenID, 41001},
		{"no openid", good.AccessToken, "", 41009},
		{"malformed token", "hello", good.OpenID, 40014},
		{"unknown token", "83_" + strings.Repeat("a", 107), good.OpenID, 40001},
		{"a refresh token", good.RefreshToken, good.OpenID, 40001},
		{"foreign openid", good.AccessToken, base.OpenID, 40003},
		{"snsapi_base", base.AccessToken, base.OpenID, 48001},
		{"frozen", frozen.AccessToken, frozen.OpenID, 50002},
		{"good", good.AccessToken, good.OpenID, 0},
	}
	for _, tt := range tests {
		for _, path := range []string{"userinfo", "auth"} {
			want := tt.errcode
			if path == "auth" && (want == 48001 || want == 50002) {
				want = 0
			}
			if f := parse(t, s.sns(path, "access_token", tt.token, "openid", tt.openid).body); f.Errcode != want {
				t.Errorf("%s: %s: %+v, want %d", path, tt.name, f, want)
			}
		}
	}
	if g := s.sns("auth", "access_token", good.AccessToken, "openid",
		good.OpenID); g.body != `{"errcode":0,"errmsg":"ok"}` {
		t.Errorf("auth: %s", g.body)
	}
	s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.LaxOpenID = true })
	if f := parse(t, s.sns("userinfo", "access_token", good.AccessToken, "openid",
		"oX").body); f.OpenID != good.OpenID {
		t.Errorf("with LaxOpenID: %+v", f)
	}
	s.Advance(2 * time.Hour)
	if f := s.userInfo(good); f.Errcode != 42001 {
		t.Errorf("two hours later: %+v", f)
	}
}

func TestUnkindProfilesReachTheAppByteForByte(t *testing.T) {
	t.Parallel()
	tests := []struct {
		person string
		dirty  wechattest.Dirty
		want   string
		valid  bool
	}{
		{"emoji", 0, `"nickname":"🌊 阿海 👩‍👩‍👧 ⚡️"`, true},
		{"markup", 0, `"nickname":"<script>alert(\"x\")<\/script>&amp;"`, true},
		{"quotes", 0, `"nickname":"\"O'Neill\" \\ 100%\/day"`, true},
		{"control", 0, "\"nickname\":\"bell\x07 dc4\x14 back\x08 line\nend\"", true},
		{"broken", 0, "\"nickname\":\"half\xe5\xb0 bad\xff\xfe\"", false},
		{"noface", 0, `"headimgurl":""`, true},
		{"gone", 0, `"nickname":"用户已经注销"`, true},
		{"gone", 0, `"headimgurl":""`, true},
		{"alice", wechattest.DirtyControl, "\"nickname\":\"\x14Alice\x07\x08\n\"", true},
		{"alice", wechattest.DirtyUTF8, "\"nickname\":\"Alice\xff\xe5\xb0\"", false},
		{"alice", wechattest.DirtyEmoji, "Alice 👩‍👩‍👧", true},
		{"alice", wechattest.DirtyNoAvatar, `"headimgurl":""`, true},
	}
	for _, tt := range tests {
		s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{Dirty: tt.dirty}})
		f := s.signIn(s.oa, tt.person, "snsapi_userinfo")
		g := s.sns("userinfo", "access_token", f.AccessToken, "openid", f.OpenID)
		if !strings.Contains(g.body, tt.want) || utf8.ValidString(g.body) != tt.valid {
			t.Errorf("%s, dirty %d: %q has no %q", tt.person, tt.dirty, g.body, tt.want)
		}
	}
	s := simulate(t, wechattest.Config{})
	err := s.UpdatePerson("alice", func(p *wechattest.Person) {
		p.Privileges, p.Avatar = []string{"chinaunicom", "x"}, "http://wx.qlogo.cn/a/0"
	})
	if err != nil {
		t.Fatal(err)
	}
	f := s.signIn(s.oa, "alice", "snsapi_userinfo")
	g := s.sns("userinfo", "access_token", f.AccessToken, "openid", f.OpenID)
	if !strings.Contains(g.body, `"headimgurl":"http:\/\/wx.qlogo.cn\/a\/0","privilege":["chinaunicom","x"]`) {
		t.Errorf("%s", g.body)
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

func TestANewSignInKillsOlderTokens(t *testing.T) {
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

func TestChangePasswordKillsEveryToken(t *testing.T) {
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

func TestQuota(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{Quota: 2}})
	f := s.signIn(s.oa, "alice", "snsapi_userinfo")
	steps := []struct {
		advance time.Duration
		errcode int
	}{{0, 0}, {0, 0}, {0, 45011}, {time.Minute, 0}}
	for i, st := range steps {
		s.Advance(st.advance)
		if u := s.userInfo(f); u.Errcode != st.errcode {
			t.Errorf("call %d: %+v, want %d", i+1, u, st.errcode)
		}
	}
	for range 2 {
		s.refresh(s.oa, f.RefreshToken)
	}
	if r := s.refresh(s.oa, f.RefreshToken); r.Errcode != 45011 {
		t.Errorf("refresh: %+v", r)
	}
}

func TestSnapshotUserIsSomebodyElse(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{Snapshot: true}})
	f, g := s.exchange(s.oa, s.code(s.oa, "alice", "snsapi_userinfo"))
	if f.Snapshot != 1 || !strings.HasSuffix(g.body, `,"is_snapshotuser":1}`) {
		t.Errorf("%s", g.body)
	}
	if f.OpenID == s.OpenID(s.oa.AppID, "alice") || f.UnionID == s.UnionID(s.oa.AppID, "alice") || f.UnionID == "" {
		t.Errorf("the virtual identity is the real one: %s", g.body)
	}
	if again := s.signIn(s.oa, "alice", "snsapi_userinfo"); again.OpenID != f.OpenID || again.UnionID != f.UnionID {
		t.Error("the virtual identity is not stable")
	}
	if u := s.userInfo(s.signIn(s.oa, "alice", "snsapi_userinfo")); u.Nickname != "微信用户" {
		t.Errorf("profile: %+v", u)
	}
	s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.SnapshotNoProfile = true })
	if u := s.userInfo(s.signIn(s.oa, "alice", "snsapi_userinfo")); u.Errcode != 48001 {
		t.Errorf("SnapshotNoProfile: %+v", u)
	}
	if base := s.signIn(s.oa, "alice", "snsapi_base"); base.Snapshot != 0 {
		t.Error("snsapi_base is a snapshot")
	}
	s.UseFullService(s.oa.AppID, "alice")
	if full := s.signIn(s.oa, "alice", "snsapi_userinfo"); full.Snapshot != 0 ||
		full.OpenID != s.OpenID(s.oa.AppID, "alice") {
		t.Errorf("after 使用完整服务: %+v", full)
	}
	if bob := s.signIn(s.oa, "bob", "snsapi_userinfo"); bob.Snapshot != 1 {
		t.Error("somebody else's 使用完整服务 counted for bob")
	}
}
