package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/certificate"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/route"
)

// serveCmd is "weigate serve": the gateway.
type serveCmd struct {
	configFlag
	Wait time.Duration `default:"1m" placeholder:"TIME" help:"How long to wait for PostgreSQL at the start (${default})."`
}

// shutdownTimeout is how long requests in progress may still take after a stop. An interrupted call
// to WeChat would lose the sign-in, because a code of WeChat can be redeemed only once.
const shutdownTimeout = 8 * time.Second

// stopTimeout is how long requests and background tasks may take together after a stop. "docker
// stop" kills the process after ten seconds, so the whole stop must take less.
const stopTimeout = 9500 * time.Millisecond

// runningGateway is a gateway and the values that a reload of its configuration needs.
type runningGateway struct {
	path    string         // of the configuration file
	conf    *config.Config // the current configuration
	keyIDs  []string       // ids of the master keys that were read at the start
	app     *app.App
	log     *slog.Logger
	level   *slog.LevelVar
	getenv  func(string) string
	metrics *metrics.Metrics
}

// Run serves until the context is done, and then finishes the requests in progress. It listens
// before it opens the store: if a port is in use, nothing was changed.
func (c *serveCmd) Run(s *invocation) (err error) {
	conf, err := c.read(s)
	if err != nil {
		return err
	}
	if conf.Log.Format == "json" {
		s.out.log = slog.New(newLogHandler(s.out.err, conf.Log.Format, parseLevel(conf.Log.Level)))
	}
	for _, w := range conf.Warnings {
		s.out.warnf("%s", w)
	}
	warnIgnoredIDs(s, os.Getuid(), os.Getgid())
	run := &servers{
		out: s.out, shutdownTimeout: shutdownTimeout, graceful: true, writeTimeout: limit.ResponseTime.Duration,
	}
	defer run.close()
	listener, err := run.listen(conf.Listen, lang.Text("listen in the configuration"))
	if err != nil {
		return err
	}
	metricsListener, err := listenOptional(run, conf.Metrics, lang.Text("metrics in the configuration"))
	if err != nil {
		return err
	}
	plain, err := listenOptional(run, conf.TLS.ACME.ListenHTTP, lang.Text("tls.acme.listen_http in the configuration"))
	if err != nil {
		return err
	}
	counters := metrics.New()
	store, err := openServing(s, conf, app.StoreOptions{Serve: true, Observe: counters.Store}, c.Wait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	sealer, err := loadOrCreateMasterKey(s, conf, store)
	if err != nil {
		return err
	}
	g := &runningGateway{
		path: c.Config, conf: conf, keyIDs: sealer.IDs(), getenv: s.getenv,
		level: &slog.LevelVar{}, metrics: counters,
	}
	limited := limit.NewLogHandler(newLogHandler(s.out.err, conf.Log.Format, g.level), counters.Limited)
	defer limited.Flush()
	g.log = slog.New(limited)
	run.errorLog = serverErrors(g.log)
	g.level.Set(parseLevel(conf.Log.Level))
	g.app, err = app.New(s.ctx, app.Options{
		Config: conf, Store: store, Sealer: sealer, Metrics: g.metrics, Logger: g.log,
	})
	if err != nil {
		return masterKeyHint(err)
	}
	var stopBy time.Time
	defer func() { endBackground(stopBy, g.app.Close, g.log, err) }()
	run.stopping = func() {
		stopBy = time.Now().Add(stopTimeout)
		notifyStopping() // to systemd
		g.app.Stopping()
	}
	g.handle(run, listener, plain)
	run.limitConnections(listener, maxConnections(s.out, conf), func() { counters.Limited(limit.Connections.Name) })
	g.handleMonitoring(run, metricsListener)
	// SIGHUP reloads the configuration.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	go g.reloadOn(ctx, hangup)
	context.AfterFunc(ctx, g.app.Drain) // ends long polls, for which the shutdown would wait
	logExposures(g.log, append(rootExposure(os.Geteuid()), exposures(c.Config, conf)...))
	g.printStart(s.out, listener, metricsListener)
	notifyReady("serving " + conf.URL) // to systemd
	return run.run(ctx)
}

// endBackground calls closeApp, which ends the background tasks and waits for them until stopBy. A
// task that takes longer does not make the stop a failure. Such a task is often a logout token for
// an app that does not respond. The token is in the store, and the next process sends it again. At
// the end, endBackground logs the stop, unless a failed server has caused the stop.
func endBackground(stopBy time.Time, closeApp func(context.Context) error, log *slog.Logger, failed error) {
	ctx, cancel := context.WithDeadline(context.Background(), stopBy)
	defer cancel()
	if err := closeApp(ctx); err != nil {
		log.Warn("background tasks interrupted by the stop", "error", err)
	}
	if failed == nil {
		log.Info("gateway stopped")
	}
}

// listenOptional listens on an address. It returns nil if the address is empty.
func listenOptional(run *servers, address string, setting lang.Message) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	return run.listen(address, setting)
}

