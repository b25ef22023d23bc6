package signin

import (
	"context"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// askSignOut renders a page with a button, for users who follow a link: GET changes nothing.
func (h *Handler) askSignOut(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	b, signedIn, err := h.Session(r)
	if err == nil && !signedIn {
		w.Header().Set("Location", h.returns.Absolute(returnTo))
		w.WriteHeader(http.StatusFound)
		return
	}
	// When the store cannot be read, the page is shown without the nickname.
	h.cfg.Site.Show(w, r, web.Page{Kind: web.SignOut, User: &web.User{Nickname: b.User.Nickname}, Forms: []web.Form{{
		Action: h.path + pathSignOut, Label: web.LabelSignOut, Fields: map[string]string{"return": returnTo},
	}}})
}

// signOut ends the session of this browser, and every sign-in that it has in progress: the back
// button must not bring the session back.
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
	redirectSeeOther(w, h.returns.Absolute(returnTo))
}

// End signs this browser out and clears its cookies with headers on w; it writes no status and no
// body. It succeeds when no user is signed in. An error is the store's; then the session may still
// exist.
func (h *Handler) End(w http.ResponseWriter, r *http.Request) error {
	for _, c := range h.connectors[0].engine.ClearCookies(r) {
		http.SetCookie(w, c)
	}
	cleared, err := h.cfg.Sessions.SignOut(r)
	http.SetCookie(w, cleared)
	return err
}

// endEverywhere ends every session of the user.
func (h *Handler) endEverywhere(w http.ResponseWriter, r *http.Request) {
	b, signedIn, err := h.Session(r)
	switch {
	case err != nil:
		h.cfg.Site.Error(w, r, err)
		return
	case !signedIn:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.PleaseSignIn, Go: h.path + "/"})
		return
	}
	now := h.cfg.Now()
	// Complete the sign-out even when the user closes the page.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	_, err = h.cfg.Sessions.EndEverywhere(ctx, b.User.ID, now)
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
