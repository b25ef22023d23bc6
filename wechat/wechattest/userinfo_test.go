package wechattest_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestIPListIsCheckedFirst(t *testing.T) {
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

func TestUserInfoFormat(t *testing.T) {
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

func TestProfilesAreSentByteForByte(t *testing.T) {
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

func TestSnapshotUserIsAVirtualAccount(t *testing.T) {
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
		t.Error("another person's 使用完整服务 applied to bob")
	}
}
