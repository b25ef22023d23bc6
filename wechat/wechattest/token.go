package wechattest

import (
	"crypto/subtle"
	"strings"
)

// accessToken serves GET /sns/oauth2/access_token. The order of the checks was measured on the
// similar jscode2session on 2026-09-29: IP allow-list, missing parameters, credentials, code.
func (s *Server) accessToken(r *request) answer {
	g, unionID, f := s.exchange(r)
	if f.code != 0 {
		return s.snsError(r, f)
	}
	openID := s.ids.openID(g.app, g.person, g.virtual)
	var b wire
	b.str("access_token", g.access)
	b.num("expires_in", int(accessLife.Seconds()))
	b.str("refresh_token", g.refresh)
	b.str("openid", openID)
	b.str("scope", g.scope)
	if unionID != "" {
		b.str("unionid", unionID)
	}
	if g.virtual {
		b.num("is_snapshotuser", 1)
	}
	r.call.Person = g.person
	r.call.Answer = "tokens, openid " + openID + ", scope " + g.scope
	return s.snsAnswer(b.String(), 0)
}

// exchange redeems the code of a request.
func (s *Server) exchange(r *request) (g *grant, unionID string, f failure) {
	get := r.params.Get
	app := s.app(get("appid"))
	if f = s.checkIP(app, r); f.code != 0 {
		return nil, "", f
	}
	if f = s.checkExchange(app, r); f.code != 0 {
		return nil, "", f
	}
	c, f := s.takeCode(app, get("code"))
	if c != nil {
		r.call.Person = c.person
	}
	if f.code != 0 {
		return nil, "", f
	}
	g = s.putGrant(c.pair, c.scope)
	withUnionID := app.Kind == WebsiteApp || hasScope(c.scope, scopeUserInfo) || s.quirks.BaseUnionID
	if p := app.platform(); p != "" && withUnionID {
		unionID = s.ids.unionID(p, c.person, c.virtual)
	}
	return g, unionID, failure{}
}

// checkExchange checks parameters, quota and credentials.
func (s *Server) checkExchange(app *App, r *request) failure {
	get := r.params.Get
	switch {
	case get("appid") == "":
		return failure{code: codeNoAppID}
	case get("secret") == "":
		return failure{code: codeNoSecret}
	case get("code") == "":
		return failure{code: codeNoCode}
	case get("grant_type") != grantAuthorizationCode:
		return failure{code: codeBadGrantType}
	case app == nil:
		return failure{code: codeBadAppID}
	case s.overQuota(app.AppID, r.URL.Path):
		return failure{code: codeMinuteQuota}
	}
	if subtle.ConstantTimeCompare([]byte(app.Secret), []byte(get("secret"))) == 1 {
		return failure{}
	}
	if c := s.state.codes[get("code")]; c != nil && c.app == app.AppID && s.quirks.FailureBurnsCode {
		c.used = true
	}
	if s.quirks.WrongSecret40001 {
		return failure{code: codeBadCredential, text: "invalid credential"}
	}
	return failure{code: codeBadSecret}
}

// takeCode uses up a code.
func (s *Server) takeCode(app *App, value string) (*issuedCode, failure) {
	c := s.state.codes[value]
	if c == nil || c.app != app.AppID {
		return nil, failure{code: codeBadCode}
	}
	expired := !s.now().Before(c.expires)
	switch {
	case c.used && (expired || s.quirks.UsedCode == UsedIsInvalid):
		return c, failure{code: codeBadCode}
	case c.used:
		return c, failure{code: codeCodeUsed}
	case expired && s.quirks.ExpiredCode42003:
		return c, failure{code: codeCodeExpired}
	case expired:
		return c, failure{code: codeBadCode}
	}
	c.used = true
	return c, failure{}
}

// refreshToken serves GET /sns/oauth2/refresh_token. It needs no secret. While the access token is
// valid, the answer has the same token with a full lifetime, afterwards a new one (WeChat's
// documentation for website and mobile apps; assumed for official accounts). The order of the
// fields and the scope with its trailing comma are as captured in 2018.
func (s *Server) refreshToken(r *request) answer {
	g, f := s.refresh(r)
	if g != nil {
		r.call.Person = g.person
	}
	if f.code != 0 {
		return s.snsError(r, f)
	}
	openID := s.ids.openID(g.app, g.person, g.virtual)
	var b wire
	b.str("openid", openID)
	b.str("access_token", g.access)
	b.num("expires_in", int(accessLife.Seconds()))
	b.str("refresh_token", g.refresh)
	b.str("scope", refreshScope(g.scope))
	r.call.Answer = "tokens, openid " + openID
	return s.snsAnswer(b.String(), 0)
}

// refresh validates a refresh and renews or replaces the access token.
func (s *Server) refresh(r *request) (*grant, failure) {
	get := r.params.Get
	app := s.app(get("appid"))
	g := s.state.refresh[get("refresh_token")]
	switch {
	case get("appid") == "":
		return nil, failure{code: codeNoAppID}
	case get("refresh_token") == "":
		return nil, failure{code: codeNoRefreshToken}
	case get("grant_type") != "refresh_token":
		return nil, failure{code: codeBadGrantType}
	case app == nil:
		return nil, failure{code: codeBadAppID}
	case s.overQuota(app.AppID, r.URL.Path):
		return nil, failure{code: codeMinuteQuota}
	case g == nil:
		return nil, failure{code: codeBadRefreshToken}
	case g.app != app.AppID:
		return nil, failure{code: codeBadAppID}
	case g.revoked != 0:
		return g, failure{code: g.revoked}
	case !s.now().Before(g.refreshExpires) && s.quirks.ExpiredRefresh42002:
		return g, failure{code: codeRefreshExpired}
	case !s.now().Before(g.refreshExpires):
		return g, failure{code: codeBadRefreshToken}
	}
	if p := s.person(g.person); p != nil && p.Frozen {
		return g, failure{code: codePersonRestricted}
	}
	if current := s.state.access[g.access]; current != nil && s.now().Before(current.expires) {
		current.expires = s.now().Add(accessLife)
	} else {
		s.putAccess(g)
	}
	if s.quirks.RotateRefresh {
		delete(s.state.refresh, g.refresh)
		g.refresh = s.ids.token() // it expires with the old one: a refresh token is not renewable
		s.state.refresh[g.refresh] = g
	}
	return g, failure{}
}

// refreshScope returns the scope in the answer to a refresh, a list for official accounts.
func refreshScope(scope string) string {
	switch {
	case hasScope(scope, scopeUserInfo):
		return scopeBase + "," + scopeUserInfo + ","
	case hasScope(scope, scopeBase):
		return scopeBase + ","
	}
	return scope
}

func hasScope(list, scope string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == scope {
			return true
		}
	}
	return false
}
