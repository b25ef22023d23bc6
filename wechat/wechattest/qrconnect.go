package wechattest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

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

// qrCode is the state of one QR page.
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

// wakePolls makes waiting polls check the clock.
func (st *state) wakePolls() {
	for _, q := range st.qr {
		q.set(q.status)
	}
}

// qrConnect serves GET /connect/qrconnect. The order of the parameters does not matter (a widely
// used link begins with scope), and no limit of the state is known.
func (s *Server) qrConnect(r *request) answer {
	app, bad := s.readQRConnect(r)
	if bad != nil {
		return s.errorPage(r, *bad)
	}
	if s.quirks.ConsentAs != "" {
		p, _ := s.identify(r)
		if p == nil {
			return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-no-person",
				args: []any{"person", strconv.Quote(s.quirks.ConsentAs)}})
		}
		r.call.Person = p.ID
		code := s.putCode(pair{app: app.AppID, person: p.ID}, scopeLogin)
		return redirect(appendPlain(r.params.Get("redirect_uri"), code, r.params.Get("state")))
	}
	now := s.now()
	get := r.params.Get
	q := &qrCode{
		uuid: s.ids.uuid(), app: app, redirectURI: get("redirect_uri"), state: get("state"), made: now,
		expires: now.Add(qrLife), lang: get("lang"), embedded: get("login_type") == "jssdk",
		selfRedirect: get("self_redirect"),
		status:       QRWaiting, changed: make(chan struct{}),
	}
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
		return nil, &problem{text: "text-bad-scope", hint: "hint-no-app",
			args: []any{"appid", strconv.Quote(get("appid")), "known", strings.Join(s.appIDs(), ", ")}}
	case app.Banned:
		return nil, &problem{code: 10004, text: "text-banned", hint: "hint-banned", args: []any{"appid", app.AppID}}
	case app.Kind != WebsiteApp:
		return nil, &problem{text: "text-bad-scope", hint: "hint-not-website", args: []any{"appid", app.AppID}}
	case get("scope") == scopeBase:
		return nil, &problem{text: "text-no-param", hint: "hint-scope",
			args: []any{"appid", app.AppID, "scope", strconv.Quote(scopeBase)}}
	case get("scope") != scopeLogin || !app.hasScope(scopeLogin):
		return nil, &problem{text: "text-bad-scope", hint: "hint-scope",
			args: []any{"appid", app.AppID, "scope", strconv.Quote(get("scope"))}}
	case get("response_type") != "code":
		return nil, &problem{text: "text-bad-response-type", hint: "hint-response-type"}
	case !app.allowsRedirect(get("redirect_uri")):
		return nil, &problem{text: "text-bad-redirect", hint: "hint-domain",
			args: []any{"redirect_uri", strconv.Quote(get("redirect_uri")), "domains", strings.Join(app.Domains, ", ")}}
	}
	return app, nil
}

// appendPlain concatenates strings as the script of WeChat's QR page does. It ignores a fragment,
// so the code is appended to "#/route".
func appendPlain(address, code, state string) string {
	sep := "?"
	if strings.Contains(address, "?") {
		sep = "&"
	}
	return address + sep + "code=" + code + "&state=" + state
}

// qrAgain serves the same page for browsers without JavaScript, which reload it until the person
// has confirmed.
func (s *Server) qrAgain(r *request) answer {
	q := s.state.qr[r.params.Get("uuid")]
	if q == nil || s.qrStatus(q) == QRExpired {
		return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-old-page"})
	}
	r.call.AppID, r.call.Person = q.app.AppID, q.person
	if q.status == QRConfirmed {
		return redirect(appendPlain(q.redirectURI, q.code, q.state))
	}
	return s.qrView(r, q)
}

// qrPicture serves the image of the QR code.
func (s *Server) qrPicture(r *request) answer {
	q := s.state.qr[strings.TrimPrefix(r.URL.Path, "/connect/qrcode/")]
	if q == nil || s.cfg.QR == nil {
		return plain(http.StatusNotFound, "no such QR code")
	}
	var svg []byte
	var err error
	s.unlocked(func() { svg, err = s.cfg.QR(q.link) })
	if err != nil {
		return plain(http.StatusInternalServerError, "the QR code cannot be drawn")
	}
	return answer{status: http.StatusOK, body: svg, header: http.Header{
		"Content-Type": {"image/svg+xml"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'"}}}
}

// qrPoll serves the long poll, a line of JavaScript with a [QRStatus]. The parameter last is the
// status that the page has already received. Without a change it answers after about 25 seconds, by
// one measurement.
func (s *Server) qrPoll(r *request) answer {
	hold := s.quirks.PollWait
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
		changed, done := q.changed, false
		s.unlocked(func() {
			select {
			case <-changed:
			case <-timeout.C:
				done = true
			case <-r.Context().Done():
				done = true
			case <-s.closing.Done():
				done = true
			}
		})
		if done {
			if st = s.qrStatus(q); st == QRConfirmed {
				continue
			}
			r.call.Answer = fmt.Sprintf("wx_errcode=%d", st)
			return pollAnswer(st, "")
		}
	}
}

func pollAnswer(st QRStatus, code string) answer {
	body := fmt.Appendf(nil, "window.wx_errcode=%d;window.wx_code='%s';", st, code)
	return answer{status: http.StatusOK, body: body, header: http.Header{
		"Content-Type": {"text/javascript; charset=utf-8"}, "Cache-Control": {"no-store"},
		"X-Content-Type-Options": {"nosniff"}}}
}

// confirm serves the page that the QR code links to, on the phone. Opening it marks the code as
// scanned. Until the code is confirmed, it belongs to the person who scanned it last.
func (s *Server) confirm(r *request) answer {
	if !s.quirks.AnyBrowser && !inWeChat(r.Request) {
		return s.notInWeChat(r)
	}
	q := s.state.qr[r.params.Get("uuid")]
	if q == nil || s.qrStatus(q) == QRExpired || q.status == QRConfirmed {
		return s.errorPage(r, problem{text: "text-qr-expired", hint: "hint-qr-expired"})
	}
	r.call.AppID = q.app.AppID
	who, _ := s.identify(r)
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

// confirmReply handles the buttons of that page.
func (s *Server) confirmReply(r *request) answer {
	q := s.state.qr[r.params.Get("uuid")]
	who := s.ids.person(r.params.Get("uin"), r.params.Get("key"))
	if q == nil || who == "" || s.qrStatus(q) == QRExpired || who != q.person {
		return s.errorPage(r, problem{text: "text-qr-expired", hint: "hint-qr-expired"})
	}
	r.call.AppID, r.call.Person = q.app.AppID, who
	if q.status == QRConfirmed {
		return s.messageView(r, "text-logged-in", "hint-logged-in")
	}
	if r.params.Get("allow") != "allow" || r.params.Get(scopeLogin) != "on" {
		q.set(QRCancelled)
		r.call.Answer = "cancelled"
		return s.messageView(r, "text-cancelled", "hint-cancelled")
	}
	q.code = s.putCode(pair{app: q.app.AppID, person: who}, scopeLogin)
	q.set(QRConfirmed)
	r.call.Answer = "confirmed"
	return s.messageView(r, "text-logged-in", "hint-logged-in")
}

// openBase returns the address of this server for browsers.
func (s *Server) openBase(r *request) string {
	if s.cfg.OpenURL != "" {
		return strings.TrimSuffix(s.cfg.OpenURL, "/")
	}
	return r.base()
}
