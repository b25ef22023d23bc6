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
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/session"
)

// demandLife is how long after an exchange the request that demanded it may still be completed by it.
const loginRequestLifetime = 10 * time.Minute

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

// authorizePost turns the form into the same request by GET. A POST from the app's site does not carry our SameSite cookie; the GET that follows does.
func (h *Handler) authorizePost(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil || !isForm(r) {
		h.showProblem(w, r, "authorize", &stop{http.StatusBadRequest, ReasonRequest, nil}, links{})
		return
	}
	query := string(body)
	if r.URL.RawQuery != "" {
		query = r.URL.RawQuery + "&" + query
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		h.showProblem(w, r, "authorize", &stop{http.StatusBadRequest, ReasonRequest, nil}, links{})
		return
	}
	redirectSeeOther(w, h.path+pathAuthorize+"?"+values.Encode())
}

func (h *Handler) authorizeGet(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		h.showProblem(w, r, "authorize", &stop{http.StatusBadRequest, ReasonRequest, nil}, links{})
		return
	}
	t, err := h.target(q)
	if err != nil {
		h.showProblem(w, r, "authorize", err, links{})
		return
	}
	req, err := t.parse(q)
	if err != nil {
		h.refuse(w, t, err)
		return
	}
	if err = h.takeHint(r.Context(), t, req, q.Get("id_token_hint")); err == nil {
		err = h.decide(w, r, t, req)
	}
	if err != nil {
		h.authorizeFailed(w, r, t, req, err)
	}
}

// decide finds the session that fits the request, or sends the browser to get one. It returns what is left for authorizeFailed.
func (h *Handler) decide(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest) error {
	if req.cancel {
		return &Error{http.StatusForbidden, codeAccessDenied, "the person chose not to sign in"}
	}
	s, signedIn, err := h.cfg.SignIn.Session(r)
	if err != nil {
		return err
	}
	if !signedIn {
		if t.mayNotShowPages {
			return &Error{http.StatusUnauthorized, codeLoginRequired, "nobody is signed in"}
		}
		if req.loginRequestID != "" {
			// Sent to sign in, and back without a session. To send the browser once more could go on for ever.
			return &stop{http.StatusForbidden, ReasonNotSignedIn, req.client}
		}
		return h.begin(w, r, req, req.asksAnew() || req.maxAge >= 0)
	}
	answered := h.loginRequestMatches(req) && s.LoginRequestID == req.loginRequestID && h.cfg.Now().Sub(s.AuthTime) < loginRequestLifetime
	switch fit := h.fits(req, s); {
	case answered && !fit.method:
		return &stop{http.StatusForbidden, ReasonMethod, req.client}
	case answered:
	case t.mayNotShowPages && (!fit.age || !fit.method):
		return &Error{http.StatusUnauthorized, codeLoginRequired, "the person must sign in anew"}
	case req.asksAnew() && !req.proceed:
		h.cfg.Pages.Confirm(w, r, ConfirmPage{AppName: req.client.Name, User: s.User,
			Continue: h.restartURL(req, paramContinue, "1"), Cancel: h.restartURL(req, paramCancel, "1")})
		return nil
	case !fit.method && !req.proceed:
		// They are signed in, and would be asked to sign in without knowing why.
		return &stop{http.StatusForbidden, ReasonMethod, req.client}
	case req.asksAnew() || !fit.age || !fit.method:
		return h.begin(w, r, req, true)
	}
	return h.complete(w, r, t, req, s, answered)
}

type fit struct{ age, method bool }

