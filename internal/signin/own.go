package signin

import (
	"encoding/json"
	"net/http"

	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file has what other packages show about the signed-in user: addresses of sign-ins, the user
// as JSON, and signing out.

// SignInURL returns the address of the button that signs in and continues at the home page. The
// browser forgets the sign-in method that the user chose before.
func (h *Handler) SignInURL() string {
	return h.startURL(target{returnTo: h.returns.Home()}) + "&method=" + methodChoice
}

// ProfileURL returns the address at which the user of a browser shares nickname and avatar, and
// continues at the home page. The address is "" for a session that was not created inside WeChat:
// only inside WeChat can WeChat's consent page be shown. known reports whether nickname and avatar
// are known and not too old.
func (h *Handler) ProfileURL(b session.Browser) (address string, known bool) {
	if b.Method != MethodWeChat {
		return "", h.freshProfile(b)
	}
	return h.startURL(target{returnTo: h.returns.Home(), profile: true}), h.freshProfile(b)
}

// me is the JSON that /sign-in/me returns. Times are Unix seconds.
type me struct {
	Subject    string   `json:"subject"`
	OpenID     string   `json:"openid"`
	AppID      string   `json:"appid"`
	Nickname   string   `json:"nickname"`
	Avatar     string   `json:"avatar"`
	Scopes     []string `json:"scopes"`
	Method     string   `json:"method"`
	SignedInAt int64    `json:"signed_in_at"`
	ProfileAt  int64    `json:"profile_at,omitempty"` // when WeChat returned nickname and avatar
	ExpiresAt  int64    `json:"expires_at"`
	SignOut    string   `json:"sign_out"` // URL of the page that signs out
}

// me serves /sign-in/me: 200 and the user, or 401 if no user is signed in, or 503 if the store is
// unavailable.
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
	if answer.Scopes == nil { // in JSON a nil slice would be null
		answer.Scopes = []string{}
	}
	if !b.User.ProfileAt.IsZero() {
		answer.ProfileAt = b.User.ProfileAt.Unix()
	}
	writeJSON(w, http.StatusOK, answer)
}

// writeJSON writes v as JSON with a status.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // it fails only when the client closed the connection
}

// askSignOut serves GET /sign-out. It renders a page with a button instead of signing out, because
// a GET request can come from a link or an image on another site.
func (h *Handler) askSignOut(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	b, signedIn, err := h.Session(r)
	if err == nil && !signedIn {
		h.cfg.Site.Redirect(w, r, http.StatusFound, h.returns.Absolute(returnTo))
		return
	}
	// If the store cannot be read, the page is shown without the nickname.
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.SignOut, User: &web.User{Nickname: b.User.Nickname}, Back: h.returns.Absolute(returnTo),
		Forms: []web.Form{{
			Action: h.path + pathSignOut, Label: web.LabelSignOut, Fields: map[string]string{"return": returnTo},
		}},
	})
}

// signOut serves POST /sign-out. It ends the session of this browser and continues at the return
// address.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	if !h.parseForm(w, r) {
		return
	}
	returnTo, ok := h.checkReturn(w, r, r.PostForm.Get("return"))
	if !ok {
		return
	}
	if err := h.End(w, r); err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.cfg.Site.Redirect(w, r, http.StatusSeeOther, h.returns.Absolute(returnTo))
}

// End signs this browser out. It sets headers on w that clear the cookies, and writes neither
// status nor body. If no user is signed in, End returns nil. An error comes from the store; the
// session may then still exist.
func (h *Handler) End(w http.ResponseWriter, r *http.Request) error {
	// The cookies of sign-ins in progress are cleared too. Otherwise the browser's back button
	// could repeat a callback and sign the user in again. All connectors share these cookies.
	for _, c := range h.connectors[0].engine.ClearCookies(r) {
		http.SetCookie(w, c)
	}
	h.agreement.dropTick(w, r)
	cleared, err := h.cfg.Sessions.SignOut(r)
	http.SetCookie(w, cleared)
	return err
}
