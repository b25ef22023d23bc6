package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the two choices that a browser remembers: the agreement to the terms, and the
// sign-in method. Begin reads both before it sends a browser to WeChat.

// agreement reads and sets the cookie that records that the user of this browser agreed to the
// terms (Config.Agreement). The cookie is not encrypted: a user who forges it only skips the page.
//
// The value of the cookie is "VERSION.RANDOM". VERSION is a hash of the address of the terms. If
// the address changes, every user is asked again. RANDOM makes the cookies of two browsers differ,
// and is never read.
type agreement struct {
	version string // "" = users do not have to agree
	cookies cookie.Set
}

const (
	cookieAgreement = "a"
	agreedFor       = 365 * 24 * time.Hour // browsers delete a cookie after 400 days at the latest
	asked           = "asked"              // in place of VERSION: the page was shown
	askedFor        = time.Hour
)

// newAgreement returns the agreement to the terms at an address; "" = there are no terms.
func newAgreement(address string, cookies cookie.Set) agreement {
	a := agreement{cookies: cookies}
	if address != "" {
		sum := sha256.Sum256([]byte(address))
		a.version = hex.EncodeToString(sum[:6])
	}
	return a
}

// read reports whether the browser has the cookie, and whether its user agreed to the present
// version.
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

// hasAgreed reports whether the user of this browser has agreed, or does not have to. If hasAgreed
// returns false, the caller renders the agreement page with askToAgree. If the browser has no
// cookie yet, hasAgreed sets the cookie to "asked".
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

// agreementQuestion is the data of the agreement page.
type agreementQuestion struct {
	target            // the sign-in to start again after the user has agreed
	cancel     string // where the browser continues if the user cancels; "" = the page has no such button
	app        string // name of the app; "" = not known
	boxMissing bool   // the form was sent without a tick in its box
	language   string
}

// askToAgree renders the agreement page.
func (h *Handler) askToAgree(w http.ResponseWriter, r *http.Request, q agreementQuestion) {
	fields := map[string]string{"return": q.returnTo}
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
	t := target{returnTo: returnTo, profile: r.PostForm.Get("scope") == "profile"}
	t.restartURL, _ = h.openRestart(r.PostForm.Get(paramRestart))
	wasAsked, _ := h.agreement.read(r)
	switch {
	case h.agreement.version == "": // the setting was removed since the page was shown: continue
	case !wasAsked:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NoCookies, Go: h.startURL(t)})
		return
	case r.PostForm.Get("agree") != "1":
		q := agreementQuestion{target: t, cancel: r.PostForm.Get("cancel"), boxMissing: true, language: lang.FromRequest(r)}
		if !h.isOwnPath(q.cancel) {
			q.cancel = ""
		}
		h.askToAgree(w, r, q)
		return
	default:
		h.agreement.remember(w, h.agreement.version, agreedFor)
	}
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: h.startURL(t), ContinueAfter: continueAfter})
}

// preference reads and sets the cookie with the sign-in method that the user chose, for ten
// minutes. The cookie is not encrypted: it selects one of the methods that are available anyway.
//
// The value of the cookie is "METHOD.REQUEST.RANDOM". REQUEST is a hash of the address that starts
// the sign-in. The choice therefore applies to this sign-in only. RANDOM makes the cookies of two
// browsers differ, and is never read.
type preference struct{ cookies cookie.Set }

const (
	cookiePreference = "d"
	preferredFor     = 10 * time.Minute
	methodChoice     = "choose" // in links, in place of a method: delete the cookie, so that the user chooses
)

// isChoice reports whether the user can choose a method on the page of methods.
func isChoice(method string) bool {
	switch method {
	case MethodScan, MethodWebsite, MethodMessage, MethodFollow:
		return true
	}
	return false
}

// read returns the method that the user chose for the sign-in that starts at the address request,
// or "".
func (p *preference) read(r *http.Request, request string) string {
	for c := range p.cookies.Named(r, cookiePreference) {
		method, rest, _ := strings.Cut(c.Value, ".")
		hash, _, _ := strings.Cut(rest, ".")
		if hash == requestHash(request) && isChoice(method) {
			return method
		}
	}
	return ""
}

// store sets the cookie after the user clicked the link of a method. For methodChoice it deletes
// the cookie. It ignores a link on another site, because another site must not choose for the user.
func (p *preference) store(w http.ResponseWriter, r *http.Request, request, method string) {
	switch r.Header.Get("Sec-Fetch-Site") {
	// "" is a browser from before 2020 (iOS: 2023), which does not send the header. "none" is an
	// address that the user typed or opened from a bookmark.
	case "", "none", "same-origin":
	default:
		return
	}
	switch {
	case isChoice(method):
		value := method + "." + requestHash(request) + "." + rand.Text()
		http.SetCookie(w, p.cookies.New(cookiePreference, value, preferredFor))
	case method == methodChoice:
		http.SetCookie(w, p.cookies.Clear(cookiePreference))
	}
}

// requestHash returns the hash of a request's address for the cookie of preference.
func requestHash(request string) string {
	sum := sha256.Sum256([]byte(request))
	return hex.EncodeToString(sum[:8])
}
