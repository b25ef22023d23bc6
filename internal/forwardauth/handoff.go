package forwardauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

const handoffLifetime = 30 * time.Second

// Parameters of the hand-over, which is an address of the gateway that the browser carries through sign-in. None of them is a secret.
const (
	paramTo             = "to"        // origin of the host
	paramChallenge      = "challenge" // of the nonce that the browser has there
	paramReturn         = "return"    // path on the host
	paramLoginRequest   = "demand"    // what sign-in was asked for
	paramReauthenticate = "anew"      // the person pressed the button that signs in anew
	paramToken          = "token"
)

// errand is a hand-over that was asked for.
type handoff struct {
	site           *site
	challenge      string
	target         string
	loginRequestID string
	reauthenticate bool
}

// handOver takes a person who is signed in at the gateway to the host of an app. Who crafts its address for somebody else gains nothing: it leads to a
// host on the app's list, with a token that only the browser with the nonce can use.
func (h *Handler) serveHandoff(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	e, reason := h.parseHandoff(r)
	if reason != "" {
		h.cfg.Pages.Show(w, r, Page{Reason: reason, Status: http.StatusBadRequest, Home: h.cfg.URL + "/"})
		return
	}
	err := h.run(w, r, e)
	var s *stop
	switch {
	case errors.As(err, &s):
		h.cfg.Pages.Show(w, r, h.stopPage(e, s))
	case err != nil:
		h.failed(w, r, forwardedRequest{site: e.site, target: e.target}, err)
	}
}

func (h *Handler) parseHandoff(r *http.Request) (handoff, Reason) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	for _, values := range q {
		if len(values) > 1 {
			return handoff{}, ReasonRequest
		}
	}
	e := handoff{site: h.origins[q.Get(paramTo)], challenge: q.Get(paramChallenge), target: cleanReturn(q.Get(paramReturn)), loginRequestID: q.Get(paramLoginRequest), reauthenticate: q.Has(paramReauthenticate)}
	switch {
	case err != nil || !isKey(e.challenge) || e.loginRequestID != "" && !isKey(e.loginRequestID):
		return e, ReasonRequest
	case e.site == nil:
		return e, ReasonUnknownHost
	}
	return e, ""
}

// address is the errand as an address of the gateway.
func (h *Handler) address(e handoff) string {
	q := url.Values{paramTo: {e.site.origin}, paramChallenge: {e.challenge}, paramReturn: {e.target}}
	if e.loginRequestID != "" {
		q.Set(paramLoginRequest, e.loginRequestID)
	}
	if e.reauthenticate {
		q.Set(paramReauthenticate, "1")
	}
	return h.path + pathHandoff + "?" + q.Encode()
}

// stop is a reason for which a person cannot go on.
type stop struct {
	reason Reason
	owner  *gateway.User
}

func (s *stop) Error() string { return "forwardauth: a person cannot go on: " + string(s.reason) }

func (h *Handler) stopPage(e handoff, s *stop) Page {
	page := Page{Reason: s.reason, Status: http.StatusForbidden, App: e.site.app.Name, User: s.owner, Home: h.cfg.URL + "/"}
	again := e
	again.reauthenticate = false
	switch s.reason {
	case ReasonWaiting:
		page.Refresh, page.Status = true, http.StatusOK
	case ReasonMethod:
		again.loginRequestID, again.reauthenticate = "", true
	case ReasonNotSignedIn:
		page.Go = e.site.start(e.target) // over from the beginning, with a new nonce
		return page
	case ReasonSubjectTaken:
		page.Status = http.StatusConflict
	case ReasonBlocked:
		return page
	}
	page.Go = h.address(again)
	return page
}

