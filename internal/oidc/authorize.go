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
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

func (h *Handler) authorize(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	switch r.Method {
	case http.MethodGet:
		h.authorizeGet(w, r)
	case http.MethodPost:
		h.authorizePost(w, r)
	default:
		notAllowed(w, "GET, POST")
	}
}

// authorizePost redirects to the same request by GET. A cross-site POST does not contain the
// session cookie, which is SameSite=Lax; the GET that follows does.
func (h *Handler) authorizePost(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil || !isForm(r) {
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	query := string(body)
	if r.URL.RawQuery != "" {
		query = r.URL.RawQuery + "&" + query
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	route.SeeOther(w, h.path+pathAuthorize+"?"+values.Encode())
}

func (h *Handler) authorizeGet(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	t, err := h.target(q)
	if err != nil {
		h.showError(w, r, "authorize", err, links{})
		return
	}
	req, err := t.parse(q)
	if err != nil {
		h.refuse(w, t, err)
		return
	}
	if err = h.readIDTokenHint(r.Context(), t, req, q.Get("id_token_hint")); err == nil {
		err = h.admit(w, r, t, req)
	}
	if err != nil {
		h.authorizeFailed(w, r, t, req, err)
	}
}

// readIDTokenHint stores the subject that the app expects. A hint that cannot be verified (a
// replaced key is removed after months), or that was issued to another app, is ignored; with
// prompt=none it is an error, since the request may concern another user.
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
		return &Error{http.StatusUnauthorized, codeLoginRequired,
			"the id_token_hint is not an ID token that this app got here"}
	}
	return nil
}

// hint is the content of an ID token that this provider issued.
type hint struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
}

// readHint verifies the signature and the issuer, but not the expiry: RP-Initiated Logout, section
// 2, requires expired ID tokens to be accepted.
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

// authorizeFailed responds to a request that failed. It redirects to the app with an error when the
// app can act on it or when prompt=none forbids a page. Otherwise it shows a page with a link back
// to the app.
func (h *Handler) authorizeFailed(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest,
	err error) {
	e := protocolError(err)
	var page *pageError
	if isPage := errors.As(err, &page); t.noPages || !isPage && e.Status < 500 {
		if isPage {
			e = &Error{e.Status, codeInteraction, e.Description}
		}
		h.logFailure(r, e, err)
		h.refuse(w, t, e)
		return
	}
	if page == nil {
		err = fmt.Errorf("authorize for %s: %w", t.client.ID, err)
	}
	to := links{back: h.errorURL(t, e), retry: h.requestURL(req), registered: t.client.RedirectURIs}
	if page != nil && page.kind == web.WrongMethod {
		to.retry = h.requestURL(req, paramContinue, "1") // signs in again, by an accepted method
	}
	h.showError(w, r, "authorize", err, to)
}

// refuse redirects to the app with an error.
func (h *Handler) refuse(w http.ResponseWriter, t *redirectable, err error) {
	e := protocolError(err)
	h.observe("authorize", "", t.client, e)
	route.SeeOther(w, h.errorURL(t, e))
}

func (h *Handler) errorURL(t *redirectable, e *Error) string {
	return h.appURL(t, "error", e.Code, "error_description", e.Description)
}

func (h *Handler) toApp(w http.ResponseWriter, t *redirectable, pairs ...string) {
	route.SeeOther(w, h.appURL(t, pairs...))
}

// appURL adds parameters to the redirect URI and keeps its query. The parameter iss (RFC 9207)
// identifies this provider to an app that uses several.
func (h *Handler) appURL(t *redirectable, pairs ...string) string {
	q := url.Values{"iss": {h.cfg.Issuer}}
	if t.hasState {
		q.Set("state", t.state)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return addQuery(t.redirectURI, q)
}

func addQuery(address string, q url.Values) string {
	separator := "?"
	if u, err := url.Parse(address); err == nil && (u.RawQuery != "" || u.ForceQuery) {
		separator = "&"
		if u.ForceQuery {
			separator = ""
		}
	}
	return address + separator + q.Encode()
}

// admit responds to an authorize request: with a code for the app, or with the page or the sign-in
// that is required first. It returns an error for authorizeFailed to handle.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest) error {
	s, facts, err := h.facts(r, t, req)
	if err != nil {
		return err
	}
	var subject access.Subject
	next, err := admission.Check(facts, admission.Lookups{
		Access: func() (access.Decision, error) { return h.cfg.Access.Decide(r.Context(), s.User, req.client.App) },
		Subject: func() (state admission.Subject, err error) {
			subject, state, err = h.findSubject(r.Context(), req, s)
			return state, err
		},
	})
	if err != nil {
		return err
	}
	again := h.requestURL(req, paramLoginRequest, req.loginRequestID)
	switch next.Step {
	case admission.Cancelled:
		return &Error{http.StatusForbidden, codeAccessDenied, "the user chose not to sign in"}
	case admission.LoginRequired:
		return &Error{http.StatusUnauthorized, codeLoginRequired, "the user must sign in"}
	case admission.SignIn, admission.Reauthenticate:
		return h.begin(w, r, req, next.Step == admission.Reauthenticate)
	case admission.Confirm:
		page := web.ConfirmPage(req.client.App, s.User, h.requestURL(req, paramContinue, "1"))
		page.Back = h.requestURL(req, paramCancel, "1")
		h.cfg.Site.Show(w, r, page)
		return nil
	case admission.Wait:
		page := web.WaitingPage(req.client.App, s.User, again)
		page.Back = h.requestURL(req, paramCancel, "1")
		h.cfg.Site.Show(w, r, page)
		return nil
	case admission.Deny, admission.InteractionRequired:
		return &pageError{next.Page, req.client}
	case admission.AskProfile:
		if h.cfg.SignIn.AskProfile(w, r, s, again) {
			return nil
		}
	}
	code, err := h.newCode(r.Context(), req, s, subject)
	switch {
	case errors.Is(err, gateway.ErrBlocked) || errors.Is(err, gateway.ErrNotFound):
		return &pageError{web.Refused, req.client}
	case errors.Is(err, gateway.ErrConflict):
		return &pageError{web.SubjectTaken, req.client}
	case err != nil:
		return err
	}
	h.observe("authorize", "", req.client, nil)
	h.toApp(w, t, "code", code)
	return nil
}

