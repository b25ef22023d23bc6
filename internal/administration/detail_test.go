package administration

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/lang"
)

// TestDetailFacts: on a Chinese page, details showed English words and times in UTC.
func TestDetailFacts(t *testing.T) {
	t.Parallel()
	shanghai := time.FixedZone("", 8*60*60)
	format := func(t time.Time) string { return t.In(shanghai).Format("2006-01-02 15:04") }
	for _, c := range []struct{ detail, en, zh string }{
		{"", "", ""},
		{
			"invitation abc; kind user; for wiki; groups staff; uses 3; until 2026-09-01T16:30:00Z",
			"Invitation: abc; Kind: approves users; Apps: wiki; Groups: staff; Uses: 3; Expires: 2026-09-02 00:30",
			"邀请：abc；类型：邀请用户；应用：wiki；用户组：staff；可用次数：3；有效期至：2026-09-02 00:30",
		},
		{
			"real name changed; groups: none → staff, finance",
			"Real name changed; Groups: none → staff, finance", "修改姓名；用户组：无 → staff, finance",
		},
		{
			"for all apps; reason: first sign-in; kind user; until 2026-09-01T16:30:00Z",
			"Apps: all; Reason: first sign-in; kind user; until 2026-09-01T16:30:00Z",
			"应用：全部；原因：first sign-in; kind user; until 2026-09-01T16:30:00Z",
		},
		{
			"approved for all apps; invitation abc; created by command",
			"Approved for: all apps; Invitation: abc; Created by: command line",
			"已批准的应用：全部；邀请：abc；创建者：命令行",
		},
		{"first sign-in; status pending", "First sign-in; Status: waiting for approval", "首次登录；状态：待批准"},
		{"Firefox, Linux", "Firefox, Linux", "Firefox, Linux"}, // an item without a text stays
		{
			"browser: WeChat, Android", "Browser: WeChat, Android", "浏览器：微信（安卓）",
		},
		{"until then", "Expires: then", "有效期至：then"},
	} {
		if got := DescribeDetail(lang.English, c.detail, format); got != c.en {
			t.Errorf("%q: %q, want %q", c.detail, got, c.en)
		}
		if got := DescribeDetail(lang.Chinese, c.detail, format); got != c.zh {
			t.Errorf("%q: %q, want %q", c.detail, got, c.zh)
		}
	}
}

// TestTexts checks that each phrase, label, word and advice has a text, and that each text is used.
func TestTexts(t *testing.T) {
	t.Parallel()
	keys := append([]string{none}, settingTexts...)
	for _, advice := range Advices() {
		// Package errcode has the texts about single errcodes, and tests them.
		if advice == "wechat.other" || !strings.HasPrefix(advice, "wechat.") {
			keys = append(keys, "advice."+advice)
		}
	}
	for _, name := range failureTexts {
		keys = append(keys, "failure."+name)
	}
	for _, key := range detailPhrases {
		keys = append(keys, key)
	}
	for _, label := range detailLabels {
		keys = append(keys, label.key)
	}
	for key, words := range detailValues {
		for _, word := range words {
			keys = append(keys, key+"."+strings.ReplaceAll(word, " ", "_"))
		}
	}
	slices.Sort(keys)
	if err := catalogue.Check(slices.Compact(keys), nil); err != nil {
		t.Error(err)
	}
}

// TestExplain: the pages and "weigate health" print these texts.
func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ language, source, code, want string }{
		{lang.English, "proxy:127.0.0.1", ProxyReportsNobody, "Set the header X-Forwarded-For in the reverse proxy."},
		{lang.Chinese, "proxy:127.0.0.1", ProxyReportsNobody, "请在反向代理中设置请求头 X-Forwarded-For。"},
		{lang.English, "url:https://new.example.com", URLChanged, "weigate url accept"},
		{lang.Chinese, "url:https://new.example.com", URLChanged, "weigate url accept"},
		{lang.English, "wechat:main", "40164", "This server’s IP address is not on the account’s allow-list"},
		{lang.English, "wechat:main", "99999", "Look the number up in WeChat’s documentation"},
		{lang.English, "app:wiki", "unknown", "Requests of this app fail."},
		{lang.English, "unknown", "unknown", "The request id leads to the line in the log."},
	} {
		if got := Explain(tt.language, tt.source, tt.code); !strings.Contains(got, tt.want) {
			t.Errorf("%s %s, %s: %q", tt.source, tt.code, tt.language, got)
		}
	}
}
