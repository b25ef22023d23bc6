package scan

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
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

const (
	watchEvery = 500 * time.Millisecond
	watchLimit = 5 * time.Second // for one read of the store
	watchBatch = 5_000           // tickets in one read
)

// stateOver is the state of a ticket that does not exist: it has expired.
const stateOver = gateway.TicketState("over")

// watcher reads the ticket states for all desktops that wait at this process: one query every half
// second, however many they are. Its goroutine runs while a request waits.
type watcher struct {
	states func(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState, error)
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	waiters map[*waiter]struct{}
	running bool
	failing bool // the last read failed: logged once, not twice a second
}

// waiter is one request that waits for its ticket to leave a state.
type waiter struct {
	hash [32]byte
	seen gateway.TicketState
	next chan gateway.TicketState // buffered, so that the watcher never blocks
}

func newWatcher(states func(context.Context, [][32]byte, time.Time) (map[[32]byte]gateway.TicketState, error),
	now func() time.Time, l *slog.Logger) *watcher {
	return &watcher{states: states, now: now, logger: l, waiters: map[*waiter]struct{}{}}
}

// wait returns the ticket's state once it differs from seen; seen itself when ctx ends first.
func (w *watcher) wait(ctx context.Context, hash [32]byte, seen gateway.TicketState) gateway.TicketState {
	me := &waiter{hash, seen, make(chan gateway.TicketState, 1)}
	w.mu.Lock()
	w.waiters[me] = struct{}{}
	if !w.running {
		w.running = true
		go w.run()
	}
	w.mu.Unlock()
	select {
	case state := <-me.next:
		return state
	case <-ctx.Done():
		w.mu.Lock()
		delete(w.waiters, me)
		w.mu.Unlock()
		return seen
	}
}

func (w *watcher) run() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for range tick.C {
		w.mu.Lock()
		if len(w.waiters) == 0 {
			w.running = false
			w.mu.Unlock()
			return
		}
		hashes := w.hashes()
		w.mu.Unlock()
		w.notify(w.read(hashes))
	}
}

// hashes returns each ticket once: a user may have a page open twice.
func (w *watcher) hashes() [][32]byte {
	seen := make(map[[32]byte]struct{}, len(w.waiters))
	out := make([][32]byte, 0, len(w.waiters))
	for each := range w.waiters {
		if _, twice := seen[each.hash]; !twice {
			seen[each.hash] = struct{}{}
			out = append(out, each.hash)
		}
	}
	return out
}

// read returns the states. Tickets that could not be read are not in the result, and their requests
// continue to wait.
func (w *watcher) read(hashes [][32]byte) map[[32]byte]gateway.TicketState {
	out := make(map[[32]byte]gateway.TicketState, len(hashes))
	failed := false
	for len(hashes) > 0 {
		part := hashes[:min(len(hashes), watchBatch)]
		hashes = hashes[len(part):]
		ctx, cancel := context.WithTimeout(context.Background(), watchLimit)
		states, err := w.states(ctx, part, w.now())
		cancel()
		if err != nil {
			failed = true
			if !w.failing {
				w.logger.Warn("ticket states not read, waiting desktops not updated",
					"error", err)
			}
			continue
		}
		for _, hash := range part {
			state, there := states[hash]
			if !there {
				state = stateOver
			}
			out[hash] = state
		}
	}
	w.failing = failed
	return out
}

func (w *watcher) notify(states map[[32]byte]gateway.TicketState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for each := range w.waiters {
		if state, known := states[each.hash]; known && state != each.seen {
			each.next <- state
			delete(w.waiters, each)
		}
	}
}
