package administration_test

import (
	"testing"

	"github.com/weigate/weigate/internal/administration"
)

// TestSettingsAreDescribedInTheLanguage has the settings whose values are sentences of this program.
func TestSettingsAreDescribedInTheLanguage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, value, chinese string }{
		{"secret", "1 configured", "已配置 1 个"},
		{"access", "nobody", "没有人"},
		{"access", "users: 2; openids: 1; groups: staff admins", "2 个用户、1 个 openid、用户组 staff admins"},
		{"access", "signed_in", "signed_in"},
		{"methods", "wechat, scan", "wechat, scan"},
		{"redirect_uris", "https://wiki.example.com/nobody", "https://wiki.example.com/nobody"},
	} {
		s := administration.Setting{Key: tt.key, Value: tt.value}
		if got := administration.DescribeSetting("zh-CN", s); got != tt.chinese {
			t.Errorf("%s: %s in Chinese: %s, want %s", tt.key, tt.value, got, tt.chinese)
		}
		if got := administration.DescribeSetting("en", s); got != tt.value {
			t.Errorf("%s: %s in English: %s", tt.key, tt.value, got)
		}
	}
}
