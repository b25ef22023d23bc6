package scan

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// pollLife is how long a question for another state is held. Proxies cut what is silent for longer than 30 or 60 seconds.
const pollLife = 25 * time.Second

// stateGone is what a page is told whose cookie is no more: to load itself, and see why.
const stateGone = gateway.TicketState("gone")

// state answers when the ticket has another state than the page knows, or says after a while that it has not. It tells the state and nothing else: the
// page loads itself for the rest.
func (h *Handler) state(w http.ResponseWriter, r *http.Request) {
	seen := gateway.TicketState(r.URL.Query().Get("seen"))
	s := h.sign(r)
	if s == nil || s.Made == 0 || s.Done {
		tell(w, stateGone)
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
		// Whoever waits is answered, and asks another process.
		go func() {
			select {
			case <-h.cfg.Stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	tell(w, h.watch.wait(ctx, hashID(sec.id), seen))
}

func tell(w http.ResponseWriter, state gateway.TicketState) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// A failure here is a browser that has gone.
	_ = json.NewEncoder(w).Encode(struct {
		State gateway.TicketState `json:"state"`
	}{state})
}
