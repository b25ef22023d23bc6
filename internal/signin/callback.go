package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// callback serves the address to which WeChat returns the browser.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request, c *connector) {
	b := h.browser(r, lang.FromRequest(r))
	res := c.engine.Callback(b, func(ctx context.Context, a flow.Authorization) (flow.Outcome, error) {
		return h.complete(ctx, r, c, a)
	})
	if res.Kind == flow.SignedIn {
		res = h.keepSession(c, b, res)
	}
	h.answer(w, r, c, res)
}

// keepSession adds the session cookie to a result. A repeated callback sets the same cookie, but only
// while the session lives: otherwise repeating the callback would undo a sign-out.
func (h *Handler) keepSession(c *connector, b flow.Browser, res flow.Result) flow.Result {
	id, err := res.Flow.SessionID()
	if err == nil && res.Repeat {
		_, _, err = h.cfg.Sessions.Find(b.Request.Context(), session.Hash(id), h.cfg.Now())
	}
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return c.engine.Lost(b, res.Flow)
	case err != nil:
		return c.engine.Fail(b, res.Flow, flowError(err))
	}
	res.Cookies = append(res.Cookies, h.sessionCookie(id))
	return res
}

func (h *Handler) sessionCookie(id string) *http.Cookie {
	return h.cookies.New(flow.CookieSession, id, h.cfg.Sessions.Max)
}

// answer writes the response for a result of the engine.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, c *connector, res flow.Result) {
	res.SetCookies(w)
	switch res.Kind {
	case flow.ToWeChat:
		w.Header().Set("Location", res.Location)
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusSeeOther) // so that the browser does not send the form to WeChat
			return
		}
		w.WriteHeader(http.StatusFound)
	case flow.StatusOnly:
		w.WriteHeader(res.Status)
	case flow.SignedIn:
		redirectSeeOther(w, h.returns.Absolute(res.Flow.ReturnTo))
	case flow.Lost:
		h.answerLost(w, r, res)
	case flow.Denied:
		h.showDenied(w, r, c, res.Flow)
	case flow.Snapshot:
		redirectSeeOther(w, h.absolute(h.startURL(targetOf(res.Flow.Request))))
	case flow.CallbackFailed:
		redirectSeeOther(w, h.origin+h.path+pathEnded+"?page="+url.QueryEscape(res.Failure))
	default:
		h.cfg.Site.Error(w, r, res.Err)
	}
}

// targetOf returns the target of a flow. When its data cannot be read, the target has no restart.
func targetOf(req flow.Request) target {
	t := target{returnTo: req.ReturnTo, profile: req.Scope == wechat.ScopeUserInfo}
	if data, err := decodeFlowData(req.Data); err == nil {
		t.restart = session.ExpandRestart(req.ReturnTo, data.Restart)
	}
	return t
}

// answerLost redirects to the page for a lost callback, at an address without code and state. A
// browser that is signed in continues at the return address instead.
func (h *Handler) answerLost(w http.ResponseWriter, r *http.Request, res flow.Result) {
	if len(res.Cookies) == 0 {
		returnTo := ""
		if res.Flow != nil {
			returnTo = res.Flow.ReturnTo
		}
		redirectSeeOther(w, h.returns.Absolute(h.returns.OrHome(returnTo)))
		return
	}
	address := h.origin + h.path + pathLost
	if res.Flow != nil {
		t := targetOf(res.Flow.Request)
		if t.restart != "" {
			sealed, err := h.restarts.Seal(paramRestart, []byte(t.restart))
			if err != nil {
				h.cfg.Site.Error(w, r, err)
				return
			}
			address += "?" + paramRestart + "=" + sealed
		} else {
			address += "?return=" + url.QueryEscape(t.returnTo)
		}
	}
	redirectSeeOther(w, address)
}

// lost renders the page for a lost callback. The user continues with a button: a page that continued
// automatically would loop in a browser without cookies.
func (h *Handler) lost(w http.ResponseWriter, r *http.Request) {
	returnTo, err := h.returns.Check(r.URL.Query().Get("return"))
	if err != nil {
		returnTo = h.returns.Home()
	}
	t := target{returnTo: returnTo}
	t.restart, _ = h.openRestart(r.URL.Query().Get(paramRestart))
	page := web.Page{Kind: web.NoCookies, Go: h.startURL(t)}
	if keeps, clear := h.connectors[0].engine.AcceptsCookies(r); keeps {
		http.SetCookie(w, clear)
		page.Kind = web.Lost
	}
	h.cfg.Site.Show(w, r, page)
}

