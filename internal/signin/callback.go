package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// This file completes sign-ins: WeChat redirects the browser to the callback with a code, package
// flow redeems the code, complete stores the result, and answer writes the response. Each connector
// (an official account or a website app in the configuration) has a callback address and an engine
// of package flow.

// callback serves the address to which WeChat redirects the browser after the authorization. The
// engine (package flow) calls complete only in the request that redeemed the code. If the browser
// sends the callback again, the engine returns the stored outcome.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request, c *connector) {
	b := h.browser(r, lang.FromRequest(r))
	res := c.engine.Callback(b, func(ctx context.Context, a flow.Authorization) (flow.Outcome, error) {
		return h.complete(ctx, r, c, a)
	})
	if res.Kind == flow.SignedIn {
		res = h.addSessionCookie(c, b, res)
	}
	h.answer(w, r, c, res)
}

// addSessionCookie adds the session cookie to the result of a successful callback. The session id
// is derived from the flow (the authorization in progress), so a repeated callback has the same id.
// A repeated callback gets the cookie only while the session exists. Otherwise the browser's back
// button would undo a sign-out.
func (h *Handler) addSessionCookie(c *connector, b flow.Browser, res flow.Result) flow.Result {
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
	res.Cookies = append(res.Cookies, h.cfg.Sessions.NewCookie(id))
	return res
}

// answer writes the response for a result of the engine: of a callback, or of the start of a
// sign-in.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, c *connector, res flow.Result) {
	res.SetCookies(w)
	switch res.Kind {
	case flow.Snapshot, flow.Denied, flow.CallbackFailed:
		h.returnTick(w, c, res)
	}
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
		h.agreement.dropTick(w, r) // of another tab
		redirectSeeOther(w, h.returns.Absolute(res.Flow.ReturnTo))
	case flow.Lost:
		h.answerLost(w, r, res)
	case flow.Denied:
		h.showDenied(w, r, c, res.Flow)
	case flow.Snapshot:
		// WeChat sent the virtual user of a snapshot page (快照页). The browser gets a redirect to the
		// start of the sign-in, which shows a page that explains this.
		redirectSeeOther(w, h.absolute(h.startURL(targetOfFlow(res.Flow.Request))))
	case flow.CallbackFailed:
		redirectSeeOther(w, h.origin+h.path+pathEnded+"?page="+url.QueryEscape(res.Failure))
	default:
		h.cfg.Site.Error(w, r, res.Err)
	}
}

// targetOfFlow returns what is needed to start the sign-in of a flow again: the return address,
// whether to request the profile, and the restart URL. The restart URL is the URL of the app's
// authorization request. The data of the flow contains the restart URL in the short form of
// session.CompactRestart. If the data cannot be read, the restart URL is missing.
func targetOfFlow(req flow.Request) target {
	t := target{returnTo: req.ReturnTo, profile: req.Scope == wechat.ScopeUserInfo}
	if data, err := decodeFlowData(req.Data); err == nil {
		t.restartURL = session.ExpandRestart(req.ReturnTo, data.Restart)
	}
	return t
}

