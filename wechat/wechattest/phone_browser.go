package wechattest

import "slices"

// A Browser is a program on somebody's phone, or on their desk, that opens links. [Phone.SetBrowser] changes it. Apps tell
// them apart by the user agent, and each keeps cookies of its own.
type Browser int

// The browsers. The first three are WeChat, known to the simulator as the person; in the others nobody is.
const (
	BrowserWeChat        Browser = iota // WeChat on Android
	BrowserWeChatIPhone                 // WeChat on an iPhone
	BrowserWeChatWindows                // WeChat on a computer
	BrowserWeCom                        // 企业微信, which has "MicroMessenger" in its user agent and is not WeChat
	BrowserChrome                       // Chrome on Android
	BrowserSafari                       // Safari on an iPhone
)

// browserNames are the names in the JSON interface of the control page, in the order of the constants.
func browserNames() []string {
	return []string{"wechat", "wechat-iphone", "wechat-windows", "wecom", "chrome", "safari"}
}

// String is the browser's name in the JSON interface of the control page, for example "wechat-iphone".
func (b Browser) String() string {
	if names := browserNames(); b >= 0 && int(b) < len(names) {
		return names[b]
	}
	return "unknown"
}

// browserNamed is the browser of a name, and whether there is one.
func browserNamed(name string) (b Browser, ok bool) {
	i := slices.Index(browserNames(), name)
	return Browser(i), i >= 0
}

// wechat reports whether it is WeChat, whose client says who the person is.
func (b Browser) wechat() bool { return b <= BrowserWeChatWindows }

// userAgent is what the browser calls itself. id is the number by which WeChat tells phones apart, lang its language. Those of WeChat on
// Android and Windows were captured (2022, last seen true 2024); those of the others follow the form that they are documented to have.
func (b Browser) userAgent(id, lang string) string {
	const android = "Mozilla/5.0 (Linux; Android 12; M2102K1C Build/SKQ1.211006.001; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/107.0.5304.141 Mobile Safari/537.36 "
	const iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	switch b {
	case BrowserWeChatIPhone:
		return iphone + "Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/" + lang
	case BrowserWeChatWindows:
		return "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0.4044.138 Safari/537.36 " +
			"NetType/WIFI MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x6305002e)"
	case BrowserWeCom:
		return android + "wxwork/4.1.10 MicroMessenger/7.0.1 NetType/WIFI Language/zh Lang/zh ColorScheme/Light"
	case BrowserChrome:
		return "Mozilla/5.0 (Linux; Android 12; M2102K1C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
	case BrowserSafari:
		return iphone + "Version/17.5 Mobile/15E148 Safari/604.1"
	}
	return android + "XWEB/5023 MMWEBSDK/20220204 MMWEBID/" + id + " MicroMessenger/8.0.18.2060(0x28001237) Process/toolsmp WeChat/arm64 Weixin NetType/WIFI " +
		"Language/" + lang + " ABI/arm64"
}

// SetBrowser changes in which program the person opens links from now on, for every window of the phone: [BrowserWeChat] at
// first, or another, to see what an app shows outside WeChat. Cookies do not go along, as on a real phone, and this window
// shows nothing any more.
func (p *Phone) SetBrowser(b Browser) {
	p.journey.Lock()
	defer p.journey.Unlock()
	p.device.setBrowser(b)
	p.close()
}

// Browser is the program in which the person opens links now.
func (p *Phone) Browser() Browser { return p.device.browser() }

// Home closes what the window shows and forgets its history. The cookies stay.
func (p *Phone) Home() {
	p.journey.Lock()
	defer p.journey.Unlock()
	p.close()
}

// close shows nothing any more. The caller holds journey.
func (p *Phone) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history, p.at, p.last = nil, -1, nil
	p.seq++
	p.device.changed()
}
