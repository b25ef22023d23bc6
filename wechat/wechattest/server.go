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

	"github.com/weigate/weigate/internal/origin"
)

// Server is a simulated WeChat. Make it with [New]. Its methods may be called concurrently. Its
// state is in memory.
type Server struct {
	cfg    Config       // without Apps and People, which can change
	hosts  []string     // Config.Hosts and the host of Config.OpenURL, see acceptsHost
	client *http.Client // for second callbacks, see Quirks.DoubleCallback

	background sync.WaitGroup     // second callbacks that are being sent
	closing    context.Context    // canceled by Close
	close      context.CancelFunc // cancels closing

	mu     sync.Mutex    // guards the fields below
	offset time.Duration // sum of all calls of Advance
	quirks Quirks
	apps   []*App
	people []*Person
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
	for _, a := range cfg.Apps {
		a = a.clone()
		s.apps = append(s.apps, &a)
	}
	for _, p := range cfg.People {
		p = p.clone()
		s.people = append(s.people, &p)
	}
	s.cfg.Apps, s.cfg.People = nil, nil
	s.hosts = slices.Clone(cfg.Hosts)
	if u, err := url.Parse(cfg.OpenURL); err == nil && u.Host != "" {
		s.hosts = append(s.hosts, u.Hostname())
	}
	s.phones.init(s)
	return s, nil
}

// Close ends long polls and subscriptions ([Server.Subscribe]). It cancels second callbacks
// ([Quirks.DoubleCallback]) and waits for their end. A server without polls, subscriptions and
// second callbacks need not be closed. A closed server still answers requests.
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
// become due. A negative duration moves the clock back.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	s.offset += d
	s.state.wakePolls() // a QR code may have expired
	due := s.state.takeDueCallbacks(s.now())
	s.mu.Unlock()
	for _, address := range due {
		s.sendSecondCallback(address)
	}
}

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

// UpdateApp changes an app, for example bans it. The appid cannot be changed. UpdateApp returns an
// error and changes nothing in two cases: the appid is unknown, or [New] would reject the changed
// app.
func (s *Server) UpdateApp(appID string, change func(*App)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(appID)
	if a == nil {
		return fmt.Errorf("wechattest: unknown app %q", appID)
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

// UpdatePerson changes a person, for example the nickname. The id cannot be changed. An unknown id
// is an error.
func (s *Server) UpdatePerson(id string, change func(*Person)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(id)
	if p == nil {
		return s.unknownPerson(id)
	}
	next := p.clone()
	change(&next)
	next.ID = id
	*p = next.clone()
	return nil
}

// notVirtual selects the ids of the person. In snapshot mode (快照页), WeChat gives the app the ids of
// a virtual account instead.
const notVirtual = false

// OpenID returns the person's openid at an app. It does not check that the person and the app
// exist.
func (s *Server) OpenID(appID, person string) string {
	return s.ids.openID(appID, person, notVirtual)
}

// UnionID returns the person's unionid at an app. It returns "" for an unknown app and for an app
// that is not bound to an open-platform account.
func (s *Server) UnionID(appID, person string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(appID)
	if a == nil || a.platform() == "" {
		return ""
	}
	return s.ids.unionID(a.platform(), person, notVirtual)
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

// app returns an app; nil for an unknown appid. The caller holds the lock.
func (s *Server) app(id string) *App {
	for _, a := range s.apps {
		if a.AppID == id {
			return a
		}
	}
	return nil
}

// person returns a person; nil for an unknown id. The caller holds the lock.
func (s *Server) person(id string) *Person {
	for _, p := range s.people {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// unknownPerson returns the error for an unknown id. The caller holds the lock.
func (s *Server) unknownPerson(id string) error {
	ids := make([]string, len(s.people))
	for i, p := range s.people {
		ids[i] = p.ID
	}
	return fmt.Errorf("wechattest: unknown person %q; there are %s", id, strings.Join(ids, ", "))
}

// acceptsHost reports whether a Host header is accepted. It is the defence against DNS rebinding: a
// website resolves its own name to this machine, and its pages could then use this server. An IP
// address in Host is safe, because a browser sends it only to that address.
func (s *Server) acceptsHost(hostport string) bool {
	host := strings.TrimSuffix(origin.Hostname(hostport), ".")
	return net.ParseIP(host) != nil || origin.IsLoopback(host) || slices.Contains(wechatHosts(), host) ||
		slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// Code returns a code as if the person had consented in a browser. It is for tests without a
// browser. The scope is snsapi_base or snsapi_userinfo for an official or test account,
// snsapi_login for a website app. An unknown app, an unknown person or a scope that the app does
// not have is an error. In snapshot mode the code belongs to a virtual account, see
// [Quirks.Snapshot].
func (s *Server) Code(appID, person, scope string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, p := s.app(appID), s.person(person)
	if app == nil {
		return "", fmt.Errorf("wechattest: unknown app %q", appID)
	}
	if p == nil {
		return "", s.unknownPerson(person)
	}
	if !app.hasScope(scope) {
		return "", fmt.Errorf("wechattest: app %s (%v) does not have the scope %q", appID, app.Kind, scope)
	}
	const forced = false // there is no authorize request with the parameter forceSnapShot
	virtual := scope == scopeUserInfo && s.snapshotMode(app, p, forced)
	return s.issueCode(appUser{appID: appID, person: person, virtual: virtual}, scope), nil
}

// UseFullService ends snapshot mode ([Quirks.Snapshot]) for a person and an app: from now on the
// person gets the consent page. At WeChat, the button 使用完整服务 (use full service) does this.
// [Phone.UseFullService] also reloads the page.
func (s *Server) UseFullService(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.fullService[appUser{appID: appID, person: person}] = true
}

// RevokeConsent deletes the consent of a person to an app, as people can do in WeChat's settings.
// The next authorize page with snsapi_userinfo asks again, and snapshot mode applies again.
func (s *Server) RevokeConsent(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.state.consents, appUser{appID: appID, person: person})
	delete(s.state.fullService, appUser{appID: appID, person: person})
}

// ChangePassword invalidates all tokens of a person, as a change of the WeChat password does. Calls
// with these tokens are answered with 42007.
func (s *Server) ChangePassword(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.state.refreshTokens { // has every grant; with KeepOldTokens, state.grants lacks older ones
		if g.person == person {
			g.revokedErrcode = codePasswordChanged
		}
	}
}
