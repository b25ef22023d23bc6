package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/wechat"
)

// StartOptions says how a sign-in begins. The zero value is the silent one, back
// to the app's first page.
type StartOptions struct {
	// Return is where the person goes afterwards: a path such as "/x?y#/z", or
	// an address at the own origin or one of Config.ReturnHosts. "" is the path
	// of Config.URL.
	Return string
	// Scope is wechat.ScopeBase (also "") or wechat.ScopeUserInfo, which shows
	// WeChat's consent page and gets nickname and avatar. A website app always
	// uses wechat.ScopeLogin.
	Scope wechat.Scope
	// ForcePopup asks WeChat to show its consent page even to those who agreed
	// lately. It is consent again, not a proof of identity again.
	ForcePopup bool
	// Door asks for one door; "" chooses by the browser. Only DoorWebsite can be
	// asked for, outside WeChat.
	Method Method
	// Data is the caller's own, up to MaxData bytes. It travels sealed in the
	// browser and comes back as SignIn.Data.
	Data []byte
}

// Start begins a sign-in: it seals what the callback must know into a cookie
// and sends the browser to WeChat, or shows a page that says where to go
// instead. It always answers the request. Programs that need no options send
// people to /sign-in.
func (h *Handler) Start(w http.ResponseWriter, r *http.Request, o StartOptions) {
	r = h.identified(r)
	guard(w)
	returnTo, err := h.returns.check(o.Return)
	if err != nil {
		h.cfg.Logger.WarnContext(r.Context(), "sign-in: return address refused", "error", err, "request", h.requestID(r))
		h.show(w, r, Page{Kind: PageBadReturn})
		return
	}
	if o.Scope == "" {
		o.Scope = wechat.ScopeBase
	}
	if (o.Scope != wechat.ScopeBase && o.Scope != wechat.ScopeUserInfo) || len(o.Data) > MaxData {
		h.fail(w, r, errors.New("login: StartOptions has an unknown scope or too much data"))
		return
	}
	// WeChat's snapshot page reloads the start address once the person has
	// pressed 使用完整服务. So the page that explains it is shown here, once, and
	// the reload begins again.
	if h.cookies.has(r, h.cookies.notice()) {
		h.cookies.clear(w, h.cookies.notice())
		h.show(w, r, Page{Kind: PageSnapshot, AgainURL: h.again(returnTo, o.Scope)})
		return
	}
	restarts := h.cookies.readTrace(r, h.cfg.Now())
	if restarts > 0 {
		if _, err := h.Session(r); err == nil {
			restarts = 0 // the session holds: somebody signs in anew on purpose
		}
	}
	if restarts > maxRestarts {
		// Cleared, so that a person who presses the button gets another try.
		h.cookies.clear(w, h.cookies.trace())
		h.cfg.Logger.ErrorContext(r.Context(), "sign-in: loop stopped: sign-ins succeed, but their sessions are not found afterwards; "+
			"do all processes share one store, and does the session cookie reach the app?", "request", h.requestID(r))
		h.show(w, r, Page{Kind: PageLoop, AgainURL: h.again(returnTo, o.Scope)})
		return
	}
	door, page := h.chooseMethod(r, o.Method)
	if page != "" {
		p := Page{Kind: page, CopyURL: h.again(returnTo, o.Scope)}
		if h.cfg.WebsiteApp != nil && page == PageOpenInWeChat {
			p.WebsiteURL = h.again(returnTo, o.Scope) + "&method=" + string(MethodWebsite)
		}
		h.show(w, r, p)
		return
	}
	o.Return, o.Method = returnTo, door
	if h.cfg.OnStart != nil && !h.cfg.OnStart(w, r, o) {
		return
	}
	f := newFlow(restarts, h.cfg.Now())
	f.returnTo, f.method, f.scope, f.forcePopup, f.data = returnTo, door, o.Scope, o.ForcePopup, o.Data
	if door == MethodWebsite {
		f.scope = wechat.ScopeLogin
	}
	h.sendToWeChat(w, r, f)
}

// serveStart is Start for a link: ?return=ADDRESS, and ?scope=profile for
// nickname and avatar.
func (h *Handler) serveStart(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		h.show(w, r, Page{Kind: PageBadRequest})
		return
	}
	o := StartOptions{Return: query.Get("return"), Method: Method(query.Get("method"))}
	switch query.Get("scope") {
	case "", string(wechat.ScopeBase):
	case "profile", string(wechat.ScopeUserInfo):
		o.Scope = wechat.ScopeUserInfo
	default:
		h.show(w, r, Page{Kind: PageBadRequest})
		return
	}
	h.Start(w, r, o)
}

// again is the address that begins a sign-in with the same aim.
func (h *Handler) again(returnTo string, scope wechat.Scope) string {
	address := h.address(pathStart) + "?return=" + url.QueryEscape(returnTo)
	if scope == wechat.ScopeUserInfo {
		address += "&scope=profile"
	}
	return address
}

// restart sends a visitor round once more, for a flow that came to nothing
// through nobody's fault, and says whether it did: after two rounds it does not.
func (h *Handler) restart(w http.ResponseWriter, r *http.Request, old *flow) bool {
	restarts := restartsOf(old.state) + 1
	if restarts > maxRestarts {
		return false
	}
	f := newFlow(restarts, h.cfg.Now())
	f.returnTo, f.method, f.scope, f.forcePopup, f.data = old.returnTo, old.method, old.scope, old.forcePopup, old.data
	h.sendToWeChat(w, r, f)
	return true
}

func (h *Handler) sendToWeChat(w http.ResponseWriter, r *http.Request, f *flow) {
	var target string
	var err error
	callback := h.address(h.cfg.CallbackPath)
	if f.method == MethodWebsite {
		lang := "cn"
		if h.lang(r) == langEN {
			lang = "en"
		}
		target, err = h.cfg.WebsiteApp.QRConnectURL(wechat.QRConnectRequest{RedirectURI: callback, State: f.state, Lang: lang})
	} else {
		target, err = h.cfg.OfficialAccount.AuthorizeURL(wechat.AuthorizeRequest{
			RedirectURI: callback, State: f.state, Scope: f.scope, ForcePopup: f.forcePopup,
		})
	}
	if err != nil {
		h.fail(w, r, fmt.Errorf("login: make WeChat's address: %w", err))
		return
	}
	if err := h.cookies.keepFlow(w, r, f, h.cfg.Now()); err != nil {
		h.fail(w, r, err)
		return
	}
	if f.method == MethodWeChat && whereIs(r) != inWeChat {
		// Config.AnyBrowser. The mark is for WeChat's client, which takes it away. Other browsers carry a fragment through every
		// redirect, and the person would end at the app with it in the address.
		target = strings.TrimSuffix(target, "#wechat_redirect")
	}
	h.observe(r, f, "begun")
	redirect(w, r, target)
}

// redirect sends the browser on. 303 after a POST, so that the form is not sent
// along; 302 otherwise.
func redirect(w http.ResponseWriter, r *http.Request, target string) {
	w.Header().Set("Location", target)
	if reads(r) {
		w.WriteHeader(http.StatusFound)
		return
	}
	w.WriteHeader(http.StatusSeeOther)
}

// seeOther sends the browser to a page of the app.
func seeOther(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}
