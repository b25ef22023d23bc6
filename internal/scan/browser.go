package scan

import "strings"

// token is a part of a user agent and the name of the browser or system that it identifies.
type token struct{ text, name string }

// browsers returns the browsers in the order of recognition: the user agent of most of them
// contains the names of others too.
func browsers() []token {
	return []token{
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

func systems() []token {
	return []token{
		{"openharmony", "HarmonyOS"}, {"harmonyos", "HarmonyOS"}, {"ipad", "iPad"}, {"iphone", "iPhone"},
		{"android", "Android"}, {"cros", "ChromeOS"},
		{"windows", "Windows"}, {"mac os x", "macOS"}, {"macintosh", "macOS"}, {"linux", "Linux"},
	}
}

// readBrowser shortens a user agent to a name such as "Chrome, Windows". It returns only names of
// this file, and "" for a user agent that is not recognized. Users see the name; nothing is decided
// by it, since a client can send any user agent.
func readBrowser(userAgent string) string {
	ua := strings.ToLower(userAgent[:min(len(userAgent), 1024)])
	find := func(tokens []token) string {
		for _, s := range tokens {
			if strings.Contains(ua, s.text) {
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
