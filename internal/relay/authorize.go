package relay

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// codeLifetime is the documented lifetime of WeChat's codes for official accounts. WeChat's codes
// for website apps live for 10 minutes. Here both kinds live for 5 minutes, since apps redeem a
// code immediately.
const codeLifetime = 5 * time.Minute

// Values of the parameter website of serveAuthorize.
const (
	officialAccount = false
	websiteApp      = true
)

// authorize serves /connect/oauth2/authorize, which apps with an official account use.
func (h *Handler) authorize(w http.ResponseWriter, r *http.Request) {
	h.serveAuthorize(w, r, officialAccount)
}

// qrConnect serves /connect/qrconnect, which website apps use.
func (h *Handler) qrConnect(w http.ResponseWriter, r *http.Request) {
	h.serveAuthorize(w, r, websiteApp)
}

// serveAuthorize serves both authorize endpoints. One sign-in calls it at least twice: when the app
// sends the browser here, and when the browser returns from the sign-in to the same address.
func (h *Handler) serveAuthorize(w http.ResponseWriter, r *http.Request, website bool) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	req := &request{website: website}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		h.showError(w, r, req, &pageError{kind: web.MethodNotAllowed})
		return
	}
	parsed, err := h.parse(r, website)
	if err == nil {
		req = parsed
		err = h.admit(w, r, req)
	}
	if err != nil {
		h.showError(w, r, req, err)
	}
}

// admit responds to a valid request with the next step: a redirect to the app with a code, a page,
// or a redirect to sign in. It leaves errors to its caller.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, req *request) error {
	browser, signedIn, err := h.cfg.SignIn.Session(r)
	if err != nil {
		return err
	}
	// A login request is a sign-in that this request requires. The browser returns from the sign-in
	// with the login request's id in the address, and the new session has the same id. SetSession
	// compares the two ids and sets Answered. Confirmed means that the user has agreed to sign in
	// again. forcePopup is a parameter of WeChat: show the consent page each time.
	facts := admission.Facts{
		Returned: req.loginRequestID != "", Confirmed: req.confirmed, Reauthenticate: req.forcePopup,
		WantsProfile: wantsProfile(req.scopes) || req.app.AskProfile,
	}
	if signedIn {
		facts.SetSession(browser, req.app.App, h.requestURL(req), req.loginRequestID, h.cfg.Now())
	}
	// Check calls a lookup only if the next step depends on its result. The lookup Subject finds the
	// user's openid for this app. It also sets identity, which storeCode needs.
	var identity gateway.Identity
	next, err := admission.Check(facts, admission.Lookups{
		Access: func() (access.Decision, error) { return h.cfg.Access.Decide(r.Context(), browser.User, req.app.App) },
		Subject: func() (admission.Subject, error) {
			var known bool
			identity, known, err = access.IdentityAt(r.Context(), h.cfg.Users, h.cfg.AppIDs, browser.User.ID, browser.Session,
				req.connector())
			if err == nil && !known {
				return admission.SubjectNoOpenID, nil
			}
			return admission.SubjectOf(err)
		},
	})
	if err != nil {
		return err
	}
	switch next.Step { // all steps after which the browser makes this request again
	case admission.SignIn, admission.Reauthenticate, admission.Confirm, admission.Wait, admission.AskProfile,
		admission.AskAgreement:
		if !h.shorten(w, r, req) { // shorten has written a response
			return nil
		}
	}
	sameRequest := h.continueURL(req, paramLoginRequest, req.loginRequestID)
	// Two steps continue below the switch: Admit, and AskProfile if the user is not asked.
	switch next.Step {
	case admission.SignIn, admission.Reauthenticate:
		return h.beginSignIn(w, r, req, next.Step == admission.Reauthenticate)
	case admission.Confirm:
		h.show(w, r, web.ConfirmPage(req.app.App, browser.User, h.continueURL(req, paramContinue, "1")))
		return nil
	case admission.Wait, admission.Deny:
		if accessrequest.Handles(next) {
			return h.explainAccess(w, r, req, browser, next)
		}
		return &pageError{kind: next.Page, app: req.app, retry: h.retryURL(req, next.Page, facts.Answered),
			logAttrs: sessionAttrs(req, browser, signedIn)}
	case admission.AskAgreement:
		h.cfg.SignIn.AskAgreement(w, r, browser, sameRequest)
		return nil
	case admission.AskProfile:
		if h.cfg.SignIn.AskProfile(w, r, browser, sameRequest) {
			return nil
		}
	}
	return h.sendCode(w, r, req, browser, identity)
}

