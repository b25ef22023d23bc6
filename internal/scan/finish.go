package scan

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the end of a sign-in on the desktop (the browser with the QR code): redeeming
// the ticket after the phone's approval, repeated requests, and cancelling. A ticket is the row in
// the store for one QR code. Each QR code is a round of the sign-in.

// continueDelay is how long the page with the name of the signed-in user is shown.
const continueDelay = 2 * time.Second

// finish signs the desktop in after the phone has approved. The store redeems the ticket and stores
// the session in one transaction.
//
//   - Of several requests of this browser, only one request stores a session.
//   - If the phone's "not me" comes before the transaction, no session is stored. If "not me" comes
//     later, it ends the session.
//   - If the process is killed before it has sent the response, a repeated request gets the same
//     session.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request, f *desktopFlow, t gateway.Ticket) {
	a, err := h.authentication(f, t)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	s, event, err := h.signIn.NewSession(a)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if browser, signedIn, err := h.signIn.Session(r); err == nil && signedIn && browser.User.ID == a.UserID {
		s.First = browser.First // the user has signed in again: for apps, both sessions are one
	}
	event.RequestID = h.cfg.RequestID(r.Context())
	// The ticket is redeemed even if the user closes the page now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	current, err := h.cfg.Tickets.RedeemTicket(ctx, gateway.Redemption{
		Hash: t.Hash, Desktop: t.Desktop, Session: s, Event: event, Now: h.cfg.Now(),
	})
	switch {
	case err == nil:
		h.observe(r.Context(), "signed_in")
		h.resume(w, r, f, current)
	case errors.Is(err, gateway.ErrReplay):
		// Another request of this browser has redeemed the ticket meanwhile.
		h.serveRedeemed(w, r, f, current)
	case errors.Is(err, gateway.ErrBlocked):
		h.observe(r.Context(), "refused")
		h.cfg.Site.Fail(w, r, web.Blocked)
	case errors.Is(err, gateway.ErrConflict), errors.Is(err, gateway.ErrNotFound):
		// The ticket has changed since this request read it, and current is its present row. It has
		// expired or was cancelled, the phone has withdrawn the approval, or the phone's user was
		// blocked.
		h.showDesktop(w, r, f, h.ticketPage(f, current))
	default:
		h.fail(w, r, err)
	}
}

// authentication describes the sign-in by the phone that approved the ticket t.
func (h *Handler) authentication(f *desktopFlow, t gateway.Ticket) (session.Authentication, error) {
	secrets, err := f.secrets()
	return session.Authentication{
		UserID: t.Approver.UserID, Connector: t.Approver.Connector, AppID: t.Approver.AppID, OpenID: t.Approver.OpenID,
		Method: Method, AuthTime: t.Approver.AuthTime,
		App: t.App, LoginRequestID: f.LoginRequest.ID, Seed: secrets.session,
		Scan: &session.Scan{Ticket: formID(t.Hash), App: t.App, Browser: t.Browser, MaskedIP: t.MaskedIP},
	}, err
}

// resume signs the browser in with the session that was stored with the redeemed ticket t. If that
// session has ended, resume shows an error page. It never creates a session: otherwise a repeated
// request would undo a sign-out.
func (h *Handler) resume(w http.ResponseWriter, r *http.Request, f *desktopFlow, t gateway.Ticket) {
	a, err := h.authentication(f, t)
	var cookie *http.Cookie
	if err == nil {
		cookie, err = h.signIn.ResumeSession(r, a)
	}
	switch {
	case err == nil:
		h.continueSignedIn(w, r, f, t, cookie)
	case errors.Is(err, gateway.ErrNotFound), errors.Is(err, gateway.ErrBlocked):
		h.showEnded(w, r, f)
	default:
		h.fail(w, r, err)
	}
}

// continueSignedIn sets the session cookie, and renders the page with the name of the signed-in
// user. The page continues at the return address after continueDelay.
func (h *Handler) continueSignedIn(
	w http.ResponseWriter, r *http.Request, f *desktopFlow, t gateway.Ticket, cookie *http.Cookie,
) {
	f.Redeemed = true
	if err := h.setFlow(w, r, f); err != nil {
		h.fail(w, r, err)
		return
	}
	http.SetCookie(w, cookie)
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanSignedIn, App: h.appName(r, f.LoginRequest.App), User: h.user(r.Context(), t.Approver.UserID),
		Go: f.LoginRequest.Return, ContinueAfter: continueDelay,
		Forms: []web.Form{{Action: h.flowURL(pathCancel, f), Label: web.LabelNotMe, Quiet: true}},
	})
}

