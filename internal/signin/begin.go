package signin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// Session returns the browser that sent r. ok is false when no user is signed in; err means that
// the store could not answer.
func (h *Handler) Session(r *http.Request) (b session.Browser, ok bool, err error) {
	return h.cfg.Sessions.Current(r)
}

// Begin answers the request by sending the browser to a sign-in method, and afterwards to
// d.ReturnURL. Inside WeChat that is the official account; elsewhere scan or website, and the user
// chooses when both are available. A browser without an available method gets a page that says where
// to continue. An error means that nothing was written to w.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, d session.LoginRequest) error {
	scope := wechat.ScopeBase
	if d.Consent {
		scope = wechat.ScopeUserInfo // only this scope has a consent page that can be forced
	}
	return h.begin(w, r, d, scope)
}

// begin is Begin with the scope for an official account.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, d session.LoginRequest, scope wechat.Scope) error {
	req := flow.Request{Scope: scope, ForcePopup: d.Consent, ReturnTo: d.ReturnURL}
	var err error
	if req.Data, err = encodeFlowData(d); err != nil {
		return err
	}
	language, found := lang.FromLocales(d.UILocales)
	if !found {
		language = lang.FromRequest(r)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // a rendered page replaces it
	available := h.available(r, d)
	switch method, several := available.choose(h.prefer.read(r, cmp.Or(d.RestartURL, d.ReturnURL))); {
	case method == MethodWeChat:
		req.Method = flow.MethodWeChat
		h.start(w, r, available.account, d, req, language)
	case method == MethodWebsite:
		// The scope of website apps always shows WeChat's consent, and includes the profile.
		req.Method, req.Scope, req.ForcePopup = flow.MethodWebsite, wechat.ScopeLogin, false
		h.start(w, r, available.website, d, req, language)
	case method == MethodScan:
		return h.cfg.Scan(w, r, d)
	case len(several) > 0:
		h.showMethods(w, r, d, several, language)
	default:
		h.showNoMethod(w, r, d, available, language)
	}
	return nil
}

// start sends the browser to WeChat through a connector, unless a page must be shown first.
func (h *Handler) start(
	w http.ResponseWriter, r *http.Request, c *connector, d session.LoginRequest, req flow.Request, language string,
) {
	returnTo, err := h.returns.Check(req.ReturnTo)
	if err != nil {
		h.refuseReturn(w, r, err)
		return
	}
	req.ReturnTo = returnTo
	b := h.browser(r, language)
	restart := target{returnTo: returnTo, profile: req.Scope == wechat.ScopeUserInfo, restart: d.RestartURL}
	ready := c.engine.Prepare(b)
	ready.SetCookies(w)
	switch {
	case ready.Kind == flow.SnapshotNotice:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Snapshot, Lang: language, Go: h.startURL(restart)})
	case ready.Kind == flow.Loop:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Loop, Lang: language, Go: h.startURL(restart)})
	case h.hasAgreed(w, r):
		h.answer(w, r, c, c.engine.Start(b, req))
	default:
		// Only an app's request forces the consent page, and it starts from its RestartURL.
		restart.profile = restart.profile && !req.ForcePopup
		h.askToAgree(w, r, agreementQuestion{target: restart, cancel: d.CancelURL, app: d.App.Name, language: language})
	}
}

// browser returns what the engine needs of the browser that sent r.
func (h *Handler) browser(r *http.Request, language string) flow.Browser {
	return flow.Browser{
		Request: r, RequestID: h.cfg.RequestID(r.Context()), Language: language,
		HasSession: func() bool {
			_, signedIn, err := h.Session(r)
			return err == nil && signedIn
		},
	}
}

// target is where the browser continues after a sign-in, and how the sign-in is started again.
type target struct {
	returnTo string
	profile  bool   // with nickname and avatar
	restart  string // LoginRequest.RestartURL
}

// startURL returns the address that starts a sign-in again. For an app it is the RestartURL: the
// app's request then starts from the beginning.
func (h *Handler) startURL(t target) string {
	if t.restart != "" {
		return t.restart
	}
	address := h.path + pathSignIn + "?return=" + url.QueryEscape(t.returnTo)
	if t.profile {
		address += "&scope=profile"
	}
	return address
}

// methodURL returns the address that remembers a method and then does what startURL does.
func (h *Handler) methodURL(t target, method string) (string, error) {
	if t.restart == "" {
		return h.startURL(t) + "&method=" + method, nil
	}
	// Sealed, because /sign-in redirects to it: otherwise any link could use /sign-in as an open
	// redirect.
	sealed, err := h.restarts.Seal(paramRestart, []byte(t.restart))
	return h.path + pathSignIn + "?method=" + method + "&" + paramRestart + "=" + sealed, err
}

// paramRestart is the query parameter with a sealed LoginRequest.RestartURL.
const paramRestart = "restart"

// openRestart decrypts a value of paramRestart.
func (h *Handler) openRestart(value string) (string, bool) {
	plain, err := h.restarts.Open(paramRestart, value)
	return string(plain), err == nil
}

// absolute returns an address for a page that is copied to another browser.
func (h *Handler) absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return h.origin + address
	}
	return address
}

// flowData is the content of flow.Request.Data, which the sealed cookie of the flow contains.
type flowData struct {
	LoginRequestID string `json:"d,omitempty"`
	App            string `json:"a,omitempty"`
	Restart        string `json:"r,omitempty"` // session.CompactRestart
}

// encodeFlowData returns the data of a login request. A RestartURL that does not fit is left out.
func encodeFlowData(d session.LoginRequest) ([]byte, error) {
	c := flowData{LoginRequestID: d.ID, App: d.App.ID, Restart: session.CompactRestart(d.ReturnURL, d.RestartURL)}
	limit := flow.MaxReturn + flow.MaxData - len(d.ReturnURL)
	data, err := json.Marshal(c)
	if err == nil && len(data) > limit {
		c.Restart = ""
		data, err = json.Marshal(c)
	}
	if err != nil || len(data) > limit || len(d.ReturnURL) > session.MaxReturn {
		return nil, fmt.Errorf("signin: the login request of app %q does not fit into the cookie", d.App.ID)
	}
	return data, nil
}

// decodeFlowData is the reverse of encodeFlowData. Empty data is the zero value.
func decodeFlowData(data []byte) (c flowData, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return flowData{}, fmt.Errorf("signin: read the data of the flow: %w", err)
	}
	return c, nil
}

// AskProfile redirects the browser to the page that asks for nickname and avatar when they are
// unknown or old, the user has not declined in this session, and this browser can reach WeChat's
// consent page. It reports whether it answered the request. The browser
// continues at returnTo.
func (h *Handler) AskProfile(w http.ResponseWriter, _ *http.Request, b session.Browser, returnTo string) bool {
	if b.Method != MethodWeChat || h.freshProfile(b) || b.ProfileDeclined || len(returnTo) > session.MaxReturn {
		return false
	}
	redirectSeeOther(w, h.path+pathProfile+"?return="+url.QueryEscape(returnTo))
	return true
}

// freshProfile reports whether nickname and avatar need not be requested again.
func (h *Handler) freshProfile(b session.Browser) bool {
	return !b.User.ProfileAt.IsZero() && h.cfg.Now().Sub(b.User.ProfileAt) < h.cfg.ProfileMaxAge
}

// redirectSeeOther redirects with status 303: the browser continues with GET after any method.
func redirectSeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

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
