package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

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
