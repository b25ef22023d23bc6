package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file decides who may open the pages, and which requests are accepted.

// visit is a request, with what enter has found out about it.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	browser session.Browser // zero = nobody is signed in
	lang    string          // of the page
	waiting int             // number of access requests that wait; every page shows it
	now     time.Time
	page    page
}

// serve returns the handler of a route. It checks the caller and the form, and then calls the
// route.
func (h *Handler) serve(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Add("Vary", "Cookie")
		v := &visit{w: w, r: r, lang: lang.FromRequest(r), now: h.cfg.Now(), page: p}
		entered, err := h.enter(v)
		if err == nil && entered {
			err = p.serve(h, v)
		}
		if err != nil {
			h.fail(v, err)
		}
	}
}

// fail responds to an error of enter or of a route. If the error describes the input or the data,
// the page names the reason. Otherwise it is the general error page of package web.
func (h *Handler) fail(v *visit, err error) {
	problems := h.problemsOf(v, err)
	var refuseErr error
	switch reason := reasonOf(err); {
	case errors.Is(err, errInput):
		refuseErr = h.refuse(v, http.StatusBadRequest, "input", "")
	case len(problems) > 0:
		for _, text := range problems { // there is only one
			refuseErr = h.refuse(v, http.StatusBadRequest, "input", text)
		}
	case reason == "not_found":
		refuseErr = h.refuse(v, http.StatusNotFound, "not_found", "")
	case reason != "":
		refuseErr = h.refuse(v, http.StatusConflict, "impossible", h.text(v, "reason."+reason))
	default:
		h.cfg.Site.Error(v.w, v.r, err)
	}
	if refuseErr != nil {
		h.cfg.Site.Error(v.w, v.r, refuseErr)
	}
}

// enter reports whether the caller may use the route. If not, it has responded: with a sign-in, or
// with a page that names the reason and what to do. The first line that applies decides.
//
//	address not in Config.Addresses      403
//	route for everybody (page.open)      accepted
//	nobody signed in                     the sign-in; for a form, 403 with a link to the sign-in;
//	                                     with Config.ChatOnly, 403 with the command for the server
//	not an active administrator          403, with a link to sign in as another user
//	signed in by scan                    403: the QR code may have been on an attacker's screen
//	signed in in a chat                  403: an attacker may have talked the user into it
//	form without a valid token           403
//
// If the route requires a recent sign-in (page.fresh), these lines follow:
//
//	signed in by link, without WeChat    403, with the command for the server
//	sign-in too old                      the sign-in; a form is then shown again, with its values
func (h *Handler) enter(v *visit) (entered bool, err error) {
	if !h.addressAllowed(v.r) {
		return false, h.refuse(v, http.StatusForbidden, "address", "")
	}
	b, signedIn, err := h.cfg.SignIn.Session(v.r)
	switch {
	case err != nil:
		return false, err
	case !signedIn && v.page.open:
		return true, nil
	case !signedIn && v.r.Method == http.MethodPost:
		return false, h.refuse(v, http.StatusForbidden, "signed_out", "")
	case !signedIn:
		return false, h.begin(v, v.r.URL.RequestURI(), false)
	}
	v.browser = b
	switch {
	case v.page.open:
		return true, nil
	case !b.User.Admin || b.User.Status != gateway.Active:
		return false, h.refuse(v, http.StatusForbidden, "not_admin", "")
	case b.Method != gateway.MethodWeChat && b.Method != gateway.MethodWebsite && b.Method != gateway.MethodLink:
		return false, h.refuse(v, http.StatusForbidden, reasonOfMethod(b.Method), "")
	}
	if v.r.Method == http.MethodPost {
		if err := v.r.ParseForm(); err != nil {
			return false, errInput
		}
		if !h.tokenValid(b.Hash, v.r.PostForm["token"]) {
			return false, h.refuse(v, http.StatusForbidden, "token", "")
		}
	}
	if v.page.fresh && !b.IsFresh(v.now, limit.AdminSignInAge.Duration) {
		return false, h.requireFresh(v)
	}
	v.waiting, err = h.cfg.Service.CountWaiting(v.r.Context())
	return err == nil, err
}

