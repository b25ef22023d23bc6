package wechattest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is WeChat. Make it with [New]. All methods may be called at the same time. Its state lives in memory only.
type Server struct {
	cfg   Config // apps, people and switches move to the fields below
	hosts []string
	fetch *http.Client

	background sync.WaitGroup
	closing    context.Context
	close      context.CancelFunc

	mu       sync.Mutex
	offset   time.Duration
	switches Switches
	apps     []*App
	people   []*Person
	ids      *ids
	state    state
	faults   []*Fault
	log      callLog

	phones phoneBook
}

// New returns a server for the configuration, or an error that lists every problem of it.
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
	s := &Server{cfg: cfg, switches: cfg.Switches, ids: newIDs(cfg.Seed, cfg.Mark), state: newState(), fetch: strangerClient(cfg.HTTPClient)}
	s.closing, s.close = context.WithCancel(context.Background())
	for _, a := range cfg.Apps {
		a = a.clone()
		s.apps = append(s.apps, &a)
	}
	for _, p := range cfg.People {
		p = p.clone()
		s.people = append(s.people, &p)
	}
	s.hosts = append([]string{}, cfg.Hosts...)
	if u, err := url.Parse(cfg.OpenURL); err == nil && u.Host != "" {
		s.hosts = append(s.hosts, u.Hostname())
	}
	s.phones.setUp(s)
	s.cfg.Apps, s.cfg.People = nil, nil // the live ones are s.apps and s.people
	return s, nil
}

// Close ends what the server does by itself (second callbacks, waiting polls, subscriptions) and waits for it. It is not needed when nothing of that is
// used. Afterwards the server still answers.
func (s *Server) Close() {
	s.close()
	s.background.Wait()
	s.unsubscribeAll()
}

// Seed returns the seed in use: that of the configuration, or the random one.
func (s *Server) Seed() uint64 { return s.cfg.Seed }

// Apps returns copies of the apps, in the order of the configuration.
func (s *Server) Apps() []App {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]App, len(s.apps))
	for i, a := range s.apps {
		out[i] = a.clone()
	}
	return out
}

// People returns copies of the people, in the order of the configuration.
func (s *Server) People() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Person, len(s.people))
	for i, p := range s.people {
		out[i] = p.clone()
	}
	return out
}

// UpdateApp changes an app, for example bans it. The appid stays what it was. An unknown appid and a change that the configuration would not
// accept are errors, and nothing is changed.
func (s *Server) UpdateApp(appID string, change func(*App)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(appID)
	if a == nil {
		return fmt.Errorf("wechattest: no app %q", appID)
	}
	next := a.clone()
	change(&next)
	next.AppID = appID
	if err := next.check(); err != nil {
		return err
	}
	*a = next.clone()
	return nil
}

// UpdatePerson changes a person, for example the nickname. The id stays what it was. An unknown id is an error.
func (s *Server) UpdatePerson(id string, change func(*Person)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(id)
	if p == nil {
		return fmt.Errorf("wechattest: no person %q; there are %s", id, strings.Join(s.personIDs(), ", "))
	}
	next := p.clone()
	change(&next)
	next.ID = id
	*p = next.clone()
	return nil
}

// OpenID returns the openid that the app sees for the person. The pair need not exist.
func (s *Server) OpenID(appID, person string) string { return s.ids.openID(appID, person, false) }

// UnionID returns the unionid that the app sees for the person, or "" when the app is unknown or bound to no open platform.
func (s *Server) UnionID(appID, person string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(appID)
	if a == nil || a.platform() == "" {
		return ""
	}
	return s.ids.unionID(a.platform(), person, false)
}

// Switches returns the positions of the switches.
func (s *Server) Switches() Switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.switches
}

// Switch changes switches; the change takes effect with the next request. The function runs under the server's lock and must not call the server.
func (s *Server) Switch(change func(*Switches)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.switches)
}

// app, person, personIDs and ids are used under the lock.
func (s *Server) app(id string) *App {
	for _, a := range s.apps {
		if a.AppID == id {
			return a
		}
	}
	return nil
}

func (s *Server) person(id string) *Person {
	for _, p := range s.people {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (s *Server) personIDs() []string {
	out := make([]string, len(s.people))
	for i, p := range s.people {
		out[i] = p.ID
	}
	return out
}

// acceptsHost is the guard against DNS rebinding: a name on the internet that is pointed at this machine is not one of ours. An IP address cannot be
// rebound.
func (s *Server) acceptsHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(strings.TrimSuffix(host, "."), "[]"))
	return net.ParseIP(host) != nil || host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		isWeChatHost(host) || slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// isWeChatHost knows the names under which WeChat serves what this package imitates.
func isWeChatHost(host string) bool {
	switch host {
	case "open.weixin.qq.com", "lp.open.weixin.qq.com", "long.open.weixin.qq.com", "res.wx.qq.com", "thirdwx.qlogo.cn", "wx.qlogo.cn",
		"api.weixin.qq.com", "api2.weixin.qq.com", "sh.api.weixin.qq.com", "sz.api.weixin.qq.com", "hk.api.weixin.qq.com":
		return true
	}
	return false
}

// strangerClient copies c without what a stranger would not have: the person's cookies. It follows nothing, since Tencent's fetches are single ones.
func strangerClient(c *http.Client) *http.Client {
	out := &http.Client{Timeout: 10 * time.Second}
	if c != nil {
		*out = *c
	}
	out.Jar = nil
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return out
}
