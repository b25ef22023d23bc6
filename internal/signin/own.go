package signin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the user's own pages: the home page, the same data as JSON, and signing out.

// home renders the home page: the user's data and sessions, or a button that signs in.
func (h *Handler) home(w http.ResponseWriter, r *http.Request) {
	b, signedIn, err := h.Session(r)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	signIn := h.startURL(target{returnTo: h.returns.Home()})
	w.Header().Add("Vary", "Cookie")
	if !signedIn { // methodChoice: the browser forgets the sign-in method that the user chose before
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Welcome, Go: signIn + "&method=" + methodChoice})
		return
	}
	sessions, err := h.cfg.Sessions.UserSessions(r.Context(), b.UserID, h.cfg.Now())
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	user := &web.UserID{ID: b.User.ID}
	for _, s := range sessions {
		user.Sessions = append(user.Sessions, h.listedSession(s, s.Hash == b.Hash))
	}
	page := web.Page{
		Kind: web.Own, User: &web.User{Nickname: b.User.Nickname, Picture: b.User.AvatarURL}, UserID: user,
		Forms: []web.Form{
			{
				Action: h.path + pathSignOut, Label: web.LabelSignOut, Quiet: true,
				Fields: map[string]string{"return": h.path + "/"},
			},
			{Action: h.path + pathEverywhere, Label: web.LabelSignOutAll, Quiet: true},
		},
	}
	profile := h.startURL(target{returnTo: h.returns.Home(), profile: true})
	switch {
	case b.Method != MethodWeChat: // WeChat's consent page can be shown inside WeChat only
	case h.freshProfile(b):
		page.Links = []web.Link{{Label: web.LabelUpdateProfile, Go: profile}}
	default:
		page.Go = profile
	}
	h.cfg.Site.Show(w, r, page)
}

// listedSession returns a session as the home page lists it. The session of another browser has a
// button that ends it. The user may have confirmed a scan (sign-in by QR code) for an attacker's
// browser.
func (h *Handler) listedSession(s gateway.Session, current bool) web.Session {
	out := web.Session{ID: session.FormID(s.Hash), Current: current, Since: s.CreatedAt, Seen: s.SeenAt}
	data := session.ReadData(s.Data)
	out.Browser = data.Browser
	if scan := data.Scan; scan != nil {
		out.Scan, out.Browser, out.MaskedIP = true, scan.Browser, scan.MaskedIP
	}
	if !current {
		out.SignOut = h.path + pathBrowser
	}
	return out
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
	cleared, err := h.cfg.Sessions.SignOut(r)
	http.SetCookie(w, cleared)
	return err
}

// endTimeout limits how long the ending of sessions waits for the store.
const endTimeout = 10 * time.Second

// requireSession returns the signed-in browser that sent a form. Without a session it responds with a
// page and returns false.
func (h *Handler) requireSession(w http.ResponseWriter, r *http.Request) (b session.Browser, ok bool) {
	b, signedIn, err := h.Session(r)
	switch {
	case err != nil:
		h.cfg.Site.Error(w, r, err)
	case !signedIn:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.PleaseSignIn, Go: h.path + "/"})
	}
	return b, err == nil && signedIn
}

// endEverywhere serves POST /sign-out/everywhere. It ends every session of the user, in all
// browsers. It also revokes the user's grants (authorizations of apps).
func (h *Handler) endEverywhere(w http.ResponseWriter, r *http.Request) {
	b, ok := h.requireSession(w, r)
	if !ok {
		return
	}
	now := h.cfg.Now()
	// The sign-out is completed even if the user closes the page now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endTimeout)
	defer cancel()
	_, err := h.cfg.Sessions.EndEverywhere(ctx, b.User.ID, now)
	if err == nil {
		err = h.End(w, r)
	}
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.events.Record(ctx, gateway.Event{
		At: now, Kind: EventSignOutAll, UserID: b.User.ID, Connector: b.Connector, Method: b.Method, Outcome: "ok",
	})
	h.cfg.Site.Show(w, r, web.Page{Kind: web.EndedAll, Go: h.path + "/"})
}

// endBrowser serves POST /sign-out/browser. It ends one session of the user. The form field session
// identifies the session. endBrowser also revokes the grants (authorizations of apps) that were
// made with the session. If the session has ended already, endBrowser succeeds.
func (h *Handler) endBrowser(w http.ResponseWriter, r *http.Request) {
	if !h.parseForm(w, r) {
		return
	}
	b, ok := h.requireSession(w, r)
	if !ok {
		return
	}
	now := h.cfg.Now()
	// The sign-out is completed even if the user closes the page now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endTimeout)
	defer cancel()
	sessions, err := h.cfg.Sessions.UserSessions(ctx, b.UserID, now)
	for _, s := range sessions {
		if err != nil || session.FormID(s.Hash) != r.PostForm.Get("session") {
			continue // another session, or an error before
		}
		if err = h.cfg.Sessions.End(ctx, s.Hash, now); err == nil {
			event := gateway.Event{At: now, Kind: EventEndBrowser, UserID: b.User.ID, Connector: s.Connector,
				Method: s.Method, Outcome: "ok"}
			if scan := session.ReadData(s.Data).Scan; scan != nil {
				event.App, event.Detail = scan.App, scan.Browser
			}
			h.events.Record(ctx, event)
		}
	}
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	redirectSeeOther(w, h.path+"/")
}
