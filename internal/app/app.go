// Package app builds the gateway from its parts: it makes one http.Handler from the configuration
// and the store.
//
// [OpenStore] opens the store that the configuration names. [New] returns an [App]: [App.Handler]
// serves, [App.Ready] reports whether the App can serve, [App.Reload] applies a new configuration, and
// [App.Close] ends the background work.
//
//	store, master key
//	  → signing keys                      one set for the life of the process
//	  → pages, sessions, access policy    built again by each reload (build.go)
//	  → sign-in methods, app protocols    built again by each reload (build.go)
//	  → routes, rate limits               one handler
//
// The package has no rules of sign-in. It opens the store, but no listener: package cli does that.
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

	"github.com/weigate/weigate/internal/certificate"
	"github.com/weigate/weigate/internal/chat"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/scan"
)

// Options are the parts of an [App]. Config, Store and Sealer are required.
type Options struct {
	Config    *config.Config
	Store     gateway.Store     // the caller closes it, after App.Close
	Sealer    *keys.Sealer      // the master key, which encrypts the signing keys
	Metrics   *metrics.Metrics  // nil = no metrics
	Logger    *slog.Logger      // nil = no log
	Now       func() time.Time  // nil = time.Now
	Transport http.RoundTripper // for calls to WeChat; nil = the default, which honours HTTPS_PROXY

	ticketLimits gateway.TicketLimits // of sign-ins by QR code; zero = those of package limit; a test lowers them
	chatLimits   gateway.ChatLimits   // of sign-ins in the chat; zero = those of package limit; a test lowers them
	deliveryPoll time.Duration        // zero = the default of package delivery; a test lowers it
	logoutTime   time.Duration        // zero = that of package limit; tests on slow machines need longer
	onNotice     func(gateway.Notice) // called for each notice about a user; nil = not called; tests set it
}

// App is the gateway, ready to serve. It is safe for concurrent use.
type App struct {
	options     Options
	store       gateway.Store // Options.Store in a wrapper that counts codes and tokens for Options.Metrics
	signingKeys *keys.Set
	limits      *limit.Limiter // a reload keeps what it has counted
	notices     *notices
	certificate certificate.Source // nil = plain http
	readiness   readiness

	// A reload replaces these three.
	handler    atomic.Pointer[http.Handler]
	keepEvents atomic.Int64 // Config.Events.Keep, a time.Duration
	logout     atomic.Pointer[oidc.LogoutSender]

	stopBackground context.CancelFunc
	background     sync.WaitGroup

	drainOnce sync.Once
	draining  chan struct{} // closed by Drain
}

// New builds the gateway. If the store has no signing keys, New creates them. New gives up when ctx
// ends. It also starts the background work, which replaces signing keys in time, deletes expired
// rows, and sends notices and logout tokens. The background work does not end with ctx, but with
// [App.Close].
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
	limits := limit.NewLimiter(o.Metrics.Limited)
	store := o.Metrics.Tokens(o.Store)
	notices, err := newNotices(o, store, limits)
	if err != nil {
		return nil, err
	}
	signingKeys, err := keys.OpenSet(ctx, keys.SetConfig{
		Store: o.Store, Sealer: o.Sealer, Keep: KeepReplacedKeys(o.Config), Now: o.Now, Logger: o.Logger,
		Replaced: func(ctx context.Context) {
			notices.notifier.Notify(ctx, gateway.Notice{Kind: gateway.NoticeKeyRotated, At: o.Now()})
		},
	})
	if err != nil {
		return nil, fmt.Errorf("app: signing keys: %w", err)
	}
	a := &App{
		options: o, signingKeys: signingKeys, store: store, draining: make(chan struct{}), limits: limits,
		notices: notices,
	}
	if a.certificate, err = newCertificate(ctx, o, notices); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	if err := a.Reload(o.Config); err != nil {
		return nil, err
	}
	logoutWorker, err := a.newLogoutWorker()
	if err != nil {
		return nil, err
	}
	a.compareURL(ctx)
	o.Metrics.SetState(metrics.State{Now: o.Now, SigningKeys: signingKeys.ActiveSince})
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stopBackground = stop
	a.background.Go(func() { signingKeys.Run(background) })
	a.background.Go(func() { a.maintain(background) })
	a.background.Go(func() { notices.run(background) })
	a.background.Go(func() { logoutWorker.Run(background) })
	if a.certificate != nil {
		a.background.Go(func() { a.certificate.Run(background) })
	}
	return a, nil
}

// Handler serves the whole gateway, including /healthz and /readyz.
func (a *App) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		current := *a.handler.Load()
		current.ServeHTTP(w, r)
	})
}

// Keys returns the signing keys.
func (a *App) Keys() *keys.Set { return a.signingKeys }

// Reload applies a new configuration completely, or returns an error and changes nothing. Requests
// in progress finish with the old configuration. Sessions, pending sign-ins and signing keys stay
// valid.
//
// Some settings require a restart; config.NeedsRestart lists them. Of these, Reload returns an
// error for a changed url, and ignores changes of the others, such as listen and store.
func (a *App) Reload(c *config.Config) error {
	if c.URL != a.options.Config.URL {
		return errors.New("app: url cannot change while serving, since cookies and tokens contain it; restart")
	}
	h, err := a.build(c)
	if err != nil {
		return err
	}
	settings, err := notifySettings(c)
	if err != nil {
		return err
	}
	logout, err := a.newLogout(c)
	if err != nil {
		return err
	}
	a.notices.notifier.Set(settings)
	a.logout.Store(logout)
	a.signingKeys.SetKeep(KeepReplacedKeys(c))
	a.keepEvents.Store(int64(c.Events.Keep))
	a.handler.Store(&h)
	return nil
}

