package scan

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the requests of the phone: the link in the QR code, the pages of the ticket's
// states, and the answers. A ticket is the row in the store for one QR code.

// serveLink serves the link in the QR code. In WeChat it stores the ticket's id in the phone's cookie
// and redirects to a URL without the id, because users can share the URL of a page in WeChat, and
// crawlers follow shared links. Elsewhere it renders a page that explains how to open the link in
// WeChat. The ticket is not read: the response is the same for ids that do not exist.
func (h *Handler) serveLink(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("ticket")
	if len(id) > 64 {
		id = "" // never a ticket, and too long for a cookie
	}
	if !h.cfg.InWeChat(r) {
		page := web.Page{Kind: web.ScanHere, Scan: &web.Scan{}}
		if isID(id) {
			page.Copy = h.origin + h.path + pathDesktop + "/" + id
		}
		h.cfg.Site.Show(w, r, page)
		return
	}
	// The LoginRequestID identifies the sign-in that authenticate starts if the phone has to sign in.
	if err := h.cookies.setPhone(w, phoneTicket{Ticket: id, LoginRequestID: rand.Text()}); err != nil {
		h.fail(w, r, err)
		return
	}
	route.SeeOther(w, h.path+pathConfirm)
}

// isID reports whether text has the form of a ticket's id: idSize bytes in lower-case base32. A page
// contains only such ids, so that it never repeats other text from a link of an attacker.
func isID(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(text) == base32.StdEncoding.WithPadding(base32.NoPadding).EncodedLen(idSize)
}

// phoneRequest is a request of a phone that is signed in as its ticket requires.
type phoneRequest struct {
	phone   phoneTicket // the phone's cookie
	ticket  gateway.Ticket
	data    ticketData // of the ticket
	browser session.Browser
}

// authenticate returns the ticket of this phone and its signed-in user. If the phone is not signed
// in as the ticket requires, or the ticket has ended, it writes the response (a redirect to sign
// in, or a page) and returns false.
func (h *Handler) authenticate(w http.ResponseWriter, r *http.Request) (req phoneRequest, ok bool) {
	p := h.cookies.readPhone(r)
	if p == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanNone})
		return req, false
	}
	if p.Approval != nil {
		h.showApproved(w, r, *p)
		return req, false
	}
	req.phone = *p
	t, err := h.cfg.Tickets.Ticket(r.Context(), hashID(p.Ticket), h.cfg.Now())
	if errors.Is(err, gateway.ErrNotFound) {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver})
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
	case signedIn && req.meetsRequirements():
		return req, true
	case t.State == gateway.TicketCancelled:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver})
	case t.State != gateway.TicketOpen && t.State != gateway.TicketScanned:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUsed})
	case r.Method != http.MethodGet:
		// A page and not a redirect: sign-in leads to WeChat, and browsers block a form whose
		// redirects end at another origin (Content-Security-Policy, form-action).
		h.cfg.Site.Show(w, r, web.Page{
			Kind: web.Continue, Go: h.path + pathConfirm, ContinueAfter: 100 * time.Millisecond,
		})
	case r.URL.Query().Get("back") == req.phone.LoginRequestID:
		// The phone returns from the sign-in that begin started, and has no session or one that does
		// not meet the requirements. Another redirect to sign-in could repeat forever.
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NotSignedIn, Go: h.path + pathConfirm})
	default:
		h.begin(w, r, req)
	}
	return req, false
}

// meetsRequirements reports whether the phone is signed in as the ticket requires: by WeChat itself,
// through the ticket's connector, and by a sign-in for this ticket if reauthentication or WeChat's
// consent page is required.
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

