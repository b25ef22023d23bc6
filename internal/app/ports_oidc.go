package app

import (
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/web"
)

// The pages of the features in the words of package web. What else features want of each other needs no adapting: who a browser is and what is demanded of
// a sign-in is said in the words of package session, and whether an account may use an app in those of package access.

// oidcPages shows the pages of OpenID Connect.
type oidcPages struct {
	site *web.Site
	home string // path of the gateway's first page
}

// lookAgain is how often a waiting page looks whether the person was approved.
const lookAgain = 10 * time.Second

// kindOf names our page for a reason.
func kindOf(reason oidc.Reason) web.Kind {
	switch reason {
	case oidc.ReasonUnavailable:
		return web.Busy
	case oidc.ReasonInternal:
		return web.Fault
	}
	return web.Kind(reason)
}

func (o oidcPages) Problem(w http.ResponseWriter, r *http.Request, p oidc.ProblemPage) {
	page := web.Page{Kind: kindOf(p.Reason), Status: p.Status, App: p.AppName, Go: p.Retry, BackToApp: web.ToApp(p.Back, p.Own)}
	if p.Back == "" {
		page.Home = o.home
	}
	o.site.Show(w, r, page)
}

func (o oidcPages) Confirm(w http.ResponseWriter, r *http.Request, p oidc.ConfirmPage) {
	o.site.Show(w, r, web.Page{Kind: web.ConfirmSignIn, App: p.AppName, User: person(p.User), Go: p.Continue, Back: p.Cancel})
}

func (o oidcPages) Waiting(w http.ResponseWriter, r *http.Request, p oidc.WaitingPage) {
	o.site.Show(w, r, web.Page{Kind: web.Waiting, App: p.AppName, User: person(p.User), Go: p.Retry, Every: lookAgain, Back: p.Cancel,
		UserID: &web.UserID{ID: p.User.ID}})
}

func (o oidcPages) SignOut(w http.ResponseWriter, r *http.Request, p oidc.SignOutPage) {
	o.site.Show(w, r, web.Page{Kind: web.AppSignOut, App: p.AppName, Home: o.home, Forms: []web.Form{{Action: p.Action, Label: web.LabelSignOut, Fields: p.Fields}}})
}

func (o oidcPages) SignedOut(w http.ResponseWriter, r *http.Request, p oidc.SignedOutPage) {
	page := web.Page{Kind: web.AppSignedOut, App: p.AppName}
	if p.Continue != "" {
		page.GoToApp, page.Every = web.ToApp(p.Continue, p.Own), time.Second
	}
	o.site.Show(w, r, page)
}

func person(a gateway.User) *web.User {
	return &web.User{Nickname: a.Nickname, Picture: a.AvatarURL}
}
