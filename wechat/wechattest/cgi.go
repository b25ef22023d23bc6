package wechattest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// interfaceToken is an access token of an account (接口调用凭据), for the calls below /cgi-bin/.
type interfaceToken struct {
	appID   string
	stable  bool // from stable_token, not from token; tokens of the two kinds do not end each other
	expires time.Time
}

const (
	codeDailyQuota     = 45009 // reach max api daily quota limit
	codeTooManyQRCodes = 45029 // qrcode count out of limit
	codeBadAction      = 40053 // invalid action info
	codeBadFormat      = 47001 // data format error

	maxPermanent = 100_000          // permanent QR codes of an account
	forcedGap    = 30 * time.Second // between two forced renewals of stable_token
)

// Calls below /cgi-bin/ that have a quota.
const (
	callToken  = "token"
	callStable = "stable_token"
	callForced = "stable_token with force_refresh"
	callQR     = "qrcode/create"
	callUser   = "user/info"
)

// dailyCalls returns how often an account may make a call in a day, by WeChat's documents.
func dailyCalls(kind AppKind, call string) int {
	normal := map[string]int{
		callToken: 2_000, callStable: 500_000, callForced: 20, callQR: 100_000, callUser: 5_000_000,
	}
	test := map[string]int{callToken: 200, callQR: 10_000, callUser: 500_000}
	if n, found := test[call]; found && kind == TestAccount {
		return n
	}
	return normal[call]
}

// maxStableMinute is the number of calls of stable_token in a minute, by WeChat's documents.
const maxStableMinute = 10_000

// cgiToken serves GET /cgi-bin/token. Each call ends the former token after five minutes.
func (s *Server) cgiToken(r *request) response {
	get := r.params.Get
	if get("grant_type") != "client_credential" {
		return s.cgiError(r, snsFailure{code: codeBadGrantType})
	}
	a, f := s.checkAccount(r, get("appid"), get("secret"))
	if f.code == 0 {
		f = s.countCall(a, callToken)
	}
	if f.code != 0 {
		return s.cgiError(r, f)
	}
	return s.sendToken(r, s.newToken(a.AppID, false))
}

