package signin

import (
	"errors"
	"log/slog"
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

// This file contains two pages that start a sign-in without an app's request: /sign-in, and the
// page that asks a signed-in user for nickname and avatar. It also checks return addresses: the
// addresses at which the browser continues.

// signIn serves /sign-in, which starts a sign-in. If the parameter method has a sign-in method,
// signIn stores it in a cookie and redirects. The next request reads the cookie. The parameter
// restart has the URL of an app's request, sealed by methodURL. With restart, signIn redirects to
// this URL, and the app's request starts the sign-in.
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
			h.rejectReturn(w, r, errors.New("signin: the parameter restart is forged or too old"))
			return
		}
		h.preference.store(w, r, restart, method)
		redirectSeeOther(w, restart)
		return
	}
	var t target
	switch q.Get("scope") { // "profile" is the short name of snsapi_userinfo
	case "", string(wechat.ScopeBase):
	case "profile", string(wechat.ScopeUserInfo):
		t.profile = true
	default:
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	returnTo, ok := h.shortenReturn(w, r, q.Get("return"))
	if !ok {
		return
	}
	t.returnTo = returnTo
	if method != "" {
		h.preference.store(w, r, returnTo, method)
		redirectSeeOther(w, h.startURL(t))
		return
	}
	if err := h.beginOwn(w, r, t); err != nil {
		h.cfg.Site.Error(w, r, err)
	}
}

// beginOwn starts a sign-in that no app requires.
//
// A signed-in user who shares nickname and avatar signs in again, and gets a new session. WeChat
// must confirm the same user, so the sign-in uses the connector (official account) of the old
// session. The old session may come from the login request of an app. The new session keeps the id
// of that request: without it, the app would not accept the new session, and would require another
// sign-in.
func (h *Handler) beginOwn(w http.ResponseWriter, r *http.Request, t target) error {
	login := session.LoginRequest{ReturnURL: t.returnTo, Profile: t.profile}
	if !t.profile {
		return h.begin(w, r, login, wechat.ScopeBase)
	}
	b, signedIn, err := h.Session(r)
	if err != nil {
		return err
	}
	if signedIn {
		login.ID, login.Reauthenticate = b.LoginRequestID, true
		if h.connector(b.Connector) != nil { // nil = removed from the configuration since then
			login.Connector = b.Connector
		}
	}
	return h.begin(w, r, login, wechat.ScopeUserInfo)
}

// askedUser returns the signed-in user whom a page asks something, and the address at which the
// browser continues afterwards. If the address is rejected or no user is signed in, askedUser responds
// and returns false.
func (h *Handler) askedUser(w http.ResponseWriter, r *http.Request) (b session.Browser, returnTo string, ok bool) {
	if returnTo, ok = h.shortenReturn(w, r, r.URL.Query().Get("return")); !ok {
		return b, "", false
	}
	b, ok, err := h.Session(r)
	switch {
	case err != nil:
		h.cfg.Site.Error(w, r, err)
		return b, "", false
	case !ok:
		w.Header().Set("Location", h.startURL(target{returnTo: returnTo}))
		w.WriteHeader(http.StatusFound)
	}
	return b, returnTo, ok
}

// askProfile renders the page that asks for nickname and avatar. Its button is a link and not a
// form. The page has the policy form-action (Content-Security-Policy). With it, browsers block a
// form if a redirect leads to another origin, here WeChat.
func (h *Handler) askProfile(w http.ResponseWriter, r *http.Request) {
	b, returnTo, ok := h.askedUser(w, r)
	switch {
	case !ok:
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

// continueAfter is how long a page of kind web.Continue is shown before it continues.
const continueAfter = 100 * time.Millisecond

// declineProfile serves the form "Continue without" and records that the user is not to be asked
// again in this session. The return address redirects to the app. After a form, browsers block a
// redirect to another origin (form-action of the Content-Security-Policy). So the response is a
// page that continues to the return address.
func (h *Handler) declineProfile(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.readForm(w, r)
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
	// If the session has ended meanwhile, the app's request at the return address starts a sign-in.
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: returnTo, ContinueAfter: continueAfter})
}

// readForm parses the form of one of the gateway's pages and returns its field return, which must
// be a path of the gateway. If the form is invalid, it writes the response and returns false.
func (h *Handler) readForm(w http.ResponseWriter, r *http.Request) (returnTo string, ok bool) {
	if !h.parseForm(w, r) {
		return "", false
	}
	returnTo = strings.TrimPrefix(r.PostForm.Get("return"), h.origin) // an absolute URL of the gateway is valid too
	if !h.isOwnPath(returnTo) {
		h.cfg.Site.Fail(w, r, web.BadReturn)
		return "", false
	}
	return returnTo, true
}

// maxForm is the greatest size of a form, in bytes.
const maxForm = 16 << 10

// parseForm parses a form. If the form is malformed or too large, parseForm writes the response and
// returns false.
func (h *Handler) parseForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return false
	}
	return true
}

// isOwnPath reports whether an address is a path of the gateway. It rejects addresses that browsers
// parse differently, such as //host.
func (h *Handler) isOwnPath(address string) bool {
	_, err := origin.LocalPath(address)
	return err == nil && strings.HasPrefix(address, h.path+"/") && len(address) <= session.MaxReturn
}

// checkReturn returns a valid return address. For an invalid one it renders the error page and
// returns false.
func (h *Handler) checkReturn(w http.ResponseWriter, r *http.Request, address string) (string, bool) {
	returnTo, err := h.returns.Check(address)
	if err != nil {
		h.rejectReturn(w, r, err)
		return "", false
	}
	return returnTo, true
}

// shortenReturn returns a valid return address that a cookie can keep. It saves a longer address,
// and returns the short address of the saved request. When it returns false, it has written the
// response.
func (h *Handler) shortenReturn(w http.ResponseWriter, r *http.Request, address string) (string, bool) {
	returnTo, ok := h.checkReturn(w, r, address)
	if !ok {
		return "", false
	}
	return h.cfg.Saved.Shorten(w, r, returnTo)
}

// rejectReturn renders the error page for an invalid return address.
func (h *Handler) rejectReturn(w http.ResponseWriter, r *http.Request, err error) {
	h.cfg.Site.Show(w, r, web.Page{Kind: web.BadReturn, Go: h.path + "/",
		Rejection: web.Rejection{Request: "sign-in", Attrs: []slog.Attr{slog.Any("error", err)}}})
}

// redirectSeeOther redirects with status 303: the browser continues with GET after any method.
func redirectSeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
