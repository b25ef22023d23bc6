package signin

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/login"
)

// The doors (登录方式), as events, sessions and the configuration call them.
const (
	MethodWeChat  = "wechat"  // inside WeChat, through the official account
	MethodScan    = "scan"    // another browser, which a phone signs in by our own QR code (公众号扫码)
	MethodWebsite = "website" // another browser, by the QR code of WeChat's own page (网站应用扫码)
)

// entrance is what a browser may choose from, for one demand.
type methodsAvailable struct {
	account connectorHandler // the official account, for the doors wechat and scan; zero = none fits
	website connectorHandler // the website app; zero = none fits
	wechat  bool             // the app lets people in by wechat, and there is an account
	scan    bool
	inside  bool // this browser can reach WeChat's consent page: it is WeChat's, or passes for it in development
	where   userAgentClass
}

type userAgentClass int

const (
	onDesktop userAgentClass = iota
	onPhone                  // not in WeChat
	inWeChat
)

// entrance finds out which doors there are: those that are configured, that the app allows, and that lead through the entry that the demand names.
func (h *Handler) available(r *http.Request, d session.LoginRequest) (e methodsAvailable) {
	for _, w := range h.connectors {
		if d.Connector != "" && w.connector.Name != d.Connector {
			continue
		}
		switch {
		case w.connector.Website && e.website.login == nil && allows(d.App, MethodWebsite):
			e.website = w
		case !w.connector.Website && e.account.login == nil:
			e.account = w
		}
	}
	e.wechat = e.account.login != nil && allows(d.App, MethodWeChat)
	e.scan = e.account.login != nil && h.cfg.Scan != nil && allows(d.App, MethodScan)
	switch {
	case login.InWeChat(r):
		e.where = inWeChat
	case login.OnPhone(r):
		e.where = onPhone
	}
	e.inside = e.account.login != nil && (e.where == inWeChat || e.account.connector.AnyBrowser)
	return e
}

// allows says whether an app lets people in by a door.
func allows(app gateway.App, method string) bool {
	return len(app.Methods) == 0 || slices.Contains(app.Methods, method)
}

// choose picks the door for a browser whose person has said before which one they prefer ("" = has not said). "" means that there is none for this
// browser, several that the person must choose.
func (e methodsAvailable) choose(preferred string) (method string, several []string) {
	var outside []string // the doors for other browsers than WeChat's
	if e.scan {
		outside = append(outside, MethodScan)
	}
	if e.website.login != nil {
		outside = append(outside, MethodWebsite)
	}
	switch {
	case e.where == inWeChat && e.wechat:
		return MethodWeChat, nil
	case e.where == inWeChat:
		// A person in WeChat could not scan what their own screen shows, and WeChat opens the page of a website app in other browsers only.
		return "", nil
	case slices.Contains(outside, preferred):
		return preferred, nil
	case e.inside && e.wechat:
		return MethodWeChat, nil
	case e.where == onPhone && e.scan:
		return MethodScan, nil // its page has the link for WeChat, and waits
	case e.where == onPhone && e.wechat:
		return "", nil // the link for WeChat; a code on the only screen there is serves nobody, unless they ask for it
	case len(outside) == 1:
		return outside[0], nil
	}
	return "", outside
}

// nowhere answers a browser for which there is no door: it says where to go instead.
func (h *Handler) nowhere(w http.ResponseWriter, r *http.Request, d session.LoginRequest, e methodsAvailable) {
	page := web.Page{Kind: web.NoMethod, App: d.App.Name, Back: d.CancelURL}
	again := h.path + pathSignIn + "?return=" + url.QueryEscape(d.ReturnURL)
	switch {
	case e.where == inWeChat && (e.scan || e.website.login != nil):
		page.Kind, page.Copy = web.OpenElsewhere, h.origin+again
	case e.wechat:
		page.Kind, page.Copy = web.OpenInWeChat, h.origin+again
		if e.website.login != nil {
			page.Links = []web.Link{{Label: web.LabelByWebsite, Go: again + "&method=" + MethodWebsite}}
		}
	}
	h.cfg.Site.Show(w, r, page)
}

// offer lets the person choose. The links begin the app's request over, so that nothing has to be carried.
func (h *Handler) offer(w http.ResponseWriter, r *http.Request, d session.LoginRequest, methods []string) {
	page := web.Page{Kind: web.Choose, App: d.App.Name, Back: d.CancelURL}
	for _, method := range methods {
		page.Methods = append(page.Methods, web.Method{Name: method, Go: h.path + pathSignIn + "?method=" + method + "&return=" + url.QueryEscape(d.ReturnURL)})
	}
	h.cfg.Site.Show(w, r, page)
}
