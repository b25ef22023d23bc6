package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/wechat"
)

// Require calls next for signed-in users only; next gets the session with FromContext. For a page,
// other browsers are sent to sign in and return to the same address. For an API call the answer is
// 401 and JSON: a request that accepts JSON but not HTML, that a script sent, or that is neither GET
// nor HEAD. While the store cannot be read the answer is 503.
//
// Responses get "Cache-Control: private, no-store" unless next sets another, so that a page is not
// shown from a cache after signing out.
func (h *Handler) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := h.admit(w, r); s != nil {
			h.pass(w, r, s, next)
		}
	})
}

// RequireProfile is Require for pages that need a nickname and avatar (头像昵称). A user without them,
// or with ones older than Config.ProfileMaxAge, first sees a page that asks for them, with the button
// "Continue without": WeChat shows a snapshot page instead of a consent page that opens without a
// user's action (WeChat's announcement of 2022-05-09). So next must accept an empty Nickname. API
// calls get 403 and JSON instead of the page.
func (h *Handler) RequireProfile(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := h.admit(w, r)
		switch {
		case s == nil:
		case h.freshProfile(s) || s.ProfileDeclined:
			h.pass(w, r, s, next)
		case !isRead(r) && !isAPICall(r):
			h.pass(w, r, s, next) // a redirect would lose the content of the form
		case isAPICall(r):
			setHeaders(w)
			writeJSON(w, http.StatusForbidden, jsonError{Error: "profile_required", Profile: h.address(pathProfile)})
		default:
			setHeaders(w)
			redirect(w, r, h.address(pathProfile)+"?return="+url.QueryEscape(h.here(r)))
		}
	})
}

func (h *Handler) pass(w http.ResponseWriter, r *http.Request, s *Session, next http.Handler) {
	w.Header().Add("Vary", "Cookie")
	w.Header().Set("Cache-Control", "private, no-store")
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
}

// admit returns the session, or answers the request and returns nil when there is none.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) *Session {
	r = h.withRequestID(r)
	s, err := h.Session(r)
	if err == nil {
		return s
	}
	setHeaders(w)
	w.Header().Add("Vary", "Cookie")
	api := isAPICall(r)
	switch {
	case !errors.Is(err, ErrNoSession):
		h.cfg.Logger.ErrorContext(r.Context(), "session not read", "error", err, "request_id", h.requestID(r))
		if api {
			w.Header().Set("Retry-After", retryAfter)
			writeJSON(w, http.StatusServiceUnavailable, jsonError{Error: "unavailable"})
			return nil
		}
		h.show(w, r, Page{Kind: PageBusy})
	case api:
		writeJSON(w, http.StatusUnauthorized, jsonError{Error: "signed_out", SignIn: h.address(pathStart)})
	case !isRead(r):
		h.show(w, r, Page{Kind: PageSignedOut, AgainURL: h.startURL(h.returns.Home(), wechat.ScopeBase)})
	default:
		redirect(w, r, h.startURL(h.here(r), wechat.ScopeBase))
	}
	return nil
}

// here returns the address that the browser requested, as a return address. It adds the path of
// Config.URL where a proxy removed it, and percent-encodes bytes that a return address must not have.
func (h *Handler) here(r *http.Request) string {
	address := r.RequestURI
	if !strings.HasPrefix(address, "/") {
		address = r.URL.RequestURI()
	}
	below, found := strings.CutPrefix(address, h.returns.Prefix)
	if !found || (below != "" && !strings.ContainsAny(below[:1], "/?")) {
		address = h.returns.Prefix + address
	}
	checked, err := h.returns.Check(origin.EscapeBytes(address))
	if err != nil {
		return h.returns.Home()
	}
	return checked
}

// isAPICall reports whether a program sent the request, and not a browser that opens a page. Browsers
// since 2020 (iOS: 2023) send Sec-Fetch-Mode, which distinguishes the two.
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
	return strings.Contains(accept, "json") || !isRead(r)
}

