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

// continueDelay is how long the page with the name of the signed-in user is shown: long enough to
// read it.
const continueDelay = 2 * time.Second

// finish signs the browser in: it creates the session, then redeems the ticket. If the process is
// killed in between, the ticket stays approved, and a repeated request creates the same session.
// The cookie is set only once the ticket is redeemed, so that no browser has a session that a
// repeated request could restore.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request, s *desktopFlow, t gateway.Ticket) {
	data, err := readData(t)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	cookie, err := h.createSession(r, s, t, false)
	if errors.Is(err, gateway.ErrBlocked) || errors.Is(err, gateway.ErrNotFound) {
		h.observe(r.Context(), "refused")
		h.cfg.Site.Fail(w, r, web.Blocked)
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// The sign-in is finished, although the user may close the page now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	taken, err := h.cfg.Tickets.RedeemTicket(ctx, t.Hash, t.Desktop, h.cfg.Now())
	switch {
	case err == nil:
		h.observe(r.Context(), "signed_in")
		h.continueSignedIn(w, r, s, taken, cookie)
	case errors.Is(err, gateway.ErrReplay):
		// Another request of this browser was first.
		h.repeat(w, r, s, taken)
	case errors.Is(err, gateway.ErrConflict), errors.Is(err, gateway.ErrNotFound):
		// The ticket expired, its user was blocked, or the phone withdrew its answer, at this
		// moment: no user is signed in.
		if err := h.cfg.Sessions.End(ctx, [32]byte(data.Session), h.cfg.Now()); err != nil {
			h.fail(w, r, err)
			return
		}
		h.show(w, r, s, h.page(ctx, s, taken))
	default:
		h.fail(w, r, err)
	}
}

// createSession creates the session and returns its cookie.
func (h *Handler) createSession(r *http.Request, s *desktopFlow, t gateway.Ticket, repeat bool) (*http.Cookie, error) {
	sec, err := s.secrets()
	if err != nil {
		return nil, err
	}
	return h.signIn.CreateSession(r, session.Authentication{
		UserID: t.Approver.UserID, Connector: t.Approver.Connector, AppID: t.Approver.AppID, OpenID: t.Approver.OpenID,
		Method: Method, AuthTime: t.Approver.AuthTime,
		App: t.App, LoginRequestID: s.LoginRequest.ID, Seed: sec.session, Repeat: repeat,
	})
}

// startURL returns the address that starts the sign-in again: the app's own request, with its own
// requirements.
func (h *Handler) startURL(d pendingRequest) string {
	if restart := session.ExpandRestart(d.Return, d.Restart); restart != "" {
		return restart
	}
	return h.path + pathSignIn + "?return=" + url.QueryEscape(d.Return)
}

// continueSignedIn renders the page with the name of the signed-in user, which then continues at
// the return address.
func (h *Handler) continueSignedIn(
	w http.ResponseWriter, r *http.Request, s *desktopFlow, t gateway.Ticket, cookie *http.Cookie,
) {
	s.Done = true
	if err := h.cookies.keepDesktop(w, r, s); err != nil {
		h.fail(w, r, err)
		return
	}
	http.SetCookie(w, cookie)
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanSignedIn, App: h.appName(s.LoginRequest.App), User: h.user(r.Context(), t.Approver.UserID),
		Go: s.LoginRequest.Return, ContinueAfter: continueDelay,
		Forms: []web.Form{{Action: h.at(pathCancel, s), Label: web.LabelNotMe, Quiet: true}},
	})
}

// repeat responds to a browser that returns after its ticket was redeemed. It continues while the
// session is live, even if the first response never reached the browser. It never creates a
// session, so a sign-out is final. t is the zero Ticket once the first response is known to have
// arrived.
func (h *Handler) repeat(w http.ResponseWriter, r *http.Request, s *desktopFlow, t gateway.Ticket) {
	hash, err := s.session(h)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	here, signedIn, err := h.signIn.Session(r)
	if err == nil && signedIn && here.Hash == hash {
		route.SeeOther(w, s.LoginRequest.Return)
		return
	}
	over := s.Done
	if err == nil && !over {
		cookie, again := h.createSession(r, s, t, true)
		if again == nil {
			h.continueSignedIn(w, r, s, t, cookie)
			return
		}
		err, over = again, errors.Is(again, gateway.ErrNotFound) || errors.Is(again, gateway.ErrBlocked)
	}
	if over {
		h.cookies.dropDesktop(w, s)
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.startURL(s.LoginRequest)})
		return
	}
	h.fail(w, r, err)
}

// session returns the hash of the session that this round creates.
func (s *desktopFlow) session(h *Handler) (hash [32]byte, err error) {
	sec, err := s.secrets()
	if err != nil {
		return hash, err
	}
	return h.signIn.SessionHash(sec.session)
}

// cancel cancels the sign-in. After the browser was signed in, the button means "not me", and the
// session ends.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	s := h.readFlow(r)
	if s == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
		return
	}
	if !s.Done && s.Made != 0 {
		used, err := h.cancelTicket(r, s)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		s.Done = used
	}
	if s.Done {
		h.notMe(w, r, s)
		return
	}
	h.cookies.dropDesktop(w, s)
	page := web.Page{Kind: web.ScanCancelled, Go: h.startURL(s.LoginRequest), Home: h.path + "/"}
	if s.LoginRequest.Cancel != "" {
		// A page and not a redirect: the app is on another origin, and browsers block a form whose
		// redirects end at another origin (Content-Security-Policy, form-action).
		page = web.Page{Kind: web.Continue, Go: s.LoginRequest.Cancel, ContinueAfter: 100 * time.Millisecond}
	}
	h.cfg.Site.Show(w, r, page)
}

// cancelTicket ends this round's ticket, whatever its state. It reports whether the phone had
// approved it, so that a session may exist.
func (h *Handler) cancelTicket(r *http.Request, s *desktopFlow) (approved bool, err error) {
	sec, err := s.secrets()
	if err != nil {
		return false, err
	}
	id, desktop, now := hashID(sec.id), hashDesktop(sec.desktop), h.cfg.Now()
	err = h.cfg.Tickets.CancelTicket(r.Context(), id, desktop, now)
	if errors.Is(err, gateway.ErrConflict) {
		// The phone has answered. If it approved, the ticket is redeemed, so that nobody else can
		// use it.
		_, err = h.cfg.Tickets.RedeemTicket(r.Context(), id, desktop, now)
		if err == nil || errors.Is(err, gateway.ErrReplay) {
			return true, nil
		}
	}
	if errors.Is(err, gateway.ErrConflict) || errors.Is(err, gateway.ErrNotFound) {
		err = nil // it had ended already
	}
	return false, err
}

// notMe ends the session that this browser got.
func (h *Handler) notMe(w http.ResponseWriter, r *http.Request, s *desktopFlow) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	hash, err := s.session(h)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	here, signedIn, err := h.signIn.Session(r)
	if err == nil {
		err = h.cfg.Sessions.End(ctx, hash, h.cfg.Now())
	}
	if err == nil && signedIn && here.Hash == hash {
		err = h.signIn.End(w, r)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.recordEvent(ctx, EventUndo, "ok", here.User.ID, gateway.Ticket{App: s.LoginRequest.App})
	h.cookies.dropDesktop(w, s)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUndone, Go: h.startURL(s.LoginRequest)})
}
