package login

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weigate/weigate/internal/flow"
)

// maxSessionCookies is how many sessions one sign-out ends. A browser has one, or a few
// where another host set some. A header can contain thousands, and each is a call to the store.
const maxSessionCookies = 32

// askSignOut renders a page with a button, for users who follow a link: GET changes nothing.
func (h *Handler) askSignOut(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	p := Page{Kind: PageSignOut, SignOutURL: h.address(pathSignOut), Return: returnTo}
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		redirect(w, r, h.returns.Absolute(returnTo))
		return
	case err == nil:
		p.Nickname = s.Nickname
	}
	h.show(w, r, p)
}

// signOut serves the form of that page.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.PostForm.Get("return"))
	if !ok {
		return
	}
	if err := h.SignOut(w, r); err != nil {
		h.fail(w, r, err)
		return
	}
	seeOther(w, h.returns.Absolute(returnTo))
}

// SignOut does what POST /sign-out does, for a program that answers the request itself: it ends the
// session and every pending sign-in of the browser that sent r. It sets cookies on w and writes
// neither status nor body. It succeeds when no user is signed in. An error is the store's; then the
// session may still exist.
//
// The caller must verify that the user wants to sign out: that the request is a POST from the
// program's own page.
func (h *Handler) SignOut(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, h.cookies.Clear(flow.CookieSession))
	for _, c := range h.engine.ClearCookies(r) {
		http.SetCookie(w, c)
	}
	ended := map[string]bool{}
	for _, cookie := range r.CookiesNamed(h.cookies.Name(flow.CookieSession)) {
		if len(cookie.Value) != flow.SessionIDLength || ended[cookie.Value] {
			continue
		}
		if len(ended) == maxSessionCookies {
			break
		}
		ended[cookie.Value] = true
		if err := h.cfg.Store.DeleteSession(r.Context(), flow.Hash("session", cookie.Value)); err != nil {
			return fmt.Errorf("login: end the session: %w", err)
		}
	}
	return nil
}
