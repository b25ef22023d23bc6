package login

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/weigate/weigate/wechat"
)

// This file has the JSON responses for API calls: requests of scripts and programs. Browsers get
// pages and redirects instead.

// Values of errorResponse.Error. If the handler would show a browser a page, an API call gets the
// kind of the page (PageKind) as the error instead, such as "foreign_form".
const (
	errorSignedOut   = "signed_out"
	errorProfile     = "profile_required" // nickname and avatar are missing or too old
	errorUnavailable = "unavailable"      // the store cannot be reached
)

// errorResponse is the JSON for an API call that is rejected.
type errorResponse struct {
	Error     string `json:"error"`
	SignIn    string `json:"sign_in,omitempty"` // URL that starts a sign-in
	Profile   string `json:"profile,omitempty"` // URL of the page that asks for the profile
	RequestID string `json:"request_id,omitempty"`
}

// formResponse is the JSON for a form that a script sent and that was accepted.
type formResponse struct {
	Return string `json:"return"` // absolute URL where the user continues
}

// challenge is the value of WWW-Authenticate with status 401. RFC 9110 requires the header, and
// Android's HttpURLConnection fails without it. Browsers show a password dialog only for schemes
// that they know, such as "Basic".
const challenge = "Weigate"

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // it fails only when the client closed the connection
}

// writeError rejects an API call.
func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, status int, e errorResponse) {
	e.RequestID = h.requestID(r)
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", challenge)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	writeJSON(w, status, e)
}

// writeSignedOut rejects an API call of a browser that is not signed in. Scripts also call the API
// to find out whether anybody is signed in, so the log line has the level debug.
func (h *Handler) writeSignedOut(w http.ResponseWriter, r *http.Request) {
	h.cfg.Logger.DebugContext(r.Context(), "API call without a session rejected", "route", r.Pattern,
		"request_id", h.requestID(r))
	h.writeError(w, r, http.StatusUnauthorized, errorResponse{Error: errorSignedOut, SignIn: h.address(pathStart)})
}

// logUnreadSession logs that the store returned an error other than ErrNoSession.
func (h *Handler) logUnreadSession(r *http.Request, err error) {
	h.cfg.Logger.ErrorContext(r.Context(), "session not read", "error", err, "request_id", h.requestID(r))
}

// finishForm answers a form that was accepted: it redirects a browser to the return address, and
// returns the address to a script.
func (h *Handler) finishForm(w http.ResponseWriter, r *http.Request, returnTo string) {
	target := h.returns.Absolute(returnTo)
	if isAPICall(r) {
		writeJSON(w, http.StatusOK, formResponse{Return: target})
		return
	}
	seeOther(w, target)
}

// meResponse is the JSON that /sign-in/me returns to scripts on the program's pages. Times are in
// Unix seconds.
type meResponse struct {
	Subject    string         `json:"subject"`
	OpenID     string         `json:"openid"`
	UnionID    string         `json:"unionid,omitempty"`
	AppID      string         `json:"appid"`
	Nickname   string         `json:"nickname"`
	Avatar     string         `json:"avatar"`
	Scopes     []wechat.Scope `json:"scopes"`
	Method     Method         `json:"method"`
	Extra      string         `json:"extra,omitempty"`
	SignedInAt int64          `json:"signed_in_at"`
	ProfileAt  int64          `json:"profile_at,omitempty"` // when WeChat returned nickname and avatar
	ExpiresAt  int64          `json:"expires_at"`
	SignOut    string         `json:"sign_out"` // URL of the page that signs out
}

// serveMe serves /sign-in/me. It responds with 200 and the user, or with 401 and
// "error":"signed_out". If the store fails, it responds with 503.
func (h *Handler) serveMe(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Cookie")
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		h.writeSignedOut(w, r)
		return
	case err != nil:
		h.logUnreadSession(r, err)
		h.writeError(w, r, http.StatusServiceUnavailable, errorResponse{Error: errorUnavailable})
		return
	}
	answer := meResponse{
		Subject: s.Subject, OpenID: s.OpenID, UnionID: s.UnionID, AppID: s.AppID, Nickname: s.Nickname, Avatar: s.AvatarURL,
		Scopes: s.Scopes, Method: s.Method, Extra: s.Extra, SignedInAt: s.SignedInAt.Unix(),
		ExpiresAt: s.ExpiresAt.Unix(), SignOut: h.address(pathSignOut),
	}
	if answer.Scopes == nil { // in JSON a nil slice would be null
		answer.Scopes = []wechat.Scope{}
	}
	if !s.ProfileAt.IsZero() {
		answer.ProfileAt = s.ProfileAt.Unix()
	}
	writeJSON(w, http.StatusOK, answer)
}
