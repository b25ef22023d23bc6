package login

import (
	"errors"
	"net/http"

	"github.com/weigate/weigate/wechat"
)

// askProfile shows the page that asks for nickname and avatar. Its button is a
// link, since a form that ends at WeChat would be stopped by form-action.
func (h *Handler) askProfile(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.returnOf(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		redirect(w, r, h.again(returnTo, wechat.ScopeBase))
	case err != nil:
		h.fail(w, r, err)
	case h.freshProfile(s):
		redirect(w, r, h.returns.absolute(returnTo))
	default:
		h.show(w, r, Page{
			Kind: PageProfile, AgainURL: h.again(returnTo, wechat.ScopeUserInfo),
			DeclineURL: h.address(pathProfile), Return: returnTo,
		})
	}
}

// declineProfile is "go on without": it is remembered for the session.
func (h *Handler) declineProfile(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.returnOf(w, r, r.PostForm.Get("return"))
	if !ok {
		return
	}
	_, id, err := h.session(r)
	if err == nil {
		err = h.cfg.Store.UpdateSession(r.Context(), id, SessionUpdate{ProfileDeclined: true}, h.cfg.Now())
	}
	switch {
	case errors.Is(err, ErrNoSession):
		seeOther(w, h.again(returnTo, wechat.ScopeBase))
	case err != nil:
		h.fail(w, r, err)
	default:
		seeOther(w, h.returns.absolute(returnTo))
	}
}

// returnOf checks a return address, and shows the error page for a bad one.
func (h *Handler) returnOf(w http.ResponseWriter, r *http.Request, raw string) (string, bool) {
	returnTo, err := h.returns.check(raw)
	if err != nil {
		h.cfg.Logger.WarnContext(r.Context(), "sign-in: return address refused", "error", err, "request", h.requestID(r))
		h.show(w, r, Page{Kind: PageBadReturn})
		return "", false
	}
	return returnTo, true
}
