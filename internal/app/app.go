// Package app is the composition root: it makes the gateway's http.Handler from the configuration
// and the store.
//
// [OpenStore] opens the store that the configuration names, [MasterKey] reads the master key. [New]
// makes an [App]: [App.Handler] serves, [App.Ready] reports whether it can, [App.Reload] applies a
// new configuration, [App.Close] ends the background work.
//
//	store, master key
//	  → signing keys                      one set for the life of the process
//	  → pages, sessions, access policy    made again by each reload
//	  → the features                      build.go
//	  → routes, limits                    one handler
//
// The package has no rules of its own, opens no listener and, of files, only the store and the
// master key.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/scan"
)

// Options are the parts of an [App]. Config, Store and Sealer are required.
type Options struct {
	Config    *config.Config
	Store     gateway.Store // the caller closes it, after Close
	Sealer    *keys.Sealer
	Metrics   *metrics.Metrics  // nil counts nothing
	Logger    *slog.Logger      // nil = discards
	Now       func() time.Time  // nil = time.Now
	Transport http.RoundTripper // for calls to WeChat; nil = a private one that honours HTTPS_PROXY
}

// App is the gateway, ready to serve. It is safe for concurrent use.
type App struct {
	o           Options
	store       gateway.Store // o.Store, which counts codes and tokens
	signingKeys *keys.Set
	served      atomic.Pointer[http.Handler]
	keep        atomic.Int64 // Config.Events.Keep, for the sweeper
	ready       readiness
	stop        context.CancelFunc
	running     sync.WaitGroup

	drain    sync.Once
	draining chan struct{} // closed by Drain
}

// New makes the gateway and starts its background work (rotation of keys, deletion of expired
// rows). ctx bounds the start, which makes the signing keys when the store has none. It returns all
// problems of the settings, joined.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Config == nil || o.Store == nil || o.Sealer == nil {
		return nil, errors.New("app: Options.Config, Store and Sealer are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	signingKeys, err := keys.OpenSet(ctx, keys.SetConfig{Store: o.Store, Sealer: o.Sealer, Keep: KeepKeys(o.Config),
		Now: o.Now, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("app: signing keys: %w", err)
	}
	a := &App{o: o, signingKeys: signingKeys, store: o.Metrics.Tokens(o.Store), draining: make(chan struct{})}
	if err := a.Reload(o.Config); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	a.running.Go(func() { signingKeys.Run(background) })
	a.running.Go(func() { a.sweep(background) })
	return a, nil
}

// Handler serves the whole gateway, /healthz and /readyz included.
func (a *App) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*a.served.Load()).ServeHTTP(w, r) })
}

// Keys returns the signing keys, for the commands that list and rotate them.
func (a *App) Keys() *keys.Set { return a.signingKeys }

// Drain ends all long polls, and no later request waits, so that the server can stop at once. Call
// it before the server stops; other requests continue.
func (a *App) Drain() { a.drain.Do(func() { close(a.draining) }) }

// Close ends the background work, and waits for it until ctx ends. The server must have stopped
// before.
func (a *App) Close(ctx context.Context) error {
	a.stop()
	done := make(chan struct{})
	go func() {
		a.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reload applies a new configuration as a whole or not at all. Requests in progress continue with
// the old one; sessions, pending sign-ins and signing keys are kept. The settings that
// config.NeedsRestart reports (url, listen, metrics, store, master key) keep their values from the
// start.
func (a *App) Reload(c *config.Config) error {
	if c.URL != a.o.Config.URL {
		return errors.New("app: url cannot change while serving, since cookies and tokens contain it; restart")
	}
	h, err := a.build(c)
	if err != nil {
		return err
	}
	a.signingKeys.SetKeep(KeepKeys(c))
	a.keep.Store(int64(c.Events.Keep))
	a.served.Store(&h)
	return nil
}

const (
	sweepEvery = 5 * time.Minute
	sweepBatch = 500
	sweepPause = 50 * time.Millisecond // between two batches, for other writers
)

// sweep deletes expired rows until ctx ends.
func (a *App) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			now := a.o.Now()
			n, err := a.store.Sweep(ctx, now, now.Add(-time.Duration(a.keep.Load())), sweepBatch)
			if err != nil && ctx.Err() == nil {
				a.o.Logger.WarnContext(ctx, "expired rows not deleted", "error", err)
			}
			if more = err == nil && n > 0; more {
				pause(ctx, sweepPause)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (a *App) sessionUseNotRecorded(ctx context.Context, err error) {
	a.o.Logger.WarnContext(ctx, "session use not recorded", "error", err, "request_id", route.RequestID(ctx))
}

// observeSignIn counts the outcomes of sign-ins. A repeated callback and a callback without a flow do
// not end one. Two labels differ from the names in package flow: the gateway refuses a user only
// when it has blocked them ("blocked"), and a user whom WeChat restricts is counted as "refused".
func (a *App) observeSignIn(_ context.Context, o flow.Event) {
	method := string(o.Method)
	switch o.Outcome {
	case flow.EventStarted:
		a.o.Metrics.SignInBegan(method)
	case flow.EventRepeat, flow.EventLost:
	case flow.EventDenied, flow.OutcomeSnapshot:
		a.o.Metrics.SignInEnded(method, o.Outcome)
	case flow.OutcomeSignedIn:
		a.o.Metrics.SignInEnded(method, "ok")
	case flow.OutcomeRefused:
		a.o.Metrics.SignInEnded(method, "blocked")
	case flow.OutcomeUserRestricted:
		a.o.Metrics.SignInEnded(method, "refused")
	case flow.OutcomeCodeRefused:
		a.o.Metrics.SignInEnded(method, "start_again")
	default:
		a.o.Metrics.SignInEnded(method, "failed")
	}
}

func (a *App) observeOIDC(o oidc.Observation) {
	a.o.Metrics.OIDC(o.Endpoint, o.Grant, o.App, o.Outcome)
}

func (a *App) observeRelay(o relay.Observation) { a.o.Metrics.Relay(o.Endpoint, o.App, o.Outcome) }

// observeScan counts sign-ins by scan.
func (a *App) observeScan(_ context.Context, o scan.Observation) {
	if o.Outcome == "begun" {
		a.o.Metrics.SignInBegan(scan.Method)
		return
	}
	a.o.Metrics.SignInEnded(scan.Method, o.Outcome)
}
