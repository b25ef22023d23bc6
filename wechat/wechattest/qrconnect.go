package wechattest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// qrCode is one QR page of a website app.
type qrCode struct {
	uuid, link         string
	app                *App
	redirectURI, state string
	lang               string
	embedded           bool
	selfRedirect       string
	made, expires      time.Time
	status             QRStatus
	person             string
	code               string
	changed            chan struct{} // closed and replaced at each change
}

func (s *Server) qrStatus(q *qrCode) QRStatus {
	if q.status != QRConfirmed && !s.now().Before(q.expires) {
		return QRExpired
	}
	return q.status
}

func (q *qrCode) set(st QRStatus) {
	q.status = st
	close(q.changed)
	q.changed = make(chan struct{})
}

// wakePolls lets waiting polls look at the clock again.
func (st *state) wakePolls() {
	for _, q := range st.qr {
		q.set(q.status)
	}
}

// qrConnect is GET /connect/qrconnect. The order of its parameters does not matter (a widely used link begins with scope), and no limit of its state was
// met.
func (s *Server) qrConnect(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, bad := s.readQRConnect(r)
	if bad != nil {
		return s.errorPage(r, *bad)
	}
	if s.switches.ConsentAs != "" {
		p, _ := s.whoIs(r)
		if p == nil {
			return s.errorPage(r, problem{text: textNoSuchLink, hint: hintNoPerson, args: []any{s.switches.ConsentAs}})
		}
		r.call.Person = p.ID
		code := s.putCode(pair{app: app.AppID, person: p.ID}, scopeLogin)
		return redirect(appendPlain(r.params.Get("redirect_uri"), code, r.params.Get("state")))
	}
	now := s.now()
	q := &qrCode{uuid: s.ids.uuid(), app: app, redirectURI: r.params.Get("redirect_uri"), state: r.params.Get("state"), made: now, expires: now.Add(qrLife),
		lang: r.params.Get("lang"), embedded: r.params.Get("login_type") == "jssdk", selfRedirect: r.params.Get("self_redirect"),
		status: QRWaiting, changed: make(chan struct{})}
	q.link = s.openBase(r) + "/connect/confirm?uuid=" + q.uuid
	s.state.sweep(now)
	s.state.qr[q.uuid] = q
	return s.qrView(r, q)
}

func (s *Server) readQRConnect(r *request) (*App, *problem) {
	get := r.params.Get
	app := s.app(get("appid"))
	switch {
	case app == nil:
		return nil, &problem{text: textBadScope, hint: hintNoApp, args: []any{get("appid"), strings.Join(s.appIDs(), ", ")}}
	case app.Banned:
		return nil, &problem{code: 10004, text: textBanned, hint: hintBanned, args: []any{app.AppID}}
	case app.Kind != WebsiteApp:
		return nil, &problem{text: textBadScope, hint: hintNotWebsite, args: []any{app.AppID}}
	case get("scope") == scopeBase:
		return nil, &problem{text: textNoParam, hint: hintScope, args: []any{app.AppID, scopeBase}}
	case get("scope") != scopeLogin || !app.hasScope(scopeLogin):
		return nil, &problem{text: textBadScope, hint: hintScope, args: []any{app.AppID, get("scope")}}
	case get("response_type") != "code":
		return nil, &problem{text: textBadResponseType, hint: hintResponseType}
	case !app.allowsRedirect(get("redirect_uri")):
		return nil, &problem{text: textBadRedirect, hint: hintDomain, args: []any{get("redirect_uri"), strings.Join(app.Domains, ", ")}}
	}
	return app, nil
}

// appendPlain is the string work of WeChat's QR page: it knows no fragment, so the code lands behind "#/route".
func appendPlain(address, code, state string) string {
	sep := "?"
	if strings.Contains(address, "?") {
		sep = "&"
	}
	return address + sep + "code=" + code + "&state=" + state
}

// qrAgain is the same page again, for browsers without JavaScript, which reload it until the person has confirmed.
func (s *Server) qrAgain(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.state.qr[r.params.Get("uuid")]
	if q == nil || s.qrStatus(q) == QRExpired {
		return s.errorPage(r, problem{text: textNoSuchLink, hint: hintOldPage})
	}
	r.call.AppID, r.call.Person = q.app.AppID, q.person
	if q.status == QRConfirmed {
		return redirect(appendPlain(q.redirectURI, q.code, q.state))
	}
	return s.qrView(r, q)
}

