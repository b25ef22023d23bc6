package signin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// Session returns the signed-in browser that sent r. ok is false when no user is signed in. An
// error is the store's.
func (h *Handler) Session(r *http.Request) (b session.Browser, ok bool, err error) {
	return h.cfg.Sessions.Current(r)
}

// Begin starts a sign-in for a feature (a package that serves apps, such as oidc). A feature calls
// Begin if it found no suitable session. The login request is what the app requires of the sign-in.
// Begin chooses the sign-in method for this browser. It redirects to WeChat (methods wechat and
// website) or to a page of the gateway (scan, message, follow). If several methods are available,
// it renders a page on which the user chooses one. If no method is available, it renders a page
// that explains where to continue. After the sign-in the browser continues at login.ReturnURL. An
// error means that nothing was written to w.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, login session.LoginRequest) error {
	scope := wechat.ScopeBase
	if login.Consent {
		scope = wechat.ScopeUserInfo // WeChat shows no consent page for ScopeBase
	}
	return h.begin(w, r, login, scope)
}

// begin is Begin with a scope. The scope is used if the sign-in goes through an official account.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, login session.LoginRequest, scope wechat.Scope) error {
	req := flow.Request{Scope: scope, ForcePopup: login.Consent, ReturnTo: login.ReturnURL}
	language, found := lang.FromLocales(login.UILocales)
	if !found {
		language = lang.FromRequest(r)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // for redirects; pages set their own
	available := h.available(r, login)
	// If the user has chosen a method, a cookie contains it, with a hash of the address at which
	// this sign-in starts (see preference).
	switch method, several := available.choose(h.preference.read(r, cmp.Or(login.RestartURL, login.ReturnURL))); {
	case method == MethodWeChat:
		req.Method = flow.MethodWeChat
		return h.start(w, r, available.account, login, req, language)
	case method == MethodWebsite:
		// Website apps have one scope. WeChat always asks for consent, and returns the profile.
		req.Method, req.Scope, req.ForcePopup = flow.MethodWebsite, wechat.ScopeLogin, false
		return h.start(w, r, available.website, login, req, language)
	case method == MethodScan:
		h.agreement.dropTick(w, r) // the user of the phone agrees there
		return h.cfg.Scan(w, r, login)
	case method == MethodMessage:
		return h.startChat(w, r, login, available.message.Name, method)
	case method == MethodFollow:
		return h.startChat(w, r, login, available.follow.Name, method)
	case len(several) > 0:
		h.showMethods(w, r, login, several, language)
	default:
		h.showNoMethod(w, r, login, available, language)
	}
	return nil
}

// start redirects the browser to WeChat, to authorize through the connector c. If a redirect would
// fail or loop, or if the user has to accept the agreement first, start renders a page instead. An
// error means that nothing was written to w.
func (h *Handler) start(
	w http.ResponseWriter, r *http.Request, c *connector, login session.LoginRequest, req flow.Request, language string,
) error {
	returnTo, err := h.returns.Check(req.ReturnTo)
	if err != nil {
		h.rejectReturn(w, r, err)
		return nil
	}
	req.ReturnTo = returnTo
	b := h.browser(r, language)
	t := target{returnTo: returnTo, profile: req.Scope == wechat.ScopeUserInfo, restartURL: login.RestartURL}
	ready := c.engine.Prepare(b)
	ready.SetCookies(w)
	switch {
	case ready.Kind == flow.SnapshotNotice: // WeChat showed a snapshot page (快照页) with a virtual user
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Snapshot, Lang: language, Go: h.startURL(t)})
	case ready.Kind == flow.Loop:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Loop, Lang: language, Go: h.startURL(t)})
	case login.WithoutAgreement || h.hasAgreed(w, r):
		login.Tick = h.agreement.takeTick(w, r)
		if req.Data, err = encodeFlowData(login, c.Name); err != nil {
			return err
		}
		h.answer(w, r, c, c.engine.Start(b, req))
	default:
		// After the user has agreed, the browser starts the sign-in again. With ForcePopup, Begin chose
		// snsapi_userinfo only for WeChat's consent page, so the new start must not ask for the profile.
		// The app's request itself requires the consent page again.
		t.profile = t.profile && !req.ForcePopup
		h.askToAgree(w, r, agreementQuestion{
			target: t, cancel: login.CancelURL, app: login.App.Name, language: language,
		})
	}
	return nil
}

