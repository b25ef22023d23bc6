package scan

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// pollLife is how long a long poll lasts. Proxies close connections that are silent for longer than
// 30 or 60 seconds.
const pollLife = 25 * time.Second

// stateGone makes a page without its cookie reload, and then show the reason.
const stateGone = gateway.TicketState("gone")

// state responds when the ticket's state differs from the state that the page shows, or after
// pollLife. The response contains the state only; the page reloads to render it.
func (h *Handler) state(w http.ResponseWriter, r *http.Request) {
	seen := gateway.TicketState(r.URL.Query().Get("seen"))
	s := h.readFlow(r)
	if s == nil || s.Made == 0 || s.Done {
		writeState(w, stateGone)
		return
	}
	sec, err := s.secrets()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pollLife)
	defer cancel()
	if h.cfg.Stopping != nil {
		// The page's next request reaches another process.
		go func() {
			select {
			case <-h.cfg.Stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	writeState(w, h.watch.wait(ctx, hashID(sec.id), seen))
}

func writeState(w http.ResponseWriter, state gateway.TicketState) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// Fails when the browser has disconnected.
	_ = json.NewEncoder(w).Encode(struct {
		State gateway.TicketState `json:"state"`
	}{state})
}