// explainAccess responds to a user whom the access rule of the app does not admit. The page
// explains what the user can do. web.Waiting, the page of a user who waits for approval, is not
// counted as an error.
func (h *Handler) explainAccess(w http.ResponseWriter, r *http.Request, req *request, browser session.Browser,
	next admission.Next) error {
	sameRequest := h.continueURL(req, paramLoginRequest, req.loginRequestID)
	kind, err := h.cfg.Requests.Respond(w, r, next, accessrequest.Applicant{
		App: req.app.App, Browser: browser, Continue: sameRequest,
		WantsProfile: wantsProfile(req.scopes) || req.app.AskProfile,
		Page: web.Page{Home: h.path + "/", Rejection: web.Rejection{Request: "relay", App: req.app.ID,
			Attrs: sessionAttrs(req, browser, true)}},
	})
	if err == nil && kind != web.Waiting {
		h.cfg.Observe(Observation{Endpoint: req.endpoint(), App: req.app.ID, Outcome: string(kind)})
	}
	return err
}

// retryURL returns the address at which a denied user can try again. It is "" if the user would be
// denied again. answered reports whether the user has just signed in for this request. If so,
// another sign-in would use the same method and connector, and be denied too. For a session with a
// wrong sign-in method, the address has paramContinue: the user agrees to sign in again.
func (h *Handler) retryURL(req *request, page web.Kind, answered bool) string {
	switch {
	case page == web.NotSignedIn || page == web.NoOpenID && !answered:
		return h.requestURL(req)
	case page == web.WrongMethod && !answered:
		return h.requestURL(req, paramContinue, "1")
	}
	return ""
}

// beginSignIn redirects the browser to sign in.
func (h *Handler) beginSignIn(w http.ResponseWriter, r *http.Request, req *request, reauthenticate bool) error {
	id := admission.NewLoginRequestID(h.requestURL(req))
	return h.cfg.SignIn.Begin(w, r, session.LoginRequest{
		ID: id, ReturnURL: h.continueURL(req, paramLoginRequest, id), RestartURL: h.continueURL(req),
		CopyURL: h.requestURL(req), App: req.app.App, Connector: req.connector(),
		Reauthenticate: reauthenticate, Consent: req.forcePopup,
		Profile:   wantsProfile(req.scopes) || req.app.AskProfile,
		UILocales: req.language(),
	})
}

// sendCode redirects to the app with a code.
func (h *Handler) sendCode(w http.ResponseWriter, r *http.Request, req *request, browser session.Browser,
	identity gateway.Identity) error {
	code, err := h.storeCode(r.Context(), req, browser, identity)
	if err != nil {
		return err
	}
	h.cfg.Observe(Observation{Endpoint: req.endpoint(), App: req.app.ID, Outcome: "ok"})
	to := withCode(req.redirectURI, code, req.state, req.website)
	// An app's link to this endpoint ends with #wechat_redirect. A browser keeps this fragment after
	// the redirect, unless the redirect has a fragment too. WeChat's own browser removes it.
	if !h.cfg.InWeChat(r) {
		to = withEmptyFragment(to)
	}
	h.cfg.Site.Redirect(w, r, http.StatusFound, to) // 302, as WeChat
	return nil
}

// storeCode returns a new code. It stores the code with a grant: the record that this user has
// authorized this app. The grant becomes usable when the app redeems the code.
func (h *Handler) storeCode(ctx context.Context, req *request, browser session.Browser,
	identity gateway.Identity) (string, error) {
	now := h.cfg.Now()
	code := newCode()
	err := h.cfg.Grants.PutCode(ctx, gateway.Code{
		Hash: sha256.Sum256([]byte(code)), ExpiresAt: now.Add(codeLifetime),
		Grant: gateway.Grant{
			ID: gateway.NewID(), App: req.app.ID, UserID: browser.User.ID, Subject: identity.OpenID, Scopes: req.scopes,
			AuthTime: browser.AuthTime, Session: browser.First, // the first: a renewed session keeps its grants
			Connector: identity.Connector, AppID: identity.AppID, OpenID: identity.OpenID, Method: browser.Method,
			CreatedAt: now, ExpiresAt: now.Add(codeLifetime),
		},
	})
	if errors.Is(err, gateway.ErrBlocked) || errors.Is(err, gateway.ErrNotFound) { // the user, since the session was read
		return "", &pageError{kind: web.Refused, app: req.app, logAttrs: sessionAttrs(req, browser, true)}
	}
	return code, err
}

