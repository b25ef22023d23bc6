package scan

import (
	"net/http"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/longpoll"
)

// This file contains the long polls of the desktops. A desktop is the browser that shows a QR code.
// With a long poll, the script of the desktop's page waits until the phone has scanned the QR code
// or answered. A ticket is the row in the store for one QR code. A flow is the sign-in in one tab
// of the desktop; a cookie contains it.

// stateGone is the response if the browser has no ticket to wait for. The browser has lost the
// cookie of the sign-in, has not created a ticket yet, or is signed in. The page then reloads and
// shows the reason.
const stateGone = gateway.TicketState("gone")

// state serves /scan/state, a long poll. The query parameter seen is the ticket's state that the
// page shows. The response is sent when the ticket has another state, or after 25 seconds. The
// response contains the ticket's state only. The script then requests the page again.
func (h *Handler) state(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(r)
	if f == nil || f.CreatedAt == 0 || f.Redeemed { // CreatedAt 0: no ticket is stored yet
		longpoll.Write(w, stateGone)
		return
	}
	secrets, err := f.secrets()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.watcher.Serve(w, r, hashID(secrets.id), h.cfg.Stopping)
}
