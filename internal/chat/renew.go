package chat

import (
	"net/http"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the change to the next round of a sign-in: a new number (method message) or QR
// code (method follow). Users can change from follow to message.

// maxRounds limits the rounds of one sign-in.
const maxRounds = 50

// renew serves /chat/renew: it cancels the row of this round, and creates the row of the next
// round.
func (h *Handler) renew(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(w, r)
	if f == nil {
		return
	}
	completed, err := f.Completed, error(nil)
	if !completed && f.CreatedAt != 0 {
		completed, err = h.cancelRow(r, f)
	}
	switch {
	case err != nil:
		h.fail(w, r, err)
		return
	case completed:
		route.SeeOther(w, h.flowURL(pathDesktop, f))
		return
	case f.Round >= maxRounds:
		h.showEnded(w, r, f)
		return
	}
	if r.PostFormValue("method") == gateway.MethodMessage && h.allowsMessage(f) {
		f.Method = gateway.MethodMessage
	}
	f.Round, f.Attempt, f.QRCode, f.CreatedAt, f.ActiveAt = f.Round+1, 0, "", 0, h.cfg.Now().Unix()
	if err := h.storeRow(w, r, f); err != nil {
		h.showError(w, r, f, err)
		return
	}
	route.SeeOther(w, h.flowURL(pathDesktop, f))
}

// allowsMessage reports whether the app accepts the method message: the user can then send a number
// instead of following the account. Every account of this package has the method message. A sign-in
// to the gateway's own pages (app "") accepts it too.
func (h *Handler) allowsMessage(f *desktopFlow) bool {
	app, found := h.cfg.Apps(f.LoginRequest.App)
	return f.LoginRequest.App == "" || found && (len(app.Methods) == 0 ||
		slices.Contains(app.Methods, gateway.MethodMessage))
}

// messageForm returns the button that changes from the QR code to a number. The button helps if
// WeChat makes no QR code, or if the person has followed the account without scanning the QR code.
func (h *Handler) messageForm(f *desktopFlow) []web.Form {
	if f.Method != gateway.MethodFollow || !h.allowsMessage(f) {
		return nil
	}
	return []web.Form{{Action: h.flowURL(pathRenew, f), Label: web.LabelByMessage, Quiet: true,
		Fields: map[string]string{"method": gateway.MethodMessage}}}
}