// newCode returns a code in the format of WeChat's codes: 32 letters and digits, beginning with 0.
// A code of this package is "01" and 30 random characters (178 bits).
func newCode() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := []byte("01")
	var b [64]byte
	for len(out) < 32 {
		rand.Read(b[:])
		for _, c := range b {
			// Six random bits have 64 values, and the alphabet has 62 characters. The two values
			// beyond the alphabet are dropped, so that all characters are equally likely.
			index := int(c & 63)
			if index < len(alphabet) && len(out) < 32 {
				out = append(out, alphabet[index])
			}
		}
	}
	return string(out)
}

// tokenText encodes bytes in the format of WeChat's tokens since 2018: a number, "_", and 107
// characters of base64url.
func tokenText(raw []byte) string { return "61_" + base64.RawURLEncoding.EncodeToString(raw) }

const tokenSize = 80 // bytes, which are 107 characters in base64url

func newToken() string {
	raw := make([]byte, tokenSize)
	rand.Read(raw)
	return tokenText(raw)
}

// pageError is an error that is shown to the user on a page. The app receives no error, because
// WeChat sends none either.
type pageError struct {
	kind     web.Kind
	app      *App        // nil = not known
	retry    string      // where to try again; "" = nowhere
	logAttrs []slog.Attr // for the log, as in web.Rejection
}

func (e *pageError) Error() string { return "relay: page " + string(e.kind) }

// showError responds with an error page.
func (h *Handler) showError(w http.ResponseWriter, r *http.Request, req *request, err error) {
	var known *pageError
	if !errors.As(err, &known) {
		known = &pageError{kind: web.Fault, app: req.app}
		if unavailable(err) {
			known.kind = web.Busy
		}
		if req.app != nil {
			known.retry = h.requestURL(req)
			err = fmt.Errorf("%s for %s: %w", req.endpoint(), req.app.ID, err)
		}
	}
	page, app := web.Page{Kind: known.kind, Go: known.retry}, ""
	if known.app != nil {
		page.App, app = known.app.Name, known.app.ID
	}
	clientGone := r.Context().Err() != nil
	if known.kind.Status() >= http.StatusInternalServerError && !clientGone {
		h.cfg.Logger.ErrorContext(r.Context(), "relay request failed", "error", err, "request_id",
			h.cfg.RequestID(r.Context()))
	}
	page.Rejection = web.Rejection{Request: "relay", App: app, Attrs: known.logAttrs}
	h.cfg.Observe(Observation{Endpoint: req.endpoint(), App: app, Outcome: string(known.kind)})
	h.show(w, r, page)
}

// sessionAttrs returns the facts of a session that decide whether the app accepts it. They are for
// the log.
func sessionAttrs(req *request, browser session.Browser, signedIn bool) []slog.Attr {
	if !signedIn {
		return []slog.Attr{slog.Bool("signed_in", false)}
	}
	return []slog.Attr{
		slog.String("user", browser.User.ID), slog.String("status", string(browser.User.Status)),
		slog.String("method", browser.Method), slog.Any("methods", req.app.Methods),
		slog.String("access", string(req.app.Access.Rule)), slog.String("connector", browser.Connector),
		slog.String("app_connector", req.connector()),
	}
}

// show renders a page. No page has a link back to the app: WeChat's pages have none either, and an
// app that was written for WeChat expects no error at its callback.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, p web.Page) {
	p.Home = h.path + "/"
	h.cfg.Site.Show(w, r, p)
}

// unavailable reports whether err means that the store is unavailable.
func unavailable(err error) bool { return web.KindOf(err) == web.Busy }
