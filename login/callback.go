package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/wechat"
)

// browser describes the browser that sent r to the engine (package flow).
func (h *Handler) browser(r *http.Request) flow.Browser {
	return flow.Browser{
		Request: r, RequestID: h.requestID(r), Language: lang.FromHeader(r.Header, lang.English),
		Network: h.network(r),
		HasSession: func() bool {
			_, err := h.Session(r)
			return err == nil
		},
	}
}

// serveCallback serves the callback, to which WeChat returns the browser with code and state. The
// engine checks both and redeems the code; recordSignIn creates the session. After a sign-in, the
// response sets the session cookie and redirects to the return address. Otherwise a page explains
// why there is no session.
func (h *Handler) serveCallback(w http.ResponseWriter, r *http.Request) {
	b := h.browser(r)
	res := h.engine.Callback(b, func(ctx context.Context, a flow.Authorization) (flow.Outcome, error) {
		return h.recordSignIn(ctx, r, a)
	})
	if res.Kind == flow.SignedIn {
		res = h.addSessionCookie(b, res)
	}
	h.writeResult(w, r, res)
}

// addSessionCookie adds the session cookie to the result of a completed sign-in. For a repeated
// callback it does so only while the session exists. Otherwise the back button would undo a
// sign-out.
func (h *Handler) addSessionCookie(b flow.Browser, res flow.Result) flow.Result {
	id, err := res.Flow.SessionID()
	if err == nil && res.Repeat {
		_, err = h.cfg.Store.Session(b.Request.Context(), flow.Hash("session", id), h.cfg.Now())
	}
	switch {
	case errors.Is(err, ErrNoSession):
		return h.engine.Lost(b, res.Flow)
	case err != nil:
		return h.engine.Fail(b, res.Flow, flowError(err))
	}
	// The browser keeps the cookie for SessionMax. The store ends an unused session earlier.
	res.Cookies = append(res.Cookies, h.cookies.New(flow.CookieSession, id, h.cfg.SessionMax))
	return res
}

// writeResult writes the response for a result of the engine.
func (h *Handler) writeResult(w http.ResponseWriter, r *http.Request, res flow.Result) {
	res.SetCookies(w)
	switch res.Kind {
	case flow.ToWeChat:
		redirect(w, r, res.Location)
	case flow.StatusOnly:
		w.WriteHeader(res.Status)
	case flow.SignedIn:
		seeOther(w, h.returns.Absolute(res.Flow.ReturnTo))
	case flow.Lost:
		h.redirectLost(w, res)
	case flow.Denied:
		h.showDenied(w, r, res.Flow)
	case flow.Snapshot:
		seeOther(w, h.startURL(res.Flow.ReturnTo, res.Flow.Scope))
	case flow.CallbackFailed:
		seeOther(w, h.address(pathEnded)+"?page="+url.QueryEscape(res.Failure))
	default:
		h.showError(w, r, res.Err)
	}
}

// redirectLost responds to a lost callback: it belongs to no pending sign-in of this browser. The
// browser is redirected to a page whose URL has no code and no state. A browser that is signed in
// continues at the return address instead.
func (h *Handler) redirectLost(w http.ResponseWriter, res flow.Result) {
	returnTo := ""
	if res.Flow != nil {
		returnTo = res.Flow.ReturnTo
	}
	signedIn := len(res.Cookies) == 0 // flow.Engine.Lost sets a cookie for other browsers only
	target := h.address(pathLost)
	switch {
	case signedIn:
		target = h.returns.Absolute(h.returns.OrHome(returnTo))
	case returnTo != "":
		target += "?return=" + url.QueryEscape(returnTo)
	}
	seeOther(w, target)
}

// serveLost renders the page for a lost callback. The user continues with a button, because an
// automatic restart would loop in a browser that rejects cookies.
func (h *Handler) serveLost(w http.ResponseWriter, r *http.Request) {
	returnTo, err := h.returns.Check(r.URL.Query().Get("return"))
	if err != nil {
		returnTo = h.returns.Home()
	}
	p := Page{Kind: PageNoCookies, AgainURL: h.startURL(returnTo, wechat.ScopeBase)}
	// The callback set a cookie as a probe. If the browser sent it now, cookies are not the problem.
	if accepts, clearProbe := h.engine.AcceptsCookies(r); accepts {
		http.SetCookie(w, clearProbe)
		p.Kind = PageLost
	}
	h.showPage(w, r, p)
}