// reasonOfMethod returns the reason why a sign-in by a method does not open the pages.
func reasonOfMethod(method string) string {
	if method == gateway.MethodMessage || method == gateway.MethodFollow {
		return "chat"
	}
	return "scan"
}

// addressAllowed reports whether the client's address is in one of the configured networks, or no
// networks are configured.
func (h *Handler) addressAllowed(r *http.Request) bool {
	return len(h.cfg.Addresses) == 0 || route.Contains(h.cfg.Addresses, route.Address(r))
}

// requireFresh begins the sign-in that a route with page.fresh requires. Afterwards the browser
// continues at the route's page. If the request is a form, the address of the page has its values.
func (h *Handler) requireFresh(v *visit) error {
	if v.browser.Method == gateway.MethodLink {
		return h.refuse(v, http.StatusForbidden, "link", "")
	}
	returnTo := v.r.URL.RequestURI()
	if v.r.Method == http.MethodPost {
		typed := url.Values{}
		for name, values := range v.r.PostForm {
			if name != "token" {
				typed[name] = values
			}
		}
		// With this confirmation, the page asks the administrator to send the form once more.
		page := h.confirm(v, v.r.URL.EscapedPath(), web.Confirmation{Act: "sign_in"}, signInTime)
		returnTo = page + "&" + typed.Encode()
		if len(returnTo) > session.MaxReturn {
			returnTo = page
		}
	}
	return h.begin(v, returnTo, true)
}

// signInTime is how long an administrator may take to sign in again. Later, the page has the form without
// the confirmation.
const signInTime = 30 * time.Minute

// begin redirects to the sign-in, if the gateway has one that opens the pages. Administrators sign
// in at WeChat in this browser: the method scan is not accepted. With reauthenticate, a user who is
// signed in must sign in again.
func (h *Handler) begin(v *visit, returnTo string, reauthenticate bool) error {
	if h.cfg.ChatOnly {
		return h.refuse(v, http.StatusForbidden, "link_only", "")
	}
	if len(returnTo) > session.MaxReturn {
		returnTo = h.root
	}
	return h.cfg.SignIn.Begin(v.w, v.r, session.LoginRequest{
		ID: strings.ToLower(rand.Text()), ReturnURL: returnTo, RestartURL: returnTo,
		App:            gateway.App{Methods: []string{gateway.MethodWeChat, gateway.MethodWebsite}},
		Reauthenticate: reauthenticate,
	})
}

// signInAgain serves the link to sign in as another user, or once more. The sign-in then continues
// at the overview.
func (h *Handler) signInAgain(v *visit) error { return h.begin(v, h.root, true) }

// token returns the CSRF token for the forms of a session. A form of another website, or of another
// session, does not have it.
func (h *Handler) token(sessionHash [32]byte) string { return formToken(h.cfg.Keys[0], sessionHash) }

// formToken returns the token that a key of Config.Keys makes for a session.
func formToken(key []byte, sessionHash [32]byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("weigate admin form\x00"))
	mac.Write(sessionHash[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18]) // 144 bits
}

// tokenValid reports whether sent, the tokens in a form, is exactly one token: the token of this
// session. Any key of Config.Keys can have made it, so that forms stay valid when the first key
// changes.
func (h *Handler) tokenValid(sessionHash [32]byte, sent []string) bool {
	if len(sent) != 1 {
		return false
	}
	for _, key := range h.cfg.Keys {
		if hmac.Equal([]byte(formToken(key, sessionHash)), []byte(sent[0])) {
			return true
		}
	}
	return false
}

// by returns the administrator as the actor of a change.
func (h *Handler) by(v *visit) administration.Actor {
	return administration.Actor{
		ID: v.browser.User.ID, Address: route.MaskedAddress(route.Address(v.r)),
		RequestID: h.cfg.RequestID(v.r.Context()), Link: v.browser.Method == gateway.MethodLink,
	}
}
