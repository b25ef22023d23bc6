package main

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/weigate/weigate/login"
)

//go:embed home.html
var home []byte

// newApp returns a ServeMux with the sign-in handler and three pages.
func newApp(sign *login.Handler) http.Handler {
	mux := http.NewServeMux()

	sign.Mount(mux) // /sign-in, /sign-out and the callback

	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(home)
	})
	mux.Handle("GET /account", sign.Require(http.HandlerFunc(account)))
	mux.Handle("GET /profile", sign.RequireProfile(http.HandlerFunc(profile)))
	return mux
}

// account is for all signed-in users.
func account(w http.ResponseWriter, r *http.Request) {
	session, _ := login.FromContext(r.Context())
	writeJSON(w, map[string]string{"openid": session.OpenID})
}

// profile also has nickname and avatar. They are empty for users who continued
// without them.
func profile(w http.ResponseWriter, r *http.Request) {
	session, _ := login.FromContext(r.Context())
	writeJSON(w, map[string]string{
		"openid": session.OpenID, "nickname": session.Nickname, "avatar": session.AvatarURL,
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(v)
}
