package forwardauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

const (
	handoffLifetime   = 30 * time.Second
	maxLoginRequestID = 64 // bytes; ids of admission.NewLoginRequestID are shorter

	// repeatLifetime is how long a redeemed token may be redeemed again. The result is the same
	// session. The user may reload the page, and WeChat's browser may send a request twice.
	repeatLifetime = time.Minute
	// attemptLease is how long one request may take to redeem a token, while others wait.
	attemptLease = 10 * time.Second
	// attemptPoll is how often waiting requests read the store.
	attemptPoll = 50 * time.Millisecond
)

// Parameters of pathHandoff, and of the paths on a host: these have the return path and the token.
// Only the token is a secret, and it is useless without the nonce in the browser's cookie.
const (
	paramTo             = "to"             // origin of the site
	paramChallenge      = "challenge"      // PKCE challenge of the nonce in the browser's cookie on the site
	paramReturn         = "return"         // path on the site, percent-encoded
	paramCompactReturn  = "compact_return" // a long path on the site, in an encoding that needs fewer bytes
	paramLoginRequest   = "login_request"  // id of the sign-in from which the browser returns
	paramReauthenticate = "reauthenticate" // the user pressed the button that signs in again
	paramToken          = "token"          // one-time token of a handoff; only for pathFinish
)

// A handoff transfers a session from the gateway to a site: the host of an app that forward auth
// protects. Browsers do not send a cookie of one host to another host. Therefore serveHandoff makes
// a one-time token. The browser brings the token to the host. There Handler.finish (host.go) calls
// redeemOnce. The store keeps the token like an authorization code: PKCE binds it to a nonce in a
// cookie of this browser.

// handoff is a valid request to transfer the session to the host of a site.
type handoff struct {
	site           *site
	challenge      string // PKCE challenge of the nonce
	target         string // path on the site where the browser continues
	loginRequestID string // "" = the browser does not return from a sign-in
	reauthenticate bool   // the user has agreed to sign in again
	savedAs        string // the short address under which admit saved a long request; "" = not saved
}

// serveHandoff begins a handoff. An attacker may send a user an address of this path. This does no
// harm: the token goes to a host of a configured app, and is useless without the nonce.
func (h *Handler) serveHandoff(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	req, problem := h.parseHandoff(r)
	if problem != "" {
		h.cfg.Observe(Observation{Endpoint: "forward-auth", Outcome: string(problem)})
		h.cfg.Site.Show(w, r, web.Page{Kind: problem, Status: http.StatusBadRequest, Home: h.cfg.URL + "/",
			Rejection: web.Rejection{Request: "handoff", Attrs: []slog.Attr{
				slog.String("to", web.LoggedURL(r.URL.Query().Get(paramTo)))}}})
		return
	}
	outcome, err := h.admit(w, r, req)
	var known *pageError
	switch {
	case errors.As(err, &known):
		outcome = string(known.kind)
		h.cfg.Site.Show(w, r, h.problemPage(req, known))
	case err != nil:
		outcome = string(failureKind(err))
		h.showFailure(w, r, forwardedRequest{site: req.site, target: req.target}, err)
	}
	h.cfg.Observe(Observation{Endpoint: "forward-auth", App: req.site.app.ID, Outcome: outcome})
}

// parseHandoff returns the handoff that r requests. For an invalid request, it returns the kind of
// the error page.
func (h *Handler) parseHandoff(r *http.Request) (req handoff, problem web.Kind) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	// Other parameters are ignored: WeChat adds some to each link that a user shares.
	for _, name := range []string{paramTo, paramChallenge, paramReturn, paramLoginRequest, paramReauthenticate} {
		if len(q[name]) > 1 {
			return handoff{}, web.BadRequest
		}
	}
	req = handoff{
		site: h.sites.findOrigin(q.Get(paramTo)), challenge: q.Get(paramChallenge), target: readReturn(r.URL.RawQuery),
		loginRequestID: q.Get(paramLoginRequest), reauthenticate: q.Has(paramReauthenticate),
	}
	switch {
	case err != nil || !isSecret(req.challenge) || len(req.loginRequestID) > maxLoginRequestID:
		return req, web.BadRequest
	case req.site == nil:
		return req, web.UnknownHost
	}
	return req, ""
}

