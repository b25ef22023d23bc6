package login

import (
	"errors"
	"net/http"

	"github.com/weigate/weigate/wechat"
)

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