// begin redirects the phone to sign in. Only WeChat itself is accepted as the method: a session
// that was created by scan would depend on yet another phone.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, req phoneRequest) {
	err := h.signIn.Begin(w, r, session.LoginRequest{
		ID: req.phone.LoginRequestID, ReturnURL: h.path + pathConfirm + "?back=" + req.phone.LoginRequestID,
		Connector: req.ticket.Connector, Reauthenticate: req.data.Reauthenticate, Consent: req.data.Consent,
		App: gateway.App{Methods: []string{methodWeChat}},
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
	mine := t.Approver.UserID == req.browser.User.ID // this user's phone scanned the code first
	page := web.Page{App: h.appName(t.App)}
	switch {
	case t.State == gateway.TicketOpen:
		h.showRequest(w, r, req)
		return
	case t.State == gateway.TicketScanned && mine:
		if req.data.Profile && h.signIn.AskProfile(w, r, req.browser, h.path+pathConfirm) {
			return
		}
		h.showNumbers(w, r, req)
		return
	case t.State == gateway.TicketScanned:
		page.Kind = web.ScanTaken
	case (t.State == gateway.TicketApproved || t.State == gateway.TicketRedeemed) && mine:
		req.phone.Approval = newApproval(req, h.cfg.Now())
		if err := h.cookies.setPhone(w, req.phone); err != nil {
			h.fail(w, r, err)
			return
		}
		h.showApproved(w, r, req.phone)
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
		App: h.appName(req.ticket.App), Browser: req.ticket.Browser, MaskedIP: req.ticket.MaskedIP,
		Network: h.networks.compare(req.data.Network, h.cfg.Address(r)),
		Ago:     h.cfg.Now().Sub(req.ticket.CreatedAt),
	}
}

// showRequest renders the page that shows which app and which desktop want to sign in.
func (h *Handler) showRequest(w http.ResponseWriter, r *http.Request, req phoneRequest) {
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanAsk, App: h.appName(req.ticket.App), User: web.UserOf(req.browser.User),
		Scan: &web.Scan{Facts: h.facts(r, req)},
		Forms: []web.Form{
			{Action: h.path + pathContinue, Label: web.LabelContinue, Fields: map[string]string{"m": formID(req.ticket)}},
			h.refuseForm(req),
		},
	})
}

// showNumbers renders the page with the three numbers to choose from.
func (h *Handler) showNumbers(w http.ResponseWriter, r *http.Request, req phoneRequest) {
	fields := map[string]string{"m": formID(req.ticket)}
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanNumber, App: h.appName(req.ticket.App), Scan: &web.Scan{Choices: choices(req.ticket), Action: h.path +
			pathAnswer, Fields: fields},
		Forms: []web.Form{h.refuseForm(req)},
	})
}

// refuseForm returns the button that refuses.
func (h *Handler) refuseForm(req phoneRequest) web.Form {
	return web.Form{Action: h.path + pathAnswer, Label: web.LabelRefuse, Quiet: true,
		Fields: map[string]string{"m": formID(req.ticket), "refuse": "1"}}
}

// readForm parses a form of the phone and authenticates the request. A form is accepted only for the
// ticket of its page: when the user has scanned a second QR code, a form of the first one's page is
// rejected. If the form is not accepted, readForm writes the response and returns false.
func (h *Handler) readForm(w http.ResponseWriter, r *http.Request) (req phoneRequest, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return req, false
	}
	req, ok = h.authenticate(w, r)
	if ok && r.PostForm.Get("m") != formID(req.ticket) {
		route.SeeOther(w, h.path+pathConfirm)
		return req, false
	}
	return req, ok
}

// continueScan serves /scan/continue: it makes the phone's user the approver of the ticket. If
// several phones have scanned the QR code, the first one succeeds; the others see the ticket's state
// at /scan/confirm.
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

// scanTicket stores the phone's user as the approver. It returns gateway.ErrConflict if there is
// another.
func (h *Handler) scanTicket(ctx context.Context, req phoneRequest) (gateway.Ticket, error) {
	return h.cfg.Tickets.ScanTicket(ctx, req.ticket.Hash, gateway.Approver{
		UserID: req.browser.User.ID, Connector: req.browser.Connector, AppID: req.browser.AppID, OpenID: req.browser.OpenID,
		AuthTime: req.browser.AuthTime,
	}, h.cfg.Now())
}

