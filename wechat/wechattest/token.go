package wechattest

import (
	"crypto/subtle"
	"strings"
)

// accessToken serves GET /sns/oauth2/access_token: it redeems a code. It checks the IP allow-list,
// missing parameters, the credentials and the code, in this order. The order was measured on
// 2026-09-29 at jscode2session, WeChat's similar endpoint for mini-programs.
func (s *Server) accessToken(r *request) response {
	g, unionID, f := s.redeem(r)
	if f.code != 0 {
		return s.snsError(r, f)
	}
	openID := s.ids.openID(g.appID, g.person, g.virtual) // virtual: WeChat's made-up user of a snapshot page (快照页)
	var b jsonObject
	b.str("access_token", g.accessToken)
	b.num("expires_in", int(accessLife.Seconds()))
	b.str("refresh_token", g.refreshToken)
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
	return s.snsResponse(b.String(), 0)
}

// redeem validates a request, redeems its code and issues the tokens.
func (s *Server) redeem(r *request) (g *grant, unionID string, f snsFailure) {
	get := r.params.Get
	app := s.app(get("appid"))
	if f = s.checkIP(app, r); f.code != 0 {
		return nil, "", f
	}
	if f = s.checkExchange(app, r); f.code != 0 {
		return nil, "", f
	}
	c, f := s.redeemCode(app, get("code"))
	if c != nil {
		r.call.Person = c.person
	}
	if f.code != 0 {
		return nil, "", f
	}
	g = s.issueTokens(c.appUser, c.scope)
	withUnionID := app.Kind == WebsiteApp || hasScope(c.scope, scopeUserInfo) || s.quirks.BaseUnionID
	if p := app.platform(); p != "" && withUnionID {
		unionID = s.ids.unionID(p, c.person, c.virtual)
	}
	return g, unionID, snsFailure{}
}

// checkExchange checks everything but the code: parameters, quota and credentials.
func (s *Server) checkExchange(app *App, r *request) snsFailure {
	get := r.params.Get
	switch {
	case get("appid") == "":
		return snsFailure{code: codeNoAppID}
	case get("secret") == "":
		return snsFailure{code: codeNoSecret}
	case get("code") == "":
		return snsFailure{code: codeNoCode}
	case get("grant_type") != grantAuthorizationCode:
		return snsFailure{code: codeBadGrantType}
	case app == nil:
		return snsFailure{code: codeBadAppID}
	case s.overQuota(app.AppID, r.URL.Path):
		return snsFailure{code: codeMinuteQuota}
	}
	if subtle.ConstantTimeCompare([]byte(app.Secret), []byte(get("secret"))) == 1 {
		return snsFailure{}
	}
	if c := s.state.codes[get("code")]; c != nil && c.appID == app.AppID && s.quirks.FailureBurnsCode {
		c.used = true
	}
	if s.quirks.WrongSecret40001 {
		return snsFailure{code: codeBadCredential, errmsg: "invalid credential"}
	}
	return snsFailure{code: codeBadSecret}
}

// redeemCode marks a valid code as used. For an invalid code it returns an error. It returns a used
// or expired code together with the error, because the log shows the person of the code.
func (s *Server) redeemCode(app *App, value string) (*issuedCode, snsFailure) {
	c := s.state.codes[value]
	if c == nil || c.appID != app.AppID {
		return nil, snsFailure{code: codeBadCode}
	}
	expired := !s.now().Before(c.expires)
	switch {
	case c.used && (expired || s.quirks.UsedCode == UsedIsInvalid):
		return c, snsFailure{code: codeBadCode}
	case c.used:
		return c, snsFailure{code: codeCodeUsed}
	case expired && s.quirks.ExpiredCode42003:
		return c, snsFailure{code: codeCodeExpired}
	case expired:
		return c, snsFailure{code: codeBadCode}
	}
	c.used = true
	return c, snsFailure{}
}

// refreshToken serves GET /sns/oauth2/refresh_token. The request has no app secret. While the
// access token is valid, the refresh renews its lifetime. After its expiry, the response has a new
// access token. This is WeChat's documentation for website and mobile apps, and is assumed for
// official accounts. The order of the fields, and the comma at the end of the scope, were captured
// in 2018.
func (s *Server) refreshToken(r *request) response {
	g, f := s.refresh(r)
	if g != nil {
		r.call.Person = g.person
	}
	if f.code != 0 {
		return s.snsError(r, f)
	}
	openID := s.ids.openID(g.appID, g.person, g.virtual)
	var b jsonObject
	b.str("openid", openID)
	b.str("access_token", g.accessToken)
	b.num("expires_in", int(accessLife.Seconds()))
	b.str("refresh_token", g.refreshToken)
	b.str("scope", refreshScope(g.scope))
	r.call.Answer = "tokens, openid " + openID
	return s.snsResponse(b.String(), 0)
}

// refresh validates a request, and extends or replaces the access token of the grant (the tokens of
// one sign-in).
func (s *Server) refresh(r *request) (*grant, snsFailure) {
	get := r.params.Get
	app := s.app(get("appid"))
	g := s.state.refreshTokens[get("refresh_token")]
	switch {
	case get("appid") == "":
		return nil, snsFailure{code: codeNoAppID}
	case get("refresh_token") == "":
		return nil, snsFailure{code: codeNoRefreshToken}
	case get("grant_type") != "refresh_token":
		return nil, snsFailure{code: codeBadGrantType}
	case app == nil:
		return nil, snsFailure{code: codeBadAppID}
	case s.overQuota(app.AppID, r.URL.Path):
		return nil, snsFailure{code: codeMinuteQuota}
	case g == nil:
		return nil, snsFailure{code: codeBadRefreshToken}
	case g.appID != app.AppID:
		return nil, snsFailure{code: codeBadAppID}
	case g.revokedErrcode != 0:
		return g, snsFailure{code: g.revokedErrcode}
	case !s.now().Before(g.refreshExpires) && s.quirks.ExpiredRefresh42002:
		return g, snsFailure{code: codeRefreshExpired}
	case !s.now().Before(g.refreshExpires):
		return g, snsFailure{code: codeBadRefreshToken}
	}
	if p := s.person(g.person); p != nil && p.Frozen {
		return g, snsFailure{code: codePersonRestricted}
	}
	if current := s.state.accessTokens[g.accessToken]; current != nil && s.now().Before(current.expires) {
		current.expires = s.now().Add(accessLife)
	} else {
		s.issueAccessToken(g)
	}
	if s.quirks.RotateRefresh {
		delete(s.state.refreshTokens, g.refreshToken)
		g.refreshToken = s.ids.token() // refreshExpires stays: a refresh does not extend the 30 days
		s.state.refreshTokens[g.refreshToken] = g
	}
	return g, snsFailure{}
}

// refreshScope returns the scope in the response to a refresh. For official accounts it is a list
// that ends with a comma.
func refreshScope(scope string) string {
	switch {
	case hasScope(scope, scopeUserInfo):
		return scopeBase + "," + scopeUserInfo + ","
	case hasScope(scope, scopeBase):
		return scopeBase + ","
	}
	return scope
}

// hasScope reports whether a comma-separated list contains a scope.
func hasScope(list, scope string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == scope {
			return true
		}
	}
	return false
}
