package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// authorize serves the authorize endpoint. One sign-in requests it at least twice: when the app
// sends the browser to it, and when the browser returns from the sign-in to the same address.
func (h *Handler) authorize(w http.ResponseWriter, r *http.Request) {
	setPrivate(w)
	switch r.Method {
	case http.MethodGet:
		h.authorizeGet(w, r)
	case http.MethodPost:
		h.authorizePost(w, r)
	default:
		notAllowed(w, "GET, POST")
	}
}

// authorizePost redirects the browser to the same request by GET. The session cookie is
// SameSite=Lax, so a browser does not send it with a POST from another site. The browser sends
// the cookie with the GET that follows.
func (h *Handler) authorizePost(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil || !isForm(r) {
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, pageLinks{})
		return
	}
	query := string(body)
	if r.URL.RawQuery != "" {
		query = r.URL.RawQuery + "&" + query
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, pageLinks{})
		return
	}
	h.cfg.Site.Redirect(w, r, http.StatusSeeOther, h.path+pathAuthorize+"?"+values.Encode())
}

func (h *Handler) authorizeGet(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case savedrequest.TooLong(r):
		h.showError(w, r, "authorize", &pageError{kind: web.AddressTooLong}, pageLinks{})
		return
	case err != nil:
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, pageLinks{})
		return
	}
	t, err := h.parseClient(q)
	if err != nil {
		h.showError(w, r, "authorize", err, pageLinks{})
		return
	}
	req, err := t.parse(q)
	if err != nil {
		h.redirectError(w, r, t, err)
		return
	}
	err = h.readIDTokenHint(r.Context(), t, req, q.Get("id_token_hint"))
	if err == nil {
		err = h.admit(w, r, t, req)
	}
	if err != nil {
		h.authorizeFailed(w, r, t, req, err)
	}
}

// readIDTokenHint sets req.expectedSub to the sub of the id_token_hint. A hint is invalid if it was
// issued to another app. It is also invalid if its signature cannot be verified, for example after
// its key was removed. An invalid hint is ignored, except with prompt=none. With prompt=none it is
// an error: the app expects a certain user, and no page may ask who the user is.
func (h *Handler) readIDTokenHint(ctx context.Context, t *redirectable, req *authorizeRequest, token string) error {
	if token == "" {
		return nil
	}
	hint, err := h.readHint(ctx, token)
	if err == nil && hint.Audience == req.client.ID {
		req.expectedSub = hint.Subject
		return nil
	}
	if t.noPages {
		return newError(http.StatusUnauthorized, codeLoginRequired,
			"the id_token_hint is not an ID token that this app got here").because("id_token_hint_invalid")
	}
	return nil
}

// hint is the content of an ID token that this provider issued.
type hint struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
}

// readHint verifies the signature and the issuer of an id_token_hint, but not its expiry: OpenID
// Connect RP-Initiated Logout, section 2, requires expired ID tokens to be accepted.
func (h *Handler) readHint(ctx context.Context, token string) (*hint, error) {
	claims, err := h.cfg.Keys.Verify(ctx, keys.TypeJWT, token)
	if err != nil {
		return nil, err
	}
	var out hint
	if err := json.Unmarshal(claims, &out); err != nil || out.Issuer != h.cfg.Issuer {
		return nil, keys.ErrToken
	}
	return &out, nil
}

