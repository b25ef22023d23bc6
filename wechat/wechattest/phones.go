package wechattest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/simulator/link"
)

// phones holds the phones of a simulator and what they share.
type phones struct {
	mu      sync.Mutex
	fetcher *fetcher
	byID    map[string]*Phone // by person
	origins map[string]bool   // at which the simulator is reached
	pending map[string]int    // requests of phones on the network, by origin, path and query
	hooks   []func(person string)
}

func (b *phones) init(s *Server) {
	b.byID, b.origins, b.pending = map[string]*Phone{}, map[string]bool{}, map[string]int{}
	if u, ok := link.Resolve(nil, s.cfg.OpenURL); ok {
		b.origins[origin.Of(u)] = true
	}
	d := &dialer{allowed: slices.Clone(s.cfg.PhoneHosts)}
	b.fetcher = &fetcher{
		simulator: s,
		phones:    b,
		// Without keep-alive no goroutine outlives a test. Without a proxy the dialer checks every
		// address.
		transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 1 << 20},
	}
}

// Phone returns the phone of a person, the same one at each call. For an unknown id it returns a
// phone whose methods return an error that lists the known ids.
func (s *Server) Phone(person string) *Phone {
	known := s.hasPerson(person)
	b := &s.phones
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.byID[person]; p != nil {
		return p
	}
	p := &Phone{at: -1, device: &device{person: person, server: s}}
	if known {
		b.byID[person] = p
	}
	return p
}

// OnPhoneChange registers a function that is called after each change of what a phone shows, with
// the person's id.
func (s *Server) OnPhoneChange(hook func(person string)) {
	b := &s.phones
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hooks = append(slices.Clip(b.hooks), hook)
}

func (b *phones) changed(person string) {
	b.mu.Lock()
	hooks := b.hooks
	b.mu.Unlock()
	for _, hook := range hooks {
		hook(person)
	}
}

func (s *Server) hasPerson(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.person(id) != nil
}

func (p *Phone) fetcher() *fetcher { return p.device.server.phones.fetcher }

// identify appends the person's identity to a request to the simulator, as WeChat's client does.
func (p *Phone) identify(r *http.Request) {
	if !p.device.currentBrowser().isWeChat() {
		return
	}
	var b strings.Builder
	b.WriteString(r.URL.RawQuery)
	for _, param := range p.device.server.identity(p.device.person) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(param.Name + "=" + url.QueryEscape(param.Value))
	}
	r.URL.RawQuery = b.String()
}

// isSimulator reports whether the simulator serves an address. It serves WeChat's host names and
// the addresses that it has learned.
//
// The simulator does not know at which address it listens: in a test it is behind an
// httptest.Server. The first request of a phone to such an address goes over the network. The
// simulator recognizes it, because it has the address of a request that one of its phones has just
// sent, learns the address and answers 421; the phone repeats the request in process. So the
// requests need no special header, which an app would see.
func (b *phones) isSimulator(u *url.URL) bool {
	if slices.Contains(wechatHosts(), lowerASCII(u.Hostname())) {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.origins[origin.Of(u)]
}

// expect records that a phone sends a request over the network. The caller calls done when it has
// the response.
func (b *phones) expect(u *url.URL) (done func()) {
	key := origin.Of(u) + u.RequestURI()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending[key]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.pending[key]--; b.pending[key] <= 0 {
			delete(b.pending, key)
		}
	}
}

// learn reports whether a request from the network is one that a phone has just sent, and if so
// stores its origin.
func (b *phones) learn(r *http.Request) bool {
	if r.Context().Value(inProcessKey{}) != nil {
		return false
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	at := origin.Of(&url.URL{Scheme: scheme, Host: r.Host})
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending[at+r.URL.RequestURI()] == 0 {
		return false
	}
	b.origins[at] = true
	return true
}

// inProcessKey is the context key of requests that a phone makes in process.
type inProcessKey struct{}

func inProcess(ctx context.Context) context.Context {
	return context.WithValue(ctx, inProcessKey{}, true)
}