// browser returns what the engine (package flow) must know about the browser that sent r.
func (h *Handler) browser(r *http.Request, language string) flow.Browser {
	return flow.Browser{
		Request: r, RequestID: h.cfg.RequestID(r.Context()), Language: language, Network: network(r),
		HasSession: func() bool {
			_, signedIn, err := h.Session(r)
			return err == nil && signedIn
		},
	}
}

// target describes a sign-in that can be started again. Pages link to the startURL of a target.
type target struct {
	returnTo   string // where the browser continues after the sign-in
	profile    bool   // nickname and avatar are requested
	restartURL string // LoginRequest.RestartURL; "" = no app required the sign-in
}

// startURL returns the address that starts a sign-in again. If an app required the sign-in, this is
// the address of the app's own request, which contains all that the app requires.
func (h *Handler) startURL(t target) string {
	if t.restartURL != "" {
		return t.restartURL
	}
	address := h.path + pathSignIn + "?return=" + url.QueryEscape(t.returnTo)
	if t.profile {
		address += "&scope=profile"
	}
	return address
}

// methodURL returns the address of /sign-in at which the gateway stores a method in a cookie, and
// then starts the sign-in again as startURL does.
func (h *Handler) methodURL(t target, method string) (string, error) {
	if t.restartURL == "" {
		return h.startURL(t) + "&method=" + method, nil
	}
	// The address is encrypted and authenticated, because /sign-in redirects to it. Otherwise an
	// attacker could use /sign-in as an open redirect.
	sealed, err := h.restarts.Seal(paramRestart, []byte(t.restartURL))
	return h.path + pathSignIn + "?method=" + method + "&" + paramRestart + "=" + sealed, err
}

// paramRestart is the query parameter of /sign-in with a sealed LoginRequest.RestartURL.
const paramRestart = "restart"

// openRestart decrypts a value of paramRestart.
func (h *Handler) openRestart(value string) (string, bool) {
	plain, err := h.restarts.Open(paramRestart, value)
	return string(plain), err == nil
}

// absolute adds the gateway's origin to a path, for links that users copy to another browser.
func (h *Handler) absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return h.origin + address
	}
	return address
}

// flowData is the part of a login request that the callback needs. It is the flow.Request.Data of
// the authorization, which package flow stores in a sealed cookie.
type flowData struct {
	LoginRequestID string `json:"d,omitempty"`
	App            string `json:"a,omitempty"` // id of the app
	Restart        string `json:"r,omitempty"` // RestartURL, shortened by session.CompactRestart
	Connector      string `json:"c,omitempty"` // name of the connector

	WithoutAgreement bool          `json:"w,omitempty"` // LoginRequest.WithoutAgreement
	Tick             *session.Tick `json:"t,omitempty"` // LoginRequest.Tick
}

// encodeFlowData returns the flowData of a login request at a connector. encodeFlowData omits a
// RestartURL that does not fit into the cookie. Pages after a failure then link to /sign-in instead
// of the app's request.
func encodeFlowData(login session.LoginRequest, connector string) ([]byte, error) {
	plain := flowData{
		LoginRequestID: login.ID, App: login.App.ID, Restart: session.CompactRestart(login.ReturnURL, login.RestartURL),
		Connector: connector, WithoutAgreement: login.WithoutAgreement, Tick: login.Tick,
	}
	limit := flow.MaxReturn + flow.MaxData - len(login.ReturnURL) // the same cookie contains ReturnURL
	data, err := json.Marshal(plain)
	if err == nil && len(data) > limit {
		plain.Restart = ""
		data, err = json.Marshal(plain)
	}
	if err != nil || len(data) > limit || len(login.ReturnURL) > session.MaxReturn {
		return nil, fmt.Errorf("signin: the login request of app %q does not fit into the cookie", login.App.ID)
	}
	return data, nil
}