// qrPicture is the picture of the QR code.
func (s *Server) qrPicture(r *request) answer {
	s.mu.Lock()
	q := s.state.qr[strings.TrimPrefix(r.URL.Path, "/connect/qrcode/")]
	s.mu.Unlock()
	if q == nil || s.cfg.QR == nil {
		return plain(http.StatusNotFound, "no such QR code")
	}
	svg, err := s.cfg.QR(q.link)
	if err != nil {
		return plain(http.StatusInternalServerError, "the QR code cannot be drawn")
	}
	return answer{status: http.StatusOK, body: svg, header: http.Header{"Content-Type": {"image/svg+xml"}, "Cache-Control": {"no-store"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'"}, "X-Content-Type-Options": {"nosniff"}}}
}

// qrPoll is the long poll, a line of JavaScript: 408 nothing, 404 scanned, 403 cancelled, 402 expired, 405 confirmed with the code. The parameter last is the
// answer that the page has already seen. Nothing new is told after about 25 seconds, as one measurement had it.
func (s *Server) qrPoll(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	hold := s.switches.PollWait
	if hold == 0 {
		hold = 25 * time.Second
	}
	q := s.state.qr[r.params.Get("uuid")]
	if q == nil {
		return pollAnswer(QRExpired, "")
	}
	r.call.AppID = q.app.AppID
	timeout := time.NewTimer(hold)
	defer timeout.Stop()
	for {
		st := s.qrStatus(q)
		if st != QRWaiting && fmt.Sprint(int(st)) != r.params.Get("last") || st == QRConfirmed {
			r.call.Person, r.call.Answer = q.person, fmt.Sprintf("wx_errcode=%d", st)
			return pollAnswer(st, q.code)
		}
		changed := q.changed
		s.mu.Unlock()
		over := false
		select {
		case <-changed:
		case <-timeout.C:
			over = true
		case <-r.Context().Done():
			over = true
		case <-s.closing.Done():
			over = true
		}
		s.mu.Lock()
		if over {
			if st = s.qrStatus(q); st == QRConfirmed {
				continue
			}
			r.call.Answer = fmt.Sprintf("wx_errcode=%d", st)
			return pollAnswer(st, "")
		}
	}
}

func pollAnswer(st QRStatus, code string) answer {
	return answer{status: http.StatusOK, body: fmt.Appendf(nil, "window.wx_errcode=%d;window.wx_code='%s';", st, code), header: http.Header{
		"Content-Type": {"text/javascript; charset=utf-8"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}}}
}

// confirm is what the QR code says: the phone's page. Opening it tells the QR page that the code was scanned. Until somebody has confirmed, whoever scanned last
// holds it.
func (s *Server) confirm(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.switches.AnyBrowser && !inWeChat(r.Request) {
		return s.notInWeChat(r)
	}
	q := s.state.qr[r.params.Get("uuid")]
	if q == nil || s.qrStatus(q) == QRExpired || q.status == QRConfirmed {
		return s.errorPage(r, problem{text: textQRExpired, hint: hintQRExpired})
	}
	r.call.AppID = q.app.AppID
	who, _ := s.whoIs(r)
	if who == nil {
		return s.choosePage(r, r.URL.RequestURI())
	}
	r.call.Person = who.ID
	if r.Method != http.MethodHead {
		q.person = who.ID
		q.set(QRScanned)
	}
	return s.confirmView(r, q, who)
}

// confirmReply is what the person pressed on that page.
func (s *Server) confirmReply(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.state.qr[r.params.Get("uuid")]
	who := s.ids.person(r.params.Get("uin"), r.params.Get("key"))
	if q == nil || who == "" || s.qrStatus(q) == QRExpired || who != q.person {
		return s.errorPage(r, problem{text: textQRExpired, hint: hintQRExpired})
	}
	r.call.AppID, r.call.Person = q.app.AppID, who
	if q.status == QRConfirmed {
		return s.messageView(r, textLoggedIn, hintLoggedIn)
	}
	if r.params.Get("allow") != "allow" || r.params.Get(scopeLogin) != "on" {
		q.set(QRCancelled)
		r.call.Answer = "cancelled"
		return s.messageView(r, textCancelled, hintCancelled)
	}
	q.code = s.putCode(pair{app: q.app.AppID, person: who}, scopeLogin)
	q.set(QRConfirmed)
	r.call.Answer = "confirmed"
	return s.messageView(r, textLoggedIn, hintLoggedIn)
}

// openBase is where people's browsers reach this server.
func (s *Server) openBase(r *request) string {
	if s.cfg.OpenURL != "" {
		return strings.TrimSuffix(s.cfg.OpenURL, "/")
	}
	return r.base()
}
