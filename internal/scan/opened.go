package scan

import (
	"errors"
	"net/http"

	"github.com/weigate/weigate/internal/gateway"
)

// opened serves /scan/opened, and records that a phone has opened a sign-in request after it
// scanned the QR code. The script of the page on the phone calls it. The desktop can then tell its
// user to continue on the phone. opened requires a POST of a signed-in user. So a crawler that
// follows a shared link changes nothing. The phone's user does not become the approver, who decides
// the request: another phone can still scan the QR code.
func (h *Handler) opened(w http.ResponseWriter, r *http.Request) {
	req, ok := h.readForm(w, r)
	if !ok {
		return
	}
	err := h.cfg.Tickets.OpenTicket(r.Context(), req.ticket.Hash, h.cfg.Now())
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		h.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
