package demo

import (
	"errors"
	"net/http"
	"strings"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// samplePath is the path of the sample app's page. The browser returns there after sign-in.
const samplePath = "/sample/"

// mountSample adds the routes of the sample app, the app that uses package login directly:
//
//   - its page;
//   - three paths that start a sign-in: /base, /profile and /qr;
//   - the routes of package login itself.
func (a *app) mountSample(mux *http.ServeMux) {
	mux.HandleFunc("GET "+samplePath+"{$}", a.sample)
	for path, options := range map[string]login.StartOptions{
		"/base":    {Return: samplePath, Scope: wechat.ScopeBase},
		"/profile": {Return: samplePath, Scope: wechat.ScopeUserInfo},
		"/qr":      {Return: samplePath, Method: login.MethodWebsite},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { a.login.Start(w, r, options) })
	}
	for _, path := range []string{"/sign-in", "/sign-in/", "/wechat/callback", "/sign-out"} {
		mux.Handle(path, a.login)
	}
}

// sample serves the page of the sample app, before and after sign-in.
func (a *app) sample(w http.ResponseWriter, r *http.Request) {
	session, err := a.login.Session(r)
	switch {
	case errors.Is(err, login.ErrNoSession):
		a.show(w, r, http.StatusOK, "signed-out", page{Heading: "sample", QR: a.config.WebsiteApp != nil})
		return
	case err != nil:
		a.log.ErrorContext(r.Context(), "session not read", "error", err)
		a.notice(w, r, http.StatusInternalServerError, "error")
		return
	}
	var scopes []string
	for _, s := range session.Scopes {
		scopes = append(scopes, string(s))
	}
	a.show(w, r, http.StatusOK, "signed-in", page{
		Heading: "signed_in", Nickname: session.Nickname, AvatarURL: session.AvatarURL,
		HasProfile: !session.ProfileAt.IsZero(),
		OpenID:     session.OpenID, UnionID: session.UnionID, AppID: session.AppID, Scope: strings.Join(scopes, ", "),
		Method: string(session.Method), At: session.SignedInAt.Local().Format("2006-01-02 15:04:05"),
	})
}
