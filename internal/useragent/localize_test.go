package useragent_test

import (
	"testing"

	"github.com/weigate/weigate/internal/useragent"
)

func TestLocalize(t *testing.T) {
	t.Parallel()
	for _, tt := range [][3]string{
		{"WeChat, Android", "zh-CN", "微信（安卓）"},
		{"WeChat, iPhone", "zh-CN", "微信（iPhone）"},
		{"Chrome, Linux", "zh-CN", "Chrome（Linux）"},
		{"HUAWEI Browser, HarmonyOS", "zh-CN", "华为浏览器（鸿蒙）"},
		{"WeChat", "zh-CN", "微信"},
		{"", "zh-CN", ""},
		{"WeChat, Android", "en", "WeChat, Android"},
	} {
		if got := useragent.Localize(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s in %s: %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}