// showDenied renders the page for a user who declined at WeChat.
func (h *Handler) showDenied(w http.ResponseWriter, r *http.Request, f *flow.Flow) {
	p := Page{Kind: PageDenied, AgainURL: h.startURL(f.ReturnTo, f.Scope)}
	if f.Scope == wechat.ScopeUserInfo {
		p.WithoutURL = h.startURL(f.ReturnTo, wechat.ScopeBase)
		if _, err := h.Session(r); err == nil { // the user is signed in, and declined only the profile
			p.WithoutURL, p.DeclineURL, p.Return = "", h.address(pathProfile), f.ReturnTo
		}
	}
	h.showPage(w, r, p)
}

// serveEnded renders the error page of a callback. The parameter "page" contains a flow.Failure,
// encrypted by the engine. If the parameter is forged or has expired, serveEnded renders the page
// for a lost callback.
func (h *Handler) serveEnded(w http.ResponseWriter, r *http.Request) {
	failure, ok := h.engine.OpenFailure(r.URL.Query().Get("page"))
	if !ok {
		h.showPage(w, r, Page{Kind: PageLost, AgainURL: h.startURL(h.returns.Home(), wechat.ScopeBase)})
		return
	}
	p := Page{
		Kind: failurePage(failure.Outcome), Text: failure.Text, RequestID: failure.RequestID,
		AgainURL: h.startURL(failure.ReturnTo, failure.Scope),
	}
	switch p.Kind {
	case PageConsent:
		if !failure.ForcePopup { // only nickname and avatar need the consent
			p.WithoutURL = h.startURL(failure.ReturnTo, wechat.ScopeBase)
		}
	case PageBusy: // WeChat may be unavailable for longer than the store, for which showPage sets 5
		w.Header().Set("Retry-After", "60")
	case PageSuspect:
		w.Header().Set("Retry-After", "5")
	}
	h.showPage(w, r, p)
}

// failurePage returns the error page for the outcome of a callback.
func failurePage(outcome string) PageKind {
	switch outcome {
	case flow.EventGaveUp: // WeChat refused several codes in a row, so the engine stopped trying
		return PageAgain
	case flow.EventSuspect: // this code was not sent, because many codes of the user's network were refused
		return PageSuspect
	case flow.OutcomeConsentMissing:
		return PageConsent
	case flow.OutcomeRefused:
		return PageRefused
	case flow.OutcomeUserRestricted:
		return PageUserRestricted
	case flow.OutcomeBusy, flow.OutcomeRateLimited, flow.EventUnavailable, flow.EventStoreFull:
		return PageBusy
	}
	return PageFault
}

// deleteLimit is the time limit for deleting a session.
const deleteLimit = 2 * time.Second

// maxRefusal is the greatest length of RefusalError.Text, in bytes.
const maxRefusal = 500

// recordSignIn is called by the engine when WeChat has confirmed the user. It calls
// Config.OnSignIn, creates the session and writes the outcome of the attempt (the redemption of the
// code). Repeated callbacks are answered from the outcome.
func (h *Handler) recordSignIn(ctx context.Context, r *http.Request, a flow.Authorization) (flow.Outcome, error) {
	s, kind, text, err := h.newSession(ctx, r, a)
	if err != nil {
		return a.Finish(ctx, kind, text, err)
	}
	id, err := a.Flow.SessionID()
	if err != nil {
		return a.Finish(ctx, flow.OutcomeFault, "", err)
	}
	if err := h.cfg.Store.CreateSession(ctx, flow.Hash("session", id), s, h.cfg.Now()); err != nil {
		return a.Finish(ctx, outcomeOf(err), "", fmt.Errorf("login: create the session: %w", err))
	}
	out, err := a.Finish(ctx, flow.OutcomeSignedIn, "", nil)
	ctx = context.WithoutCancel(ctx) // sessions are deleted even when the time limit has passed
	if err != nil {
		// Without an outcome the sign-in starts again, with another session id. This session is useless.
		if err := h.deleteSession(ctx, flow.Hash("session", id)); err != nil {
			h.cfg.Logger.ErrorContext(ctx, "unfinished session not deleted", "error", err, "request_id", h.requestID(r))
		}
		return out, err
	}
	h.deletePreviousSession(ctx, r, id)
	return out, nil
}

