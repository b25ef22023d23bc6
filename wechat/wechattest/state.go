package wechattest

import "time"

// The lifetimes of codes and tokens are from WeChat's documents. The lifetime of a consent is from
// WeChat's staff (2024-05-27). A refresh does not extend the lifetime of the refresh token. The
// lifetimes of the consent page and of the QR code are assumptions.
const (
	codeLife        = 5 * time.Minute
	codeLifeWebsite = 10 * time.Minute
	accessLife      = 2 * time.Hour
	refreshLife     = 30 * 24 * time.Hour
	consentLife     = 30 * 24 * time.Hour
	pageLife        = 10 * time.Minute // of a consent page
	qrLife          = 5 * time.Minute  // of a QR code
)

const (
	scopeBase     = "snsapi_base"
	scopeUserInfo = "snsapi_userinfo"
	scopeLogin    = "snsapi_login"
)

// appUser is a person as a user of one app. It determines the openid. In snapshot mode (快照页) the
// app gets a virtual account: a user with an openid that is not the person's.
type appUser struct {
	appID, person string // appid, id of the person
	virtual       bool   // the virtual account of snapshot mode
}

// issuedCode is a code. A used code is kept, because WeChat has two errors: 40163 for a used code,
// 40029 for an unknown code.
type issuedCode struct {
	appUser
	scope   string
	expires time.Time
	used    bool
}

// grant holds the tokens of one redeemed code. A new sign-in of the user at the app replaces the
// grant (see issueTokens).
type grant struct {
	appUser
	scope          string
	refreshToken   string
	refreshExpires time.Time
	accessToken    string   // the current access token
	accessTokens   []string // all access tokens so far; a refresh adds one if accessToken has expired
	revokedErrcode int      // the errcode that calls with its tokens get; 0 while they are valid
}

// issuedAccessToken is an access token of a grant. Old access tokens are kept after a refresh,
// because WeChat has two errors: 42001 for an expired token, 40001 for an unknown token.
type issuedAccessToken struct {
	*grant
	expires time.Time
}

// consentPage is a consent page that was shown. It is kept after an answer: the person can go back
// in the browser and press the button again. Each press makes a new code.
type consentPage struct {
	appUser
	scope, redirectURI, state string
	expires                   time.Time
}

// lateCallback is a second request of a callback address. With [DoubleLate], the server sends it
// hours after the first.
type lateCallback struct {
	address string
	due     time.Time
}

// state is what a server stores between requests. The server's lock guards it.
type state struct {
	codes         map[string]*issuedCode
	accessTokens  map[string]*issuedAccessToken
	refreshTokens map[string]*grant
	grants        map[appUser]*grant    // the latest grant of each user
	consents      map[appUser]time.Time // when they expire
	fullService   map[appUser]bool      // has pressed 使用完整服务 (use full service), which ends snapshot mode
	consentPages  map[string]*consentPage
	qrCodes       map[string]*qrCode
	quota         map[string]int // calls in quotaMinute, by appid and endpoint
	quotaMinute   int64          // Unix time / 60
	lateCallbacks []lateCallback
	push          pushState // chats, pushes, interface tokens, QR codes with a scene
	sweepSize     int       // deleteExpired does nothing while size() is smaller
}

func newState() state {
	return state{
		codes:         map[string]*issuedCode{},
		accessTokens:  map[string]*issuedAccessToken{},
		refreshTokens: map[string]*grant{},
		grants:        map[appUser]*grant{},
		consents:      map[appUser]time.Time{},
		fullService:   map[appUser]bool{},
		consentPages:  map[string]*consentPage{},
		qrCodes:       map[string]*qrCode{},
		quota:         map[string]int{},
		push:          newPushState(),
	}
}

