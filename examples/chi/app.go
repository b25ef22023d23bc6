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

// newApp returns a chi router with the sign-in handler and three pages. The
// handler and its middleware are those of net/http, which chi uses too.
func newApp(sign *login.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer) // not middleware.Logger: it logs the query, which has WeChat's code in the callback

	for _, path := range sign.Paths() { // /sign-in, /sign-out and the callback
		r.Handle(path, sign)
	}

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
