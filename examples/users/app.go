package main

import (
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/weigate/weigate/login"
)

//go:embed home.html
var home []byte

// app is the app behind the sign-in. name identifies this replica in the responses.
type app struct {
	sign *login.Handler
	db   *sql.DB
	name string
}

// handler returns the routes of the app.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	a.sign.Mount(mux) // /sign-in, /sign-out and the callback

	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(home)
	})
	mux.Handle("GET /account", a.sign.Require(a.requireActive(a.account)))
	mux.Handle("GET /api/sessions", a.sign.RequireAPI(a.requireActive(a.sessions)))
	mux.Handle("DELETE /api/sessions/{id}", a.sign.RequireAPI(a.requireActive(a.endSession)))
	mux.Handle("DELETE /api/sessions", a.sign.RequireAPI(a.requireActive(a.endOthers)))
	return http.NewCrossOriginProtection().Handler(mux) // rejects changes by other sites
}

// requireActive calls next for a user who exists and is not blocked, and ends the session of others.
func (a *app) requireActive(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := login.FromContext(r.Context())
		active, err := (&Users{DB: a.db}).Active(r.Context(), session.Subject)
		if err == nil && !active {
			if err = a.sign.SignOut(w, r); err == nil {
				writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "signed_out"})
				return
			}
		}
		if err != nil {
			writeError(w, err)
			return
		}
		next(w, r)
	})
}

// account shows the app's own user.
func (a *app) account(w http.ResponseWriter, r *http.Request) {
	session, _ := login.FromContext(r.Context())
	writeJSON(w, http.StatusOK, map[string]string{"user": session.Subject, "openid": session.OpenID, "replica": a.name})
}

// device is a session in the list of a user.
type device struct {
	ID         string `json:"id"`
	UserAgent  string `json:"user_agent"`
	SignedInAt string `json:"signed_in_at"`
	Current    bool   `json:"current"` // the session of the browser that sent the request
}

// sessions lists where the user is signed in.
func (a *app) sessions(w http.ResponseWriter, r *http.Request) {
	current, _ := login.FromContext(r.Context())
	all, err := a.sign.Sessions(r.Context(), current.Subject)
	if err != nil {
		writeError(w, err)
		return
	}
	devices := []device{}
	for _, s := range all {
		devices = append(devices, device{ID: s.ID, UserAgent: s.UserAgent,
			SignedInAt: s.SignedInAt.Format("2006-01-02T15:04:05Z07:00"), Current: s.ID == current.ID})
	}
	writeJSON(w, http.StatusOK, devices)
}

// endSession signs the user out on one device.
func (a *app) endSession(w http.ResponseWriter, r *http.Request) {
	current, _ := login.FromContext(r.Context())
	if err := a.sign.SignOutSession(r.Context(), current.Subject, r.PathValue("id")); err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// endOthers signs the user out on all other devices.
func (a *app) endOthers(w http.ResponseWriter, r *http.Request) {
	if err := a.sign.SignOutOthers(r); err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// writeError answers a request that failed because of the store, or of a session that does not exist.
func writeError(w http.ResponseWriter, err error) {
	if errors.Is(err, login.ErrNoSession) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "no_session"})
		return
	}
	writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
