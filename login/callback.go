package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/wechat"
)

// browser returns what the engine needs of the browser that sent r.
func (h *Handler) browser(r *http.Request) flow.Browser {
	return flow.Browser{
		Request: r, RequestID: h.requestID(r), Language: lang.FromHeader(r.Header, lang.English),
		HasSession: func() bool {
			_, err := h.Session(r)
			return err == nil
		},
	}
}

// serveCallback serves the address to which WeChat returns the browser.
func (h *Handler) serveCallback(w http.ResponseWriter, r *http.Request) {
	b := h.browser(r)
	res := h.engine.Callback(b, func(ctx context.Context, a flow.Authorization) (flow.Outcome, error) {
		return h.complete(ctx, r, a)
	})
	if res.Kind == flow.SignedIn {
		res = h.keepSession(b, res)
	}
	h.answer(w, r, res)
}

// keepSession adds the session cookie to a result. A repeated callback sets the same cookie, but only
// while the session lives: otherwise repeating the callback would undo a sign-out.
func (h *Handler) keepSession(b flow.Browser, res flow.Result) flow.Result {
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
	res.Cookies = append(res.Cookies, h.cookies.New(flow.CookieSession, id, h.cfg.SessionMax))
	return res
}

// answer writes the response for a result of the engine.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, res flow.Result) {
	res.SetCookies(w)
	switch res.Kind {
	case flow.ToWeChat:
		redirect(w, r, res.Location)
	case flow.StatusOnly:
		w.WriteHeader(res.Status)
	case flow.SignedIn:
		seeOther(w, h.returns.Absolute(res.Flow.ReturnTo))
	case flow.Lost:
		h.answerLost(w, res)
	case flow.Denied:
		h.showDenied(w, r, res.Flow)
	case flow.Snapshot:
		seeOther(w, h.startURL(res.Flow.ReturnTo, res.Flow.Scope))
	case flow.CallbackFailed:
		seeOther(w, h.address(pathEnded)+"?page="+url.QueryEscape(res.Failure))
	default:
		h.fail(w, r, res.Err)
	}
}

// answerLost redirects to the page for a lost callback, at an address without code and state. A
// browser that is signed in continues at the return address instead.
func (h *Handler) answerLost(w http.ResponseWriter, res flow.Result) {
	returnTo := ""
	if res.Flow != nil {
		returnTo = res.Flow.ReturnTo
	}
	target := h.address(pathLost)
	switch {
	case len(res.Cookies) == 0:
		target = h.returns.Absolute(h.returns.OrHome(returnTo))
	case returnTo != "":
		target += "?return=" + url.QueryEscape(returnTo)
	}
	seeOther(w, target)
}

// serveLost renders the page for a lost callback. The user continues with a button: a page that
// continued automatically would loop in a browser without cookies.
func (h *Handler) serveLost(w http.ResponseWriter, r *http.Request) {
	returnTo, err := h.returns.Check(r.URL.Query().Get("return"))
	if err != nil {
		returnTo = h.returns.Home()
	}
	p := Page{Kind: PageNoCookies, AgainURL: h.startURL(returnTo, wechat.ScopeBase)}
	if keeps, clear := h.engine.AcceptsCookies(r); keeps {
		http.SetCookie(w, clear)
		p.Kind = PageLost
	}
	h.show(w, r, p)
}

// showDenied renders the page for a user who declined at WeChat.
func (h *Handler) showDenied(w http.ResponseWriter, r *http.Request, f *flow.Flow) {
	p := Page{Kind: PageDenied, AgainURL: h.startURL(f.ReturnTo, f.Scope)}
	if f.Scope == wechat.ScopeUserInfo {
		p.WithoutURL = h.startURL(f.ReturnTo, wechat.ScopeBase)
		if _, err := h.Session(r); err == nil {
			p.WithoutURL, p.DeclineURL, p.Return = "", h.address(pathProfile), f.ReturnTo
		}
	}
	h.show(w, r, p)
}

// serveEnded renders the page for a callback that failed. When the parameter page has expired or is
// forged, it renders the page for a lost callback.
func (h *Handler) serveEnded(w http.ResponseWriter, r *http.Request) {
	e, ok := h.engine.OpenFailure(r.URL.Query().Get("page"))
	if !ok {
		h.show(w, r, Page{Kind: PageLost, AgainURL: h.startURL(h.returns.Home(), wechat.ScopeBase)})
		return
	}
	p := Page{Kind: endingPage(e.Outcome), Text: e.Text, RequestID: e.RequestID, AgainURL: h.startURL(e.ReturnTo, e.Scope)}
	if p.Kind == PageBusy {
		w.Header().Set("Retry-After", "60")
	}
	h.show(w, r, p)
}