// serveRedeemed responds to a request that is repeated after the ticket was redeemed. The browser
// may have lost the response with the session cookie. Therefore serveRedeemed sets the session
// cookie again, as long as the session exists.
func (h *Handler) serveRedeemed(w http.ResponseWriter, r *http.Request, f *desktopFlow, t gateway.Ticket) {
	hash, err := h.sessionHash(f)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	browser, signedIn, err := h.signIn.Session(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if signedIn && browser.Hash == hash {
		route.SeeOther(w, f.LoginRequest.Return)
		return
	}
	if f.Redeemed {
		// The response that set Redeemed in this cookie also set the session cookie. The browser no
		// longer has that session, so it has signed out since.
		h.showEnded(w, r, f)
		return
	}
	h.resume(w, r, f, t)
}

// showEnded renders the page for a sign-in whose session has ended.
func (h *Handler) showEnded(w http.ResponseWriter, r *http.Request, f *desktopFlow) {
	h.tabs.Clear(w, f.tabID)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: f.LoginRequest.StartURL(h.path)})
}

// sessionHash returns the hash of the session's id. The id is derived from the seed in the cookie,
// so the hash is known before the session is stored.
func (h *Handler) sessionHash(f *desktopFlow) (hash [32]byte, err error) {
	secrets, err := f.secrets()
	if err != nil {
		return hash, err
	}
	return h.signIn.SessionHash(secrets.session)
}

// cancel serves /scan/cancel. Before the browser is signed in, it cancels the sign-in. Afterwards
// the button means "not me", and cancel ends the session.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(r)
	if f == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
		return
	}
	if !f.Redeemed && f.CreatedAt != 0 {
		redeemed, err := h.cancelTicket(r, f)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		f.Redeemed = redeemed
	}
	if f.Redeemed {
		h.endOwnSession(w, r, f)
		return
	}
	h.tabs.Clear(w, f.tabID)
	page := web.Page{Kind: web.ScanCancelled, Go: f.LoginRequest.StartURL(h.path), Home: h.path + "/"}
	if address := f.LoginRequest.CancelURL(); address != "" {
		// The response is a page and not a redirect. The app is on another origin, and browsers block a
		// form that is redirected to another origin (Content-Security-Policy, form-action).
		page = web.Page{Kind: web.Continue, Go: address, ContinueAfter: 100 * time.Millisecond}
	}
	h.cfg.Site.Show(w, r, page)
}

// cancelTicket cancels the ticket of this round, even if the phone has approved the ticket. It
// reports whether the ticket was redeemed before. In that case a session may exist.
func (h *Handler) cancelTicket(r *http.Request, f *desktopFlow) (redeemed bool, err error) {
	secrets, err := f.secrets()
	if err != nil {
		return false, err
	}
	id, now := hashID(secrets.id), h.cfg.Now()
	err = h.cfg.Tickets.CancelTicket(r.Context(), id, hashDesktop(secrets.desktop), now)
	if errors.Is(err, gateway.ErrConflict) {
		var t gateway.Ticket
		t, err = h.cfg.Tickets.Ticket(r.Context(), id, now)
		redeemed = t.State == gateway.TicketRedeemed
	}
	if errors.Is(err, gateway.ErrNotFound) {
		err = nil // the ticket has expired
	}
	return redeemed, err
}

// endOwnSession ends the session that this sign-in created.
func (h *Handler) endOwnSession(w http.ResponseWriter, r *http.Request, f *desktopFlow) {
	// The session is ended even if the user closes the page now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	hash, err := h.sessionHash(f)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	_, user, findErr := h.cfg.Sessions.Find(ctx, hash, h.cfg.Now())
	browser, signedIn, err := h.signIn.Session(r)
	if err == nil {
		err = h.cfg.Sessions.End(ctx, hash, h.cfg.Now())
	}
	if err == nil && signedIn && browser.Hash == hash {
		err = h.signIn.End(w, r)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if findErr == nil { // the session existed: a form that is sent again records no second event
		h.recordEvent(ctx, EventUndo, "ok", user.ID, gateway.Ticket{App: f.LoginRequest.App})
	}
	h.tabs.Clear(w, f.tabID)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUndone, Go: f.LoginRequest.StartURL(h.path)})
}
