package resilience_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"sync"
	"testing"
)

// proxy is the reverse proxy in front of the replicas. It sends each request to the next replica.
// Like nginx by default it opens a connection for each request, and tries the next replica only
// when it could not connect.
type proxy struct {
	url       string
	transport *http.Transport

	mu     sync.Mutex
	hosts  []string
	turn   int
	up     chan struct{} // closed while there is a replica
	trap   map[string]func()
	failed int // requests that got a 502
	served map[string]int
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{up: make(chan struct{}), trap: map[string]func(){}, served: map[string]int{}}
	p.transport = &http.Transport{DisableKeepAlives: true}
	handler := &httputil.ReverseProxy{
		Transport: p,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			p.mu.Lock()
			p.failed++
			p.mu.Unlock()
			w.WriteHeader(http.StatusBadGateway)
		},
		ErrorLog: log.New(io.Discard, "", 0), // responses that were cut off; the client reports them
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

var errDown = errors.New("no replica is up")

// RoundTrip sends a request to the next replica.
func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	err := errDown
	for range 4 {
		host, trap := p.next(r.URL.Path)
		if host == "" {
			return nil, err
		}
		out := r.Clone(r.Context())
		out.URL.Host = host
		out.Body = io.NopCloser(bytes.NewReader(body))
		if trap != nil {
			go trap()
		}
		var res *http.Response
		if res, err = p.transport.RoundTrip(out); err == nil {
			p.mu.Lock()
			p.served[host]++
			p.mu.Unlock()
			return res, nil
		}
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" {
			return nil, err
		}
	}
	return nil, err
}

func (p *proxy) next(path string) (host string, trap func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.hosts) == 0 {
		return "", nil
	}
	p.turn++
	trap = p.trap[path]
	delete(p.trap, path)
	return p.hosts[p.turn%len(p.hosts)], trap
}

// set makes the proxy call trap with the next request to the path.
func (p *proxy) set(path string, trap func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trap[path] = trap
}

func (p *proxy) add(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts = append(p.hosts, host)
	if len(p.hosts) == 1 {
		close(p.up)
	}
}

func (p *proxy) remove(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.hosts)
	p.hosts = slices.DeleteFunc(p.hosts, func(h string) bool { return h == host })
	if before > 0 && len(p.hosts) == 0 {
		p.up = make(chan struct{})
	}
}

// wait waits until a replica is up.
func (p *proxy) wait(ctx context.Context) error {
	p.mu.Lock()
	up := p.up
	p.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *proxy) failures() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}