// newSession returns the session for an authorization. If OnSignIn fails or refuses the user,
// newSession returns an error. Then kind is the kind of the outcome, and text is for the user.
func (h *Handler) newSession(
	ctx context.Context, r *http.Request, a flow.Authorization,
) (s Session, kind, text string, err error) {
	signIn := &SignIn{
		Session: Session{
			Subject: a.AppID + ":" + a.OpenID,
			OpenID:  a.OpenID, UnionID: a.UnionID, AppID: a.AppID,
			Scopes: a.Scopes, Method: Method(a.Flow.Method), SignedInAt: a.At, UserAgent: shortUserAgent(r.UserAgent()),
		},
		Return: h.returns.Absolute(a.Flow.ReturnTo), Data: slices.Clone(a.Flow.Data), RequestID: h.requestID(r),
	}
	h.copyProfile(r.WithContext(ctx), &signIn.Session)
	if a.Profile != nil {
		signIn.Nickname, signIn.AvatarURL = a.Profile.Nickname, a.Profile.AvatarURL
		signIn.ProfileAt, signIn.ProfileDeclined = a.At, false
	}
	// OnSignIn may change only some fields. The session is therefore copied before the call, and
	// these fields are copied from signIn after the call.
	s = signIn.Session
	s.Scopes = slices.Clone(s.Scopes)
	if h.cfg.OnSignIn != nil {
		if kind, text, err = h.callOnSignIn(ctx, signIn); err != nil {
			return Session{}, kind, text, err
		}
	}
	s.Subject, s.Extra = signIn.Subject, signIn.Extra
	s.Nickname, s.ProfileAt = signIn.Nickname, signIn.ProfileAt
	s.AvatarURL = flow.SafeAvatar(signIn.AvatarURL, h.avatarOrigins)
	s.ExpiresAt = h.expiry(a.At, a.At)
	if !s.validTexts() {
		return Session{}, flow.OutcomeFault, "", errors.New("login: OnSignIn set a text that is not valid UTF-8")
	}
	return s, "", "", nil
}

// callOnSignIn calls Config.OnSignIn. With an error it returns the kind of the outcome and the text
// for the user.
func (h *Handler) callOnSignIn(ctx context.Context, signIn *SignIn) (kind, text string, err error) {
	err = h.cfg.OnSignIn(ctx, signIn)
	var refusal *RefusalError
	switch {
	case errors.As(err, &refusal):
		text := strings.ToValidUTF8(refusal.Text, "\uFFFD")
		if len(text) > maxRefusal {
			text = strings.ToValidUTF8(text[:maxRefusal], "") // the limit may have cut a character
		}
		return flow.OutcomeRefused, text, err
	case err != nil:
		return outcomeOf(err), "", fmt.Errorf("login: OnSignIn: %w", err)
	case signIn.Subject == "":
		return flow.OutcomeFault, "", errors.New("login: OnSignIn left Subject empty")
	}
	return "", "", nil
}

// outcomeOf returns the kind of the outcome for an error of Config.OnSignIn or the store.
func outcomeOf(err error) string {
	if isTemporary(err) {
		return flow.OutcomeBusy
	}
	return flow.OutcomeFault
}

// copyProfile copies the profile and the unionid from the browser's current session to s, if both
// sessions are of the same user. Without the copy, a sign-in that does not request the profile
// would lose it.
func (h *Handler) copyProfile(r *http.Request, s *Session) {
	old, err := h.Session(r)
	if err != nil || old.AppID != s.AppID || old.OpenID != s.OpenID {
		return
	}
	s.Nickname, s.AvatarURL = old.Nickname, old.AvatarURL
	s.ProfileAt, s.ProfileDeclined = old.ProfileAt, old.ProfileDeclined
	if s.UnionID == "" {
		s.UnionID = old.UnionID
	}
}

// deletePreviousSession deletes the session that this browser had before. The cookie of that
// session is about to be replaced, so the user could not sign out of it any more.
func (h *Handler) deletePreviousSession(ctx context.Context, r *http.Request, id string) {
	old := h.cookies.Value(r, flow.CookieSession)
	if len(old) != flow.SessionIDLength || old == id {
		return
	}
	if err := h.deleteSession(ctx, flow.Hash("session", old)); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "previous session not ended", "error", err, "request_id", h.requestID(r))
	}
}

// deleteSession deletes a session, within deleteLimit.
func (h *Handler) deleteSession(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, deleteLimit)
	defer cancel()
	return h.cfg.Store.DeleteSession(ctx, id)
}
