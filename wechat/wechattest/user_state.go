package wechattest

import (
	"slices"
	"time"
)

// notVirtual is the argument "virtual" for the openid and unionid of a person. In snapshot mode
// (快照页), WeChat gives the app the ids of a virtual account instead.
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

// UserState is the state of a person at one app.
type UserState struct {
	OpenID  string
	UnionID string // "" if the app has no unionids
	Follows bool   // follows the official or test account
	// ConsentUntil is the time at which the consent to snsapi_userinfo ends; zero for no consent.
	ConsentUntil time.Time
	// FullService reports whether the person has left snapshot mode by 使用完整服务 (use full service).
	FullService bool
	// AccessTokenUntil and RefreshTokenUntil are the times at which the tokens of the latest
	// sign-in expire; zero without a sign-in.
	AccessTokenUntil, RefreshTokenUntil time.Time
	// Revoked is the errcode that calls with these tokens get; 0 while they are not revoked.
	Revoked int
}

// UserState returns the state of a person at an app. It returns [ErrUnknownApp] or
// [ErrUnknownPerson].
func (s *Server) UserState(appID, person string) (UserState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, p := s.app(appID), s.person(person)
	if app == nil {
		return UserState{}, s.unknownApp(appID)
	}
	if p == nil {
		return UserState{}, s.unknownPerson(person)
	}
	user := appUser{appID: appID, person: person}
	out := UserState{
		OpenID: s.ids.openID(appID, person, notVirtual), Follows: p.follows(appID),
		FullService: s.state.fullService[user],
	}
	if platform := app.platform(); platform != "" {
		out.UnionID = s.ids.unionID(platform, person, notVirtual)
	}
	if s.consented(user) {
		out.ConsentUntil = s.state.consents[user]
	}
	if g := s.state.grants[user]; g != nil {
		out.RefreshTokenUntil, out.Revoked = g.refreshExpires, g.revokedErrcode
		if token := s.state.accessTokens[g.accessToken]; token != nil {
			out.AccessTokenUntil = token.expires
		}
	}
	return out, nil
}

// Consent records that a person has consented to an app's snsapi_userinfo. WeChat then shows no
// consent page for 30 days. Consent returns [ErrUnknownApp] or [ErrUnknownPerson].
func (s *Server) Consent(appID, person string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.app(appID) == nil {
		return s.unknownApp(appID)
	}
	if s.person(person) == nil {
		return s.unknownPerson(person)
	}
	s.recordConsent(appUser{appID: appID, person: person})
	return nil
}

// UseFullService ends snapshot mode ([Quirks.Snapshot]) for a person and an app: from now on the
// person gets the consent page. At WeChat, the button 使用完整服务 (use full service) does this.
// [Phone.UseFullService] also reloads the page.
func (s *Server) UseFullService(appID, person string) { s.SetFullService(appID, person, true) }

// SetFullService sets whether a person uses the full service of an app. If on is true, snapshot
// mode ends for this person and app. If on is false, snapshot mode applies again.
func (s *Server) SetFullService(appID, person string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user := appUser{appID: appID, person: person}
	delete(s.state.fullService, user)
	if on {
		s.state.fullService[user] = true
	}
}

// RevokeConsent deletes the consent of a person to an app, as people can do in WeChat's settings.
// The next authorize page with snsapi_userinfo asks again, and snapshot mode applies again. Nothing
// is pushed; [Server.ChangeAuthorization] also pushes the event.
func (s *Server) RevokeConsent(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revokeConsent(appID, person)
}

// revokeConsent is RevokeConsent for callers that hold the lock.
func (s *Server) revokeConsent(appID, person string) {
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

// SetFollows makes a person follow an account, or unfollow it, without a push. [Server.Follow] also
// pushes the event. SetFollows returns [ErrUnknownApp] or [ErrUnknownPerson].
func (s *Server) SetFollows(appID, person string, follows bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setFollows(appID, person, follows)
}

// setFollows is SetFollows for callers that hold the lock.
func (s *Server) setFollows(appID, person string, follows bool) error {
	p := s.person(person)
	switch {
	case s.app(appID) == nil:
		return s.unknownApp(appID)
	case p == nil:
		return s.unknownPerson(person)
	case p.follows(appID) == follows:
		return nil
	case follows:
		p.Follows = append(p.Follows, appID)
		s.state.push.follows[appUser{appID: appID, person: person}] = following{since: s.now()}
		return nil
	}
	delete(s.state.push.follows, appUser{appID: appID, person: person})
	if slices.Contains(p.Follows, "*") { // "*" is every app: keep all but this one
		p.Follows = s.appIDs()
	}
	p.Follows = slices.DeleteFunc(p.Follows, func(id string) bool { return id == appID })
	return nil
}

// ExpireCodes expires the unused codes of a person at an app: their redemption is answered with
// 40029. An empty appid means all apps.
func (s *Server) ExpireCodes(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.state.codes {
		if c.is(appID, person) && s.now().Before(c.expires) {
			c.expires = s.now()
		}
	}
}

// ExpireAccessTokens expires the access tokens of a person at an app: calls with them are answered
// with 42001. A refresh returns a new access token. An empty appid means all apps.
func (s *Server) ExpireAccessTokens(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range s.state.accessTokens {
		if token.is(appID, person) && s.now().Before(token.expires) {
			token.expires = s.now()
		}
	}
}

// ExpireRefreshTokens expires the refresh tokens of a person at an app: a refresh is answered with
// 40030, see [Quirks.ExpiredRefresh42002]. An empty appid means all apps.
func (s *Server) ExpireRefreshTokens(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.state.refreshTokens {
		if g.is(appID, person) && s.now().Before(g.refreshExpires) {
			g.refreshExpires = s.now()
		}
	}
}

// is reports whether the user is this person at this app. An empty appid means all apps.
func (u appUser) is(appID, person string) bool {
	return u.person == person && (appID == "" || u.appID == appID)
}
