package invitation

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// The fields of the forms.
const (
	fieldDo      = "do"
	fieldSession = "session" // session.FormID: identifies the session of the user whom the page named
)

// Values of fieldDo.
const (
	doAccept        = "accept"
	doWithoutWeChat = "without_wechat"
)

// storeTimeout limits how long a redemption waits for the store. The redemption is completed even
// if the user closes the page.
const storeTimeout = 10 * time.Second

// accept serves POST: the user has pressed a button.
func (h *Handler) accept(w http.ResponseWriter, r *http.Request) {
	v, ok := h.open(w, r)
	if !ok {
		return
	}
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	defer cancel()
	do := r.PostForm.Get(fieldDo)
	switch {
	case v.invalid:
		h.showInvalid(w, r, v)
	case do == doWithoutWeChat && v.invitation.Kind == gateway.InviteAdmin:
		h.acceptWithoutWeChat(ctx, w, r, v)
	case do == doAccept && v.usable() && r.PostForm.Get(fieldSession) == session.FormID(v.browser.Hash):
		h.acceptAs(ctx, w, r, v)
	default:
		// The session has ended, or belongs to another user than the page showed. The page now names
		// the present user, and asks again.
		page, err := h.page(r, v)
		if err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		h.cfg.Site.Show(w, r, page)
	}
}

// acceptAs accepts the invitation for the signed-in user.
func (h *Handler) acceptAs(ctx context.Context, w http.ResponseWriter, r *http.Request, v visit) {
	user, used, err := h.cfg.Store.RedeemInvitation(ctx, gateway.InvitationRedemption{
		Hash: v.invitation.Hash, UserID: v.browser.User.ID, Now: h.cfg.Now(),
		Event: h.event(r, EventUsed, v.browser.Method),
	})
	if err != nil {
		h.fail(w, r, v, err)
		return
	}
	h.showDone(ctx, w, r, v, user, used)
}

// acceptWithoutWeChat signs an administrator in by the link alone, for the case that WeChat or the
// account at WeChat fails. The previous session of the browser ends.
func (h *Handler) acceptWithoutWeChat(ctx context.Context, w http.ResponseWriter, r *http.Request, v visit) {
	now := h.cfg.Now()
	id, created, err := h.cfg.Sessions.NewLinkSession(now)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	user, _, err := h.cfg.Store.RedeemInvitation(ctx, gateway.InvitationRedemption{
		Hash: v.invitation.Hash, Now: now, WithoutWeChat: &created, // the store takes the user from the invitation
		Event: h.event(r, EventAdminLink, gateway.MethodLink),
	})
	if err != nil {
		h.fail(w, r, v, err)
		return
	}
	if v.signedIn {
		if err := h.cfg.Sessions.End(ctx, v.browser.Hash, now); err != nil {
			h.cfg.Logger.ErrorContext(ctx, "previous session not ended", "error", err, "request_id",
				h.cfg.RequestID(r.Context()))
		}
	}
	h.cfg.Notify(ctx, gateway.Notice{
		Kind: gateway.NoticeAdminLink, At: now, User: cmp.Or(user.DisplayName(), user.ID), UserID: user.ID,
	})
	http.SetCookie(w, h.cfg.Sessions.NewCookie(id))
	route.SeeOther(w, h.path+pathAdmin)
}

// event returns the event of a redemption. The store sets user, time and detail.
func (h *Handler) event(r *http.Request, kind, method string) gateway.Event {
	return gateway.Event{
		Kind: kind, Method: method, Outcome: "ok", RequestID: h.cfg.RequestID(r.Context()),
		Address: route.MaskedAddress(h.cfg.Address(r)),
	}
}

// fail responds to an error of RedeemInvitation. No use was counted.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, v visit, err error) {
	switch {
	case errors.Is(err, gateway.ErrBlocked):
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Blocked, Contact: true, Secret: true,
			Rejection: web.Rejection{Request: "invitation"}})
	case errors.Is(err, gateway.ErrRefused):
		h.cfg.Site.Show(w, r, web.Page{Kind: web.InviteRefused, Contact: true, Secret: true, User: web.UserOf(v.browser.User),
			Home: h.path + "/", Rejection: web.Rejection{Request: "invitation"}})
	case errors.Is(err, gateway.ErrNotFound): // somebody else was faster, or an administrator revoked it
		again, readErr := h.cfg.Store.Invitation(r.Context(), v.invitation.Hash, h.cfg.Now())
		if again.ID == "" {
			h.cfg.Site.Error(w, r, errors.Join(err, readErr))
			return
		}
		v.invitation = again
		h.showInvalid(w, r, v)
	default:
		h.cfg.Site.Error(w, r, err)
	}
}