// Drain ends all long polls (requests that wait for the scan of a QR code). Later long polls return
// at once. So a shutdown of the server does not wait for them. Call Drain when the shutdown begins.
// All other requests are served as before.
func (a *App) Drain() { a.drainOnce.Do(func() { close(a.draining) }) }

// Close ends the background work and waits for it, but not longer than ctx. Stop the HTTP server
// first.
func (a *App) Close(ctx context.Context) error {
	a.stopBackground()
	done := make(chan struct{})
	go func() {
		a.background.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Bounds of KeepReplacedKeys.
const (
	keepReplacedKeysMin    = 35 * 24 * time.Hour
	keepReplacedKeysMargin = 24 * time.Hour // for clocks that differ, and apps that cache the key set
)

// KeepReplacedKeys returns how long a signing key stays published after it was replaced: a little
// longer than the longest lifetime of a session or a token. When a user signs out of an app, the
// app sends the ID token of the sign-in (id_token_hint). The gateway must still verify this token
// at the end of the longest session.
func KeepReplacedKeys(c *config.Config) time.Duration {
	longest := max(c.Session.Max, c.Session.Idle)
	for _, a := range c.Apps {
		longest = max(longest, a.Lifetimes.Refresh, a.Lifetimes.Access)
	}
	return max(longest+keepReplacedKeysMargin, keepReplacedKeysMin)
}

const (
	sweepInterval  = 5 * time.Minute
	sweepBatchSize = 500
	sweepPause     = 50 * time.Millisecond // between two batches, so that other writers get the database
)

// maintain deletes expired rows of the store at once and then every sweepInterval, until ctx ends. It
// then also compares the address of the gateway with the store's.
func (a *App) maintain(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		a.sweep(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		a.compareURLAgain(ctx)
	}
}

// sweep deletes all rows that have expired by now, in batches.
func (a *App) sweep(ctx context.Context) {
	for ctx.Err() == nil {
		now := a.options.Now()
		oldestEvent := now.Add(-time.Duration(a.keepEvents.Load()))
		deleted, err := a.store.Sweep(ctx, now, oldestEvent, sweepBatchSize)
		if err != nil && ctx.Err() == nil {
			a.options.Logger.WarnContext(ctx, "expired rows not deleted", "error", err)
		}
		if err != nil || deleted == 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(sweepPause):
		}
	}
}

// The packages of sign-in methods and protocols call the methods below for each event that is
// counted or logged.

// observeSignIn counts the sign-ins of package signin.
func (a *App) observeSignIn(_ context.Context, e flow.Event) {
	method := string(e.Method)
	switch e.Outcome {
	case flow.EventStarted:
		a.options.Metrics.SignInBegan(method)
		a.notices.countSignIn(method, e.Outcome)
	case flow.EventRepeat, flow.EventLost:
		// A repeated callback was counted the first time. A lost callback belongs to no flow (a sign-in
		// in progress of the browser), so it ends no sign-in.
	default:
		a.options.Metrics.SignInEnded(method, e.Outcome)
		a.notices.countSignIn(method, e.Outcome)
	}
}

// observeScan counts the sign-ins of package scan.
func (a *App) observeScan(_ context.Context, o scan.Observation) {
	a.notices.countSignIn(scan.Method, o.Outcome)
	if o.Outcome == flow.EventStarted {
		a.options.Metrics.SignInBegan(scan.Method)
		return
	}
	a.options.Metrics.SignInEnded(scan.Method, o.Outcome)
}

// observeChat counts the sign-ins of package chat.
func (a *App) observeChat(_ context.Context, o chat.Observation) {
	a.notices.countSignIn(o.Method, o.Outcome)
	if o.Outcome == flow.EventStarted {
		a.options.Metrics.SignInBegan(o.Method)
		return
	}
	a.options.Metrics.SignInEnded(o.Method, o.Outcome)
}

// observeOIDC counts the requests of package oidc. For notices, it counts wrong secrets, sign-ins
// and refusals.
func (a *App) observeOIDC(o oidc.Observation) {
	a.options.Metrics.OIDC(o.Endpoint, o.Grant, o.App, o.Outcome)
	switch {
	case o.Outcome == "invalid_client":
		a.notices.wrongSecret(o.App)
	case o.Endpoint == "token" && o.Grant == "authorization_code",
		o.Endpoint == "authorize" && o.Outcome == "access_denied":
		a.notices.countApp(o.App, o.Outcome)
	}
}

// observeRelay does the same for package relay. Its errors are errcodes of WeChat: 40125 means a wrong
// secret.
func (a *App) observeRelay(o relay.Observation) {
	a.options.Metrics.Relay(o.Endpoint, o.App, o.Outcome)
	switch {
	case o.Outcome == "40125":
		a.notices.wrongSecret(o.App)
	case o.Endpoint == "access_token", o.Outcome == "refused", o.Outcome == "blocked":
		a.notices.countApp(o.App, o.Outcome)
	}
}

// observeForwardAuth does the same for package forwardauth, whose apps have no secrets.
func (a *App) observeForwardAuth(o forwardauth.Observation) {
	a.options.Metrics.ForwardAuth(o.Endpoint, o.App, o.Outcome)
	if o.Endpoint == "finish" || o.Outcome == "refused" || o.Outcome == "blocked" {
		a.notices.countApp(o.App, o.Outcome)
	}
}

// logSessionError logs that the store did not record the use of a session. The request continues.
func (a *App) logSessionError(ctx context.Context, err error) {
	a.options.Logger.WarnContext(ctx, "session use not recorded", "error", err, "request_id", route.RequestID(ctx))
}