func (h *Handler) fits(req *authorizeRequest, s session.Browser) fit {
	return fit{
		age:    req.maxAge < 0 || h.cfg.Now().Sub(s.AuthTime) <= req.maxAge,
		method: len(req.client.Methods) == 0 || slices.Contains(req.client.Methods, s.Method),
	}
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, req *authorizeRequest, fresh bool) error {
	id := h.newLoginRequestID(req)
	var confirmed []string
	if req.proceed {
		confirmed = []string{paramContinue, "1"} // who begins over on the way, such as to agree to something, has confirmed all the same
	}
	d := session.LoginRequest{ID: id, ReturnURL: h.restartURL(req, append(confirmed, paramLoginRequest, id)...), RestartURL: h.restartURL(req, confirmed...), App: req.client.App, Connector: access.SubjectConnector(req.client.Subject), Reauthenticate: fresh, Consent: req.asksAnew(),
		Profile: slices.Contains(req.scopes, scopeProfile), CancelURL: h.restartURL(req, paramCancel, "1"), UILocales: req.uiLocales}
	if len(d.ReturnURL) > session.MaxReturn {
		return badRequest("the request is too long to be carried through sign-in; shorten state, nonce or redirect_uri")
	}
	return h.cfg.SignIn.Begin(w, r, d)
}

// newDemand names a demand. The name holds a hash of the request, so that an answer to it is none to another request: what one app had asked for does
// not stand in for the new sign-in that another one wants.
func (h *Handler) newLoginRequestID(req *authorizeRequest) string {
	return rand.Text() + h.requestHash(req)
}

// madeFor says whether the demand that the request carries was made for this very request.
func (h *Handler) loginRequestMatches(req *authorizeRequest) bool {
	return len(req.loginRequestID) > imprintSize && strings.HasSuffix(req.loginRequestID, h.requestHash(req))
}

const imprintSize = 22 // 128 bits in base64url

