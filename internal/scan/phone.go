package scan

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// serveLink serves the link in the code. In WeChat it stores the ticket's id in the phone's cookie
// and redirects to an address without it: WeChat's menu shares the address of a page, and crawlers
// follow it. Elsewhere the page explains how to open the link in WeChat. It reads and changes no
// ticket, and malformed ids get the same response.
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
	if err := h.cookies.keepPhone(w, phoneTicket{Ticket: id, LoginRequestID: rand.Text()}); err != nil {
		h.fail(w, r, err)
		return
	}
	route.SeeOther(w, h.path+pathConfirm)
}

// isID reports whether text has the form of a ticket's id, so that no page repeats text that an
// attacker put into a link.
func isID(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(text) == 26
}

// phoneRequest is a request of a phone with a ticket. The phone is signed in as the ticket
// requires.
type phoneRequest struct {
	phone  phoneTicket
	ticket gateway.Ticket
	data   ticketData
	who    session.Browser
}

// authenticate returns the ticket of this phone and its signed-in user. A phone that is not signed
// in as the ticket requires is redirected to sign in. ok is false when the response has been
// written.
func (h *Handler) authenticate(w http.ResponseWriter, r *http.Request) (v phoneRequest, ok bool) {
	p := h.cookies.readPhone(r)
	if p == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanNone})
		return v, false
	}
	if p.Done != nil {
		h.done(w, r, *p)
		return v, false
	}
	v.phone = *p
	t, err := h.cfg.Tickets.Ticket(r.Context(), hashID(p.Ticket), h.cfg.Now())
	if errors.Is(err, gateway.ErrNotFound) {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver})
		return v, false
	}
	if err == nil {
		v.ticket = t
		v.data, err = readData(t)
	}
	var signedIn bool
	if err == nil {
		v.who, signedIn, err = h.signIn.Session(r)
	}
	switch {
	case err != nil:
		h.fail(w, r, err)
	case signedIn && v.meetsRequirements():
		return v, true
	case t.State == gateway.TicketCancelled:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver})
	case t.State != gateway.TicketOpen && t.State != gateway.TicketScanned:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUsed})
	case r.Method != http.MethodGet:
		// A page and not a redirect: sign-in leads to WeChat, and browsers block a form whose
		// redirects end at another origin (Content-Security-Policy, form-action).
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: h.path + pathConfirm, ContinueAfter: 100 * time.Millisecond})
	case r.URL.Query().Get("back") == v.phone.LoginRequestID:
		// The phone has just signed in, and the session is not there or does not meet the
		// requirements. Another redirect to sign-in could repeat forever.
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NotSignedIn, Go: h.path + pathConfirm})
	default:
		h.begin(w, r, v)
	}
	return v, false
}

// meetsRequirements reports whether the phone is signed in as the ticket requires: by WeChat
// itself, through the ticket's connector, and again where reauthentication is required.
func (v phoneRequest) meetsRequirements() bool {
	again := v.data.Fresh || v.data.Consent
	return v.who.Method == methodWeChat && (v.ticket.Connector == "" || v.who.Connector == v.ticket.Connector) &&
		(!again || v.who.LoginRequestID == v.phone.LoginRequestID)
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, v phoneRequest) {
	err := h.signIn.Begin(w, r, session.LoginRequest{
		ID: v.phone.LoginRequestID, ReturnURL: h.path + pathConfirm + "?back=" + v.phone.LoginRequestID,
		Connector: v.ticket.Connector, Reauthenticate: v.data.Fresh, Consent: v.data.Consent,
		App: gateway.App{Methods: []string{methodWeChat}}, // a session by scan would itself rest on another phone
	})
	if err != nil {
		h.fail(w, r, err)
	}
}

