package wechattest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// QRCode is a QR code on the sign-in page of a website app. [Server.QRCodes] returns it.
type QRCode struct {
	UUID    string
	Link    string // the content of the code, for Phone.Scan
	AppID   string
	AppName string
	Made    time.Time
	Status  QRStatus
	Person  string // id of the person who scanned it last; "" before the first scan
}

// QRStatus is the status of a QR code. The long poll of the page returns it. The numbers are
// WeChat's and are not HTTP statuses.
type QRStatus int

const (
	QRWaiting   QRStatus = 408 // not scanned; the page polls again
	QRScanned   QRStatus = 404 // scanned, neither confirmed nor cancelled
	QRCancelled QRStatus = 403 // cancelled; the page polls again, since the code can be scanned again
	QRExpired   QRStatus = 402 // expired; the page reloads and shows another QR code
	QRConfirmed QRStatus = 405 // confirmed; the poll returns the code, and the page redirects to the app
)

// QRCodes returns the QR codes that can still be scanned, newest first.
func (s *Server) QRCodes() []QRCode {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []QRCode
	for _, q := range s.state.qrCodes {
		if st := s.qrStatus(q); st != QRExpired && st != QRConfirmed {
			out = append(out, QRCode{
				UUID: q.uuid, Link: q.link, AppID: q.app.AppID, AppName: q.app.title(), Made: q.created, Status: st,
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

// qrCode is the state of one page with a QR code.
type qrCode struct {
	uuid               string
	link               string // content of the QR code: the address of the confirm page
	app                *App
	redirectURI, state string
	lang               string
	embedded           bool   // shown in a frame of the app (login_type=jssdk)
	selfRedirect       string // parameter self_redirect of wxLogin.js: redirect the frame, not the whole window
	created, expires   time.Time
	status             QRStatus
	person             string        // id of the person who scanned it last
	code               string        // for the app, after the confirmation
	changed            chan struct{} // closed and replaced at each change of status
}

// qrStatus returns the status of a QR code now.
func (s *Server) qrStatus(q *qrCode) QRStatus {
	if q.status != QRConfirmed && !s.now().Before(q.expires) {
		return QRExpired
	}
	return q.status
}

// setStatus changes the status and wakes the long polls that wait for a change.
func (q *qrCode) setStatus(st QRStatus) {
	q.status = st
	close(q.changed)
	q.changed = make(chan struct{})
}

// wakePolls makes the long polls read the status again. It is called after the clock has moved,
// because a QR code may have expired.
func (st *state) wakePolls() {
	for _, q := range st.qrCodes {
		q.setStatus(q.status)
	}
}

// qrConnect serves GET /connect/qrconnect, the page with the QR code. The order of the parameters
// does not matter: widely used links begin with scope. No limit for the length of state is known.
func (s *Server) qrConnect(r *request) response {
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
		code := s.issueCode(appUser{appID: app.AppID, person: p.ID}, scopeLogin)
		return redirect(callbackAddress(r.params.Get("redirect_uri"), code, r.params.Get("state")))
	}
	now := s.now()
	get := r.params.Get
	q := &qrCode{
		uuid: s.ids.uuid(), app: app, redirectURI: get("redirect_uri"), state: get("state"), created: now,
		expires: now.Add(qrLife), lang: get("lang"), embedded: get("login_type") == "jssdk",
		selfRedirect: get("self_redirect"),
		status:       QRWaiting, changed: make(chan struct{}),
	}
	q.link = s.openBase(r) + "/connect/confirm?uuid=" + q.uuid
	s.state.deleteExpired(now)
	s.state.qrCodes[q.uuid] = q
	return s.qrView(r, q)
}

// readQRConnect validates the parameters. WeChat's error about the scope ("text-bad-scope") has
// three causes: a wrong scope, an unknown appid, and an app of another kind than website app. Other
// scopes beside snsapi_login are ignored: widely used clients send "snsapi_login,snsapi_userinfo"
// (aspnet-contrib/AspNet.Security.OAuth.Providers#457, w7corp/easywechat#447).
func (s *Server) readQRConnect(r *request) (*App, *problem) {
	get := r.params.Get
	app := s.app(get("appid"))
	switch {
	case get("appid") == "":
		return nil, r.missing(problem{text: "text-bad-scope"}, "appid")
	case app == nil:
		return nil, &problem{text: "text-bad-scope", hint: "hint-no-app",
			args: []any{"appid", strconv.Quote(get("appid")), "known", strings.Join(s.appIDs(), ", ")}}
	case app.Banned:
		return nil, &problem{code: 10004, text: "text-banned", hint: "hint-banned", args: []any{"appid", app.AppID}}
	case app.Kind != WebsiteApp:
		return nil, &problem{text: "text-bad-scope", hint: "hint-not-website", args: []any{"appid", app.AppID}}
	case get("scope") == "":
		return nil, r.missing(problem{text: "text-bad-scope"}, "scope")
	case get("scope") == scopeBase:
		return nil, &problem{text: "text-no-param", hint: "hint-scope",
			args: []any{"appid", app.AppID, "scope", strconv.Quote(scopeBase)}}
	case !hasScope(get("scope"), scopeLogin) || !app.hasScope(scopeLogin):
		return nil, &problem{text: "text-bad-scope", hint: "hint-scope",
			args: []any{"appid", app.AppID, "scope", strconv.Quote(get("scope"))}}
	case get("response_type") == "":
		return nil, r.missing(problem{text: "text-bad-response-type"}, "response_type")
	case get("response_type") != "code":
		return nil, &problem{text: "text-bad-response-type", hint: "hint-response-type"}
	case get("redirect_uri") == "":
		return nil, r.missing(problem{text: "text-bad-redirect"}, "redirect_uri")
	case !app.allowsRedirect(get("redirect_uri")):
		return nil, &problem{text: "text-bad-redirect", hint: "hint-domain",
			args: []any{"redirect_uri", strconv.Quote(get("redirect_uri")), "domains", strings.Join(app.Domains, ", ")}}
	}
	return app, nil
}

// callbackAddress returns the address that WeChat's QR page redirects to. Like the script of
// WeChat's QR page, it appends the code at the end, even behind a fragment such as "#/route".
func callbackAddress(redirectURI, code, state string) string {
	sep := "?"
	if strings.Contains(redirectURI, "?") {
		sep = "&"
	}
	return redirectURI + sep + "code=" + code + "&state=" + state
}

// qrReload serves /connect/simulator/qr, the QR page for browsers without JavaScript. The page
// reloads itself until the person has confirmed.
func (s *Server) qrReload(r *request) response {
	q := s.state.qrCodes[r.params.Get("uuid")]
	if q == nil || s.qrStatus(q) == QRExpired {
		return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-old-page"})
	}
	r.call.AppID, r.call.Person = q.app.AppID, q.person
	if q.status == QRConfirmed {
		return redirect(callbackAddress(q.redirectURI, q.code, q.state))
	}
	return s.qrView(r, q)
}

// qrPicture serves the image of the QR code.
func (s *Server) qrPicture(r *request) response {
	q := s.state.qrCodes[strings.TrimPrefix(r.URL.Path, "/connect/qrcode/")]
	if q == nil || s.cfg.QR == nil {
		return plain(http.StatusNotFound, "no such QR code")
	}
	var svg []byte
	var err error
	// cfg.QR is supplied by the test and may call methods of the server. These methods take the
	// lock.
	s.unlocked(func() { svg, err = s.cfg.QR(q.link) })
	if err != nil {
		return plain(http.StatusInternalServerError, "the QR code cannot be drawn")
	}
	return response{status: http.StatusOK, body: svg, header: http.Header{
		"Content-Type": {"image/svg+xml"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'"}}}
}

// qrPoll serves the long poll of the QR page: a line of JavaScript with a [QRStatus]. The parameter
// last is the status that the page has received before. qrPoll responds as soon as the status
// differs from last, or after [Quirks.PollWait]. The default is 25 seconds, as measured once at
// WeChat.
func (s *Server) qrPoll(r *request) response {
	wait := s.quirks.PollWait
	if wait == 0 {
		wait = 25 * time.Second
	}
	q := s.state.qrCodes[r.params.Get("uuid")]
	if q == nil {
		return pollResponse(QRExpired, "")
	}
	r.call.AppID = q.app.AppID
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for ended := false; ; {
		status := s.qrStatus(q)
		// QRWaiting is never new, because every page starts with it.
		isNew := status != QRWaiting && strconv.Itoa(int(status)) != r.params.Get("last")
		if isNew || status == QRConfirmed {
			r.call.Person, r.call.Answer = q.person, fmt.Sprintf("wx_errcode=%d", status)
			return pollResponse(status, q.code)
		}
		if ended {
			r.call.Answer = fmt.Sprintf("wx_errcode=%d", status)
			return pollResponse(status, "")
		}
		changed := q.changed
		s.unlocked(func() {
			select {
			case <-changed:
			case <-timeout.C:
				ended = true
			case <-r.Context().Done():
				ended = true
			case <-s.closing.Done():
				ended = true
			}
		})
	}
}

func pollResponse(st QRStatus, code string) response {
	body := fmt.Appendf(nil, "window.wx_errcode=%d;window.wx_code='%s';", st, code)
	return response{status: http.StatusOK, body: body, header: http.Header{
		"Content-Type": {"text/javascript; charset=utf-8"}, "Cache-Control": {"no-store"},
		"X-Content-Type-Options": {"nosniff"}}}
}

// confirm serves GET /connect/confirm, the page on the phone that the QR code links to. Opening the
// page marks the QR code as scanned. Only the person who opened the page last can confirm.
func (s *Server) confirm(r *request) response {
	if !s.quirks.AnyBrowser && !inWeChat(r.Request) {
		return s.notInWeChat(r)
	}
	q := s.state.qrCodes[r.params.Get("uuid")]
	if q == nil || s.qrStatus(q) == QRExpired || q.status == QRConfirmed {
		return s.errorPage(r, problem{text: "text-qr-expired", hint: "hint-qr-expired"})
	}
	r.call.AppID = q.app.AppID
	person, _ := s.identify(r)
	if person == nil {
		return s.choosePage(r, r.URL.RequestURI())
	}
	r.call.Person = person.ID
	if r.Method != http.MethodHead { // HEAD shows no page, so it is not a scan
		q.person = person.ID
		q.setStatus(QRScanned)
	}
	return s.confirmView(r, q, person)
}

// confirmReply serves POST /connect/confirm_reply, the buttons of the confirm page.
func (s *Server) confirmReply(r *request) response {
	q := s.state.qrCodes[r.params.Get("uuid")]
	person := s.ids.person(r.params.Get("uin"), r.params.Get("key"))
	if q == nil || person == "" || s.qrStatus(q) == QRExpired || person != q.person {
		return s.errorPage(r, problem{text: "text-qr-expired", hint: "hint-qr-expired"})
	}
	r.call.AppID, r.call.Person = q.app.AppID, person
	if q.status == QRConfirmed {
		return s.messageView(r, "text-logged-in", "hint-logged-in")
	}
	// The button sends allow=allow. A hidden field sends the granted scope: snsapi_login=on.
	if r.params.Get("allow") != "allow" || r.params.Get(scopeLogin) != "on" {
		q.setStatus(QRCancelled)
		r.call.Answer = "cancelled"
		return s.messageView(r, "text-cancelled", "hint-cancelled")
	}
	q.code = s.issueCode(appUser{appID: q.app.AppID, person: person}, scopeLogin)
	q.setStatus(QRConfirmed)
	r.call.Answer = "confirmed"
	return s.messageView(r, "text-logged-in", "hint-logged-in")
}

// openBase returns the base URL of this server for browsers: Config.OpenURL, or the origin of the
// request.
func (s *Server) openBase(r *request) string {
	if s.cfg.OpenURL != "" {
		return strings.TrimSuffix(s.cfg.OpenURL, "/")
	}
	return r.base()
}