// decodeFlowData is the reverse of encodeFlowData. For empty data it returns the zero value.
func decodeFlowData(data []byte) (decoded flowData, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &decoded)
	}
	if err != nil {
		return flowData{}, fmt.Errorf("signin: read the data of the flow: %w", err)
	}
	return decoded, nil
}

// AskProfile redirects the browser to the page that asks for nickname and avatar, and reports
// whether it did. After that page the browser continues at returnTo. There are four conditions:
//
//   - Nickname and avatar are unknown or old.
//   - The user has not declined to share them in this session.
//   - The user signed in inside WeChat, where the consent page can be shown.
//   - returnTo is not longer than session.MaxReturn.
//
// WeChat sends no nickname when a user signs in through a chat. Such a user without a nickname is
// asked for a name instead.
func (h *Handler) AskProfile(w http.ResponseWriter, _ *http.Request, b session.Browser, returnTo string) bool {
	var page string
	switch {
	case b.ProfileDeclined || len(returnTo) > session.MaxReturn:
		return false
	case b.Method == MethodWeChat && !h.freshProfile(b):
		page = pathProfile + "?"
	case (b.Method == MethodMessage || b.Method == MethodFollow) && b.User.Nickname == "":
		page = session.NamePath + "?profile=1&"
	default:
		return false
	}
	redirectSeeOther(w, h.path+page+"return="+url.QueryEscape(returnTo))
	return true
}

// freshProfile reports whether nickname and avatar are known and younger than ProfileMaxAge.
func (h *Handler) freshProfile(b session.Browser) bool {
	return !b.User.ProfileAt.IsZero() && h.cfg.Now().Sub(b.User.ProfileAt) < h.cfg.ProfileMaxAge
}

// The sign-in methods (登录方式), as events, sessions and the configuration call them.
const (
	MethodWeChat  = gateway.MethodWeChat  // inside WeChat, through the official account
	MethodScan    = gateway.MethodScan    // in another browser: the user scans the gateway's QR code with a phone (公众号扫码)
	MethodWebsite = gateway.MethodWebsite // in another browser: the user scans the QR code of WeChat's page (网站应用扫码)
	MethodMessage = gateway.MethodMessage // in any browser: the user sends a number to the official account (发消息)
	MethodFollow  = gateway.MethodFollow  // in any browser: the user scans a QR code that follows the account (扫码关注)
)

// methodsAvailable describes which sign-in methods are configured and accepted by the app, and
// which kind of browser sent the request.
type methodsAvailable struct {
	account *connector // the connector with the official account, for wechat and scan; nil = none
	website *connector // the connector with the website app; nil = the method website is not available
	message *connector // the connector whose account receives numbers; nil = the method message is not available
	follow  *connector // the connector whose account is followed; nil = the method follow is not available
	wechat  bool       // the method wechat is available
	scan    bool       // the method scan is available
	inside  bool       // the browser is WeChat's own, or is treated as such (Connector.AnyBrowser)
	agent   useragent.Agent
}

// available returns the methods for a login request. If the request names a connector, only the
// methods of that connector are available.
func (h *Handler) available(r *http.Request, login session.LoginRequest) (m methodsAvailable) {
	for _, c := range h.connectors {
		if login.Connector != "" && c.Name != login.Connector {
			continue
		}
		switch {
		case c.Website && m.website == nil && allows(login.App, MethodWebsite):
			m.website = c
		case !c.Website && !c.ChatOnly && m.account == nil:
			m.account = c
		}
		if h.cfg.Chat != nil && c.Message && m.message == nil && allows(login.App, MethodMessage) {
			m.message = c
		}
		if h.cfg.Chat != nil && c.Follow && m.follow == nil && allows(login.App, MethodFollow) {
			m.follow = c
		}
	}
	m.wechat = m.account != nil && allows(login.App, MethodWeChat)
	m.scan = m.account != nil && h.cfg.Scan != nil && allows(login.App, MethodScan)
	m.agent = useragent.Of(r)
	m.inside = m.account != nil && (m.agent.Client == useragent.WeChat || m.account.AnyBrowser)
	return m
}