// handle sets the gateway as the handler of a listener, with TLS if it has a certificate. plain is
// the listener for ACME's challenge HTTP-01, in plain http; nil = none.
func (g *runningGateway) handle(run *servers, l, plain net.Listener) {
	if acme, ok := g.app.Certificate().(*certificate.ACME); ok && plain != nil {
		run.handle(plain, route.WithoutBody(acme.Handler()))
		run.limitConnections(plain, limit.PlainConnections.Max,
			func() { g.metrics.Limited(limit.PlainConnections.Name) })
	}
	if certificates := g.app.Certificate(); certificates != nil {
		run.handleTLS(l, certificates.TLSConfig(), g.app.Handler())
		return
	}
	run.handle(l, g.app.Handler())
}

// otherDescriptors is how many descriptors the process needs besides the connections of clients: for
// the store, the log, the listeners, and connections to WeChat.
const otherDescriptors = 256

// maxConnections returns the limit of connections. It is lower than limits.connections if the
// process may not open as many descriptors: without a free descriptor, the store and calls to
// WeChat fail.
func maxConnections(p printer, conf *config.Config) int {
	configured, available := conf.Limits.Connections, maxDescriptors()
	if available == 0 || uint64(configured)+otherDescriptors <= available {
		return configured
	}
	possible := max(1, int(available)-otherDescriptors)
	p.warnf("limits.connections is %d, but this process may open %d files, so only %d connections are accepted: "+
		"raise the limit (LimitNOFILE in systemd, ulimit -n)", configured, available, possible)
	return possible
}

// printStart prints the addresses of the gateway, or writes them to a log in JSON. It warns about
// connectors of a simulator.
func (g *runningGateway) printStart(p printer, listener, metricsListener net.Listener) {
	for _, c := range g.conf.WeChat {
		if c.AnyBrowser {
			p.warnf("wechat.%s.any_browser: anyone who can reach the simulator can sign in as any user", c.Name)
		}
	}
	var names []string
	for _, a := range g.conf.Apps {
		names = append(names, a.ID)
	}
	listenURL, certificates := address(listener), g.app.Certificate()
	if certificates != nil {
		listenURL = "https" + strings.TrimPrefix(listenURL, "http")
	}
	if p.log != nil {
		metricsURL := ""
		if metricsListener != nil {
			metricsURL = address(metricsListener) + "/metrics"
		}
		p.log.Info("gateway started", "url", g.conf.URL, "listen", listenURL, "metrics", metricsURL,
			"store", g.conf.StoreName(), "apps", names)
		return
	}
	p.printf("Weigate serves %s\n", g.conf.URL)
	p.printf("  listens on   %s", listenURL)
	if certificates != nil {
		p.printf("  certificate  %s", certificateLine(certificates.Status()))
	}
	if metricsListener != nil {
		p.printf("  metrics      %s/metrics", address(metricsListener))
	}
	p.printf("  store        %s", g.conf.StoreName())
	apps := lang.Text("%s", strings.Join(names, ", "))
	if len(names) == 0 {
		apps = lang.Text("none yet")
	}
	p.printf("  apps         %s\n\nCtrl-C stops it.", apps)
}

