package scan

import (
	"errors"
	"net/http"

	"github.com/weigate/weigate/internal/gateway"
)

// opened serves /scan/opened. The script of the page that shows the request calls it, so that the
// desktop can tell its user to continue on the phone. It is a POST of a signed-in user: a crawler
// that follows a shared link, and a GET request, change nothing. The phone's user does not become
// the approver: another phone can still scan the QR code.
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
