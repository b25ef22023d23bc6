package signin

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the agreement of users to the administrator's documents (Config.Agreement)
// during a sign-in. agreed.go contains the agreement of users who are signed in.
//
// Before a browser is sent to WeChat for the first time, it shows the agreement page. The user is
// not known yet. The tick in the box belongs to this sign-in: it is stored for the user whom WeChat
// then names (session.Tick). The browser remembers that the page was shown and need not be shown
// again. This does not count as an agreement: another user may use the browser. A user without an
// agreement gets the page after WeChat has named the user. Nothing about the user is stored then.

// agreement reads and sets the cookies of the agreement page.
//
// The cookie "a" records that the page need not be shown before the redirect to WeChat. Its value is
// "VERSION.RANDOM", and VERSION is the beginning of the hash of the agreement. RANDOM makes the
// cookies of two browsers differ, and is never read. A user who forges the cookie only skips the
// page: the store has the agreements of the users.
//
// The cookie "t" has a session.Tick, encrypted. The next sign-in of this browser uses it and deletes
// it.
type agreement struct {
	current gateway.Agreement // without a time; zero = users do not have to agree
	version string            // "" = users do not have to agree
	cookies cookie.Set
	ticks   *seal.Sealer
	now     func() time.Time
}

const (
	cookieAgreement = "a"
	cookieTick      = "b"                  // for box
	agreedFor       = 365 * 24 * time.Hour // browsers delete a cookie after 400 days at the latest
	asked           = "asked"              // in place of VERSION: the page was shown
	askedFor        = time.Hour
	tickedFor       = 10 * time.Minute // a sign-in must begin within this time after the tick
	versionLength   = 12
)

// newAgreement returns the agreement to current.
func newAgreement(current gateway.Agreement, keys [][]byte, cookies cookie.Set, now func() time.Time) (agreement,
	error) {
	a := agreement{current: current, cookies: cookies, now: now}
	if !current.IsZero() {
		if len(current.Hash) < versionLength {
			return a, errors.New("signin: Config.Agreement: not made with gateway.NewAgreement")
		}
		a.version = current.Hash[:versionLength]
	}
	var err error
	if a.ticks, err = seal.New(keys, "signin agreement"); err != nil {
		return a, fmt.Errorf("signin: Config.Keys: %w", err)
	}
	return a, nil
}

// read reports whether the browser has the cookie, and whether the page with the present version
// need not be shown.
func (a *agreement) read(r *http.Request) (wasAsked, agreed bool) {
	for c := range a.cookies.Named(r, cookieAgreement) {
		version, _, _ := strings.Cut(c.Value, ".")
		wasAsked, agreed = true, agreed || version == a.version
	}
	return wasAsked, agreed
}

// remember sets the cookie for the time age. version is a.version or asked.
func (a *agreement) remember(w http.ResponseWriter, version string, age time.Duration) {
	http.SetCookie(w, a.cookies.New(cookieAgreement, version+"."+rand.Text(), age))
}

// keepTick stores a tick in the browser, for the sign-in that the browser starts next.
func (a *agreement) keepTick(w http.ResponseWriter, tick *session.Tick) error {
	plain, err := json.Marshal(tick)
	if err != nil {
		return fmt.Errorf("signin: %w", err)
	}
	sealed, err := a.ticks.Seal(cookieTick, plain)
	if err == nil {
		http.SetCookie(w, a.cookies.New(cookieTick, sealed, tickedFor))
	}
	return err
}

// takeTick returns the tick that the browser has for the sign-in that it starts now, and deletes it
// from the browser: another user of this browser must not use it. It returns nil if there is none.
func (a *agreement) takeTick(w http.ResponseWriter, r *http.Request) (found *session.Tick) {
	sent := false
	for c := range a.cookies.Named(r, cookieTick) {
		sent = true
		var tick session.Tick
		plain, err := a.ticks.Open(cookieTick, c.Value)
		if err == nil && json.Unmarshal(plain, &tick) == nil && a.isValid(&tick) {
			found = &tick
		}
	}
	if sent {
		http.SetCookie(w, a.cookies.Clear(cookieTick))
	}
	return found
}

// dropTick deletes a tick that no sign-in has used. A user has signed in or out meanwhile, so the
// next sign-in of this browser may be another user's.
func (a *agreement) dropTick(w http.ResponseWriter, r *http.Request) { a.takeTick(w, r) }

// isValid reports whether a tick is for the present version, and recent enough to start a sign-in.
func (a *agreement) isValid(tick *session.Tick) bool {
	return tick.Version == a.version && a.now().Sub(time.Unix(tick.At, 0)) < tickedFor
}

// AgreementRule returns what a sign-in requires of the user's agreement. tick is the tick for this
// sign-in; nil = none. withoutAgreement is LoginRequest.WithoutAgreement.
func (h *Handler) AgreementRule(tick *session.Tick, withoutAgreement bool) gateway.AgreementRule {
	rule := gateway.AgreementRule{Required: h.agreement.current.Hash, Waived: withoutAgreement}
	if rule.Required != "" && tick != nil && tick.Version == h.agreement.version {
		given := h.agreement.current
		given.At = time.Unix(tick.At, 0).UTC()
		rule.Given = &given
	}
	return rule
}

