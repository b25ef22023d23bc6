package wechattest

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/origin"
)

// Server is a simulated WeChat. Make it with [New]. Its methods may be called concurrently. Its
// state is in memory.
type Server struct {
	cfg    Config       // with Apps, People and Quirks as at the start, see Reset
	hosts  []string     // Config.Hosts and the host of Config.OpenURL, see acceptsHost
	client *http.Client // for extra callbacks, see Quirks.DoubleCallback

	background sync.WaitGroup     // extra callbacks that are being sent
	closing    context.Context    // canceled by Close
	close      context.CancelFunc // cancels closing

	mu     sync.Mutex    // guards the fields below
	offset time.Duration // sum of all calls of Advance
	quirks Quirks
	apps   []*App
	people []*Person
	added  added // apps and people as they were added, see ResetApp and ResetPerson
	ids    *ids
	state  state    // codes, tokens, consents, QR codes
	faults []*Fault // added by Fail
	log    callLog

	phones phones // has a lock of its own
}

// New returns a server, or an error that lists all problems of the configuration.
func New(cfg Config) (*Server, error) {
	if cfg.Apps == nil {
		cfg.Apps = DefaultApps()
	}
	if cfg.People == nil {
		cfg.People = DefaultPeople()
	}
	if cfg.Seed == 0 {
		cfg.Seed = randomSeed()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, quirks: cfg.Quirks, ids: newIDs(cfg.Seed, cfg.Mark), state: newState(),
		client: callbackClient(cfg.HTTPClient),
	}
	s.closing, s.close = context.WithCancel(context.Background())
	s.cfg.Apps, s.cfg.People = cloneApps(cfg.Apps), clonePeople(cfg.People)
	s.register()
	s.hosts = slices.Clone(cfg.Hosts)
	if u, err := url.Parse(cfg.OpenURL); err == nil && u.Host != "" {
		s.hosts = append(s.hosts, u.Hostname())
	}
	s.phones.init(s)
	return s, nil
}

// Close ends long polls and subscriptions ([Server.Subscribe]). It cancels extra callbacks
// ([Quirks.DoubleCallback]) and waits for their end. A server without polls, subscriptions and
// extra callbacks need not be closed. A closed server still answers requests.
func (s *Server) Close() {
	s.close()
	s.background.Wait()
	s.unsubscribeAll()
}

// Seed returns the seed in use.
func (s *Server) Seed() uint64 { return s.cfg.Seed }

// Now returns the server's time: [Config.Now] plus what [Server.Advance] has added.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// now is Now for callers that hold the lock.
func (s *Server) now() time.Time { return s.cfg.Now().Add(s.offset) }

// Advance moves the server's clock. By this clock codes, tokens, consents and QR codes expire.
// Before Advance returns, it sends the callbacks of [DoubleLate] (repeated after hours) that have
// become due, and the pushes that [Quirks.PushDelay] holds. A negative duration moves the clock
// back.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	s.offset += d
	s.state.wakePolls() // a QR code may have expired
	due := s.state.takeDueCallbacks(s.now())
	held := s.takeHeldPushes()
	s.mu.Unlock()
	for _, h := range held {
		s.deliver(s.closing, h.outgoing)
	}
	for _, address := range due {
		s.sendExtraCallback(address)
	}
}

// Quirks returns the quirks in effect.
func (s *Server) Quirks() Quirks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quirks
}

// UpdateQuirks changes quirks (undocumented behaviour of WeChat) from the next request on. The
// function change must not call the server: it would wait forever for the server's lock.
func (s *Server) UpdateQuirks(change func(*Quirks)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.quirks)
}

// acceptsHost reports whether a Host header is accepted. It is the defence against DNS rebinding: a
// website resolves its own name to this machine, and its pages could then use this server. An IP
// address in Host is safe, because a browser sends it only to that address.
func (s *Server) acceptsHost(hostport string) bool {
	host := strings.TrimSuffix(origin.Hostname(hostport), ".")
	return net.ParseIP(host) != nil || origin.IsLoopback(host) || slices.Contains(wechatHosts(), host) ||
		slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
