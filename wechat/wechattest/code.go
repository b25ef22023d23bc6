package wechattest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code returns a code as if the person had consented in a browser, for tests without one. The scope
// is snsapi_base or snsapi_userinfo for an official or test account, snsapi_login for a website
// app. It returns an error for an unknown app or person and for a scope that the app does not have.
// In snapshot mode the code is one of a virtual account.
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
	virtual := scope == scopeUserInfo && s.snapshotMode(app, p, false)
	return s.putCode(pair{app: appID, person: person, virtual: virtual}, scope), nil
}

// snapshotMode reports whether the page opens in snapshot mode: for people who have neither
// consented before nor pressed 使用完整服务 (WeChat's announcement of 2022-05-09).
func (s *Server) snapshotMode(app *App, p *Person, forced bool) bool {
	who := pair{app: app.AppID, person: p.ID}
	return (forced || s.quirks.Snapshot || app.Snapshot || p.Snapshot) && !s.state.fullService[who] && !s.consented(who)
}

func (s *Server) consented(who pair) bool {
	until, ok := s.state.consents[who]
	return ok && s.now().Before(until)
}

// UseFullService ends snapshot mode for a person and an app, as the button 使用完整服务 does: from now on
// the person gets the consent page. [Phone.UseFullService] also reloads the page.
func (s *Server) UseFullService(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.fullService[pair{app: appID, person: person}] = true
}

// RevokeConsent deletes the consent of a person to an app, which people can do in WeChat: the next
// snsapi_userinfo asks again, and snapshot mode applies again.
func (s *Server) RevokeConsent(appID, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.state.consents, pair{app: appID, person: person})
	delete(s.state.fullService, pair{app: appID, person: person})
}

// ChangePassword invalidates all tokens of a person: they are answered with 42007.
func (s *Server) ChangePassword(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.state.refresh {
		if g.person == person {
			g.revoked = codePasswordChanged
		}
	}
}

// QRCode is the QR code on the sign-in page of a website app.
type QRCode struct {
	UUID    string
	Link    string // the content of the code, for Phone.Scan
	AppID   string
	AppName string
	Made    time.Time
	Status  QRStatus
	Person  string // who scanned it last; "" for nobody
}

// QRStatus is the status that the page's long poll returns.
type QRStatus int

const (
	QRWaiting   QRStatus = 408 // not scanned; the page polls again
	QRScanned   QRStatus = 404 // scanned, neither confirmed nor cancelled
	QRCancelled QRStatus = 403 // cancelled; the page polls again, since it can be scanned again
	QRExpired   QRStatus = 402 // expired; the page reloads and shows another code
	QRConfirmed QRStatus = 405 // confirmed; the answer has the code, and the page redirects to the app
)

// QRCodes returns the QR codes that can still be scanned, newest first.
func (s *Server) QRCodes() []QRCode {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []QRCode
	for _, q := range s.state.qr {
		if st := s.qrStatus(q); st != QRExpired && st != QRConfirmed {
			out = append(out, QRCode{
				UUID: q.uuid, Link: q.link, AppID: q.app.AppID, AppName: q.app.title(), Made: q.made, Status: st,
				Person: q.person,
			})
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
