package scan

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

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
