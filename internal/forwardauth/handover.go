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

const handOverLife = 30 * time.Second

// Parameters of the hand-over, which is an address of the gateway that the browser carries through sign-in. None of them is a secret.
const (
	paramTo        = "to"        // origin of the host
	paramChallenge = "challenge" // of the nonce that the browser has there
	paramReturn    = "return"    // path on the host
	paramDemand    = "demand"    // what sign-in was asked for
	paramAnew      = "anew"      // the person pressed the button that signs in anew
	paramToken     = "token"
)

// errand is a hand-over that was asked for.
type errand struct {
	site      *site
	challenge string
	target    string
	demand    string
	anew      bool
}

// handOver takes a person who is signed in at the gateway to the host of an app. Who crafts its address for somebody else gains nothing: it leads to a
// host on the app's list, with a token that only the browser with the nonce can use.
func (h *Handler) handOver(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	e, reason := h.errand(r)
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
		h.failed(w, r, question{site: e.site, target: e.target}, err)
	}
}

func (h *Handler) errand(r *http.Request) (errand, Reason) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	for _, values := range q {
		if len(values) > 1 {
			return errand{}, ReasonRequest
		}
	}
	e := errand{site: h.origins[q.Get(paramTo)], challenge: q.Get(paramChallenge), target: cleanReturn(q.Get(paramReturn)), demand: q.Get(paramDemand), anew: q.Has(paramAnew)}
	switch {
	case err != nil || !isKey(e.challenge) || e.demand != "" && !isKey(e.demand):
		return e, ReasonRequest
	case e.site == nil:
		return e, ReasonUnknownHost
	}
	return e, ""
}

// address is the errand as an address of the gateway.
func (h *Handler) address(e errand) string {
	q := url.Values{paramTo: {e.site.origin}, paramChallenge: {e.challenge}, paramReturn: {e.target}}
	if e.demand != "" {
		q.Set(paramDemand, e.demand)
	}
	if e.anew {
		q.Set(paramAnew, "1")
	}
	return h.path + pathHandOver + "?" + q.Encode()
}

// stop is a reason for which a person cannot go on.
type stop struct {
	reason  Reason
	account *gateway.Account
}

func (s *stop) Error() string { return "forwardauth: a person cannot go on: " + string(s.reason) }

func (h *Handler) stopPage(e errand, s *stop) Page {
	page := Page{Reason: s.reason, Status: http.StatusForbidden, App: e.site.app.Name, Account: s.account, Home: h.cfg.URL + "/"}
	again := e
	again.anew = false
	switch s.reason {
	case ReasonWaiting:
		page.Refresh, page.Status = true, http.StatusOK
	case ReasonDoor:
		again.demand, again.anew = "", true
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
func (h *Handler) run(w http.ResponseWriter, r *http.Request, e errand) error {
	s, signedIn, err := h.cfg.SignIn.Session(r)
	if err != nil {
		return err
	}
	app := e.site.app
	answered := signedIn && e.demand != "" && s.Demand == e.demand
	switch {
	case !signedIn && e.demand != "":
		// Sent to sign in, and back without a session. To send the browser once more could go on for ever.
		return &stop{reason: ReasonNotSignedIn}
	case !signedIn:
		return h.begin(w, r, e, false)
	case len(app.Doors) > 0 && !slices.Contains(app.Doors, s.Door):
		if e.anew && !answered {
			return h.begin(w, r, e, true)
		}
		return &stop{reason: ReasonDoor, account: &s.Account}
	}
	decision, err := h.cfg.Access.Allow(r.Context(), s.Account, app.App)
	if err != nil {
		return err
	}
	if reason := reasonOf(decision); reason != "" {
		return &stop{reason: reason, account: &s.Account}
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
	see(w, e.site.origin+pathFinish+"?"+url.Values{paramToken: {token}, paramReturn: {e.target}}.Encode())
	return nil
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, e errand, fresh bool) error {
	e.demand = newKey()
	d := session.Demand{ID: e.demand, Return: h.address(e), App: e.site.app.App, Entry: access.SubjectEntry(e.site.app.Subject), Fresh: fresh, Profile: true}
	if len(d.Return) > session.MaxReturn {
		e.target = "/"
		d.Return = h.address(e)
	}
	return h.cfg.SignIn.Begin(w, r, d)
}

// newToken stores a hand-over. The grant of the host session exists from here on, and dies with what ends grants: a block, signing out everywhere.
func (h *Handler) newToken(ctx context.Context, e errand, s session.Browser, subject string) (string, error) {
	now := h.cfg.Now()
	token := newKey()
	expires := now.Add(handOverLife)
	err := h.cfg.Grants.PutCode(ctx, gateway.Code{
		Hash: sha256.Sum256([]byte(token)), RedirectURI: e.site.origin, Challenge: e.challenge, ExpiresAt: expires,
		Family: gateway.Family{ID: gateway.NewID(), App: e.site.app.ID, AccountID: s.Account.ID, Subject: subject, AuthTime: s.AuthTime,
			Session: s.Hash, Entry: s.Entry, AppID: s.AppID, OpenID: s.OpenID, CreatedAt: now, ExpiresAt: expires},
	})
	switch {
	case errors.Is(err, gateway.ErrBlocked):
		return "", &stop{reason: ReasonBlocked, account: &s.Account}
	case errors.Is(err, gateway.ErrNotFound):
		return "", &stop{reason: ReasonNotSignedIn}
	}
	return token, err
}

// subject is what the site is told as X-Weigate-User.
func (h *Handler) subject(ctx context.Context, app *App, s session.Browser) (string, error) {
	subjects := access.Subjects{Identities: h.cfg.People, Pins: h.cfg.Subjects}
	subject, err := subjects.Subject(ctx, app.ID, app.Subject, s.Account.ID, s.Session, h.cfg.Now())
	switch {
	case errors.Is(err, access.ErrNoOpenID):
		return "", &stop{reason: ReasonNoOpenID, account: &s.Account}
	case errors.Is(err, access.ErrNoUnionID):
		return "", &stop{reason: ReasonNoUnionID, account: &s.Account}
	case errors.Is(err, gateway.ErrConflict):
		return "", &stop{reason: ReasonSubjectTaken, account: &s.Account}
	case errors.Is(err, gateway.ErrNotFound):
		return "", &stop{reason: ReasonNotSignedIn}
	}
	return subject, err
}
