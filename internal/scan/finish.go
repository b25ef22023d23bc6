package scan

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the end of a sign-in on the desktop: creating the session once the phone has
// approved, repeated requests, and cancelling.

// continueDelay is how long the page with the name of the signed-in user is shown.
const continueDelay = 2 * time.Second

// Values of the parameter repeat of createSession.
const (
	firstRequest    = false
	repeatedRequest = true
)

// finish signs the desktop in after the phone has approved: it creates the session, redeems the
// ticket (the row in the store for the QR code), and then sets the session cookie. If the process is
// killed before the ticket is redeemed, a repeated request creates the same session again. The
// cookie is set only after the ticket was redeemed: before that, a repeated request would create the
// session again, even if the user has signed out meanwhile.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request, f *desktopFlow, t gateway.Ticket) {
	data, err := readTicketData(t)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	cookie, err := h.createSession(r, f, t, firstRequest)
	if errors.Is(err, gateway.ErrBlocked) || errors.Is(err, gateway.ErrNotFound) {
		h.observe(r.Context(), "refused")
		h.cfg.Site.Fail(w, r, web.Blocked)
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// The ticket is redeemed even if the user closes the page now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	redeemed, err := h.cfg.Tickets.RedeemTicket(ctx, t.Hash, t.Desktop, h.cfg.Now())
	switch {
	case err == nil:
		h.observe(r.Context(), "signed_in")
		h.continueSignedIn(w, r, f, redeemed, cookie)
	case errors.Is(err, gateway.ErrReplay):
		// Another request of this browser has redeemed the ticket meanwhile.
		h.answerRedeemed(w, r, f, redeemed)
	case errors.Is(err, gateway.ErrConflict), errors.Is(err, gateway.ErrNotFound):
		// Since it was read, the ticket has expired, its user was blocked, or the phone has
		// withdrawn the approval. The session that was just created is ended.
		if err := h.cfg.Sessions.End(ctx, [32]byte(data.Session), h.cfg.Now()); err != nil {
			h.fail(w, r, err)
			return
		}
		h.showDesktop(w, r, f, h.ticketPage(ctx, f, redeemed))
	default:
		h.fail(w, r, err)
	}
}

// createSession creates the session and returns its cookie. With repeat it creates none, and returns
// the cookie of the session that was created earlier, or gateway.ErrNotFound if it has ended.
func (h *Handler) createSession(r *http.Request, f *desktopFlow, t gateway.Ticket, repeat bool) (*http.Cookie, error) {
	secrets, err := f.secrets()
	if err != nil {
		return nil, err
	}
	return h.signIn.CreateSession(r, session.Authentication{
		UserID: t.Approver.UserID, Connector: t.Approver.Connector, AppID: t.Approver.AppID, OpenID: t.Approver.OpenID,
		Method: Method, AuthTime: t.Approver.AuthTime,
		App: t.App, LoginRequestID: f.LoginRequest.ID, Seed: secrets.session, Repeat: repeat,
	})
}

// startURL returns the address that starts the sign-in again: the address of the app's own request,
// or /sign-in if no app required the sign-in.
func (h *Handler) startURL(p pendingRequest) string {
	if restart := session.ExpandRestart(p.Return, p.Restart); restart != "" {
		return restart
	}
	return h.path + pathSignIn + "?return=" + url.QueryEscape(p.Return)
}

// continueSignedIn sets the session cookie and renders the page with the name of the signed-in
// user, which then continues at the return address.
func (h *Handler) continueSignedIn(
	w http.ResponseWriter, r *http.Request, f *desktopFlow, t gateway.Ticket, cookie *http.Cookie,
) {
	f.Redeemed = true
	if err := h.cookies.setDesktop(w, r, f); err != nil {
		h.fail(w, r, err)
		return
	}
	http.SetCookie(w, cookie)
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanSignedIn, App: h.appName(f.LoginRequest.App), User: h.user(r.Context(), t.Approver.UserID),
		Go: f.LoginRequest.Return, ContinueAfter: continueDelay,
		Forms: []web.Form{{Action: h.flowURL(pathCancel, f), Label: web.LabelNotMe, Quiet: true}},
	})
}

