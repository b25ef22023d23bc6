package scan

import "strings"

// sign is a piece of a user agent and what it tells.
type sign struct{ piece, name string }

// browsers are told from one another in this order: most call themselves by the names of others too.
func browsers() []sign {
	return []sign{
		{"wxwork", "WeCom"}, {"micromessenger", "WeChat"}, {"edg/", "Edge"}, {"edga/", "Edge"}, {"edgios/", "Edge"}, {"opr/", "Opera"},
		{"samsungbrowser/", "Samsung Internet"}, {"huaweibrowser/", "HUAWEI Browser"}, {"miuibrowser/", "Mi Browser"}, {"ucbrowser/", "UC Browser"},
		{"mqqbrowser/", "QQ Browser"}, {"qqbrowser/", "QQ Browser"}, {"quark/", "Quark"}, {"baidu", "Baidu"}, {"yabrowser/", "Yandex"}, {"vivaldi/", "Vivaldi"},
		{"firefox/", "Firefox"}, {"fxios/", "Firefox"}, {"crios/", "Chrome"}, {"headlesschrome/", "Chrome"}, {"chrome/", "Chrome"}, {"safari/", "Safari"},
	}
}

func systems() []sign {
	return []sign{
		{"openharmony", "HarmonyOS"}, {"harmonyos", "HarmonyOS"}, {"ipad", "iPad"}, {"iphone", "iPhone"}, {"android", "Android"}, {"cros", "ChromeOS"},
		{"windows", "Windows"}, {"mac os x", "macOS"}, {"macintosh", "macOS"}, {"linux", "Linux"},
	}
}

// readBrowser makes a user agent short: "Chrome, Windows". Only words of ours come out, whatever went in; "" = nothing was recognised. It tells a person
// what asks, and decides nothing: a user agent says what its owner likes.
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

// onPhone says whether a browser is on a phone: it cannot scan its own screen.
func onPhone(userAgent string) bool {
	ua := strings.ToLower(userAgent)
	for _, piece := range []string{"mobile", "android", "iphone", "ipad", "openharmony"} {
		if strings.Contains(ua, piece) {
			return true
		}
	}
	return false
}
