// Package longpoll serves long polls: requests of browsers that wait until a row of the store has
// another state. One query reads the states for all polls of a process together.
package longpoll

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// life is how long a poll lasts at most. Some proxies close a connection after 30 or 60 seconds
// without data.
const life = 25 * time.Second

const (
	watchEvery = 500 * time.Millisecond // interval of reading the store
	watchLimit = 5 * time.Second        // time limit of one query
	watchBatch = 5_000                  // rows in one query
)

// Expired is the state of a row that does not exist any more. The page's script only compares it
// with the state that the page shows, so any unused value works.
const Expired = "expired"

// Watcher reads the states of rows for all long polls of this process together, every half second.
// So the polls do not query the store one by one. The goroutine of a Watcher runs only while polls
// wait. S is the type of the states. Make a Watcher with [New]; it is safe for concurrent use.
type Watcher[S ~string] struct {
	states States[S]
	name   string // of the rows, for the log
	now    func() time.Time
	logger *slog.Logger

	failing bool // the last read failed: another failure is not logged. Only the goroutine uses this field.

	mu      sync.Mutex
	waiters map[*waiter[S]]struct{}
	running bool
}

// waiter is one long poll: it waits until its row has another state than seen.
type waiter[S ~string] struct {
	hash [32]byte // finds the row
	seen S
	next chan S // notify sends the new state once; the buffer of one keeps it from blocking
}

// States returns the states of the rows with these hashes. Rows that do not exist are absent.
type States[S ~string] func(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]S, error)

// New returns a Watcher. states reads from the store. name is the name of the rows in the log, such
// as "ticket".
func New[S ~string](states States[S], name string, now func() time.Time, l *slog.Logger) *Watcher[S] {
	return &Watcher[S]{states: states, name: name, now: now, logger: l, waiters: map[*waiter[S]]struct{}{}}
}

// Serve responds to r when the row with this hash has another state than the query parameter seen,
// or after 25 seconds, or when stopping is closed. The response contains the state only. A nil
// stopping is never closed.
func (w *Watcher[S]) Serve(rw http.ResponseWriter, r *http.Request, hash [32]byte, stopping <-chan struct{}) {
	ctx, cancel := context.WithTimeout(r.Context(), life)
	defer cancel()
	if stopping != nil {
		// When this process stops, the poll ends early. The script's next poll reaches another
		// process.
		go func() {
			select {
			case <-stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	Write(rw, w.wait(ctx, hash, S(r.URL.Query().Get("seen"))))
}

// Write responds with a state.
func Write[S ~string](w http.ResponseWriter, state S) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// Fails when the browser has disconnected.
	_ = json.NewEncoder(w).Encode(struct {
		State S `json:"state"`
	}{state})
}

// wait returns the state of a row as soon as it differs from seen. If ctx ends first, it returns
// seen.
func (w *Watcher[S]) wait(ctx context.Context, hash [32]byte, seen S) S {
	self := &waiter[S]{hash: hash, seen: seen, next: make(chan S, 1)}
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
func (w *Watcher[S]) run() {
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

// hashes returns the hashes of the rows for which polls wait. It returns each hash once, even if
// several polls wait for one row: a user may have one page open twice.
func (w *Watcher[S]) hashes() [][32]byte {
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

// read returns the states of rows from the store. If a query fails, its rows are missing in the
// result, and the polls for them continue to wait.
func (w *Watcher[S]) read(hashes [][32]byte) map[[32]byte]S {
	out := make(map[[32]byte]S, len(hashes))
	failed := false
	for len(hashes) > 0 {
		part := hashes[:min(len(hashes), watchBatch)]
		hashes = hashes[len(part):]
		ctx, cancel := context.WithTimeout(context.Background(), watchLimit)
		states, err := w.states(ctx, part, w.now())
		cancel()
		if err != nil {
			if !w.failing && !failed {
				w.logger.Warn(w.name+" states not read, waiting pages not updated", "error", err)
			}
			failed = true
			continue
		}
		for _, hash := range part {
			state, found := states[hash]
			if !found {
				state = Expired
			}
			out[hash] = state
		}
	}
	w.failing = failed
	return out
}

// notify ends the polls whose row has another state than the page shows (seen).
func (w *Watcher[S]) notify(states map[[32]byte]S) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for each := range w.waiters {
		if state, known := states[each.hash]; known && state != each.seen {
			each.next <- state
			delete(w.waiters, each)
		}
	}
}