// handleMonitoring serves metrics and health checks on a listener; nil = nowhere.
func (g *runningGateway) handleMonitoring(run *servers, listener net.Listener) {
	if listener == nil {
		return
	}
	run.handle(listener, g.monitoring())
	run.limitConnections(listener, limit.MetricsConnections.Max,
		func() { g.metrics.Limited(limit.MetricsConnections.Name) })
}

// monitoring returns the handler for metrics and health checks.
func (g *runningGateway) monitoring() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.metrics.Handler())
	mux.Handle("GET /healthz", g.app.Handler())
	mux.Handle("GET /readyz", g.app.Handler())
	return route.WithoutBody(mux)
}

// reloadOn reloads the configuration at each signal until ctx ends.
func (g *runningGateway) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			notifyReloading()
			if certificates := g.app.Certificate(); certificates != nil {
				certificates.Reload(ctx) // also if the configuration is invalid
			}
			status := "serving " + g.conf.URL
			if !g.reload() {
				status += "; the changed configuration is invalid, see the log"
			}
			notifyReady(status)
		}
	}
}

// reload applies the changes of the configuration that do not require a restart. It changes nothing
// if the configuration is invalid, and reports whether it is valid.
func (g *runningGateway) reload() (ok bool) {
	const failed = "configuration not reloaded, previous one kept"
	next, err := config.Load(g.path, g.getenv)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			g.log.Error(failed, "problem", p.String())
		}
		return false
	case err != nil:
		g.log.Error(failed, "error", err)
		return false
	}
	for _, w := range next.Warnings {
		g.log.Warn("configuration warning", "warning", w.String())
	}
	if keys := g.needRestart(next); len(keys) > 0 {
		g.log.Warn("configuration changed, restart required", "keys", strings.Join(keys, ", "))
	}
	next = config.KeepRunning(g.conf, next)
	if err := g.app.Reload(next); err != nil {
		g.log.Error(failed, "error", err)
		return false
	}
	g.conf = next
	g.level.Set(parseLevel(next.Log.Level))
	g.log.Info("configuration reloaded", "apps", len(next.Apps))
	return true
}

// needRestart returns the changed keys that a reload cannot apply. A reload does not replace the
// master key either. So needRestart also checks whether the master key file has changed since the
// start.
func (g *runningGateway) needRestart(next *config.Config) []string {
	changed := config.NeedsRestart(g.conf, next)
	switch sealer, err := loadMasterKey(next); {
	case err != nil:
		g.log.Warn("master key not read, restart would fail", "error", err)
	case !slices.Equal(sealer.IDs(), g.keyIDs) && !slices.Contains(changed, "master_key_file"):
		changed = append(changed, "master_key_file (content)")
	}
	return changed
}

// loadOrCreateMasterKey reads the master key. If the file does not exist and the store has no
// signing keys, it creates the file. If the store has signing keys, the file is lost. A new master
// key could not decrypt the signing keys, so this is an error.
func loadOrCreateMasterKey(s *invocation, conf *config.Config, store gateway.Keys) (*keys.Sealer, error) {
	// Without fs.ErrNotExist the key exists, even if it could not be read.
	if sealer, err := loadMasterKey(conf); !errors.Is(err, fs.ErrNotExist) {
		return sealer, err
	}
	if err := checkNoSealedKeys(s.ctx, conf, store); err != nil {
		return nil, err
	}
	sealer, created, err := keys.LoadOrCreate(conf.MasterKeyFile)
	if created {
		s.out.warnf("created the master key %s: back it up, separately from the database", conf.MasterKeyFile)
	}
	return sealer, err
}

// checkNoSealedKeys returns an error if the store contains signing keys. Call it if the master key
// file is missing: no other key can decrypt the signing keys.
func checkNoSealedKeys(ctx context.Context, conf *config.Config, store gateway.Keys) error {
	sealed, err := store.Keys(ctx)
	if err != nil {
		return storeError(conf, err)
	}
	if len(sealed) > 0 {
		return withHint(lang.Errorf("master key %s: %w, and the store contains %s sealed with it",
			conf.MasterKeyFile, fs.ErrNotExist, lang.Count(len(sealed), "1 key", "%d keys")), restoreKeyHint)
	}
	return nil
}