// admit responds to a valid request with the next step: a redirect to the app with a code, a page,
// or a redirect to sign in. It leaves errors to its caller.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest) error {
	browser, facts, err := h.facts(r, t, req)
	if err != nil {
		return err
	}
	// Check calls a lookup only if the next step depends on its result. The second lookup also sets
	// subject, which newCode needs.
	var subject access.Subject
	next, err := admission.Check(facts, admission.Lookups{
		Access: func() (access.Decision, error) {
			return h.cfg.Access.Decide(r.Context(), browser.User, req.client.App)
		},
		Subject: func() (state admission.Subject, err error) {
			subject, state, err = h.findSubject(r.Context(), req, browser)
			return state, err
		},
	})
	if err != nil {
		return err
	}
	switch next.Step { // after each of these steps, the browser makes this request again
	case admission.SignIn, admission.Reauthenticate, admission.Confirm, admission.Wait, admission.AskProfile,
		admission.AskAgreement:
		if !h.shorten(w, r, req) {
			return nil // shorten has responded
		}
	}
	sameRequest := h.continueURL(req, paramLoginRequest, req.loginRequestID)
	// Two steps continue below the switch: Admit, and AskProfile if the user is not asked.
	switch next.Step {
	case admission.Cancelled:
		return newError(http.StatusForbidden, codeAccessDenied, "the user chose not to sign in").because("cancelled")
	case admission.LoginRequired:
		return newError(http.StatusUnauthorized, codeLoginRequired, "the user must sign in").
			because(codeLoginRequired, sessionAttrs(req.client, browser, facts.SignedIn)...)
	case admission.SignIn, admission.Reauthenticate:
		return h.beginSignIn(w, r, req, next.Step == admission.Reauthenticate)
	case admission.Confirm:
		page := web.ConfirmPage(req.client.App, browser.User, h.continueURL(req, paramContinue, "1"))
		page.Back = h.continueURL(req, paramCancel, "1")
		h.cfg.Site.Show(w, r, page)
		return nil
	case admission.Wait, admission.Deny, admission.InteractionRequired:
		if accessrequest.Handles(next) {
			return h.explainAccess(w, r, t, req, browser, next)
		}
		return &pageError{kind: next.Page, client: req.client,
			logAttrs: sessionAttrs(req.client, browser, facts.SignedIn)}
	case admission.AskAgreement:
		h.cfg.SignIn.AskAgreement(w, r, browser, sameRequest)
		return nil
	case admission.AskProfile:
		if h.cfg.SignIn.AskProfile(w, r, browser, sameRequest) {
			return nil
		}
	}
	// A native app cannot prove its identity, so the user must consent to each request.
	if req.client.needsConsent(req.redirectURI) && !h.hasConsent(req, browser) {
		return h.askConsent(w, r, t, req, browser)
	}
	code, err := h.newCode(r.Context(), req, browser, subject)
	switch {
	case errors.Is(err, gateway.ErrBlocked) || errors.Is(err, gateway.ErrNotFound):
		// The user was blocked or deleted after Session returned the user.
		return &pageError{kind: web.Refused, client: req.client, logAttrs: sessionAttrs(req.client, browser, true)}
	case errors.Is(err, gateway.ErrConflict):
		return &pageError{kind: web.SubjectTaken, client: req.client,
			logAttrs: sessionAttrs(req.client, browser, true)}
	case err != nil:
		return err
	}
	h.observe("authorize", "", req.client, nil)
	h.respond(w, r, t, "code", code)
	return nil
}

// explainAccess responds to a user whom the access rule of the app does not admit: it shows how to
// get access. The page's button back to the app sends the error access_denied to the app.
func (h *Handler) explainAccess(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest,
	browser session.Browser, next admission.Next) error {
	sameRequest := h.continueURL(req, paramLoginRequest, req.loginRequestID)
	denied := &pageError{kind: next.Page, client: req.client, logAttrs: sessionAttrs(req.client, browser, true)}
	page := web.Page{Back: h.continueURL(req, paramCancel, "1"), AlreadyLogged: true}
	if next.Step != admission.Wait && t.mode != ModeFormPost { // a link cannot send the form
		page.Back = ""
		page.BackToApp = web.ToApp(h.errorURL(t, protocolError(denied)), t.client.RedirectURIs)
	}
	kind, err := h.cfg.Requests.Respond(w, r, next, accessrequest.Applicant{
		App: req.client.App, Browser: browser, Continue: sameRequest, Page: page, WantsProfile: wantsProfile(req),
	})
	if err == nil && kind != web.Waiting {
		denied.kind = kind
		h.observe("authorize", "", req.client, protocolError(denied))
		h.logRejection(r, "authorize", req.client, denied)
	}
	return err
}

// wantsProfile reports whether the user is asked for nickname and avatar.
func wantsProfile(req *authorizeRequest) bool {
	return slices.Contains(req.scopes, scopeProfile) || req.client.AskProfile
}

// facts returns the browser's session, and the facts from which package admission decides the
// next step. A request that the user has cancelled needs no session.
func (h *Handler) facts(r *http.Request, t *redirectable, req *authorizeRequest) (session.Browser, admission.Facts,
	error) {
	f := admission.Facts{
		Returned: req.loginRequestID != "", Confirmed: req.confirmed, Cancelled: req.cancel, NoPages: t.noPages,
		Reauthenticate: req.reauthenticates(), LimitsAge: req.maxAge >= 0,
		WantsProfile: wantsProfile(req),
	}
	if req.cancel {
		return session.Browser{}, f, nil
	}
	browser, signedIn, err := h.cfg.SignIn.Session(r)
	if signedIn {
		now := h.cfg.Now()
		f.SetSession(browser, req.client.App, h.requestURL(req), req.loginRequestID, now)
		f.TooOld = req.maxAge >= 0 && now.Sub(browser.AuthTime) > req.maxAge
	}
	return browser, f, err
}

// findSubject returns the sub of the user in this app, and whether the app accepts the user. If the
// app expects another user (id_token_hint), the second result is admission.SubjectOther. Then
// findSubject sets req.prompt to "login" for the sign-in that follows: WeChat shows its consent
// page, where the user can choose another account.
func (h *Handler) findSubject(ctx context.Context, req *authorizeRequest, browser session.Browser) (access.Subject,
	admission.Subject, error) {
	subjects := access.Subjects{Identities: h.cfg.Users, Pins: h.cfg.Subjects, AppIDs: h.cfg.AppIDs}
	found, err := subjects.Find(ctx, req.client.ID, req.client.Subject, browser.User.ID, browser.Session)
	if err == nil && req.expectedSub != "" {
		// A pin is the first sub that an app received for a user. The app always receives this sub, so
		// the pin is compared. Pin returns the pin of the user. If the user has none, Pin stores
		// found.Value as the pin.
		found.Value, err = subjects.Pin(ctx, req.client.ID, browser.User.ID, found, h.cfg.Now())
		found.Pinned = true
		if err == nil && found.Value != req.expectedSub {
			req.prompt = []string{"login"}
			return found, admission.SubjectOther, nil
		}
	}
	state, err := admission.SubjectOf(err)
	return found, state, err
}

