package relay

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

const (
	// codeLife is that of WeChat's codes for official accounts, in its documentation. Codes for website apps are said to live 10 minutes there; apps
	// redeem them at once.
	codeLife = 5 * time.Minute
	// demandLife is how long after an exchange the request that demanded it may still be completed by it.
	loginRequestLifetime = 10 * time.Minute
)

func (h *Handler) authorize(w http.ResponseWriter, r *http.Request) { h.begun(w, r, false) }

func (h *Handler) qrConnect(w http.ResponseWriter, r *http.Request) { h.begun(w, r, true) }

// begun is a person's browser at one of the two authorize addresses.
func (h *Handler) begun(w http.ResponseWriter, r *http.Request, website bool) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	req := &request{website: website}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		h.showProblem(w, r, req, &stop{http.StatusMethodNotAllowed, ReasonHTTPMethod, nil, ""})
		return
	}
	parsed, err := h.parse(r, website)
	if err == nil {
		req = parsed
		err = h.decide(w, r, req)
	}
	if err != nil {
		h.showProblem(w, r, req, err)
	}
}

// decide finds the session that fits the request, or sends the browser to get one.
func (h *Handler) decide(w http.ResponseWriter, r *http.Request, req *request) error {
	s, signedIn, err := h.cfg.SignIn.Session(r)
	switch {
	case err != nil:
		return err
	case !signedIn && req.loginRequestID != "":
		// Sent to sign in, and back without a session. To send the browser once more could go on for ever.
		return &stop{http.StatusForbidden, ReasonNotSignedIn, req.app, h.restartURL(req)}
	case !signedIn:
		return h.begin(w, r, req, req.forcePopup)
	}
	answered := h.loginRequestMatches(req) && s.LoginRequestID == req.loginRequestID && h.cfg.Now().Sub(s.AuthTime) < loginRequestLifetime
	method := len(req.app.Methods) == 0 || slices.Contains(req.app.Methods, s.Method)
	switch {
	case !method && answered:
		return &stop{http.StatusForbidden, ReasonMethod, req.app, ""}
	case !method && !req.proceed:
		return &stop{http.StatusForbidden, ReasonMethod, req.app, h.restartURL(req, paramContinue, "1")}
	case !method:
		return h.begin(w, r, req, true)
	case req.forcePopup && !answered && !req.proceed:
		// To open WeChat's consent page unasked is what makes WeChat show a snapshot page instead.
		h.cfg.Pages.Confirm(w, r, ConfirmPage{AppName: req.app.Name, User: s.User, Continue: h.restartURL(req, paramContinue, "1")})
		return nil
	case req.forcePopup && !answered:
		return h.begin(w, r, req, true)
	}
	return h.complete(w, r, req, s, answered)
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, req *request, fresh bool) error {
	id := h.newLoginRequestID(req)
	return h.cfg.SignIn.Begin(w, r, session.LoginRequest{ID: id, RestartURL: h.restartURL(req), ReturnURL: h.restartURL(req, paramLoginRequest, id), App: req.app.App, Connector: req.connector(), Reauthenticate: fresh,
		Consent: req.forcePopup, Profile: wantsProfile(req.scopes), UILocales: req.language()})
}

// complete gives the app its code, when the person may use the app.
func (h *Handler) complete(w http.ResponseWriter, r *http.Request, req *request, s session.Browser, answered bool) error {
	decision, err := h.cfg.Access.Decide(r.Context(), s.User, req.app.App)
	switch {
	case err != nil:
		return err
	case decision == access.Pending:
		h.cfg.Pages.Waiting(w, r, WaitingPage{AppName: req.app.Name, User: s.User, Retry: h.restartURL(req, paramLoginRequest, req.loginRequestID)})
		return nil
	case decision != access.Allowed:
		return &stop{http.StatusForbidden, ReasonRefused, req.app, ""}
	}
	who, known, err := access.IdentityAt(r.Context(), h.cfg.Users, s.User.ID, s.Session, req.connector())
	switch {
	case err != nil:
		return err
	case !known && req.loginRequestID == "":
		// They came in through another entry. Through the one that the app wants they have never been: now they go there.
		return h.begin(w, r, req, true)
	case !known && answered:
		return &stop{http.StatusForbidden, ReasonNoOpenID, req.app, ""}
	case !known:
		return &stop{http.StatusForbidden, ReasonNoOpenID, req.app, h.restartURL(req)}
	}
	if wantsProfile(req.scopes) && h.cfg.SignIn.AskProfile(w, r, s, h.restartURL(req, paramLoginRequest, req.loginRequestID)) {
		return nil
	}
	code, err := h.newCode(r.Context(), req, s, who)
	if err != nil {
		return err
	}
	h.cfg.Observe(Observation{req.endpoint(), req.app.ID, "ok"})
	to := withCode(req.redirectURI, code, req.state, req.website)
	if !h.cfg.InWeChat(r) {
		to = withoutInherited(to)
	}
	// 302 as WeChat answers.
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
	return nil
}

