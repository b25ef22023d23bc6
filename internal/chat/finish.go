package chat

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

// This file contains the end of a sign-in on the desktop (the browser that signs in): the typed
// confirmation code, repeated requests, and cancelling. A flow is the content of the desktop's
// cookie. A round is one number or QR code of the flow, with its own row in the store.

// storeTime limits the time of a change that is made even if the user closes the page.
const storeTime = 10 * time.Second

// enter serves POST /chat/code: the user has typed a confirmation code.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(w, r)
	if f == nil {
		return
	}
	if f.Completed {
		h.answerCompleted(w, r, f)
		return
	}
	row, err := h.readRow(r.Context(), f)
	if err != nil {
		h.showError(w, r, f, err)
		return
	}
	code := readCode(r.PostFormValue("code"))
	switch {
	case row.State == gateway.ChatWaiting: // the code cannot be right yet, so it does not count
		h.showRow(w, r, f, row, web.CodeForm{Problem: web.ProblemCodeEarly})
	case code == "" && row.State == gateway.ChatAnswered:
		h.showRow(w, r, f, row, web.CodeForm{Problem: web.ProblemCodeMalformed})
	case row.State != gateway.ChatAnswered:
		h.showRow(w, r, f, row, web.CodeForm{})
	default:
		h.complete(w, r, f, row, code)
	}
}

// complete signs the desktop in if the code is right. The store completes the row and stores the
// session in one transaction. Of several requests of this browser, only one stores a session.
func (h *Handler) complete(w http.ResponseWriter, r *http.Request, f *desktopFlow, row gateway.ChatSignIn,
	code string) {
	// The sign-in is completed even if the user closes the page now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTime)
	defer cancel()
	c, err := h.completion(ctx, r, f, row, code)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	stored, user, _, err := h.cfg.SignIns.CompleteChatSignIn(ctx, c)
	switch {
	case err == nil:
		h.observe(ctx, f, "signed_in")
		h.resume(w, r, f, user, row.OpenID, c.Session.AuthTime)
	case errors.Is(err, gateway.ErrMismatch):
		h.recordEvent(ctx, EventWrongCode, "refused", "", f, row.Browser)
		h.observe(ctx, f, "wrong_code")
		h.showRow(w, r, f, stored, web.CodeForm{})
	case errors.Is(err, gateway.ErrReplay):
		h.answerCompleted(w, r, f)
	case errors.Is(err, gateway.ErrBlocked):
		h.observe(ctx, f, "refused")
		h.cfg.Site.Fail(w, r, web.Blocked)
	case errors.Is(err, gateway.ErrUnionIDRequired):
		h.observe(ctx, f, "consent_missing")
		h.showDesktop(w, r, f, web.Page{Kind: web.ChatNoUnionID, Go: f.LoginRequest.StartURL(h.path)})
	case errors.Is(err, gateway.ErrAgreementRequired):
		h.observe(ctx, f, "agreement_missing")
		h.signIn.AskToAgree(w, r, session.LoginRequest{
			ReturnURL: f.LoginRequest.Return, RestartURL: f.LoginRequest.StartURL(h.path), CancelURL: f.LoginRequest.CancelURL(),
			App: gateway.App{Name: h.pageApp(r, f)},
		})
	case errors.Is(err, gateway.ErrConflict): // the row has changed since this request read it
		h.showRow(w, r, f, stored, web.CodeForm{})
	default:
		h.showError(w, r, f, err)
	}
}