// endingPage returns the page for the outcome of a callback.
func endingPage(outcome string) PageKind {
	switch outcome {
	case flow.EventGaveUp:
		return PageAgain
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

// complete records an authorization: it calls Config.OnSignIn, creates the session and writes the
// outcome.
func (h *Handler) complete(ctx context.Context, r *http.Request, a flow.Authorization) (flow.Outcome, error) {
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
	// What follows must happen even when the time limit of the sign-in has passed.
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		// The outcome was not written, so other requests of the browser start again. The session
		// must not stay.
		if err := h.deleteSession(ctx, flow.Hash("session", id)); err != nil {
			h.cfg.Logger.ErrorContext(ctx, "unfinished session not deleted", "error", err, "request_id", h.requestID(r))
		}
		return out, err
	}
	h.endPrevious(ctx, r, id)
	return out, nil
}

// newSession returns the session for an authorization, or the outcome and the text for a user who
// is refused.
func (h *Handler) newSession(
	ctx context.Context, r *http.Request, a flow.Authorization,
) (s Session, kind, text string, err error) {
	in := &SignIn{
		Session: Session{
			Subject: a.AppID + ":" + a.OpenID,
			OpenID:  a.OpenID, UnionID: a.UnionID, AppID: a.AppID,
			Scopes: a.Scopes, Method: Method(a.Flow.Method), SignedInAt: a.At,
		},
		Return: h.returns.Absolute(a.Flow.ReturnTo), Data: slices.Clone(a.Flow.Data), RequestID: h.requestID(r),
	}
	h.keepKnown(r.WithContext(ctx), &in.Session)
	if a.Profile != nil {
		in.Nickname, in.AvatarURL = a.Profile.Nickname, a.Profile.AvatarURL
		in.ProfileAt, in.ProfileDeclined = a.At, false
	}
	s = in.Session
	s.Scopes = slices.Clone(s.Scopes)
	if h.cfg.OnSignIn != nil {
		if kind, text, err = h.callOnSignIn(ctx, in); err != nil {
			return Session{}, kind, text, err
		}
	}
	s.Subject, s.Extra = in.Subject, in.Extra
	s.Nickname, s.ProfileAt = in.Nickname, in.ProfileAt
	s.AvatarURL = flow.SafeAvatar(in.AvatarURL, h.avatars)
	s.ExpiresAt = h.expiry(a.At, a.At)
	return s, "", "", nil
}

// callOnSignIn calls Config.OnSignIn. For an error it returns the outcome and the text for the user.
func (h *Handler) callOnSignIn(ctx context.Context, in *SignIn) (kind, text string, err error) {
	err = h.cfg.OnSignIn(ctx, in)
	var refusal *RefusalError
	switch {
	case errors.As(err, &refusal):
		text := refusal.Text
		for len(text) > maxRefusal || !utf8.ValidString(text) {
			text = text[:min(len(text)-1, maxRefusal)]
		}
		return flow.OutcomeRefused, text, err
	case err != nil:
		return outcomeOf(err), "", fmt.Errorf("login: OnSignIn: %w", err)
	case in.Subject == "":
		return flow.OutcomeFault, "", errors.New("login: OnSignIn left Subject empty")
	}
	return "", "", nil
}

// outcomeOf returns the outcome for an error of the program or its store.
func outcomeOf(err error) string {
	if isTemporary(err) {
		return flow.OutcomeBusy
	}
	return flow.OutcomeFault
}

// keepKnown copies the profile and the unionid from the browser's session of the same user: a silent
// sign-in after one with a profile keeps the profile.
func (h *Handler) keepKnown(r *http.Request, s *Session) {
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

// endPrevious ends the session that this browser had before: its cookie is about to be replaced, so
// nobody could sign out of it.
func (h *Handler) endPrevious(ctx context.Context, r *http.Request, id string) {
	old := h.cookies.Value(r, flow.CookieSession)
	if len(old) != flow.SessionIDLength || old == id {
		return
	}
	if err := h.deleteSession(ctx, flow.Hash("session", old)); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "previous session not ended", "error", err, "request_id", h.requestID(r))
	}
}

// deleteSession deletes a session in a limited time.
func (h *Handler) deleteSession(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, deleteLimit)
	defer cancel()
	return h.cfg.Store.DeleteSession(ctx, id)
}
