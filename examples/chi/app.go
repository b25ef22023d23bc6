package main

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/weigate/weigate/login"
)

//go:embed home.html
var home []byte

// newApp mounts sign-in and three pages on a chi router. Sign-in is a plain
// http.Handler and plain middleware, so chi takes both as they are.
func newApp(sign *login.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer) // not middleware.Logger: it prints the query, and on the callback that holds WeChat's code

	// Sign-in answers its own paths, whatever the method.
	r.Handle("/sign-in", sign)
	r.Handle("/sign-in/*", sign)
	r.Handle("/sign-out", sign)
	r.Handle("/wechat/callback", sign)

	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(home)
	})
	r.With(sign.Require).Get("/account", func(w http.ResponseWriter, r *http.Request) {
		session, _ := login.FromContext(r.Context())
		writeJSON(w, map[string]string{"openid": session.OpenID})
	})
	r.With(sign.RequireProfile).Get("/profile", func(w http.ResponseWriter, r *http.Request) {
		session, _ := login.FromContext(r.Context())
		writeJSON(w, map[string]string{
			"openid": session.OpenID, "nickname": session.Nickname, "avatar": session.AvatarURL,
		})
	})
	return r
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(v)
}