// allows reports whether an app accepts a sign-in method.
func allows(app gateway.App, method string) bool {
	return len(app.Methods) == 0 || slices.Contains(app.Methods, method)
}

// choose returns the method for this browser. preferred is the method that the user chose earlier
// for the same request, or "". If the user has to choose now, method is "" and several lists the
// methods. If no method is available in this browser, both are empty.
func (m methodsAvailable) choose(preferred string) (method string, several []string) {
	var outside []string // the available methods for browsers outside WeChat
	if m.scan {
		outside = append(outside, MethodScan)
	}
	if m.website != nil && m.agent.Client != useragent.MiniProgram {
		// The web view of a mini-program opens the hosts of its own list only. WeChat's page with the QR
		// code cannot be in the list.
		outside = append(outside, MethodWebsite)
	}
	if m.follow != nil {
		outside = append(outside, MethodFollow)
	}
	if m.message != nil {
		outside = append(outside, MethodMessage)
	}
	switch {
	case m.agent.Client == useragent.WeChat && m.wechat:
		return MethodWeChat, nil
	case m.agent.Client == useragent.WeChat && m.message != nil:
		return MethodMessage, nil
	case m.agent.Client == useragent.WeChat && m.follow != nil:
		return MethodFollow, nil // WeChat reads the QR code after a long press on it
	case m.agent.Client == useragent.WeChat:
		// The other methods do not work inside WeChat. A phone cannot scan a QR code on its own
		// screen, and WeChat's page for website apps does not work there.
		return "", nil
	case slices.Contains(outside, preferred):
		return preferred, nil
	case m.inside && m.wechat:
		return MethodWeChat, nil
	case m.agent.Handheld() && m.scan && m.message == nil && m.follow == nil:
		return MethodScan, nil // on a phone, the page with the code also has a link to open in WeChat
	case m.agent.Handheld() && m.wechat && m.message == nil && m.follow == nil:
		return "", nil // the page for this case has a link to open in WeChat
	case len(outside) == 1:
		return outside[0], nil
	}
	return "", outside
}

// showNoMethod renders the page for a browser in which no method is available. If a method works in
// another browser, the page has a link to copy there.
func (h *Handler) showNoMethod(
	w http.ResponseWriter, r *http.Request, login session.LoginRequest, m methodsAvailable, language string,
) {
	page := web.Page{Kind: web.NoMethod, Lang: language, App: login.App.Name, Back: login.CancelURL,
		Rejection: web.Rejection{Request: "sign-in", App: login.App.ID, Attrs: []slog.Attr{
			slog.Any("methods", login.App.Methods), slog.String("connector", login.Connector),
			slog.String("user_agent", web.LoggedText(r.UserAgent()))}}}
	t := target{returnTo: login.ReturnURL, restartURL: login.RestartURL}
	switch {
	case m.agent.Client == useragent.WeChat && (m.scan || m.website != nil),
		m.agent.Client == useragent.MiniProgram && !m.wechat && m.website != nil:
		page.Kind, page.Copy = web.OpenElsewhere, h.absolute(cmp.Or(login.CopyURL, h.startURL(t)))
	case m.agent.Client == useragent.MiniProgram && m.wechat:
		page.Kind, page.Copy = web.MiniProgram, h.absolute(cmp.Or(login.CopyURL, h.startURL(t)))
	case m.wechat:
		page.Kind, page.Copy = web.OpenInWeChat, h.absolute(cmp.Or(login.CopyURL, h.startURL(t)))
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

// showMethods renders the page on which the user chooses a method. Its links store the method in a
// cookie and start the app's request again. They therefore need not contain the login request.
func (h *Handler) showMethods(
	w http.ResponseWriter, r *http.Request, login session.LoginRequest, methods []string, language string,
) {
	page := web.Page{Kind: web.Choose, Lang: language, App: login.App.Name, Back: login.CancelURL}
	for _, method := range methods {
		address, err := h.methodURL(target{returnTo: login.ReturnURL, restartURL: login.RestartURL}, method)
		if err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		page.Methods = append(page.Methods, web.Method{Name: method, Go: address})
	}
	h.cfg.Site.Show(w, r, page)
}
