package wechattest

import "time"

// The lifetimes in WeChat's documents: codes 5 minutes for official accounts and 10 for website
// apps, access tokens 2 hours, refresh tokens 30 days and not renewable. A consent lasts 30 days
// (WeChat's staff, 2024-05-27). Those of pages are not documented.
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

// pair is a person at an app. virtual marks the virtual account of snapshot mode, a different user
// to the app.
type pair struct {
	app, person string
	virtual     bool
}

// issuedCode is kept after its use until it expires, to distinguish a second use from an unknown
// code.
type issuedCode struct {
	pair
	scope   string
	expires time.Time
	used    bool
}

// grant holds the tokens of one exchange. A newer grant of the same pair replaces it.
type grant struct {
	pair
	scope          string
	refresh        string
	refreshExpires time.Time
	access         string   // the current one
	all            []string // every access token so far, for their removal
	revoked        int      // errcode for its tokens; 0 while they are valid
}

// issuedAccess is one access token. Those before the last refresh are kept, to distinguish expired
// from unknown.
type issuedAccess struct {
	*grant
	expires time.Time
}

// consentPage is a pending consent page. It may be answered repeatedly, after "back" in the
// browser: each answer makes a new code.
type consentPage struct {
	pair
	scope, redirectURI, state string
	expires                   time.Time
}

// replay is a callback address that [DoubleLate] requests at its time.
type replay struct {
	address string
	due     time.Time
}

type state struct {
	codes       map[string]*issuedCode
	access      map[string]*issuedAccess
	refresh     map[string]*grant
	grants      map[pair]*grant
	consents    map[pair]time.Time // when they expire
	fullService map[pair]bool      // pressed 使用完整服务
	pages       map[string]*consentPage
	qr          map[string]*qrCode
	quota       map[string]int // calls in the minute quotaAt, by app and endpoint
	quotaAt     int64
	replays     []replay
	sweepAt     int // the size at which sweep deletes
}

func newState() state {
	return state{
		codes:       map[string]*issuedCode{},
		access:      map[string]*issuedAccess{},
		refresh:     map[string]*grant{},
		grants:      map[pair]*grant{},
		consents:    map[pair]time.Time{},
		fullService: map[pair]bool{},
		pages:       map[string]*consentPage{},
		qr:          map[string]*qrCode{},
		quota:       map[string]int{},
	}
}

// sweep deletes entries that expired long ago, on which no answer depends. It runs when the state
// has doubled, so that a long-lived simulator stays small and inserts stay cheap.
func (st *state) sweep(now time.Time) {
	if st.size() < st.sweepAt {
		return
	}
	defer func() { st.sweepAt = 2*st.size() + 1024 }()
	for k, c := range st.codes {
		if now.After(c.expires.Add(time.Hour)) { // kept one hour longer, to distinguish expired from unknown
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

// putCode makes a code.
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

// putGrant makes the tokens for a code. Unless [Quirks.KeepOldTokens] is set, it deletes the older
// ones of the pair, which are then "invalid or not latest".
func (s *Server) putGrant(p pair, scope string) *grant {
	now := s.now()
	if old := s.state.grants[p]; old != nil && !s.quirks.KeepOldTokens {
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

// takeDue removes and returns the late callbacks that are due.
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

// overQuota counts a call and reports whether the quota of the minute is exceeded.
func (s *Server) overQuota(app, endpoint string) bool {
	minute := s.now().Unix() / 60
	if minute != s.state.quotaAt {
		s.state.quotaAt = minute
		clear(s.state.quota)
	}
	limit := s.quirks.Quota
	if limit == 0 {
		limit = 50_000
	}
	s.state.quota[app+" "+endpoint]++
	return s.state.quota[app+" "+endpoint] > limit
}