// run answers the request, or says why it cannot.
func (h *Handler) run(w http.ResponseWriter, r *http.Request, e handoff) error {
	s, signedIn, err := h.cfg.SignIn.Session(r)
	if err != nil {
		return err
	}
	app := e.site.app
	answered := signedIn && e.loginRequestID != "" && s.LoginRequestID == e.loginRequestID
	switch {
	case !signedIn && e.loginRequestID != "":
		// Sent to sign in, and back without a session. To send the browser once more could go on for ever.
		return &stop{reason: ReasonNotSignedIn}
	case !signedIn:
		return h.begin(w, r, e, false)
	case len(app.Methods) > 0 && !slices.Contains(app.Methods, s.Method):
		if e.reauthenticate && !answered {
			return h.begin(w, r, e, true)
		}
		return &stop{reason: ReasonMethod, owner: &s.User}
	}
	decision, err := h.cfg.Access.Decide(r.Context(), s.User, app.App)
	if err != nil {
		return err
	}
	if reason := reasonOf(decision); reason != "" {
		return &stop{reason: reason, owner: &s.User}
	}
	if h.cfg.SignIn.AskProfile(w, r, s, h.address(e)) {
		return nil
	}
	subject, err := h.subject(r.Context(), app, s)
	var missing *stop
	if errors.As(err, &missing) && missing.reason == ReasonNoOpenID && !answered {
		// They came in through another entry. Through the one that the app knows people by they have never been: now they go there.
		return h.begin(w, r, e, true)
	}
	if err != nil {
		return err
	}
	token, err := h.newToken(r.Context(), e, s, subject)
	if err != nil {
		return err
	}
	redirectSeeOther(w, e.site.origin+pathFinish+"?"+url.Values{paramToken: {token}, paramReturn: {e.target}}.Encode())
	return nil
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, e handoff, fresh bool) error {
	e.loginRequestID = newKey()
	d := session.LoginRequest{ID: e.loginRequestID, ReturnURL: h.address(e), App: e.site.app.App, Connector: access.SubjectConnector(e.site.app.Subject), Reauthenticate: fresh, Profile: true}
	if len(d.ReturnURL) > session.MaxReturn {
		e.target = "/"
		d.ReturnURL = h.address(e)
	}
	d.RestartURL = e.site.start(e.target)
	return h.cfg.SignIn.Begin(w, r, d)
}

// newToken stores a hand-over. The grant of the host session exists from here on, and dies with what ends grants: a block, signing out everywhere.
func (h *Handler) newToken(ctx context.Context, e handoff, s session.Browser, subject string) (string, error) {
	now := h.cfg.Now()
	token := newKey()
	expires := now.Add(handoffLifetime)
	err := h.cfg.Grants.PutCode(ctx, gateway.Code{
		Hash: sha256.Sum256([]byte(token)), RedirectURI: e.site.origin, Challenge: e.challenge, ExpiresAt: expires,
		Grant: gateway.Grant{ID: gateway.NewID(), App: e.site.app.ID, UserID: s.User.ID, Subject: subject, AuthTime: s.AuthTime,
			Session: s.Hash, Connector: s.Connector, AppID: s.AppID, OpenID: s.OpenID, CreatedAt: now, ExpiresAt: expires},
	})
	switch {
	case errors.Is(err, gateway.ErrBlocked):
		return "", &stop{reason: ReasonBlocked, owner: &s.User}
	case errors.Is(err, gateway.ErrNotFound):
		return "", &stop{reason: ReasonNotSignedIn}
	}
	return token, err
}

// subject is what the site is told as X-Weigate-User.
func (h *Handler) subject(ctx context.Context, app *App, s session.Browser) (string, error) {
	subjects := access.Subjects{Identities: h.cfg.Users, Pins: h.cfg.Subjects}
	subject, err := subjects.Subject(ctx, app.ID, app.Subject, s.User.ID, s.Session, h.cfg.Now())
	switch {
	case errors.Is(err, access.ErrNoOpenID):
		return "", &stop{reason: ReasonNoOpenID, owner: &s.User}
	case errors.Is(err, access.ErrNoUnionID):
		return "", &stop{reason: ReasonNoUnionID, owner: &s.User}
	case errors.Is(err, gateway.ErrConflict):
		return "", &stop{reason: ReasonSubjectTaken, owner: &s.User}
	case errors.Is(err, gateway.ErrNotFound):
		return "", &stop{reason: ReasonNotSignedIn}
	}
	return subject, err
}