// confirm shows the phone the page for the ticket's state.
func (h *Handler) confirm(w http.ResponseWriter, r *http.Request) {
	v, ok := h.authenticate(w, r)
	if !ok {
		return
	}
	t, mine := v.ticket, v.ticket.Approver.UserID == v.who.User.ID
	page := web.Page{App: h.appName(t.App)}
	switch {
	case t.State == gateway.TicketOpen:
		h.ask(w, r, v)
		return
	case t.State == gateway.TicketScanned && mine:
		if v.data.Profile && h.signIn.AskProfile(w, r, v.who, h.path+pathConfirm) {
			return
		}
		h.askNumber(w, r, v)
		return
	case t.State == gateway.TicketScanned:
		page.Kind = web.ScanTaken
	case (t.State == gateway.TicketApproved || t.State == gateway.TicketRedeemed) && mine:
		v.phone.Done = outcomeOf(v, h.cfg.Now())
		if err := h.cookies.keepPhone(w, v.phone); err != nil {
			h.fail(w, r, err)
			return
		}
		h.done(w, r, v.phone)
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

func webUser(a gateway.User) *web.User {
	return &web.User{Nickname: a.Nickname, Picture: a.AvatarURL}
}

// facts returns what the phone shows about the desktop.
func (h *Handler) facts(r *http.Request, v phoneRequest) *web.Facts {
	return &web.Facts{
		App: h.appName(v.ticket.App), Browser: v.ticket.Browser, Place: v.ticket.Place,
		Network: h.networks.compare(v.data.Network, h.cfg.Address(r)),
		Ago:     h.cfg.Now().Sub(v.ticket.CreatedAt),
	}
}

func (h *Handler) ask(w http.ResponseWriter, r *http.Request, v phoneRequest) {
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanAsk, App: h.appName(v.ticket.App), User: webUser(v.who.User),
		Scan: &web.Scan{Facts: h.facts(r, v)},
		Forms: []web.Form{
			{Action: h.path + pathContinue, Label: web.LabelContinue, Fields: map[string]string{"m": formID(v.ticket)}},
			h.refusal(v),
		},
	})
}

func (h *Handler) askNumber(w http.ResponseWriter, r *http.Request, v phoneRequest) {
	fields := map[string]string{"m": formID(v.ticket)}
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanNumber, App: h.appName(v.ticket.App), Scan: &web.Scan{Choices: choices(v.ticket), Action: h.path +
			pathAnswer, Fields: fields},
		Forms: []web.Form{h.refusal(v)},
	})
}

func (h *Handler) refusal(v phoneRequest) web.Form {
	return web.Form{Action: h.path + pathAnswer, Label: web.LabelRefuse, Quiet: true,
		Fields: map[string]string{"m": formID(v.ticket), "refuse": "1"}}
}

// readForm is authenticate for a form. A form is accepted only for the ticket that its page showed:
// when a phone has scanned two codes, the page of the first confirms nothing any more.
func (h *Handler) readForm(w http.ResponseWriter, r *http.Request) (v phoneRequest, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return v, false
	}
	v, ok = h.authenticate(w, r)
	if ok && r.PostForm.Get("m") != formID(v.ticket) {
		route.SeeOther(w, h.path+pathConfirm)
		return v, false
	}
	return v, ok
}

// scan binds the ticket to the phone's user. Of several phones one succeeds.
func (h *Handler) scan(w http.ResponseWriter, r *http.Request) {
	v, ok := h.readForm(w, r)
	if !ok {
		return
	}
	if _, err := h.redeem(r.Context(), v); err != nil && !errors.Is(err, gateway.ErrConflict) {
		h.failed(w, r, err)
		return
	}
	route.SeeOther(w, h.path+pathConfirm) // which shows the state
}

func (h *Handler) redeem(ctx context.Context, v phoneRequest) (gateway.Ticket, error) {
	return h.cfg.Tickets.ScanTicket(ctx, v.ticket.Hash, gateway.Approver{
		UserID: v.who.User.ID, Connector: v.who.Connector, AppID: v.who.AppID, OpenID: v.who.OpenID,
		AuthTime: v.who.AuthTime,
	}, h.cfg.Now())
}