// showDenied renders the page for a user who declined at WeChat.
func (h *Handler) showDenied(w http.ResponseWriter, r *http.Request, c *connector, f *flow.Flow) {
	t := targetOf(f.Request)
	page := web.Page{Kind: web.Denied, Go: h.startURL(t)}
	if f.Scope == wechat.ScopeUserInfo {
		_, signedIn, err := h.Session(r)
		if err == nil && signedIn {
			page.Forms = []web.Form{h.withoutProfile(f.ReturnTo)}
		} else {
			without := t
			without.profile = false
			page.Without = h.startURL(without)
		}
	}
	if c.Website && h.cfg.Scan != nil {
		// The browser remembers which method was chosen, and would use it again.
		other, err := h.methodURL(t, methodChoice)
		if err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		page.Links = append(page.Links, web.Link{Label: web.LabelOtherMethod, Go: other})
	}
	h.cfg.Site.Show(w, r, page)
}

// ended renders the page for a callback that failed. When the parameter page has expired or is
// forged, it renders the page for a lost callback.
func (h *Handler) ended(w http.ResponseWriter, r *http.Request) {
	e, ok := h.connectors[0].engine.OpenFailure(r.URL.Query().Get("page"))
	if !ok {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.startURL(target{returnTo: h.returns.Home()})})
		return
	}
	t := targetOf(flow.Request{ReturnTo: e.ReturnTo, Scope: e.Scope, Data: e.Data})
	page := web.Page{Kind: endingKind(e.Outcome), Go: h.startURL(t)}
	if page.Kind == web.Busy {
		w.Header().Set("Retry-After", "60")
	}
	h.cfg.Site.Show(w, r, page)
}

// endingKind returns the page for the outcome of a callback.
func endingKind(outcome string) web.Kind {
	switch outcome {
	case flow.EventGaveUp:
		return web.Again
	case flow.OutcomeRefused:
		return web.Blocked // complete refuses blocked users only
	case flow.OutcomeUserRestricted:
		return web.Restricted
	case flow.OutcomeBusy, flow.OutcomeRateLimited, flow.EventUnavailable, flow.EventStoreFull:
		return web.Busy
	}
	return web.Fault
}

// Kinds of the events that this package writes.
const (
	EventSignIn     = "sign_in"             // a user signed in, or was refused because they are blocked
	EventSignOutAll = "sign_out_everywhere" // a user ended all their sessions
)

// complete records an authorization: the user, their session and the outcome.
func (h *Handler) complete(
	ctx context.Context, r *http.Request, c *connector, a flow.Authorization,
) (flow.Outcome, error) {
	completed, err := h.completion(ctx, r, c, a)
	if err != nil {
		return a.Finish(ctx, flow.OutcomeFault, "", err)
	}
	user, joins, err := h.cfg.Users.CompleteSignIn(ctx, completed)
	switch {
	case errors.Is(err, gateway.ErrConflict):
		return flow.Outcome{}, fmt.Errorf("%w: %w", flow.ErrAttemptLost, err)
	case err != nil:
		err = fmt.Errorf("signin: record the sign-in: %w", flowError(err))
		if flow.IsTemporary(err) {
			return a.Finish(ctx, flow.OutcomeBusy, "", err)
		}
		return a.Finish(ctx, flow.OutcomeFault, "", err)
	}
	for _, e := range joins {
		h.cfg.Logger.InfoContext(ctx, "user changed", "kind", e.Kind, "user", e.UserID,
			"outcome", e.Outcome, "detail", e.Detail, "request_id", completed.Event.RequestID)
	}
	if user.Status == gateway.Blocked {
		return flowOutcome(completed.Refused), gateway.ErrBlocked
	}
	return flowOutcome(completed.Outcome), nil
}

