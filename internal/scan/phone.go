package scan

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the requests of the phone: the link in the QR code, the pages of the ticket's
// states, and the answers. A ticket is the row in the store for one QR code. The desktop is the
// browser that shows the QR code. The approver of a ticket is the first user who presses "Continue"
// on the phone, or who refuses. The desktop then shows a number of two digits, and the approver types
// it on the phone.

// serveLink serves the link in the QR code. In WeChat it stores the ticket's id in the phone's
// cookie, and redirects to a URL without the id: users can share the URL of a page in WeChat, and
// crawlers follow shared links. Elsewhere it renders a page that explains how to open the link in
// WeChat. serveLink does not read the ticket: the response is the same for a ticket that does not
// exist.
func (h *Handler) serveLink(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("ticket")
	if len(id) > 64 {
		id = "" // not the id of a ticket, and too long for the cookie
	}
	if !h.cfg.InWeChat(r) {
		if !isID(id) {
			h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver})
			return
		}
		h.cfg.Site.Show(w, r, web.Page{
			Kind: web.ScanHere, Copy: h.origin + h.path + pathDesktop + "/" + id, Scan: &web.Scan{},
		})
		return
	}
	// The LoginRequestID identifies the sign-in that authenticate starts if the phone has to sign in.
	if err := h.cookies.setPhone(w, phoneTicket{Ticket: id, LoginRequestID: rand.Text()}); err != nil {
		h.fail(w, r, err)
		return
	}
	route.SeeOther(w, h.path+pathConfirm)
}

// isID reports whether text has the form of a ticket's id: idSize bytes in lower-case base32. Other
// text in a link may come from an attacker, and is not shown on a page.
func isID(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(text) == base32.StdEncoding.WithPadding(base32.NoPadding).EncodedLen(idSize)
}

// phoneRequest is a request of a phone, with everything that is known about the ticket and the
// user.
type phoneRequest struct {
	phone   phoneTicket // the phone's cookie
	ticket  gateway.Ticket
	data    ticketData      // what the ticket requires of the phone, from ticket.Data
	browser session.Browser // the session of the phone
}

// authenticate returns the request with the phone's ticket and signed-in user. If the ticket does
// not exist, or the phone is not signed in as the ticket requires, authenticate writes the response
// and returns false. The response is a page or a redirect to sign in.
func (h *Handler) authenticate(w http.ResponseWriter, r *http.Request) (req phoneRequest, ok bool) {
	p := h.cookies.readPhone(r)
	if p == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanNone})
		return req, false
	}
	req.phone = *p
	t, err := h.cfg.Tickets.Ticket(r.Context(), hashID(p.Ticket), h.cfg.Now())
	if errors.Is(err, gateway.ErrNotFound) {
		h.showExpired(w, r, hashID(p.Ticket))
		return req, false
	}
	if err == nil {
		req.ticket = t
		req.data, err = readTicketData(t)
	}
	var signedIn bool
	if err == nil {
		req.browser, signedIn, err = h.signIn.Session(r)
	}
	switch {
	case err != nil:
		h.fail(w, r, err)
	case signedIn && req.meetsRequirements() && req.mustAgree() && r.Method == http.MethodGet:
		h.signIn.AskAgreement(w, r, req.browser, h.path+pathConfirm)
	case signedIn && req.meetsRequirements() && !req.mustAgree():
		return req, true
	case t.State == gateway.TicketCancelled:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver, Rejection: req.rejection()})
	case !isUnanswered(t.State):
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUsed, Rejection: req.rejection()})
	case r.Method != http.MethodGet:
		// The response is a page and not a redirect. Sign-in leads to WeChat, and browsers block a form
		// that is redirected to another origin (Content-Security-Policy, form-action).
		h.cfg.Site.Show(w, r, web.Page{
			Kind: web.Continue, Go: h.path + pathConfirm, ContinueAfter: 100 * time.Millisecond,
		})
	case r.URL.Query().Get("back") == req.phone.LoginRequestID:
		// The phone returns from the sign-in that begin started. Still it has no session that meets the
		// requirements. Another redirect to sign-in could repeat forever.
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NotSignedIn, Go: h.path + pathConfirm,
			Rejection: req.rejection()})
	default:
		h.begin(w, r, req)
	}
	return req, false
}