// address returns the handoff as an address of the gateway.
func (h *Handler) address(req handoff) string {
	address := req.savedAs
	if address == "" {
		address = h.path + pathHandoff + "?" + paramTo + "=" + req.site.origin + "&" + paramChallenge + "=" +
			req.challenge + "&" + returnParameter(req.target)
	}
	reauthenticate := "" // Join omits a parameter with an empty value
	if req.reauthenticate {
		reauthenticate = "1"
	}
	return savedrequest.Join(address, paramLoginRequest, req.loginRequestID, paramReauthenticate, reauthenticate)
}

// baseAddress returns the address that identifies the handoff. The address has no parameters of a
// sign-in, and is the same whether the handoff is saved or not.
func (h *Handler) baseAddress(req handoff) string {
	return h.address(handoff{site: req.site, challenge: req.challenge, target: req.target})
}

// pageError is an error that is shown to the user on a page of its own kind.
type pageError struct {
	kind     web.Kind
	user     *gateway.User // nil = no user is known
	logAttrs []slog.Attr   // for the log
}

func (e *pageError) Error() string { return "forwardauth: page " + string(e.kind) }

// problemPage returns the page for a user who was denied.
func (h *Handler) problemPage(req handoff, problem *pageError) web.Page {
	page := web.Page{Kind: problem.kind, App: req.site.app.Name, Home: h.cfg.URL + "/",
		Rejection: web.Rejection{Request: "handoff", App: req.site.app.ID, Attrs: problem.logAttrs}}
	if problem.user != nil {
		page.User = web.UserOf(*problem.user)
	}
	again := req
	again.reauthenticate = false
	switch problem.kind {
	case web.NotSignedIn:
		page.Go = req.site.startURL(req.target) // from the beginning, with a new nonce
		return page
	case web.Blocked:
		return page
	case web.WrongMethod: // the page's button signs in again, by another method
		again.loginRequestID, again.reauthenticate = "", true
	}
	page.Go = h.address(again)
	return page
}

// admit asks package admission for the next step. It then redirects to the host with a token,
// redirects to sign in, or renders a page. When admit returns an error, nothing was written.
// outcome is what was written, for metrics.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, req handoff) (outcome string, err error) {
	b, signedIn, err := h.cfg.SignIn.Session(r)
	if err != nil {
		return "", err
	}
	app := req.site.app
	facts := admission.Facts{Returned: req.loginRequestID != "", Confirmed: req.reauthenticate, WantsProfile: true}
	if signedIn {
		facts.SetSession(b, app.App, h.baseAddress(req), req.loginRequestID, h.cfg.Now())
	}
	var subject access.Subject
	next, err := admission.Check(facts, admission.Lookups{
		Access: func() (access.Decision, error) { return h.cfg.Access.Decide(r.Context(), b.User, app.App) },
		Subject: func() (admission.Subject, error) {
			subject, err = h.subjects().Find(r.Context(), app.ID, app.Subject, b.User.ID, b.Session)
			return admission.SubjectOf(err)
		},
	})
	if err != nil {
		return "", err
	}
	switch next.Step { // after each of these steps, the browser makes this request again
	case admission.SignIn, admission.Reauthenticate, admission.Wait, admission.AskProfile, admission.AskAgreement:
		short, ok := h.cfg.Saved.Shorten(w, r, h.baseAddress(req))
		if !ok { // Shorten has written a response
			return "sign_in", nil
		}
		if short != h.baseAddress(req) {
			req.savedAs = short
		}
	}
	switch next.Step {
	case admission.SignIn, admission.Reauthenticate:
		return "sign_in", h.beginSignIn(w, r, req, next.Step == admission.Reauthenticate)
	case admission.Wait, admission.Deny:
		if accessrequest.Handles(next) {
			return h.explainAccess(w, r, req, b, next)
		}
		return "", &pageError{next.Page, userOf(b, signedIn), sessionAttrs(req.site, b, signedIn)}
	case admission.AskAgreement:
		h.cfg.SignIn.AskAgreement(w, r, b, h.address(req))
		return string(web.AgreementChanged), nil
	case admission.AskProfile:
		if h.cfg.SignIn.AskProfile(w, r, b, h.address(req)) {
			return string(web.Profile), nil
		}
	}
	token, err := h.newToken(r.Context(), req, b, subject)
	if err != nil {
		return "", err
	}
	h.cfg.Site.Redirect(w, r, http.StatusSeeOther,
		req.site.origin+pathFinish+"?"+paramToken+"="+token+"&"+returnParameter(req.target))
	return "ok", nil
}

