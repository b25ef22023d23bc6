package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/wechat"
)

// Require calls next for signed-in users only; next gets the session with FromContext. A browser
// that is not signed in is redirected to the sign-in, and returns to the same URL afterwards. A
// form gets a page with a button instead, because a redirect would lose its content. While the
// store cannot be read, the response is 503.
//
// An API call that is not signed in gets 401 and JSON. A request is an API call in these cases:
//
//   - It has the header Sec-Fetch-Mode with another value than "navigate".
//   - It has no Sec-Fetch-Mode, but "X-Requested-With: XMLHttpRequest".
//   - It has neither header and does not accept HTML. It accepts JSON, or its method is neither GET
//     nor HEAD.
//
// Programs such as curl often send only "Accept: */*". A GET request of theirs is redirected. Use
// RequireAPI for addresses that only scripts and programs request.
//
// Require sets "Cache-Control: private, no-store". Otherwise a cache could show a page after the
// user has signed out. next can replace the header.
func (h *Handler) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := h.requireSession(w, r, isAPICall(r)); s != nil {
			h.serveSignedIn(w, r, s, next)
		}
	})
}

// RequireAPI is Require for an API: it never redirects and never renders a page, whatever headers
// the request has. A request without a session gets 401 and JSON. The header WWW-Authenticate names
// the scheme "Weigate" (RFC 9110 requires a scheme), for which browsers show no dialog. While the
// store cannot be read, the response is 503 and JSON. The member "error" of the JSON is
// "signed_out" or "unavailable", and "request_id" is also in the header X-Request-Id.
//
// The session cookie has SameSite=Lax: a request of another site has no session, unless the browser
// opens a page with GET. next must not change anything on GET. Other subdomains belong to the same
// site. If they are not trusted, wrap the program's routes in http.CrossOriginProtection.
func (h *Handler) RequireAPI(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := h.requireSession(w, r, true); s != nil {
			h.serveSignedIn(w, r, s, next)
		}
	})
}

// RequireProfile is Require for pages that need a nickname and avatar (头像昵称). If they are missing
// or older than Config.ProfileMaxAge, it first redirects to a page with a button that requests
// them. The button is necessary, because WeChat's consent page must open after a press of a button.
// Otherwise WeChat shows a snapshot page (快照页) and returns a virtual user (WeChat's announcement of
// 2022-05-09).
//
// The page also has a button "Continue without", so next must accept an empty Nickname. API calls
// get 403 and JSON instead of the page. A form is passed to next even without a profile.
func (h *Handler) RequireProfile(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = h.withRequestID(r)
		s := h.requireSession(w, r, isAPICall(r))
		switch {
		case s == nil: // requireSession has answered the request
		case h.freshProfile(s) || s.ProfileDeclined:
			h.serveSignedIn(w, r, s, next)
		case !isGetOrHead(r) && !isAPICall(r): // a form: a redirect would lose its content
			h.serveSignedIn(w, r, s, next)
		case isAPICall(r):
			h.setHeaders(w, r)
			h.writeError(w, r, http.StatusForbidden,
				errorResponse{Error: errorProfile, Profile: h.address(pathProfile)})
		default:
			h.setHeaders(w, r)
			redirect(w, r, h.address(pathProfile)+"?return="+url.QueryEscape(h.currentAddress(r)))
		}
	})
}

// serveSignedIn calls next with the session in the request's context.
func (h *Handler) serveSignedIn(w http.ResponseWriter, r *http.Request, s *Session, next http.Handler) {
	w.Header().Add("Vary", "Cookie")
	w.Header().Set("Cache-Control", "private, no-store")
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
}