// deleteExpired deletes entries that expired long ago. Codes and tokens are kept for a while after
// their expiry, because WeChat's errors distinguish expired from unknown values. Every insert calls
// deleteExpired. To stay cheap, it does nothing until the state has doubled since its last run.
func (st *state) deleteExpired(now time.Time) {
	if st.size() < st.sweepSize {
		return
	}
	defer func() { st.sweepSize = 2*st.size() + 1024 }()
	for k, c := range st.codes {
		if now.After(c.expires.Add(time.Hour)) {
			delete(st.codes, k)
		}
	}
	for k, a := range st.accessTokens {
		if now.After(a.refreshExpires) {
			delete(st.accessTokens, k)
		}
	}
	for k, g := range st.refreshTokens {
		if now.After(g.refreshExpires.Add(24 * time.Hour)) {
			delete(st.refreshTokens, k)
		}
	}
	for k, p := range st.consentPages {
		if now.After(p.expires) {
			delete(st.consentPages, k)
		}
	}
	for k, q := range st.qrCodes {
		if now.After(q.expires.Add(time.Hour)) {
			delete(st.qrCodes, k)
		}
	}
}

func (st *state) size() int {
	return len(st.codes) + len(st.accessTokens) + len(st.refreshTokens) + len(st.consentPages) + len(st.qrCodes)
}

// issueCode makes and stores a code.
func (s *Server) issueCode(p appUser, scope string) string {
	life := codeLife
	if scope == scopeLogin {
		life = codeLifeWebsite
	}
	s.state.deleteExpired(s.now())
	c := s.ids.code()
	s.state.codes[c] = &issuedCode{appUser: p, scope: scope, expires: s.now().Add(life)}
	return c
}

// issueTokens makes the tokens for a redeemed code. It deletes the user's older tokens, as WeChat
// does: WeChat rejects them as "invalid or not latest". [Quirks.KeepOldTokens] keeps them.
func (s *Server) issueTokens(p appUser, scope string) *grant {
	now := s.now()
	if old := s.state.grants[p]; old != nil && !s.quirks.KeepOldTokens {
		s.deleteGrant(old)
	}
	g := &grant{appUser: p, scope: scope, refreshToken: s.ids.token(), refreshExpires: now.Add(refreshLife)}
	s.state.grants[p] = g
	s.state.refreshTokens[g.refreshToken] = g
	s.issueAccessToken(g)
	return g
}

// issueAccessToken adds a new access token to a grant.
func (s *Server) issueAccessToken(g *grant) {
	s.state.deleteExpired(s.now())
	g.accessToken = s.ids.token()
	g.accessTokens = append(g.accessTokens, g.accessToken)
	s.state.accessTokens[g.accessToken] = &issuedAccessToken{grant: g, expires: s.now().Add(accessLife)}
}

func (s *Server) deleteGrant(g *grant) {
	delete(s.state.refreshTokens, g.refreshToken)
	for _, token := range g.accessTokens {
		delete(s.state.accessTokens, token)
	}
}

// takeDueCallbacks removes the late callbacks that are due and returns their addresses.
func (st *state) takeDueCallbacks(now time.Time) []string {
	var due []string
	var rest []lateCallback
	for _, r := range st.lateCallbacks {
		if r.due.After(now) {
			rest = append(rest, r)
		} else {
			due = append(due, r.address)
		}
	}
	st.lateCallbacks = rest
	return due
}

// overQuota counts a call, and reports whether the app has exceeded the endpoint's quota for this
// minute.
func (s *Server) overQuota(app, endpoint string) bool {
	limit := s.quirks.Quota
	if limit == 0 {
		limit = 50_000
	}
	return s.overMinute(app+" "+endpoint, limit)
}

// overMinute counts a call, and reports whether there were more than limit in this minute.
func (s *Server) overMinute(call string, limit int) bool {
	minute := s.now().Unix() / 60
	if minute != s.state.quotaMinute {
		s.state.quotaMinute = minute
		clear(s.state.quota)
	}
	s.state.quota[call]++
	return s.state.quota[call] > limit
}