// rejection returns the content of the log line of a rejected request: the app, and the values of
// the ticket and of the browser.
func (req phoneRequest) rejection() web.Rejection {
	return web.Rejection{Request: "scan", App: req.ticket.App, Attrs: []slog.Attr{
		slog.String("state", string(req.ticket.State)), slog.String("user", req.browser.User.ID),
		slog.String("approver", req.ticket.Approver.UserID), slog.String("method", req.browser.Method),
		slog.String("connector", req.browser.Connector), slog.String("app_connector", req.ticket.Connector),
	}}
}

// meetsRequirements reports whether the phone is signed in as the ticket requires:
//
//   - by WeChat itself;
//   - through the ticket's connector (a WeChat app in the configuration), if the ticket has one;
//   - by a sign-in for this ticket, if it requires reauthentication or WeChat's consent page.
func (req phoneRequest) meetsRequirements() bool {
	if req.browser.Method != methodWeChat {
		return false
	}
	if req.ticket.Connector != "" && req.browser.Connector != req.ticket.Connector {
		return false
	}
	again := req.data.Reauthenticate || req.data.Consent
	return !again || req.browser.LoginRequestID == req.phone.LoginRequestID
}

// mustAgree reports whether the phone's user has to agree to the administrator's documents before
// they confirm the sign-in of the desktop.
func (req phoneRequest) mustAgree() bool {
	return req.browser.MustAgree && !req.data.WithoutAgreement && isUnanswered(req.ticket.State)
}

// begin redirects the phone to sign in. Only WeChat itself is accepted as the sign-in method. A
// session by scan would depend on yet another phone.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, req phoneRequest) {
	err := h.signIn.Begin(w, r, session.LoginRequest{
		ID: req.phone.LoginRequestID, ReturnURL: h.path + pathConfirm + "?back=" + req.phone.LoginRequestID,
		Connector: req.ticket.Connector, Reauthenticate: req.data.Reauthenticate, Consent: req.data.Consent,
		App: gateway.App{Methods: []string{methodWeChat}}, WithoutAgreement: req.data.WithoutAgreement,
	})
	if err != nil {
		h.fail(w, r, err)
	}
}

// confirm serves /scan/confirm: it shows the phone the page for the ticket's state.
func (h *Handler) confirm(w http.ResponseWriter, r *http.Request) {
	req, ok := h.authenticate(w, r)
	if !ok {
		return
	}
	t := req.ticket
	mine := t.Approver.UserID == req.browser.User.ID // the phone's user is the approver
	page := web.Page{App: h.appName(r, t.App), Rejection: req.rejection()}
	switch {
	case t.State == gateway.TicketOpen || t.State == gateway.TicketOpened:
		h.showRequest(w, r, req)
		return
	case t.State == gateway.TicketScanned && mine:
		if req.data.Profile && h.signIn.AskProfile(w, r, req.browser, h.path+pathConfirm) {
			return
		}
		h.showNumber(w, r, req, false)
		return
	case t.State == gateway.TicketScanned:
		page.Kind = web.ScanTaken
	case (t.State == gateway.TicketApproved || t.State == gateway.TicketRedeemed) && mine:
		h.showApproved(w, r, req.browser.User, formID(t.Hash), web.Facts{
			App: h.appName(r, t.App), Browser: t.Browser, MaskedIP: t.MaskedIP, Ago: h.cfg.Now().Sub(t.ScannedAt),
		})
		return
	case t.State == gateway.TicketRefused && mine:
		page.Kind = web.ScanDeclined
	case t.State == gateway.TicketMismatch && mine:
		page.Kind = web.ScanMismatch
	case t.State == gateway.TicketCancelled:
		page.Kind = web.ScanOver
	default:
		page.Kind = web.ScanUsed
	}
	h.cfg.Site.Show(w, r, page)
}

