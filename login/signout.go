package login

import (
	"errors"
	"fmt"
	"net/http"
)

// maxSessionCookies is how many sessions one sign-out ends. A browser has one,
// and a few more where somebody planted them; a header has room for thousands,
// each a call to the store.
const maxSessionCookies = 32

// askSignOut shows a button, for those who come by a link: GET changes nothing.
func (h *Handler) askSignOut(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.returnOf(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	p := Page{Kind: PageSignOut, SignOutURL: h.address(pathSignOut), Return: returnTo}
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		redirect(w, r, h.returns.absolute(returnTo))
		return
	case err == nil:
		p.Nickname = s.Nickname
	}
	h.show(w, r, p)
}

// signOut ends the session, and every sign-in that this browser has under way:
// "back" must not bring the session back.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.returnOf(w, r, r.PostForm.Get("return"))
	if !ok {
		return
	}
	if err := h.SignOut(w, r); err != nil {
		h.fail(w, r, err)
		return
	}
	seeOther(w, h.returns.absolute(returnTo))
}

// SignOut does what POST /sign-out does, for a program that answers the request
// itself: it ends the session and every pending sign-in of the browser that sent
// r. It sets cookies on w and writes neither status nor body. Nobody being signed
// in is no error; an error is the store's, and then the session may live on.
//
// The caller has made sure that the request is the person's own wish: it is a
// POST, and comes from the app's own page.
func (h *Handler) SignOut(w http.ResponseWriter, r *http.Request) error {
	h.cookies.clear(w, h.cookies.session())
	h.cookies.clear(w, h.cookies.trace())
	h.cookies.clearFlows(w, r)
	ended := map[string]bool{}
	for _, cookie := range r.CookiesNamed(h.cookies.session()) {
		if len(cookie.Value) != sessionIDLength || ended[cookie.Value] {
			continue
		}
		if len(ended) == maxSessionCookies {
			break
		}
		ended[cookie.Value] = true
		if err := h.cfg.Store.DeleteSession(r.Context(), hashed("session", cookie.Value)); err != nil {
			return fmt.Errorf("login: end the session: %w", err)
		}
	}
	return nil
}
