package wechattest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A phoneBook holds the phones of a simulator's people and what they have in common.
type phoneBook struct {
	mu       sync.Mutex
	server   *Server
	net      *fetcher
	phones   map[string]*Phone
	own      map[string]bool // origins at which the simulator answers
	pending  map[string]int  // requests that phones have on the network, by origin, path and query
	watchers []func()        // hear of each change of what a phone shows
}

func (b *phoneBook) setUp(s *Server) {
	b.server = s
	b.phones, b.own, b.pending = map[string]*Phone{}, map[string]bool{}, map[string]int{}
	if u, ok := resolve(nil, s.cfg.OpenURL); ok {
		b.own[origin(u)] = true
	}
	d := &dialer{extra: slices.Clone(s.cfg.PhoneHosts)}
	b.net = &fetcher{
		simulator: s,
		book:      b,
		// No connection is kept: nothing is left running when a test ends. No proxy: phones go where the dialer lets them.
		transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 1 << 20},
	}
}

// Phone returns the phone of a person, the same one each time. With an id that nobody has, it returns a phone that goes nowhere: each
// of its journeys is an error that names who there is.
func (s *Server) Phone(person string) *Phone {
	known := s.hasPerson(person)
	b := &s.phones
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.phones[person]; p != nil {
		return p
	}
	p := &Phone{at: -1, device: &device{person: person, server: s}}
	if known {
		b.phones[person] = p
	}
	return p
}

func (s *Server) hasPerson(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.person(id) != nil
}

// identify does to a phone's request to the simulator what WeChat's client does: it appends who the person is.
func (s *Server) identify(r *http.Request, person string) {
	var b strings.Builder
	b.WriteString(r.URL.RawQuery)
	for _, p := range s.identity(person) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.Name + "=" + url.QueryEscape(p.Value))
	}
	r.URL.RawQuery = b.String()
}

// tell says that a phone shows something else.
func (b *phoneBook) tell() {
	b.mu.Lock()
	watchers := b.watchers
	b.mu.Unlock()
	for _, f := range watchers {
		f()
	}
}

func (b *phoneBook) watch(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers = append(slices.Clip(b.watchers), f)
}

// isOwn reports whether an address is the simulator's. WeChat's names always are.
func (b *phoneBook) isOwn(u *url.URL) bool {
	if slices.Contains(wechatHosts(), lowerASCII(u.Hostname())) {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own[origin(u)]
}

// The simulator does not know at which addresses its users let it listen: in a test it is behind an httptest.Server.
// So a phone's first request to such an address goes out over the network like any other, and the simulator knows it when it
// comes in: it has the address of a request that one of its own phones has just sent. It answers nothing, learns the
// address, and the phone asks again in process. No mark is put on the request that another server could see.

// expect notes that a phone is about to send a request over the network. done is called when the answer is there.
func (b *phoneBook) expect(u *url.URL) (done func()) {
	key := origin(u) + u.RequestURI()
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

// inProcessKey is the context key that tells a request of a phone in process from one that came in.
type inProcessKey struct{}

// cameBack reports whether a request that came in over the network is one that a phone of this simulator has just
// sent, and if so learns the address.
func (b *phoneBook) cameBack(r *http.Request) bool {
	if r.Context().Value(inProcessKey{}) != nil {
		return false
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	u := &url.URL{Scheme: scheme, Host: r.Host}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending[origin(u)+r.URL.RequestURI()] == 0 {
		return false
	}
	b.own[origin(u)] = true
	return true
}

// inProcess marks a context as that of a phone's request in process.
func inProcess(ctx context.Context) context.Context {
	return context.WithValue(ctx, inProcessKey{}, true)
}
