package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
	"github.com/weigate/weigate/login"
)

// What the sign-in by a phone wants of its neighbours.

type scanSignIn struct{ people *signin.Handler }

func (s scanSignIn) Session(r *http.Request) (scan.Session, bool, error) {
	found, ok, err := s.people.Session(r)
	return scan.Session(found), ok, err
}

// Begin is for a phone, which has to come in by WeChat itself: from another phone it could have what it vouches for.
func (s scanSignIn) Begin(w http.ResponseWriter, r *http.Request, d scan.Demand) error {
	d.App = gateway.App{Doors: []string{signin.DoorWeChat}}
	return s.people.Begin(w, r, session.Demand(d))
}

func (s scanSignIn) AskProfile(w http.ResponseWriter, r *http.Request, found scan.Session, returnTo string) bool {
	return s.people.AskProfile(w, r, session.Browser(found), returnTo)
}

func (s scanSignIn) Establish(w http.ResponseWriter, r *http.Request, e scan.Established) error {
	err := s.people.Establish(w, r, signin.Established{
		AccountID: e.AccountID, Entry: e.Entry, AppID: e.AppID, OpenID: e.OpenID, Door: scan.Door, AuthTime: e.AuthTime,
		App: e.App, Demand: e.Demand, Seed: e.Seed, Repeat: e.Repeat,
	})
	if errors.Is(err, login.ErrNoSession) {
		return gateway.ErrNotFound
	}
	return err
}

func (s scanSignIn) SessionHash(seed []byte) ([32]byte, error) { return signin.SessionHash(seed) }

func (s scanSignIn) End(w http.ResponseWriter, r *http.Request) error { return s.people.End(w, r) }

// scanSessions ends a desktop's session from the phone: what apps have first, so that a failing store leaves no token behind.
type scanSessions struct{ a *App }

func (s scanSessions) End(ctx context.Context, hash [32]byte) error {
	if _, err := s.a.store.Revoke(ctx, gateway.Revocation{Session: hash}, s.a.o.Now()); err != nil {
		return err
	}
	return s.a.store.DeleteSession(ctx, hash)
}

// hasAccount says whether there is an official account: phones confirm through it.
func hasAccount(entries []config.Entry) bool {
	for _, e := range entries {
		if e.Kind == config.OfficialAccount {
			return true
		}
	}
	return false
}

// inWeChat tells WeChat's own browsers from others, by the rules of sign-in.
func inWeChat(entries []config.Entry) func(*http.Request) bool {
	any := false
	for _, e := range entries {
		any = any || e.AnyBrowser
	}
	return func(r *http.Request) bool { return any || login.InWeChat(r) }
}

// simulatedPhone is where a simulator has its phones; "" = people have their own.
func simulatedPhone(entries []config.Entry) string {
	for _, e := range entries {
		if e.Control != "" {
			return e.Control
		}
	}
	return ""
}

// configured finds an app of the configuration.
func configured(apps []config.App) func(id string) (gateway.App, bool) {
	byID := map[string]gateway.App{}
	for _, a := range apps {
		byID[a.ID] = a.App
	}
	return func(id string) (gateway.App, bool) {
		a, found := byID[id]
		return a, found
	}
}

// observeScan counts desktops that a phone was asked to sign in.
func (a *App) observeScan(_ context.Context, o scan.Observation) {
	if o.Outcome == "begun" {
		a.o.Metrics.SignInBegan(scan.Door)
		return
	}
	a.o.Metrics.SignInEnded(scan.Door, o.Outcome)
}
