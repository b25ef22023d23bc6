package scan

import "strings"

// sign is a part of a user agent and what it stands for.
type sign struct{ piece, name string }

// browsers are recognized in this order: most contain the names of others too.
func browsers() []sign {
	return []sign{
		{"wxwork", "WeCom"}, {"micromessenger", "WeChat"}, {"edg/", "Edge"}, {"edga/", "Edge"}, {"edgios/", "Edge"},
		{"opr/", "Opera"},
		{"samsungbrowser/", "Samsung Internet"}, {"huaweibrowser/", "HUAWEI Browser"}, {"miuibrowser/", "Mi Browser"},
		{"ucbrowser/", "UC Browser"},
		{"mqqbrowser/", "QQ Browser"}, {"qqbrowser/", "QQ Browser"}, {"quark/", "Quark"}, {"baidu", "Baidu"},
		{"yabrowser/", "Yandex"}, {"vivaldi/", "Vivaldi"},
		{"firefox/", "Firefox"}, {"fxios/", "Firefox"}, {"crios/", "Chrome"}, {"headlesschrome/", "Chrome"},
		{"chrome/", "Chrome"}, {"safari/", "Safari"},
	}
}

func systems() []sign {
	return []sign{
		{"openharmony", "HarmonyOS"}, {"harmonyos", "HarmonyOS"}, {"ipad", "iPad"}, {"iphone", "iPhone"},
		{"android", "Android"}, {"cros", "ChromeOS"},
		{"windows", "Windows"}, {"mac os x", "macOS"}, {"macintosh", "macOS"}, {"linux", "Linux"},
	}
}

// readBrowser shortens a user agent: "Chrome, Windows". It returns only names of this file; "" =
// not recognized. Users see it; nothing is decided by it, since a user agent can be made up.
func readBrowser(userAgent string) string {
	ua := strings.ToLower(userAgent[:min(len(userAgent), 1024)])
	find := func(signs []sign) string {
		for _, s := range signs {
			if strings.Contains(ua, s.piece) {
				return s.name
			}
		}
		return ""
	}
	browser, system := find(browsers()), find(systems())
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + ", " + system
}

// onPhone reports whether a browser is on a phone, which cannot scan its own screen.
func onPhone(userAgent string) bool {
	ua := strings.ToLower(userAgent)
	for _, piece := range []string{"mobile", "android", "iphone", "ipad", "openharmony"} {
		if strings.Contains(ua, piece) {
			return true
		}
	}
	return false
}