// completion returns the record of an authorization for the store.
func (h *Handler) completion(
	ctx context.Context, r *http.Request, c *connector, a flow.Authorization,
) (gateway.Completion, error) {
	data, err := decodeFlowData(a.Flow.Data)
	if err != nil {
		return gateway.Completion{}, err
	}
	id, err := a.Flow.SessionID()
	if err != nil {
		return gateway.Completion{}, err
	}
	signIn := gateway.SignIn{
		Connector: c.Name, AppID: a.AppID, OpenID: a.OpenID, UnionID: a.UnionID, OpenPlatform: c.OpenPlatform,
		Group: c.Group, At: a.At, InitialStatus: gateway.Pending,
	}
	if a.Profile != nil {
		signIn.Profile = &gateway.Profile{Nickname: a.Profile.Nickname, AvatarURL: a.Profile.AvatarURL}
	}
	stored := session.Data{LoginRequestID: data.LoginRequestID, ProfileDeclined: h.profileDeclined(r.WithContext(ctx), a)}
	for _, scope := range a.Scopes {
		stored.Scopes = append(stored.Scopes, string(scope))
	}
	out := gateway.Completion{
		SignIn: signIn,
		Session: gateway.Session{
			Hash: session.Hash(id), Connector: c.Name, AppID: a.AppID, OpenID: a.OpenID, Method: string(a.Flow.Method),
			AuthTime: a.At, CreatedAt: a.At, SeenAt: a.At, ExpiresAt: h.cfg.Sessions.Expiry(a.At, a.At), Data: stored.Bytes(),
		},
		AttemptKey: a.Attempt.Key, Owner: a.Attempt.Owner,
		Outcome: gateway.Outcome{Kind: flow.OutcomeSignedIn, At: a.At},
		Refused: gateway.Outcome{Kind: flow.OutcomeRefused, At: a.At},
		Event: gateway.Event{Kind: EventSignIn, App: data.App, Connector: c.Name, Method: string(a.Flow.Method),
			RequestID: h.cfg.RequestID(r.Context())},
		Now: h.cfg.Now(),
	}
	if previous, sent := h.cfg.Sessions.CurrentHash(r); sent && previous != out.Session.Hash {
		out.Previous = previous
	}
	return out, nil
}

// profileDeclined returns ProfileDeclined of the new session. It is true when WeChat did not return
// nickname and avatar although the user agreed: otherwise the user would be asked in a loop. It is
// also true when the same user declined in the previous session of this browser.
func (h *Handler) profileDeclined(r *http.Request, a flow.Authorization) bool {
	if a.Profile != nil {
		return false
	}
	if slices.Contains(a.Scopes, wechat.ScopeUserInfo) {
		return true
	}
	b, signedIn, err := h.Session(r)
	return err == nil && signedIn && b.AppID == a.AppID && b.OpenID == a.OpenID && b.ProfileDeclined
}

// attempts implements flow.Attempts with the gateway's store.
type attempts struct{ store gateway.Attempts }

// BeginAttempt implements flow.Attempts.
func (s attempts) BeginAttempt(ctx context.Context, want flow.Attempt, now time.Time) (flow.Attempt, bool, error) {
	have, won, err := s.store.BeginAttempt(ctx, gateway.Attempt{
		Key: want.Key, Code: want.Code, Owner: want.Owner, Lease: want.Lease, Expires: want.Expires,
	}, now)
	return flow.Attempt{
		Key: have.Key, Code: have.Code, Owner: have.Owner, Lease: have.Lease, Expires: have.Expires,
		Outcome: flowOutcome(have.Outcome),
	}, won, flowError(err)
}

// FinishAttempt implements flow.Attempts.
func (s attempts) FinishAttempt(ctx context.Context, key, owner string, out flow.Outcome, now time.Time) error {
	err := s.store.FinishAttempt(ctx, key, owner, gateway.Outcome{Kind: out.Kind, At: out.At, Text: out.Text}, now)
	if errors.Is(err, gateway.ErrConflict) {
		return fmt.Errorf("%w: %w", flow.ErrAttemptLost, err)
	}
	return flowError(err)
}

func flowOutcome(o gateway.Outcome) flow.Outcome {
	return flow.Outcome{Kind: o.Kind, At: o.At, Text: o.Text}
}

// flowError wraps an error of the store in the error that the engine tests for.
func flowError(err error) error {
	if errors.Is(err, gateway.ErrUnavailable) {
		return fmt.Errorf("%w: %w", flow.ErrUnavailable, err)
	}
	return err
}