// requireSession returns the session. When there is none, it answers the request and returns nil.
// The answer is JSON if api is true.
func (h *Handler) requireSession(w http.ResponseWriter, r *http.Request, api bool) *Session {
	r = h.withRequestID(r)
	s, err := h.Session(r)
	if err == nil {
		return s
	}
	h.setHeaders(w, r)
	w.Header().Add("Vary", "Cookie")
	switch {
	case !errors.Is(err, ErrNoSession):
		h.logUnreadSession(r, err)
		if api {
			h.writeError(w, r, http.StatusServiceUnavailable, errorResponse{Error: errorUnavailable})
			return nil
		}
		h.showPage(w, r, Page{Kind: PageBusy})
	case api:
		h.writeSignedOut(w, r)
	case !isGetOrHead(r): // a form: a redirect would lose its content
		h.showPage(w, r, Page{Kind: PageSignedOut, AgainURL: h.startURL(h.returns.Home(), wechat.ScopeBase)})
	default:
		redirect(w, r, h.startURL(h.currentAddress(r), wechat.ScopeBase))
	}
	return nil
}

// currentAddress returns the address that the browser requested, as a return address. If a proxy
// has removed the path of Config.URL, currentAddress adds it. Bytes that a return address must not
// have are percent-encoded.
func (h *Handler) currentAddress(r *http.Request) string {
	address := r.RequestURI
	if !strings.HasPrefix(address, "/") { // an absolute URL, or "" in a request of a test
		address = r.URL.RequestURI()
	}
	below, found := strings.CutPrefix(address, h.returns.Prefix)
	// "/apples" is not below the prefix "/app": "/" or "?" must follow the prefix.
	if !found || (below != "" && !strings.ContainsAny(below[:1], "/?")) {
		address = h.returns.Prefix + address
	}
	checked, err := h.returns.Check(origin.EscapeBytes(address))
	if err != nil {
		return h.returns.Home()
	}
	return checked
}

// isAPICall reports whether a script or program sent the request, rather than a browser that opens
// a page. Browsers since 2020 (iOS: 2023) send Sec-Fetch-Mode, which is "navigate" for a page.
func isAPICall(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode != "navigate"
	}
	if strings.EqualFold(r.Header.Get("X-Requested-With"), "XMLHttpRequest") {
		return true
	}
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "text/html") {
		return false
	}
	return strings.Contains(accept, "json") || !isGetOrHead(r)
}

// isGetOrHead reports whether a request is GET or HEAD.
func isGetOrHead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// showProfilePage renders the page that asks for nickname and avatar. Its button is a link, not a
// form. Browsers apply the Content Security Policy form-action to redirects after a form, so they
// would block the redirect to WeChat.
func (h *Handler) showProfilePage(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		redirect(w, r, h.startURL(returnTo, wechat.ScopeBase))
	case err != nil:
		h.showError(w, r, err)
	case h.freshProfile(s):
		redirect(w, r, h.returns.Absolute(returnTo))
	default:
		h.showPage(w, r, Page{
			Kind: PageProfile, AgainURL: h.startURL(returnTo, wechat.ScopeUserInfo),
			DeclineURL: h.address(pathProfile), Return: returnTo,
		})
	}
}

// declineProfile serves the form "Continue without". It stores the choice in the session.
func (h *Handler) declineProfile(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.PostForm.Get("return"))
	if !ok {
		return
	}
	_, id, err := h.session(r)
	if err == nil {
		err = h.cfg.Store.UpdateSession(r.Context(), id, SessionUpdate{ProfileDeclined: true}, h.cfg.Now())
	}
	switch {
	case errors.Is(err, ErrNoSession) && isAPICall(r):
		h.writeSignedOut(w, r)
	case errors.Is(err, ErrNoSession):
		seeOther(w, h.startURL(returnTo, wechat.ScopeBase))
	case err != nil:
		h.showError(w, r, err)
	default:
		h.finishForm(w, r, returnTo)
	}
}

// checkReturn validates a return address. For an invalid one it renders the error page and returns
// false.
func (h *Handler) checkReturn(w http.ResponseWriter, r *http.Request, raw string) (string, bool) {
	returnTo, err := h.returns.Check(raw)
	if err != nil {
		h.refuseReturn(w, r, err)
		return "", false
	}
	return returnTo, true
}

// refuseReturn renders the error page for an invalid return address.
func (h *Handler) refuseReturn(w http.ResponseWriter, r *http.Request, err error) {
	h.cfg.Logger.WarnContext(r.Context(), "return address refused", "error", err, "request_id", h.requestID(r))
	h.showPage(w, r, Page{Kind: PageBadReturn})
}