// facts returns what the phone shows about the desktop of the ticket.
func (h *Handler) facts(r *http.Request, req phoneRequest) *web.Facts {
	return &web.Facts{
		App: h.appName(r, req.ticket.App), Browser: req.ticket.Browser, MaskedIP: req.ticket.MaskedIP,
		Network: h.networks.compare(req.data.Network, h.cfg.Address(r)),
		Ago:     h.cfg.Now().Sub(req.ticket.CreatedAt),
	}
}

// showRequest renders the page that shows which app and which desktop want to sign in.
func (h *Handler) showRequest(w http.ResponseWriter, r *http.Request, req phoneRequest) {
	if h.isPaused(req) {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanPaused, Rejection: req.rejection()})
		return
	}
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanAsk, App: h.appName(r, req.ticket.App), User: web.UserOf(req.browser.User),
		Scan: &web.Scan{Facts: h.facts(r, req), Opened: h.path + pathOpened, Ticket: formID(req.ticket.Hash)},
		Forms: []web.Form{
			{Action: h.path + pathContinue, Label: web.LabelContinue, Fields: map[string]string{"m": formID(req.ticket.Hash)}},
			h.refuseForm(req),
		},
	})
}

// showNumber renders the page with the field for the number. malformed means that the user has sent
// something else than two digits: the page then asks again.
func (h *Handler) showNumber(w http.ResponseWriter, r *http.Request, req phoneRequest, malformed bool) {
	if h.isPaused(req) {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanPaused, Rejection: req.rejection()})
		return
	}
	page := web.Page{
		Kind: web.ScanNumber, App: h.appName(r, req.ticket.App),
		Scan: &web.Scan{Answer: &web.NumberForm{
			Action: h.path + pathAnswer, Fields: map[string]string{"m": formID(req.ticket.Hash)}, Malformed: malformed,
		}},
		Forms: []web.Form{h.refuseForm(req)},
	}
	if malformed {
		page.Status = http.StatusUnprocessableEntity
	}
	h.cfg.Site.Show(w, r, page)
}

// wrongNumbers returns the token bucket that limits the wrong numbers of the phone's user.
func wrongNumbers(req phoneRequest) limit.Bucket {
	return limit.Bucket{Rate: limit.WrongNumberPerUser, Key: req.browser.User.ID}
}

// isPaused reports whether the user has typed too many wrong numbers: no number is accepted for a
// while. An attacker may make a user guess the number of the attacker's screen. The pause stops
// repeated guesses.
func (h *Handler) isPaused(req phoneRequest) bool {
	return h.cfg.Limits.Exhausted(h.cfg.Now(), wrongNumbers(req))
}

// refuseForm returns the button that refuses.
func (h *Handler) refuseForm(req phoneRequest) web.Form {
	return web.Form{Action: h.path + pathAnswer, Label: web.LabelRefuse, Quiet: true,
		Fields: map[string]string{"m": formID(req.ticket.Hash), "refuse": "1"}}
}

// readForm parses a form of the phone, and authenticates the request. The form's field m must
// identify the phone's present ticket. So a form of a page for an earlier QR code is rejected. If
// readForm rejects the form, it writes the response and returns false.
func (h *Handler) readForm(w http.ResponseWriter, r *http.Request) (req phoneRequest, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return req, false
	}
	req, ok = h.authenticate(w, r)
	if ok && r.PostForm.Get("m") != formID(req.ticket.Hash) {
		route.SeeOther(w, h.path+pathConfirm)
		return req, false
	}
	return req, ok
}

// isUnanswered reports whether a phone can still answer a ticket in this state.
func isUnanswered(s gateway.TicketState) bool {
	return s == gateway.TicketOpen || s == gateway.TicketOpened || s == gateway.TicketScanned
}

// continueScan serves /scan/continue: it makes the phone's user the approver of the ticket. If
// several phones have scanned the QR code, only the first phone succeeds. All phones continue at
// /scan/confirm, which shows the ticket's state.
func (h *Handler) continueScan(w http.ResponseWriter, r *http.Request) {
	req, ok := h.readForm(w, r)
	if !ok {
		return
	}
	if _, err := h.scanTicket(r.Context(), req); err != nil && !errors.Is(err, gateway.ErrConflict) {
		h.failAnswer(w, r, err)
		return
	}
	route.SeeOther(w, h.path+pathConfirm)
}