// answer stores the number that the user chose, or the refusal. A number that the page did not show
// is ignored.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) {
	v, ok := h.readForm(w, r)
	if !ok {
		return
	}
	state := gateway.TicketRefused
	if number := r.PostForm.Get("number"); number != "" {
		state = gateway.TicketMismatch
		switch {
		case number == v.ticket.Number:
			state = gateway.TicketApproved
		case !slices.Contains(v.ticket.Others, number):
			route.SeeOther(w, h.path+pathConfirm)
			return
		}
	} else if r.PostForm.Get("refuse") != "1" {
		route.SeeOther(w, h.path+pathConfirm)
		return
	}
	if state == gateway.TicketRefused && v.ticket.State == gateway.TicketOpen {
		// Declined before "Continue": no other user can confirm this code afterwards.
		if _, err := h.redeem(r.Context(), v); err != nil && !errors.Is(err, gateway.ErrConflict) {
			h.failed(w, r, err)
			return
		}
	}
	t, err := h.cfg.Tickets.AnswerTicket(r.Context(), v.ticket.Hash, v.who.User.ID, state, h.cfg.Now())
	switch {
	case err == nil:
		h.recordAnswer(r.Context(), v, t, state)
	case !errors.Is(err, gateway.ErrConflict):
		h.failed(w, r, err)
		return
	}
	route.SeeOther(w, h.path+pathConfirm)
}

// recordAnswer records a refusal or a wrong number. The sign-in of a desktop is recorded when it is
// completed.
func (h *Handler) recordAnswer(ctx context.Context, v phoneRequest, t gateway.Ticket, state gateway.TicketState) {
	switch state {
	case gateway.TicketRefused:
		h.recordEvent(ctx, EventRefuse, "refused", v.who.User.ID, t)
		h.observe(ctx, "denied")
	case gateway.TicketMismatch:
		h.recordEvent(ctx, EventWrong, "refused", v.who.User.ID, t)
		h.observe(ctx, "wrong_number")
	}
}

// failed responds when the store rejected the phone's answer.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, gateway.ErrBlocked):
		h.cfg.Site.Fail(w, r, web.Blocked)
	case errors.Is(err, gateway.ErrNotFound):
		h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver})
	default:
		h.fail(w, r, err)
	}
}

func outcomeOf(v phoneRequest, now time.Time) *outcome {
	return &outcome{
		User: v.who.User.ID, Session: v.data.Session, App: v.ticket.App, Browser: v.ticket.Browser,
		Place: v.ticket.Place, At: now.Unix(),
	}
}

// done shows the phone where its user was signed in, and how to undo it.
func (h *Handler) done(w http.ResponseWriter, r *http.Request, p phoneTicket) {
	o := p.Done
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanDone, App: h.appName(o.App), User: h.user(r.Context(), o.User),
		Scan: &web.Scan{Facts: &web.Facts{App: h.appName(o.App), Browser: o.Browser, Place: o.Place,
			Ago: h.cfg.Now().Sub(time.Unix(o.At, 0))}},
		Forms: []web.Form{{Action: h.path + pathUndo, Label: web.LabelNotMe, Quiet: true}},
	})
}

// undo ends the session that the desktop received, or prevents it.
func (h *Handler) undo(w http.ResponseWriter, r *http.Request) {
	p := h.cookies.readPhone(r)
	if p == nil || p.Done == nil || len(p.Done.Session) != 32 {
		route.SeeOther(w, h.path+pathConfirm)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	now := h.cfg.Now()
	// The approval is withdrawn first. A desktop that redeems it concurrently has either redeemed
	// it by now, and its session can be ended, or finds the ticket refused and ends the session
	// that it has just created.
	_, err := h.cfg.Tickets.AnswerTicket(ctx, hashID(p.Ticket), p.Done.User, gateway.TicketRefused, now)
	if err == nil || errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrConflict) ||
		errors.Is(err, gateway.ErrBlocked) {
		err = h.cfg.Sessions.End(ctx, [32]byte(p.Done.Session), now)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.recordEvent(ctx, EventUndo, "ok", p.Done.User, gateway.Ticket{App: p.Done.App, Browser: p.Done.Browser})
	h.cookies.dropPhone(w)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUndone})
}
