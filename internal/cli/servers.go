package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/limit"
)

// servers is a set of HTTP servers that start and stop together. A command calls the methods in
// this order: listen for all addresses, handle for all handlers, and then run. So a port in use
// ends the program before it has printed or changed anything.
type servers struct {
	out printer
	all []server

	shutdownTimeout time.Duration // how long requests in progress may take after a stop; 0 = five seconds
	writeTimeout    time.Duration // for a whole response; 0 = unlimited, for long polls of the simulator
	errorLog        *log.Logger   // of net/http; nil = printed by out

	// graceful lets requests in progress finish within shutdownTimeout. Without it, a stop cancels
	// their contexts at once.
	graceful bool
	// stopping is called once when a stop begins, while connections are still accepted; nil =
	// nothing is called.
	stopping func()
}

// lateConnections is how long a graceful server still accepts connections after a stop. The kernel
// may have connections of a proxy in the queue of the listener. Closing the listener at once would
// reset these connections, and the proxy would respond with 502. A test of rolling restarts under
// load has shown this.
const lateConnections = 500 * time.Millisecond

type server struct {
	listener net.Listener
	handler  http.Handler
	tls      *tls.Config // nil = plain http
}

// listenFlag listens on the address of a flag.
func (s *servers) listenFlag(flag, addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, lang.Errorf("%s must be HOST:PORT such as 127.0.0.1:8080, not %q", flag, addr)
	}
	return s.listen(addr, lang.Text("%s", flag))
}

// listen listens on an address. setting is the flag or configuration key of the address, for hints.
func (s *servers) listen(addr string, setting lang.Message) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listenError(addr, setting, err)
	}
	s.all = append(s.all, server{listener: l})
	return l, nil
}

// listenError adds to an error of net.Listen what to do.
func listenError(addr string, setting lang.Message, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		err := lang.Errorf("listen on %s: address already in use", addr)
		if !strings.HasPrefix(setting.String(), "--") { // of a gateway, whose proxy and health checks need a known port
			return withHint(err, "stop the other program, or set another address with %s", setting)
		}
		return withHint(err,
			"stop the other program, or set another address with %s (port 0 chooses a free port)", setting)
	case errors.Is(err, syscall.EACCES):
		return withHint(lang.Errorf("listen on %s: permission denied", addr),
			"set a port above 1023 with %s, or allow lower ports: AmbientCapabilities=CAP_NET_BIND_SERVICE in the "+
				"systemd unit", setting)
	}
	var opErr *net.OpError
	if errors.As(err, &opErr) {
		err = opErr.Err // omit the address: the message below has it already
	}
	return withHint(lang.Errorf("listen on %s: %w", addr, err), "set another address with %s", setting)
}

// handle sets the handler of a listener.
func (s *servers) handle(l net.Listener, h http.Handler) {
	for i := range s.all {
		if s.all[i].listener == l {
			s.all[i].handler = h
		}
	}
}

// handleTLS sets the handler of a listener, and serves it with TLS.
func (s *servers) handleTLS(l net.Listener, conf *tls.Config, h http.Handler) {
	for i := range s.all {
		if s.all[i].listener == l {
			s.all[i].handler, s.all[i].tls = h, conf
		}
	}
}

// limitConnections limits the open connections of a listener. onExceeded is called for each
// connection that is closed because of the limit. Call limitConnections after handle, because it
// replaces the listener.
func (s *servers) limitConnections(l net.Listener, limit int, onExceeded func()) {
	for i := range s.all {
		if s.all[i].listener == l {
			s.all[i].listener = newConnectionLimit(l, limit, onExceeded)
		}
	}
}

// close closes all listeners. Commands call it when they return, possibly before run was called.
func (s *servers) close() {
	for _, each := range s.all {
		each.listener.Close()
	}
}

// run serves until ctx is done or a server fails, and then shuts all servers down.
func (s *servers) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// requests is the parent context of all requests. A graceful stop does not cancel it.
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	if !s.graceful {
		context.AfterFunc(ctx, cancelRequests)
	}
	var wait sync.WaitGroup
	failed := make(chan error, len(s.all))
	var httpServers []*http.Server
	for _, each := range s.all {
		h := s.httpServer(requests, each.handler)
		h.TLSConfig = each.tls
		httpServers = append(httpServers, h)
		wait.Go(func() {
			serve := h.Serve
			if each.tls != nil {
				serve = func(l net.Listener) error { return h.ServeTLS(l, "", "") }
			}
			if err := serve(each.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- lang.Errorf("serve on %s: %w", each.listener.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel() // needed when a server has failed: ctx is then not done yet
	if s.stopping != nil {
		s.stopping()
	}
	if s.graceful && err == nil {
		time.Sleep(lateConnections)
	}
	shutdown, cancelShutdown := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(s.shutdownTimeout, 5*time.Second))
	defer cancelShutdown()
	for _, h := range httpServers {
		wait.Go(func() {
			if h.Shutdown(shutdown) != nil {
				h.Close() // shutdownTimeout has passed: close the remaining connections
			}
		})
	}
	wait.Wait()
	return err
}

// httpServer returns a server whose requests have a context derived from requests.
func (s *servers) httpServer(requests context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: limit.HeaderTime.Duration,
		ReadTimeout:       limit.RequestTime.Duration, // longer than the long polls of package scan
		IdleTimeout:       limit.IdleTime.Duration,
		WriteTimeout:      s.writeTimeout,
		MaxHeaderBytes:    limit.Headers.Bytes - 4<<10, // net/http adds 4 kB to this value
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: limit.Streams.Max},
		ErrorLog:          cmp.Or(s.errorLog, s.out.serverLog()),
		ConnState:         connectionState,
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
}

// isLoopback reports whether a listener is reachable from this machine only.
func isLoopback(l net.Listener) bool {
	a, ok := l.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}
