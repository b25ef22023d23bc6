package wechattest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// A phoneBook holds the phones of a simulator's people and what they have in common. Its zero value is ready once
// setUp was called.
type phoneBook struct {
	mu      sync.Mutex
	net     *fetcher
	mark    func(r *http.Request, person string)
	phones  map[string]*Phone
	extra   []string        // hosts that phones may visit besides this machine and private addresses
	own     map[string]bool // origins at which the simulator answers
	pending map[string]int  // requests that phones have on the network, by origin, path and query
	changed func()
}

// setUp says who the simulator is, at which address people are told that it is, and how a request is marked as a
// person's.
func (b *phoneBook) setUp(simulator http.Handler, openURL string, extra []string, mark func(*http.Request, string)) {
	b.phones, b.own, b.pending = map[string]*Phone{}, map[string]bool{}, map[string]int{}
	if u, ok := resolve(nil, openURL); ok {
		b.own[origin(u)] = true
	}
	b.extra, b.mark = slices.Clone(extra), mark
	d := &dialer{extra: b.extraHosts}
	b.net = &fetcher{
		simulator: simulator,
		book:      b,
		// No connection is kept: nothing is left running when a test ends. No proxy: phones go where the dialer lets them.
		transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 1 << 20},
	}
}

func (b *phoneBook) extraHosts() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.extra
}

// phone is a person's phone, the same one each time.
func (b *phoneBook) phone(person string) *Phone {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.phones[person]
	if p == nil {
		p = &Phone{at: -1, device: &device{
			person:  person,
			net:     b.net,
			cookies: newCookieStore(),
			mark:    func(r *http.Request) { b.mark(r, person) },
			notify:  b.tell,
		}}
		b.phones[person] = p
	}
	return p
}

// tell says that a phone shows something else.
func (b *phoneBook) tell() {
	b.mu.Lock()
	f := b.changed
	b.mu.Unlock()
	if f != nil {
		f()
	}
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
