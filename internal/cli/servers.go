package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// servers is a set of HTTP servers that start and stop together. All addresses are taken
// before the first answer is given, so that a busy port stops the program before it has
// told anybody an address.
type servers struct {
	out printer
	all []server
	// patience is how long requests may go on after the program was told to stop; 0 is five seconds.
	patience time.Duration
	// finish lets requests do all of their work within patience, those that are only just arriving too. Without it they see the end at once, which is for
	// servers whose requests wait for something that will not come any more.
	finish bool
	// stopping is called once when the program was told to stop, before late arrivals are let in; nil = nothing to do.
	stopping func()
	// writeTimeout is how long an answer may take in all; 0 is no limit, for pages that are held until something happens.
	writeTimeout time.Duration
}

// lateArrivals is how long a server with finish goes on taking connections after it was told to stop. A proxy that was told before has sent some that the
// kernel holds for us, and closing the listener would reset those: in a rolling restart under load, people saw 502.
const lateArrivals = 500 * time.Millisecond

type server struct {
	listener net.Listener
	handler  http.Handler
}

// listen takes the address that flag asked for. The error says what to do instead.
func (s *servers) listen(flag, addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("%s wants HOST:PORT, such as 127.0.0.1:8080, not %q", flag, addr)
	}
	return s.listenAs(addr, flag+" HOST:PORT")
}

// listenAs takes an address; how tells where another one can be chosen.
func (s *servers) listenAs(addr, how string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		s.all = append(s.all, server{listener: l})
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is busy, another program listens there: stop it, or choose another address with %s (port 0 takes any free one)", addr, how)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on %s: choose a port above 1023 with %s", addr, how)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // without the address, which is said already
	}
	return nil, fmt.Errorf("cannot listen on %s: %w: choose another address with %s", addr, err, how)
}

// handle gives the listener its handler.
func (s *servers) handle(l net.Listener, h http.Handler) {
	for i := range s.all {
		if s.all[i].listener == l {
			s.all[i].handler = h
		}
	}
}

// handleTLS gives the listener its handler behind TLS.
func (s *servers) handleTLS(l net.Listener, conf *tls.Config, h http.Handler) {
	for i := range s.all {
		if s.all[i].listener == l {
			s.all[i] = server{tls.NewListener(l, conf), h}
		}
	}
}

// close gives up the addresses of servers that will not run.
func (s *servers) close() {
	for _, each := range s.all {
		each.listener.Close()
	}
}

// run serves until ctx ends, then lets requests finish for a moment. Requests see ctx, so
// that the ones that wait for something (a scan, a log line) end with it, unless finish is set.
func (s *servers) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if !s.finish {
		context.AfterFunc(ctx, end)
	}
	var running sync.WaitGroup
	failed := make(chan error, len(s.all))
	var stops []func(context.Context)
	for _, each := range s.all {
		h := &http.Server{
			Handler:           each.handler,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       30 * time.Second, // no body here is larger than a form
			IdleTimeout:       2 * time.Minute,
			WriteTimeout:      s.writeTimeout,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          s.out.httpLog(),
			BaseContext:       func(net.Listener) context.Context { return requests },
		}
		stops = append(stops, func(ctx context.Context) {
			if h.Shutdown(ctx) != nil {
				h.Close() // time is up: whoever still waits is cut off
			}
		})
		running.Go(func() {
			if err := h.Serve(each.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("the server on %s stopped: %w", each.listener.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel()
	if s.stopping != nil {
		s.stopping()
	}
	if s.finish && err == nil {
		time.Sleep(lateArrivals)
	}
	last, done := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(s.patience, 5*time.Second))
	defer done()
	for _, stop := range stops {
		running.Go(func() { stop(last) })
	}
	running.Wait()
	return err
}

// loopback tells whether only this machine can reach the listener.
func loopback(l net.Listener) bool {
	a, ok := l.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}
