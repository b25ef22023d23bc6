package login

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/wechat"
)

// StartOptions are the options of a sign-in. With the zero value no profile is requested, and the
// user returns to the home page of your program. WeChat then shows no consent page to users of an
// official account.
type StartOptions struct {
	// Return is where the user continues afterwards: a path such as "/x?y#/z", or a URL at the
	// origin of Config.URL or one of Config.ReturnHosts. "" is the path of Config.URL.
	Return string
	// Scope is wechat.ScopeBase (also "") or wechat.ScopeUserInfo, which shows WeChat's consent
	// page and returns nickname and avatar. A website app always uses wechat.ScopeLogin.
	Scope wechat.Scope
	// ForcePopup makes WeChat show its consent page even to users who agreed recently. The user
	// consents again; WeChat does not authenticate the user again.
	ForcePopup bool
	// Method selects the sign-in method. Only MethodWebsite can be selected, and only outside
	// WeChat. Any other value is ignored: the method depends on the browser.
	Method Method
	// Data is data of the caller, at most MaxData bytes. It is stored in an encrypted cookie of the
	// browser and returned as SignIn.Data.
	Data []byte
}

// Limits of StartOptions, in bytes.
const (
	// MaxReturn is the greatest length of a return address.
	MaxReturn = flow.MaxReturn
	// MaxData is the greatest length of StartOptions.Data.
	MaxData = flow.MaxData
)

// Start starts a sign-in: it stores what the callback needs in an encrypted cookie and redirects
// the browser to WeChat. When no sign-in method is available for the browser, it renders a page
// that explains to the user where to continue. It always answers the request. A program that needs
// neither ForcePopup nor Data can link to /sign-in instead.
func (h *Handler) Start(w http.ResponseWriter, r *http.Request, o StartOptions) {
	r = h.withRequestID(r)
	h.setHeaders(w, r)
	returnTo, err := h.returns.Check(o.Return)
	if err != nil {
		h.refuseReturn(w, r, err)
		return
	}
	if o.Scope == "" {
		o.Scope = wechat.ScopeBase
	}
	if (o.Scope != wechat.ScopeBase && o.Scope != wechat.ScopeUserInfo) || len(o.Data) > MaxData {
		h.showError(w, r, errors.New("login: StartOptions has an unknown scope or too much data"))
		return
	}
	b := h.browser(r)
	prepared := h.engine.Prepare(b)
	prepared.SetCookies(w)
	switch prepared.Kind {
	case flow.SnapshotNotice: // the previous sign-in was on WeChat's snapshot page, of a virtual user
		h.showPage(w, r, Page{Kind: PageSnapshot, AgainURL: h.startURL(returnTo, o.Scope)})
		return
	case flow.Loop: // sign-ins succeeded, but their sessions are not found
		h.showPage(w, r, Page{Kind: PageLoop, AgainURL: h.startURL(returnTo, o.Scope)})
		return
	}
	method, page := h.chooseMethod(r, o.Method)
	if page != "" {
		p := Page{Kind: page, CopyURL: h.startURL(returnTo, o.Scope)}
		// On a phone the page also offers the QR code, which another phone can scan.
		if h.cfg.WebsiteApp != nil && page == PageOpenInWeChat {
			p.WebsiteURL = h.startURL(returnTo, o.Scope) + "&method=" + string(MethodWebsite)
		}
		h.showPage(w, r, p)
		return
	}
	o.Return, o.Method = returnTo, method // OnStart gets the values that are used
	if h.cfg.OnStart != nil && !h.cfg.OnStart(w, r, o) {
		return
	}
	h.writeResult(w, r, h.engine.Start(b, flow.Request{
		Method: flow.Method(method), Scope: o.Scope, ForcePopup: o.ForcePopup, ReturnTo: returnTo, Data: o.Data,
	}))
}

// serveStart serves /sign-in, which starts a sign-in by a link. The parameter return is the return
// address. scope=profile requests nickname and avatar. method selects the sign-in method.
func (h *Handler) serveStart(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		h.showPage(w, r, Page{Kind: PageBadRequest})
		return
	}
	o := StartOptions{Return: query.Get("return"), Method: Method(query.Get("method"))}
	switch query.Get("scope") {
	case "", string(wechat.ScopeBase):
	case "profile", string(wechat.ScopeUserInfo):
		o.Scope = wechat.ScopeUserInfo
	default:
		h.showPage(w, r, Page{Kind: PageBadRequest})
		return
	}
	h.Start(w, r, o)
}

// startURL returns the URL of /sign-in with a return address and a scope.
func (h *Handler) startURL(returnTo string, scope wechat.Scope) string {
	address := h.address(pathStart) + "?return=" + url.QueryEscape(returnTo)
	if scope == wechat.ScopeUserInfo {
		address += "&scope=profile"
	}
	return address
}

// redirect redirects with status 303 after a POST, so that the form is not sent again, and 302
// otherwise.
func redirect(w http.ResponseWriter, r *http.Request, target string) {
	w.Header().Set("Location", target)
	if isGetOrHead(r) {
		w.WriteHeader(http.StatusFound)
		return
	}
	w.WriteHeader(http.StatusSeeOther)
}

// seeOther redirects with status 303: the browser continues with GET.
func seeOther(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}

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
// sign users in. It judges by the user agent. It is false for WeCom and mini-programs. Use it to
// choose what to show, never to grant access: every client can send any user agent.
func InWeChat(r *http.Request) bool { return useragent.InWeChat(r) }

// OnPhone reports whether a request comes from a browser on a phone or tablet for which InWeChat is
// false. It judges by the user agent. A QR code does not help this user, who cannot scan their own
// screen.
func OnPhone(r *http.Request) bool {
	agent := useragent.Of(r)
	return agent.Handheld() && agent.Client != useragent.WeChat
}

// chooseMethod returns the sign-in method for the browser that sent r: selected if it is available,
// else the method for this kind of browser. If neither exists, chooseMethod returns the kind of the
// page that explains where to continue.
//
// Unless MethodWebsite is selected or Config.AnyBrowser is set, a phone or tablet outside WeChat
// gets this page if an official account is configured. Users cannot scan a QR code on their own
// screen. A mini-program always gets a page: its web view opens the hosts of its own list only, and
// WeChat's pages cannot be in the list.
func (h *Handler) chooseMethod(r *http.Request, selected Method) (Method, PageKind) {
	hasAccount, hasWebsite := h.cfg.OfficialAccount != nil, h.cfg.WebsiteApp != nil
	agent := useragent.Of(r)
	inWeChat, inMiniProgram := agent.Client == useragent.WeChat, agent.Client == useragent.MiniProgram
	switch {
	case selected == MethodWebsite && hasWebsite && !inWeChat && !inMiniProgram:
		return MethodWebsite, ""
	case h.cfg.AnyBrowser && hasAccount:
		return MethodWeChat, ""
	case inWeChat && hasAccount:
		return MethodWeChat, ""
	case inMiniProgram && hasAccount:
		return "", PageMiniProgram
	case inWeChat || inMiniProgram:
		return "", PageOpenElsewhere
	case agent.Handheld() && hasAccount:
		return "", PageOpenInWeChat
	case hasWebsite:
		return MethodWebsite, ""
	}
	return "", PageOpenInWeChat
}
