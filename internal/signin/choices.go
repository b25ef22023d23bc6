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

// agreement remembers in the browser that the user ticked the box of the agreement page: in one
// cookie, which is not encrypted. A user who forges it only skips the page, and has agreed by that.
//
// Its value is "VERSION.RANDOM": a hash of the address of what was agreed to, and a part that differs
// from browser to browser, since the rate limit distinguishes browsers by the values of the gateway's cookies.
type agreement struct {
	version string // of the agreement; "" = nobody has to agree
	cookies cookie.Set
}

const (
	cookieAgreement = "a"
	agreedFor       = 365 * 24 * time.Hour // browsers forget after 400 days at the latest
	askedFor        = time.Hour
	asked           = "asked" // in place of a version: the page was shown
)

func newAgreement(address string, cookies cookie.Set) agreement {
	a := agreement{cookies: cookies}
	if address != "" {
		sum := sha256.Sum256([]byte(address))
		a.version = hex.EncodeToString(sum[:6])
	}
	return a
}

// read reports whether the user of this browser was asked, and whether they agreed to the present
// version.
func (a *agreement) read(r *http.Request) (wasAsked, agreed bool) {
	for _, c := range r.CookiesNamed(a.cookies.Name(cookieAgreement)) {
		version, _, _ := strings.Cut(c.Value, ".")
		wasAsked, agreed = true, agreed || version == a.version
	}
	return wasAsked, agreed
}

func (a *agreement) remember(w http.ResponseWriter, version string, age time.Duration) {
	http.SetCookie(w, a.cookies.New(cookieAgreement, version+"."+rand.Text(), age))
}

// hasAgreed reports whether the browser may be sent to WeChat. Every sign-in calls it. Where it is
// false, askToAgree follows.
func (h *Handler) hasAgreed(w http.ResponseWriter, r *http.Request) bool {
	if h.agreed.version == "" {
		return true
	}
	wasAsked, agreed := h.agreed.read(r)
	if !wasAsked {
		// A browser that does not return this cookie with the form keeps no cookies, and would be
		// asked in a loop.
		h.agreed.remember(w, asked, askedFor)
	}
	return agreed
}

// agreementQuestion is the data of the agreement page.
type agreementQuestion struct {
	target
	cancel   string // where a user who cancels continues; "" = nowhere
	app      string // name of the app; "" = not known
	missed   bool   // the form was sent without the tick
	language string
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
	if q.restart != "" {
		sealed, err := h.restarts.Seal(paramRestart, []byte(q.restart))
		if err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		fields[paramRestart] = sealed
	}
	page := web.Page{Kind: web.Agreement, Lang: q.language, App: q.app, Back: q.cancel, Forms: []web.Form{{
		// The language may be an app's choice, so the next page must have it too.
		Action: h.path + pathAgreement + "?ui_locales=" + url.QueryEscape(q.language),
		Label:  web.LabelAgree, Tick: true, Missed: q.missed, Fields: fields,
	}}}
	if q.missed {
		page.Status = http.StatusUnprocessableEntity
	}
	h.cfg.Site.Show(w, r, page)
}

// agree serves the form of the agreement page. It answers with a page that continues, for the reason
// given at declineProfile.
func (h *Handler) agree(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.form(w, r)
	if !ok {
		return
	}
	t := target{returnTo: returnTo, profile: r.PostForm.Get("scope") == "profile"}
	t.restart, _ = h.openRestart(r.PostForm.Get(paramRestart))
	wasAsked, _ := h.agreed.read(r)
	switch {
	case h.agreed.version == "": // removed from the configuration since the page was shown
	case !wasAsked:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NoCookies, Go: h.startURL(t)})
		return
	case r.PostForm.Get("agree") != "1":
		q := agreementQuestion{target: t, cancel: r.PostForm.Get("cancel"), missed: true, language: lang.FromRequest(r)}
		if !h.isOwnPath(q.cancel) {
			q.cancel = ""
		}
		h.askToAgree(w, r, q)
		return
	default:
		h.agreed.remember(w, h.agreed.version, agreedFor)
	}
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: h.startURL(t), ContinueAfter: 100 * time.Millisecond})
}

// preference remembers in the browser, for ten minutes, which sign-in method its user chose for a
// request: in one cookie, which is not encrypted. It selects among the methods that are available
// anyway, so a user who forges it gains nothing.
//
// Its value is "METHOD.REQUEST.RANDOM". REQUEST is a hash of the request, so that the user is asked
// again for another one. RANDOM differs from browser to browser, since the rate limit distinguishes
// browsers by the values of the gateway's cookies.
type preference struct{ cookies cookie.Set }

const (
	cookiePreference = "d"
	preferredFor     = 10 * time.Minute
	methodChoice     = "choose" // in place of a method: forget the choice
)

// read returns the method that was chosen for a request, "" when none was.
func (p *preference) read(r *http.Request, request string) string {
	for _, c := range r.CookiesNamed(p.cookies.Name(cookiePreference)) {
		method, rest, _ := strings.Cut(c.Value, ".")
		hash, _, _ := strings.Cut(rest, ".")
		if hash == requestHash(request) && (method == MethodScan || method == MethodWebsite) {
			return method
		}
	}
	return ""
}

// store remembers the method of a link, for a request. It ignores links on other sites, so that
// only the user chooses.
func (p *preference) store(w http.ResponseWriter, r *http.Request, request, method string) {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin": // "" is a browser from before 2020 (iOS: 2023)
	default:
		return
	}
	switch method {
	case MethodScan, MethodWebsite:
		value := method + "." + requestHash(request) + "." + rand.Text()
		http.SetCookie(w, p.cookies.New(cookiePreference, value, preferredFor))
	case methodChoice:
		http.SetCookie(w, p.cookies.Clear(cookiePreference))
	}
}

func requestHash(request string) string {
	sum := sha256.Sum256([]byte(request))
	return hex.EncodeToString(sum[:8])
}