// cgiStableToken serves POST /cgi-bin/stable_token. It returns the same token until five minutes
// before its end.
func (s *Server) cgiStableToken(r *request) response {
	var in struct {
		GrantType    string `json:"grant_type"`
		AppID        string `json:"appid"`
		Secret       string `json:"secret"`
		ForceRefresh bool   `json:"force_refresh"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return s.cgiError(r, snsFailure{code: codeBadFormat, errmsg: "data format error"})
	}
	if in.GrantType != "client_credential" {
		return s.cgiError(r, snsFailure{code: codeBadGrantType})
	}
	a, f := s.checkAccount(r, in.AppID, in.Secret)
	if f.code == 0 {
		f = s.countStable(a, in.ForceRefresh)
	}
	if f.code != 0 {
		return s.cgiError(r, f)
	}
	for value, t := range s.state.push.tokens {
		if t.stable && t.appID == a.AppID && !in.ForceRefresh && t.expires.Sub(s.now()) > 5*time.Minute {
			return s.sendToken(r, value)
		}
	}
	return s.sendToken(r, s.newToken(a.AppID, true))
}

// newToken makes an interface token. The account's older tokens of this kind end in five minutes.
func (s *Server) newToken(appID string, stable bool) string {
	now := s.now()
	for value, t := range s.state.push.tokens {
		if t.appID == appID && t.stable == stable && t.expires.After(now.Add(5*time.Minute)) {
			t.expires = now.Add(5 * time.Minute)
		}
		if now.After(t.expires.Add(time.Hour)) {
			delete(s.state.push.tokens, value)
		}
	}
	value := s.ids.token()
	s.state.push.tokens[value] = &interfaceToken{appID: appID, stable: stable, expires: now.Add(accessLife)}
	return value
}

func (s *Server) sendToken(r *request, value string) response {
	var b jsonObject
	b.str("access_token", value)
	b.num("expires_in", int(s.state.push.tokens[value].expires.Sub(s.now()).Seconds()))
	r.call.Answer = "interface token"
	return s.cgiResponse(b.String())
}

// countCall counts a call of the day, and returns 45009 if there were too many.
func (s *Server) countCall(a *App, call string) snsFailure {
	st := &s.state.push
	if day := s.now().UTC().Format(time.DateOnly); day != st.callsDay {
		st.callsDay = day
		clear(st.calls)
	}
	limit := dailyCalls(a.Kind, call)
	if n := s.quirks.DailyQuota; n > 0 {
		limit = min(limit, n)
	}
	st.calls[a.AppID+" "+call]++
	if st.calls[a.AppID+" "+call] > limit {
		return snsFailure{code: codeDailyQuota}
	}
	return snsFailure{}
}

// countStable counts a call of stable_token. Forced renewals need a gap of 30 seconds. That the
// error for a shorter gap is 45011 is an assumption: the documents name the gap only.
func (s *Server) countStable(a *App, force bool) snsFailure {
	if f := s.countCall(a, callStable); f.code != 0 {
		return f
	}
	if s.overMinute(a.AppID+" "+callStable, maxStableMinute) {
		return snsFailure{code: codeMinuteQuota}
	}
	if !force {
		return snsFailure{}
	}
	last, found := s.state.push.forced[a.AppID]
	if found && s.now().Sub(last) < forcedGap {
		return snsFailure{code: codeMinuteQuota}
	}
	if f := s.countCall(a, callForced); f.code != 0 {
		return f
	}
	s.state.push.forced[a.AppID] = s.now()
	return snsFailure{}
}

// checkAccount returns the account of an appid and secret.
func (s *Server) checkAccount(r *request, appID, secret string) (*App, snsFailure) {
	a := s.app(appID)
	r.call.AppID = appID
	switch f := s.checkIP(a, r); {
	case appID == "":
		return nil, snsFailure{code: codeNoAppID}
	case secret == "":
		return nil, snsFailure{code: codeNoSecret}
	case a == nil || a.Kind == WebsiteApp:
		return nil, snsFailure{code: codeBadAppID}
	case f.code != 0:
		return nil, f
	case subtle.ConstantTimeCompare([]byte(a.Secret), []byte(secret)) != 1:
		return nil, snsFailure{code: codeBadSecret}
	}
	return a, snsFailure{}
}

// checkToken returns the account of the parameter access_token, if its kind is one of kinds; no
// kinds means every kind.
func (s *Server) checkToken(r *request, kinds ...AppKind) (*App, snsFailure) {
	value := r.params.Get("access_token")
	t := s.state.push.tokens[value]
	switch {
	case value == "":
		return nil, snsFailure{code: codeNoAccessToken}
	case t == nil && !tokenFormat.MatchString(value):
		return nil, snsFailure{code: codeBadAccessToken}
	case t == nil || s.app(t.appID) == nil:
		return nil, snsFailure{code: codeBadCredential}
	case !s.now().Before(t.expires):
		return nil, snsFailure{code: codeTokenExpired}
	}
	a := s.app(t.appID)
	r.call.AppID = a.AppID
	if f := s.checkIP(a, r); f.code != 0 {
		return nil, f
	}
	for _, k := range kinds {
		if a.Kind == k {
			return a, snsFailure{}
		}
	}
	if len(kinds) > 0 {
		return nil, snsFailure{code: codeUnauthorized}
	}
	return a, snsFailure{}
}

var sceneFormat = regexp.MustCompile(`^[ -~]{1,64}$`)

// cgiCreateQR serves POST /cgi-bin/qrcode/create. Only a verified service account and a test
// account may call it.
func (s *Server) cgiCreateQR(r *request) response {
	a, f := s.checkToken(r, OfficialAccount, TestAccount)
	if f.code == 0 {
		f = s.countCall(a, callQR)
	}
	if f.code != 0 {
		return s.cgiError(r, f)
	}
	var in struct {
		Seconds int    `json:"expire_seconds"`
		Action  string `json:"action_name"`
		Info    struct {
			Scene struct {
				ID  uint32 `json:"scene_id"`
				Str string `json:"scene_str"`
			} `json:"scene"`
		} `json:"action_info"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return s.cgiError(r, snsFailure{code: codeBadFormat, errmsg: "data format error"})
	}
	scene, permanent := in.Info.Scene.Str, in.Action == "QR_LIMIT_SCENE" || in.Action == "QR_LIMIT_STR_SCENE"
	switch in.Action {
	case "QR_SCENE", "QR_LIMIT_SCENE":
		scene = strconv.FormatUint(uint64(in.Info.Scene.ID), 10)
	case "QR_STR_SCENE", "QR_LIMIT_STR_SCENE":
		if scene == "" { // scene_str is missing, or in a wrong place of the JSON: WeChat accepts this
			scene = "0"
		}
	default:
		return s.cgiError(r, snsFailure{code: codeBadAction, errmsg: "invalid action info"})
	}
	if !sceneFormat.MatchString(scene) || in.Seconds < 0 || in.Seconds > 2_592_000 { // 30 days
		return s.cgiError(r, snsFailure{code: codeBadAction, errmsg: "invalid action info"})
	}
	if permanent && s.state.push.permanentScenes(a.AppID) >= maxPermanent {
		return s.cgiError(r, snsFailure{code: codeTooManyQRCodes, errmsg: "qrcode count out of limit"})
	}
	code := &sceneCode{appID: a.AppID, scene: scene, ticket: "gQ" + s.ids.random(94, base64url),
		url: sceneQRPrefix + "02" + s.ids.random(20, base64url), made: s.now()}
	var b jsonObject
	b.str("ticket", code.ticket)
	if !permanent {
		if in.Seconds == 0 {
			in.Seconds = 60 // the default
		}
		code.expires = s.now().Add(time.Duration(in.Seconds) * time.Second)
		b.num("expire_seconds", in.Seconds)
	}
	b.str("url", code.url)
	if !s.state.push.addScene(code, s.now()) {
		return s.cgiError(r, snsFailure{code: codeDailyQuota})
	}
	r.call.Answer = "QR code with a scene"
	return s.cgiResponse(b.String())
}