// completion returns what the store needs to complete the sign-in.
func (h *Handler) completion(ctx context.Context, r *http.Request, f *desktopFlow, row gateway.ChatSignIn,
	code string) (gateway.ChatCompletion, error) {
	now := h.cfg.Now()
	a, err := h.authentication(f, "", row.OpenID, now)
	if err != nil {
		return gateway.ChatCompletion{}, err
	}
	a.BrowserName = row.Browser
	s, event, err := h.signIn.NewSession(a)
	if err != nil {
		return gateway.ChatCompletion{}, err
	}
	account := h.accounts[f.Connector]
	c := gateway.ChatCompletion{
		Key: row.Key, Desktop: row.Desktop, Code: code, Session: s, Event: event, Now: now,
		SignIn: gateway.SignIn{
			Connector: f.Connector, AppID: account.AppID, OpenID: row.OpenID, OpenPlatform: account.OpenPlatform,
			GroupAppIDs: account.Group, At: now, InitialStatus: gateway.Pending, UnionIDRequired: account.needsUnionID(),
			Agreement: h.signIn.AgreementRule(f.LoginRequest.Tick, f.LoginRequest.WithoutAgreement),
		},
	}
	c.Event.RequestID = h.cfg.RequestID(ctx)
	if browser, signedIn, err := h.signIn.Session(r); err == nil && signedIn {
		c.Previous = browser.Hash
	}
	// WeChat is asked for the unionid only after a right code, so that nobody can make the gateway
	// send requests by wrong codes.
	if account.needsUnionID() && account.API != nil && row.IsCode(code) {
		user, err := account.API.AccountUser(ctx, row.OpenID)
		if err != nil {
			h.cfg.Logger.WarnContext(ctx, "WeChat sent no unionid", "connector", f.Connector, "error", err,
				"request_id", h.cfg.RequestID(ctx))
		} else {
			c.SignIn.UnionID = user.UnionID
		}
	}
	return c, nil
}

// authentication returns the authentication of a user by this round. The id of the session is
// derived from its Seed.
func (h *Handler) authentication(f *desktopFlow, userID, openID string, at time.Time) (session.Authentication,
	error) {
	seed, err := f.derive("session", 32)
	return session.Authentication{
		UserID: userID, Connector: f.Connector, AppID: h.accounts[f.Connector].AppID, OpenID: openID, Method: f.Method,
		AuthTime: at, App: f.LoginRequest.App, LoginRequestID: f.LoginRequest.ID, Seed: seed,
	}, err
}

// resume signs the browser in with the session that was stored. If that session has ended, resume
// shows an error page. It never creates a session: otherwise a repeated request would undo a
// sign-out.
func (h *Handler) resume(w http.ResponseWriter, r *http.Request, f *desktopFlow, user gateway.User, openID string,
	at time.Time) {
	a, err := h.authentication(f, user.ID, openID, at)
	var cookie *http.Cookie
	if err == nil {
		cookie, err = h.signIn.ResumeSession(r, a)
	}
	switch {
	case err == nil:
		h.continueSignedIn(w, r, f, user, cookie)
	case errors.Is(err, gateway.ErrNotFound), errors.Is(err, gateway.ErrBlocked):
		h.showEnded(w, r, f)
	default:
		h.fail(w, r, err)
	}
}

// continueSignedIn sets the session cookie, and renders the page with the name of the signed-in
// user. The page continues at the return address. The response is not a redirect: the app can be on
// another origin, and browsers block a form that is redirected there (Content-Security-Policy,
// form-action).
func (h *Handler) continueSignedIn(w http.ResponseWriter, r *http.Request, f *desktopFlow, user gateway.User,
	cookie *http.Cookie) {
	f.Completed, f.QRCode = true, ""
	if err := h.tabs.Set(w, r, f.tabID, f); err != nil {
		h.fail(w, r, err)
		return
	}
	http.SetCookie(w, cookie)
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.ScanSignedIn, App: h.pageApp(r, f), User: web.UserOf(user),
		Go: f.LoginRequest.Return, ContinueAfter: continueDelay,
		Forms: []web.Form{{Action: h.flowURL(pathCancel, f), Label: web.LabelNotMe, Quiet: true}},
	})
}