// isRead reports whether a request is GET or HEAD.
func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

type jsonError struct {
	Error   string `json:"error"`
	SignIn  string `json:"sign_in,omitempty"`
	Profile string `json:"profile,omitempty"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // it fails only when the client closed the connection
}

// askProfile renders the page that asks for nickname and avatar. Its button is a link, since
// browsers apply the policy form-action to the redirects after a form, and this one ends at WeChat.
func (h *Handler) askProfile(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		redirect(w, r, h.startURL(returnTo, wechat.ScopeBase))
	case err != nil:
		h.fail(w, r, err)
	case h.freshProfile(s):
		redirect(w, r, h.returns.Absolute(returnTo))
	default:
		h.show(w, r, Page{
			Kind: PageProfile, AgainURL: h.startURL(returnTo, wechat.ScopeUserInfo),
			DeclineURL: h.address(pathProfile), Return: returnTo,
		})
	}
}

// declineProfile serves the form "Continue without". The choice is kept in the session.
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
	case errors.Is(err, ErrNoSession):
		seeOther(w, h.startURL(returnTo, wechat.ScopeBase))
	case err != nil:
		h.fail(w, r, err)
	default:
		seeOther(w, h.returns.Absolute(returnTo))
	}
}

// checkReturn checks a return address, and renders the error page for an invalid one.
func (h *Handler) checkReturn(w http.ResponseWriter, r *http.Request, raw string) (string, bool) {
	returnTo, err := h.returns.Check(raw)
	if err != nil {
		h.refuseReturn(w, r, err)
		return "", false
	}
	return returnTo, true
}

func (h *Handler) refuseReturn(w http.ResponseWriter, r *http.Request, err error) {
	h.cfg.Logger.WarnContext(r.Context(), "return address refused", "error", err, "request_id", h.requestID(r))
	h.show(w, r, Page{Kind: PageBadReturn})
}

// me is the JSON that /sign-in/me returns to scripts of the program.
type me struct {
	Subject    string         `json:"subject"`
	OpenID     string         `json:"openid"`
	UnionID    string         `json:"unionid,omitempty"`
	AppID      string         `json:"appid"`
	Nickname   string         `json:"nickname"`
	Avatar     string         `json:"avatar"`
	Scopes     []wechat.Scope `json:"scopes"`
	Method     Method         `json:"method"`
	SignedInAt int64          `json:"signed_in_at"` // Unix seconds
	ProfileAt  int64          `json:"profile_at,omitempty"`
	ExpiresAt  int64          `json:"expires_at"`
	SignOut    string         `json:"sign_out"`
}

// serveMe serves /sign-in/me: 200 and the user, or 401 and {"error":"signed_out"}.
func (h *Handler) serveMe(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Cookie")
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		writeJSON(w, http.StatusUnauthorized, jsonError{Error: "signed_out", SignIn: h.address(pathStart)})
		return
	case err != nil:
		h.cfg.Logger.ErrorContext(r.Context(), "session not read", "error", err, "request_id", h.requestID(r))
		w.Header().Set("Retry-After", retryAfter)
		writeJSON(w, http.StatusServiceUnavailable, jsonError{Error: "unavailable"})
		return
	}
	answer := me{
		Subject: s.Subject, OpenID: s.OpenID, UnionID: s.UnionID, AppID: s.AppID, Nickname: s.Nickname, Avatar: s.AvatarURL,
		Scopes: s.Scopes, Method: s.Method, SignedInAt: s.SignedInAt.Unix(), ExpiresAt: s.ExpiresAt.Unix(),
		SignOut: h.address(pathSignOut),
	}
	if answer.Scopes == nil {
		answer.Scopes = []wechat.Scope{}
	}
	if !s.ProfileAt.IsZero() {
		answer.ProfileAt = s.ProfileAt.Unix()
	}
	writeJSON(w, http.StatusOK, answer)
}