// answerRedeemed responds to a request that is repeated after the ticket was redeemed. The response
// with the session cookie may have been lost, so the cookie is set again while the session exists.
// A session is never created here: otherwise the repeated request would undo a sign-out.
func (h *Handler) answerRedeemed(w http.ResponseWriter, r *http.Request, f *desktopFlow, t gateway.Ticket) {
	hash, err := h.sessionHash(f)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	browser, signedIn, err := h.signIn.Session(r)
	if err == nil && signedIn && browser.Hash == hash {
		route.SeeOther(w, f.LoginRequest.Return)
		return
	}
	if f.Redeemed {
		// The browser received the session cookie in the same response as Redeemed, and has signed
		// out since.
		h.showEnded(w, r, f)
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	cookie, err := h.createSession(r, f, t, repeatedRequest)
	switch {
	case err == nil:
		h.continueSignedIn(w, r, f, t, cookie)
	case errors.Is(err, gateway.ErrNotFound), errors.Is(err, gateway.ErrBlocked):
		h.showEnded(w, r, f)
	default:
		h.fail(w, r, err)
	}
}

// showEnded renders the page for a sign-in whose session has ended.
func (h *Handler) showEnded(w http.ResponseWriter, r *http.Request, f *desktopFlow) {
	h.cookies.clearDesktop(w, f)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.startURL(f.LoginRequest)})
}

// sessionHash returns the hash of the id of the session that the ticket of this round leads to.
func (h *Handler) sessionHash(f *desktopFlow) (hash [32]byte, err error) {
	secrets, err := f.secrets()
	if err != nil {
		return hash, err
	}
	return h.signIn.SessionHash(secrets.session)
}

// cancel serves /scan/cancel. It cancels the sign-in. If the browser is signed in already, the
// button means "not me", and the session ends.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(r)
	if f == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
		return
	}
	if !f.Redeemed && f.CreatedAt != 0 {
		approved, err := h.cancelTicket(r, f)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		f.Redeemed = approved
	}
	if f.Redeemed {
		h.endOwnSession(w, r, f)
		return
	}
	h.cookies.clearDesktop(w, f)
	page := web.Page{Kind: web.ScanCancelled, Go: h.startURL(f.LoginRequest), Home: h.path + "/"}
	if f.LoginRequest.Cancel != "" {
		// A page and not a redirect: the app is on another origin, and browsers block a form whose
		// redirects end at another origin (Content-Security-Policy, form-action).
		page = web.Page{Kind: web.Continue, Go: f.LoginRequest.Cancel, ContinueAfter: 100 * time.Millisecond}
	}
	h.cfg.Site.Show(w, r, page)
}

// cancelTicket ends the ticket of this round, whatever its state is. It reports whether the phone had
// approved it, so that a session may exist.
func (h *Handler) cancelTicket(r *http.Request, f *desktopFlow) (approved bool, err error) {
	secrets, err := f.secrets()
	if err != nil {
		return false, err
	}
	id, desktop, now := hashID(secrets.id), hashDesktop(secrets.desktop), h.cfg.Now()
	err = h.cfg.Tickets.CancelTicket(r.Context(), id, desktop, now)
	if errors.Is(err, gateway.ErrConflict) {
		// The phone has answered. If it approved, the ticket is redeemed here, so that no other
		// request creates a session from it.
		_, err = h.cfg.Tickets.RedeemTicket(r.Context(), id, desktop, now)
		if err == nil || errors.Is(err, gateway.ErrReplay) {
			return true, nil
		}
	}
	if errors.Is(err, gateway.ErrConflict) || errors.Is(err, gateway.ErrNotFound) {
		err = nil // the ticket had ended already
	}
	return false, err
}

// endOwnSession ends the session that this sign-in created.
func (h *Handler) endOwnSession(w http.ResponseWriter, r *http.Request, f *desktopFlow) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	hash, err := h.sessionHash(f)
	if err != nil {
		h.fail(w, r, err)
		return
	}
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
	h.recordEvent(ctx, EventUndo, "ok", browser.User.ID, gateway.Ticket{App: f.LoginRequest.App})
	h.cookies.clearDesktop(w, f)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUndone, Go: h.startURL(f.LoginRequest)})
}
