package scan

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the phone's pages after the approval, and the button "not me". A ticket is the
// row in the store for one QR code. A desktop is the browser that shows the QR code. After the
// approval, the store has an approved ticket. Once the desktop has redeemed the ticket, the store
// also has a session.

// showExpired responds when the phone's ticket does not exist any more. If the ticket created a
// session of the phone's user, and the session is still live, the page shows the browser of the
// session.
func (h *Handler) showExpired(w http.ResponseWriter, r *http.Request, hash [32]byte) {
	phone, signedIn, err := h.signIn.Session(r)
	var sessions []gateway.Session
	if err == nil && signedIn {
		sessions, err = h.cfg.Sessions.UserSessions(r.Context(), phone.User.ID, h.cfg.Now())
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for _, s := range sessions {
		if scan := session.ReadData(s.Data).Scan; scan != nil && scan.Ticket == formID(hash) {
			h.showApproved(w, r, phone.User, scan.Ticket, web.Facts{App: h.appName(r, scan.App), Browser: scan.Browser,
				MaskedIP: scan.MaskedIP, Ago: h.cfg.Now().Sub(s.CreatedAt)})
			return
		}
	}
	h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanOver})
}

// showApproved renders the page that shows where the phone's user was signed in. The button of the
// page ends that session. ticket is the ticket's formID: a hash that identifies the ticket in forms
// and sessions.
func (h *Handler) showApproved(w http.ResponseWriter, r *http.Request, user gateway.User, ticket string,
	facts web.Facts) {
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanDone, App: facts.App, User: web.UserOf(user), Scan: &web.Scan{Facts: &facts},
		Forms: []web.Form{{Action: h.path + pathUndo, Label: web.LabelNotMe, Quiet: true,
			Fields: map[string]string{"m": ticket}}},
		Home: h.path + "/",
	})
}

// undo serves /scan/undo, the button "Not me" of the phone. The field m has the formID of the
// ticket. undo does not use the phone's cookie: since the approval, the phone may have scanned
// another QR code.
func (h *Handler) undo(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	phone, signedIn, err := h.signIn.Session(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
		return
	case !signedIn:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.PleaseSignIn, Go: h.path + "/"})
		return
	}
	// The sign-in is undone even if the user closes the page now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	if err := h.undoTicket(ctx, phone.User.ID, r.PostForm.Get("m")); err != nil {
		h.fail(w, r, err)
		return
	}
	h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUndone})
}

// undoTicket undoes the sign-in by the user's ticket with this formID. First it withdraws the
// approval: the desktop can no longer redeem the ticket. Then it ends the session of the ticket.
// This order is safe if the desktop redeems the ticket at the same time. If the desktop is first,
// its session exists already, and undoTicket finds the session.
func (h *Handler) undoTicket(ctx context.Context, userID, ticket string) error {
	now := h.cfg.Now()
	approved, err := h.cfg.Tickets.ApprovedTickets(ctx, userID, now) // approved, but not redeemed
	if err != nil {
		return err
	}
	for _, t := range approved {
		if formID(t.Hash) != ticket {
			continue
		}
		// TicketRefused withdraws the approval.
		_, err := h.cfg.Tickets.AnswerTicket(ctx, t.Hash, userID, gateway.TicketRefused, now)
		switch {
		case err == nil:
			h.recordEvent(ctx, EventUndo, "ok", userID, t)
		case !errors.Is(err, gateway.ErrConflict) && !errors.Is(err, gateway.ErrNotFound):
			return err
		}
	}
	sessions, err := h.cfg.Sessions.UserSessions(ctx, userID, now)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		scan := session.ReadData(s.Data).Scan
		if scan == nil || scan.Ticket != ticket {
			continue
		}
		if err := h.cfg.Sessions.End(ctx, s.Hash, now); err != nil {
			return err
		}
		h.recordEvent(ctx, EventUndo, "ok", userID, gateway.Ticket{App: scan.App, Browser: scan.Browser,
			Approver: gateway.Approver{Connector: s.Connector}})
	}
	return nil
}