// answerLost responds to a lost callback: its sign-in was not started in this browser, or has
// expired. It redirects to the page that explains this. The address of that page has no code and no
// state. The page also tests whether the browser stores cookies, with a test cookie that the engine
// sets here. A signed-in browser gets no test cookie, and continues at the return address.
func (h *Handler) answerLost(w http.ResponseWriter, r *http.Request, res flow.Result) {
	if len(res.Cookies) == 0 { // no test cookie: the browser is signed in
		returnTo := ""
		if res.Flow != nil {
			returnTo = res.Flow.ReturnTo
		}
		redirectSeeOther(w, h.returns.Absolute(h.returns.OrHome(returnTo)))
		return
	}
	address := h.origin + h.path + pathLost
	if res.Flow != nil {
		t := targetOfFlow(res.Flow.Request)
		if t.restartURL != "" {
			// The page links to this URL. The URL is sealed, so that an attacker cannot replace it
			// by another URL.
			sealed, err := h.restarts.Seal(paramRestart, []byte(t.restartURL))
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

// lost renders the page for a lost callback. It does not continue automatically, because a browser
// without cookies would loop between this page and WeChat.
func (h *Handler) lost(w http.ResponseWriter, r *http.Request) {
	returnTo, err := h.returns.Check(r.URL.Query().Get("return"))
	if err != nil {
		returnTo = h.returns.Home()
	}
	t := target{returnTo: returnTo}
	t.restartURL, _ = h.openRestart(r.URL.Query().Get(paramRestart))
	page := web.Page{Kind: web.NoCookies, Go: h.startURL(t)}
	// Any engine can read the test cookie: all use the same cookies.
	if accepts, clearTest := h.connectors[0].engine.AcceptsCookies(r); accepts {
		http.SetCookie(w, clearTest)
		page.Kind = web.Lost
	}
	h.cfg.Site.Show(w, r, page)
}

// showDenied renders the page for a user who declined on WeChat's consent page. If nickname and
// avatar were requested, a signed-in user gets a button to continue without them. Other users get a
// link to sign in without them, unless the consent is required: the app requires it (ForcePopup),
// or WeChat returns the unionid only with it.
func (h *Handler) showDenied(w http.ResponseWriter, r *http.Request, c *connector, f *flow.Flow) {
	t := targetOfFlow(f.Request)
	page := web.Page{Kind: web.Denied, Go: h.startURL(t)}
	_, signedIn, err := h.Session(r)
	switch {
	case f.Scope != wechat.ScopeUserInfo: // nickname and avatar were not requested
	case err == nil && signedIn:
		page.Forms = []web.Form{h.withoutProfile(f.ReturnTo)}
	case !f.ForcePopup && !c.needsUnionID():
		without := t
		without.profile = false
		page.Without = h.startURL(without)
	}
	if c.Website && (h.cfg.Scan != nil || h.cfg.Chat != nil) {
		// The browser may remember the method "website" as the user's choice. With this link it
		// forgets the method, so that the user can choose again.
		other, err := h.methodURL(t, methodChoice)
		if err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		page.Links = append(page.Links, web.Link{Label: web.LabelOtherMethod, Go: other})
	}
	h.cfg.Site.Show(w, r, page)
}

// ended renders the page for a callback that failed. The query parameter "page" contains the
// outcome, sealed by the engine. If the parameter has expired or is forged, ended renders the page
// for a lost callback. The page of a failed callback shows the request id of the callback. In the
// log, an administrator finds the cause by this id.
func (h *Handler) ended(w http.ResponseWriter, r *http.Request) {
	// Any engine can open the parameter: all have the same keys.
	ending, ok := h.connectors[0].engine.OpenFailure(r.URL.Query().Get("page"))
	if !ok {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.startURL(target{returnTo: h.returns.Home()})})
		return
	}
	t := targetOfFlow(flow.Request{ReturnTo: ending.ReturnTo, Scope: ending.Scope, Data: ending.Data})
	page := web.Page{Kind: endingKind(ending.Outcome), Go: h.startURL(t), RequestID: ending.RequestID,
		Rejection: web.Rejection{Request: "sign-in", Attrs: []slog.Attr{slog.String("outcome", ending.Outcome)}}}
	if data, err := decodeFlowData(ending.Data); err == nil {
		page.Rejection.App = data.App
	}
	switch page.Kind {
	case web.Agreement:
		h.hasAgreed(w, r) // tests whether the browser stores cookies
		h.askToAgree(w, r, agreementQuestion{target: t, language: lang.FromRequest(r)})
		return
	case web.WeChatConsent:
		page.Go = h.path + pathConsent + "?page=" + url.QueryEscape(r.URL.Query().Get("page"))
	case web.Busy: // WeChat or the store is unavailable, or a limit is reached
		w.Header().Set("Retry-After", "60")
	case web.Suspect: // many codes of the user's network were refused, perhaps because of other users
		w.Header().Set("Retry-After", "5")
	}
	h.cfg.Site.Show(w, r, page)
}

// endingKind returns the kind of the page for the outcome of a callback.
func endingKind(outcome string) web.Kind {
	switch outcome {
	case flow.EventGaveUp: // WeChat refused several codes in a row, so the engine stopped trying
		return web.Again
	case flow.EventSuspect: // this code was not sent, because many codes of the user's network were refused
		return web.Suspect
	case flow.OutcomeConsentMissing:
		return web.WeChatConsent
	case outcomeAgreementMissing:
		return web.Agreement
	case flow.OutcomeRefused:
		return web.Blocked // this package refuses sign-ins of blocked users only, see complete
	case flow.OutcomeUserRestricted:
		return web.Restricted
	case flow.OutcomeBusy, flow.OutcomeRateLimited, flow.EventUnavailable, flow.EventStoreFull:
		return web.Busy
	}
	return web.Fault
}

// EventSignIn is the kind of the event of a sign-in: a user signed in, or was refused because they
// are blocked.
const EventSignIn = "sign_in"

// complete records the authorization of a user in one transaction of the store: the user, their
// session, the event, and the outcome of the attempt (the redemption of the code). If the
// transaction fails, a.Finish stores the failure as the outcome. Repeated callbacks are answered
// from the outcome.
func (h *Handler) complete(
	ctx context.Context, r *http.Request, c *connector, a flow.Authorization,
) (flow.Outcome, error) {
	record, err := h.completion(ctx, r, c, a)
	if err != nil {
		return a.Finish(ctx, flow.OutcomeFault, "", err)
	}
	record.SignIn.KnownOnly = h.tooManyNewUsers(r) // only users that exist already are then signed in
	user, changes, err := h.cfg.Users.CompleteSignIn(ctx, record)
	switch {
	case errors.Is(err, gateway.ErrUnionIDRequired):
		return h.unionIDMissing(ctx, c, a)
	case errors.Is(err, gateway.ErrAgreementRequired):
		return a.Finish(ctx, outcomeAgreementMissing, "", nil)
	case errors.Is(err, gateway.ErrFull):
		return a.Finish(ctx, flow.OutcomeBusy, "", errors.New("signin: too many new users from one network"))
	case errors.Is(err, gateway.ErrConflict):
		// Nothing was stored. Either the lease of the attempt (the time limit for its outcome) has
		// passed, or another request has stored the outcome or the session.
		return flow.Outcome{}, fmt.Errorf("%w: %w", flow.ErrAttemptLost, err)
	case err != nil:
		err = fmt.Errorf("signin: record the sign-in: %w", flowError(err))
		if flow.IsTemporary(err) {
			return a.Finish(ctx, flow.OutcomeBusy, "", err)
		}
		return a.Finish(ctx, flow.OutcomeFault, "", err)
	}
	h.countNewUser(r, changes)
	for _, e := range changes { // the user was created, or joined with another
		h.cfg.Logger.InfoContext(ctx, "user changed", "kind", e.Kind, "user", e.UserID,
			"outcome", e.Outcome, "detail", e.Detail, "request_id", record.Event.RequestID)
	}
	if user.Status == gateway.Blocked {
		return flowOutcome(record.Refused), gateway.ErrBlocked
	}
	return flowOutcome(record.Outcome), nil
}

// completion converts an authorization into the record that the store writes.
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
		GroupAppIDs: c.Group, At: a.At, InitialStatus: gateway.Pending, UnionIDRequired: c.needsUnionID(),
		Agreement: h.AgreementRule(data.Tick, data.WithoutAgreement),
	}
	if a.Profile != nil {
		signIn.Profile = &gateway.Profile{Nickname: a.Profile.Nickname, AvatarURL: a.Profile.AvatarURL}
	}
	sessionData := session.Data{
		LoginRequestID: data.LoginRequestID, ProfileDeclined: h.profileDeclined(r.WithContext(ctx), a),
		Browser: useragent.Of(r).String(),
	}
	for _, scope := range a.Scopes {
		sessionData.Scopes = append(sessionData.Scopes, string(scope))
	}
	record := gateway.Completion{
		SignIn: signIn,
		Session: gateway.Session{
			Hash: session.Hash(id), Connector: c.Name, AppID: a.AppID, OpenID: a.OpenID, Method: string(a.Flow.Method),
			AuthTime: a.At, CreatedAt: a.At, SeenAt: a.At, ExpiresAt: h.cfg.Sessions.Expiry(a.At, a.At),
			Data: sessionData.Bytes(),
		},
		AttemptKey: a.Attempt.Key, Owner: a.Attempt.Owner,
		Outcome: gateway.Outcome{Kind: flow.OutcomeSignedIn, At: a.At},
		Refused: gateway.Outcome{Kind: flow.OutcomeRefused, At: a.At},
		Event: gateway.Event{Kind: EventSignIn, App: data.App, Connector: c.Name, Method: string(a.Flow.Method),
			RequestID: h.cfg.RequestID(r.Context())},
		Now: h.cfg.Now(),
	}
	if previous, sent := h.cfg.Sessions.CurrentHash(r); sent && previous != record.Session.Hash {
		record.Previous = previous // the store deletes the previous session: its cookie is replaced
	}
	return record, nil
}

// profileDeclined reports whether the user must not be asked for nickname and avatar in the new
// session. There are two reasons:
//
//   - WeChat did not return them although the user agreed. The user would be asked in a loop.
//   - The same user declined in the previous session of this browser.
func (h *Handler) profileDeclined(r *http.Request, a flow.Authorization) bool {
	if a.Profile != nil {
		return false
	}
	if slices.Contains(a.Scopes, wechat.ScopeUserInfo) {
		return true
	}
	previous, signedIn, err := h.Session(r)
	return err == nil && signedIn && previous.AppID == a.AppID && previous.OpenID == a.OpenID &&
		previous.ProfileDeclined
}