// explainAccess responds to a user whom the access rule of the app does not admit: it shows how to
// get access. It returns the outcome for metrics.
func (h *Handler) explainAccess(w http.ResponseWriter, r *http.Request, req handoff, b session.Browser,
	next admission.Next) (outcome string, err error) {
	kind, err := h.cfg.Requests.Respond(w, r, next, accessrequest.Applicant{
		App: req.site.app.App, Browser: b, Continue: h.address(req), WantsProfile: true,
		Page: web.Page{Home: h.cfg.URL + "/", Rejection: web.Rejection{Request: "handoff", App: req.site.app.ID,
			Attrs: sessionAttrs(req.site, b, true)}},
	})
	return string(kind), err
}

// sessionAttrs returns the facts by which an app accepts or rejects a session, for the log.
func sessionAttrs(s *site, b session.Browser, signedIn bool) []slog.Attr {
	attrs := []slog.Attr{slog.String("host", s.origin), slog.Bool("signed_in", signedIn)}
	if !signedIn {
		return attrs
	}
	return append(attrs, slog.String("user", b.User.ID), slog.String("status", string(b.User.Status)),
		slog.String("method", b.Method), slog.Any("methods", s.app.Methods),
		slog.String("access", string(s.app.Access.Rule)), slog.String("connector", b.Connector),
		slog.String("subject", s.app.Subject))
}

func userOf(b session.Browser, signedIn bool) *gateway.User {
	if !signedIn {
		return nil
	}
	return &b.User
}

// withLoginRequest returns a copy of the handoff with another login request id. Such an id ties a
// sign-in to the handoff that required it.
func (req handoff) withLoginRequest(loginRequestID string) handoff {
	req.loginRequestID = loginRequestID
	return req
}

// beginSignIn redirects the browser to sign in. If the sign-in fails, its pages link to the same
// handoff. Another browser does not have the nonce: the link to copy leads to the start on the
// host.
func (h *Handler) beginSignIn(w http.ResponseWriter, r *http.Request, req handoff, reauthenticate bool) error {
	id := admission.NewLoginRequestID(h.baseAddress(req))
	restart := handoff{site: req.site, challenge: req.challenge, target: req.target, savedAs: req.savedAs}
	return h.cfg.SignIn.Begin(w, r, session.LoginRequest{
		ID:             id,
		App:            req.site.app.App,
		ReturnURL:      h.address(req.withLoginRequest(id)),
		RestartURL:     h.address(restart),
		CopyURL:        req.site.startURL(req.target),
		Connector:      access.SubjectConnector(req.site.app.Subject),
		Reauthenticate: reauthenticate,
		Profile:        true,
	})
}

// newToken returns a new one-time token. It stores the token as a code, with the grant of the host
// session. The grant is revoked like all grants: when the user is blocked or signs out everywhere.
func (h *Handler) newToken(ctx context.Context, req handoff, b session.Browser,
	subject access.Subject) (string, error) {
	now := h.cfg.Now()
	token := newSecret()
	expires := now.Add(handoffLifetime)
	c := gateway.Code{
		Hash: sha256.Sum256([]byte(token)), RedirectURI: req.site.origin, Challenge: req.challenge,
		ExpiresAt: expires,
		Grant: gateway.Grant{
			ID: gateway.NewID(), App: req.site.app.ID, UserID: b.User.ID, AuthTime: b.AuthTime,
			Session: b.Hash, Connector: b.Connector, AppID: b.AppID, OpenID: b.OpenID, Method: b.Method,
			CreatedAt: now, ExpiresAt: expires,
		},
	}
	if subject.Pinned {
		c.Grant.Subject = subject.Value
	} else {
		// PutCode pins this subject, unless a subject is pinned already. The app always gets the
		// pinned subject for the user.
		c.PinSubject = subject.Value
	}
	err := h.cfg.Grants.PutCode(ctx, c)
	switch {
	case errors.Is(err, gateway.ErrBlocked):
		return "", &pageError{web.Blocked, &b.User, sessionAttrs(req.site, b, true)}
	case errors.Is(err, gateway.ErrConflict):
		return "", &pageError{web.SubjectTaken, &b.User, sessionAttrs(req.site, b, true)}
	case errors.Is(err, gateway.ErrNotFound):
		return "", &pageError{kind: web.NotSignedIn}
	}
	return token, err
}

func (h *Handler) subjects() access.Subjects {
	return access.Subjects{Identities: h.cfg.Users, Pins: h.cfg.Subjects, AppIDs: h.cfg.AppIDs}
}
