package signin

import (
	"encoding/json"
	"net/http"
)

// me is the JSON that /sign-in/me returns to scripts of the gateway's own pages.
type me struct {
	Subject    string   `json:"subject"`
	OpenID     string   `json:"openid"`
	AppID      string   `json:"appid"`
	Nickname   string   `json:"nickname"`
	Avatar     string   `json:"avatar"`
	Scopes     []string `json:"scopes"`
	Method     string   `json:"method"`
	SignedInAt int64    `json:"signed_in_at"` // Unix seconds
	ProfileAt  int64    `json:"profile_at,omitempty"`
	ExpiresAt  int64    `json:"expires_at"`
	SignOut    string   `json:"sign_out"`
}

// me serves /sign-in/me: 200 and the user, or 401 and {"error":"signed_out"}.
func (h *Handler) me(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Cookie")
	b, signedIn, err := h.Session(r)
	switch {
	case err != nil:
		h.cfg.Logger.ErrorContext(r.Context(), "session not read", "error", err, "request_id", h.cfg.RequestID(r.Context()))
		w.Header().Set("Retry-After", "5")
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
		return
	case !signedIn:
		writeJSON(w, http.StatusUnauthorized, map[string]string{
			"error": "signed_out", "sign_in": h.origin + h.path + pathSignIn,
		})
		return
	}
	answer := me{
		Subject: b.User.ID, OpenID: b.OpenID, AppID: b.AppID, Nickname: b.User.Nickname, Avatar: b.User.AvatarURL,
		Scopes: b.Scopes, Method: b.Method, SignedInAt: b.AuthTime.Unix(), ExpiresAt: b.ExpiresAt.Unix(),
		SignOut: h.origin + h.path + pathSignOut,
	}
	if answer.Scopes == nil {
		answer.Scopes = []string{}
	}
	if !b.User.ProfileAt.IsZero() {
		answer.ProfileAt = b.User.ProfileAt.Unix()
	}
	writeJSON(w, http.StatusOK, answer)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // it fails only when the client closed the connection
}
