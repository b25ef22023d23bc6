package login

import (
	"errors"
	"net/http"

	"github.com/weigate/weigate/wechat"
)

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