// answerCompleted responds to a request that is repeated after the sign-in was completed. Perhaps
// the browser has lost the response with the session cookie. Therefore answerCompleted sets the
// session cookie again, as long as the session exists.
func (h *Handler) answerCompleted(w http.ResponseWriter, r *http.Request, f *desktopFlow) {
	hash, err := h.sessionHash(f)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	browser, signedIn, err := h.signIn.Session(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
		return
	case signedIn && browser.Hash == hash && r.Method == http.MethodGet:
		route.SeeOther(w, f.LoginRequest.Return)
		return
	case signedIn && browser.Hash == hash:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: f.LoginRequest.Return,
			ContinueAfter: 100 * time.Millisecond})
		return
	case f.Completed:
		// The response that set Completed in this cookie also set the session cookie. The browser
		// no longer has that session, so it has signed out since.
		h.showEnded(w, r, f)
		return
	}
	s, user, err := h.cfg.Sessions.Find(r.Context(), hash, h.cfg.Now())
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		h.showEnded(w, r, f)
	case err != nil:
		h.fail(w, r, err)
	default:
		h.resume(w, r, f, user, s.OpenID, s.AuthTime)
	}
}

// hasStoredSession reports whether the store has a session of this round.
func (h *Handler) hasStoredSession(r *http.Request, f *desktopFlow) bool {
	hash, err := h.sessionHash(f)
	if err == nil {
		_, _, err = h.cfg.Sessions.Find(r.Context(), hash, h.cfg.Now())
	}
	return err == nil
}

// showEnded renders the page for a sign-in whose session has ended.
func (h *Handler) showEnded(w http.ResponseWriter, r *http.Request, f *desktopFlow) {
	h.tabs.Clear(w, f.tabID)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: f.LoginRequest.StartURL(h.path)})
}

// sessionHash returns the hash of the session's id, which is derived from the seed in the cookie.
func (h *Handler) sessionHash(f *desktopFlow) (hash [32]byte, err error) {
	seed, err := f.derive("session", 32)
	if err != nil {
		return hash, err
	}
	return h.signIn.SessionHash(seed)
}

// cancel serves /chat/cancel. Before the browser is signed in, it cancels the sign-in. Afterwards
// the button means "not me", and cancel ends the session.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(w, r)
	if f == nil {
		return
	}
	if !f.Completed && f.CreatedAt != 0 {
		completed, err := h.cancelRow(r, f)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		f.Completed = completed
	}
	if f.Completed {
		h.endOwnSession(w, r, f)
		return
	}
	h.tabs.Clear(w, f.tabID)
	page := web.Page{Kind: web.ScanCancelled, Go: f.LoginRequest.StartURL(h.path), Home: h.path + "/"}
	if address := f.LoginRequest.CancelURL(); address != "" {
		page = web.Page{Kind: web.Continue, Go: address, ContinueAfter: 100 * time.Millisecond}
	}
	h.cfg.Site.Show(w, r, page)
}

// cancelRow cancels the row of this round. It reports whether the sign-in was completed before.
func (h *Handler) cancelRow(r *http.Request, f *desktopFlow) (completed bool, err error) {
	key, desktop, err := f.hashes()
	if err != nil {
		return false, err
	}
	err = h.cfg.SignIns.CancelChatSignIn(r.Context(), key, desktop, h.cfg.Now())
	if errors.Is(err, gateway.ErrConflict) {
		var row gateway.ChatSignIn
		row, err = h.readRow(r.Context(), f)
		completed = row.State == gateway.ChatCompleted
	}
	if errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrExpired) {
		err = nil
	}
	return completed, err
}

// endOwnSession ends the session that this sign-in created.
func (h *Handler) endOwnSession(w http.ResponseWriter, r *http.Request, f *desktopFlow) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTime)
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
	if findErr == nil { // no second event when the form is sent again
		h.recordEvent(ctx, EventUndo, "ok", user.ID, f, "")
	}
	h.tabs.Clear(w, f.tabID)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.ScanUndone, Go: f.LoginRequest.StartURL(h.path)})
}
