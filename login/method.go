package login

import (
	"net/http"
	"strings"
)

// Door is the way by which a person signs in (登录方式).
type Method string

// The doors of this package.
const (
	// DoorWeChat: inside WeChat, through the official account.
	MethodWeChat Method = "wechat"
	// DoorWebsite: any other browser, through the website app (网站应用) and the
	// QR code that WeChat shows for it.
	MethodWebsite Method = "website"
)

// surroundings is what the user agent says about where a page is shown. It
// decides which page a visitor sees, never what the visitor may do.
type surroundings int

const (
	inWeChat  surroundings = iota // WeChat's own browser, on a phone or a desktop
	inPhone                       // another browser on a phone, or a program of WeChat's that cannot sign in
	inDesktop                     // any other browser
)

// whereIs reads the user agent. WeChat's holds "MicroMessenger" in all captured
// examples (phones and Windows); WeCom adds "wxwork" and a mini-program's web
// view "miniProgram", and in neither does an official account's sign-in work.
func whereIs(r *http.Request) surroundings {
	ua := strings.ToLower(r.UserAgent())
	has := func(part string) bool { return strings.Contains(ua, part) }
	switch {
	case has("wxwork") || has("miniprogram"):
		return inPhone
	case has("micromessenger"):
		return inWeChat
	case has("mobile") || has("android") || has("iphone") || has("ipad"):
		return inPhone
	}
	return inDesktop
}

// InWeChat says whether a request comes from WeChat's own browser, where an
// official account can sign people in, going by the user agent. WeCom and
// mini-programs are not meant. It decides what a visitor is shown, never what
// the visitor may do: anybody can send any user agent.
func InWeChat(r *http.Request) bool { return whereIs(r) == inWeChat }

// OnPhone says, going by the user agent, whether a request comes from a phone or
// tablet on which InWeChat is false: there is nobody else's screen from which
// this person could scan a code with it.
func OnPhone(r *http.Request) bool { return whereIs(r) == inPhone }

// chooseDoor picks the way for this visitor. When there is none it returns the
// page that says where to go instead.
func (h *Handler) chooseMethod(r *http.Request, wish Method) (Method, PageKind) {
	account, website := h.cfg.OfficialAccount != nil, h.cfg.WebsiteApp != nil
	where := whereIs(r)
	switch {
	case wish == MethodWebsite && website && where != inWeChat:
		return MethodWebsite, ""
	case h.cfg.AnyBrowser && account:
		return MethodWeChat, ""
	case where == inWeChat && account:
		return MethodWeChat, ""
	case where == inWeChat:
		return "", PageOpenElsewhere
	case where == inPhone && account:
		return "", PageOpenInWeChat
	case website:
		return MethodWebsite, ""
	}
	return "", PageOpenInWeChat
}