// beginSignIn redirects the browser to sign in. Afterwards the browser returns to the authorize
// endpoint.
func (h *Handler) beginSignIn(w http.ResponseWriter, r *http.Request, req *authorizeRequest,
	reauthenticate bool) error {
	// If the user has agreed to sign in again, both addresses below keep this confirmation. A sign-in
	// that is restarted does not ask the user again.
	var confirmation []string
	if req.confirmed {
		confirmation = []string{paramContinue, "1"}
	}
	id := admission.NewLoginRequestID(h.requestURL(req))
	login := session.LoginRequest{
		ID:             id,
		App:            req.client.App,
		ReturnURL:      h.continueURL(req, append(confirmation, paramLoginRequest, id)...),
		RestartURL:     h.continueURL(req, confirmation...),
		CopyURL:        h.requestURL(req),
		CancelURL:      h.continueURL(req, paramCancel, "1"),
		Connector:      access.SubjectConnector(req.client.Subject),
		Reauthenticate: reauthenticate,
		Consent:        req.reauthenticates(), // WeChat's consent page; consent.go serves another page
		Profile:        wantsProfile(req),
		UILocales:      req.uiLocales,
	}
	return h.cfg.SignIn.Begin(w, r, login)
}

// newCode returns a new code. It stores the code with a grant: the record that this user has
// authorized this app. The grant becomes usable when the app redeems the code.
func (h *Handler) newCode(ctx context.Context, req *authorizeRequest, browser session.Browser,
	subject access.Subject) (string, error) {
	now := h.cfg.Now()
	code := newToken()
	expires := now.Add(req.client.Lifetimes.Code)
	c := gateway.Code{
		Hash: sha256.Sum256([]byte(code)), RedirectURI: req.redirectURI, Challenge: req.challenge, Nonce: req.nonce,
		ExpiresAt: expires,
		Grant: gateway.Grant{
			ID: gateway.NewID(), App: req.client.ID, UserID: browser.User.ID, Scopes: req.scopes,
			AuthTime: browser.AuthTime, Session: browser.First, Connector: browser.Connector,
			AppID: browser.AppID, OpenID: browser.OpenID, Method: browser.Method, CreatedAt: now, ExpiresAt: expires,
		},
	}
	if req.client.BackchannelLogoutURI != "" {
		c.LogoutSessionID = sessionID(req.client.ID, browser.First)
	}
	if subject.Pinned {
		c.Grant.Subject = subject.Value
	} else {
		c.PinSubject = subject.Value // the store pins this sub, unless the user has a pin in this app
	}
	if err := h.cfg.Grants.PutCode(ctx, c); err != nil {
		return "", err
	}
	h.codes.put(c) // saves the redemption a read of the store
	return code, nil
}

// newToken returns 256 random bits in base64url, for a code or an access token.
func newToken() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// authorizeFailed responds to a request that failed. Errors of the protocol are sent to the app.
// Page errors and failures of the server are shown to the user, on a page with a link back to the
// app. With prompt=none no page may be shown, so all errors are sent to the app.
func (h *Handler) authorizeFailed(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest,
	err error) {
	e := protocolError(err)
	var page *pageError
	isPage := errors.As(err, &page)
	if t.noPages || !isPage && e.Status < 500 {
		if isPage {
			e = newError(e.Status, codeInteraction, e.Description).because(string(page.kind), page.logAttrs...)
		}
		h.redirectError(w, r, t, e)
		return
	}
	if !isPage {
		err = fmt.Errorf("authorize for %s: %w", t.client.ID, err)
	}
	links := pageLinks{back: h.errorURL(t, e), retry: h.requestURL(req), registered: t.client.RedirectURIs}
	if t.mode == ModeFormPost { // the app expects a form, which a link cannot send
		links.back, links.cancel = "", h.requestURL(req, paramCancel, "1")
	}
	if isPage && page.kind == web.WrongMethod {
		links.retry = h.requestURL(req, paramContinue, "1") // the user signs in again, by an accepted method
	}
	h.showError(w, r, "authorize", err, links)
}

// redirectError sends an error to the app, and logs it.
func (h *Handler) redirectError(w http.ResponseWriter, r *http.Request, t *redirectable, err error) {
	e := protocolError(err)
	h.observe("authorize", "", t.client, e)
	h.logRejection(r, "authorize", t.client, err)
	h.respond(w, r, t, e.parameters()...)
}

func (h *Handler) errorURL(t *redirectable, e *Error) string { return h.appURL(t, e.parameters()...) }
