package cli

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/metrics"
)

// serveCmd is "weigate serve": the gateway.
type serveCmd struct{ configured }

// stopPatience is how long requests may go on after the gateway was told to stop: longer than a call to WeChat, so that no sign-in is lost half-way.
const stopPatience = 20 * time.Second

// serving is a gateway between its start and its end.
type serving struct {
	path    string // of the configuration
	conf    *config.Config
	master  []string // ids of the master keys
	app     *app.App
	log     *slog.Logger
	level   *slog.LevelVar
	getenv  func(string) string
	metrics *metrics.Metrics
}

// Run serves until the context ends, then lets what is in flight finish. The addresses are taken first, so that a busy port changes nothing.
func (c *serveCmd) Run(s *session) (err error) {
	conf, err := c.load(s)
	if err != nil {
		return err
	}
	run := &servers{out: s.out, patience: stopPatience, finish: true, writeTimeout: time.Minute}
	defer run.close()
	site, err := run.listenAs(conf.Listen, "listen in the configuration")
	if err != nil {
		return err
	}
	var watch net.Listener
	if conf.Metrics != "" {
		if watch, err = run.listenAs(conf.Metrics, "metrics in the configuration"); err != nil {
			return err
		}
	}
	counted := metrics.New()
	store, err := openStore(s.ctx, conf, app.StoreOptions{Serve: true, Observe: counted.Store})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	master, err := masterKeyFor(s, conf, store)
	if err != nil {
		return err
	}
	g := &serving{path: c.Config, conf: conf, master: master.IDs(), getenv: s.getenv, level: &slog.LevelVar{}, metrics: counted}
	g.log = newLogger(s.out.err, conf.Log.Format, g.level)
	g.level.Set(logLevel(conf.Log.Level))
	g.app, err = app.New(s.ctx, app.Options{Config: conf, Store: store, Sealer: master, Metrics: g.metrics, Logger: g.log})
	if err != nil {
		return wrongKey(err)
	}
	defer func() {
		// The servers have stopped by now; what is left are short rounds in the background.
		end, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), stopPatience)
		defer cancel()
		err = errors.Join(err, g.app.Close(end))
	}()
	run.stopping = g.app.Stopping
	run.handle(site, g.app.Handler())
	if watch != nil {
		run.handle(watch, g.watch())
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	go g.reloads(ctx, hangup)
	context.AfterFunc(ctx, g.app.Drain)
	g.announce(s.out, site, watch)
	return run.run(ctx)
}

// announce prints where the gateway is.
func (g *serving) announce(v printer, site, watch net.Listener) {
	v.say("Weigate serves %s\n", g.conf.URL)
	v.say("  listens on   %s", address(site))
	if watch != nil {
		v.say("  metrics      %s/metrics", address(watch))
	}
	v.say("  store        %s", g.conf.StoreName())
	var names []string
	for _, a := range g.conf.Apps {
		names = append(names, a.ID)
	}
	if len(names) == 0 {
		names = []string{"none yet"}
	}
	v.say("  apps         %s\n\nCtrl-C stops it.", strings.Join(names, ", "))
	for _, e := range g.conf.WeChat {
		if e.AnyBrowser {
			v.warn("wechat.%s takes every browser for WeChat's (any_browser): whoever reaches the simulator signs in as anybody", e.Name)
		}
	}
}

// watch serves those who watch the process. The gateway's own handler answers the health checks, here as on the main listener.
func (g *serving) watch() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.metrics.Handler())
	mux.Handle("GET /healthz", g.app.Handler())
	mux.Handle("GET /readyz", g.app.Handler())
	return mux
}

// reloads reads the configuration again at each signal.
func (g *serving) reloads(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			g.reload()
		}
	}
}

// reload takes up what can be taken up, or nothing when anything is wrong: then the gateway goes on as it is, and the log says why.
func (g *serving) reload() {
	read, err := config.Load(g.path, g.getenv)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			g.log.Error("configuration not reloaded, the present one goes on", "problem", p.String())
		}
		return
	case err != nil:
		g.log.Error("configuration not reloaded, the present one goes on", "error", err)
		return
	}
	for _, w := range read.Warnings {
		g.log.Warn("configuration", "warning", w.String())
	}
	waiting := config.NeedsRestart(g.conf, read)
	// The file may hold other keys under its old name, and signing keys are sealed with those that were there at the start.
	if m, err := presentMasterKey(read); err != nil {
		g.log.Warn("the master key cannot be read; the gateway goes on with the one of its start, and would not start again", "error", err)
	} else if !slices.Equal(m.IDs(), g.master) && !slices.Contains(waiting, "master_key_file") {
		waiting = append(waiting, "the contents of master_key_file")
	}
	if len(waiting) > 0 {
		g.log.Warn("these changes of the configuration wait for the next start", "keys", strings.Join(waiting, ", "))
	}
	next := config.Keep(g.conf, read)
	if err := g.app.Reload(next); err != nil {
		g.log.Error("configuration not reloaded, the present one goes on", "error", err)
		return
	}
	g.conf = next
	g.level.Set(logLevel(next.Log.Level))
	g.log.Info("configuration reloaded", "apps", len(next.Apps))
}

// masterKeyFor reads the master key, or makes its file for a store that holds nothing sealed yet. A new key beside an old database would open nothing.
func masterKeyFor(s *session, conf *config.Config, store gateway.Keys) (*keys.Sealer, error) {
	if m, err := presentMasterKey(conf); !errors.Is(err, fs.ErrNotExist) {
		if open, exposedErr := keys.Exposed(conf.MasterKeyFile); conf.MasterKey == "" && exposedErr == nil && open {
			s.out.warn("others on this machine can read the master key %s: chmod 600", conf.MasterKeyFile)
		}
		return m, err
	}
	if err := missingMasterKey(s.ctx, conf, store); err != nil {
		return nil, err
	}
	m, created, err := app.MasterKey(conf)
	if created {
		s.out.warn("made a master key, %s: keep a copy of it apart from the database and its backups", conf.MasterKeyFile)
	}
	return m, err
}

// missingMasterKey says whether the master key that is not there was needed.
func missingMasterKey(ctx context.Context, conf *config.Config, store gateway.Keys) error {
	sealed, err := store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("the store (%s): %w", conf.StoreName(), err)
	}
	if len(sealed) > 0 {
		return fmt.Errorf("the master key file %s is missing, and the store holds %s sealed with it: put the file back, or name it with master_key_file",
			conf.MasterKeyFile, count(len(sealed), "key", "keys"))
	}
	return nil
}
