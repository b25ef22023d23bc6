package useragent

import "strings"

// Localize returns a name of [Agent.String] for readers of a language ("en" or "zh-CN"): the
// Chinese name of "WeChat, Android" is 微信（安卓）. The names are stored in English.
func Localize(name, language string) string {
	if language != "zh-CN" {
		return name
	}
	browser, system, both := strings.Cut(name, ", ")
	if !both {
		return inChinese(name)
	}
	return inChinese(browser) + "（" + inChinese(system) + "）"
}

// inChinese returns the Chinese name of a browser or system, or the name itself if Chinese readers
// use this name.
func inChinese(name string) string {
	switch name {
	case "WeChat":
		return "微信"
	case "WeCom":
		return "企业微信"
	case "Samsung Internet":
		return "三星浏览器"
	case "HUAWEI Browser":
		return "华为浏览器"
	case "Mi Browser":
		return "小米浏览器"
	case "UC Browser":
		return "UC 浏览器"
	case "QQ Browser":
		return "QQ 浏览器"
	case "Quark":
		return "夸克"
	case "Baidu":
		return "百度"
	case string(Android):
		return "安卓"
	case string(HarmonyOS):
		return "鸿蒙"
	}
	return name
}