// cgiShowQR serves GET /cgi-bin/showqrcode. It needs no token.
func (s *Server) cgiShowQR(r *request) response {
	code := s.state.push.scenes[r.params.Get("ticket")]
	if code == nil || s.cfg.QR == nil {
		return plain(http.StatusNotFound, "no such ticket")
	}
	var svg []byte
	var err error
	s.unlocked(func() { svg, err = s.cfg.QR(code.url) })
	if err != nil {
		return plain(http.StatusInternalServerError, "the QR code cannot be drawn")
	}
	return response{status: http.StatusOK, body: svg, header: http.Header{
		"Content-Type": {"image/svg+xml"}, "X-Content-Type-Options": {"nosniff"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'"}}}
}

// cgiUser serves GET /cgi-bin/user/info. The response has no nickname and no picture since
// 2021-12-27.
func (s *Server) cgiUser(r *request) response {
	a, f := s.checkToken(r, OfficialAccount, TestAccount, VerifiedSubscriptionAccount)
	if f.code == 0 {
		f = s.countCall(a, callUser)
	}
	if f.code != 0 {
		return s.cgiError(r, f)
	}
	var p *Person
	for _, each := range s.people {
		if s.ids.openID(a.AppID, each.ID, notVirtual) == r.params.Get("openid") {
			p = each
		}
	}
	if p == nil {
		return s.cgiError(r, snsFailure{code: codeBadOpenID})
	}
	r.call.Person = p.ID
	var b jsonObject
	if !p.follows(a.AppID) {
		b.num("subscribe", 0)
		b.str("openid", r.params.Get("openid"))
		return s.cgiResponse(b.String())
	}
	b.num("subscribe", 1)
	b.str("openid", r.params.Get("openid"))
	b.str("nickname", "")
	b.num("sex", 0)
	b.str("language", "")
	follow, found := s.state.push.follows[appUser{appID: a.AppID, person: p.ID}]
	if !found {
		follow = earlierFollower()
	}
	b.num("subscribe_time", int(follow.since.Unix()))
	if platform := a.platform(); platform != "" {
		b.str("unionid", s.ids.unionID(platform, p.ID, notVirtual))
	}
	b.str("remark", "")
	b.num("groupid", 0)
	b.list("tagid_list", nil)
	scene, number := "ADD_SCENE_SEARCH", 0
	if follow.scene != "" {
		scene = "ADD_SCENE_QR_CODE"
		number, _ = strconv.Atoi(follow.scene) // 0 for a scene that is a text
	}
	b.str("subscribe_scene", scene)
	b.num("qr_scene", number)
	if number != 0 { // a scene that is a number is in qr_scene only
		follow.scene = ""
	}
	b.str("qr_scene_str", follow.scene)
	return s.cgiResponse(b.String())
}

// cgiCallbackIP serves GET /cgi-bin/getcallbackip: the addresses that pushes come from.
func (s *Server) cgiCallbackIP(r *request) response {
	if _, f := s.checkToken(r); f.code != 0 {
		return s.cgiError(r, f)
	}
	var b jsonObject
	b.list("ip_list", []string{"127.0.0.1", "101.226.103.0/25"})
	return s.cgiResponse(b.String())
}

// cgiResponse returns the response of a successful call below /cgi-bin/.
func (s *Server) cgiResponse(body string) response {
	out := s.snsResponse(body, 0)
	out.header.Set("Content-Type", "application/json; encoding=utf-8")
	return out
}
