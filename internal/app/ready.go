package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	readyLimit = 2 * time.Second // for one question to the store
	readyKeep  = time.Second     // an answer holds for all who ask in that time
)

// errStopping is what a load balancer is told so that it sends nobody new.
var errStopping = errors.New("the gateway is stopping")

// readiness asks the store whether it can work. The address that tells it is open to everybody and the question is a write, so there is one question at a
// time, and its answer is kept for a moment.
type readiness struct {
	stopping atomic.Bool

	mu     sync.Mutex
	until  time.Time // the answer holds
	err    error
	flight chan struct{} // closed when the question under way is answered; nil = there is none
}

// Ready answers whether requests can be served: nil, what the store says, or that [App.Stopping] was called. Many may ask at once.
func (a *App) Ready(ctx context.Context) error {
	r := &a.ready
	if r.stopping.Load() {
		return errStopping
	}
	r.mu.Lock()
	if now := a.o.Now(); now.Before(r.until) && now.After(r.until.Add(-2*readyKeep)) { // else the clock jumped
		defer r.mu.Unlock()
		return r.err
	}
	if r.flight == nil {
		r.flight = make(chan struct{})
		// Not in the asker's time: one who goes away must not answer for the others.
		go a.ask(context.WithoutCancel(ctx), r.flight)
	}
	flight := r.flight
	r.mu.Unlock()
	select {
	case <-flight:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (a *App) ask(ctx context.Context, flight chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	err := a.o.Store.Ping(ctx)
	r := &a.ready
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.until, r.flight = err, a.o.Now().Add(readyKeep), nil
	close(flight)
}

// Stopping has /readyz answer 503 from now on. Everything else goes on.
func (a *App) Stopping() { a.ready.stopping.Store(true) }
