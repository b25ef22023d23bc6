package signin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// signIn serves /sign-in, which starts a sign-in. The parameter method is remembered for the request
// that follows. With the parameter restart it redirects to that RestartURL, so that the app's
// request states again what it requires.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	method := q.Get("method")
	if q.Has(paramRestart) {
		restart, ok := h.openRestart(q.Get(paramRestart))
		if !ok {
			h.refuseReturn(w, r, errors.New("signin: the parameter restart was not sealed here"))
			return
		}
		h.prefer.store(w, r, restart, method)
		redirectSeeOther(w, restart)
		return
	}
	t := target{}
	switch q.Get("scope") {
	case "", string(wechat.ScopeBase):
	case "profile", string(wechat.ScopeUserInfo):
		t.profile = true
	default:
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	returnTo, ok := h.checkReturn(w, r, q.Get("return"))
	if !ok {
		return
	}
	t.returnTo = returnTo
	if method != "" {
		// The cookie with the choice comes with the next request.
		h.prefer.store(w, r, returnTo, method)
		redirectSeeOther(w, h.startURL(t))
		return
	}
	if err := h.beginOwn(w, r, t); err != nil {
		h.cfg.Site.Error(w, r, err)
	}
}

// beginOwn starts a sign-in that no app requires. When a signed-in user requests nickname and avatar,
// it uses the connector of the session. This creates a new session, which keeps the login request id
// of the present one: what that session answered for an app stays answered.
func (h *Handler) beginOwn(w http.ResponseWriter, r *http.Request, t target) error {
	d := session.LoginRequest{ReturnURL: t.returnTo, Profile: t.profile}
	if !t.profile {
		return h.begin(w, r, d, wechat.ScopeBase)
	}
	b, signedIn, err := h.Session(r)
	if err != nil {
		return err
	}
	if signedIn {
		d.ID, d.Reauthenticate = b.LoginRequestID, true
		if h.connector(b.Connector) != nil { // it may have been removed from the configuration
			d.Connector = b.Connector
		}
	}
	return h.begin(w, r, d, wechat.ScopeUserInfo)
}

// askProfile renders the page that asks for nickname and avatar. Its button is a link, since
// browsers apply the policy form-action to the redirects after a form, and this one ends at WeChat.
func (h *Handler) askProfile(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	b, signedIn, err := h.Session(r)
	switch {
	case err != nil:
		h.cfg.Site.Error(w, r, err)
	case !signedIn:
		w.Header().Set("Location", h.startURL(target{returnTo: returnTo}))
		w.WriteHeader(http.StatusFound)
	case h.freshProfile(b):
		w.Header().Set("Location", h.returns.Absolute(returnTo))
		w.WriteHeader(http.StatusFound)
	default:
		h.cfg.Site.Show(w, r, web.Page{
			Kind: web.Profile, Go: h.startURL(target{returnTo: returnTo, profile: true}),
			Forms: []web.Form{h.withoutProfile(returnTo)},
		})
	}
}

// withoutProfile returns the button that continues without nickname and avatar.
func (h *Handler) withoutProfile(returnTo string) web.Form {
	return web.Form{
		Action: h.path + pathProfile, Label: web.LabelWithout, Quiet: true, Fields: map[string]string{"return": returnTo},
	}
}

// declineProfile records that the user continues without nickname and avatar. It answers with a
// page that continues, not with a redirect: the return address redirects to the app, and browsers
// block a form whose redirects end on an origin that form-action of the page's policy does not list.
func (h *Handler) declineProfile(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.form(w, r)
	if !ok {
		return
	}
	b, signedIn, err := h.Session(r)
	if err == nil && signedIn {
		err = h.cfg.Sessions.DeclineProfile(r.Context(), b.Hash)
	}
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		h.cfg.Site.Error(w, r, err)
		return
	}
	// When the session has ended, the app's request at the return address starts a sign-in.
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: returnTo, ContinueAfter: 100 * time.Millisecond})
}

// form parses the form of one of the gateway's pages and returns its return address, which must be a
// path of the gateway: the page that follows links to it without another check.
func (h *Handler) form(w http.ResponseWriter, r *http.Request) (returnTo string, ok bool) {
	if !h.parseForm(w, r) {
		return "", false
	}
	returnTo = strings.TrimPrefix(r.PostForm.Get("return"), h.origin)
	if !h.isOwnPath(returnTo) {
		h.cfg.Site.Fail(w, r, web.BadReturn)
		return "", false
	}
	return returnTo, true
}

func (h *Handler) parseForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return false
	}
	return true
}

// isOwnPath reports whether an address is a path of the gateway, in a form that every browser parses
// alike.
func (h *Handler) isOwnPath(address string) bool {
	_, err := origin.LocalPath(address)
	return err == nil && strings.HasPrefix(address, h.path+"/") && len(address) <= session.MaxReturn
}

// checkReturn checks a return address, and renders the error page for an invalid one.
func (h *Handler) checkReturn(w http.ResponseWriter, r *http.Request, address string) (string, bool) {
	returnTo, err := h.returns.Check(address)
	if err != nil {
		h.refuseReturn(w, r, err)
		return "", false
	}
	return returnTo, true
}

func (h *Handler) refuseReturn(w http.ResponseWriter, r *http.Request, err error) {
	h.cfg.Logger.WarnContext(r.Context(), "return address refused",
		"error", err, "request_id", h.cfg.RequestID(r.Context()))
	h.cfg.Site.Show(w, r, web.Page{Kind: web.BadReturn, Go: h.path + "/"})
}
