package wechat_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat"
)

// userCase is a response of /sns/userinfo and the expected result.
type userCase struct {
	body string
	want wechat.UserInfo
}

func userCases() map[string]userCase {
	full := wechat.UserInfo{
		OpenID: openID, UnionID: "oWgGz1K4Qwj5oQHtE-wDzI-AvR1s", Nickname: "归零",
		AvatarURL: "https://thirdwx.qlogo.cn/mmopen/vi_32/DYAIOgq83e/132", Privileges: []string{},
	}
	change := func(f func(*wechat.UserInfo)) wechat.UserInfo { c := full; f(&c); return c }
	nick := func(json, want string) userCase {
		return userCase{
			strings.Replace(userJSON, "归零", json, 1),
			change(func(u *wechat.UserInfo) { u.Nickname = want }),
		}
	}
	with := func(old, new string, f func(*wechat.UserInfo)) userCase {
		return userCase{strings.Replace(userJSON, old, new, 1), change(f)}
	}
	return map[string]userCase{
		"as captured": {userJSON, full},
		"before 2021": with(
			`"sex":0,"language":"","city":"","province":"","country":""`,
			`"sex":1,"language":"zh_CN","city":"广州","province":"广东","country":"中国"`,
			func(u *wechat.UserInfo) {
				u.Sex, u.Language, u.City, u.Province, u.Country = 1, "zh_CN", "广州", "广东", "中国"
			},
		),
		"emoji":                          nick(`a😀👨‍👩‍👧b`, `a😀👨‍👩‍👧b`),
		"private use characters of 2012": nick("\ue13c", "\ue13c"),
		"raw control bytes":              nick("Al\x14i\x07c\x08e", "Al i c e"),
		"a raw line break":               nick("Ali\nce", "Ali ce"),
		"escaped control bytes":          nick(`Al\u0007ice\u0000\u007f\u0085`, "Alice"),
		"bad UTF-8":                      nick("Al\xffice\xe5\xbd", "Al\ufffdice\ufffd\ufffd"),
		"half an emoji":                  nick(`\ud83d`, "\ufffd"),
		"escapes":                        nick(`\"<b>\\\/`, `"<b>\/`),
		"empty nickname":                 nick("", ""),
		"deregistered":                   nick("用户已经注销", "用户已经注销"),
		"no picture": with(
			`https:\/\/thirdwx.qlogo.cn\/mmopen\/vi_32\/DYAIOgq83e\/132`,
			"",
			func(u *wechat.UserInfo) { u.AvatarURL = "" },
		),
		"picture of garbage": with(
			`https:\/\/thirdwx.qlogo.cn\/mmopen\/vi_32\/DYAIOgq83e`,
			"\"@P?C\xff"[1:],
			func(u *wechat.UserInfo) { u.AvatarURL = "@P?C\ufffd/132" },
		),
		"sex as string":    with(`"sex":0`, `"sex":"2"`, func(u *wechat.UserInfo) { u.Sex = 2 }),
		"sex out of range": with(`"sex":0`, `"sex":900`, func(u *wechat.UserInfo) { u.Sex = 0 }),
		"sex as a word":    with(`"sex":0`, `"sex":"male"`, func(u *wechat.UserInfo) { u.Sex = 0 }),
		"privileges": with(
			`"privilege":[]`,
			`"privilege":["chinaunicom"]`,
			func(u *wechat.UserInfo) { u.Privileges = []string{"chinaunicom"} },
		),
		"privilege as string": with(
			`"privilege":[]`,
			`"privilege":""`,
			func(u *wechat.UserInfo) { u.Privileges = nil },
		),
		"no unionid": with(
			`,"unionid":"oWgGz1K4Qwj5oQHtE-wDzI-AvR1s"`,
			"",
			func(u *wechat.UserInfo) { u.UnionID = "" },
		),
		"unionid null": with(
			`"oWgGz1K4Qwj5oQHtE-wDzI-AvR1s"`,
			"null",
			func(u *wechat.UserInfo) { u.UnionID = "" },
		),
		"fields missing":             {`{"openid":"` + openID + `"}`, wechat.UserInfo{OpenID: openID}},
		"nickname of the wrong type": with(`"归零"`, `{"text":"x"}`, func(u *wechat.UserInfo) { u.Nickname = "" }),
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	for name, c := range userCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := answering(200, c.body).UserInfo(t.Context(), access, openID, "")
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got  %+v\nwant %+v", *got, c.want)
			}
		})
	}
}

func TestUserInfoSendsWhatIsDocumented(t *testing.T) {
	t.Parallel()
	for _, lang := range []wechat.Lang{"", wechat.LangZhCN, wechat.LangZhTW, wechat.LangEN} {
		want := "access_token=" + string(access) + "&openid=" + openID
		if lang != "" {
			want += "&lang=" + string(lang)
		}
		c := clientOf(func(r *http.Request) (*http.Response, error) {
			if r.Method != "GET" || r.URL.Host != "api.weixin.qq.com" || r.URL.Scheme != "https" ||
				r.URL.Path != "/sns/userinfo" ||
				r.URL.RawQuery != want {
				t.Errorf("sent %s %s", r.Method, r.URL)
			}
			return respond(r, 200, userJSON), nil
		})
		if _, err := c.UserInfo(t.Context(), access, openID, lang); err != nil {
			t.Error(err)
		}
	}
}

// Tokens and openids are opaque: they are sent unchanged.
func TestTokensAreEscaped(t *testing.T) {
	t.Parallel()
	const odd = "83_a&openid=o2#+ %=\n"
	c := clientOf(func(r *http.Request) (*http.Response, error) {
		q := r.URL.Query()
		if got := q.Get("access_token") + q.Get("refresh_token"); got != odd {
			t.Errorf("%s: the token arrived as %q", r.URL.Path, got)
		}
		if r.URL.Path != "/sns/oauth2/refresh_token" && q.Get("openid") != "o&1" {
			t.Errorf("%s: the openid arrived as %q", r.URL.Path, q["openid"])
		}
		return respond(r, 200, `{"errcode":0,"openid":"o&1","access_token":"x"}`), nil
	})
	if _, err := c.Refresh(t.Context(), odd); err != nil {
		t.Error(err)
	}
	if _, err := c.UserInfo(t.Context(), odd, "o&1", ""); err != nil {
		t.Error(err)
	}
	if err := c.CheckToken(t.Context(), odd, "o&1"); err != nil {
		t.Error(err)
	}
}
