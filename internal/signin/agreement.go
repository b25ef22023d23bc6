package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// agreement is the memory of a browser that the box was ticked: one cookie, readable, not sealed. Who makes one up has agreed by making it up.
//
// Its value is "VERSION.RANDOM": what was agreed to, and a part that differs from browser to browser, since the limit in front tells browsers apart by
// the values of our cookies.
type agreement struct {
	version string // of what is agreed to; "" asks nobody
	cookie  http.Cookie
}

const (
	agreedFor = 365 * 24 * time.Hour // browsers forget after 400 days at the latest
	askedFor  = time.Hour
	asked     = "asked" // in place of a version: the page was shown
)

func newAgreement(address string, own *url.URL) agreement {
	if address == "" {
		return agreement{}
	}
	sum := sha256.Sum256([]byte(address))
	return agreement{version: hex.EncodeToString(sum[:6]), cookie: route.Cookie(own, "a")}
}

// read says whether the browser was asked, and whether it has agreed to the present version.
func (a *agreement) read(r *http.Request) (wasAsked, agreed bool) {
	for _, c := range r.CookiesNamed(a.cookie.Name) {
		version, _, _ := strings.Cut(c.Value, ".")
		wasAsked, agreed = true, agreed || version == a.version
	}
	return wasAsked, agreed
}

func (a *agreement) remember(w http.ResponseWriter, version string, age time.Duration) {
	c := a.cookie
	c.Value, c.MaxAge = version+"."+rand.Text(), int(age/time.Second)
	http.SetCookie(w, &c)
}

// mayBegin is login.Config.Before: no browser goes to WeChat before the box was ticked in it. Every way into sign-in comes by here.
func (h *Handler) checkAgreement(w http.ResponseWriter, r *http.Request, o login.StartOptions) bool {
	if h.agreed.version == "" {
		return true
	}
	wasAsked, agreed := h.agreed.read(r)
	if agreed {
		return true
	}
	if !wasAsked {
		// When it does not come back with the form, this browser keeps no cookies, and would be asked in a circle.
		h.agreed.remember(w, asked, askedFor)
	}
	// A sign-in that an app asked for begins over with the app's request. Only the wish for nickname and picture would not be found there.
	d := demandOf(r.Context())
	h.askToAgree(w, r, agreementQuestion{returnTo: o.Return, profile: o.Scope == wechat.ScopeUserInfo && !o.ForcePopup, cancel: d.CancelURL, app: d.App.Name})
	return false
}

// question is what the page with the box is shown for.
type agreementQuestion struct {
	returnTo string
	profile  bool   // nickname and picture are wished for
	cancel   string // the way back to the app; "" = none
	app      string // its name; "" = not known
	missed   bool   // the form came without the tick
}

func (h *Handler) askToAgree(w http.ResponseWriter, r *http.Request, q agreementQuestion) {
	fields := map[string]string{"return": q.returnTo}
	if q.profile {
		fields["scope"] = "profile"
	}
	if q.cancel != "" {
		fields["cancel"] = q.cancel
	}
	page := web.Page{Kind: web.Agreement, App: q.app, Back: q.cancel, Forms: []web.Form{{
		// An app may have asked for a language, which the next page must be told.
		Action: h.path + pathAgreement + "?ui_locales=" + url.QueryEscape(lang.FromRequest(r)),
		Label:  web.LabelAgree, Tick: true, Missed: q.missed, Fields: fields,
	}}}
	if q.missed {
		page.Status = http.StatusUnprocessableEntity
	}
	h.cfg.Site.Show(w, r, page)
}

// agree takes the form. It answers with a page that goes on, as goOnWithout does, and for the same reason.
func (h *Handler) agree(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.form(w, r)
	if !ok {
		return
	}
	profile := r.PostForm.Get("scope") == "profile"
	goOn := h.path + pathSignIn + "?return=" + url.QueryEscape(returnTo)
	if profile {
		goOn += "&scope=profile"
	}
	wasAsked, _ := h.agreed.read(r)
	switch {
	case h.agreed.version == "": // switched off since the page was shown
	case !wasAsked:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NoCookies, Go: goOn})
		return
	case r.PostForm.Get("agree") != "1":
		q := agreementQuestion{returnTo: returnTo, profile: profile, cancel: r.PostForm.Get("cancel"), missed: true}
		if !h.isOurs(q.cancel) {
			q.cancel = ""
		}
		h.askToAgree(w, r, q)
		return
	default:
		h.agreed.remember(w, h.agreed.version, agreedFor)
	}
	h.cfg.Site.Show(w, r, web.Page{Kind: web.GoingOn, Go: goOn, Every: 100 * time.Millisecond})
}