// facts returns the facts about the request and about the session of its browser.
func (h *Handler) facts(r *http.Request, t *redirectable, req *authorizeRequest) (session.Browser, admission.Facts,
	error) {
	f := admission.Facts{
		Returned: req.loginRequestID != "", Confirmed: req.proceed, Cancelled: req.cancel, NoPages: t.noPages,
		Reauthenticate: req.reauthenticates(), LimitsAge: req.maxAge >= 0,
		WantsProfile: slices.Contains(req.scopes, scopeProfile),
	}
	if req.cancel {
		return session.Browser{}, f, nil
	}
	s, signedIn, err := h.cfg.SignIn.Session(r)
	if signedIn {
		now := h.cfg.Now()
		f.SetSession(s, req.client.App, h.requestURL(req), req.loginRequestID, now)
		f.TooOld = req.maxAge >= 0 && now.Sub(s.AuthTime) > req.maxAge
	}
	return s, f, err
}

// findSubject returns the subject of the user in this app. When the app expects another subject, it
// returns admission.SubjectOther.
func (h *Handler) findSubject(ctx context.Context, req *authorizeRequest, s session.Browser) (access.Subject,
	admission.Subject, error) {
	subjects := h.subjects()
	found, err := subjects.Find(ctx, req.client.ID, req.client.Subject, s.User.ID, s.Session)
	if err == nil && req.expectedSub != "" {
		found.Value, err = subjects.Pin(ctx, req.client.ID, s.User.ID, found, h.cfg.Now())
		found.Pinned = true
		if err == nil && found.Value != req.expectedSub {
			req.prompt = []string{"login"} // the user must be able to sign in as another user
			return found, admission.SubjectOther, nil
		}
	}
	state, err := admission.SubjectOf(err)
	return found, state, err
}

func (h *Handler) subjects() access.Subjects {
	return access.Subjects{Identities: h.cfg.Users, Pins: h.cfg.Subjects}
}

// begin redirects the browser to sign in.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, req *authorizeRequest, reauthenticate bool) error {
	var confirmed []string
	if req.proceed {
		confirmed = []string{paramContinue, "1"} // the confirmation stays valid if the user restarts the sign-in
	}
	id := admission.NewLoginRequestID(h.requestURL(req))
	l := session.LoginRequest{
		ID: id, ReturnURL: h.requestURL(req, append(confirmed, paramLoginRequest, id)...),
		RestartURL: h.requestURL(req, confirmed...),
		CancelURL:  h.requestURL(req, paramCancel, "1"), App: req.client.App,
		Connector:      access.SubjectConnector(req.client.Subject),
		Reauthenticate: reauthenticate, Consent: req.reauthenticates(),
		Profile: slices.Contains(req.scopes, scopeProfile), UILocales: req.uiLocales,
	}
	if len(l.ReturnURL) > session.MaxReturn {
		return badRequest("the request is too long to be carried through sign-in; shorten state, nonce or redirect_uri")
	}
	return h.cfg.SignIn.Begin(w, r, l)
}

// newCode stores a code and the grant that it opens.
func (h *Handler) newCode(ctx context.Context, req *authorizeRequest, s session.Browser,
	subject access.Subject) (string, error) {
	now := h.cfg.Now()
	code := newToken()
	expires := now.Add(req.client.Lifetimes.Code)
	c := gateway.Code{
		Hash: sha256.Sum256([]byte(code)), RedirectURI: req.redirectURI, Challenge: req.challenge, Nonce: req.nonce,
		ExpiresAt: expires,
		Grant: gateway.Grant{
			ID: gateway.NewID(), App: req.client.ID, UserID: s.User.ID, Scopes: req.scopes, AuthTime: s.AuthTime,
			Session: s.Hash, Connector: s.Connector, AppID: s.AppID, OpenID: s.OpenID, CreatedAt: now,
			ExpiresAt: expires,
		},
	}
	if subject.Pinned {
		c.Grant.Subject = subject.Value
	} else {
		c.PinSubject = subject.Value // the store uses the pinned subject if there is one
	}
	if err := h.cfg.Grants.PutCode(ctx, c); err != nil {
		return "", err
	}
	h.recent.put(c)
	return code, nil
}

// newToken returns 256 random bits in base64url: a code, an access token.
func newToken() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