// newCode stores a code and the family that it opens.
func (h *Handler) newCode(ctx context.Context, req *request, s session.Browser, who gateway.Identity) (string, error) {
	now := h.cfg.Now()
	code := newCode()
	err := h.cfg.Grants.PutCode(ctx, gateway.Code{
		Hash: sha256.Sum256([]byte(code)), ExpiresAt: now.Add(codeLife),
		Grant: gateway.Grant{ID: gateway.NewID(), App: req.app.ID, UserID: s.User.ID, Subject: who.OpenID, Scopes: req.scopes, AuthTime: s.AuthTime,
			Session: s.Hash, Connector: who.Connector, AppID: who.AppID, OpenID: who.OpenID, CreatedAt: now, ExpiresAt: now.Add(codeLife)},
	})
	if errors.Is(err, gateway.ErrBlocked) || errors.Is(err, gateway.ErrNotFound) {
		return "", &stop{http.StatusForbidden, ReasonRefused, req.app, ""}
	}
	return code, err
}

// newCode makes a code of the form that WeChat's have: 32 letters and digits of which the first is 0. 30 of them are random, 178 bits.
func newCode() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := []byte("01")
	var b [64]byte
	for len(out) < 32 {
		rand.Read(b[:])
		for _, c := range b {
			if c &= 63; int(c) < len(alphabet) && len(out) < 32 { // 62 of 64 values: no character is likelier than another
				out = append(out, alphabet[c])
			}
		}
	}
	return string(out)
}

// tokenText has the form of WeChat's tokens since 2018: a number, "_", 107 characters of base64url.
func tokenText(raw []byte) string { return "61_" + base64.RawURLEncoding.EncodeToString(raw) }

const tokenSize = 80 // bytes, 107 characters

func newToken() string {
	raw := make([]byte, tokenSize)
	rand.Read(raw)
	return tokenText(raw)
}

// stop is a reason for which a person cannot go on. They get a page that says why; the app hears nothing, as from WeChat.
type stop struct {
	status int
	reason Reason
	app    *App   // nil = not known
	retry  string // where to begin again; "" = nowhere
}

func (s *stop) Error() string { return "relay: a person cannot go on: " + string(s.reason) }

// showProblem answers a person with an error page.
func (h *Handler) showProblem(w http.ResponseWriter, r *http.Request, req *request, err error) {
	var s *stop
	switch {
	case errors.As(err, &s):
	case unavailable(err):
		w.Header().Set("Retry-After", "5")
		s = &stop{http.StatusServiceUnavailable, ReasonUnavailable, req.app, ""}
	default:
		s = &stop{http.StatusInternalServerError, ReasonInternal, req.app, ""}
	}
	page := ProblemPage{Status: s.status, Reason: s.reason, Retry: s.retry}
	app := ""
	if s.app != nil {
		page.AppName, app = s.app.Name, s.app.ID
	}
	if s.status >= http.StatusInternalServerError && req.app != nil {
		page.Retry = h.restartURL(req)
		err = fmt.Errorf("%s for %s: %w", req.endpoint(), req.app.ID, err)
	}
	switch {
	case r.Context().Err() != nil:
	case s.status >= http.StatusInternalServerError:
		h.cfg.Logger.ErrorContext(r.Context(), "relay request failed", "error", err, "request_id", h.cfg.RequestID(r.Context()))
	default:
		h.cfg.Logger.InfoContext(r.Context(), "relay request refused", "endpoint", req.endpoint(), "app", app, "reason", string(s.reason),
			"request_id", h.cfg.RequestID(r.Context()))
	}
	h.cfg.Observe(Observation{req.endpoint(), app, string(s.reason)})
	h.cfg.Pages.Problem(w, r, page)
}

func unavailable(err error) bool {
	return errors.Is(err, gateway.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