func (h *Handler) requestHash(req *authorizeRequest) string {
	sum := sha256.Sum256([]byte(h.restartURL(req)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// complete gives the app its code, when the person may use the app.
func (h *Handler) complete(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest, s session.Browser, answered bool) error {
	decision, err := h.cfg.Access.Decide(r.Context(), s.User, req.client.App)
	if err != nil {
		return err
	}
	switch {
	case decision == access.Allowed:
	case decision == access.Pending && t.mayNotShowPages:
		return &Error{http.StatusForbidden, codeInteraction, "the person waits for approval"}
	case decision == access.Pending:
		h.cfg.Pages.Waiting(w, r, WaitingPage{AppName: req.client.Name, User: s.User, Retry: h.restartURL(req, paramLoginRequest, req.loginRequestID),
			Cancel: h.restartURL(req, paramCancel, "1")})
		return nil
	default:
		return &stop{http.StatusForbidden, ReasonRefused, req.client}
	}
	asksProfile := !t.mayNotShowPages && slices.Contains(req.scopes, scopeProfile)
	if asksProfile && h.cfg.SignIn.AskProfile(w, r, s, h.restartURL(req, paramLoginRequest, req.loginRequestID)) {
		return nil
	}
	code, err := "", error(gateway.ErrNotFound)
	if req.wantSub == "" {
		// Nearly always the app knows the person already, and asking by what name is the same question to the store as storing the code.
		code, err = h.newCode(r.Context(), req, s, "")
	}
	if errors.Is(err, gateway.ErrNotFound) {
		subject, pinning := h.subject(r.Context(), req.client, s)
		var missing *stop
		if errors.As(pinning, &missing) && missing.reason == ReasonNoOpenID && !answered && !t.mayNotShowPages {
			// They came in through another entry. Through the one that the app wants they have never been: now they go there.
			return h.begin(w, r, req, true)
		}
		if pinning != nil {
			return pinning
		}
		if req.wantSub != "" && req.wantSub != subject {
			if t.mayNotShowPages || answered {
				return &Error{http.StatusUnauthorized, codeLoginRequired, "another person is signed in than the id_token_hint names"}
			}
			req.prompt = []string{"login"}
			return h.decide(w, r, t, req)
		}
		code, err = h.newCode(r.Context(), req, s, subject)
	}
	if errors.Is(err, gateway.ErrBlocked) || errors.Is(err, gateway.ErrNotFound) {
		return &stop{http.StatusForbidden, ReasonRefused, req.client}
	}
	if err != nil {
		return err
	}
	h.observe("authorize", "", req.client, nil)
	h.toApp(w, t, "code", code)
	return nil
}

// newCode stores a code and the family that it opens. subject "" is the one that is pinned; gateway.ErrNotFound when none is.
func (h *Handler) newCode(ctx context.Context, req *authorizeRequest, s session.Browser, subject string) (string, error) {
	now := h.cfg.Now()
	code := newToken()
	expires := now.Add(req.client.Lifetimes.Code)
	c := gateway.Code{
		Hash: sha256.Sum256([]byte(code)), RedirectURI: req.redirectURI, Challenge: req.challenge, Nonce: req.nonce, ExpiresAt: expires,
		Grant: gateway.Grant{ID: gateway.NewID(), App: req.client.ID, UserID: s.User.ID, Subject: subject, Scopes: req.scopes, AuthTime: s.AuthTime,
			Session: s.Hash, Connector: s.Connector, AppID: s.AppID, OpenID: s.OpenID, CreatedAt: now, ExpiresAt: expires},
	}
	if err := h.cfg.Grants.PutCode(ctx, c); err != nil {
		return "", err
	}
	h.recent.put(c)
	return code, nil
}

// takeHint reads whom the app expects. A hint that cannot be checked (its key is gone after months), or that is another app's, is left out where a
// page may be shown, and means "not this person" where none may.
func (h *Handler) takeHint(ctx context.Context, t *redirectable, req *authorizeRequest, token string) error {
	if token == "" {
		return nil
	}
	hint, err := h.readHint(ctx, token)
	if err == nil && hint.Audience == req.client.ID {
		req.wantSub = hint.Subject
		return nil
	}
	if t.mayNotShowPages {
		return &Error{http.StatusUnauthorized, codeLoginRequired, "the id_token_hint is not an ID token that this app got here"}
	}
	return nil
}

// hint is an ID token of ours that came back.
type hint struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
}

// readHint checks the signature and the issuer, not the time: RP-Initiated Logout section 2 wants expired ID tokens taken.
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

// authorizeFailed chooses who hears of an error: the app, by redirect, when it can do something or no page may be shown; else the person, on a page
// with a way back to the app.
func (h *Handler) authorizeFailed(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest, err error) {
	e := protocol(err)
	var s *stop
	if isStop := errors.As(err, &s); t.mayNotShowPages || !isStop && e.Status < 500 {
		if isStop {
			e = &Error{e.Status, codeInteraction, e.Description}
		}
		h.logFailure(r, e, err)
		h.refuse(w, t, e)
		return
	}
	if s == nil {
		err = fmt.Errorf("authorize for %s: %w", t.client.ID, err)
	}
	way := links{back: h.errorAddress(t, e), retry: h.restartURL(req), own: t.client.RedirectURIs}
	if s != nil && s.reason == ReasonMethod {
		way.retry = h.restartURL(req, paramContinue, "1") // signs in anew; by which door, sign-in decides
	}
	h.showProblem(w, r, "authorize", err, way)
}

// refuse tells the app.
func (h *Handler) refuse(w http.ResponseWriter, t *redirectable, err error) {
	e := protocol(err)
	h.observe("authorize", "", t.client, e)
	redirectSeeOther(w, h.errorAddress(t, e))
}

func (h *Handler) errorAddress(t *redirectable, e *Error) string {
	return h.appAddress(t, "error", e.Code, "error_description", e.Description)
}

func (h *Handler) toApp(w http.ResponseWriter, t *redirectable, pairs ...string) {
	redirectSeeOther(w, h.appAddress(t, pairs...))
}

// appAddress adds parameters to the app's redirect address, whose own query is kept as it is. iss is RFC 9207: it tells an app with several providers
// which of them answered.
func (h *Handler) appAddress(t *redirectable, pairs ...string) string {
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

// see answers 303: the browser goes on by GET whatever it came by.
func redirectSeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// newToken is 256 random bits: a code, an access token.
func newToken() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
