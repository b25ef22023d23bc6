package wechattest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Reset returns the server to its start. The apps, people and quirks are those of the [Config]
// again, and the time is that of [Config.Now]. Reset deletes all codes, tokens, consents, QR codes
// and faults, empties the log, and deletes the pages and cookies of the phones.
//
// The seed stays, so openids and unionids stay too. Codes and tokens do not repeat after a Reset,
// and the ids of the log continue. Reset waits for phones that are opening a page.
func (s *Server) Reset() {
	s.mu.Lock()
	s.state.forget(func(appUser) bool { return true })
	s.state = newState()
	s.register()
	s.quirks, s.faults, s.offset = s.cfg.Quirks, nil, 0
	s.log.calls = nil
	s.mu.Unlock()
	s.phones.reset(s.phones.people()...)
}

// ResetPerson returns a person to the start: the attributes are as configured or added. ResetPerson
// deletes the person's codes, tokens and consents, and the page and cookies of the phone. An
// unknown id is an error ([ErrUnknownPerson]).
func (s *Server) ResetPerson(id string) error {
	s.mu.Lock()
	p := s.person(id)
	if p == nil {
		defer s.mu.Unlock()
		return s.unknownPerson(id)
	}
	*p = s.added.people[id].clone()
	s.state.forget(func(user appUser) bool { return user.person == id })
	s.mu.Unlock()
	s.phones.reset(id)
	return nil
}

// ResetApp returns an app to the start: the attributes are as configured or added. ResetApp deletes
// the app's codes, tokens, consents and QR codes, and begins its quotas again. An unknown appid is an
// error ([ErrUnknownApp]).
func (s *Server) ResetApp(appID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(appID)
	if a == nil {
		return s.unknownApp(appID)
	}
	*a = s.added.apps[appID].clone()
	s.state.forget(func(user appUser) bool { return user.appID == appID })
	s.state.forgetCounts(appID)
	return nil
}

// forgetCounts deletes what the server counts and limits for an app: quotas, failed pushes, and forced
// renewals of the interface token.
func (st *state) forgetCounts(appID string) {
	delete(st.push.failures, appID)
	delete(st.push.stoppedUntil, appID)
	delete(st.push.forced, appID)
	ofApp := func(call string, _ int) bool { return strings.HasPrefix(call, appID+" ") }
	maps.DeleteFunc(st.push.calls, ofApp)
	maps.DeleteFunc(st.quota, ofApp)
}

// forget deletes the codes, tokens, consents and pages of the users that match. A user is a person
// at an app. A QR code belongs to the user who has scanned it last. Before a scan, it belongs to a
// user with an appid and no person. The long polls of a deleted QR code end with [QRExpired].
func (st *state) forget(match func(appUser) bool) {
	maps.DeleteFunc(st.codes, func(_ string, c *issuedCode) bool { return match(c.appUser) })
	maps.DeleteFunc(st.accessTokens, func(_ string, t *issuedAccessToken) bool { return match(t.appUser) })
	maps.DeleteFunc(st.refreshTokens, func(_ string, g *grant) bool { return match(g.appUser) })
	maps.DeleteFunc(st.grants, func(user appUser, _ *grant) bool { return match(user) })
	maps.DeleteFunc(st.consents, func(user appUser, _ time.Time) bool { return match(user) })
	maps.DeleteFunc(st.fullService, func(user appUser, _ bool) bool { return match(user) })
	maps.DeleteFunc(st.consentPages, func(_ string, p *consentPage) bool { return match(p.appUser) })
	maps.DeleteFunc(st.push.chats, func(user appUser, _ []ChatMessage) bool { return match(user) })
	maps.DeleteFunc(st.push.last, func(user appUser, _ Delivery) bool { return match(user) })
	maps.DeleteFunc(st.push.follows, func(user appUser, _ following) bool { return match(user) })
	st.push.held = slices.DeleteFunc(st.push.held, func(h heldPush) bool { return match(h.user) })
	maps.DeleteFunc(st.push.scenes, func(_ string, c *sceneCode) bool { return match(appUser{appID: c.appID}) })
	maps.DeleteFunc(st.push.tokens, func(_ string, t *interfaceToken) bool { return match(appUser{appID: t.appID}) })
	maps.DeleteFunc(st.qrCodes, func(_ string, q *qrCode) bool {
		deleted := match(appUser{appID: q.app.AppID, person: q.person})
		if deleted {
			q.setStatus(QRExpired)
		}
		return deleted
	})
}

// people returns the ids of the people whose phones were used.
func (ps *phones) people() []string {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return slices.Sorted(maps.Keys(ps.byID))
}

// reset returns the phones of some people to the start: no page, no cookies, WeChat as the browser,
// and no chosen language. It waits for a page that a phone is opening.
func (ps *phones) reset(people ...string) {
	for _, id := range people {
		ps.mu.Lock()
		p := ps.byID[id]
		ps.mu.Unlock()
		if p != nil {
			p.device.reset()
			p.Home()
		}
	}
}
