package wechattest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code returns a code for the person, as if the person had agreed just now in a browser: for tests that need no browser. The scope is snsapi_base or
// snsapi_userinfo for an official or test account, snsapi_login for a website app. An unknown app or person, and a scope that the app does not have,
// are errors. Where a switch or the person says so, the code is one of a snapshot page.
func (s *Server) Code(appID, person, scope string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, p := s.app(appID), s.person(person)
	if app == nil {
		return "", fmt.Errorf("wechattest: no app %q", appID)
	}
	if p == nil {
		return "", fmt.Errorf("wechattest: no person %q; there are %s", person, strings.Join(s.personIDs(), ", "))
	}
	if !app.hasScope(scope) {
		return "", fmt.Errorf("wechattest: app %s, a %v, does not have the scope %q", appID, app.Kind, scope)
	}
	virtual := scope == scopeUserInfo && s.snapshotMode(app, p, false)
	return s.putCode(pair{appID, person, virtual}, scope), nil
}

// snapshotMode: a snapshot page is for people who have not agreed before and did not press 使用完整服务 (WeChat's announcement of 2022-05-09).
func (s *Server) snapshotMode(app *App, p *Person, asked bool) bool {
	who := pair{app: app.AppID, person: p.ID}
	return (asked || s.switches.Snapshot || app.Snapshot || p.Snapshot) && !s.state.full[who] && !s.consented(who)
}

func (s *Server) consented(who pair) bool {
	until, ok := s.state.consents[who]
	return ok && s.now().Before(until)
}

// UseFullService is the button 使用完整服务 of a snapshot page: from now on the person gets the consent page of this app instead of snapshot mode. The
// page itself begins again, which is the phone's part.
func (s *Server) UseFullService(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.full[pair{app: appID, person: person}] = true
}

// RevokeConsent is what the person can do in the account's page: the next snsapi_userinfo asks again, and snapshot mode applies again.
func (s *Server) RevokeConsent(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.state.consents, pair{app: appID, person: person})
	delete(s.state.full, pair{app: appID, person: person})
}

// ChangePassword kills every token of the person: 42007 from now on.
func (s *Server) ChangePassword(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.state.refresh {
		if g.person == person {
			g.dead = codePasswordChanged
		}
	}
}

// QRCode is a QR code that a website app's page shows.
type QRCode struct {
	UUID    string
	Link    string // what the code says; give it to Phone.Scan
	AppID   string
	AppName string
	Made    time.Time
	Status  QRStatus
	Person  string // who scanned it; "" before
}

// QRStatus is the number that the page's long poll answers.
type QRStatus int

const (
	QRWaiting   QRStatus = 408 // nobody has scanned it; the page polls again
	QRScanned   QRStatus = 404 // somebody has it on a phone and has not decided
	QRCancelled QRStatus = 403 // the page keeps polling: it may be scanned again
	QRExpired   QRStatus = 402 // the page reloads and gets another
	QRConfirmed QRStatus = 405 // the answer holds the code, and the page goes to the app
)

// QRCodes returns the QR codes that can still be scanned, newest first.
func (s *Server) QRCodes() []QRCode {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []QRCode
	for _, q := range s.state.qr {
		if st := s.qrStatus(q); st != QRExpired && st != QRConfirmed {
			out = append(out, QRCode{UUID: q.uuid, Link: q.link, AppID: q.app.AppID, AppName: q.app.title(), Made: q.made, Status: st, Person: q.person})
		}
	}
	slices.SortFunc(out, func(a, b QRCode) int {
		if c := b.Made.Compare(a.Made); c != 0 {
			return c
		}
		return strings.Compare(a.UUID, b.UUID)
	})
	return out
}
