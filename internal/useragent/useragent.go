// Package useragent reads the User-Agent header of a browser: the client (WeChat, WeCom, a
// mini-program, or another browser), the device, the system, and the name of the browser.
//
// [Of] reads the header of a request. [Agent.Handheld] reports whether the browser is on a phone or
// tablet, whose user cannot scan a QR code on the same screen. [Agent.String] returns a name such
// as "Chrome, Windows" for display.
//
// The result decides only which page a user sees. It never grants anything: every client can send
// any user agent. testdata/user-agents.tsv has real user agents with their sources.
package useragent

import (
	"net/http"
	"strings"
)

// Client is the program in which a page is opened.
type Client int

// The clients.
const (
	Other       Client = iota
	WeChat             // WeChat's own browser, on a phone, tablet or desktop
	WeCom              // 企业微信; an official account cannot sign users in there
	MiniProgram        // the web view of a mini-program (小程序); it opens only hosts that the mini-program lists
)

// String returns "other", "wechat", "wecom" or "mini-program".
func (c Client) String() string {
	return [...]string{"other", "wechat", "wecom", "mini-program"}[c]
}

// Device is the kind of a device.
type Device int

// The devices. An unknown device is a desktop.
const (
	Desktop Device = iota
	Phone
	Tablet
)

// String returns "desktop", "phone" or "tablet".
func (d Device) String() string { return [...]string{"desktop", "phone", "tablet"}[d] }

// System is the name of an operating system; "" if it is unknown.
type System string

// The systems.
const (
	Windows   System = "Windows"
	MacOS     System = "macOS"
	HarmonyOS System = "HarmonyOS"
	IOS       System = "iOS" // also iPadOS
	Android   System = "Android"
	Linux     System = "Linux"
	ChromeOS  System = "ChromeOS"
)

// Agent describes a browser by its User-Agent header. The zero value is an unknown browser on a
// desktop.
type Agent struct {
	Client  Client
	Device  Device
	System  System
	Browser string // one of the names in this package, such as "Chrome"; "" if it is unknown
}

// maxLength is how many bytes of a user agent are read. Real user agents have up to 500.
const maxLength = 1024

// Of returns the Agent of the User-Agent header of r.
func Of(r *http.Request) Agent { return Parse(r.UserAgent()) }

// InWeChat reports whether r comes from WeChat's own browser, where an official account can sign
// users in. It returns false for WeCom and mini-programs.
func InWeChat(r *http.Request) bool { return Of(r).Client == WeChat }

// Parse returns the Agent of the value of a User-Agent header. Upper and lower case are equal.
func Parse(userAgent string) Agent {
	text := strings.ToLower(userAgent[:min(len(userAgent), maxLength)])
	platform := platformOf(text)
	a := Agent{Client: clientOf(text), System: System(find(systems(), platform)), Browser: find(browsers(), text)}
	a.Device = deviceOf(a.System, platform, text)
	return a
}

// Handheld reports whether the browser is on a phone or tablet.
func (a Agent) Handheld() bool { return a.Device != Desktop }

// String returns a short name for display, such as "Chrome, Windows" or "Safari, iPhone". It
// returns "" for an unknown user agent. The name never contains text of the header, which an
// attacker may have written.
func (a Agent) String() string {
	system := string(a.System)
	switch {
	case a.System == IOS && a.Device == Tablet:
		system = "iPad"
	case a.System == IOS:
		system = "iPhone"
	}
	if a.Browser == "" || system == "" {
		return a.Browser + system // one of the two is "", or both are
	}
	return a.Browser + ", " + system
}

// platformOf returns the first comment of a user agent, without its parentheses. It describes the
// device and the system: "windows nt 10.0; win64; x64". The text after the comment is not reliable:
// WeChat on macOS and Linux has "WindowsWechat" there (bowser-js/bowser#380). Without a comment,
// the platform is the whole text.
func platformOf(text string) string {
	_, rest, found := strings.Cut(text, "(")
	if !found {
		return text
	}
	platform, _, _ := strings.Cut(rest, ")")
	return platform
}

// clientOf returns the client. The user agents of WeCom and mini-programs contain "MicroMessenger"
// as well, so they are tested first. On Android, the process of a mini-program is named appbrand.
func clientOf(text string) Client {
	switch {
	case strings.Contains(text, "wxwork"):
		return WeCom
	case !strings.Contains(text, "micromessenger"):
		return Other
	case strings.Contains(text, "miniprogram"), strings.Contains(text, "process/appbrand"):
		return MiniProgram
	}
	return WeChat
}

// deviceOf returns the device.
//
// On HarmonyOS the platform begins with the device: Phone, Tablet or PC (Huawei's document
// web-default-userAgent). A tablet may have "Mobile" as well, and browsers add "Windows NT" or
// "Android" to the platform for old web sites (ua-parser/uap-core#652).
//
// Android tablets lack "Mobile". An iPad has "iPad" in its user agent. In its default mode, Safari
// on an iPad has the user agent of a Mac instead, and is a desktop here.
func deviceOf(system System, platform, text string) Device {
	kind, _, _ := strings.Cut(platform, ";")
	switch {
	case kind == "phone":
		return Phone
	case strings.Contains(text, "ipad"), strings.Contains(text, "tablet;"), strings.Contains(text, "android tablet"):
		return Tablet
	case kind == "pc", kind == "2in1":
		return Desktop
	case strings.Contains(text, "mobile"), strings.Contains(platform, "windows phone"), system == IOS:
		return Phone
	case system == Android, system == HarmonyOS && strings.Contains(platform, "android"):
		return Tablet
	}
	return Desktop
}

// token is a part of a user agent (in lower case), and the name that it stands for.
type token struct{ text, name string }

// find returns the name of the first token that is in text, or "".
func find(tokens []token, text string) string {
	for _, t := range tokens {
		if strings.Contains(text, t.text) {
			return t.name
		}
	}
	return ""
}

// systems returns the systems, the most specific first. A user agent of HarmonyOS may also contain
// Android or Windows, and one of iOS contains "like Mac OS X".
func systems() []token {
	return []token{
		{"harmony", string(HarmonyOS)}, {"ohos", string(HarmonyOS)},
		{"windows", string(Windows)},
		{"iphone", string(IOS)}, {"ipad", string(IOS)}, {"ipod", string(IOS)},
		{"android", string(Android)}, {"cros", string(ChromeOS)},
		{"mac os x", string(MacOS)}, {"macintosh", string(MacOS)}, {"linux", string(Linux)},
	}
}

// browsers returns the browsers, the most specific first: most user agents also contain the names
// of other browsers.
func browsers() []token {
	return []token{
		{"wxwork", "WeCom"}, {"micromessenger", "WeChat"}, {"edg/", "Edge"}, {"edga/", "Edge"}, {"edgios/", "Edge"},
		{"opr/", "Opera"}, {"samsungbrowser/", "Samsung Internet"},
		{"huaweibrowser/", "HUAWEI Browser"}, {"huawei.hmos.browser", "HUAWEI Browser"},
		{"miuibrowser/", "Mi Browser"}, {"ucbrowser/", "UC Browser"},
		{"mqqbrowser/", "QQ Browser"}, {"qqbrowser/", "QQ Browser"}, {"quark/", "Quark"}, {"baidu", "Baidu"},
		{"yabrowser/", "Yandex"}, {"vivaldi/", "Vivaldi"},
		{"firefox/", "Firefox"}, {"fxios/", "Firefox"}, {"crios/", "Chrome"}, {"headlesschrome/", "Chrome"},
		{"chrome/", "Chrome"}, {"safari/", "Safari"},
	}
}
