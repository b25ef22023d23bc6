package login

import (
	"net/http"

	"github.com/weigate/weigate/internal/flow"
)

// Method is a sign-in method (登录方式).
type Method string

// The methods of this package.
const (
	// MethodWeChat is sign-in inside WeChat, through the official account.
	MethodWeChat Method = "wechat"
	// MethodWebsite is sign-in in any other browser, through the website app (网站应用) and the QR code
	// that WeChat shows for it.
	MethodWebsite Method = "website"
)

// InWeChat reports whether a request comes from WeChat's own browser, where an official account can
// sign users in, judging by the user agent. It is false for WeCom and mini-programs. Use it to
// choose what to show, never to grant access: every client can send any user agent.
func InWeChat(r *http.Request) bool { return flow.FromWeChat(r) }

// OnPhone reports whether a request comes from a phone or tablet on which InWeChat is false,
// judging by the user agent. Its user cannot scan a code that the same screen shows.
func OnPhone(r *http.Request) bool { return flow.ClassOf(r) == flow.OnPhone }

// chooseMethod returns the method for this visitor. When there is none it returns the page that
// says where to continue.
func (h *Handler) chooseMethod(r *http.Request, wanted Method) (Method, PageKind) {
	account, website := h.cfg.OfficialAccount != nil, h.cfg.WebsiteApp != nil
	class := flow.ClassOf(r)
	switch {
	case wanted == MethodWebsite && website && class != flow.InWeChat:
		return MethodWebsite, ""
	case h.cfg.AnyBrowser && account:
		return MethodWeChat, ""
	case class == flow.InWeChat && account:
		return MethodWeChat, ""
	case class == flow.InWeChat:
		return "", PageOpenElsewhere
	case class == flow.OnPhone && account:
		return "", PageOpenInWeChat
	case website:
		return MethodWebsite, ""
	}
	return "", PageOpenInWeChat
}