// hasAgreed reports whether the agreement page need not be shown in this browser. If hasAgreed
// returns false, the caller renders the page with askToAgree. If the browser has no cookie yet,
// hasAgreed sets the cookie to "asked".
func (h *Handler) hasAgreed(w http.ResponseWriter, r *http.Request) bool {
	if h.agreement.version == "" {
		return true
	}
	wasAsked, agreed := h.agreement.read(r)
	if !wasAsked {
		// This cookie tests whether the browser stores cookies. If the form is sent without the
		// cookie, agree shows a page about cookies. Otherwise the agreement would be lost, and the
		// user would see the agreement page again and again.
		h.agreement.remember(w, asked, askedFor)
	}
	return agreed
}

// startChat redirects the browser to a sign-in through the chat of the connector's account. It
// renders the agreement page instead if the user has to agree first.
func (h *Handler) startChat(w http.ResponseWriter, r *http.Request, login session.LoginRequest, connector,
	method string) error {
	if !login.WithoutAgreement && !h.hasAgreed(w, r) {
		h.AskToAgree(w, r, login)
		return nil
	}
	login.Tick = h.agreement.takeTick(w, r)
	return h.cfg.Chat(w, r, login, connector, method)
}

// agreementQuestion is the data of the agreement page.
type agreementQuestion struct {
	target            // the sign-in to start again after the user has agreed
	cancel     string // where the browser continues if the user cancels; "" = the page has no such button
	app        string // name of the app; "" = not known
	boxMissing bool   // the form was sent without a tick in its box
	language   string
}

// AskToAgree renders the agreement page for a sign-in whose user has not agreed (see
// gateway.ErrAgreementRequired). After the user has agreed, the browser starts the sign-in again.
func (h *Handler) AskToAgree(w http.ResponseWriter, r *http.Request, login session.LoginRequest) {
	h.hasAgreed(w, r) // tests whether the browser stores cookies
	h.askToAgree(w, r, agreementQuestion{
		target: target{returnTo: login.ReturnURL, restartURL: login.RestartURL}, cancel: login.CancelURL,
		app: login.App.Name, language: lang.FromRequest(r),
	})
}

// askToAgree renders the agreement page.
func (h *Handler) askToAgree(w http.ResponseWriter, r *http.Request, q agreementQuestion) {
	fields := map[string]string{"return": q.returnTo, fieldVersion: h.agreement.version}
	if q.profile {
		fields["scope"] = "profile"
	}
	if q.cancel != "" {
		fields["cancel"] = q.cancel
	}
	if q.restartURL != "" {
		sealed, err := h.restarts.Seal(paramRestart, []byte(q.restartURL))
		if err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		fields[paramRestart] = sealed
	}
	page := web.Page{Kind: web.Agreement, Lang: q.language, App: q.app, Back: q.cancel, Forms: []web.Form{{
		// An app may have chosen the language, so it is passed on to the next page.
		Action: h.path + pathAgreement + "?ui_locales=" + url.QueryEscape(q.language),
		Label:  web.LabelAgree, Tick: true, Missed: q.boxMissing, Fields: fields,
	}}}
	if q.boxMissing {
		page.Status = http.StatusUnprocessableEntity
	}
	h.cfg.Site.Show(w, r, page)
}

// agree serves the form of the agreement page. It responds with a page that continues to the
// sign-in. A redirect would not work, because the agreement page has the policy form-action
// (Content-Security-Policy). With it, browsers block a form if a redirect leads to another origin,
// here WeChat.
func (h *Handler) agree(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.readForm(w, r)
	if !ok {
		return
	}
	if r.PostForm.Has(fieldSession) {
		h.agreeSignedIn(w, r, returnTo)
		return
	}
	t := target{returnTo: returnTo, profile: r.PostForm.Get("scope") == "profile"}
	t.restartURL, _ = h.openRestart(r.PostForm.Get(paramRestart))
	wasAsked, _ := h.agreement.read(r)
	switch {
	case h.agreement.version == "": // the setting was removed since the page was shown: continue
	case !wasAsked:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NoCookies, Go: h.startURL(t)})
		return
	case !h.showedPresent(r) || r.PostForm.Get("agree") != "1":
		q := agreementQuestion{target: t, cancel: r.PostForm.Get("cancel"), boxMissing: h.showedPresent(r),
			language: lang.FromRequest(r)}
		if !h.isOwnPath(q.cancel) {
			q.cancel = ""
		}
		h.askToAgree(w, r, q)
		return
	default:
		tick := &session.Tick{Version: h.agreement.version, At: h.cfg.Now().Unix()}
		if err := h.agreement.keepTick(w, tick); err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		h.agreement.remember(w, h.agreement.version, agreedFor)
	}
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: h.startURL(t), ContinueAfter: continueAfter})
}

// outcomeAgreementMissing is the outcome of a callback whose user has not agreed. Nothing about the
// user was stored.
const outcomeAgreementMissing = "agreement_missing"

// returnTick stores the tick of a sign-in in the browser again, if the sign-in was not completed: the
// user tries again. res is the result for a flow of this browser. The tick of a user whom WeChat has
// named and who may not sign in is not stored again: the next user of the browser is another one. The
// address of a page must not contain a tick: otherwise a link with an attacker's tick would count as
// the agreement of the user who opens it.
func (h *Handler) returnTick(w http.ResponseWriter, c *connector, res flow.Result) {
	if res.Flow == nil {
		return
	}
	failure, _ := c.engine.OpenFailure(res.Failure) // only flow.CallbackFailed has one
	if failure.Outcome == flow.OutcomeRefused || failure.Outcome == flow.OutcomeUserRestricted {
		return
	}
	data, err := decodeFlowData(res.Flow.Data)
	if err != nil || data.Tick == nil || !h.agreement.isValid(data.Tick) {
		return
	}
	// Without the cookie, the user sees the agreement page once more.
	_ = h.agreement.keepTick(w, data.Tick)
}
