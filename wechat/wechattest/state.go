package wechattest

import "time"

// The lifetimes that WeChat's documents state: codes 5 minutes for official accounts and 10 for website apps, access tokens 2 hours, refresh
// tokens 30 days and not renewable; a consent 30 days by WeChat's staff, 2024-05-27. Those of the pages are not documented.
const (
	codeLife        = 5 * time.Minute
	codeLifeWebsite = 10 * time.Minute
	accessLife      = 2 * time.Hour
	refreshLife     = 30 * 24 * time.Hour
	consentLife     = 30 * 24 * time.Hour
	pageLife        = 10 * time.Minute
	qrLife          = 5 * time.Minute
)

const (
	scopeBase     = "snsapi_base"
	scopeUserInfo = "snsapi_userinfo"
	scopeLogin    = "snsapi_login"
)

// pair is a person at an app; virtual marks the snapshot account of that person, which is somebody else to the app.
type pair struct {
	app, person string
	virtual     bool
}

// issuedCode is kept after its use until its lifetime is over, so that a second use can be told from an unknown code.
type issuedCode struct {
	pair
	scope   string
	expires time.Time
	used    bool
}

// grant is what one exchange gave. A newer grant of the same pair replaces it.
type grant struct {
	pair
	scope          string
	refresh        string
	refreshExpires time.Time
	access         string   // the current one
	all            []string // every access token so far, to forget them together
	dead           int      // errcode for its tokens; 0 = alive
}

// issuedAccess is one access token; those before the last refresh stay known so that they can be called expired.
type issuedAccess struct {
	*grant
	expires time.Time
}

// consentPage is a consent page that waits for the person. It may be answered more than once: each press makes a new code, as pressing "back" does.
type consentPage struct {
	pair
	scope, redirectURI, state string
	expires                   time.Time
}

// replay is a callback address that [DoubleLate] fetches at its time.
type replay struct {
	address string
	due     time.Time
}

type state struct {
	codes    map[string]*issuedCode
	access   map[string]*issuedAccess
	refresh  map[string]*grant
	grants   map[pair]*grant
	consents map[pair]time.Time // until when
	full     map[pair]bool      // pressed 使用完整服务
	pages    map[string]*consentPage
	qr       map[string]*qrCode
	quota    map[string]int // calls in the minute quotaAt, by app and endpoint
	quotaAt  int64
	replays  []replay
	sweepAt  int // the size at which sweep looks through everything
}

func newState() state {
	return state{
		codes: map[string]*issuedCode{}, access: map[string]*issuedAccess{}, refresh: map[string]*grant{}, grants: map[pair]*grant{},
		consents: map[pair]time.Time{}, full: map[pair]bool{}, pages: map[string]*consentPage{}, qr: map[string]*qrCode{}, quota: map[string]int{},
	}
}

// sweep forgets what no answer depends on any more. It looks when the state has doubled, which keeps a long-lived simulator small and each insert cheap.
func (st *state) sweep(now time.Time) {
	if st.size() < st.sweepAt {
		return
	}
	defer func() { st.sweepAt = 2*st.size() + 1024 }()
	for k, c := range st.codes {
		if now.After(c.expires.Add(time.Hour)) { // an hour more, to tell "expired" from "unknown"
			delete(st.codes, k)
		}
	}
	for k, a := range st.access {
		if now.After(a.refreshExpires) {
			delete(st.access, k)
		}
	}
	for k, g := range st.refresh {
		if now.After(g.refreshExpires.Add(24 * time.Hour)) {
			delete(st.refresh, k)
		}
	}
	for k, p := range st.pages {
		if now.After(p.expires) {
			delete(st.pages, k)
		}
	}
	for k, q := range st.qr {
		if now.After(q.expires.Add(time.Hour)) {
			delete(st.qr, k)
		}
	}
}

func (st *state) size() int {
	return len(st.codes) + len(st.access) + len(st.refresh) + len(st.pages) + len(st.qr)
}

// putCode makes a code for the pair.
func (s *Server) putCode(p pair, scope string) string {
	life := codeLife
	if scope == scopeLogin {
		life = codeLifeWebsite
	}
	s.state.sweep(s.now())
	c := s.ids.code()
	s.state.codes[c] = &issuedCode{pair: p, scope: scope, expires: s.now().Add(life)}
	return c
}

// putGrant makes the tokens for a code and, unless the switch says otherwise, forgets those that the pair had: they are "invalid or not latest" then.
func (s *Server) putGrant(p pair, scope string) *grant {
	now := s.now()
	if old := s.state.grants[p]; old != nil && !s.switches.KeepOldTokens {
		s.forget(old)
	}
	g := &grant{pair: p, scope: scope, refresh: s.ids.token(), refreshExpires: now.Add(refreshLife)}
	s.state.grants[p] = g
	s.state.refresh[g.refresh] = g
	s.putAccess(g)
	return g
}

func (s *Server) putAccess(g *grant) {
	s.state.sweep(s.now())
	g.access = s.ids.token()
	g.all = append(g.all, g.access)
	s.state.access[g.access] = &issuedAccess{grant: g, expires: s.now().Add(accessLife)}
}

func (s *Server) forget(g *grant) {
	delete(s.state.refresh, g.refresh)
	for _, token := range g.all {
		delete(s.state.access, token)
	}
}

// takeDue removes and returns the late callbacks whose time has come.
func (st *state) takeDue(now time.Time) []string {
	var due []string
	var rest []replay
	for _, r := range st.replays {
		if r.due.After(now) {
			rest = append(rest, r)
		} else {
			due = append(due, r.address)
		}
	}
	st.replays = rest
	return due
}

// overQuota counts a call and reports whether the minute's quota is used up.
func (s *Server) overQuota(app, endpoint string) bool {
	minute := s.now().Unix() / 60
	if minute != s.state.quotaAt {
		s.state.quotaAt = minute
		clear(s.state.quota)
	}
	limit := s.switches.Quota
	if limit == 0 {
		limit = 50_000
	}
	s.state.quota[app+" "+endpoint]++
	return s.state.quota[app+" "+endpoint] > limit
}
