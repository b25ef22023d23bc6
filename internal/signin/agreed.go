package signin

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the agreement of users who are signed in: the documents have changed since the
// user agreed, or agreement was not required then.

// fieldSession is the field of the form with session.FormID. It identifies the session of the user
// whom the page asked.
const fieldSession = "session"

// fieldVersion is the field of both agreement pages with the version that the page shows. The
// documents can change between the page and its form: then the user has not seen the present ones.
const fieldVersion = "version"

// showedPresent reports whether the form of an agreement page is for the present documents.
func (h *Handler) showedPresent(r *http.Request) bool {
	return r.PostForm.Get(fieldVersion) == h.agreement.version
}

// AskAgreement redirects the browser to the page that asks a signed-in user to agree, and reports
// whether it did. It does so if the user has not agreed to the present documents
// (session.Browser.MustAgree). Afterwards the browser continues at returnTo.
func (h *Handler) AskAgreement(w http.ResponseWriter, _ *http.Request, b session.Browser, returnTo string) bool {
	if !b.MustAgree {
		return false
	}
	redirectSeeOther(w, h.path+pathAgreement+"?return="+url.QueryEscape(returnTo))
	return true
}

// showAgreement serves GET /sign-in/agreement.
func (h *Handler) showAgreement(w http.ResponseWriter, r *http.Request) {
	b, returnTo, ok := h.askedUser(w, r)
	switch {
	case !ok:
	case !b.MustAgree:
		redirectSeeOther(w, h.returns.Absolute(returnTo))
	default:
		h.askAgain(w, r, b, returnTo, false)
	}
}

// askAgain renders the page. A user who does not agree signs out, or continues at the home page,
// where they download their data or delete themselves.
func (h *Handler) askAgain(w http.ResponseWriter, r *http.Request, b session.Browser, returnTo string,
	boxMissing bool) {
	page := web.Page{Kind: web.AgreementChanged, User: web.UserOf(b.User), Home: h.path + "/", Forms: []web.Form{
		{Action: h.path + pathAgreement, Label: web.LabelAgreeAgain, Tick: true, Missed: boxMissing,
			Fields: map[string]string{"return": returnTo, fieldSession: session.FormID(b.Hash),
				fieldVersion: h.agreement.version}},
		{Action: h.path + pathSignOut, Label: web.LabelSignOut, Quiet: true,
			Fields: map[string]string{"return": h.path + "/"}},
	}}
	if boxMissing {
		page.Status = http.StatusUnprocessableEntity
	}
	h.cfg.Site.Show(w, r, page)
}

// agreeSignedIn serves the form of the page: it stores the agreement of the signed-in user, with its
// event.
func (h *Handler) agreeSignedIn(w http.ResponseWriter, r *http.Request, returnTo string) {
	b, signedIn, err := h.Session(r)
	switch {
	case err != nil:
		h.cfg.Site.Error(w, r, err)
		return
	case !signedIn || r.PostForm.Get(fieldSession) != session.FormID(b.Hash):
		// The session has ended, or another user has signed in since the page was shown: the page asks
		// the present user.
		route.SeeOther(w, h.path+pathAgreement+"?return="+url.QueryEscape(returnTo))
		return
	case b.MustAgree && !h.showedPresent(r):
		h.askAgain(w, r, b, returnTo, false)
		return
	case b.MustAgree && r.PostForm.Get("agree") != "1":
		h.askAgain(w, r, b, returnTo, true)
		return
	case b.MustAgree:
		err = h.storeAgreement(r, b)
	}
	if err != nil && !errors.Is(err, gateway.ErrNotFound) { // a deleted user has no session any more
		h.cfg.Site.Error(w, r, err)
		return
	}
	if h.agreement.version != "" {
		h.agreement.remember(w, h.agreement.version, agreedFor)
	}
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: returnTo, ContinueAfter: continueAfter})
}

// storeAgreement stores the agreement of the user of a browser to the present documents.
func (h *Handler) storeAgreement(r *http.Request, b session.Browser) error {
	now, given := h.cfg.Now(), h.agreement.current
	given.At = now
	_, err := h.cfg.Agreements.ChangeUser(r.Context(), gateway.UserChange{
		ID: b.User.ID, Now: now,
		Change: func(u *gateway.User) error {
			u.Agreement = given
			return nil
		},
		Event: gateway.Event{
			Kind: gateway.EventAgreed, Connector: b.Connector, Method: b.Method, Outcome: "ok",
			RequestID: h.cfg.RequestID(r.Context()), Detail: given.Describe(),
		},
	})
	return err
}
