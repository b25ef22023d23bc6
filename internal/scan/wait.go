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

// This file contains the long polls of the desktops. A desktop is the browser that shows a QR code.
// By a long poll, the script of its page waits until the phone has scanned the QR code or answered.
// A ticket is the row in the store for one QR code. A flow is the sign-in in one tab of the
// desktop; a cookie contains it.

// pollLife is how long a long poll lasts. Some proxies close a connection after 30 or 60 seconds
// without data.
const pollLife = 25 * time.Second

// stateGone is the response if the browser has no ticket to wait for. The browser has lost the
// cookie of the sign-in, has not created a ticket yet, or is signed in. The page then reloads and
// shows the reason.
const stateGone = gateway.TicketState("gone")

// state serves /scan/state, a long poll. The query parameter seen is the ticket's state that the
// page shows. The response is sent when the ticket has another state, or after pollLife. It
// contains the ticket's state only. The script then requests the page again.
func (h *Handler) state(w http.ResponseWriter, r *http.Request) {
	seen := gateway.TicketState(r.URL.Query().Get("seen"))
	f := h.readFlow(r)
	if f == nil || f.CreatedAt == 0 || f.Redeemed { // CreatedAt 0: no ticket is stored yet
		writeState(w, stateGone)
		return
	}
	secrets, err := f.secrets()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pollLife)
	defer cancel()
	if h.cfg.Stopping != nil {
		// When this process stops, the poll ends early. The script's next poll reaches another
		// process.
		go func() {
			select {
			case <-h.cfg.Stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	writeState(w, h.watcher.wait(ctx, hashID(secrets.id), seen))
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
	watchEvery = 500 * time.Millisecond // interval of reading the store
	watchLimit = 5 * time.Second        // time limit of one query
	watchBatch = 5_000                  // tickets in one query
)

// stateExpired is the state of a ticket that does not exist any more. scan.js only compares it with
// the state that the page shows, so any unused value works.
const stateExpired = gateway.TicketState("expired")

// watcher reads ticket states for all long polls of this process together, every half second. So
// the polls do not query the store one by one. The goroutine of a watcher runs only while polls
// wait.
type watcher struct {
	// states is gateway.Tickets.TicketStates.
	states func(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState, error)
	now    func() time.Time
	logger *slog.Logger

	failing bool // the last read failed: another failure is not logged. Only the goroutine uses this field.

	mu      sync.Mutex
	waiters map[*waiter]struct{}
	running bool
}

// waiter is one long poll: it waits until its ticket has another state than seen.
type waiter struct {
	hash [32]byte // of the ticket's id
	seen gateway.TicketState
	next chan gateway.TicketState // notify sends the new state once; the buffer of one keeps it from blocking
}

func newWatcher(states func(context.Context, [][32]byte, time.Time) (map[[32]byte]gateway.TicketState, error),
	now func() time.Time, l *slog.Logger) *watcher {
	return &watcher{states: states, now: now, logger: l, waiters: map[*waiter]struct{}{}}
}

// wait returns the ticket's state as soon as it differs from seen. If ctx ends first, it returns
// seen.
func (w *watcher) wait(ctx context.Context, hash [32]byte, seen gateway.TicketState) gateway.TicketState {
	self := &waiter{hash: hash, seen: seen, next: make(chan gateway.TicketState, 1)}
	w.mu.Lock()
	w.waiters[self] = struct{}{}
	if !w.running {
		w.running = true
		go w.run()
	}
	w.mu.Unlock()
	select {
	case state := <-self.next:
		return state
	case <-ctx.Done():
		w.mu.Lock()
		delete(w.waiters, self)
		w.mu.Unlock()
		return seen
	}
}

// run reads the states until no poll waits any more.
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

// hashes returns the hashes of the tickets for which polls wait. It returns each hash once, even if
// several polls wait for one ticket: a user may have one page open twice.
func (w *watcher) hashes() [][32]byte {
	added := make(map[[32]byte]struct{}, len(w.waiters))
	out := make([][32]byte, 0, len(w.waiters))
	for each := range w.waiters {
		if _, duplicate := added[each.hash]; !duplicate {
			added[each.hash] = struct{}{}
			out = append(out, each.hash)
		}
	}
	return out
}

// read returns the states of tickets from the store. If a query fails, its tickets are missing in
// the result, and the polls for them continue to wait.
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
			if !w.failing && !failed {
				w.logger.Warn("ticket states not read, waiting desktops not updated",
					"error", err)
			}
			failed = true
			continue
		}
		for _, hash := range part {
			state, found := states[hash]
			if !found {
				state = stateExpired
			}
			out[hash] = state
		}
	}
	w.failing = failed
	return out
}

// notify ends the polls whose ticket has another state than the page shows (seen).
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
