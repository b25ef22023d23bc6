package signin

import (
	"net/http"
	"slices"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// The sign-in methods (登录方式), as events, sessions and the configuration call them.
const (
	MethodWeChat  = "wechat"  // inside WeChat, through the official account
	MethodScan    = "scan"    // in another browser: the user scans the gateway's QR code with a phone (公众号扫码)
	MethodWebsite = "website" // in another browser: the user scans the QR code of WeChat's page (网站应用扫码)
)

// methodsAvailable is the sign-in methods that a browser can use for one login request.
type methodsAvailable struct {
	account *connector // the official account, for wechat and scan; nil = none
	website *connector // the website app; nil = none
	wechat  bool       // the app accepts wechat, and there is an account
	scan    bool
	inside  bool // the browser is WeChat's, or counts as WeChat's (AnyBrowser)
	class   flow.UserAgentClass
}

// available returns the methods that are configured, that the app accepts, and that use the
// connector that the request names.
func (h *Handler) available(r *http.Request, d session.LoginRequest) (m methodsAvailable) {
	for _, c := range h.connectors {
		if d.Connector != "" && c.Name != d.Connector {
			continue
		}
		switch {
		case c.Website && m.website == nil && allows(d.App, MethodWebsite):
			m.website = c
		case !c.Website && m.account == nil:
			m.account = c
		}
	}
	m.wechat = m.account != nil && allows(d.App, MethodWeChat)
	m.scan = m.account != nil && h.cfg.Scan != nil && allows(d.App, MethodScan)
	m.class = flow.ClassifyUserAgent(r)
	m.inside = m.account != nil && (m.class == flow.InWeChat || m.account.AnyBrowser)
	return m
}

// allows reports whether an app accepts a sign-in method.
func allows(app gateway.App, method string) bool {
	return len(app.Methods) == 0 || slices.Contains(app.Methods, method)
}

// choose returns the method for a browser. preferred is the method that the user chose before, "" =
// none. When the user must choose, method is "" and several has the methods. When no method is
// available for this browser, both are empty.
func (m methodsAvailable) choose(preferred string) (method string, several []string) {
	var outside []string // the methods for other browsers than WeChat's
	if m.scan {
		outside = append(outside, MethodScan)
	}
	if m.website != nil {
		outside = append(outside, MethodWebsite)
	}
	switch {
	case m.class == flow.InWeChat && m.wechat:
		return MethodWeChat, nil
	case m.class == flow.InWeChat:
		// A user in WeChat could not scan what their own screen shows, and WeChat opens the page of
		// a website app in other browsers only.
		return "", nil
	case slices.Contains(outside, preferred):
		return preferred, nil
	case m.inside && m.wechat:
		return MethodWeChat, nil
	case m.class == flow.OnPhone && m.scan:
		return MethodScan, nil // the page also has a link to open in WeChat
	case m.class == flow.OnPhone && m.wechat:
		return "", nil // a link to open in WeChat: a user cannot scan a code on the same phone
	case len(outside) == 1:
		return outside[0], nil
	}
	return "", outside
}

// showNoMethod renders the page for a browser without an available method. It says where to continue.
func (h *Handler) showNoMethod(
	w http.ResponseWriter, r *http.Request, d session.LoginRequest, m methodsAvailable, language string,
) {
	page := web.Page{Kind: web.NoMethod, Lang: language, App: d.App.Name, Back: d.CancelURL}
	t := target{returnTo: d.ReturnURL, restart: d.RestartURL}
	switch {
	case m.class == flow.InWeChat && (m.scan || m.website != nil):
		page.Kind, page.Copy = web.OpenElsewhere, h.absolute(h.startURL(t))
	case m.wechat:
		page.Kind, page.Copy = web.OpenInWeChat, h.absolute(h.startURL(t))
		if m.website != nil {
			website, err := h.methodURL(t, MethodWebsite)
			if err != nil {
				h.cfg.Site.Error(w, r, err)
				return
			}
			page.Links = []web.Link{{Label: web.LabelByWebsite, Go: website}}
		}
	}
	h.cfg.Site.Show(w, r, page)
}

// showMethods renders the page on which the user chooses a method. Its links start the app's request
// from the beginning, so that they need not contain the login request.
func (h *Handler) showMethods(
	w http.ResponseWriter, r *http.Request, d session.LoginRequest, methods []string, language string,
) {
	page := web.Page{Kind: web.Choose, Lang: language, App: d.App.Name, Back: d.CancelURL}
	for _, method := range methods {
		address, err := h.methodURL(target{returnTo: d.ReturnURL, restart: d.RestartURL}, method)
		if err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		page.Methods = append(page.Methods, web.Method{Name: method, Go: address})
	}
	h.cfg.Site.Show(w, r, page)
}