// answer serves /scan/answer: it stores whether the user chose the desktop's number, chose another
// one, or refused. A number that the page did not show is ignored.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) {
	req, ok := h.readForm(w, r)
	if !ok {
		return
	}
	state := gateway.TicketRefused
	if number := r.PostForm.Get("number"); number != "" {
		state = gateway.TicketMismatch
		switch {
		case number == req.ticket.Number:
			state = gateway.TicketApproved
		case !slices.Contains(req.ticket.Others, number):
			route.SeeOther(w, h.path+pathConfirm)
			return
		}
	} else if r.PostForm.Get("refuse") != "1" {
		route.SeeOther(w, h.path+pathConfirm)
		return
	}
	if state == gateway.TicketRefused && req.ticket.State == gateway.TicketOpen {
		// The user refused without pressing "Continue" first. Becoming the approver first ensures
		// that no other user can approve this ticket afterwards.
		if _, err := h.scanTicket(r.Context(), req); err != nil && !errors.Is(err, gateway.ErrConflict) {
			h.failAnswer(w, r, err)
			return
		}
	}
	t, err := h.cfg.Tickets.AnswerTicket(r.Context(), req.ticket.Hash, req.browser.User.ID, state, h.cfg.Now())
	switch {
	case err == nil:
		h.recordAnswer(r.Context(), req, t, state)
	case !errors.Is(err, gateway.ErrConflict):
		h.failAnswer(w, r, err)
		return
	}
	route.SeeOther(w, h.path+pathConfirm)
}

// recordAnswer records the event of a refusal or a wrong number. After an approval, the event of
// the sign-in is recorded when the desktop's session is created.
func (h *Handler) recordAnswer(ctx context.Context, req phoneRequest, t gateway.Ticket, state gateway.TicketState) {
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

// newApproval returns what the phone keeps of the ticket of req after the user has approved.
func newApproval(req phoneRequest, now time.Time) *approval {
	return &approval{
		User: req.browser.User.ID, Session: req.data.Session, App: req.ticket.App, Browser: req.ticket.Browser,
		MaskedIP: req.ticket.MaskedIP, At: now.Unix(),
	}
}

// showApproved shows the phone where its user was signed in, with a button to undo it.
func (h *Handler) showApproved(w http.ResponseWriter, r *http.Request, p phoneTicket) {
	a := p.Approval
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanDone, App: h.appName(a.App), User: h.user(r.Context(), a.User),
		Scan: &web.Scan{Facts: &web.Facts{App: h.appName(a.App), Browser: a.Browser, MaskedIP: a.MaskedIP,
			Ago: h.cfg.Now().Sub(time.Unix(a.At, 0))}},
		Forms: []web.Form{{Action: h.path + pathUndo, Label: web.LabelNotMe, Quiet: true}},
	})
}

// undo serves /scan/undo, the button "not me": it ends the session of the desktop. If the desktop has
// no session yet, it prevents that one is created.
func (h *Handler) undo(w http.ResponseWriter, r *http.Request) {
	p := h.cookies.readPhone(r)
	if p == nil || p.Approval == nil || len(p.Approval.Session) != sha256.Size {
		route.SeeOther(w, h.path+pathConfirm)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	now := h.cfg.Now()
	// The approval is withdrawn before the session is ended, because the desktop may redeem the
	// ticket at the same time. If it has redeemed the ticket by now, End below ends its session. If
	// not, it finds the ticket refused, and finish ends the session that it has just created.
	//
	// The session is ended even if the ticket was deleted, was redeemed, or belongs to a blocked
	// user; other errors are those of the store.
	_, err := h.cfg.Tickets.AnswerTicket(ctx, hashID(p.Ticket), p.Approval.User, gateway.TicketRefused, now)
	if err == nil || errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrConflict) ||
		errors.Is(err, gateway.ErrBlocked) {
		err = h.cfg.Sessions.End(ctx, [32]byte(p.Approval.Session), now)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.recordEvent(ctx, EventUndo, "ok", p.Approval.User, gateway.Ticket{App: p.Approval.App, Browser: p.Approval.Browser})
	h.cookies.clearPhone(w)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUndone})
}