// scanTicket stores the phone's user as the approver. It returns gateway.ErrConflict if the ticket
// has another approver, or is not open.
func (h *Handler) scanTicket(ctx context.Context, req phoneRequest) (gateway.Ticket, error) {
	return h.cfg.Tickets.ScanTicket(ctx, req.ticket.Hash, gateway.Approver{
		UserID: req.browser.User.ID, Connector: req.browser.Connector, AppID: req.browser.AppID, OpenID: req.browser.OpenID,
		AuthTime: req.browser.AuthTime,
	}, h.cfg.Now())
}

// answer serves /scan/answer. The user has typed the right number, typed a wrong number, or
// refused; answer stores which. A wrong number ends the ticket: each QR code allows one guess only.
// If the text is not two digits, the page asks again, and the ticket does not end.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) {
	req, ok := h.readForm(w, r)
	if !ok {
		return
	}
	switch {
	case r.PostForm.Get("refuse") == "1":
		h.refuse(w, r, req)
		return
	case req.ticket.State != gateway.TicketScanned || req.ticket.Approver.UserID != req.browser.User.ID,
		!r.PostForm.Has("number"):
		route.SeeOther(w, h.path+pathConfirm) // the page for the ticket's state
		return
	}
	number := readNumber(r.PostForm.Get("number"))
	if number == "" || h.isPaused(req) {
		h.showNumber(w, r, req, true)
		return
	}
	state := gateway.TicketMismatch
	if isNumber(req.ticket, number) {
		state = gateway.TicketApproved
	} else {
		h.cfg.Limits.Allow(h.cfg.Now(), wrongNumbers(req)) // counts the wrong number; isPaused reads the count
	}
	h.storeAnswer(w, r, req, state)
}

// refuse stores that the user refused. If the user has not pressed "Continue" before, refuse first
// makes the user the approver. Then no other user can approve this ticket.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, req phoneRequest) {
	if req.ticket.State == gateway.TicketOpen || req.ticket.State == gateway.TicketOpened {
		if _, err := h.scanTicket(r.Context(), req); err != nil && !errors.Is(err, gateway.ErrConflict) {
			h.failAnswer(w, r, err)
			return
		}
	}
	h.storeAnswer(w, r, req, gateway.TicketRefused)
}

// storeAnswer stores the answer and redirects to the page of the result.
func (h *Handler) storeAnswer(w http.ResponseWriter, r *http.Request, req phoneRequest, state gateway.TicketState) {
	t, err := h.cfg.Tickets.AnswerTicket(r.Context(), req.ticket.Hash, req.browser.User.ID, state, h.cfg.Now())
	switch {
	case err == nil:
		h.recordAnswer(r, req, t, state)
	case !errors.Is(err, gateway.ErrConflict):
		h.failAnswer(w, r, err)
		return
	}
	route.SeeOther(w, h.path+pathConfirm)
}

// recordAnswer records the event of a refusal or a wrong number, and writes a log line. It records
// nothing for an approval: the event of the sign-in is recorded with the desktop's session.
func (h *Handler) recordAnswer(r *http.Request, req phoneRequest, t gateway.Ticket, state gateway.TicketState) {
	ctx, rejection := r.Context(), req.rejection()
	rejection.Reason = string(state)
	if state != gateway.TicketApproved {
		h.cfg.Site.LogRejection(r, rejection)
	}
	switch state {
	case gateway.TicketRefused:
		h.recordEvent(ctx, EventRefuse, "refused", req.browser.User.ID, t)
		h.observe(ctx, "denied")
	case gateway.TicketMismatch:
		h.recordEvent(ctx, EventWrong, "refused", req.browser.User.ID, t)
		h.observe(ctx, "wrong_number")
	}
}

// failAnswer responds to an error of scanTicket or AnswerTicket.
func (h *Handler) failAnswer(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, gateway.ErrBlocked):
		h.cfg.Site.Fail(w, r, web.Blocked)
	case errors.Is(err, gateway.ErrNotFound):
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver})
	default:
		h.fail(w, r, err)
	}
}
